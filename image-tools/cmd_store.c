/* SPDX-License-Identifier: MIT */
/* carrel store init | stat */
#include "image-tools/commands.h"
#include "image-tools/output.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"

#include <errno.h>
#include <inttypes.h>

int cmd_store_init(struct cli *cli, struct cr_error *err)
{
    const char *uri = cli->operands[0];
    int r = cr_store_init(uri, err);
    if (r < 0)
        return r;
    if (cli_has(cli, OPT_JSON))
        return output_json(json_pack("{s:s}", "store", uri), err);
    if (!cli_has(cli, OPT_QUIET))
        printf("made an empty store at '%s'\n", uri);
    return 0;
}

static json_t *stat_json(const struct cr_store_stat *s, const char *uri)
{
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "store", uri,
                     "images", (json_int_t)s->images, "versions", (json_int_t)s->versions, "packs",
                     (json_int_t)s->packs, "chunks", (json_int_t)s->chunks, "pack_bytes",
                     (json_int_t)s->pack_bytes, "segments", (json_int_t)s->segments,
                     "segment_bytes", (json_int_t)s->segment_bytes, "manifests",
                     (json_int_t)s->manifests, "manifest_bytes", (json_int_t)s->manifest_bytes,
                     "head_bytes", (json_int_t)s->head_bytes);
}

int cmd_store_stat(struct cli *cli, struct cr_error *err)
{
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    struct cr_store_stat s = {0};
    int r = cli_store_open(cli, &store, err);
    if (r < 0)
        return r;
    if (store->ops->stat == NULL)
        return cr_error_set(err, -ENOTSUP,
                            "store '%s' does not tell what it holds; ask where it lives",
                            store->uri);
    r = store->ops->stat(store, &s, err);
    if (r < 0)
        return r;
    if (cli_has(cli, OPT_JSON))
        return output_json(stat_json(&s, store->uri), err);
    char bytes[CR_BYTES_TEXT];
    printf("images     %10" PRIu64 "  with %" PRIu64 " versions\n", s.images, s.versions);
    printf("chunks     %10" PRIu64 "\n", s.chunks);
    printf("packs      %10" PRIu64 "  %s\n", s.packs,
           cr_bytes_format(s.pack_bytes, bytes, sizeof(bytes)));
    printf("segments   %10" PRIu64 "  %s\n", s.segments,
           cr_bytes_format(s.segment_bytes, bytes, sizeof(bytes)));
    printf("manifests  %10" PRIu64 "  %s\n", s.manifests,
           cr_bytes_format(s.manifest_bytes, bytes, sizeof(bytes)));
    uint64_t all = s.pack_bytes + s.segment_bytes + s.manifest_bytes + s.head_bytes;
    printf("in all                 %s\n", cr_bytes_format(all, bytes, sizeof(bytes)));
    return 0;
}
