/* SPDX-License-Identifier: MIT */
/* carrel image commit NAME OVERLAY */
#include "image-tools/commands.h"
#include "image-tools/progress.h"
#include "image-tools/publish_sign.h"
#include "image-tools/published.h"
#include "image-tools/stop.h"
#include "lib/base/mem.h"
#include "lib/blk/backing.h"
#include "lib/ingest/ingest.h"

#include <errno.h>
#include <inttypes.h>

/* What --base says, number 0 when it says nothing. */
static int base_option(const struct cli *cli, struct cr_ref *ret_ref, struct cr_error *err)
{
    *ret_ref = (struct cr_ref){0};
    if (!cli_has(cli, OPT_BASE))
        return 0;
    int r = cr_ref_parse(cli->values[OPT_BASE], ret_ref, err);
    if (r == 0 && ret_ref->number == 0)
        return cr_error_set(err, -EINVAL, "option '--base': '%s' names no version; write %s@N",
                            ret_ref->name, ret_ref->name);
    return r;
}

/* The version below the overlay: what the overlay says, or --base where it says nothing. */
static int base_find(const struct cli *cli, const char *backing, struct cr_ref *ret_base,
                     struct cr_error *err)
{
    const char *name = cli->operands[0], *overlay = cli->operands[1];
    struct cr_ref said, found = {0};
    char text[CR_REF_TEXT];
    int r = base_option(cli, &said, err);
    if (r < 0)
        return r;
    if (backing == NULL)
        return cr_error_set(err, -EINVAL,
                            "'%s' is not an overlay: it has no backing file; `carrel image import "
                            "%s %s` makes a version of a whole disk",
                            overlay, name, overlay);
    bool told = cr_backing_ref(backing, &found);
    if (!told && said.number == 0)
        return cr_error_set(err, -EINVAL,
                            "the backing file '%.200s' of overlay '%s' does not say which version "
                            "it is; add --base %s@N",
                            backing, overlay, name);
    if (told && said.number != 0 &&
        (found.number != said.number || strcmp(found.name, said.name) != 0))
        return cr_error_set(err, -EINVAL,
                            "overlay '%s' was made from '%s', not from what --base says; leave "
                            "--base out",
                            overlay, cr_ref_format(&found, text));
    *ret_base = told ? found : said;
    if (!told && strcmp(said.name, name) != 0)
        return cr_error_set(err, -EINVAL,
                            "option '--base': '%s' is no version of '%s'; an overlay of it becomes "
                            "one of '%s'",
                            cr_ref_format(&said, text), name, said.name);
    if (strcmp(ret_base->name, name) != 0)
        return cr_error_set(err, -EINVAL,
                            "overlay '%s' was made from '%s', which is no version of '%s'; write: "
                            "carrel image commit %s %s",
                            overlay, cr_ref_format(ret_base, text), name, ret_base->name, overlay);
    return 0;
}

static int commit_publish(struct cli *cli, struct cr_ingest *ingest, struct cr_error *err)
{
    int r = cr_ingest_scan(ingest, err);
    if (r < 0)
        return r;
    char what[CR_NAME_MAX + 32];
    snprintf(what, sizeof(what), "committing '%s'", cli->operands[0]);
    CLEANUP(progress_cleanup)
    struct progress *progress = progress_new(cli, what, cr_extents_bytes(&ingest->data));
    ingest->progress = progress;
    ingest->progressed = progress_told;
    r = cr_ingest_run(ingest, cli->disk_threads, err);
    return r < 0 ? r : stop_check(err);
}

/* Somebody published between: both stay, and the person should know. */
static void branch_remark(const struct cli *cli, const struct cr_ref *base,
                          const struct cr_version_info *info)
{
    if (!cli_has(cli, OPT_QUIET) && info->number > base->number + 1)
        fprintf(stderr,
                "carrel: note: '%s@%" PRIu64 "' was not the newest number of '%s'; "
                "'%s@%" PRIu64 "' holds nothing of what stands between\n",
                base->name, base->number, base->name, base->name, info->number);
}

int cmd_image_commit(struct cli *cli, struct cr_error *err)
{
    const char *message = NULL;
    struct cr_ref name, base_ref;
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    int r = published_name(cli, &name, err);
    if (r == 0)
        r = cli_message(cli, &message, err);
    if (r == 0)
        r = cli_store_open_writable(cli, &store, err);
    if (r < 0)
        return r;

    CLEANUP(cr_source_cleanup) struct cr_source *source = NULL;
    CLEANUP(cr_version_cleanup) struct cr_version *base = NULL;
    struct cr_source_options options = {
        .format = "qcow2", .top_layer_only = true, .connections = cli->disk_threads};
    r = cr_source_open(cli->operands[1], &options, &source, err);
    if (r == 0)
        r = base_find(cli, cr_source_backing(source), &base_ref, err);
    if (r == 0)
        r = cr_version_open(store, &base_ref, &base, err);
    if (r < 0)
        return r;

    CLEANUP(cr_ingest_done)
    struct cr_ingest ingest = {.stop = stop_check, .source = source, .store = store, .base = base};
    r = cr_publish_begin(store, name.name, cr_source_size_bytes(source), base, &ingest.publish,
                         err);
    if (r < 0)
        return r;
    r = commit_publish(cli, &ingest, err);
    if (r < 0) {
        cr_publish_abort(ingest.publish);
        return r;
    }
    struct cr_version_info info;
    struct cr_publish_stat stat;
    struct cr_publish_note note = {.parent = &base_ref, .message = message};
    r = cr_publish_commit(ingest.publish, &note, &info, &stat, err);
    if (r < 0)
        return r;
    branch_remark(cli, &base_ref, &info);
    r = published_print(cli, name.name, &info, &stat, NULL, err);
    return r < 0 ? r : publish_sign(cli, store, err);
}
