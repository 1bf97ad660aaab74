/* SPDX-License-Identifier: MIT */
#include "client/agent/capture.h"

#include "client/agent/shelf.h"
#include "client/agent/tool.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

/* Take "--cache DIR" or "--cache=DIR" out of the arguments. NULL = not there. */
static const char *cache_take(char **words, int *count)
{
    static const char option[] = "--cache", equals[] = "--cache=";
    for (int i = 0; i < *count; i++) {
        int taken = strncmp(words[i], equals, strlen(equals)) == 0    ? 1
                    : strcmp(words[i], option) == 0 && i + 1 < *count ? 2
                                                                      : 0;
        if (taken == 0)
            continue;
        const char *dir = taken == 1 ? words[i] + strlen(equals) : words[i + 1];
        memmove(&words[i], &words[i + taken], (size_t)(*count - i - taken) * sizeof(*words));
        *count -= taken;
        return dir;
    }
    return NULL;
}

int capture_run(int argc, char **argv, struct cr_error *err)
{
    char program[PATH_MAX], overlay[PATH_MAX], verb[] = "capture";
    int count = argc, lock = -1;
    CLEANUP_FREE char **words = cr_calloc((size_t)argc + 3, sizeof(*words));
    if (words == NULL)
        return cr_error_errno(err, -ENOMEM, "capturing");
    memcpy(words + 2, argv, (size_t)argc * sizeof(*argv));
    const char *cache = cache_take(words + 2, &count);
    if (cache != NULL) {
        if (count == 0)
            return cr_error_set(err, -EINVAL,
                                "capturing: name the overlay; 'carrel-agent overlays "
                                "ls' tells those that are");
        int r = shelf_take(cache, words[count + 1], "capturing", overlay, &lock, err);
        if (r < 0)
            return r;
        words[count + 1] = overlay;
        fcntl(lock, F_SETFD, 0); /* for as long as carrel-sync runs */
    }
    words[0] = program;
    words[1] = verb;
    words[count + 2] = NULL;
    const char *found = tool_beside("carrel-sync", program, sizeof(program));
    if (found != program)
        snprintf(program, sizeof(program), "%s", found);
    execvp(program, words);
    int r = -errno;
    if (lock >= 0)
        close(lock);
    return cr_error_errno(err, r, "starting '%s'", program);
}
