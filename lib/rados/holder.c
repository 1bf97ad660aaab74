/* SPDX-License-Identifier: MIT */
/*
 * A cookie is "PID@HOST/BOOT/NAMESPACE/START/RANDOM": a process is told from a later one with the
 * same number by when it started, and a machine from another one by its boot and PID namespace.
 */
#include "lib/rados/holder.h"

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

struct holder {
    long pid;
    char host[65];
    char boot[16];       /* the first digits of the boot's id */
    uint64_t name_space; /* of process numbers */
    uint64_t start;      /* in clock ticks since the boot */
};

/* When process `pid` started, in clock ticks; false when there is none. */
static bool start_of(long pid, uint64_t *ret_start)
{
    char path[48];
    snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[1024];
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (n <= 0)
        return false;
    text[n] = '\0';
    /* The program's name, in parentheses, may hold anything; 19 fields follow up to the start. */
    const char *at = strrchr(text, ')');
    char state = '\0';
    if (at == NULL || sscanf(at, ") %c", &state) != 1 || state == 'Z' || state == 'X')
        return false;
    for (int field = 0; field < 20; field++) {
        at = strchr(at + 1, ' ');
        if (at == NULL)
            return false;
    }
    at++;
    return cr_u64_take(&at, UINT64_MAX, ret_start) == 0;
}

static bool self(struct holder *ret_holder)
{
    struct holder holder = {.pid = (long)getpid()};
    struct stat st;
    CLEANUP_CLOSE int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, holder.boot, 13);
    if (n < 13 || stat("/proc/self/ns/pid", &st) < 0 || !start_of(holder.pid, &holder.start))
        return false;
    holder.name_space = st.st_ino;
    *ret_holder = holder;
    return true;
}

/* What stands before the next '/'; *text then points behind that. */
static bool word_take(const char **text, char *out, size_t size)
{
    size_t len = strcspn(*text, "/");
    if (len == 0 || len >= size || (*text)[len] != '/')
        return false;
    memcpy(out, *text, len);
    out[len] = '\0';
    *text += len + 1;
    return true;
}

static bool holder_parse(const char *cookie, struct holder *ret_holder)
{
    struct holder holder = {0};
    uint64_t pid = 0;
    const char *at = cookie;
    if (cr_u64_take(&at, INT32_MAX, &pid) < 0 || *at++ != '@' ||
        !word_take(&at, holder.host, sizeof(holder.host)) ||
        !word_take(&at, holder.boot, sizeof(holder.boot)) ||
        cr_u64_take(&at, UINT64_MAX, &holder.name_space) < 0 || *at++ != '/' ||
        cr_u64_take(&at, UINT64_MAX, &holder.start) < 0 || *at != '/')
        return false;
    holder.pid = (long)pid;
    *ret_holder = holder;
    return true;
}

int cr_holder_cookie(char *out, size_t size, struct cr_error *err)
{
    struct holder holder = {.pid = (long)getpid(), .boot = "-"};
    uint64_t random[2];
    (void)self(&holder); /* without /proc nobody can tell that we are gone */
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return cr_error_errno(err, -errno, "making a name for a lock");
    if (gethostname(holder.host, sizeof(holder.host) - 1) < 0 || holder.host[0] == '\0')
        snprintf(holder.host, sizeof(holder.host), "unknown");
    for (char *c = holder.host; *c != '\0'; c++)
        if (*c == ' ' || *c == '/')
            *c = '_';
    snprintf(out, size, "%ld@%s/%s/%" PRIu64 "/%" PRIu64 "/%016" PRIx64 "%016" PRIx64, holder.pid,
             holder.host, holder.boot, holder.name_space, holder.start, random[0], random[1]);
    return 0;
}

bool cr_holder_is_gone(const char *cookie)
{
    struct holder holder, here;
    uint64_t start;
    if (!holder_parse(cookie, &holder) || !self(&here) || strcmp(holder.boot, here.boot) != 0 ||
        holder.name_space != here.name_space)
        return false;
    return !start_of(holder.pid, &start) || start != holder.start;
}

const char *cr_holder_describe(const char *cookie, char out[static CR_HOLDER_TEXT])
{
    struct holder holder;
    if (holder_parse(cookie, &holder))
        snprintf(out, CR_HOLDER_TEXT, "pid %ld on %s", holder.pid, holder.host);
    else
        snprintf(out, CR_HOLDER_TEXT, "%.64s", cookie);
    return out;
}
