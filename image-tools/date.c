/* SPDX-License-Identifier: MIT */
#include "image-tools/date.h"

#include "lib/base/mem.h"
#include "lib/base/num.h"

#include <errno.h>
#include <stdbool.h>
#include <time.h>

#define AHEAD_DAYS_MAX 36500

/* "+2d" */
static bool ahead_parse(const char *text, int64_t *ret_seconds)
{
    static const struct {
        char letter;
        int64_t seconds;
    } units[] = {{'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 7 * 86400}};
    char digits[8] = "";
    uint64_t count;
    size_t len = strlen(text);
    if (text[0] != '+' || len < 3 || len - 2 >= sizeof(digits))
        return false;
    memcpy(digits, text + 1, len - 2);
    for (size_t i = 0; i < CR_ARRAY_LEN(units); i++)
        if (text[len - 1] == units[i].letter &&
            cr_u64_parse(digits, (uint64_t)(AHEAD_DAYS_MAX * 86400LL / units[i].seconds), &count) ==
                0) {
            *ret_seconds = (int64_t)count * units[i].seconds;
            return true;
        }
    return false;
}

/* strptime and mktime take the 31st of February for a day in March. */
static bool same_day(const struct tm *a, const struct tm *b)
{
    return a->tm_mday == b->tm_mday && a->tm_mon == b->tm_mon && a->tm_year == b->tm_year;
}

int date_parse(const char *text, int64_t now_s, int64_t *ret_s, struct cr_error *err)
{
    static const char *const forms[] = {"%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"};
    int64_t ahead_s;
    if (ahead_parse(text, &ahead_s)) {
        *ret_s = now_s + ahead_s;
        return 0;
    }
    for (size_t i = 0; i < CR_ARRAY_LEN(forms); i++) {
        struct tm tm = {.tm_isdst = -1};
        const char *end = strptime(text, forms[i], &tm);
        bool utc = end != NULL && i > 0 && strcmp(end, "Z") == 0;
        if (end == NULL || (end[0] != '\0' && !utc))
            continue;
        struct tm said = tm;
        time_t when = utc ? timegm(&tm) : mktime(&tm);
        if (when == (time_t)-1 || !same_day(&said, &tm))
            continue;
        *ret_s = (int64_t)when;
        return 0;
    }
    return cr_error_set(err, -EINVAL,
                        "'%.60s' is no date; write 2026-12-01, 2026-12-01T08:00 (local time), "
                        "2026-12-01T08:00Z (UTC) or +2d (m, h, d, w from now)",
                        text);
}
