/* SPDX-License-Identifier: MIT */
/*
 * The files of a disk, as carrel-guest-files prints them: records that end with a zero byte,
 *
 *   fs NAME TYPE                              a file system: "fs sda1 ext4"
 *   unread NAME TYPE                          one that could not be read, or holds no files
 *   KIND MODE UID GID SIZE SECONDS NANOSECONDS /PATH
 *                                             a file of the last fs; KIND is one of f d l c b p s
 *   end COUNT                                 the last record: how many files there were
 *
 * Numbers are decimal; SECONDS (of the last change of content, since 1970) may be negative. A path
 * is any bytes but zero.
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/error.h"

#include <stdbool.h>

struct cr_file {
    const char *fs, *path; /* borrowed from the list's text */
    char kind;
    uint32_t mode, uid, gid, mtime_ns;
    uint64_t size_bytes;
    int64_t mtime_s;
};

struct cr_filelist {
    char *text;            /* owned */
    struct cr_file *files; /* owned; by file system and path */
    size_t count;
    const char **unread; /* owned array of "NAME TYPE" in the text */
    size_t unread_count;
};

/*
 * Parse `len` bytes. Returns 0, -ENOMEM, or -EBADMSG with a clause that says what is wrong. A path
 * that stands in it twice is refused.
 */
int cr_filelist_parse(const void *data, size_t len, struct cr_filelist *ret_list,
                      struct cr_error *err);

void cr_filelist_done(struct cr_filelist *list);

/* One of the two is NULL for a file that was added or removed. A non-zero return ends the
 * comparison. */
typedef int cr_file_change_sink(void *context, const struct cr_file *before,
                                const struct cr_file *after);

/*
 * Each file that differs, by file system and path. Files are the same when kind, mode, owner, size
 * and time of the last change of content are; of folders kind, mode and owner count. Returns 0 or
 * what the sink did.
 */
int cr_filelist_compare(const struct cr_filelist *before, const struct cr_filelist *after,
                        cr_file_change_sink *sink, void *context);
