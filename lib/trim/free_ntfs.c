/* SPDX-License-Identifier: MIT */
/* NTFS through a program of ours that stands apart: image-tools/ntfs-free/README.md says why. */
#include "lib/base/libexec.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/trim/free.h"
#include "lib/trim/freelist.h"
#include "lib/trim/tool.h"

#include <errno.h>
#include <inttypes.h>

#define READER "carrel-ntfs-free"

/* The reader's exit status: 0 with a list, or 1 with the reason on standard error. */
static int result_check(const struct cr_tool_result *result, struct cr_error *err)
{
    if (result->status == 0)
        return 0;
    if (result->status == 1 && result->said[0] != '\0')
        return cr_error_set(err, -EUCLEAN, "%s", result->said);
    return cr_error_set(err, -EUCLEAN,
                        "its reader '" READER "' failed on it (exit status %d): check it with "
                        "chkdsk /f",
                        result->status);
}

int cr_trim_free_ntfs(const struct cr_trim_place *place, struct cr_extents *free_space,
                      struct cr_error *err)
{
    char reader[PATH_MAX], offset[24], size[24];
    int r = cr_libexec_find(READER, reader, err);
    if (r < 0)
        return cr_error_prefix(err, r, "NTFS cannot be read");
    snprintf(offset, sizeof(offset), "%" PRIu64, place->offset);
    snprintf(size, sizeof(size), "%" PRIu64, place->size_bytes);

    const char *const argv[] = {reader, place->path, offset, size, NULL};
    CLEANUP_BUF struct cr_buf out = CR_BUF_INIT(CR_FREE_LIST_BYTES_MAX);
    struct cr_tool_result result = {0};
    r = cr_tool_run(argv, &out, &result, err);
    if (r == -EMSGSIZE)
        return cr_error_set(err, r, "its free space lies in too many pieces");
    if (r == 0)
        r = result_check(&result, err);
    if (r < 0)
        return r;
    return cr_freelist_parse((const char *)out.data, out.len - 1, place->offset, place->size_bytes,
                             free_space, err);
}
