/* SPDX-License-Identifier: MIT */
#include "client/bench/proof.h"

#include "lib/base/mem.h"

#include <errno.h>

enum { UNSEEN, BEING_NOTED, NOTED };

int proof_init(struct proof *proof, const struct plan *plan, enum verify verify)
{
    *proof = (struct proof){.plan = plan, .verify = verify};
    proof->frames = cr_calloc(plan->chunk_count, sizeof(*proof->frames));
    proof->states = cr_calloc(plan->chunk_count, sizeof(*proof->states));
    return proof->frames == NULL || proof->states == NULL ? -ENOMEM : 0;
}

void proof_done(struct proof *proof)
{
    free(proof->frames);
    free(proof->states);
    proof->frames = NULL;
    proof->states = NULL;
}

/* The first frame of this chunk that was found right. */
static void note(struct proof *proof, uint32_t number, const void *frame, size_t len)
{
    unsigned char unseen = UNSEEN;
    if (!atomic_compare_exchange_strong(&proof->states[number], &unseen, BEING_NOTED))
        return;
    cr_hash(frame, len, &proof->frames[number]);
    atomic_fetch_add(&proof->set_bytes, len);
    atomic_store(&proof->states[number], NOTED);
}

static bool is_known(const struct proof *proof, uint32_t number, const void *frame, size_t len)
{
    struct cr_id hash;
    if (proof->verify == VERIFY_FULL || atomic_load(&proof->states[number]) != NOTED)
        return false;
    cr_hash(frame, len, &hash);
    return cr_id_equal(&hash, &proof->frames[number]);
}

int proof_frame(struct proof *proof, uint32_t number, const void *frame, size_t len,
                uint8_t *scratch, struct cr_error *err)
{
    const struct plan_chunk *chunk = &proof->plan->chunks[number];
    size_t plain_len;
    char hex[CR_ID_HEX];
    if (is_known(proof, number, frame, len))
        return 0;
    int r =
        cr_object_open(CR_CHUNK, &chunk->id, frame, len, scratch, chunk->bytes, &plain_len, err);
    if (r == 0 && plain_len != chunk->bytes)
        r = cr_error_set(err, -EBADMSG, "chunk '%s' has %zu bytes where %u belong",
                         cr_id_format(&chunk->id, hex), plain_len, chunk->bytes);
    if (r == 0)
        note(proof, number, frame, len);
    else
        atomic_fetch_add(&proof->wrong, 1);
    return r;
}
