/* SPDX-License-Identifier: MIT */
#include "lib/delta/group.h"

#include "lib/base/mem.h"
#include "lib/base/varint.h"

#include <errno.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

size_t cr_delta_prefix_bytes(const struct cr_delta_group_head *head)
{
    return (size_t)head->prefix_chunks * CR_CHUNK_BYTES;
}

size_t cr_delta_plain_bytes(const struct cr_delta_group_head *head)
{
    return head->instruction_bytes + (size_t)head->literals * CR_BLOCK_BYTES;
}

/* --- reading --------------------------------------------------------------------------------- */

static int extents_parse(const uint8_t **next, const uint8_t *end, uint64_t old_chunks,
                         struct cr_delta_group_head *head, struct cr_error *err)
{
    uint64_t count, gap, chunks, place = 0;
    if (cr_varint_get(next, end, &count) < 0 || count > CR_DELTA_PREFIX_CHUNKS_MAX)
        return cr_error_set(err, -EBADMSG, "its prefix has too many stretches");
    head->extent_count = (uint32_t)count;
    for (uint32_t i = 0; i < head->extent_count; i++) {
        if (cr_varint_get(next, end, &gap) < 0 || cr_varint_get(next, end, &chunks) < 0 ||
            (gap == 0 && i > 0) || chunks == 0 || gap >= old_chunks - place ||
            chunks > old_chunks - place - gap ||
            chunks > CR_DELTA_PREFIX_CHUNKS_MAX - head->prefix_chunks)
            return cr_error_set(err, -EBADMSG, "stretch %u of its prefix is wrong", i);
        head->extents[i] =
            (struct cr_delta_extent){.first = place + gap, .count = (uint32_t)chunks};
        head->prefix_chunks += (uint32_t)chunks;
        place += gap + chunks;
    }
    return 0;
}

int cr_delta_group_parse(const void *data, size_t len, uint64_t old_chunks,
                         struct cr_delta_group_head *ret_head, struct cr_error *err)
{
    const uint8_t *next = data, *end = next + len;
    uint64_t instructions, literals;
    *ret_head = (struct cr_delta_group_head){0};
    int r = extents_parse(&next, end, old_chunks, ret_head, err);
    if (r < 0)
        return r;
    if (cr_varint_get(&next, end, &instructions) < 0 || instructions == 0 ||
        instructions > CR_DELTA_INSTRUCTION_BYTES_MAX || cr_varint_get(&next, end, &literals) < 0 ||
        literals > CR_DELTA_LITERALS_MAX)
        return cr_error_set(err, -EBADMSG, "it claims too many instructions or literals");
    ret_head->instruction_bytes = (uint32_t)instructions;
    ret_head->literals = (uint32_t)literals;
    ret_head->frame = next;
    ret_head->frame_len = (size_t)(end - next);
    if (ret_head->frame_len == 0 ||
        ZSTD_findFrameCompressedSize(next, ret_head->frame_len) != ret_head->frame_len ||
        ZSTD_getFrameContentSize(next, ret_head->frame_len) != cr_delta_plain_bytes(ret_head))
        return cr_error_set(err, -EBADMSG, "it does not end in one zstd frame of %zu bytes",
                            cr_delta_plain_bytes(ret_head));
    return 0;
}

static void decompressor_cleanup(ZSTD_DCtx **context)
{
    ZSTD_freeDCtx(*context);
}

int cr_delta_group_unpack(const struct cr_delta_group_head *head, const void *prefix, void *plain,
                          struct cr_error *err)
{
    CLEANUP(decompressor_cleanup) ZSTD_DCtx *context = ZSTD_createDCtx();
    if (context == NULL)
        return cr_error_errno(err, -ENOMEM, "unpacking a group of a delta");
    size_t n = ZSTD_DCtx_refPrefix(context, prefix, cr_delta_prefix_bytes(head));
    if (!ZSTD_isError(n))
        n = ZSTD_decompressDCtx(context, plain, cr_delta_plain_bytes(head), head->frame,
                                head->frame_len);
    if (ZSTD_isError(n))
        return cr_error_set(err, -EBADMSG, "zstd says: %s", ZSTD_getErrorName(n));
    if (n != cr_delta_plain_bytes(head))
        return cr_error_set(err, -EBADMSG, "it unpacks to %zu bytes instead of %zu", n,
                            cr_delta_plain_bytes(head));
    return 0;
}

/* --- writing --------------------------------------------------------------------------------- */

static int head_format(const struct cr_delta_group_head *head, struct cr_buf *out)
{
    uint64_t place = 0;
    int r = cr_varint_put(out, head->extent_count);
    for (uint32_t i = 0; i < head->extent_count && r == 0; i++) {
        r = cr_varint_put(out, head->extents[i].first - place);
        if (r == 0)
            r = cr_varint_put(out, head->extents[i].count);
        place = head->extents[i].first + head->extents[i].count;
    }
    if (r == 0)
        r = cr_varint_put(out, head->instruction_bytes);
    return r == 0 ? cr_varint_put(out, head->literals) : r;
}

/* Names zstd's type without showing it. */
static ZSTD_CCtx *context_of(struct cr_delta_packer *packer)
{
    return (ZSTD_CCtx *)packer;
}

struct cr_delta_packer *cr_delta_packer_new(void)
{
    return (struct cr_delta_packer *)ZSTD_createCCtx();
}

void cr_delta_packer_free(struct cr_delta_packer *packer)
{
    ZSTD_freeCCtx(context_of(packer));
}

static size_t frame_compress(ZSTD_CCtx *context, const struct cr_delta_group_head *head,
                             const void *prefix, const void *plain, int level, void *out,
                             size_t room)
{
    size_t all = cr_delta_prefix_bytes(head) + cr_delta_plain_bytes(head);
    int window = 10;
    while (((size_t)1 << window) < all)
        window++;
    ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters);
    size_t n = ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
    /* Everything is within reach of everything, so that the prefix never falls out of the window.
     */
    if (!ZSTD_isError(n))
        n = ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window);
    if (!ZSTD_isError(n))
        n = ZSTD_CCtx_refPrefix(context, prefix, cr_delta_prefix_bytes(head));
    if (ZSTD_isError(n))
        return n;
    return ZSTD_compress2(context, out, room, plain, cr_delta_plain_bytes(head));
}

int cr_delta_group_pack(struct cr_delta_packer *packer, const struct cr_delta_group_head *head,
                        const void *prefix, const void *plain, int level, struct cr_buf *out)
{
    size_t start = out->len;
    size_t room = ZSTD_compressBound(cr_delta_plain_bytes(head));
    int r = head_format(head, out);
    if (r == 0)
        r = cr_buf_reserve(out, out->len + room);
    if (r == 0) {
        size_t n = frame_compress(context_of(packer), head, prefix, plain, level,
                                  out->data + out->len, room);
        if (ZSTD_isError(n))
            r = ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation ? -ENOMEM : -EMSGSIZE;
        else
            out->len += n;
    }
    if (r < 0)
        out->len = start;
    return r;
}
