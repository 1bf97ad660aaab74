/* SPDX-License-Identifier: MIT */
#include "lib/guest/filelist.h"

#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"

#include <errno.h>
#include <inttypes.h>

void cr_filelist_done(struct cr_filelist *list)
{
    free(list->text);
    free(list->files);
    free(list->unread);
    *list = (struct cr_filelist){0};
}

/* --- records ---------------------------------------------------------------------------------- */

/* The next word of *rest, which is cut there; NULL when no space follows it. */
static char *word_take(char **rest)
{
    char *word = *rest, *space = strchr(word, ' ');
    if (space == NULL)
        return NULL;
    *space = '\0';
    *rest = space + 1;
    return word;
}

static bool number_take(char **rest, uint64_t max, uint64_t *ret_number)
{
    const char *word = word_take(rest);
    return word != NULL && cr_u64_parse(word, max, ret_number) == 0;
}

static bool seconds_take(char **rest, int64_t *ret_seconds)
{
    const char *word = word_take(rest);
    uint64_t seconds;
    bool negative = word != NULL && word[0] == '-';
    if (word == NULL || cr_u64_parse(word + negative, INT64_MAX, &seconds) < 0)
        return false;
    *ret_seconds = negative ? -(int64_t)seconds : (int64_t)seconds;
    return true;
}

static bool file_take(char *record, const char *fs, struct cr_file *file)
{
    uint64_t mode, uid, gid, ns;
    char *rest = record;
    const char *kind = word_take(&rest);
    if (fs == NULL || kind == NULL || strlen(kind) != 1 || strchr("fdlcbps", kind[0]) == NULL)
        return false;
    *file = (struct cr_file){.fs = fs, .kind = kind[0]};
    if (!number_take(&rest, 07777777, &mode) || !number_take(&rest, UINT32_MAX, &uid) ||
        !number_take(&rest, UINT32_MAX, &gid) ||
        !number_take(&rest, INT64_MAX, &file->size_bytes) || !seconds_take(&rest, &file->mtime_s) ||
        !number_take(&rest, 999999999, &ns) || rest[0] != '/' ||
        strlen(rest) > CR_FILE_PATH_BYTES_MAX)
        return false;
    file->mode = (uint32_t)mode;
    file->uid = (uint32_t)uid;
    file->gid = (uint32_t)gid;
    file->mtime_ns = (uint32_t)ns;
    file->path = rest;
    return true;
}

/* "NAME TYPE", two plain words. */
static bool fs_is_valid(const char *text)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-+";
    size_t name = strspn(text, letters);
    return name > 0 && name < 256 && text[name] == ' ' && strlen(text + name + 1) < 64 &&
           text[name + 1] != '\0' && text[name + 1 + strspn(text + name + 1, letters)] == '\0';
}

static bool record_take(struct cr_filelist *list, char *record, const char **fs, size_t *ret_end)
{
    uint64_t count;
    if (strncmp(record, "fs ", 3) == 0 && fs_is_valid(record + 3)) {
        *fs = record + 3;
        *strchr(record + 3, ' ') = '\0';
        return true;
    }
    if (strncmp(record, "unread ", 7) == 0 && fs_is_valid(record + 7)) {
        list->unread[list->unread_count++] = record + 7;
        return true;
    }
    if (strncmp(record, "end ", 4) == 0 && cr_u64_parse(record + 4, SIZE_MAX, &count) == 0) {
        *ret_end = (size_t)count;
        return true;
    }
    if (!file_take(record, *fs, &list->files[list->count]))
        return false;
    list->count++;
    return true;
}

/* --- the whole list --------------------------------------------------------------------------- */

static int file_order(const struct cr_file *a, const struct cr_file *b)
{
    int fs = strcmp(a->fs, b->fs);
    return fs != 0 ? fs : strcmp(a->path, b->path);
}

static int by_path(const void *a, const void *b)
{
    return file_order(a, b);
}

static int records_take(struct cr_filelist *list, size_t len, struct cr_error *err)
{
    size_t number = 0, end = SIZE_MAX;
    const char *fs = NULL;
    for (char *p = list->text; p < list->text + len;) {
        char *next = p + strlen(p) + 1;
        number++;
        if (end != SIZE_MAX || !record_take(list, p, &fs, &end))
            return cr_error_set(err, -EBADMSG, "record %zu of the list of files is wrong", number);
        p = next;
    }
    if (end != list->count)
        return cr_error_set(err, -EBADMSG, "the list of files is cut");
    if (list->count > 1)
        qsort(list->files, list->count, sizeof(*list->files), by_path);
    for (size_t i = 1; i < list->count; i++)
        if (file_order(&list->files[i - 1], &list->files[i]) == 0)
            return cr_error_set(err, -EBADMSG, "the list of files names a file twice");
    return 0;
}

int cr_filelist_parse(const void *data, size_t len, struct cr_filelist *ret_list,
                      struct cr_error *err)
{
    const char *bytes = data;
    size_t records = 0;
    if (len == 0 || bytes[len - 1] != '\0')
        return cr_error_set(err, -EBADMSG, "the list of files is cut");
    if (len > CR_FILE_LIST_BYTES_MAX)
        return cr_error_set(err, -EBADMSG, "the list of files has more than %llu bytes",
                            CR_FILE_LIST_BYTES_MAX);
    for (size_t i = 0; i < len; i++)
        records += bytes[i] == '\0';
    CLEANUP(cr_filelist_done)
    struct cr_filelist list = {.text = malloc(len),
                               .files = cr_calloc(records, sizeof(*list.files)),
                               .unread = cr_calloc(records, sizeof(*list.unread))};
    if (list.text == NULL || list.files == NULL || list.unread == NULL)
        return cr_error_errno(err, -ENOMEM, "a list of files");
    memcpy(list.text, data, len);
    int r = records_take(&list, len, err);
    if (r < 0)
        return r;
    *ret_list = list;
    list = (struct cr_filelist){0};
    return 0;
}

static bool is_same(const struct cr_file *a, const struct cr_file *b)
{
    if (a->kind != b->kind || a->mode != b->mode || a->uid != b->uid || a->gid != b->gid)
        return false;
    return a->kind == 'd' || (a->size_bytes == b->size_bytes && a->mtime_s == b->mtime_s &&
                              a->mtime_ns == b->mtime_ns);
}

int cr_filelist_compare(const struct cr_filelist *before, const struct cr_filelist *after,
                        cr_file_change_sink *sink, void *context)
{
    size_t i = 0, k = 0;
    while (i < before->count || k < after->count) {
        const struct cr_file *a = i < before->count ? &before->files[i] : NULL;
        const struct cr_file *b = k < after->count ? &after->files[k] : NULL;
        int order = a == NULL ? 1 : b == NULL ? -1 : file_order(a, b), r = 0;
        if (order != 0)
            r = sink(context, order < 0 ? a : NULL, order < 0 ? NULL : b);
        else if (!is_same(a, b))
            r = sink(context, a, b);
        if (r != 0)
            return r;
        i += order <= 0;
        k += order >= 0;
    }
    return 0;
}
