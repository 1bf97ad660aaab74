/* SPDX-License-Identifier: MIT */
#include "image-tools/diff_files.h"

#include "image-tools/guest.h"
#include "image-tools/stop.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/base/text.h"

#include <errno.h>
#include <inttypes.h>

#define PRINTED_MAX 10000U /* lines for people; JSON has them all */

struct report {
    json_t *list; /* NULL: print */
    uint64_t added, removed, changed;
};

static const char *kind_name(char kind)
{
    switch (kind) {
    case 'd':
        return "folder";
    case 'l':
        return "link";
    case 'f':
        return "file";
    default:
        return "special";
    }
}

static json_t *change_json(const char *what, const struct cr_file *before,
                           const struct cr_file *after, const char *path)
{
    const struct cr_file *file = after != NULL ? after : before;
    json_t *json = json_pack("{s:s, s:s, s:s, s:s}", "change", what, "fs", file->fs, "path", path,
                             "kind", kind_name(file->kind));
    if (before != NULL)
        json_object_set_new(json, "bytes_before", json_integer((json_int_t)before->size_bytes));
    if (after != NULL)
        json_object_set_new(json, "bytes_after", json_integer((json_int_t)after->size_bytes));
    return json;
}

static void change_print(char sign, const struct cr_file *before, const struct cr_file *after,
                         const char *path)
{
    const struct cr_file *file = after != NULL ? after : before;
    char size[CR_BYTES_TEXT], was[CR_BYTES_TEXT];
    printf("%c %s:%s%s", sign, file->fs, path,
           file->kind == 'd' && strcmp(file->path, "/") != 0 ? "/" : "");
    if (file->kind == 'f' && before != NULL && after != NULL &&
        before->size_bytes != after->size_bytes)
        printf("  %s -> %s", cr_bytes_format(before->size_bytes, was, sizeof(was)),
               cr_bytes_format(after->size_bytes, size, sizeof(size)));
    else if (file->kind == 'f')
        printf("  %s", cr_bytes_format(file->size_bytes, size, sizeof(size)));
    putchar('\n');
}

static int change_take(void *context, const struct cr_file *before, const struct cr_file *after)
{
    struct report *report = context;
    const struct cr_file *file = after != NULL ? after : before;
    size_t room = 4 * strlen(file->path) + 1;
    CLEANUP_FREE char *path = malloc(room);
    if (path == NULL)
        return -ENOMEM;
    cr_text_escape(file->path, path, room);
    bool both = before != NULL && after != NULL;
    ++*(both ? &report->changed : after != NULL ? &report->added : &report->removed);
    const char *what = both ? "changed" : after != NULL ? "added" : "removed";
    if (report->list != NULL)
        return json_array_append_new(report->list, change_json(what, before, after, path)) == 0
                   ? 0
                   : -ENOMEM;
    if (report->added + report->removed + report->changed <= PRINTED_MAX)
        change_print(both ? '~' : after != NULL ? '+' : '-', before, after, path);
    return 0;
}

static void unread_print(const struct cr_filelist *files, const char *ref)
{
    for (size_t i = 0; i < files->unread_count; i++)
        printf("  %s: '%s' holds no files or could not be read, and is not compared\n", ref,
               files->unread[i]);
}

static json_t *unread_json(const struct cr_filelist *files)
{
    json_t *list = json_array();
    for (size_t i = 0; i < files->unread_count; i++)
        json_array_append_new(list, json_string(files->unread[i]));
    return list;
}

static int report_make(const struct cr_filelist *a, const struct cr_filelist *b,
                       struct report *report, struct cr_error *err)
{
    int r = cr_filelist_compare(a, b, change_take, report);
    return r < 0 ? cr_error_errno(err, r, "comparing files") : 0;
}

int diff_files(const struct cli *cli, struct cr_store *store, struct cr_version *a,
               struct cr_version *b, json_t *json, struct cr_error *err)
{
    CLEANUP(cr_filelist_done) struct cr_filelist files_a = {0};
    CLEANUP(cr_filelist_done) struct cr_filelist files_b = {0};
    struct report report = {.list = json != NULL ? json_array() : NULL};
    if (!cli_has(cli, OPT_QUIET) && !cli_has(cli, OPT_JSON))
        fprintf(stderr, "carrel: looking into both versions with a small virtual machine; this "
                        "takes a minute or more\n");
    int r = guest_files(store, a, &files_a, err);
    if (r == 0)
        r = stop_check(err);
    if (r == 0)
        r = guest_files(store, b, &files_b, err);
    if (r == 0)
        r = report_make(&files_a, &files_b, &report, err);
    if (r < 0) {
        json_decref(report.list);
        return r;
    }
    uint64_t all = report.added + report.removed + report.changed;
    if (json != NULL)
        return json_object_set_new(
                   json, "files",
                   json_pack("{s:I, s:I, s:I, s:o, s:o, s:o}", "added", (json_int_t)report.added,
                             "removed", (json_int_t)report.removed, "changed",
                             (json_int_t)report.changed, "list", report.list, "unread_before",
                             unread_json(&files_a), "unread_after", unread_json(&files_b))) == 0
                   ? 0
                   : cr_error_errno(err, -ENOMEM, "comparing files");
    char ref[CR_REF_TEXT];
    if (all > PRINTED_MAX)
        printf("  ... and %" PRIu64 " more; --json lists all\n", all - PRINTED_MAX);
    printf("  files         %10" PRIu64 " added, %" PRIu64 " removed, %" PRIu64 " changed\n",
           report.added, report.removed, report.changed);
    unread_print(&files_a, cr_ref_format(cr_version_ref(a), ref));
    unread_print(&files_b, cr_ref_format(cr_version_ref(b), ref));
    return 0;
}
