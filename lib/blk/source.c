/* SPDX-License-Identifier: MIT */
#include "lib/blk/source.h"

#include "lib/base/buf.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/blk/inspect.h"
#include "lib/blk/qemu_nbd.h"
#include "lib/blk/rbd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libnbd.h>

#define SECTOR_BYTES     512U   /* the size of the disk is a multiple, whatever the file's */
#define STATUS_BYTES_MAX CR_GIB /* asked for in one block status request */
#define READ_BYTES_MAX   (8 * CR_MIB)
#define DEPTH_CONTEXT    "qemu:allocation-depth"

struct cr_source {
    char *name; /* as the person wrote it */
    struct cr_image_info info;
    bool top_layer_only;
    struct cr_qemu_nbd server;
    struct nbd_handle *connections[CR_SOURCE_CONNECTIONS_MAX];
    unsigned connection_count;
    int raw_fd; /* of a raw file: its bytes are the disk's and need no detour; else -1 */
};

/* --- opening and closing -------------------------------------------------------------------- */

static int nbd_failed(struct cr_source *source, const char *what, struct cr_error *err)
{
    int code = nbd_get_errno();
    char complaint[256];
    cr_qemu_nbd_complaint(&source->server, complaint, sizeof(complaint));
    return cr_error_set(err, code > 0 ? -code : -EIO, "cannot %s the image '%s': %s", what,
                        source->name, complaint[0] != '\0' ? complaint : nbd_get_error());
}

static int connection_open(struct cr_source *source, struct cr_error *err)
{
    struct nbd_handle *handle = nbd_create();
    if (handle == NULL)
        return nbd_failed(source, "open", err);
    source->connections[source->connection_count++] = handle;
    if (nbd_add_meta_context(handle, LIBNBD_CONTEXT_BASE_ALLOCATION) < 0 ||
        (source->top_layer_only && nbd_add_meta_context(handle, DEPTH_CONTEXT) < 0) ||
        nbd_connect_unix(handle, source->server.socket) < 0)
        return nbd_failed(source, "open", err);
    if (nbd_can_meta_context(handle, LIBNBD_CONTEXT_BASE_ALLOCATION) != 1 ||
        (source->top_layer_only && nbd_can_meta_context(handle, DEPTH_CONTEXT) != 1))
        return cr_error_set(err, -ENOTSUP,
                            "cannot tell data from holes in the image '%s': this qemu-nbd is too "
                            "old, version 5.2 is needed",
                            source->name);
    if (nbd_get_size(handle) != (int64_t)source->info.size_bytes)
        return cr_error_set(err, -EBUSY, "the image '%s' changed its size while it was opened",
                            source->name);
    return 0;
}

/* Symbolic links stay: a relative backing file is looked for beside the name that was given. */
static char *path_absolute(const char *path)
{
    CLEANUP_FREE char *cwd = path[0] == '/' ? NULL : getcwd(NULL, 0);
    char *result = NULL;
    if (path[0] == '/')
        return strdup(path);
    return cwd == NULL || asprintf(&result, "%s/%s", cwd, path) < 0 ? NULL : result;
}

static int source_start(struct cr_source *source, const char *path,
                        const struct cr_source_options *options, struct cr_error *err)
{
    CLEANUP_FREE char *absolute = NULL;
    bool is_rbd = cr_rbd_is(path);
    int r = is_rbd ? cr_rbd_spec(path, &absolute, err) : 0;
    if (r < 0)
        return r;
    if (!is_rbd && (absolute = path_absolute(path)) == NULL)
        return cr_error_errno(err, -errno, "cannot open the image '%s'", path);
    source->top_layer_only = options->top_layer_only;
    r = cr_image_inspect(absolute, path, options->format, options->top_layer_only, &source->info,
                         err);
    if (r == 0)
        r = cr_qemu_nbd_start(&source->server, source->info.spec,
                              options->top_layer_only ? NULL : source->info.format,
                              options->top_layer_only, err);
    unsigned count = options->connections == 0 ? 1 : options->connections;
    if (count > CR_SOURCE_CONNECTIONS_MAX)
        count = CR_SOURCE_CONNECTIONS_MAX;
    while (r == 0 && source->connection_count < count)
        r = connection_open(source, err);
    /* The server keeps its lock on the file and tells the holes, also of a raw one. */
    if (r == 0 && !options->top_layer_only && !is_rbd && strcmp(source->info.format, "raw") == 0)
        source->raw_fd = open(absolute, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    return r;
}

int cr_source_open(const char *path, const struct cr_source_options *options,
                   struct cr_source **ret_source, struct cr_error *err)
{
    static const struct cr_source_options defaults = {0};
    CLEANUP(cr_source_cleanup) struct cr_source *source = cr_calloc(1, sizeof(*source));
    if (source != NULL) {
        source->server = (struct cr_qemu_nbd)CR_QEMU_NBD_INIT;
        source->raw_fd = -1;
    }
    if (source == NULL || (source->name = strdup(path)) == NULL)
        return cr_error_errno(err, -ENOMEM, "cannot open the image '%s'", path);
    int r = source_start(source, path, options == NULL ? &defaults : options, err);
    if (r < 0)
        return r;
    *ret_source = TAKE_PTR(source);
    return 0;
}

void cr_source_close(struct cr_source *source)
{
    if (source == NULL)
        return;
    for (unsigned i = 0; i < source->connection_count; i++)
        nbd_close(source->connections[i]);
    cr_qemu_nbd_stop(&source->server);
    if (source->raw_fd >= 0)
        close(source->raw_fd);
    cr_image_info_done(&source->info);
    free(source->name);
    free(source);
}

void cr_source_cleanup(struct cr_source **source)
{
    cr_source_close(*source);
}

uint64_t cr_source_size_bytes(const struct cr_source *source)
{
    return source->info.size_bytes;
}

const char *cr_source_format(const struct cr_source *source)
{
    return source->info.format;
}

const char *cr_source_backing(const struct cr_source *source)
{
    return source->info.backing;
}

const char *cr_source_uri(const struct cr_source *source)
{
    return source->server.uri;
}

const char *cr_source_socket(const struct cr_source *source)
{
    return source->server.socket;
}

unsigned cr_source_connections(const struct cr_source *source)
{
    return source->connection_count;
}

/* --- reading -------------------------------------------------------------------------------- */

static int range_check(const struct cr_source *source, unsigned connection, uint64_t offset,
                       uint64_t len, struct cr_error *err)
{
    if (connection < source->connection_count && offset <= source->info.size_bytes &&
        len <= source->info.size_bytes - offset)
        return 0;
    return cr_error_set(err, -EINVAL,
                        "cannot read the image '%s': %" PRIu64 " bytes at %" PRIu64
                        " lie beyond its end",
                        source->name, len, offset);
}

/* Read from a raw file; the disk's last sector may reach beyond its end, in zeros. */
static int raw_read(const struct cr_source *source, uint8_t *out, size_t len, uint64_t offset,
                    struct cr_error *err)
{
    while (len > 0) {
        ssize_t n = pread(source->raw_fd, out, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return cr_error_errno(err, -errno, "cannot read the image '%s'", source->name);
        if (n == 0 && len >= SECTOR_BYTES)
            return cr_error_set(err, -EIO, "the image '%s' became shorter while it was read",
                                source->name);
        if (n == 0) {
            memset(out, 0, len);
            n = (ssize_t)len;
        }
        out += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

/* Read whole sectors; the server takes nothing else for some formats. */
static int sectors_read(struct cr_source *source, unsigned connection, void *out, size_t len,
                        uint64_t offset, struct cr_error *err)
{
    int r = nbd_pread(source->connections[connection], out, len, offset, 0);
    return r < 0 ? nbd_failed(source, "read", err) : 0;
}

/* The part of one sector that begins at `offset`, at most `len` bytes. Returns how many, or -errno.
 */
static int sector_part_read(struct cr_source *source, unsigned connection, uint8_t *out, size_t len,
                            uint64_t offset, struct cr_error *err)
{
    uint8_t sector[SECTOR_BYTES];
    size_t skip = offset % SECTOR_BYTES;
    size_t part = len < SECTOR_BYTES - skip ? len : SECTOR_BYTES - skip;
    int r = sectors_read(source, connection, sector, SECTOR_BYTES, offset - skip, err);
    if (r < 0)
        return r;
    memcpy(out, sector + skip, part);
    return (int)part;
}

int cr_source_read(struct cr_source *source, unsigned connection, void *data, size_t len,
                   uint64_t offset, struct cr_error *err)
{
    int r = range_check(source, connection, offset, len, err);
    if (r == 0 && source->raw_fd >= 0)
        return raw_read(source, data, len, offset, err);
    for (uint8_t *out = data; r >= 0 && len > 0; out += r, offset += (size_t)r, len -= (size_t)r) {
        if (offset % SECTOR_BYTES != 0 || len < SECTOR_BYTES) {
            r = sector_part_read(source, connection, out, len, offset, err);
            continue;
        }
        size_t whole = len - len % SECTOR_BYTES;
        if (whole > READ_BYTES_MAX)
            whole = READ_BYTES_MAX;
        r = sectors_read(source, connection, out, whole, offset, err);
        if (r == 0)
            r = (int)whole;
    }
    return r < 0 ? r : 0;
}

/* --- extents -------------------------------------------------------------------------------- */

/* The answer of one metadata context: pairs of length and flags, as libnbd hands them over. */
struct status_list {
    struct cr_buf pairs; /* u32 length, u32 flags, in the machine's byte order */
};

struct status_answer {
    struct status_list allocation, depth;
};

static void status_answer_done(struct status_answer *answer)
{
    cr_buf_done(&answer->allocation.pairs);
    cr_buf_done(&answer->depth.pairs);
}

static int status_collect(void *user_data, const char *context, uint64_t offset, uint32_t *entries,
                          size_t entry_count, int *error)
{
    struct status_answer *answer = user_data;
    (void)offset;
    struct status_list *list =
        strcmp(context, DEPTH_CONTEXT) == 0 ? &answer->depth : &answer->allocation;
    int r = cr_buf_append(&list->pairs, entries, entry_count / 2 * 2 * sizeof(*entries));
    if (r < 0)
        *error = -r;
    return r < 0 ? -1 : 0;
}

/* A walk over one list: what holds at its position and for how long. */
struct status_cursor {
    const struct status_list *list;
    size_t at;     /* bytes into the pairs */
    uint64_t left; /* bytes of the disk left in the current pair */
    uint32_t flags;
};

static bool cursor_fill(struct status_cursor *cursor)
{
    while (cursor->left == 0) {
        uint32_t pair[2];
        if (cursor->list->pairs.len - cursor->at < sizeof(pair))
            return false;
        memcpy(pair, cursor->list->pairs.data + cursor->at, sizeof(pair));
        cursor->at += sizeof(pair);
        cursor->left = pair[0];
        cursor->flags = pair[1];
    }
    return true;
}

/* Neighbours of one kind are joined before the visitor sees them. */
struct extent_walk {
    cr_source_extent_fn *visit;
    void *context;
    uint64_t offset, len;
    enum cr_extent_kind kind;
};

static int walk_flush(struct extent_walk *walk)
{
    int r = walk->len == 0 ? 0 : walk->visit(walk->context, walk->offset, walk->len, walk->kind);
    walk->offset += walk->len;
    walk->len = 0;
    return r;
}

static int walk_add(struct extent_walk *walk, uint64_t len, enum cr_extent_kind kind)
{
    int r = kind != walk->kind ? walk_flush(walk) : 0;
    walk->kind = kind;
    walk->len += len;
    return r;
}

static enum cr_extent_kind kind_of(bool top_layer_only, uint32_t allocation, uint32_t depth)
{
    if (top_layer_only && depth == 0)
        return CR_EXTENT_BACKING;
    return (allocation & LIBNBD_STATE_ZERO) != 0 ? CR_EXTENT_ZERO : CR_EXTENT_DATA;
}

/* Hand on what both contexts answered, at most `len` bytes. Returns through *ret_done how many. */
static int answer_walk(const struct cr_source *source, const struct status_answer *answer,
                       uint64_t len, struct extent_walk *walk, uint64_t *ret_done)
{
    struct status_cursor allocation = {.list = &answer->allocation};
    struct status_cursor depth = {.list = &answer->depth, .left = source->top_layer_only ? 0 : len};
    uint64_t done = 0;
    while (done < len && cursor_fill(&allocation) && cursor_fill(&depth)) {
        uint64_t part = allocation.left < depth.left ? allocation.left : depth.left;
        if (part > len - done)
            part = len - done;
        int r =
            walk_add(walk, part, kind_of(source->top_layer_only, allocation.flags, depth.flags));
        if (r != 0)
            return r;
        allocation.left -= part;
        depth.left -= part;
        done += part;
    }
    *ret_done = done;
    return 0;
}

int cr_source_extents(struct cr_source *source, unsigned connection, uint64_t offset, uint64_t len,
                      cr_source_extent_fn *visit, void *context, struct cr_error *err)
{
    int r = range_check(source, connection, offset, len, err);
    if (r < 0)
        return r;
    struct extent_walk walk = {.visit = visit, .context = context, .offset = offset};
    while (len > 0) {
        CLEANUP(status_answer_done)
        struct status_answer answer = {.allocation.pairs = CR_BUF_INIT(CR_TOOL_OUTPUT_BYTES_MAX),
                                       .depth.pairs = CR_BUF_INIT(CR_TOOL_OUTPUT_BYTES_MAX)};
        nbd_extent_callback collect = {.callback = status_collect, .user_data = &answer};
        uint64_t part = len < STATUS_BYTES_MAX ? len : STATUS_BYTES_MAX, done = 0;
        if (nbd_block_status(source->connections[connection], part, offset, collect, 0) < 0)
            return nbd_failed(source, "find the holes of", err);
        r = answer_walk(source, &answer, part, &walk, &done);
        if (r != 0)
            return r;
        if (done == 0)
            return cr_error_set(err, -EPROTO, "cannot find the holes of the image '%s'",
                                source->name);
        offset += done;
        len -= done;
    }
    return walk_flush(&walk);
}
