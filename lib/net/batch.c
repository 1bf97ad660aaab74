/* SPDX-License-Identifier: MIT */
#include "lib/net/batch.h"

#include "lib/base/le.h"

#include <assert.h>
#include <errno.h>

static const char request_magic[8] = "CRBREQ01";
static const char answer_magic[8] = "CRBANS01";

#define STATUS_MIN 0xffffff00U /* entries from here on are statuses, not lengths */

/* --- header: magic, count, reserved ---------------------------------------------------------- */

static void header_format(const char magic[static 8], uint32_t count,
                          uint8_t out[static CR_BATCH_HEADER_BYTES])
{
    memcpy(out, magic, 8);
    cr_put_le32(out + 8, count);
    cr_put_le32(out + 12, 0);
}

static int header_parse(const char magic[static 8], const uint8_t *data, uint32_t *ret_count,
                        struct cr_error *err)
{
    uint32_t count = cr_get_le32(data + 8);
    if (memcmp(data, magic, 8) != 0)
        return cr_error_set(err, -EBADMSG, "it does not begin with '%.8s'", magic);
    if (cr_get_le32(data + 12) != 0)
        return cr_error_set(err, -EBADMSG, "its reserved bytes are not zero");
    if (count == 0 || count > CR_BATCH_IDS_MAX)
        return cr_error_set(err, -EBADMSG, "it claims %u ids; 1 to %u are allowed", count,
                            CR_BATCH_IDS_MAX);
    *ret_count = count;
    return 0;
}

/* --- request --------------------------------------------------------------------------------- */

int cr_batch_request_parse(const void *data, size_t len, struct cr_batch_request *ret_request,
                           struct cr_error *err)
{
    const uint8_t *p = data;
    uint32_t count;
    if (len < CR_BATCH_HEADER_BYTES)
        return cr_error_set(err, -EBADMSG, "it has %zu bytes, its header alone needs %u", len,
                            CR_BATCH_HEADER_BYTES);
    int r = header_parse(request_magic, p, &count, err);
    if (r < 0)
        return r;
    size_t need = CR_BATCH_HEADER_BYTES + (size_t)count * CR_ID_BYTES;
    if (len != need)
        return cr_error_set(err, -EBADMSG, "it has %zu bytes, %u ids need %zu", len, count, need);
    p += CR_BATCH_HEADER_BYTES;
    for (uint32_t i = 0; i < count; i++, p += CR_ID_BYTES) {
        memcpy(ret_request->ids[i].bytes, p, CR_ID_BYTES);
        if (cr_id_is_hole(&ret_request->ids[i]))
            return cr_error_set(err, -EBADMSG, "id %u is the reserved id of a hole", i);
    }
    ret_request->count = count;
    return 0;
}

int cr_batch_request_format(const struct cr_id *ids, uint32_t count, struct cr_buf *out)
{
    uint8_t header[CR_BATCH_HEADER_BYTES];
    assert(count > 0 && count <= CR_BATCH_IDS_MAX);
    int r = cr_buf_reserve(out, out->len + sizeof(header) + (size_t)count * CR_ID_BYTES);
    if (r < 0)
        return r;
    header_format(request_magic, count, header);
    cr_buf_append(out, header, sizeof(header));
    for (uint32_t i = 0; i < count; i++)
        cr_buf_append(out, ids[i].bytes, CR_ID_BYTES);
    return 0;
}

/* --- answer ---------------------------------------------------------------------------------- */

void cr_batch_answer_header(uint32_t count, uint8_t out[static CR_BATCH_HEADER_BYTES])
{
    header_format(answer_magic, count, out);
}

void cr_batch_reader_init(struct cr_batch_reader *reader, uint32_t count, cr_batch_sink *sink,
                          void *context)
{
    *reader = (struct cr_batch_reader){
        .sink = sink,
        .context = context,
        .count = count,
        .state = CR_BATCH_AT_HEADER,
        .want = CR_BATCH_HEADER_BYTES,
        .held = CR_BUF_INIT(CR_CHUNK_FRAME_MAX),
    };
}

void cr_batch_reader_done(struct cr_batch_reader *reader)
{
    cr_buf_done(&reader->held);
}

bool cr_batch_reader_complete(const struct cr_batch_reader *reader)
{
    return reader->state == CR_BATCH_AT_END;
}

static void next_entry(struct cr_batch_reader *reader)
{
    reader->next++;
    reader->state = reader->next < reader->count ? CR_BATCH_AT_LENGTH : CR_BATCH_AT_END;
    reader->want = reader->state == CR_BATCH_AT_END ? 0 : sizeof(uint32_t);
}

static int read_header(struct cr_batch_reader *reader, const uint8_t *data, struct cr_error *err)
{
    uint32_t count;
    int r = header_parse(answer_magic, data, &count, err);
    if (r < 0)
        return r;
    if (count != reader->count)
        return cr_error_set(err, -EBADMSG, "it answers %u ids, %u were asked for", count,
                            reader->count);
    reader->state = CR_BATCH_AT_LENGTH;
    reader->want = sizeof(uint32_t);
    return 0;
}

static int read_length(struct cr_batch_reader *reader, const uint8_t *data, struct cr_error *err)
{
    uint32_t len = cr_get_le32(data), index = reader->next;
    if (len >= STATUS_MIN) {
        next_entry(reader);
        return reader->sink(reader->context, index, len, NULL, 0);
    }
    if (len == 0 || len > CR_CHUNK_FRAME_MAX)
        return cr_error_set(err, -EBADMSG, "its entry %u claims a frame of %u bytes, 1 to %u exist",
                            index, len, CR_CHUNK_FRAME_MAX);
    reader->state = CR_BATCH_AT_FRAME;
    reader->want = len;
    return 0;
}

/* The present state has all its bytes, `reader->want` of them. */
static int step(struct cr_batch_reader *reader, const uint8_t *data, struct cr_error *err)
{
    uint32_t index = reader->next;
    size_t len = reader->want;
    switch (reader->state) {
    case CR_BATCH_AT_HEADER:
        return read_header(reader, data, err);
    case CR_BATCH_AT_LENGTH:
        return read_length(reader, data, err);
    case CR_BATCH_AT_FRAME:
        next_entry(reader);
        return reader->sink(reader->context, index, 0, data, len);
    case CR_BATCH_AT_END:
        break;
    }
    return cr_error_set(err, -EBADMSG, "bytes follow its last entry");
}

int cr_batch_reader_feed(struct cr_batch_reader *reader, const void *data, size_t len,
                         struct cr_error *err)
{
    const uint8_t *p = data;
    while (len > 0) {
        if (reader->state == CR_BATCH_AT_END)
            return cr_error_set(err, -EBADMSG, "bytes follow its last entry");
        size_t take = reader->want - reader->held.len;
        int r;
        if (reader->held.len == 0 && len >= take) {
            r = step(reader, p, err); /* the usual case: whole in this piece, no copy */
        } else {
            if (take > len)
                take = len;
            r = cr_buf_append(&reader->held, p, take);
            if (r < 0)
                return cr_error_errno(err, r, "a batch answer");
            if (reader->held.len == reader->want) {
                /* The sink sees the bytes before the next state reuses them. */
                r = step(reader, reader->held.data, err);
                reader->held.len = 0;
            }
        }
        if (r != 0)
            return r;
        p += take;
        len -= take;
    }
    return 0;
}
