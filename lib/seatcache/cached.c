/* SPDX-License-Identifier: MIT */
#include "lib/seatcache/cached.h"

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/image/idset.h"
#include "lib/image/manifest.h"
#include "lib/seatcache/chunkfile.h"
#include "lib/seatcache/mapfile.h"
#include "lib/seatcache/objects.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

/* Objects younger than that are left alone. */
#define SWEEP_AGE_S 3600

#define DISK_SUFFIX ".disk"

/* --- the list ----------------------------------------------------------------------------------
 */

static int by_last_use(const void *left, const void *right)
{
    const struct cr_cached *a = left, *b = right;
    if (a->map.used_s != b->map.used_s)
        return a->map.used_s < b->map.used_s ? -1 : 1;
    if (a->map.number != b->map.number)
        return a->map.number < b->map.number ? -1 : 1;
    return memcmp(&a->root, &b->root, sizeof(a->root));
}

/* What is known of the file `name`; false when it is none of ours. */
static bool cached_look(int disks_fd, const char *name, struct cr_cached *ret_cached)
{
    char map_name[CR_MAPFILE_NAME];
    struct stat st;
    struct cr_cached cached = {.has_map = false};
    size_t len = strlen(name);
    if (len != CR_ID_HEX - 1 + strlen(DISK_SUFFIX) ||
        strcmp(name + CR_ID_HEX - 1, DISK_SUFFIX) != 0 ||
        cr_id_parse(name, CR_ID_HEX - 1, &cached.root) < 0 ||
        fstatat(disks_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
        return false;
    cached.disk_bytes = (uint64_t)st.st_size;
    cached.file_bytes = (uint64_t)st.st_blocks * 512;
    if (cached.disk_bytes > 0 && cached.disk_bytes <= CR_DISK_BYTES_MAX)
        cached.has_map = cr_mapfile_look(disks_fd, cr_mapfile_name(&cached.root, map_name),
                                         &cached.root, cached.disk_bytes, &cached.map, NULL) == 0;
    if (!cached.has_map)
        cached.map = (struct cr_map){
            .root = cached.root,
            .disk_bytes = cached.disk_bytes,
            .data_chunks = CR_MAP_UNKNOWN,
            .used_s = (uint64_t)st.st_mtime,
        };
    *ret_cached = cached;
    return true;
}

int cr_cached_list(int disks_fd, struct cr_cached **ret_list, size_t *ret_count,
                   struct cr_error *err)
{
    CLEANUP_FREE struct cr_cached *list = cr_calloc(1, sizeof(*list));
    size_t count = 0, room = 1;
    int fd = openat(disks_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP_CLOSEDIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (list == NULL || dir == NULL)
        return cr_error_errno(err, list == NULL ? -ENOMEM : -errno, "cannot list the cache folder");
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (!cached_look(disks_fd, entry->d_name, &list[count]))
            continue;
        if (++count < room)
            continue;
        struct cr_cached *more = realloc(list, 2 * room * sizeof(*list));
        if (more == NULL)
            return cr_error_errno(err, -ENOMEM, "cannot list the cache folder");
        list = more;
        room *= 2;
    }
    qsort(list, count, sizeof(*list), by_last_use);
    *ret_list = TAKE_PTR(list);
    *ret_count = count;
    return 0;
}

/* --- one version ---------------------------------------------------------------------------------
 */

static int file_lock(int disks_fd, const struct cr_id *root, int how, int *ret_fd)
{
    char name[CR_CHUNKFILE_NAME];
    int fd = openat(disks_fd, cr_chunkfile_name(root, name),
                    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    *ret_fd = fd;
    if (flock(fd, how | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? -EBUSY : -errno;
    return 0;
}

bool cr_cached_in_use(int disks_fd, const struct cr_id *root)
{
    CLEANUP_CLOSE int fd = -1;
    return file_lock(disks_fd, root, LOCK_SH, &fd) == -EBUSY;
}

int cr_cached_remove(int disks_fd, const struct cr_id *root, struct cr_error *err)
{
    CLEANUP_CLOSE int fd = -1;
    char name[CR_CHUNKFILE_NAME], map[CR_MAPFILE_NAME];
    int r = file_lock(disks_fd, root, LOCK_EX, &fd);
    if (r == 0 && unlinkat(disks_fd, cr_chunkfile_name(root, name), 0) < 0)
        r = -errno;
    if (r == -EBUSY)
        return cr_error_set(err, r,
                            "version '%.12s...' of the cache is in use; stop the process that "
                            "serves it first",
                            cr_chunkfile_name(root, name));
    if (r == 0)
        r = cr_mapfile_forget(disks_fd, cr_mapfile_name(root, map));
    return r < 0 ? cr_error_errno(err, r, "cannot remove '%s'", cr_chunkfile_name(root, name)) : 0;
}

/* --- which to drop -------------------------------------------------------------------------------
 */

static bool is_one_of(const struct cr_id *root, const struct cr_cached_want *want)
{
    return (want->own != NULL && cr_id_equal(root, want->own)) ||
           (want->source != NULL && cr_id_equal(root, want->source));
}

/* Is there another complete version of the image of list[at], that was not dropped? */
static bool has_complete_sibling(const struct cr_cached *list, size_t count, size_t at)
{
    for (size_t i = 0; i < count; i++)
        if (i != at && list[i].disk_bytes > 0 && cr_map_is_complete(&list[i].map) &&
            strcmp(list[i].map.image, list[at].map.image) == 0)
            return true;
    return false;
}

uint64_t cr_cached_drop(int disks_fd, const struct cr_cached_want *want)
{
    CLEANUP_FREE struct cr_cached *list = NULL;
    size_t count = 0;
    uint64_t dropped = 0;
    if (cr_cached_list(disks_fd, &list, &count, NULL) < 0)
        return 0;
    for (int last_ones = 0; last_ones <= want->own_is_complete; last_ones++)
        for (size_t i = 0; i < count && dropped < want->bytes; i++) {
            if (list[i].disk_bytes == 0 || is_one_of(&list[i].root, want) ||
                (last_ones == 0 && cr_map_is_complete(&list[i].map) &&
                 !has_complete_sibling(list, count, i)) ||
                cr_cached_remove(disks_fd, &list[i].root, NULL) < 0)
                continue;
            dropped += list[i].file_bytes;
            list[i].disk_bytes = 0; /* it is no more */
        }
    return dropped;
}

/* --- their segments and manifests ----------------------------------------------------------------
 */

/* Add the ids of a version's manifest and of its segments to `needed`. */
static int needed_add(struct cr_idset *needed, int objects_fd, const struct cr_id *root)
{
    CLEANUP_BUF struct cr_buf plain = CR_BUF_INIT(cr_kinds[CR_MANIFEST].plain_max);
    CLEANUP(cr_manifest_done) struct cr_manifest manifest = {0};
    int r = cr_idset_add(needed, root);
    if (r < 0 || cr_seatobjects_kept(objects_fd, CR_MANIFEST, root, &plain) < 0 ||
        cr_manifest_parse(plain.data, plain.len, &manifest, NULL) < 0)
        return r < 0 ? r : 0;
    for (uint32_t i = 0; r >= 0 && i < manifest.segment_count; i++)
        r = cr_idset_add(needed, &manifest.segments[i]);
    return r < 0 ? r : 0;
}

static bool is_needed(const struct cr_idset *needed, const char *name)
{
    struct cr_id id;
    const char *dash = strchr(name, '-');
    return dash == NULL || cr_id_parse(dash + 1, strlen(dash + 1), &id) < 0 ||
           cr_idset_has(needed, &id);
}

void cr_cached_sweep(int disks_fd, int objects_fd)
{
    CLEANUP_FREE struct cr_cached *list = NULL;
    size_t count = 0;
    struct stat st;
    struct cr_idset needed = {0};
    int fd = openat(objects_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP_CLOSEDIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    int r = dir == NULL ? -errno : cr_cached_list(disks_fd, &list, &count, NULL);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = needed_add(&needed, objects_fd, &list[i].root);
    int64_t now_s = time(NULL);
    for (struct dirent *entry; r == 0 && (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] != '.' && !is_needed(&needed, entry->d_name) &&
            fstatat(objects_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            st.st_mtime + SWEEP_AGE_S < now_s)
            unlinkat(objects_fd, entry->d_name, 0);
    cr_idset_done(&needed);
}
