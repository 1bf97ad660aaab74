/* SPDX-License-Identifier: MIT */
#include "image-tools/ntfs-free/window.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static int window_open(struct ntfs_device *dev, int flags)
{
    (void)flags;
    NDevSetOpen(dev);
    NDevSetReadOnly(dev);
    return 0;
}

static int window_close(struct ntfs_device *dev)
{
    NDevClearOpen(dev);
    return 0;
}

static s64 window_pread(struct ntfs_device *dev, void *buf, s64 count, s64 offset)
{
    const struct window *window = dev->d_private;
    if (count < 0 || offset < 0) {
        errno = EINVAL;
        return -1;
    }
    if (offset >= window->size_bytes)
        return 0;
    if (count > window->size_bytes - offset)
        count = window->size_bytes - offset;
    return pread(window->fd, buf, (size_t)count, window->offset + offset);
}

static s64 window_read(struct ntfs_device *dev, void *buf, s64 count)
{
    struct window *window = dev->d_private;
    s64 n = window_pread(dev, buf, count, window->position);
    if (n > 0)
        window->position += n;
    return n;
}

static s64 window_seek(struct ntfs_device *dev, s64 offset, int whence)
{
    struct window *window = dev->d_private;
    s64 base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? window->position : window->size_bytes;
    if (offset < -base || offset > window->size_bytes - base) {
        errno = EINVAL;
        return -1;
    }
    window->position = base + offset;
    return window->position;
}

static s64 window_refuse_write(struct ntfs_device *dev, const void *buf, s64 count)
{
    (void)dev, (void)buf, (void)count;
    errno = EROFS;
    return -1;
}

static s64 window_refuse_pwrite(struct ntfs_device *dev, const void *buf, s64 count, s64 offset)
{
    (void)offset;
    return window_refuse_write(dev, buf, count);
}

static int window_sync(struct ntfs_device *dev)
{
    (void)dev;
    return 0;
}

static int window_stat(struct ntfs_device *dev, struct stat *st)
{
    const struct window *window = dev->d_private;
    *st = (struct stat){.st_mode = S_IFREG | 0400, .st_size = window->size_bytes};
    return 0;
}

static int window_ioctl(struct ntfs_device *dev, unsigned long request, void *argument)
{
    (void)dev, (void)request, (void)argument;
    errno = EOPNOTSUPP;
    return -1;
}

struct ntfs_device_operations window_operations = {
    .open = window_open,
    .close = window_close,
    .seek = window_seek,
    .read = window_read,
    .write = window_refuse_write,
    .pread = window_pread,
    .pwrite = window_refuse_pwrite,
    .sync = window_sync,
    .stat = window_stat,
    .ioctl = window_ioctl,
};
