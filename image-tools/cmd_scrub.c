/* SPDX-License-Identifier: MIT */
/* carrel store scrub */
#include "image-tools/commands.h"
#include "image-tools/output.h"
#include "image-tools/progress.h"
#include "image-tools/stop.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/base/text.h"
#include "lib/store/scrub.h"

#include <errno.h>
#include <inttypes.h>

#define RATE_MAX (1024 * CR_GIB)

struct scrubbing {
    bool json;
    json_t *damaged; /* NULL: they are printed as they are found */
    struct progress *progress;
    uint64_t told;
};

static int damaged(void *context, const char *line)
{
    struct scrubbing *s = context;
    char clean[2 * CR_ERROR_BYTES];
    if (s->json)
        return json_array_append_new(s->damaged, json_string(line)) < 0 ? -ENOMEM : 0;
    printf("damaged: %s\n", cr_text_clean(line, clean, sizeof(clean)));
    fflush(stdout);
    return 0;
}

static int keep_going(void *context, uint64_t done, uint64_t total, struct cr_error *err)
{
    struct scrubbing *s = context;
    (void)total;
    progress_add(s->progress, done - s->told);
    s->told = done;
    if (!stop_requested())
        return 0;
    return cr_error_set(err, -ECANCELED, "interrupted; the same command goes on where it was");
}

static int options_take(const struct cli *cli, struct cr_scrub_options *o, struct cr_error *err)
{
    o->restart = cli_has(cli, OPT_RESTART);
    o->repair = cli_has(cli, OPT_REPAIR);
    if (cli_has(cli, OPT_RATE) &&
        (cr_bytes_parse(cli->values[OPT_RATE], RATE_MAX, &o->bytes_per_s) < 0 ||
         o->bytes_per_s == 0))
        return cr_error_set(err, -EINVAL,
                            "option '--rate': '%.100s' is no number of bytes like 50M",
                            cli->values[OPT_RATE]);
    if (cli_has(cli, OPT_FROM) && !o->repair)
        return cr_error_set(err, -EINVAL, "option '--from' needs '--repair'");
    return 0;
}

static json_t *scrub_json(const struct cr_scrub_stat *s, const char *uri, json_t *damages)
{
    return json_pack("{s:s, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:O}", "store", uri,
                     "ok", s->damaged == 0, "resumed", s->resumed, "packs", (json_int_t)s->packs,
                     "chunks", (json_int_t)s->chunks, "objects", (json_int_t)s->objects, "records",
                     (json_int_t)s->records, "heads", (json_int_t)s->heads, "bytes",
                     (json_int_t)s->bytes, "repaired", (json_int_t)s->repaired, "lost",
                     (json_int_t)s->lost, "damaged", damages);
}

static void scrub_print(const struct cr_scrub_stat *s, bool repair)
{
    char bytes[CR_BYTES_TEXT];
    printf("%s%" PRIu64 " chunks in %" PRIu64 " packs, %" PRIu64 " segments and manifests, %" PRIu64
           " records, %" PRIu64 " heads are whole, %s read\n",
           s->resumed ? "went on where the last run stopped: " : "", s->chunks, s->packs,
           s->objects, s->records, s->heads, cr_bytes_format(s->bytes, bytes, sizeof(bytes)));
    if (s->damaged > 0 && !repair)
        printf("%" PRIu64 " damaged; --repair mends what it can\n", s->damaged);
    if (s->damaged > 0 && repair)
        printf("%" PRIu64 " damaged, %" PRIu64 " repaired, %" PRIu64 " chunks lost%s\n", s->damaged,
               s->repaired, s->lost,
               s->lost > 0 ? ": importing the disks again brings them back" : "");
}

int cmd_store_scrub(struct cli *cli, struct cr_error *err)
{
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    CLEANUP(cr_store_cleanup) struct cr_store *source = NULL;
    CLEANUP(json_cleanup) json_t *damages = json_array();
    CLEANUP(progress_cleanup) struct progress *progress = NULL;
    struct scrubbing scrubbing = {.json = cli_has(cli, OPT_JSON), .damaged = damages};
    struct cr_scrub_options options = {
        .damaged = damaged, .progress = keep_going, .context = &scrubbing};
    struct cr_store_stat held = {0};
    struct cr_scrub_stat stat = {0};
    int r = options_take(cli, &options, err);
    if (r == 0)
        r = cli_store_open(cli, &store, err);
    if (r == 0 && cli_has(cli, OPT_FROM))
        r = cr_store_open(cli->values[OPT_FROM], &source, err);
    if (r < 0)
        return r;
    options.source = source;
    if (store->ops->stat != NULL && store->ops->stat(store, &held, NULL) == 0)
        scrubbing.progress = progress = progress_new(cli, "scrubbing", held.pack_bytes);
    r = cr_scrub_run(store, &options, &stat, err);
    progress_free(TAKE_PTR(progress));
    if (r < 0)
        return r;
    if (cli_has(cli, OPT_JSON))
        r = output_json(scrub_json(&stat, store->uri, damages), err);
    else if (!cli_has(cli, OPT_QUIET) || stat.damaged > 0)
        scrub_print(&stat, options.repair);
    return r < 0 ? r : stat.damaged > 0 ? EXIT_DAMAGED : 0;
}
