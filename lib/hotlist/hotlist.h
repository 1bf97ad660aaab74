/* SPDX-License-Identifier: MIT */
/*
 * The order in which the chunks of a version are touched at a boot (FORMAT.md, "Hot list"). A boot
 * that was recorded and what several of them were merged into have the same form. Bytes in, list
 * out: nothing here owns a file or a socket.
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/image/object.h"

struct cr_hotlist {
    struct cr_id root;   /* of the version */
    uint64_t disk_bytes; /* of its disk */
    uint32_t count;      /* at most CR_HOT_CHUNKS_MAX */
    uint32_t *chunks;    /* owned; different indices of chunks, the first touched first */
};

void cr_hotlist_done(struct cr_hotlist *list);

/*
 * Parse the bytes of a list. `ret_list` is overwritten on success. Returns 0, -ENOMEM, or -EBADMSG
 * with the reason ("it claims ...").
 */
int cr_hotlist_parse(const void *data, size_t len, struct cr_hotlist *ret_list,
                     struct cr_error *err);

/* The bytes of the list, appended to `out`. Returns 0 or as cr_buf_append. */
int cr_hotlist_format(const struct cr_hotlist *list, struct cr_buf *out);

/*
 * What `count` (at least 1) boots of one version have in common: chunks that most of them touched,
 * by the median of their places, then those that exactly half touched. What fewer touched is left
 * out. Returns 0 or -ENOMEM.
 */
int cr_hotlist_merge(const struct cr_hotlist *boots, uint32_t count, struct cr_hotlist *ret_list);

/*
 * The list of a version as the list of one that was made from it in place: the same indices, as far
 * as the other disk has them. Returns 0 or -ENOMEM.
 */
int cr_hotlist_inherit(const struct cr_hotlist *parent, const struct cr_id *root,
                       uint64_t disk_bytes, struct cr_hotlist *ret_list);
