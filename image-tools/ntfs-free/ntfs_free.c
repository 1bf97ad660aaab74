/* SPDX-License-Identifier: MIT */
/* The free space of an NTFS, printed as lib/trim/freelist.h says; README.md: why apart. */
#include "image-tools/ntfs-free/window.h"
#include "lib/base/error.h"
#include "lib/base/extents.h"
#include "lib/base/fd.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/trim/freelist.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <ntfs-3g/attrib.h>
#include <ntfs-3g/inode.h>
#include <ntfs-3g/layout.h>
#include <ntfs-3g/logfile.h>
#include <ntfs-3g/logging.h>
#include <ntfs-3g/volume.h>

#define BITMAP_PART_BYTES (1U << 20)
#define MEMORY_BYTES_MAX  CR_GIB
#define CPU_SECONDS_MAX   120

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif

/* --- is it clean? ----------------------------------------------------------------------------- */

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

/* --- the bitmap ------------------------------------------------------------------------------- */

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

/* --- the program ------------------------------------------------------------------------------ */

static int free_find(struct window *window, struct cr_extents *free_space, struct cr_error *err)
{
    ntfs_log_set_handler(ntfs_log_handler_null);
    struct ntfs_device *device = ntfs_device_alloc("disk", 0, &window_operations, window);
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
        volume->nr_clusters > window->size_bytes / (s64)volume->cluster_size)
        return cr_error_set(err, -EUCLEAN, "it is larger than its partition");
    int r = clean_check(volume, err);
    if (r < 0)
        return r;
    r = bitmap_walk(volume, (uint64_t)window->offset, free_space);
    return r < 0 ? cr_error_errno(err, r, "its cluster bitmap cannot be read") : 0;
}

/*
 * The disk may come from anybody and libntfs-3g was not written for that: give up what reading it
 * does not need. Sanitizers need more.
 */
static int rights_drop(void)
{
#ifndef SANITIZED
    static const struct {
        __rlimit_resource_t resource;
        rlim_t max;
    } limits[] = {
        {RLIMIT_NOFILE, 0}, /* what is open stays open */
        {RLIMIT_NPROC, 0},
        {RLIMIT_CORE, 0},
        {RLIMIT_AS, MEMORY_BYTES_MAX},
        {RLIMIT_CPU, CPU_SECONDS_MAX},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(limits); i++) {
        struct rlimit limit;
        if (getrlimit(limits[i].resource, &limit) < 0)
            return -errno;
        if (limit.rlim_max > limits[i].max)
            limit.rlim_max = limits[i].max;
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(limits[i].resource, &limit) < 0)
            return -errno;
    }
#endif
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

static int run(const char *path, const char *offset, const char *size, struct cr_error *err)
{
    CLEANUP_EXTENTS struct cr_extents free_space = {0};
    CLEANUP_BUF struct cr_buf list = CR_BUF_INIT(CR_FREE_LIST_BYTES_MAX);
    uint64_t offset_bytes, size_bytes;
    if (cr_u64_parse(offset, CR_DISK_BYTES_MAX, &offset_bytes) < 0 ||
        cr_u64_parse(size, CR_DISK_BYTES_MAX, &size_bytes) < 0)
        return cr_error_set(err, -EINVAL, "'%s' and '%s' are not a place on a disk, in bytes",
                            offset, size);
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return cr_error_errno(err, -errno, "cannot open '%s'", path);
    int r = rights_drop();
    if (r < 0)
        return cr_error_errno(err, r, "its reader cannot give up its rights");
    struct window window = {.fd = fd, .offset = (s64)offset_bytes, .size_bytes = (s64)size_bytes};
    r = free_find(&window, &free_space, err);
    if (r < 0)
        return r;
    r = cr_freelist_format(&free_space, &list);
    if (r < 0)
        return cr_error_errno(err, r, "its free space lies in too many pieces");
    r = cr_write_full(STDOUT_FILENO, list.data, list.len);
    return r < 0 ? cr_error_errno(err, r, "the list cannot be written") : 0;
}

int main(int argc, char **argv)
{
    struct cr_error err = {0};
    if (argc != 4) {
        fprintf(stderr, "usage: carrel-ntfs-free PATH OFFSET SIZE (in bytes of the disk)\n");
        return 2;
    }
    if (run(argv[1], argv[2], argv[3], &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    return 0;
}
