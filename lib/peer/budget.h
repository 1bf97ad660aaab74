/* SPDX-License-Identifier: MIT */
/* So many bytes a second: how long to wait before the next ones. Owns no clock. */
#pragma once

#include <stdint.h>

struct cr_budget {
    uint64_t bytes_a_second; /* 0 = no limit */
    uint64_t free_ms;        /* when all that was spent is paid for */
};

/* For how long what was spent until now is not paid for yet. */
uint64_t cr_budget_debt_ms(const struct cr_budget *budget, uint64_t now_ms);

/* Spend `bytes`. Returns how many ms to wait until they are paid for; idle time is not saved up. */
uint64_t cr_budget_spend(struct cr_budget *budget, uint64_t bytes, uint64_t now_ms);
