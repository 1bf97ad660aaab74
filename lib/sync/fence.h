/* SPDX-License-Identifier: MIT */
/*
 * Who is in charge of an image that several seats may write: the server's half of claim and commit,
 * on a store that can be written.
 *
 *      claim ──▶ epoch E+1, durable              under the image's lock, so that no commit of an
 *                                                older epoch comes after it
 *      commit(E', expected, root)
 *          E' is the last epoch, and nothing was published since that this epoch has not published
 *                itself ──▶ the next version of NAME
 *          else  ──▶ the next version of NAME.HOLDER: a branch, for people to look at
 *
 * A version is made of what one seat has sent and of nothing else: all its chunks hang below the
 * one root that the commit names. So two seats cannot mix; the fence decides whose comes next.
 */
#pragma once

#include "lib/store/store.h"
#include "lib/sync/wire.h"

/* What the store keeps for each image: the side object state/sync.NAME (FORMAT.md). */
struct cr_fence {
    uint64_t epoch;     /* of the last claim; 0 = never claimed */
    uint64_t committed; /* the number that this epoch's last commit was given, or was about to be */
    struct cr_id root;  /* and its root */
    char holder[CR_NAME_MAX + 1]; /* who claimed it */
};

/* Its text, appended to `out`; parsing it: 0 or -EBADMSG with the reason. */
int cr_fence_format(const struct cr_fence *fence, struct cr_buf *out);
int cr_fence_parse(const void *data, size_t len, struct cr_fence *ret_fence, struct cr_error *err);

/*
 * `holder` (a client's name) takes charge of image `name`. Waits some seconds for the image's lock,
 * then -EBUSY. Durable when it returns 0.
 */
int cr_fence_claim(struct cr_store *store, const char *name, const char *holder,
                   struct cr_claim_answer *ret_answer, struct cr_error *err);

/*
 * Make a version of what `holder` has sent. A commit that was carried out already, and whose answer
 * was lost, gives the same answer again. Returns 0, -ESTALE (something of it is not stored: send it
 * again), -EBADMSG (its objects do not fit together), -EBUSY as above, or another -errno.
 */
int cr_fence_commit(struct cr_store *store, const struct cr_commit_request *request,
                    const char *holder, struct cr_commit_answer *ret_answer, struct cr_error *err);
