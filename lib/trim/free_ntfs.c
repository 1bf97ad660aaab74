/* SPDX-License-Identifier: MIT */
/* NTFS through libntfs-3g, which reads the disk by the functions given here and cannot write. */
#include "lib/base/mem.h"
#include "lib/trim/free.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/stat.h>

#include <ntfs-3g/types.h>

#include <ntfs-3g/attrib.h>
#include <ntfs-3g/device.h>
#include <ntfs-3g/inode.h>
#include <ntfs-3g/layout.h>
#include <ntfs-3g/logfile.h>
#include <ntfs-3g/logging.h>
#include <ntfs-3g/volume.h>

#define BITMAP_PART_BYTES (1U << 20)

/* --- the partition as libntfs-3g sees it
 * ---------------------------------------------------------- */

struct window {
    const struct cr_trim_place *place;
    s64 position;
};

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
    s64 size = (s64)window->place->size_bytes;
    if (count < 0 || offset < 0) {
        errno = EINVAL;
        return -1;
    }
    if (offset >= size)
        return 0;
    if (count > size - offset)
        count = size - offset;
    return pread(window->place->fd, buf, (size_t)count, (off_t)window->place->offset + offset);
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
    s64 base = whence == SEEK_SET   ? 0
               : whence == SEEK_CUR ? window->position
                                    : (s64)window->place->size_bytes;
    if (offset < -base || offset > (s64)window->place->size_bytes - base) {
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
    *st = (struct stat){.st_mode = S_IFREG | 0400, .st_size = (off_t)window->place->size_bytes};
    return 0;
}

static int window_ioctl(struct ntfs_device *dev, unsigned long request, void *argument)
{
    (void)dev, (void)request, (void)argument;
    errno = EOPNOTSUPP;
    return -1;
}

static struct ntfs_device_operations window_operations = {
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

/* --- is it clean?
 * --------------------------------------------------------------------------------- */

static void volume_cleanup(ntfs_volume **volume)
{
    if (*volume != NULL)
        ntfs_umount(*volume, TRUE);
}

static void inode_cleanup(ntfs_inode **inode)
{
    if (*inode != NULL)
        ntfs_inode_close(*inode);
}

static void attribute_cleanup(ntfs_attr **attribute)
{
    if (*attribute != NULL)
        ntfs_attr_close(*attribute);
}

/* Does the log say that everything reached its place? */
static bool log_is_clean(ntfs_volume *volume)
{
    CLEANUP(inode_cleanup) ntfs_inode *inode = ntfs_inode_open(volume, FILE_LogFile);
    if (inode == NULL)
        return false;
    CLEANUP(attribute_cleanup)
    ntfs_attr *log = ntfs_attr_open(inode, AT_DATA, AT_UNNAMED, 0);
    CLEANUP_FREE RESTART_PAGE_HEADER *page = NULL;
    return log != NULL && ntfs_check_logfile(log, &page) && ntfs_is_logfile_clean(log, page);
}

static int clean_check(ntfs_volume *volume, struct cr_error *err)
{
    if ((volume->flags & (VOLUME_IS_DIRTY | VOLUME_CHKDSK_UNDERWAY)) != 0)
        return cr_error_set(err, -EUCLEAN,
                            "it was not shut down cleanly or waits for a check: start Windows once "
                            "more and shut it down, or run chkdsk /f");
    if (ntfs_volume_check_hiberfile(volume, 0) != 0)
        return cr_error_set(err, -EUCLEAN,
                            "Windows is hibernated in it (fast startup): shut it down with "
                            "'shutdown /s /t 0', or turn fast startup off with 'powercfg /h off'");
    if (!log_is_clean(volume))
        return cr_error_set(err, -EUCLEAN,
                            "its log holds changes that are not yet applied: start Windows once "
                            "more and shut it down");
    return 0;
}

/* --- the bitmap
 * ----------------------------------------------------------------------------------- */

/* Add the zero bits of `bits`, of which the first stands for the cluster `first`. */
static int bits_walk(const uint8_t *bits, uint64_t first, uint64_t count, uint64_t cluster_bytes,
                     uint64_t disk_offset, struct cr_extents *free_space)
{
    for (uint64_t i = 0; i < count;) {
        bool used = (bits[i / 8] >> (i % 8) & 1) != 0;
        uint64_t begin = i;
        while (i < count && ((bits[i / 8] >> (i % 8) & 1) != 0) == used)
            i += i % 8 == 0 && count - i >= 8 && bits[i / 8] == (used ? 0xff : 0) ? 8 : 1;
        if (used)
            continue;
        int r = cr_extents_add(free_space, disk_offset + (first + begin) * cluster_bytes,
                               (i - begin) * cluster_bytes);
        if (r < 0)
            return r;
    }
    return 0;
}

static int bitmap_walk(ntfs_volume *volume, uint64_t disk_offset, struct cr_extents *free_space)
{
    CLEANUP_FREE uint8_t *part = malloc(BITMAP_PART_BYTES);
    if (part == NULL)
        return -ENOMEM;
    uint64_t clusters = (uint64_t)volume->nr_clusters;
    for (uint64_t first = 0; first < clusters;) {
        uint64_t count = clusters - first;
        if (count > 8ULL * BITMAP_PART_BYTES)
            count = 8ULL * BITMAP_PART_BYTES;
        s64 bytes = (s64)((count + 7) / 8);
        if (ntfs_attr_pread(volume->lcnbmp_na, (s64)(first / 8), bytes, part) != bytes)
            return -EIO;
        int r = bits_walk(part, first, count, volume->cluster_size, disk_offset, free_space);
        if (r < 0)
            return r;
        first += count;
    }
    return 0;
}

static void library_silence(void)
{
    ntfs_log_set_handler(ntfs_log_handler_null);
}

int cr_trim_free_ntfs(const struct cr_trim_place *place, struct cr_extents *free_space,
                      struct cr_error *err)
{
    static pthread_once_t silenced = PTHREAD_ONCE_INIT;
    pthread_once(&silenced, library_silence);
    struct window window = {.place = place};
    struct ntfs_device *device = ntfs_device_alloc(place->path, 0, &window_operations, &window);
    if (device == NULL)
        return cr_error_errno(err, -errno, "it cannot be opened");
    CLEANUP(volume_cleanup)
    ntfs_volume *volume = ntfs_device_mount(device, NTFS_MNT_RDONLY | NTFS_MNT_FORENSIC);
    if (volume == NULL) {
        int code = errno > 0 ? -errno : -EINVAL;
        ntfs_device_free(device);
        return cr_error_errno(err, code, "it cannot be opened");
    }
    if (volume->cluster_size == 0 || volume->nr_clusters <= 0 ||
        (uint64_t)volume->nr_clusters > place->size_bytes / volume->cluster_size)
        return cr_error_set(err, -EUCLEAN, "it is larger than its partition");
    int r = clean_check(volume, err);
    if (r < 0)
        return r;
    r = bitmap_walk(volume, place->offset, free_space);
    return r < 0 ? cr_error_errno(err, r, "its cluster bitmap cannot be read") : 0;
}
