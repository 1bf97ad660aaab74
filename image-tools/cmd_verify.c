/* SPDX-License-Identifier: MIT */
/* carrel image verify NAME[@N] */
#include "image-tools/commands.h"
#include "image-tools/output.h"
#include "image-tools/verify.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/image/channel.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

/* "PACK: reason" of a pack whose footer cannot be read. */
static int pack_damaged(void *context, const char *text)
{
    struct verify_damage damage = {.kind = "pack"};
    size_t len = strcspn(text, ":");
    if (len >= sizeof(damage.name))
        len = sizeof(damage.name) - 1;
    memcpy(damage.name, text, len);
    cr_error_set(&damage.reason, 0, "pack '%s' is damaged%s", damage.name, text + len);
    return verify_report_add(context, &damage);
}

/* The manifest comes first: without it there is nothing to walk through. */
static int manifest_damaged(const struct cr_error *reason, struct verify_report *report)
{
    struct verify_damage damage = {.kind = "manifest", .reason = *reason};
    return verify_report_add(report, &damage);
}

static int verify_version(const struct cli *cli, struct cr_store *store, struct cr_ref *ref,
                          struct verify_report *report, struct cr_error *err)
{
    CLEANUP(cr_version_cleanup) struct cr_version *version = NULL;
    CLEANUP(cr_head_done) struct cr_head head = {0};
    struct cr_error reason = {0};
    int r = cr_store_head_read(store, ref->name, &head, NULL, err);
    if (r < 0)
        return r;
    const struct cr_version_info *listed = NULL;
    r = cr_head_resolve(&head, ref, (int64_t)time(NULL), &listed, err);
    if (r < 0)
        return r;
    ref->number = listed->number;
    ref->channel[0] = '\0';
    /* What the head does not list is unknown; what it lists and cannot be opened is damaged. */
    r = cr_version_open(store, ref, &version, &reason);
    if (r < 0 && r != -EBADMSG && r != -ENOENT && r != -EIO && r != -ENODATA)
        return cr_error_set(err, r, "%s", reason.text);
    if (r < 0)
        r = manifest_damaged(&reason, report);
    else
        r = verify_run(cli, store, version, report, err);
    /* What is missing is missing because of them; a whole version has none of its own. */
    if (r == 0 && report->count > 0 && store->ops->damaged_list != NULL)
        r = store->ops->damaged_list(store, pack_damaged, report, err);
    return r;
}

static json_t *report_json(const struct verify_report *report, const char *ref)
{
    json_t *damages = json_array();
    for (size_t i = 0; i < report->count; i++) {
        const struct verify_damage *d = &report->damages[i];
        json_array_append_new(damages,
                              json_pack("{s:s, s:s, s:I, s:I, s:s}", "kind", d->kind, "name",
                                        d->name, "offset", (json_int_t)d->offset, "bytes",
                                        (json_int_t)d->disk_bytes, "reason", d->reason.text));
    }
    return json_pack("{s:s, s:b, s:I, s:I, s:I, s:o}", "ref", ref, "ok", report->count == 0,
                     "segments", (json_int_t)report->segments, "chunks", (json_int_t)report->chunks,
                     "frame_bytes", (json_int_t)report->frame_bytes, "damaged", damages);
}

static void report_print(const struct cli *cli, const struct verify_report *report, const char *ref)
{
    char bytes[CR_BYTES_TEXT];
    for (size_t i = 0; i < report->count; i++) {
        const struct verify_damage *d = &report->damages[i];
        if (d->disk_bytes > 0)
            printf("damaged: %s (the disk's bytes %" PRIu64 " to %" PRIu64 ")\n", d->reason.text,
                   d->offset, d->offset + d->disk_bytes - 1);
        else
            printf("damaged: %s\n", d->reason.text);
    }
    if (report->count > 0)
        printf("%s: %zu damaged or missing; `carrel store scrub --repair --from URI` takes them "
               "from another store that has them\n",
               ref, report->count);
    else if (!cli_has(cli, OPT_QUIET))
        printf("%s is whole: %" PRIu64 " segments, %" PRIu64 " chunks, %s read\n", ref,
               report->segments, report->chunks,
               cr_bytes_format(report->frame_bytes, bytes, sizeof(bytes)));
}

int cmd_image_verify(struct cli *cli, struct cr_error *err)
{
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    CLEANUP(verify_report_done) struct verify_report report = {0};
    struct cr_ref ref;
    char text[CR_REF_TEXT];
    int r = cr_ref_parse(cli->operands[0], &ref, err);
    if (r == 0)
        r = cli_store_open(cli, &store, err);
    if (r == 0)
        r = verify_version(cli, store, &ref, &report, err);
    if (r < 0)
        return r;
    cr_ref_format(&ref, text);
    if (!cli_has(cli, OPT_JSON))
        report_print(cli, &report, text);
    else if ((r = output_json(report_json(&report, text), err)) < 0)
        return r;
    return report.count > 0 ? EXIT_DAMAGED : 0;
}
