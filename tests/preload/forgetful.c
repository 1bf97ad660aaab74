/* SPDX-License-Identifier: MIT */
/*
 * Planted faults for the test of power cuts: a library to preload that makes a publisher forget one
 * of the things that its safety rests on. FORGETS names it; the test must catch each.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int fsync(int fd);
int fdatasync(int fd);
int renameat(int from_fd, const char *from, int to_fd, const char *to);
int openat(int fd, const char *path, int flags, ...);

static bool forgets(const char *what)
{
    const char *name = getenv("FORGETS");
    return name != NULL && strcmp(name, what) == 0;
}

/* The last two parts of the path behind `fd`: "packs", "tmp/w1.0/3". */
static const char *path_of(int fd, char *path, size_t size)
{
    char link[64];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, size - 1);
    path[len < 0 ? 0 : len] = '\0';
    return path;
}

static bool is_folder(int fd, const char *name)
{
    char path[4096];
    const char *slash = strrchr(path_of(fd, path, sizeof(path)), '/');
    return slash != NULL && strcmp(slash + 1, name) == 0;
}

/* The frames of segments, manifests and packs begin differently from each other and from heads. */
static bool begins_with(int fd, const char *text)
{
    char path[4096], first[16] = "";
    int again = open(path_of(fd, path, sizeof(path)), O_RDONLY | O_CLOEXEC);
    ssize_t n = again < 0 ? -1 : pread(again, first, sizeof(first), 0);
    if (again >= 0)
        close(again);
    return n >= (ssize_t)strlen(text) && memcmp(first, text, strlen(text)) == 0;
}

static bool fsync_is_forgotten(int fd)
{
    if (forgets("packs"))
        return begins_with(fd, "CRPACK01");
    if (forgets("objects"))
        return begins_with(fd, "\x28\xb5\x2f\xfd");
    if (forgets("head"))
        return begins_with(fd, "carrel-head") || is_folder(fd, "heads");
    if (forgets("heads-folder"))
        return is_folder(fd, "heads");
    if (forgets("fence"))
        return begins_with(fd, "carrel-fence") || is_folder(fd, "state");
    if (forgets("note"))
        return begins_with(fd, "carrel-sync");
    return forgets("everything");
}

int fsync(int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    return fsync_is_forgotten(fd) ? 0 : real(fd);
}

int fdatasync(int fd)
{
    return fsync(fd);
}

/* The head first, and the packs' names after it. */
struct late {
    int from_fd, to_fd;
    char from[64], to[80];
};
static struct late late[64];
static unsigned late_count;

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    int (*real)(int, const char *, int, const char *) =
        (int (*)(int, const char *, int, const char *))dlsym(RTLD_NEXT, "renameat");
    if (forgets("order") && is_folder(to_fd, "packs") && late_count < 64) {
        struct late *l = &late[late_count++];
        l->from_fd = dup(from_fd);
        l->to_fd = dup(to_fd);
        snprintf(l->from, sizeof(l->from), "%s", from);
        snprintf(l->to, sizeof(l->to), "%s", to);
        return 0;
    }
    int r = real(from_fd, from, to_fd, to);
    if (r == 0 && is_folder(to_fd, "heads") && late_count > 0) {
        int (*sync_now)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
        sync_now(to_fd);
        for (; late_count > 0; late_count--) {
            struct late *l = &late[late_count - 1];
            real(l->from_fd, l->from, l->to_fd, l->to);
            close(l->from_fd);
            close(l->to_fd);
        }
    }
    return r;
}

/* Written through the page cache, where forgetting to sync shows. */
int openat(int fd, const char *path, int flags, ...)
{
    int (*real)(int, const char *, int, ...) =
        (int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, "openat");
    __builtin_va_list arguments;
    __builtin_va_start(arguments, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? __builtin_va_arg(arguments, mode_t) : 0;
    __builtin_va_end(arguments);
    if (flags & O_DIRECT) {
        errno = EINVAL;
        return -1;
    }
    return real(fd, path, flags, mode);
}
