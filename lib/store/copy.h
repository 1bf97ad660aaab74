/* SPDX-License-Identifier: MIT */
/*
 * Copying a store into another, of whatever kinds: what is there already is not copied again, so a
 * copy that was stopped goes on, and one that is repeated mirrors. Each frame is verified on its
 * way. Versions appear in the copy as they do in publishing: content first, then one change of the
 * head.
 */
#pragma once

#include "lib/store/store.h"

struct cr_copy_options {
    bool mirror; /* also remove images and versions that the source no longer has */
    int (*progress)(void *context, uint64_t done, uint64_t total, struct cr_error *err);
    void *context;
};

struct cr_copy_stat {
    uint64_t images, versions; /* that are now the same in both */
    uint64_t versions_new, versions_removed;
    uint64_t chunks_copied, bytes_copied; /* bytes of frames */
    uint64_t chunks_present;
};

/*
 * Copy all images of `from` into `to` (writable). Numbers, times, channels, history, records and
 * trust metadata come along; deltas do not. An image whose head in `to` is not an older state of
 * the source's is refused with -EEXIST, and named.
 */
int cr_store_copy(struct cr_store *from, struct cr_store *to, const struct cr_copy_options *options,
                  struct cr_copy_stat *ret_stat, struct cr_error *err);
