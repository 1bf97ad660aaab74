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
    bool mirror;      /* also remove images and versions that the source no longer has */
    unsigned threads; /* 0 = one a CPU */
    /* Bytes of disk that are done, of all that were to be looked at. Calls come one at a time; a
     * non-zero return ends the copy with that value, and nothing is lost. May be NULL. */
    int (*progress)(void *context, uint64_t done, uint64_t total, struct cr_error *err);
    /* A version could not be read and was left out. May be NULL. */
    void (*failed)(void *context, const struct cr_ref *ref, const struct cr_error *why);
    void *context;
};

struct cr_copy_stat {
    uint64_t images, versions; /* that are now the same in both */
    uint64_t versions_new, versions_removed, versions_failed;
    uint64_t chunks_copied, bytes_copied; /* bytes of frames */
    uint64_t chunks_present;
    uint64_t side_copied; /* records, hot lists and trust metadata */
};

/*
 * Copy all images of `from` into `to` (writable). Numbers, times, channels, history, records,
 * hot lists and trust metadata come along; deltas do not. A head is copied byte by byte, unless
 * versions were left out of it or kept in it (without `mirror`). An image whose head in `to` is not
 * an older state of the source's is refused with -EEXIST, and named; the others are copied first.
 * So are they when `to` has signed metadata of its own; a newer timestamp there stays. A version
 * whose content cannot be read is left out, and the result is then the error of the first one.
 * `ret_stat` is set in any case.
 */
int cr_store_copy(struct cr_store *from, struct cr_store *to, const struct cr_copy_options *options,
                  struct cr_copy_stat *ret_stat, struct cr_error *err);
