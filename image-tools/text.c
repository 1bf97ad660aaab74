/* SPDX-License-Identifier: MIT */
#include "image-tools/text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

const char *text_time(int64_t seconds, char out[static TEXT_TIME])
{
    time_t t = (time_t)seconds;
    struct tm tm;
    if (gmtime_r(&t, &tm) == NULL || strftime(out, TEXT_TIME, "%Y-%m-%d %H:%M UTC", &tm) == 0)
        snprintf(out, TEXT_TIME, "?");
    return out;
}
