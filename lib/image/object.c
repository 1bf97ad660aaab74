/* SPDX-License-Identifier: MIT */
#include "lib/image/object.h"

#include "lib/base/le.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <zstd.h>
#include <zstd_errors.h>

#define FRAME_MAX(plain) ((plain) + ((plain) >> 7) + 512)
#define SEGMENT_MAX      (CR_OBJECT_HEADER + (size_t)CR_SEGMENT_CHUNKS * CR_ID_BYTES)
#define MANIFEST_MAX     (CR_MANIFEST_HEADER + (size_t)CR_SEGMENTS_MAX * CR_ID_BYTES)

const struct cr_kind_info cr_kinds[CR_KIND_COUNT] = {
    [CR_CHUNK] = {"chunk", CR_CHUNK_BYTES, CR_CHUNK_FRAME_MAX},
    [CR_SEGMENT] = {"segment", SEGMENT_MAX, FRAME_MAX(SEGMENT_MAX)},
    [CR_MANIFEST] = {"manifest", MANIFEST_MAX, FRAME_MAX(MANIFEST_MAX)},
};

/* zstd's own middle: twice as dense as lz4 at 64 KiB, see DECISIONS.md. */
#define COMPRESSION_LEVEL 3

/* Twice as fast for a sixth more bytes, see DECISIONS.md. */
#define FAST_LEVEL (-1)

const char *cr_id_format(const struct cr_id *id, char out[static CR_ID_HEX])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < CR_ID_BYTES; i++) {
        out[2 * i] = digits[id->bytes[i] >> 4];
        out[2 * i + 1] = digits[id->bytes[i] & 15];
    }
    out[2 * CR_ID_BYTES] = '\0';
    return out;
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int cr_id_parse(const char *text, size_t len, struct cr_id *ret_id)
{
    struct cr_id id = {{0}};
    if (len != 2 * CR_ID_BYTES)
        return -EINVAL;
    for (size_t i = 0; i < CR_ID_BYTES; i++) {
        int high = digit_value(text[2 * i]), low = digit_value(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return -EINVAL;
        id.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *ret_id = id;
    return 0;
}

void cr_hash(const void *data, size_t len, struct cr_id *ret_id)
{
    SHA256(data, len, ret_id->bytes);
}

bool cr_is_zero(const void *data, size_t len)
{
    const uint8_t *p = data;
    /* The first bytes by hand, then the buffer against itself: memcmp uses the widest registers. */
    size_t head = len < 16 ? len : 16;
    for (size_t i = 0; i < head; i++)
        if (p[i] != 0)
            return false;
    return len <= 16 || memcmp(p, p + 16, len - 16) == 0;
}

/* One compression and one decompression context for each thread, freed when the thread ends. */
static pthread_key_t compress_key, decompress_key;
static pthread_once_t keys_once = PTHREAD_ONCE_INIT;

static void free_compress(void *context)
{
    ZSTD_freeCCtx(context);
}

static void free_decompress(void *context)
{
    ZSTD_freeDCtx(context);
}

static void make_keys(void)
{
    pthread_key_create(&compress_key, free_compress);
    pthread_key_create(&decompress_key, free_decompress);
}

/* Without this, a plugin that is unloaded would leave keys whose destructors are gone. */
static __attribute__((destructor)) void drop_keys(void)
{
    pthread_once(&keys_once, make_keys);
    ZSTD_freeCCtx(pthread_getspecific(compress_key));
    ZSTD_freeDCtx(pthread_getspecific(decompress_key));
    pthread_key_delete(compress_key);
    pthread_key_delete(decompress_key);
}

static ZSTD_CCtx *thread_compressor(void)
{
    pthread_once(&keys_once, make_keys);
    ZSTD_CCtx *context = pthread_getspecific(compress_key);
    if (context == NULL) {
        context = ZSTD_createCCtx();
        if (context != NULL)
            pthread_setspecific(compress_key, context);
    }
    return context;
}

static ZSTD_DCtx *thread_decompressor(void)
{
    pthread_once(&keys_once, make_keys);
    ZSTD_DCtx *context = pthread_getspecific(decompress_key);
    if (context == NULL) {
        context = ZSTD_createDCtx();
        if (context != NULL)
            pthread_setspecific(decompress_key, context);
    }
    return context;
}

static int frame_encode(const void *plain, size_t len, int level, void *out, size_t out_size,
                        size_t *ret_len)
{
    ZSTD_CCtx *context = thread_compressor();
    if (context == NULL)
        return -ENOMEM;
    size_t n = ZSTD_compressCCtx(context, out, out_size, plain, len, level);
    if (ZSTD_isError(n))
        return ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation ? -ENOMEM : -EMSGSIZE;
    *ret_len = n;
    return 0;
}

int cr_frame_encode(const void *plain, size_t len, void *out, size_t out_size, size_t *ret_len)
{
    return frame_encode(plain, len, COMPRESSION_LEVEL, out, out_size, ret_len);
}

int cr_frame_encode_fast(const void *plain, size_t len, void *out, size_t out_size, size_t *ret_len)
{
    return frame_encode(plain, len, FAST_LEVEL, out, out_size, ret_len);
}

/*
 * One frame of today's format that states its size, and nothing behind it: zstd's own call would
 * also take several frames, skippable ones, and the formats of its first releases.
 */
static int frame_check(const void *frame, size_t len, size_t room, struct cr_error *err)
{
    if (len < 4 || cr_get_le32(frame) != ZSTD_MAGICNUMBER ||
        ZSTD_findFrameCompressedSize(frame, len) != len)
        return cr_error_set(err, -EBADMSG, "its %zu bytes are not one zstd frame", len);
    unsigned long long claimed = ZSTD_getFrameContentSize(frame, len);
    if (claimed == ZSTD_CONTENTSIZE_UNKNOWN)
        return cr_error_set(err, -EBADMSG, "its frame does not state its size");
    if (claimed > room)
        return cr_error_set(err, -EBADMSG, "it claims %llu bytes, at most %zu", claimed, room);
    return 0;
}

int cr_object_open(enum cr_kind kind, const struct cr_id *id, const void *frame, size_t frame_len,
                   void *plain, size_t plain_size, size_t *ret_len, struct cr_error *err)
{
    const struct cr_kind_info *info = &cr_kinds[kind];
    char hex[CR_ID_HEX];
    cr_id_format(id, hex);
    size_t room = plain_size < info->plain_max ? plain_size : info->plain_max;
    ZSTD_DCtx *context = thread_decompressor();
    if (context == NULL)
        return cr_error_errno(err, -ENOMEM, "%s '%s'", info->name, hex);
    if (frame_len > info->frame_max)
        return cr_error_set(err, -EBADMSG, "%s '%s' is corrupted: %zu bytes stored, at most %zu",
                            info->name, hex, frame_len, info->frame_max);
    int r = frame_check(frame, frame_len, room, err);
    if (r < 0)
        return cr_error_prefix(err, r, "%s '%s' is corrupted", info->name, hex);
    size_t n = ZSTD_decompressDCtx(context, plain, room, frame, frame_len);
    if (ZSTD_isError(n))
        return cr_error_set(err, -EBADMSG, "%s '%s' is corrupted: zstd says: %s", info->name, hex,
                            ZSTD_getErrorName(n));
    struct cr_id found;
    cr_hash(plain, n, &found);
    if (!cr_id_equal(&found, id)) {
        char other[CR_ID_HEX];
        return cr_error_set(err, -EBADMSG, "%s '%s' is corrupted: its bytes hash to '%s'",
                            info->name, hex, cr_id_format(&found, other));
    }
    *ret_len = n;
    return 0;
}

int cr_frame_first(const void *data, size_t len, void *plain, size_t plain_size,
                   size_t *ret_frame_len, size_t *ret_len)
{
    *ret_frame_len = 0;
    if (len < 4 || cr_get_le32(data) != ZSTD_MAGICNUMBER)
        return -EBADMSG;
    size_t frame_len = ZSTD_findFrameCompressedSize(data, len);
    if (ZSTD_isError(frame_len))
        return -EBADMSG;
    *ret_frame_len = frame_len;
    ZSTD_DCtx *context = thread_decompressor();
    if (context == NULL)
        return -ENOMEM;
    if (frame_check(data, frame_len, plain_size, NULL) < 0)
        return -EBADMSG;
    size_t n = ZSTD_decompressDCtx(context, plain, plain_size, data, frame_len);
    if (ZSTD_isError(n))
        return -EBADMSG;
    *ret_len = n;
    return 0;
}
