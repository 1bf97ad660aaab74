/* SPDX-License-Identifier: MIT */
#include "lib/seatcache/clone.h"

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/seatcache/cached.h"
#include "lib/seatcache/chunkfile.h"
#include "lib/seatcache/mapfile.h"
#include "lib/seatcache/objects.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <time.h>

/* With less than this share of the old chunks in common, punching costs more than it saves. */
#define COMMON_MIN(chunks) ((chunks) / 8)

struct clone {
    int disks_fd, objects_fd;
    struct cr_version *version;
    struct cr_cached old;
    struct cr_manifest old_manifest;
    uint8_t *old_bits, *bits;     /* owned */
    uint64_t data_chunks, common; /* of the new version */
};

static void clone_done(struct clone *clone)
{
    cr_manifest_done(&clone->old_manifest);
    free(clone->old_bits);
    free(clone->bits);
}

/* --- the old version -----------------------------------------------------------------------------
 */

static bool is_sibling(const struct clone *clone, const struct cr_cached *cached)
{
    return cached->has_map && cached->map.present_chunks > 0 &&
           strcmp(cached->map.image, cr_version_ref(clone->version)->name) == 0 &&
           !cr_id_equal(&cached->root, &cr_version_info(clone->version)->root);
}

static int old_choose(struct clone *clone)
{
    CLEANUP_FREE struct cr_cached *list = NULL;
    const struct cr_cached *chosen = NULL;
    size_t count = 0;
    uint64_t most = 0;
    int r = cr_cached_list(clone->disks_fd, &list, &count, NULL);
    if (r < 0)
        return r;
    for (size_t i = 0; i < count; i++)
        if (is_sibling(clone, &list[i]) && list[i].map.present_chunks > most)
            most = list[i].map.present_chunks;
    for (size_t i = 0; i < count; i++)
        if (is_sibling(clone, &list[i]) && list[i].map.present_chunks >= most / 2 &&
            (chosen == NULL || list[i].map.number > chosen->map.number))
            chosen = &list[i];
    if (chosen == NULL)
        return -ENOENT;
    clone->old = *chosen;
    return 0;
}

static int old_load(struct clone *clone)
{
    char name[CR_MAPFILE_NAME];
    CLEANUP_BUF struct cr_buf plain = CR_BUF_INIT(cr_kinds[CR_MANIFEST].plain_max);
    const struct cr_id *root = &clone->old.root;
    clone->old_bits = cr_calloc(cr_map_bits_bytes(clone->old.disk_bytes), 1);
    clone->bits = cr_calloc(cr_map_bits_bytes(cr_version_disk_bytes(clone->version)), 1);
    if (clone->old_bits == NULL || clone->bits == NULL)
        return -ENOMEM;
    int r = cr_mapfile_look(clone->disks_fd, cr_mapfile_name(root, name), root,
                            clone->old.disk_bytes, &clone->old.map, clone->old_bits);
    if (r == 0)
        r = cr_seatobjects_kept(clone->objects_fd, CR_MANIFEST, root, &plain);
    if (r == 0)
        r = cr_manifest_parse(plain.data, plain.len, &clone->old_manifest, NULL);
    if (r == 0 && clone->old_manifest.disk_bytes != clone->old.disk_bytes)
        r = -ENOENT;
    return r;
}

/* --- what they have in common --------------------------------------------------------------------
 */

/* The ids of an old segment, or holes when they are not known. */
static void old_ids(const struct clone *clone, uint32_t segment, uint32_t count, struct cr_id *ids)
{
    CLEANUP_BUF struct cr_buf plain = CR_BUF_INIT(cr_kinds[CR_SEGMENT].plain_max);
    const struct cr_manifest *old = &clone->old_manifest;
    memset(ids, 0, CR_SEGMENT_CHUNKS * sizeof(*ids));
    if (segment >= old->segment_count || cr_id_is_hole(&old->segments[segment]))
        return;
    if (cr_seatobjects_kept(clone->objects_fd, CR_SEGMENT, &old->segments[segment], &plain) < 0 ||
        cr_segment_parse(plain.data, plain.len, count, ids, NULL) < 0)
        memset(ids, 0, CR_SEGMENT_CHUNKS * sizeof(*ids));
}

static int segment_compare(struct clone *clone, uint32_t segment, struct cr_id *old)
{
    const struct cr_id *ids = NULL;
    uint64_t first = (uint64_t)segment << CR_SEGMENT_SHIFT;
    uint32_t count = cr_segment_chunks(cr_version_disk_bytes(clone->version), segment);
    int r = cr_version_segment(clone->version, segment, &ids, NULL);
    if (r < 0 || ids == NULL)
        return r;
    uint32_t old_count = segment < clone->old_manifest.segment_count
                             ? cr_segment_chunks(clone->old.disk_bytes, segment)
                             : 0;
    old_ids(clone, segment, old_count, old);
    for (uint32_t i = 0; i < count; i++) {
        if (cr_id_is_hole(&ids[i]))
            continue;
        clone->data_chunks++;
        if (i < old_count && cr_id_equal(&ids[i], &old[i]) &&
            cr_bit_get(clone->old_bits, first + i)) {
            cr_bit_set(clone->bits, first + i);
            clone->common++;
        }
    }
    return 0;
}

static int compare(struct clone *clone)
{
    CLEANUP_FREE struct cr_id *old = cr_calloc(CR_SEGMENT_CHUNKS, sizeof(*old));
    int r = old == NULL ? -ENOMEM : 0;
    for (uint32_t i = 0; r == 0 && i < cr_version_manifest(clone->version)->segment_count; i++)
        r = segment_compare(clone, i, old);
    if (r == 0 && (clone->common == 0 || clone->common < COMMON_MIN(clone->old.map.present_chunks)))
        r = -ENOENT;
    return r;
}

/* --- the new file --------------------------------------------------------------------------------
 */

/* Punch out the chunks from `first` up to `end`, where there is anything. */
static int punch(int fd, uint64_t first, uint64_t end)
{
    off_t from = (off_t)(first << CR_CHUNK_SHIFT), to = (off_t)(end << CR_CHUNK_SHIFT);
    off_t data = lseek(fd, from, SEEK_DATA);
    bool nothing = data < 0 ? errno == ENXIO : data >= to;
    return nothing ? 0 : cr_chunkfile_punch(fd, first, end);
}

static int punch_rest(const struct clone *clone, int fd)
{
    uint64_t chunks = cr_version_chunks(clone->version), first = 0;
    int r = 0;
    for (uint64_t i = 0; r == 0 && i <= chunks; i++) {
        if (i < chunks && !cr_bit_get(clone->bits, i))
            continue;
        if (i > first)
            r = punch(fd, first, i);
        first = i + 1;
    }
    return r;
}

static int file_make(const struct clone *clone, int fd)
{
    char name[CR_CHUNKFILE_NAME];
    CLEANUP_CLOSE int old_fd = openat(clone->disks_fd, cr_chunkfile_name(&clone->old.root, name),
                                      O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (old_fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
        return -errno;
    if (ioctl(fd, FICLONE, old_fd) < 0)
        return -EOPNOTSUPP;
    if (ftruncate(fd, (off_t)cr_version_disk_bytes(clone->version)) < 0)
        return -errno;
    int r = punch_rest(clone, fd);
    return r == 0 && fsync(fd) < 0 ? -errno : r;
}

/* The file gets its name when it is whole and durable, and its map after that. */
static int file_publish(const struct clone *clone, const char *temporary)
{
    char name[CR_CHUNKFILE_NAME], map_name[CR_MAPFILE_NAME];
    struct cr_mapfile mapfile;
    struct cr_map map;
    const struct cr_id *root = &cr_version_info(clone->version)->root;
    const struct cr_ref *ref = cr_version_ref(clone->version);
    uint64_t disk_bytes = cr_version_disk_bytes(clone->version);
    CLEANUP_FREE uint8_t *none = cr_calloc(cr_map_bits_bytes(disk_bytes), 1);
    int r = none == NULL ? -ENOMEM
                         : cr_mapfile_forget(clone->disks_fd, cr_mapfile_name(root, map_name));
    if (r == 0 && renameat2(clone->disks_fd, temporary, clone->disks_fd,
                            cr_chunkfile_name(root, name), RENAME_NOREPLACE) < 0)
        r = -errno;
    if (r == 0)
        r = cr_dir_fsync(clone->disks_fd, ".");
    if (r < 0)
        return r;
    r = cr_mapfile_open(&mapfile, clone->disks_fd, map_name, root, disk_bytes, &map, none, NULL);
    map.data_chunks = clone->data_chunks;
    map.number = ref->number;
    map.used_s = (uint64_t)time(NULL);
    memcpy(map.image, ref->name, sizeof(map.image));
    if (r == 0)
        (void)cr_mapfile_write(&mapfile, &map, clone->bits); /* without it the file is hashed */
    cr_mapfile_done(&mapfile);
    return 0;
}

int cr_clone_make(int disks_fd, int objects_fd, struct cr_version *version, uint64_t *ret_chunks)
{
    char hex[CR_ID_HEX], name[CR_CHUNKFILE_NAME], temporary[CR_ID_HEX + 8];
    CLEANUP(clone_done)
    struct clone clone = {.disks_fd = disks_fd, .objects_fd = objects_fd, .version = version};
    snprintf(temporary, sizeof(temporary), ".%s.clone",
             cr_id_format(&cr_version_info(version)->root, hex));
    if (faccessat(disks_fd, cr_chunkfile_name(&cr_version_info(version)->root, name), F_OK,
                  AT_SYMLINK_NOFOLLOW) == 0)
        return -EEXIST;
    int r = old_choose(&clone);
    if (r == 0)
        r = old_load(&clone);
    if (r == 0)
        r = compare(&clone);
    if (r < 0)
        return r;
    unlinkat(disks_fd, temporary, 0); /* of a process that was killed */
    CLEANUP_CLOSE int fd =
        openat(disks_fd, temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    r = fd < 0 ? -errno : file_make(&clone, fd);
    if (r == 0)
        r = file_publish(&clone, temporary);
    if (r < 0) {
        unlinkat(disks_fd, temporary, 0);
        return r;
    }
    *ret_chunks = clone.common;
    return 0;
}
