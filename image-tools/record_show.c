/* SPDX-License-Identifier: MIT */
#include "image-tools/record_show.h"

#include "image-tools/build_record.h"
#include "image-tools/output.h"
#include "image-tools/text.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* The text, line by line, without what could steer a terminal. */
static int text_plain(const struct cr_record_entry *entry, struct cr_buf *out)
{
    int r = 0;
    for (size_t at = 0; at < entry->len && r == 0;) {
        const uint8_t *newline = memchr(entry->data + at, '\n', entry->len - at);
        size_t len = newline != NULL ? (size_t)(newline - (entry->data + at)) : entry->len - at;
        CLEANUP_FREE char *line = malloc(len + 1), *shown = malloc(len + 1);
        if (line == NULL || shown == NULL)
            return -ENOMEM;
        for (size_t i = 0; i < len; i++) {
            char c = (char)entry->data[at + i];
            line[i] = c == '\t' || c == '\r' || c == '\0' ? ' ' : c;
        }
        line[len] = '\0';
        r = cr_buf_printf(out, "%s\n", text_clean(line, shown, len + 1));
        at += len + 1;
    }
    return r == 0 ? cr_buf_append(out, "", 1) : r;
}

int record_show(const struct cli *cli, struct cr_store *store, const char *name,
                const struct cr_version_info *info, struct cr_error *err)
{
    CLEANUP(cr_record_done) struct cr_record record = {0};
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(2 * CR_RECORD_PLAIN_BYTES_MAX);
    const char *what = cli_has(cli, OPT_RECIPE) ? CR_RECORD_RECIPE : CR_RECORD_LOG;
    int r = build_record_read(store, info, &record, err);
    if (r < 0)
        return cr_error_prefix(err, r, "cannot show how '%s@%" PRIu64 "' was made", name,
                               info->number);
    const struct cr_record_entry *entry = cr_record_find(&record, what);
    if (entry == NULL)
        return cr_error_set(err, -ENOENT, "the record of '%s@%" PRIu64 "' holds no %s", name,
                            info->number, what);
    r = text_plain(entry, &text);
    if (r < 0)
        return cr_error_errno(err, r, "cannot show the %s of '%s'", what, name);
    if (cli_has(cli, OPT_JSON))
        return output_json(json_pack("{s:s}", what, (const char *)text.data), err);
    fputs((const char *)text.data, stdout);
    return 0;
}
