/* SPDX-License-Identifier: MIT */
/*
 * Whether a frame that came is the chunk that was asked for. With VERIFY_FULL each is decompressed
 * and hashed, as a seat does it. With VERIFY_ONCE that is done for the first copy of a chunk; of
 * the others the stored form is hashed, which is a fifth of the work and proves as much: they are
 * the same bytes. A frame that differs from the first one (another server may have compressed it
 * otherwise) is opened in full.
 */
#pragma once

#include "client/bench/options.h"
#include "client/bench/plan.h"

#include <stdatomic.h>

struct proof {
    const struct plan *plan;
    enum verify verify;
    struct cr_id *frames; /* of each chunk: the hash of the frame that was opened first */
    atomic_uchar *states;
    atomic_uint_least64_t set_bytes; /* of those first frames: the boot set as it travels */
    atomic_uint_least64_t wrong;
    uint8_t *plain; /* the boot set, for those who serve it; NULL = nobody does */
};

/*
 * `keep`: the bytes of the boot set are kept in a file below TMPDIR, so that seats can serve them.
 * Returns 0 or -errno; wants proof_done in either case.
 */
int proof_init(struct proof *proof, const struct plan *plan, enum verify verify, bool keep);
void proof_done(struct proof *proof);

/* The bytes of a chunk that has come to somebody; NULL = they are not kept, or not yet. */
const uint8_t *proof_plain(const struct proof *proof, uint32_t number);

/*
 * Chunk `number` of the plan has come. `scratch` has room for a chunk. Returns 0, or -EBADMSG with
 * a sentence, counted. Thread-safe.
 */
int proof_frame(struct proof *proof, uint32_t number, const void *frame, size_t len,
                uint8_t *scratch, struct cr_error *err);
