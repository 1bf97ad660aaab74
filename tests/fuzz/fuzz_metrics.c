/* SPDX-License-Identifier: MIT */
/* Input: what a server says of itself at /metrics. */
#include "tests/fuzz/fuzz.h"

#include "lib/net/metrics.h"

#include <errno.h>
#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"cpu", "reads", "reads{kind=\"chunk\"}"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        double value = -1;
        int r = cr_metrics_sum((const char *)data, size, names[i], &value);
        REQUIRE(r == 0 || (r == -ENOENT && value == -1));
        REQUIRE(!isnan(value));
    }
    return 0;
}
