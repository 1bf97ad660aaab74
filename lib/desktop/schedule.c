/* SPDX-License-Identifier: MIT */
#include "lib/desktop/desktop.h"

bool cr_overlay_outlives(enum cr_overlay_mode mode)
{
    return mode != CR_OVERLAY_BOOT && mode != CR_OVERLAY_LOGOUT;
}

/* Days since 1970 of a calendar date; leap years by the rule of the Gregorian calendar. */
static long day_of(const struct tm *date)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    long year = date->tm_year + 1900L;
    long past = year - (date->tm_mon < 2); /* February of this year is not behind us yet */
    long leaps = (past / 4 - past / 100 + past / 400) - (1969 / 4 - 1969 / 100 + 1969 / 400);
    return (year - 1970) * 365 + leaps + before[date->tm_mon] + date->tm_mday - 1;
}

bool cr_overlay_is_due(enum cr_overlay_mode mode, const struct tm *made, const struct tm *now)
{
    switch (mode) {
    case CR_OVERLAY_DAILY:
        return day_of(now) > day_of(made);
    case CR_OVERLAY_WEEKLY:
        /* 1 January 1970 was a Thursday. */
        return (day_of(now) + 3) / 7 > (day_of(made) + 3) / 7;
    case CR_OVERLAY_MONTHLY:
        return now->tm_year > made->tm_year ||
               (now->tm_year == made->tm_year && now->tm_mon > made->tm_mon);
    case CR_OVERLAY_BOOT:
    case CR_OVERLAY_LOGOUT:
    case CR_OVERLAY_KEEP:
        break;
    }
    return false;
}
