/* SPDX-License-Identifier: MIT */
/*
 * A disk image to import, in any format that QEMU reads.
 *
 *      file ── qemu-img info / check ── what is it, is it whole?
 *       │
 *       └──── qemu-nbd --read-only ── unix socket in a private folder ── libnbd, n connections
 *
 * The bytes of a raw file are read from the file itself, its holes are asked of the server.
 *
 * The file is never changed. Its format is found by probing, as QEMU does it, unless `format` says
 * it; whoever writes the beginning of a raw disk can make it look like another format, so name the
 * format where the content is not trusted. An image may name other files (backing files, extents)
 * and these are read with the rights of whoever imports.
 *
 * The server dies with the thread that called cr_source_open, so that thread must outlive the
 * source.
 */
#pragma once

#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cr_source;

struct cr_source_options {
    const char *format; /* QEMU's name of the format, or NULL: find it by probing */

    /*
     * Only what stands in this file itself (qcow2 only): its backing file is not opened and need
     * not exist. Extents then tell CR_EXTENT_BACKING for what the file leaves to its backing file;
     * such ranges read as zeros. A cluster is whole: where the guest wrote a part of one, QEMU has
     * copied the rest from the backing file at that time.
     */
    bool top_layer_only;

    unsigned connections; /* 0 = 1; at most CR_SOURCE_CONNECTIONS_MAX */
};

/*
 * Open the image `path`, or the block device in Ceph that it names (rbd.h). Errors, each with its
 * sentence: -ENOENT (it, or a backing file, is missing), -EINVAL (not a disk image; not the format
 * that was said), -EUCLEAN (truncated or damaged), -EFBIG (larger than CR_DISK_BYTES_MAX), -EBUSY
 * (in use, by a running virtual machine for example), -ENOTSUP (encrypted), or another -errno.
 * `options` may be NULL.
 */
int cr_source_open(const char *path, const struct cr_source_options *options,
                   struct cr_source **ret_source, struct cr_error *err);

/* Closes the connections, ends the server, removes the socket. Takes NULL. */
void cr_source_close(struct cr_source *source);
void cr_source_cleanup(struct cr_source **source);

/* The size of the disk, in bytes: a multiple of 512, as QEMU rounds it up. */
uint64_t cr_source_size_bytes(const struct cr_source *source);

/* QEMU's name of the format, such as "qcow2". Borrowed. */
const char *cr_source_format(const struct cr_source *source);

/* The name of the backing file as it stands in the image (a path or a URI), or NULL. Borrowed. */
const char *cr_source_backing(const struct cr_source *source);

/* Where other NBD clients reach the disk while the source is open: nbd+unix:///?socket=... */
const char *cr_source_uri(const struct cr_source *source);

/* The path of that socket. */
const char *cr_source_socket(const struct cr_source *source);

/* The number of connections. */
unsigned cr_source_connections(const struct cr_source *source);

/*
 * Read exactly `len` bytes at `offset` through the connection 0..n-1. A connection serves one
 * thread at a time; different connections run in parallel. Returns 0 or -errno.
 */
int cr_source_read(struct cr_source *source, unsigned connection, void *data, size_t len,
                   uint64_t offset, struct cr_error *err);

enum cr_extent_kind {
    CR_EXTENT_DATA,    /* must be read */
    CR_EXTENT_ZERO,    /* reads as zeros, whether a hole or written so */
    CR_EXTENT_BACKING, /* top_layer_only: not in this file, the backing file decides */
};

/* One range of the disk. A value other than 0 ends the walk and is returned from it. */
typedef int cr_source_extent_fn(void *context, uint64_t offset, uint64_t len,
                                enum cr_extent_kind kind);

/*
 * Walk through the `len` bytes at `offset` (both multiples of 512): `visit` sees every byte once,
 * in ascending order, with neighbours of one kind joined. Uses the connection as cr_source_read
 * does. Nothing is read from the disk but the image's own tables.
 */
int cr_source_extents(struct cr_source *source, unsigned connection, uint64_t offset, uint64_t len,
                      cr_source_extent_fn *visit, void *context, struct cr_error *err);
