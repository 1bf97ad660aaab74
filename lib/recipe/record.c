/* SPDX-License-Identifier: MIT */
#include "lib/recipe/record.h"

#include "lib/base/le.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <zstd.h>

#define HEADER_BYTES 16U
#define ENTRY_BYTES  16U /* before an entry's name */

static const uint8_t magic[8] = {'C', 'R', 'R', 'E', 'C', 'R', 'D', '1'};

/* 1 to CR_RECORD_NAME_MAX bytes, none of them a control character. */
static bool name_valid(const char *name, size_t len)
{
    if (len == 0 || len > CR_RECORD_NAME_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)name[i] < ' ' || name[i] == 0x7f)
            return false;
    return true;
}

/* --- writing ---------------------------------------------------------------------------------- */

void cr_record_writer_init(struct cr_record_writer *writer)
{
    cr_buf_init(&writer->plain, CR_RECORD_PLAIN_BYTES_MAX);
    writer->count = 0;
}

void cr_record_writer_done(struct cr_record_writer *writer)
{
    cr_buf_done(&writer->plain);
    writer->count = 0;
}

int cr_record_add(struct cr_record_writer *writer, const char *name, const void *data, size_t len)
{
    struct cr_buf *plain = &writer->plain;
    uint8_t head[HEADER_BYTES + ENTRY_BYTES] = {0};
    size_t name_len = strlen(name), before = plain->len, head_len = HEADER_BYTES;
    if (!name_valid(name, name_len))
        return -EINVAL;
    if (writer->count == CR_RECORD_ENTRIES_MAX)
        return -EMSGSIZE;
    if (before > 0)
        head_len = 0;
    else
        memcpy(head, magic, sizeof(magic));
    cr_put_le32(head + head_len, (uint32_t)name_len + 1);
    cr_put_le64(head + head_len + 8, len);
    int r = cr_buf_append(plain, head, head_len + ENTRY_BYTES);
    if (r == 0)
        r = cr_buf_append(plain, name, name_len + 1);
    if (r == 0 && len > 0)
        r = cr_buf_append(plain, data, len);
    if (r < 0) {
        plain->len = before;
        return r;
    }
    cr_put_le32(plain->data + sizeof(magic), ++writer->count);
    return 0;
}

int cr_record_format(const struct cr_record_writer *writer, struct cr_buf *blob,
                     struct cr_id *ret_name)
{
    const struct cr_buf *plain = &writer->plain;
    size_t bound = ZSTD_compressBound(plain->len);
    CLEANUP_FREE uint8_t *frame = malloc(bound);
    if (frame == NULL)
        return -ENOMEM;
    size_t len = ZSTD_compress(frame, bound, plain->data, plain->len, 9);
    if (ZSTD_isError(len))
        return -ENOMEM;
    int r = cr_buf_append(blob, frame, len);
    if (r == 0)
        cr_hash(frame, len, ret_name);
    return r;
}

/* --- reading ---------------------------------------------------------------------------------- */

void cr_record_done(struct cr_record *record)
{
    free(record->plain);
    free(record->entries);
    *record = (struct cr_record){0};
}

static int bad(struct cr_error *err, const char *what)
{
    return cr_error_set(err, -EBADMSG, "the record is damaged: %s", what);
}

static int plain_open(struct cr_record *record, const void *blob, size_t len, struct cr_error *err)
{
    unsigned long long size = ZSTD_getFrameContentSize(blob, len);
    if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR ||
        size > CR_RECORD_PLAIN_BYTES_MAX || size < HEADER_BYTES)
        return bad(err, "it is no zstd frame of the right size");
    record->plain = malloc((size_t)size);
    if (record->plain == NULL)
        return cr_error_errno(err, -ENOMEM, "cannot read the record");
    size_t found = ZSTD_decompress(record->plain, (size_t)size, blob, len);
    if (ZSTD_isError(found) || found != size)
        return bad(err, "its frame cannot be opened");
    record->plain_len = (size_t)size;
    return 0;
}

/* One entry at *at; moves it on. */
static int entry_parse(const struct cr_record *record, size_t *at,
                       struct cr_record_entry *ret_entry, struct cr_error *err)
{
    size_t left = record->plain_len - *at;
    const uint8_t *p = record->plain + *at;
    if (left < ENTRY_BYTES)
        return bad(err, "it ends within an entry");
    size_t name_bytes = cr_get_le32(p);
    uint64_t len = cr_get_le64(p + 8);
    left -= ENTRY_BYTES;
    if (cr_get_le32(p + 4) != 0)
        return bad(err, "reserved bytes are not zero");
    if (name_bytes > left || len > left - name_bytes)
        return bad(err, "it ends within an entry");
    const char *name = (const char *)p + ENTRY_BYTES;
    if (name_bytes < 2 || name[name_bytes - 1] != '\0' || !name_valid(name, name_bytes - 1))
        return bad(err, "an entry has no proper name");
    ret_entry->name = name;
    ret_entry->data = p + ENTRY_BYTES + name_bytes;
    ret_entry->len = (size_t)len;
    *at += ENTRY_BYTES + name_bytes + (size_t)len;
    return 0;
}

static int entries_parse(struct cr_record *record, struct cr_error *err)
{
    size_t at = HEADER_BYTES;
    uint32_t count = cr_get_le32(record->plain + sizeof(magic));
    if (memcmp(record->plain, magic, sizeof(magic)) != 0)
        return bad(err, "it does not begin as one");
    if (cr_get_le32(record->plain + sizeof(magic) + 4) != 0)
        return bad(err, "reserved bytes are not zero");
    if (count == 0 || count > CR_RECORD_ENTRIES_MAX)
        return bad(err, "the number of its entries is none that is allowed");
    record->entries = cr_calloc(count, sizeof(record->entries[0]));
    if (record->entries == NULL)
        return cr_error_errno(err, -ENOMEM, "cannot read the record");
    for (record->count = 0; record->count < count; record->count++) {
        struct cr_record_entry *entry = &record->entries[record->count];
        int r = entry_parse(record, &at, entry, err);
        if (r < 0)
            return r;
        if (cr_record_find(record, entry->name) != NULL)
            return bad(err, "two entries have one name");
    }
    return at == record->plain_len ? 0 : bad(err, "something follows its last entry");
}

int cr_record_parse(const void *blob, size_t len, const struct cr_id *name,
                    struct cr_record *ret_record, struct cr_error *err)
{
    CLEANUP(cr_record_done) struct cr_record record = {0};
    struct cr_id found;
    cr_hash(blob, len, &found);
    if (name != NULL && !cr_id_equal(name, &found))
        return bad(err, "its bytes do not hash to its name");
    int r = plain_open(&record, blob, len, err);
    if (r == 0)
        r = entries_parse(&record, err);
    if (r < 0)
        return r;
    *ret_record = record;
    record = (struct cr_record){0};
    return 0;
}

const struct cr_record_entry *cr_record_find(const struct cr_record *record, const char *name)
{
    for (uint32_t i = 0; i < record->count; i++)
        if (strcmp(record->entries[i].name, name) == 0)
            return &record->entries[i];
    return NULL;
}
