/* SPDX-License-Identifier: MIT */
/*
 * The batch: many chunks for one HTTP request (PROTOCOL.md, "Batch"). Bytes in, ids or frames out;
 * nothing here owns a socket, a file or a thread.
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/image/object.h"

#define CR_BATCH_HEADER_BYTES 16U
#define CR_BATCH_REQUEST_MAX  (CR_BATCH_HEADER_BYTES + CR_BATCH_IDS_MAX * CR_ID_BYTES)
#define CR_BATCH_ANSWER_MAX                                                                        \
    (CR_BATCH_HEADER_BYTES + CR_BATCH_IDS_MAX * (sizeof(uint32_t) + CR_CHUNK_FRAME_MAX))

/* In the place of a frame's length: why there is no frame. Larger than any length. */
#define CR_BATCH_MISSING    0xffffff01U /* the store has no such chunk */
#define CR_BATCH_CORRUPTED  0xffffff02U /* the stored chunk does not match its id */
#define CR_BATCH_UNREADABLE 0xffffff03U /* the store cannot be read now; ask again later */

/* The ids of a request. */
struct cr_batch_request {
    uint32_t count;
    struct cr_id ids[CR_BATCH_IDS_MAX];
};

/* Parse a whole request body. Returns 0 or -EBADMSG with the reason. */
int cr_batch_request_parse(const void *data, size_t len, struct cr_batch_request *ret_request,
                           struct cr_error *err);

/* The body that asks for `count` (1 .. CR_BATCH_IDS_MAX) ids, appended to `out`. */
int cr_batch_request_format(const struct cr_id *ids, uint32_t count, struct cr_buf *out);

/* The header of an answer of `count` entries; each entry is a length and a frame, or a status. */
void cr_batch_answer_header(uint32_t count, uint8_t out[static CR_BATCH_HEADER_BYTES]);

/*
 * Receives the entries of an answer in the order of the ids. `status` is 0 with a frame that is
 * borrowed for the call, or one of the CR_BATCH_ values (or another of theirs that this version
 * does not know) without. A value other than 0 ends the reading and is returned from it.
 */
typedef int cr_batch_sink(void *context, uint32_t index, uint32_t status, const void *frame,
                          size_t frame_len);

/* Reads an answer that comes in pieces of any size. */
struct cr_batch_reader {
    cr_batch_sink *sink;
    void *context;
    uint32_t count; /* entries that must come */
    uint32_t next;  /* the entry being read */
    enum { CR_BATCH_AT_HEADER, CR_BATCH_AT_LENGTH, CR_BATCH_AT_FRAME, CR_BATCH_AT_END } state;
    size_t want;        /* bytes that the present state needs */
    struct cr_buf held; /* of them, those that came in earlier pieces */
};

/* Begin an answer to `count` ids. */
void cr_batch_reader_init(struct cr_batch_reader *reader, uint32_t count, cr_batch_sink *sink,
                          void *context);
void cr_batch_reader_done(struct cr_batch_reader *reader);

/*
 * Take the next `len` bytes. Returns 0, -EBADMSG with the reason (a wrong header, a length that no
 * frame has, bytes after the last entry), -ENOMEM, or what the sink returned. After an error the
 * reader is used up.
 */
int cr_batch_reader_feed(struct cr_batch_reader *reader, const void *data, size_t len,
                         struct cr_error *err);

/* True when the last entry has come. */
bool cr_batch_reader_complete(const struct cr_batch_reader *reader);
