/* SPDX-License-Identifier: MIT */
/* ext2, ext3 and ext4 through libext2fs. */
#include "lib/base/mem.h"
#include "lib/trim/free.h"

#include <errno.h>
#include <et/com_err.h>
#include <ext2fs/ext2fs.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>

static void fs_cleanup(ext2_filsys *fs)
{
    if (*fs != NULL)
        ext2fs_free(*fs); /* closes without writing */
}

/* Is there anything that a mount or a check would still change? */
static int clean_check(ext2_filsys fs, struct cr_error *err)
{
    const struct ext2_super_block *super = fs->super;
    if (ext2fs_has_feature_journal_dev(fs->super))
        return cr_error_set(err, -EINVAL, "it is the journal of another file system");
    if (ext2fs_has_feature_journal_needs_recovery(fs->super))
        return cr_error_set(err, -EUCLEAN,
                            "it was not shut down cleanly, its journal needs recovery: start the "
                            "system once more and shut it down");
    if (ext2fs_has_feature_journal(fs->super) && super->s_journal_inum == 0)
        return cr_error_set(err, -EUCLEAN, "its journal is on another device");
    if ((super->s_state & EXT2_ERROR_FS) != 0)
        return cr_error_set(err, -EUCLEAN, "it holds errors: check it with e2fsck");
    if ((super->s_state & EXT2_VALID_FS) == 0)
        return cr_error_set(err, -EUCLEAN,
                            "it was not shut down cleanly: start the system once more and shut it "
                            "down, or check it with e2fsck");
    return 0;
}

/* The tables that say where to look and what is free carry checksums: ask for each. */
static int groups_check(ext2_filsys fs, uint64_t *ret_free_blocks, struct cr_error *err)
{
    uint64_t free_clusters = 0;
    for (dgrp_t group = 0; group < fs->group_desc_count; group++) {
        if (ext2fs_has_group_desc_csum(fs) && !ext2fs_group_desc_csum_verify(fs, group))
            return cr_error_set(err, -EUCLEAN,
                                "the checksum of its block group %u is wrong: check it with e2fsck",
                                group);
        free_clusters += ext2fs_bg_free_blocks_count(fs, group);
    }
    *ret_free_blocks = free_clusters << fs->cluster_ratio_bits;
    return 0;
}

/* Collect the zero bits of the block bitmap. */
static int bitmap_walk(ext2_filsys fs, uint64_t disk_offset, struct cr_extents *free_space,
                       uint64_t *ret_free_blocks)
{
    blk64_t end = ext2fs_blocks_count(fs->super), at = fs->super->s_first_data_block;
    uint64_t free_blocks = 0;
    while (at < end) {
        blk64_t first, used;
        errcode_t e = ext2fs_find_first_zero_block_bitmap2(fs->block_map, at, end - 1, &first);
        if (e == ENOENT)
            break;
        if (e != 0)
            return -EIO;
        e = ext2fs_find_first_set_block_bitmap2(fs->block_map, first, end - 1, &used);
        if (e == ENOENT)
            used = end;
        else if (e != 0)
            return -EIO;
        if (first < at || used <= first || used > end)
            return -EIO;
        int r = cr_extents_add(free_space, disk_offset + first * fs->blocksize,
                               (used - first) * fs->blocksize);
        if (r < 0)
            return r;
        free_blocks += used - first;
        at = used;
    }
    *ret_free_blocks = free_blocks;
    return 0;
}

static void library_prepare(void)
{
    initialize_ext2_error_table(); /* so that its errors have words */
}

int cr_trim_free_ext(const struct cr_trim_place *place, struct cr_extents *free_space,
                     struct cr_error *err)
{
    static pthread_once_t prepared = PTHREAD_ONCE_INIT;
    pthread_once(&prepared, library_prepare);
    CLEANUP(fs_cleanup) ext2_filsys fs = NULL;
    char options[40];
    snprintf(options, sizeof(options), "offset=%" PRIu64, place->offset);
    errcode_t e = ext2fs_open2(place->path, options, EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &fs);
    if (e != 0)
        return cr_error_set(err, -EINVAL, "it cannot be opened: %s", error_message(e));
    uint64_t blocks = ext2fs_blocks_count(fs->super);
    if (blocks > place->size_bytes / fs->blocksize)
        return cr_error_set(err, -EUCLEAN, "it is larger than its partition");
    int r = clean_check(fs, err);
    uint64_t counted = 0, found = 0;
    if (r == 0)
        r = groups_check(fs, &counted, err);
    if (r < 0)
        return r;
    e = ext2fs_read_block_bitmap(fs);
    if (e != 0)
        return cr_error_set(err, -EUCLEAN, "its block bitmap cannot be read: %s", error_message(e));
    r = bitmap_walk(fs, place->offset, free_space, &found);
    if (r < 0)
        return cr_error_errno(err, r, "its block bitmap cannot be read");
    if (found != counted)
        return cr_error_set(err, -EUCLEAN,
                            "its block bitmap says %" PRIu64 " free blocks and its groups say "
                            "%" PRIu64 ": check it with e2fsck",
                            found, counted);
    return 0;
}
