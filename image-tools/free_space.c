/* SPDX-License-Identifier: MIT */
#include "image-tools/free_space.h"

#include "image-tools/text.h"
#include "lib/base/num.h"
#include "lib/blk/rbd.h"

int free_space_leave_out(const struct cli *cli, struct cr_ingest *ingest, const char *path,
                         struct cr_trim_report *ret_report, struct cr_error *err)
{
    CLEANUP_EXTENTS struct cr_extents free_space = {0};
    struct cr_error why = {0};
    /* What is raw can be read past QEMU, but a block device in Ceph is no file. */
    bool raw = strcmp(cr_source_format(ingest->source), "raw") == 0 && !cr_rbd_is(path);
    struct cr_trim_disk disk = {.raw_path = raw ? path : NULL,
                                .nbd_socket = cr_source_socket(ingest->source),
                                .size_bytes = cr_source_size_bytes(ingest->source)};
    int r = cr_trim_find(&disk, &free_space, ret_report, &why);
    if (r < 0) {
        if (!cli_has(cli, OPT_QUIET))
            fprintf(stderr, "carrel: note: free space is kept as it is: %s\n", why.text);
        return 0;
    }
    return cr_ingest_leave_out(ingest, &free_space, err);
}

json_t *free_space_json(const struct cr_trim_report *report)
{
    json_t *list = json_array();
    for (size_t i = 0; i < report->count; i++) {
        const struct cr_trim_found *f = &report->items[i];
        json_array_append_new(list,
                              json_pack("{s:i, s:I, s:I, s:I, s:s, s:s?}", "partition",
                                        (int)f->partition, "offset", (json_int_t)f->offset,
                                        "size_bytes", (json_int_t)f->size_bytes, "free_bytes",
                                        (json_int_t)f->free_bytes, "type", f->type, "not_trimmed",
                                        f->not_trimmed[0] != '\0' ? f->not_trimmed : NULL));
    }
    return list;
}

void free_space_print(const struct cr_trim_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        const struct cr_trim_found *f = &report->items[i];
        char size[CR_BYTES_TEXT], left_out[CR_BYTES_TEXT], where[32], why[sizeof(f->not_trimmed)];
        snprintf(where, sizeof(where), f->partition == 0 ? "whole disk" : "partition %u",
                 f->partition);
        cr_bytes_format(f->size_bytes, size, sizeof(size));
        if (f->not_trimmed[0] != '\0')
            printf("  %s, %s %s: kept whole, %s\n", where, size, f->type,
                   text_clean(f->not_trimmed, why, sizeof(why)));
        else
            printf("  %s, %s %s: %s of free space left out\n", where, size, f->type,
                   cr_bytes_format(f->free_bytes, left_out, sizeof(left_out)));
    }
}
