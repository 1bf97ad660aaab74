/* SPDX-License-Identifier: MIT */
/*
 * The last boots of a version that were recorded, one for each client, in the order in which they
 * came (FORMAT.md, "Hot list"). Bytes in, boots out: nothing here owns a file or a socket.
 */
#pragma once

#include "lib/hotlist/hotlist.h"

struct cr_boot {
    struct cr_id client; /* hash of what the client proved to be */
    int64_t when_s;      /* when it was received, seconds since 1970 */
    struct cr_hotlist list;
};

struct cr_boots {
    uint32_t count;
    struct cr_boot boots[CR_HOT_BOOTS_MAX];
};

void cr_boots_done(struct cr_boots *boots);

/* Returns 0, -ENOMEM, or -EBADMSG with the reason ("it claims ..."). */
int cr_boots_parse(const void *data, size_t len, struct cr_boots *ret_boots, struct cr_error *err);

/* The bytes, appended to `out`. Returns 0 or as cr_buf_append. */
int cr_boots_format(const struct cr_boots *boots, struct cr_buf *out);

/* The boot of this client, or NULL. Borrowed. */
const struct cr_boot *cr_boots_find(const struct cr_boots *boots, const struct cr_id *client);

/* Append a boot, whose list is taken over; an earlier one of the same client, or the oldest one
 * when there are too many, goes. */
void cr_boots_add(struct cr_boots *boots, struct cr_boot *boot);

/* What they have in common, as cr_hotlist_merge; there is at least one. */
int cr_boots_merge(const struct cr_boots *boots, struct cr_hotlist *ret_list);
