/* SPDX-License-Identifier: MIT */
/* What the commands of carrel-cache share. */
#pragma once

#include "lib/seatcache/cached.h"
#include "lib/seatcache/seatdisk.h"

#include <jansson.h>

struct cache_options {
    const char *cache;        /* folder */
    const char *server, *pki; /* NULL = not given */
    uint64_t patience_s;
    uint64_t rate_bytes; /* a second; 0 = as fast as it goes */
    bool json, help, version;
};

/* --- folder.c -------------------------------------------------------------------------------- */

struct folder {
    int dir_fd, disks_fd, objects_fd;
    struct cr_cached *list; /* owned; least recently used first */
    size_t count;
};

/* Open the cache folder and list its versions. The folder wants folder_close in either case. */
int folder_open(const char *path, struct folder *folder, struct cr_error *err);
void folder_close(struct folder *folder);

/*
 * Keep in folder->list the versions that `names` tell, NAME, NAME@N or the beginning of a root; all
 * of them when there are no names. Returns 0, or -ENOENT with a sentence about the first that is
 * not there.
 */
int folder_choose(struct folder *folder, char **names, int count, struct cr_error *err);

/* "physics@7", or the first digits of its root. Returns `out`. */
const char *cached_name(const struct cr_cached *cached, char out[static CR_REF_TEXT]);

/* "version" and "root", for reports. */
json_t *cached_json(const struct cr_cached *cached);

/* Print a report and drop it. Returns 0 or -errno. */
int report_print(json_t *report, struct cr_error *err);

/* --- server.c -------------------------------------------------------------------------------- */

struct served {
    struct cr_store *store;
    struct cr_seatdisk *disk;
};

/*
 * Open `ref` of the server and its file in `folder`; `known` as in cr_seatdisk_options. Returns 0
 * or -errno with a sentence; wants served_close in either case.
 */
int served_open(struct served *served, const struct cache_options *options, int dir_fd,
                const struct cr_ref *ref, const struct cr_version_info *known,
                struct cr_error *err);
void served_close(struct served *served);

/* --- the commands; `names` are the operands --------------------------------------------------- */

typedef int command(const struct cache_options *options, char **names, int count,
                    struct cr_error *err);
command cmd_ls, cmd_verify, cmd_fsck, cmd_rm, cmd_fill;
