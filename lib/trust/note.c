/* SPDX-License-Identifier: MIT */
#include "lib/trust/note.h"

#include "lib/base/le.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <stdbool.h>

static const char magic[8] = "CRNOTE01";

#define HEADER_BYTES (sizeof(magic) + 4)
#define PART_BYTES   8U /* lengths of name and data */

static bool name_is_valid(const void *name, size_t len)
{
    const char *p = name;
    for (size_t i = 0; i < len; i++)
        if (p[i] < '!' || p[i] > '~' || p[i] == '/')
            return false;
    return len > 0 && len <= CR_NOTE_NAME_BYTES_MAX;
}

/* One part at data[*at]. */
static int part_parse(const uint8_t *data, size_t len, size_t *at, struct cr_note_part *part)
{
    if (len - *at < PART_BYTES)
        return -EBADMSG;
    size_t name_len = cr_get_le32(data + *at), data_len = cr_get_le32(data + *at + 4);
    *at += PART_BYTES;
    if (name_len > len - *at || !name_is_valid(data + *at, name_len))
        return -EBADMSG;
    memcpy(part->name, data + *at, name_len);
    part->name[name_len] = '\0';
    *at += name_len;
    if (data_len > len - *at)
        return -EBADMSG;
    part->data = data + *at;
    part->len = data_len;
    *at += data_len;
    return 0;
}

int cr_note_parse(const void *data, size_t len, struct cr_note *ret_note, struct cr_error *err)
{
    const uint8_t *bytes = data;
    size_t at = HEADER_BYTES;
    *ret_note = (struct cr_note){0};
    if (len < HEADER_BYTES || memcmp(bytes, magic, sizeof(magic)) != 0)
        return cr_error_set(err, -EBADMSG, "this is no note of the signer's protocol");
    uint32_t count = cr_get_le32(bytes + sizeof(magic));
    if (count > CR_NOTE_PARTS_MAX)
        return cr_error_set(err, -EBADMSG, "the note has more than %u parts", CR_NOTE_PARTS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        struct cr_note_part part = {0};
        if (part_parse(bytes, len, &at, &part) < 0)
            return cr_error_set(err, -EBADMSG, "part %u of the note is cut or has no name", i + 1);
        if (cr_note_find(ret_note, part.name) != NULL)
            return cr_error_set(err, -EBADMSG, "the note has two parts '%s'", part.name);
        ret_note->parts[ret_note->count++] = part;
    }
    if (at != len)
        return cr_error_set(err, -EBADMSG, "bytes stand behind the note's last part");
    return 0;
}

const struct cr_note_part *cr_note_find(const struct cr_note *note, const char *name)
{
    for (uint32_t i = 0; i < note->count; i++)
        if (strcmp(note->parts[i].name, name) == 0)
            return &note->parts[i];
    return NULL;
}

int cr_note_begin(struct cr_buf *out, uint32_t count)
{
    uint8_t header[HEADER_BYTES];
    memcpy(header, magic, sizeof(magic));
    cr_put_le32(header + sizeof(magic), count);
    return cr_buf_append(out, header, sizeof(header));
}

int cr_note_add(struct cr_buf *out, const char *name, const void *data, size_t len)
{
    uint8_t lengths[PART_BYTES];
    size_t name_len = strlen(name);
    if (!name_is_valid(name, name_len) || len > UINT32_MAX)
        return -EINVAL;
    cr_put_le32(lengths, (uint32_t)name_len);
    cr_put_le32(lengths + 4, (uint32_t)len);
    int r = cr_buf_append(out, lengths, sizeof(lengths));
    if (r == 0)
        r = cr_buf_append(out, name, name_len);
    return r < 0 || len == 0 ? r : cr_buf_append(out, data, len);
}
