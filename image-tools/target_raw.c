/* SPDX-License-Identifier: MIT */
/* An export to a sparse raw file. */
#include "image-tools/export.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <fcntl.h>

struct raw {
    struct target base;
    int fd;
};

static int raw_write(struct target *target, const void *data, size_t len, uint64_t offset,
                     struct cr_error *err)
{
    struct raw *raw = (struct raw *)target;
    int r = cr_pwrite_full(raw->fd, data, len, offset);
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
    *raw = (struct raw){.base = {.ops = &raw_ops, .name = name}, .fd = TAKE_FD(fd)};
    *ret_target = &raw->base;
    return 0;
}
