/* SPDX-License-Identifier: MIT */
/* carrel store gc */
#include "image-tools/commands.h"
#include "image-tools/output.h"
#include "image-tools/stop.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/store/gc.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

#define GRACE_DEFAULT_S  (24 * 3600)
#define GRACE_MAX_S      (3650ULL * 24 * 3600)
#define LIVE_PERCENT_MIN 40
/* --grace 0: condemn, remove; more only where somebody publishes meanwhile. */
#define PASSES_MAX 10

static int grace_take(const struct cli *cli, int64_t *ret_grace_s, struct cr_error *err)
{
    const char *text = cli->values[OPT_GRACE];
    uint64_t seconds = GRACE_DEFAULT_S;
    if (text != NULL && strcmp(text, "0") == 0)
        seconds = 0;
    else if (text != NULL && cr_span_parse(text, GRACE_MAX_S, &seconds) < 0)
        return cr_error_set(err, -EINVAL,
                            "option '--grace': '%.100s' is no time span like 90s, 15m, 24h or 7d",
                            text);
    *ret_grace_s = (int64_t)seconds;
    return 0;
}

static int keep_going(void *context, uint64_t done, uint64_t total, struct cr_error *err)
{
    (void)context;
    (void)done;
    (void)total;
    if (!stop_requested())
        return 0;
    return cr_error_set(err, -ECANCELED, "interrupted; what was done stays, the next run goes on");
}

/* What several passes did together; what is there is told by the last one. */
static void stat_add(struct cr_gc_stat *sum, const struct cr_gc_stat *pass)
{
    struct cr_gc_stat before = *sum;
    *sum = *pass;
    sum->condemned += before.condemned;
    sum->condemned_bytes += before.condemned_bytes;
    sum->removed += before.removed;
    sum->removed_bytes += before.removed_bytes;
    sum->revived += before.revived;
    sum->repacked += before.repacked;
    sum->repacked_bytes += before.repacked_bytes;
    sum->side_removed += before.side_removed;
}

static int gc_run(const struct cli *cli, struct cr_store *store, int64_t grace_s,
                  struct cr_gc_stat *ret_sum, unsigned *ret_passes, struct cr_error *err)
{
    struct cr_gc_options options = {.dry_run = cli_has(cli, OPT_DRY_RUN),
                                    .grace_s = grace_s,
                                    .live_percent_min = LIVE_PERCENT_MIN,
                                    .progress = keep_going};
    struct cr_gc_stat pass = {.removed = 1};
    *ret_sum = (struct cr_gc_stat){0};
    *ret_passes = 0;
    do {
        options.now_s = (int64_t)time(NULL);
        int r = cr_gc_run(store, &options, &pass, err);
        if (r < 0)
            return r;
        stat_add(ret_sum, &pass);
        ++*ret_passes;
        /* With no grace to wait for, what was condemned now may go at once. */
    } while (grace_s == 0 && !options.dry_run && *ret_passes < PASSES_MAX &&
             pass.condemned + pass.removed > 0);
    return 0;
}

static json_t *gc_json(const struct cr_gc_stat *s, const char *uri, unsigned passes, bool dry_run)
{
    const struct {
        const char *name;
        uint64_t value;
    } figures[] = {
        {"passes", passes},
        {"generation", s->generation},
        {"versions", s->versions},
        {"leases", s->leases},
        {"live_chunks", s->live_chunks},
        {"live_bytes", s->live_bytes},
        {"dead_bytes", s->dead_bytes},
        {"condemned", s->condemned},
        {"condemned_bytes", s->condemned_bytes},
        {"waiting", s->waiting},
        {"waiting_bytes", s->waiting_bytes},
        {"removed", s->removed},
        {"removed_bytes", s->removed_bytes},
        {"revived", s->revived},
        {"repacked", s->repacked},
        {"repacked_bytes", s->repacked_bytes},
        {"side_removed", s->side_removed},
        {"damaged", s->damaged},
    };
    json_t *json = json_pack("{s:s, s:b}", "store", uri, "dry_run", dry_run);
    for (size_t i = 0; json != NULL && i < CR_ARRAY_LEN(figures); i++)
        json_object_set_new(json, figures[i].name, json_integer((json_int_t)figures[i].value));
    return json;
}

static void line(const char *what, uint64_t count, uint64_t bytes)
{
    char text[CR_BYTES_TEXT];
    printf("%-12s %10" PRIu64 "  %s\n", what, count, cr_bytes_format(bytes, text, sizeof(text)));
}

static void gc_print(const struct cr_gc_stat *s, bool dry_run)
{
    char text[CR_BYTES_TEXT];
    line("live chunks", s->live_chunks, s->live_bytes);
    if (s->repacked > 0)
        line(dry_run ? "to repack" : "repacked", s->repacked, s->repacked_bytes);
    line(dry_run ? "to condemn" : "condemned", s->condemned, s->condemned_bytes);
    line("waiting", s->waiting, s->waiting_bytes);
    line(dry_run ? "to remove" : "removed", s->removed, s->removed_bytes);
    if (s->revived > 0)
        printf("revived      %10" PRIu64 "\n", s->revived);
    if (s->side_removed > 0)
        printf("side objects %9" PRIu64 "\n", s->side_removed);
    if (s->leases > 0)
        printf("%" PRIu64 " version%s being published: what their publishers may need is kept\n",
               s->leases, s->leases == 1 ? " is" : "s are");
    if (s->damaged > 0)
        printf("%" PRIu64 " damaged pack%s left alone; see `carrel store scrub`\n", s->damaged,
               s->damaged == 1 ? " was" : "s were");
    if (dry_run)
        printf("nothing was changed; %s in packs belong to no version\n",
               cr_bytes_format(s->dead_bytes, text, sizeof(text)));
}

int cmd_store_gc(struct cli *cli, struct cr_error *err)
{
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    struct cr_gc_stat sum = {0};
    unsigned passes = 0;
    int64_t grace_s = 0;
    bool dry_run = cli_has(cli, OPT_DRY_RUN);
    int r = grace_take(cli, &grace_s, err);
    if (r == 0)
        r = cli_store_open(cli, &store, err);
    if (r == 0)
        r = gc_run(cli, store, grace_s, &sum, &passes, err);
    if (r < 0)
        return r;
    if (cli_has(cli, OPT_JSON))
        return output_json(gc_json(&sum, store->uri, passes, dry_run), err);
    if (!cli_has(cli, OPT_QUIET))
        gc_print(&sum, dry_run);
    return 0;
}
