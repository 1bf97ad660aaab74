/* SPDX-License-Identifier: MIT */
#include "client/agent/report.h"

#include "lib/base/mem.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>

static const char *const words[] = {
    [STATE_STARTING] = "starting", [STATE_RUNNING] = "running", [STATE_REBOOTING] = "rebooting",
    [STATE_WAITING] = "waiting",   [STATE_PAUSED] = "paused",   [STATE_STOPPING] = "stopping",
    [STATE_STOPPED] = "stopped",   [STATE_FAILED] = "failed",
};

static bool as_json;

void report_use_json(bool json)
{
    as_json = json;
}

const char *report_word(enum state state)
{
    return words[state];
}

/* UTC with milliseconds, as RFC 3339 writes it. */
static void time_format(char *out, size_t size)
{
    struct timeval now;
    struct tm utc;
    char seconds[32];
    gettimeofday(&now, NULL);
    gmtime_r(&now.tv_sec, &utc);
    strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out, size, "%s.%03dZ", seconds, (int)(now.tv_usec / 1000));
}

void report_state(enum state state, const char *detail)
{
    if (!as_json) {
        if (detail != NULL)
            printf("state: %s (%s)\n", words[state], detail);
        else
            printf("state: %s\n", words[state]);
        fflush(stdout);
        return;
    }
    char stamp[64];
    time_format(stamp, sizeof(stamp));
    json_t *object =
        json_pack("{s:s, s:s, s:s*}", "time", stamp, "state", words[state], "detail", detail);
    CLEANUP_FREE char *line = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
    if (line != NULL)
        puts(line);
    fflush(stdout);
    json_decref(object);
}

void report_warning(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("carrel-agent: warning: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}
