/* SPDX-License-Identifier: MIT */
#include "lib/seatcache/check.h"

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/image/manifest.h"
#include "lib/seatcache/chunkfile.h"
#include "lib/seatcache/mapfile.h"
#include "lib/seatcache/objects.h"

#include <errno.h>

struct checker {
    struct cr_chunkfile file;
    int objects_fd;
    struct cr_manifest manifest;
    uint8_t *old_bits; /* owned; of the map */
    uint8_t *bits;     /* owned; mended: of what is right. NULL = only look */
    uint8_t *plain;    /* owned; a chunk */
    struct cr_id *ids; /* owned; of a segment */
    uint64_t data_chunks;
    bool all_known;
    struct cr_check check;
};

static void checker_done(struct checker *checker)
{
    cr_chunkfile_done(&checker->file);
    cr_manifest_done(&checker->manifest);
    free(checker->old_bits);
    free(checker->bits);
    free(checker->plain);
    free(checker->ids);
}

/* --- chunks ------------------------------------------------------------------------------------
 */

static int check_data(struct checker *checker, uint64_t index, const struct cr_id *id)
{
    struct cr_check *check = &checker->check;
    bool told = cr_bit_get(checker->old_bits, index);
    checker->data_chunks++;
    if (!told && checker->bits == NULL) {
        check->absent++;
        return 0;
    }
    switch (cr_chunkfile_read(&checker->file, index, id, checker->plain)) {
    case CR_FOUND:
        check->right++;
        check->found += !told;
        if (checker->bits != NULL)
            cr_bit_set(checker->bits, index);
        return 0;
    case CR_FOUND_NOTHING:
        check->wrong += told;
        check->absent += !told;
        check->lost += told;
        return 0;
    case CR_FOUND_SOMETHING_ELSE:
        check->wrong++;
        check->lost += told;
        return checker->bits != NULL ? cr_chunkfile_punch(checker->file.fd, index, index + 1) : 0;
    }
    return 0;
}

/* Holes from `index` up to `end`: those that the file has something in are read. */
static int check_holes(struct checker *checker, uint64_t index, uint64_t end)
{
    int r = 0;
    while (r == 0 && index < end) {
        off_t data = lseek(checker->file.fd, (off_t)(index << CR_CHUNK_SHIFT), SEEK_DATA);
        if (data < 0 || (uint64_t)data >= end << CR_CHUNK_SHIFT)
            return 0;
        index = (uint64_t)data >> CR_CHUNK_SHIFT;
        uint32_t len = cr_chunk_bytes(checker->file.disk_bytes, index);
        bool clean =
            cr_pread_full(checker->file.fd, checker->plain, len, index << CR_CHUNK_SHIFT) == 0 &&
            cr_is_zero(checker->plain, len);
        checker->check.dirty_holes += !clean;
        if (!clean && checker->bits != NULL)
            r = cr_chunkfile_punch(checker->file.fd, index, index + 1);
        index++;
    }
    return r;
}

/* What a segment says that the folder does not keep: nothing. What the map told of it stays. */
static void segment_unknown(struct checker *checker, uint64_t first, uint32_t count)
{
    checker->all_known = false;
    for (uint32_t i = 0; i < count; i++) {
        if (!cr_bit_get(checker->old_bits, first + i))
            continue;
        checker->check.unknown++;
        if (checker->bits != NULL)
            cr_bit_set(checker->bits, first + i);
    }
}

static int check_segment(struct checker *checker, uint32_t number)
{
    const struct cr_id *id = &checker->manifest.segments[number];
    uint64_t first = (uint64_t)number << CR_SEGMENT_SHIFT;
    uint32_t count = cr_segment_chunks(checker->file.disk_bytes, number);
    CLEANUP_BUF struct cr_buf plain = CR_BUF_INIT(cr_kinds[CR_SEGMENT].plain_max);
    if (cr_id_is_hole(id))
        return check_holes(checker, first, first + count);
    if (cr_seatobjects_kept(checker->objects_fd, CR_SEGMENT, id, &plain) < 0 ||
        cr_segment_parse(plain.data, plain.len, count, checker->ids, NULL) < 0) {
        segment_unknown(checker, first, count);
        return 0;
    }
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < count;) {
        uint32_t end = i;
        while (end < count && cr_id_is_hole(&checker->ids[end]))
            end++;
        r = end > i ? check_holes(checker, first + i, first + end)
                    : check_data(checker, first + i, &checker->ids[i]);
        i = end > i ? end : i + 1;
    }
    return r;
}

/* --- a version -----------------------------------------------------------------------------------
 */

static int manifest_load(struct checker *checker, const struct cr_cached *cached,
                         struct cr_error *err)
{
    char hex[CR_ID_HEX];
    CLEANUP_BUF struct cr_buf plain = CR_BUF_INIT(cr_kinds[CR_MANIFEST].plain_max);
    int r = cr_seatobjects_kept(checker->objects_fd, CR_MANIFEST, &cached->root, &plain);
    if (r == 0)
        r = cr_manifest_parse(plain.data, plain.len, &checker->manifest, NULL);
    if (r < 0)
        return cr_error_set(err, r == -ENOMEM ? r : -ENOENT,
                            "the manifest of version '%s' is not in the cache, so that nothing is "
                            "known of its chunks; fill the version from its server, or remove it",
                            cr_id_format(&cached->root, hex));
    if (checker->manifest.disk_bytes != cached->disk_bytes)
        return cr_error_set(err, -ENOENT,
                            "the file of version '%s' is not as large as its disk; fill the "
                            "version from its server, or remove it",
                            cr_id_format(&cached->root, hex));
    return 0;
}

static int checker_init(struct checker *checker, int disks_fd, int objects_fd,
                        const struct cr_cached *cached, bool mend, struct cr_error *err)
{
    char name[CR_MAPFILE_NAME];
    struct cr_map map;
    *checker = (struct checker){.file = {.fd = -1}, .objects_fd = objects_fd, .all_known = true};
    int r = manifest_load(checker, cached, err);
    if (r < 0)
        return r;
    size_t bits_bytes = cr_map_bits_bytes(cached->disk_bytes);
    checker->old_bits = cr_calloc(bits_bytes, 1);
    checker->bits = mend ? cr_calloc(bits_bytes, 1) : NULL;
    checker->plain = malloc(CR_CHUNK_BYTES);
    checker->ids = cr_calloc(CR_SEGMENT_CHUNKS, sizeof(*checker->ids));
    if (checker->old_bits == NULL || (mend && checker->bits == NULL) || checker->plain == NULL ||
        checker->ids == NULL)
        return cr_error_errno(err, -ENOMEM, "cannot check the cache");
    r = mend ? cr_chunkfile_open(&checker->file, disks_fd, &cached->root, cached->disk_bytes, err)
             : cr_chunkfile_look(&checker->file, disks_fd, &cached->root, cached->disk_bytes);
    if (r < 0)
        return mend ? r
                    : cr_error_errno(err, r, "cannot read '%s'",
                                     cr_mapfile_name(&cached->root, name));
    (void)cr_mapfile_look(disks_fd, cr_mapfile_name(&cached->root, name), &cached->root,
                          cached->disk_bytes, &map, checker->old_bits);
    return 0;
}

static int checker_run(struct checker *checker, struct cr_error *err)
{
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < checker->manifest.segment_count; i++)
        r = check_segment(checker, i);
    return r < 0 ? cr_error_errno(err, r, "cannot punch damaged chunks out of a cache file") : 0;
}

int cr_check_verify(int disks_fd, int objects_fd, const struct cr_cached *cached,
                    struct cr_check *ret_check, struct cr_error *err)
{
    CLEANUP(checker_done) struct checker checker;
    int r = checker_init(&checker, disks_fd, objects_fd, cached, false, err);
    if (r == 0)
        r = checker_run(&checker, err);
    if (r == 0)
        *ret_check = checker.check;
    return r;
}

static int map_rewrite(const struct checker *checker, int disks_fd, const struct cr_cached *cached,
                       struct cr_error *err)
{
    char name[CR_MAPFILE_NAME];
    struct cr_mapfile mapfile;
    struct cr_map map;
    size_t bits_bytes = cr_map_bits_bytes(cached->disk_bytes);
    CLEANUP_FREE uint8_t *before = cr_calloc(bits_bytes, 1);
    if (before == NULL)
        return cr_error_errno(err, -ENOMEM, "cannot check the cache");
    int r = cr_mapfile_open(&mapfile, disks_fd, cr_mapfile_name(&cached->root, name), &cached->root,
                            cached->disk_bytes, &map, before, err);
    if (checker->all_known)
        map.data_chunks = checker->data_chunks;
    map.used_s = cached->map.used_s;
    if (r == 0 && fsync(checker->file.fd) < 0)
        r = cr_error_errno(err, -errno, "cannot make a cache file durable");
    for (int slot = 0; r == 0 && slot < 2; slot++)
        if (cr_mapfile_write(&mapfile, &map, checker->bits) < 0)
            r = cr_error_errno(err, -errno, "cannot write '%s'", name);
    cr_mapfile_done(&mapfile);
    return r;
}

int cr_check_mend(int disks_fd, int objects_fd, const struct cr_cached *cached,
                  struct cr_check *ret_check, struct cr_error *err)
{
    CLEANUP(checker_done) struct checker checker;
    int r = checker_init(&checker, disks_fd, objects_fd, cached, true, err);
    if (r == 0)
        r = checker_run(&checker, err);
    if (r == 0)
        r = map_rewrite(&checker, disks_fd, cached, err);
    if (r == 0)
        *ret_check = checker.check;
    return r;
}
