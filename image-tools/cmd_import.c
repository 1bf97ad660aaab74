/* SPDX-License-Identifier: MIT */
/* carrel image import NAME FILE */
#include "image-tools/commands.h"
#include "image-tools/free_space.h"
#include "image-tools/output.h"
#include "image-tools/progress.h"
#include "image-tools/publish_sign.h"
#include "image-tools/published.h"
#include "image-tools/stop.h"
#include "lib/base/mem.h"
#include "lib/ingest/ingest.h"

#include <errno.h>

/* What --parent names must exist. */
static int parent_take(const struct cli *cli, struct cr_store *store, struct cr_ref *ret_parent,
                       struct cr_error *err)
{
    if (!cli_has(cli, OPT_PARENT))
        return 0;
    int r = cr_ref_parse(cli->values[OPT_PARENT], ret_parent, err);
    if (r < 0)
        return r;
    if (ret_parent->number == 0 && ret_parent->channel[0] == '\0')
        return cr_error_set(err, -EINVAL, "option '--parent': '%s' names no version; write %s@N",
                            ret_parent->name, ret_parent->name);
    CLEANUP(cr_version_cleanup) struct cr_version *version = NULL;
    r = cr_version_open(store, ret_parent, &version, err);
    if (r == 0)
        *ret_parent = *cr_version_ref(version);
    return r;
}

static int import_publish(struct cli *cli, struct cr_ingest *ingest, struct cr_trim_report *report,
                          struct cr_error *err)
{
    int r = cr_ingest_scan(ingest, err);
    if (r == 0 && !cli_has(cli, OPT_NO_TRIM))
        r = free_space_leave_out(cli, ingest, cli->operands[1], report, err);
    if (r < 0)
        return r;
    char what[CR_NAME_MAX + 32];
    snprintf(what, sizeof(what), "importing '%s'", cli->operands[0]);
    CLEANUP(progress_cleanup)
    struct progress *progress = progress_new(cli, what, cr_extents_bytes(&ingest->data));
    ingest->progress = progress;
    ingest->progressed = progress_told;
    r = cr_ingest_run(ingest, cli->disk_threads, err);
    return r < 0 ? r : stop_check(err);
}

int cmd_image_import(struct cli *cli, struct cr_error *err)
{
    const char *message = NULL;
    struct cr_ref name, parent = {0};
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    int r = published_name(cli, &name, err);
    if (r == 0)
        r = cli_message(cli, &message, err);
    if (r == 0)
        r = cli_store_open_writable(cli, &store, err);
    if (r == 0)
        r = parent_take(cli, store, &parent, err);
    if (r < 0)
        return r;

    CLEANUP(cr_source_cleanup) struct cr_source *source = NULL;
    struct cr_source_options options = {.format = cli->values[OPT_FORMAT],
                                        .connections = cli->disk_threads};
    r = cr_source_open(cli->operands[1], &options, &source, err);
    if (r < 0)
        return r;
    CLEANUP(cr_trim_report_done) struct cr_trim_report report = {0};
    CLEANUP(cr_ingest_done)
    struct cr_ingest ingest = {.stop = stop_check, .source = source, .store = store};
    r = cr_publish_begin(store, name.name, cr_source_size_bytes(source), NULL, &ingest.publish,
                         err);
    if (r < 0)
        return r;
    r = import_publish(cli, &ingest, &report, err);
    if (r < 0) {
        cr_publish_abort(ingest.publish);
        return r;
    }
    struct cr_version_info info;
    struct cr_publish_stat stat;
    struct cr_publish_note note = {.parent = parent.name[0] ? &parent : NULL, .message = message};
    r = cr_publish_commit(ingest.publish, &note, &info, &stat, err);
    if (r == 0)
        r = published_print(cli, name.name, &info, &stat, &report, err);
    return r < 0 ? r : publish_sign(cli, store, err);
}
