/* SPDX-License-Identifier: MIT */
#include "lib/sync/note.h"

#include "lib/base/fd.h"
#include "lib/base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#define FORM "carrel-sync 1"

int cr_sync_note_format(const struct cr_sync_note *note, struct cr_buf *out)
{
    char last[CR_REF_TEXT] = "-";
    if (note->last.name[0] != '\0')
        cr_ref_format(&note->last, last);
    return cr_buf_printf(out, FORM "\nname %s\nepoch %" PRIu64 "\nnewest %" PRIu64 "\nlast %s\n",
                         note->name, note->epoch, note->newest, last);
}

/* Take "KEY VALUE\n" off the text; the value into `out`. */
static bool line_take(const char **text, const char *key, char *out, size_t out_size)
{
    size_t key_len = strlen(key);
    if (strncmp(*text, key, key_len) != 0 || (*text)[key_len] != ' ')
        return false;
    const char *value = *text + key_len + 1;
    size_t len = strcspn(value, "\n");
    if (value[len] != '\n' || len == 0 || len >= out_size)
        return false;
    memcpy(out, value, len);
    out[len] = '\0';
    *text = value + len + 1;
    return true;
}

static bool number_take(const char **text, const char *key, uint64_t *ret_number)
{
    char value[24];
    return line_take(text, key, value, sizeof(value)) &&
           cr_u64_parse(value, INT64_MAX, ret_number) == 0;
}

static bool last_take(const char **text, struct cr_ref *ret_last)
{
    char value[CR_REF_TEXT];
    if (!line_take(text, "last", value, sizeof(value)))
        return false;
    if (strcmp(value, "-") == 0)
        return true;
    return cr_ref_parse(value, ret_last, NULL) == 0 && ret_last->number != 0;
}

int cr_sync_note_parse(const void *data, size_t len, struct cr_sync_note *ret_note,
                       struct cr_error *err)
{
    struct cr_sync_note note = {0};
    struct cr_ref name;
    char text[CR_STATE_BYTES_MAX / 16], value[CR_REF_TEXT];
    static const char first[] = FORM "\n";
    if (len >= sizeof(text) || memchr(data, '\0', len) != NULL)
        return cr_error_set(err, -EBADMSG, "it is no note of a sync");
    memcpy(text, data, len);
    text[len] = '\0';
    const char *at = text;
    if (strncmp(at, first, strlen(first)) != 0)
        return cr_error_set(err, -EBADMSG, "it does not begin with '%s'", FORM);
    at += strlen(first);
    if (!line_take(&at, "name", value, sizeof(value)) || cr_ref_parse(value, &name, NULL) < 0 ||
        name.number != 0 || name.channel[0] != '\0' || !number_take(&at, "epoch", &note.epoch) ||
        !number_take(&at, "newest", &note.newest) || !last_take(&at, &note.last) || *at != '\0')
        return cr_error_set(err, -EBADMSG, "a line of it is missing or not as it should be");
    memcpy(note.name, name.name, sizeof(note.name));
    *ret_note = note;
    return 0;
}

int cr_sync_note_read(const char *path, struct cr_sync_note *ret_note, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(CR_STATE_BYTES_MAX);
    int r = cr_file_read(AT_FDCWD, path, &text);
    if (r < 0)
        return r == -ENOENT ? r : cr_error_errno(err, r, "reading '%s'", path);
    r = cr_sync_note_parse(text.data, text.len, ret_note, err);
    return r < 0 ? cr_error_prefix(err, r, "'%s' cannot be read", path) : 0;
}

int cr_sync_note_write(const char *path, const struct cr_sync_note *note, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(CR_STATE_BYTES_MAX);
    int r = cr_sync_note_format(note, &text);
    if (r == 0)
        r = cr_file_replace(AT_FDCWD, path, text.data, text.len, 0600);
    return r < 0 ? cr_error_errno(err, r, "writing '%s'", path) : 0;
}
