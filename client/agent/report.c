/* SPDX-License-Identifier: MIT */
#include "client/agent/report.h"

#include "lib/base/fd.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>

#define STATS_BYTES_MAX (64 * CR_KIB)

static const char *const words[] = {
    [STATE_STARTING] = "starting", [STATE_RUNNING] = "running", [STATE_REBOOTING] = "rebooting",
    [STATE_WAITING] = "waiting",   [STATE_PAUSED] = "paused",   [STATE_STOPPING] = "stopping",
    [STATE_STOPPED] = "stopped",   [STATE_FAILED] = "failed",
};

static bool as_json;
static report_sink *told;
static void *told_context;
static enum state last = STATE_STARTING;
static char last_detail[512];

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

enum state report_last(const char **ret_detail)
{
    *ret_detail = last_detail[0] != '\0' ? last_detail : NULL;
    return last;
}

static json_t *state_object(enum state state, const char *detail, json_t *cache)
{
    char stamp[64];
    time_format(stamp, sizeof(stamp));
    return json_pack("{s:s, s:s, s:s*, s:O*}", "time", stamp, "state", words[state], "detail",
                     detail, "cache", cache);
}

/* Takes the reference. */
static void json_print(json_t *object)
{
    CLEANUP_FREE char *line = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
    if (line != NULL)
        puts(line);
    fflush(stdout);
    json_decref(object);
}

static void text_print(enum state state, const char *detail)
{
    if (detail != NULL)
        printf("state: %s (%s)\n", words[state], detail);
    else
        printf("state: %s\n", words[state]);
    fflush(stdout);
}

static void tell(enum state state, const char *detail, json_t *cache)
{
    if (as_json)
        json_print(state_object(state, detail, cache));
    else
        text_print(state, detail);
    json_t *object = told != NULL ? state_object(state, detail, cache) : NULL;
    if (object != NULL)
        told(told_context, object);
}

void report_to(report_sink *sink, void *context)
{
    told = sink;
    told_context = context;
}

void report_policy(const char *text)
{
    if (as_json)
        json_print(json_pack("{s:s}", "policy", text));
    else
        printf("%s\n", text);
    fflush(stdout);
}

void report_state(enum state state, const char *detail)
{
    last = state;
    snprintf(last_detail, sizeof(last_detail), "%s", detail != NULL ? detail : "");
    tell(state, detail, NULL);
}

static json_int_t figure(const json_t *cache, const char *name)
{
    return json_integer_value(json_object_get(cache, name));
}

void report_end(enum state state, const char *detail, const char *stats)
{
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(STATS_BYTES_MAX);
    json_t *cache = cr_file_read(AT_FDCWD, stats, &text) == 0
                        ? json_loadb((const char *)text.data, text.len, 0, NULL)
                        : NULL;
    if (!as_json && cache != NULL)
        printf("cache: %" JSON_INTEGER_FORMAT " bytes read, %" JSON_INTEGER_FORMAT
               " received; %" JSON_INTEGER_FORMAT " chunks fetched, %" JSON_INTEGER_FORMAT
               " from older versions, %" JSON_INTEGER_FORMAT " by delta\n",
               figure(cache, "read_bytes"), figure(cache, "received_bytes"),
               figure(cache, "pulled_chunks"), figure(cache, "old_chunks"),
               figure(cache, "delta_chunks"));
    tell(state, detail, cache);
    json_decref(cache);
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
