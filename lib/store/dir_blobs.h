/* SPDX-License-Identifier: MIT */
/*
 * The folder backend, inside. dir.c opens and reads, dir_write.c makes files appear, dir_lock.c
 * holds the leases, dir_mark.c what is condemned. The layout is in lib/FORMAT.md, "The folder".
 */
#pragma once

#include "lib/store/blobs.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

struct dir_blobs {
    struct cr_blobs base;
    int root;
    atomic_int spaces[CR_SPACE_COUNT]; /* -1: this store has no such folder yet */
    char path[PATH_MAX];
    pthread_mutex_t mutex; /* over the making of `tmp` and of folders */
    int tmp;               /* this writer's own folder below tmp/, flocked; -1 until needed */
    char tmp_name[32];
    atomic_uint serial;
};

static inline struct dir_blobs *dir_of(struct cr_blobs *blobs)
{
    return (struct dir_blobs *)blobs;
}

/*
 * The folder of a space. Stores made before there was anything to keep there have none: -ENOENT,
 * or it is made. Returns the descriptor, which belongs to `dir`, or -errno.
 */
int dir_space(struct dir_blobs *dir, enum cr_space space, bool make);

/* -errno of doing `what` to a file, with its sentence; a full disk has one of its own. */
int dir_folder_error(struct dir_blobs *dir, int code, const char *what, const char *folder,
                     const char *name, struct cr_error *err);
int dir_file_error(struct dir_blobs *dir, int code, const char *what, enum cr_space space,
                   const char *name, struct cr_error *err);

/* Hand out the names in the folder `fd`, which is closed, that do not begin with a dot. */
int dir_names(int fd, cr_name_sink *sink, void *context);

/* --- dir_write.c ----------------------------------------------------------------------------- */

int dir_put(struct cr_blobs *blobs, enum cr_space space, const char *name, const void *data,
            size_t len, struct cr_error *err);
int dir_remove(struct cr_blobs *blobs, enum cr_space space, const char *name, struct cr_error *err);
int dir_sync(struct cr_blobs *blobs, struct cr_error *err);
int dir_replace(struct cr_blobs *blobs, enum cr_space space, const char *name,
                const struct cr_id *expected, const void *data, size_t len, struct cr_error *err);
/* Write a file that need not survive a power cut into `folder`, whole or not at all. */
int dir_note_write(struct dir_blobs *dir, const char *folder, const char *name, const char *text,
                   struct cr_error *err);
/* Remove what the writer left below tmp/. */
void dir_tmp_done(struct dir_blobs *dir);

/* --- dir_lock.c ------------------------------------------------------------------------------ */

int dir_lock(struct cr_blobs *blobs, const char *name, struct cr_store_lock **ret_lock,
             struct cr_error *err);
int dir_lock_seen(struct cr_blobs *blobs, struct cr_store_lock *lock, uint64_t generation,
                  struct cr_error *err);
void dir_unlock(struct cr_blobs *blobs, struct cr_store_lock *lock);
int dir_leases(struct cr_blobs *blobs, cr_lease_sink *sink, void *context, struct cr_error *err);

/* --- dir_mark.c ------------------------------------------------------------------------------ */

int dir_mark(struct cr_blobs *blobs, const struct cr_mark *mark, struct cr_error *err);
int dir_unmark(struct cr_blobs *blobs, enum cr_space space, const char *name, struct cr_error *err);
int dir_marks(struct cr_blobs *blobs, cr_mark_sink *sink, void *context, struct cr_error *err);
int dir_remove_marked(struct cr_blobs *blobs, enum cr_space space, const char *name,
                      uint64_t generation, struct cr_error *err);

/*
 * Hold off the collector while a name appears (`exclusive`: publishers, while one is removed).
 * Returns a descriptor to close, or -errno; makes the folder of marks where there is none.
 */
int dir_marks_lock(struct dir_blobs *dir, bool exclusive);
