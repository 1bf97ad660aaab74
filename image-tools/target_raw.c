/* SPDX-License-Identifier: MIT */
/*
 * An export to a sparse raw file. It is written past the page cache where the file system can do
 * that: copying a whole disk into the cache costs more than all the checking of it, and would push
 * out what the machine really needs there.
 */
#include "image-tools/export.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <fcntl.h>

struct raw {
    struct target base;
    int fd;
    int direct_fd; /* the same file, opened with O_DIRECT; -1 where that does not exist */
};

/* What O_DIRECT asks of places and lengths on every file system of Linux. */
#define DIRECT_BYTES 4096U

/*
 * Write what of the data is aligned past the cache. Returns how many bytes that was: 0 when it
 * cannot be done, and then the ordinary way tells why.
 */
static size_t write_direct(const struct raw *raw, const void *data, size_t len, uint64_t offset)
{
    size_t aligned = len - len % DIRECT_BYTES;
    if (raw->direct_fd < 0 || offset % DIRECT_BYTES != 0 || (uintptr_t)data % DIRECT_BYTES != 0)
        return 0;
    return cr_pwrite_full(raw->direct_fd, data, aligned, offset) < 0 ? 0 : aligned;
}

static int raw_write(struct target *target, const void *data, size_t len, uint64_t offset,
                     struct cr_error *err)
{
    struct raw *raw = (struct raw *)target;
    size_t done = write_direct(raw, data, len, offset);
    int r = cr_pwrite_full(raw->fd, (const uint8_t *)data + done, len - done, offset + done);
    if (r == -ENOSPC || r == -EDQUOT)
        return cr_error_errno(err, r, "cannot write '%s': make room and export again",
                              target->name);
    return r < 0 ? cr_error_errno(err, r, "cannot write '%s'", target->name) : 0;
}

static int raw_finish(struct target *target, bool sync, struct cr_error *err)
{
    struct raw *raw = (struct raw *)target;
    if (sync && fsync(raw->fd) < 0)
        return cr_error_errno(err, -errno, "cannot write '%s'", target->name);
    return 0;
}

static void raw_close(struct target *target)
{
    struct raw *raw = (struct raw *)target;
    if (raw->direct_fd >= 0)
        close(raw->direct_fd);
    close(raw->fd);
    free(raw);
}

static const struct target_ops raw_ops = {raw_write, raw_finish, raw_close};

int target_raw_open(const char *path, const char *name, uint64_t disk_bytes,
                    struct target **ret_target, struct cr_error *err)
{
    CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return cr_error_errno(err, -errno, "cannot make '%s'", name);
    if (ftruncate(fd, (off_t)disk_bytes) < 0)
        return cr_error_errno(err, -errno, "cannot make '%s' %llu bytes long", name,
                              (unsigned long long)disk_bytes);
    struct raw *raw = cr_calloc(1, sizeof(*raw));
    if (raw == NULL)
        return cr_error_errno(err, -ENOMEM, "cannot make '%s'", name);
    *raw = (struct raw){.base = {.ops = &raw_ops, .name = name},
                        .direct_fd = open(path, O_WRONLY | O_DIRECT | O_CLOEXEC),
                        .fd = TAKE_FD(fd)};
    *ret_target = &raw->base;
    return 0;
}
