/* SPDX-License-Identifier: MIT */
/* carrel image delta NAME@A NAME@B: make the delta that seats with A fetch to get B, and keep it */
#include "image-tools/commands.h"
#include "image-tools/delta.h"
#include "image-tools/output.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"

#include <inttypes.h>

static json_t *delta_json(const char *from, const char *to, const struct cr_delta_stat *stat,
                          uint64_t bytes, bool made)
{
    return json_pack("{s:s, s:s, s:b, s:I, s:I, s:I}", "from", from, "to", to, "made", made,
                     "chunks", (json_int_t)stat->chunks, "parts", (json_int_t)stat->parts, "bytes",
                     (json_int_t)bytes);
}

static void delta_print(const char *from, const char *to, const struct cr_delta_stat *stat,
                        uint64_t bytes, bool made)
{
    char text[CR_BYTES_TEXT];
    printf("%s -> %s: %s for %" PRIu64 " chunks, in %" PRIu64 " parts%s\n", from, to,
           cr_bytes_format(bytes, text, sizeof(text)), stat->chunks, stat->parts,
           made ? "" : "; it was there already");
}

int cmd_image_delta(struct cli *cli, struct cr_error *err)
{
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    CLEANUP(cr_version_cleanup) struct cr_version *a = NULL;
    CLEANUP(cr_version_cleanup) struct cr_version *b = NULL;
    struct cr_delta_stat stat = {0};
    uint64_t bytes = 0;
    int r = cli_pair_open(cli, &store, &a, &b, err);
    if (r < 0)
        return r;
    r = delta_ready(cli, store, a, b, true, &bytes, &stat, err);
    if (r < 0)
        return r;
    char from[CR_REF_TEXT], to[CR_REF_TEXT];
    bool made = stat.level > 0;
    cr_ref_format(cr_version_ref(a), from);
    cr_ref_format(cr_version_ref(b), to);
    if (cli_has(cli, OPT_JSON))
        return output_json(delta_json(from, to, &stat, bytes, made), err);
    delta_print(from, to, &stat, bytes, made);
    return 0;
}
