/* SPDX-License-Identifier: MIT */
/* carrel store copy FROM TO */
#include "image-tools/commands.h"
#include "image-tools/output.h"
#include "image-tools/progress.h"
#include "image-tools/stop.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/store/copy.h"

#include <errno.h>
#include <inttypes.h>

struct copying {
    const struct cli *cli;
    struct progress *progress;
    uint64_t shown;
};

static int copying_progress(void *context, uint64_t done, uint64_t total, struct cr_error *err)
{
    struct copying *copying = context;
    if (copying->progress == NULL)
        copying->progress = progress_new(copying->cli, "copying the store", total);
    progress_add(copying->progress, done - copying->shown);
    copying->shown = done;
    return stop_check(err);
}

/* Each version that is left out is named at once; the last line is main's. */
static void copying_failed(void *context, const struct cr_ref *ref, const struct cr_error *why)
{
    const struct copying *copying = context;
    char text[CR_REF_TEXT];
    if (!cli_has(copying->cli, OPT_QUIET))
        fprintf(stderr, "carrel: left out '%s': %s\n", cr_ref_format(ref, text), why->text);
}

static int stat_print(const struct cli *cli, const struct cr_copy_stat *s, struct cr_error *err)
{
    char bytes[CR_BYTES_TEXT];
    if (cli_has(cli, OPT_JSON))
        return output_json(
            json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "from",
                      cli->operands[0], "to", cli->operands[1], "images", (json_int_t)s->images,
                      "versions", (json_int_t)s->versions, "versions_new",
                      (json_int_t)s->versions_new, "versions_removed",
                      (json_int_t)s->versions_removed, "versions_failed",
                      (json_int_t)s->versions_failed, "chunks_copied", (json_int_t)s->chunks_copied,
                      "chunks_present", (json_int_t)s->chunks_present, "bytes_copied",
                      (json_int_t)s->bytes_copied, "side_copied", (json_int_t)s->side_copied),
            err);
    if (!cli_has(cli, OPT_QUIET))
        printf("%" PRIu64 " images, %" PRIu64 " versions: %" PRIu64 " new, %" PRIu64
               " removed, %" PRIu64 " left out; %" PRIu64 " chunks copied, %s\n",
               s->images, s->versions, s->versions_new, s->versions_removed, s->versions_failed,
               s->chunks_copied, cr_bytes_format(s->bytes_copied, bytes, sizeof(bytes)));
    return 0;
}

static void store_close(struct cr_store **store)
{
    stop_set_store(NULL);
    cr_store_close(*store);
}

int cmd_store_copy(struct cli *cli, struct cr_error *err)
{
    CLEANUP(store_close) struct cr_store *from = NULL;
    CLEANUP(store_close) struct cr_store *to = NULL;
    struct copying copying = {.cli = cli};
    struct cr_copy_stat stat = {0};
    struct cr_copy_options options = {.mirror = cli_has(cli, OPT_MIRROR),
                                      .threads = cli->threads,
                                      .progress = copying_progress,
                                      .failed = copying_failed,
                                      .context = &copying};
    int r = cr_store_open(cli->operands[1], &to, err);
    if (r == 0)
        r = cr_store_open(cli->operands[0], &from, err);
    if (r < 0)
        return r;
    stop_set_store(from);
    r = cr_store_copy(from, to, &options, &stat, err);
    progress_free(copying.progress);
    if (stop_requested())
        return stop_check(err);
    struct cr_error why = {0};
    int printed = r == 0 || stat.versions_failed > 0 ? stat_print(cli, &stat, &why) : 0;
    if (r == 0 && printed < 0 && err != NULL)
        *err = why;
    return r != 0 ? r : printed;
}
