/* SPDX-License-Identifier: MIT */
/* carrel image hot NAME[@N]: what is fetched ahead of a boot of this version */
#include "image-tools/commands.h"
#include "image-tools/output.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/blk/lookup.h"
#include "lib/blk/trace.h"
#include "lib/hotlist/hotstore.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

/* The chunks of a trace in the order in which they are first touched, without holes. */
static int list_of_trace(struct cr_version *version, const struct cr_trace *trace,
                         struct cr_hotlist *list, struct cr_error *err)
{
    uint64_t disk = cr_version_disk_bytes(version);
    CLEANUP_FREE bool *seen = cr_calloc(cr_version_chunks(version), sizeof(*seen));
    list->root = cr_version_info(version)->root;
    list->disk_bytes = disk;
    list->chunks = cr_calloc(CR_HOT_CHUNKS_MAX, sizeof(*list->chunks));
    if (seen == NULL || list->chunks == NULL)
        return cr_error_errno(err, -ENOMEM, "reading a trace");
    for (size_t i = 0; i < trace->count; i++) {
        const struct cr_trace_read *read = &trace->reads[i];
        int r = cr_range_check(disk, read->len, read->offset, err);
        if (r < 0)
            return cr_error_prefix(err, r, "the trace is one of another disk");
        uint64_t end = (read->offset + read->len + CR_CHUNK_BYTES - 1) >> CR_CHUNK_SHIFT;
        for (uint64_t chunk = read->offset >> CR_CHUNK_SHIFT; chunk < end; chunk++) {
            const struct cr_id *id = NULL;
            if (seen[chunk])
                continue;
            seen[chunk] = true;
            r = cr_lookup_chunk(version, chunk, &id, err);
            if (r < 0)
                return r;
            if (id != NULL && list->count == CR_HOT_CHUNKS_MAX)
                return cr_error_set(err, -E2BIG,
                                    "the trace touches more than %u chunks, which is no boot",
                                    CR_HOT_CHUNKS_MAX);
            if (id != NULL)
                list->chunks[list->count++] = (uint32_t)chunk;
        }
    }
    return 0;
}

static void trace_cleanup(struct cr_trace *trace)
{
    cr_trace_done(trace);
}

static int import(struct cr_store *store, struct cr_version *version, const char *path,
                  struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(CR_TRACE_BYTES_MAX);
    CLEANUP(trace_cleanup) struct cr_trace trace = {0};
    CLEANUP(cr_hotlist_done) struct cr_hotlist list = {0};
    int r = cr_file_read(AT_FDCWD, path, &text);
    if (r < 0)
        return cr_error_errno(err, r, "read '%s'", path);
    r = cr_trace_parse((const char *)text.data, text.len, &trace, err);
    if (r == 0)
        r = list_of_trace(version, &trace, &list, err);
    if (r < 0)
        return cr_error_prefix(err, r, "'%s'", path);
    return cr_hot_write(store, &list, err);
}

/* Boots that the list was merged from; 0 also where a server does not tell. */
static uint32_t boots_count(struct cr_store *store, const struct cr_id *root)
{
    uint32_t count = 0;
    return cr_hot_boots(store, root, &count, NULL) < 0 ? 0 : count;
}

static int show(struct cli *cli, struct cr_store *store, struct cr_version *version,
                struct cr_error *err)
{
    CLEANUP(cr_hotlist_done) struct cr_hotlist list = {0};
    const struct cr_id *root = &cr_version_info(version)->root;
    char ref[CR_REF_TEXT], bytes[CR_BYTES_TEXT];
    struct cr_id from;
    cr_ref_format(cr_version_ref(version), ref);
    int r = cr_hot_find(store, root, &list, &from, err);
    if (r == -ENOENT)
        return cr_error_set(err, r,
                            "there is no hot list of '%s' yet; seats record their boots for "
                            "'carrel-chunkd --boots', or name a trace with '--import'",
                            ref);
    if (r < 0)
        return r;
    bool inherited = !cr_id_equal(&from, root);
    uint32_t boots = boots_count(store, &from);
    uint64_t disk_bytes = (uint64_t)list.count * CR_CHUNK_BYTES;
    if (cli_has(cli, OPT_JSON))
        return output_json(json_pack("{s:s, s:I, s:I, s:I, s:b}", "ref", ref, "chunks",
                                     (json_int_t)list.count, "bytes", (json_int_t)disk_bytes,
                                     "boots", (json_int_t)boots, "inherited", inherited),
                           err);
    printf("%s: %u chunks, %s of the disk, from %u boots%s\n", ref, list.count,
           cr_bytes_format(disk_bytes, bytes, sizeof(bytes)), boots,
           inherited ? " of the version that it was made from" : "");
    return 0;
}

int cmd_image_hot(struct cli *cli, struct cr_error *err)
{
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    CLEANUP(cr_version_cleanup) struct cr_version *version = NULL;
    struct cr_ref ref;
    bool imports = cli_has(cli, OPT_IMPORT);
    int r = cr_ref_parse(cli->operands[0], &ref, err);
    if (r == 0)
        r = imports ? cli_store_open_writable(cli, &store, err) : cli_store_open(cli, &store, err);
    if (r == 0)
        r = cr_version_open(store, &ref, &version, err);
    if (r == 0 && imports)
        r = import(store, version, cli->values[OPT_IMPORT], err);
    return r < 0 ? r : show(cli, store, version, err);
}
