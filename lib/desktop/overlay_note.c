/* SPDX-License-Identifier: MIT */
#include "lib/desktop/overlay_note.h"

#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/base/text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char magic[] = "carrel-overlay 1";

bool cr_person_is_valid(const char *person)
{
    return person[0] != '\0' && strlen(person) <= CR_PERSON_BYTES_MAX && cr_text_is_plain(person);
}

static bool is_hex_id(const char *text)
{
    return strlen(text) == CR_OVERLAY_ROOT_TEXT - 1 &&
           strspn(text, "0123456789abcdef") == CR_OVERLAY_ROOT_TEXT - 1;
}

/* NAME@N, as far as a path is made of it; who starts the version parses it in full. */
static bool is_version(const char *text)
{
    uint64_t number = 0;
    const char *at = strchr(text, '@');
    if (at == NULL || at == text || text[0] == '.' || (size_t)(at - text) > CR_NAME_MAX ||
        strlen(text) >= CR_OVERLAY_VERSION_TEXT)
        return false;
    for (const char *p = text; p < at; p++)
        if (!isalnum((unsigned char)*p) && strchr("._-", *p) == NULL)
            return false;
    return cr_u64_parse(at + 1, UINT64_MAX, &number) == 0 && number > 0;
}

/* One "key value". False: the value is wrong. */
static bool line_take(const char *key, const char *value, struct cr_overlay_note *note)
{
    uint64_t number = 0;
    if (strcmp(key, "version") == 0) {
        snprintf(note->version, sizeof(note->version), "%s", value);
        return is_version(value);
    }
    if (strcmp(key, "root") == 0) {
        snprintf(note->root, sizeof(note->root), "%s", value);
        return is_hex_id(value);
    }
    if (strcmp(key, "person") == 0) {
        snprintf(note->person, sizeof(note->person), "%s", value);
        return cr_person_is_valid(value);
    }
    if (strcmp(key, "bytes") == 0) {
        bool right = cr_u64_parse(value, CR_DISK_BYTES_MAX, &number) == 0 && number > 0;
        note->disk_bytes = number;
        return right;
    }
    if (strcmp(key, "made") == 0) {
        bool right = cr_u64_parse(value, INT64_MAX, &number) == 0;
        note->made_s = (int64_t)number;
        return right;
    }
    return true;
}

static int note_wrong(const char *name, const char *what, struct cr_error *err)
{
    return cr_error_set(err, -EBADMSG,
                        "reading '%s', the note of an overlay: %s; move the folder away to begin "
                        "with a clean overlay",
                        name, what);
}

int cr_overlay_note_parse(const char *name, const void *data, size_t len,
                          struct cr_overlay_note *ret_note, struct cr_error *err)
{
    struct cr_overlay_note note = {.made_s = 0};
    char text[CR_OVERLAY_NOTE_BYTES_MAX + 1];
    if (len > CR_OVERLAY_NOTE_BYTES_MAX || memchr(data, '\0', len) != NULL)
        return note_wrong(name, "it is too long or no text", err);
    memcpy(text, data, len);
    text[len] = '\0';
    if (len == 0 || text[len - 1] != '\n')
        return note_wrong(name, "it was cut off", err);
    char *rest = text;
    const char *first = strsep(&rest, "\n");
    if (strcmp(first, magic) != 0)
        return note_wrong(name, "it does not begin with 'carrel-overlay 1'", err);
    for (char *line; (line = strsep(&rest, "\n")) != NULL && rest != NULL;) {
        char *space = strchr(line, ' ');
        if (space == NULL)
            return note_wrong(name, "a line is not 'key value'", err);
        *space = '\0';
        if (!line_take(line, space + 1, &note))
            return note_wrong(name, "a value in it is wrong", err);
    }
    if (note.version[0] == '\0' || note.disk_bytes == 0)
        return note_wrong(name, "it names no version or no size", err);
    *ret_note = note;
    return 0;
}

int cr_overlay_note_format(const struct cr_overlay_note *note, struct cr_buf *out)
{
    int r = cr_buf_printf(out, "%s\nversion %s\nbytes %" PRIu64 "\nmade %" PRId64 "\n", magic,
                          note->version, note->disk_bytes, note->made_s);
    if (r == 0 && note->root[0] != '\0')
        r = cr_buf_printf(out, "root %s\n", note->root);
    if (r == 0 && note->person[0] != '\0')
        r = cr_buf_printf(out, "person %s\n", note->person);
    return r;
}

const char *cr_overlay_owner(const char *person, char out[static CR_OVERLAY_OWNER_TEXT])
{
    size_t used = 0;
    if (person[0] == '\0') {
        memcpy(out, "seat", sizeof("seat"));
        return out;
    }
    memcpy(out, "person-", 7);
    used = 7;
    for (const unsigned char *p = (const unsigned char *)person;
         *p != '\0' && used + 4 <= CR_OVERLAY_OWNER_TEXT; p++) {
        bool plain = *p < 0x80 && (isalnum(*p) || strchr("._-@", *p) != NULL);
        used += (size_t)snprintf(out + used, 4, plain ? "%c" : "%%%02X", *p);
    }
    out[used] = '\0';
    return out;
}
