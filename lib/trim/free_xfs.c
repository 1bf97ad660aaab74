/* SPDX-License-Identifier: MIT */
/*
 * XFS through xfs_logprint (is the log clean?) and xfs_db (which blocks are free?). There is no
 * library for it, and the tools want the file system as a file of its own.
 */
#include "lib/base/buf.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/trim/free.h"
#include "lib/trim/tool.h"
#include "lib/trim/view.h"

#include <errno.h>
#include <inttypes.h>

#define NEEDS_REPAIR 0x10U /* in the incompatible features: xfs_repair began and did not end */

struct geometry {
    uint64_t block_bytes, blocks, group_blocks, groups, log_start, in_progress, incompatible;
};

/* Run a tool that must succeed in silence; its output is terminated as text. */
static int tool_run(const char *const *argv, struct cr_buf *out, struct cr_error *err)
{
    struct cr_tool_result result = {0};
    int r = cr_tool_run(argv, out, &result, err);
    if (r == 0 && (result.status != 0 || result.said[0] != '\0'))
        return cr_error_set(err, -EUCLEAN,
                            "it is damaged (%s: %.100s): check it with xfs_repair -n", argv[0],
                            result.said);
    return r;
}

/* The number in the line "name = value" of what xfs_db prints; 0 when there is none. */
static uint64_t field(const char *text, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = text; line != NULL && *line != '\0';) {
        if (strncmp(line, name, len) == 0 && strncmp(line + len, " = ", 3) == 0)
            return strtoull(line + len + 3, NULL, 0);
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    return 0;
}

static int geometry_read(const char *path, uint64_t size_bytes, struct geometry *ret,
                         struct cr_error *err)
{
    const char *const argv[] = {"xfs_db",
                                "-r",
                                "-f",
                                "-c",
                                "sb 0",
                                "-c",
                                "print blocksize dblocks agblocks agcount logstart inprogress "
                                "features_incompat",
                                path,
                                NULL};
    struct cr_buf out = CR_BUF_INIT(CR_TOOL_MESSAGE_BYTES_MAX);
    int r = tool_run(argv, &out, err);
    if (r == 0) {
        const char *text = (const char *)out.data;
        *ret = (struct geometry){.block_bytes = field(text, "blocksize"),
                                 .blocks = field(text, "dblocks"),
                                 .group_blocks = field(text, "agblocks"),
                                 .groups = field(text, "agcount"),
                                 .log_start = field(text, "logstart"),
                                 .in_progress = field(text, "inprogress"),
                                 .incompatible = field(text, "features_incompat")};
    }
    cr_buf_done(&out);
    if (r < 0)
        return r;
    if (ret->block_bytes == 0 || ret->blocks > size_bytes / ret->block_bytes)
        return cr_error_set(err, -EUCLEAN, "it is larger than its partition");
    if (ret->blocks == 0 || ret->group_blocks == 0 || ret->group_blocks > UINT32_MAX ||
        ret->groups != (ret->blocks - 1) / ret->group_blocks + 1 || ret->in_progress != 0 ||
        (ret->incompatible & NEEDS_REPAIR) != 0)
        return cr_error_set(err, -EUCLEAN, "it is damaged: check it with xfs_repair -n");
    if (ret->log_start == 0)
        return cr_error_set(err, -EUCLEAN, "its log is on another device");
    return 0;
}

static int log_check(const char *path, struct cr_error *err)
{
    const char *const argv[] = {"xfs_logprint", "-t", path, NULL};
    CLEANUP_BUF struct cr_buf out = CR_BUF_INIT(CR_TOOL_MESSAGE_BYTES_MAX);
    struct cr_tool_result result = {0};
    int r = cr_tool_run(argv, &out, &result, err);
    bool dirty = r == -EMSGSIZE; /* a long tale of transactions */
    if (r == 0 && result.status == 0 && strstr((char *)out.data, "state: <CLEAN>") != NULL)
        return 0;
    if (dirty || (r == 0 && strstr((char *)out.data, "state: <DIRTY>") != NULL))
        return cr_error_set(err, -EUCLEAN,
                            "it was not shut down cleanly, its log holds changes that are not yet "
                            "applied: start the system once more and shut it down");
    return r < 0 ? r : cr_error_set(err, -EUCLEAN, "its log cannot be read");
}

/* One line "group block count" of the list. Returns false when it is none. */
static bool line_parse(const char *line, uint64_t values[3])
{
    for (int i = 0; i < 3; i++) {
        char *end;
        while (*line == ' ')
            line++;
        if (*line < '0' || *line > '9')
            return false;
        values[i] = strtoull(line, &end, 10);
        line = end;
    }
    return *line == '\n';
}

/*
 * The list is a heading, one line for each free extent, a histogram, and with -s the sum of blocks,
 * which must be what the lines add up to.
 */
static int list_walk(char *text, const struct geometry *geometry, uint64_t disk_offset,
                     struct cr_extents *free_space, struct cr_error *err)
{
    static const char sum_name[] = "total free blocks ";
    uint64_t values[3], sum = 0;
    char *line = strchr(text, '\n'); /* behind the heading */
    for (; line != NULL && line_parse(line + 1, values); line = strchr(line + 1, '\n')) {
        uint64_t first = values[0] * geometry->group_blocks + values[1];
        if (values[0] >= geometry->groups || values[1] >= geometry->group_blocks ||
            values[2] > geometry->group_blocks - values[1] || values[2] > geometry->blocks - first)
            return cr_error_set(err, -EUCLEAN, "it is damaged: check it with xfs_repair -n");
        int r = cr_extents_add(free_space, disk_offset + first * geometry->block_bytes,
                               values[2] * geometry->block_bytes);
        if (r < 0)
            return cr_error_errno(err, r, "its free space cannot be kept");
        sum += values[2];
    }
    const char *total = line == NULL ? NULL : strstr(line, sum_name);
    if (total == NULL || strtoull(total + sizeof(sum_name) - 1, NULL, 10) != sum)
        return cr_error_set(err, -EUCLEAN, "what xfs_db says of it cannot be understood");
    return 0;
}

int cr_trim_free_xfs(const struct cr_trim_place *place, struct cr_extents *free_space,
                     struct cr_error *err)
{
    CLEANUP_VIEW struct cr_view view = {0};
    struct geometry geometry = {0};
    if (place->nbd_socket == NULL)
        return cr_error_set(err, -ENOTSUP, "XFS is read through NBD only");
    int r = cr_view_open(&view, place->nbd_socket, place->offset, place->size_bytes, err);
    if (r == 0)
        r = geometry_read(view.path, place->size_bytes, &geometry, err);
    if (r == 0)
        r = log_check(view.path, err);
    if (r < 0)
        return r;
    const char *const argv[] = {"xfs_db", "-r", "-f", "-c", "freesp -d -s", view.path, NULL};
    struct cr_buf out = CR_BUF_INIT(CR_FREE_LIST_BYTES_MAX);
    r = tool_run(argv, &out, err);
    if (r == 0)
        r = list_walk((char *)out.data, &geometry, place->offset, free_space, err);
    cr_buf_done(&out);
    return r;
}
