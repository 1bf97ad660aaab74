/* SPDX-License-Identifier: MIT */
#include "lib/peer/budget.h"

uint64_t cr_budget_debt_ms(const struct cr_budget *budget, uint64_t now_ms)
{
    return budget->free_ms > now_ms ? budget->free_ms - now_ms : 0;
}

uint64_t cr_budget_spend(struct cr_budget *budget, uint64_t bytes, uint64_t now_ms)
{
    if (budget->bytes_a_second == 0)
        return 0;
    if (budget->free_ms < now_ms)
        budget->free_ms = now_ms;
    budget->free_ms += (bytes * 1000 + budget->bytes_a_second - 1) / budget->bytes_a_second;
    return budget->free_ms - now_ms;
}
