/* SPDX-License-Identifier: MIT */
/*
 * What a seat and carrel-syncd say to each other (PROTOCOL.md, "Uploads"): bytes in, fields out,
 * and back. Owns no socket. Packs, segments and manifests travel in the forms of FORMAT.md.
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/image/head.h"

#define CR_HAVE_HEADER_BYTES 16U
#define CR_HAVE_REQUEST_MAX  (CR_HAVE_HEADER_BYTES + (size_t)CR_PACK_CHUNKS_MAX * CR_ID_BYTES)
#define CR_HAVE_ANSWER_MAX   (CR_HAVE_HEADER_BYTES + (size_t)CR_PACK_CHUNKS_MAX / 8)

/* --- which of these chunks are stored? ---------------------------------------------------------
 */

/* The bytes of the question, appended to `out`; 1 to CR_PACK_CHUNKS_MAX ids. Returns 0 or as
 * cr_buf_append. */
int cr_have_request_format(const struct cr_id *ids, uint32_t count, struct cr_buf *out);

/* Parse one. *ret_ids is owned by the caller. Returns 0, -ENOMEM, or -EBADMSG with the reason. */
int cr_have_request_parse(const void *data, size_t len, struct cr_id **ret_ids, uint32_t *ret_count,
                          struct cr_error *err);

/* The bytes of the answer, appended to `out`. Returns 0 or as cr_buf_append. */
int cr_have_answer_format(const bool *have, uint32_t count, struct cr_buf *out);

/* Parse one to a question of `count` ids into `have`. Returns 0, or -EBADMSG with the reason. */
int cr_have_answer_parse(const void *data, size_t len, uint32_t count, bool *have,
                         struct cr_error *err);

/* --- taking charge of an image, and making a version of what was sent ------------------------- */

/* From now on nobody else's versions become the newest of `name`. */
struct cr_claim_request {
    char name[CR_NAME_MAX + 1];
};

struct cr_claim_answer {
    uint64_t epoch;  /* from 1; rises with each claim */
    uint64_t newest; /* number of the newest version; 0 = there is none */
};

struct cr_commit_request {
    char name[CR_NAME_MAX + 1];
    uint64_t epoch;       /* of our claim */
    uint64_t expected;    /* the newest version that we know; 0 = none */
    struct cr_id root;    /* of what was sent */
    struct cr_ref parent; /* what it was made from; name "" = nothing */
    char message[CR_MESSAGE_BYTES_MAX + 1];
};

struct cr_commit_answer {
    char name[CR_NAME_MAX + 1]; /* another name than asked for: a branch */
    uint64_t number;
    bool branch;
};

/*
 * Formatters append JSON to `out` and return 0 or as cr_buf_append. Parsers take JSON with exactly
 * these fields and return 0 or -EBADMSG with the reason.
 */
int cr_claim_request_format(const struct cr_claim_request *request, struct cr_buf *out);
int cr_claim_request_parse(const void *data, size_t len, struct cr_claim_request *ret_request,
                           struct cr_error *err);
int cr_claim_answer_format(const struct cr_claim_answer *answer, struct cr_buf *out);
int cr_claim_answer_parse(const void *data, size_t len, struct cr_claim_answer *ret_answer,
                          struct cr_error *err);
int cr_commit_request_format(const struct cr_commit_request *request, struct cr_buf *out);
int cr_commit_request_parse(const void *data, size_t len, struct cr_commit_request *ret_request,
                            struct cr_error *err);
int cr_commit_answer_format(const struct cr_commit_answer *answer, struct cr_buf *out);
int cr_commit_answer_parse(const void *data, size_t len, struct cr_commit_answer *ret_answer,
                           struct cr_error *err);
