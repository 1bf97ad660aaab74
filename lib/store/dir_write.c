/* SPDX-License-Identifier: MIT */
/*
 * Writing into the folder backend. A file is written under tmp/, made durable, and only then
 * renamed to where readers look; `sync` makes the names durable. So whatever the moment of a crash,
 * a name that exists stands for a whole file.
 */
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/store/dir_blobs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/file.h>
#include <sys/stat.h>

#define DIRECT_BYTES     4096U /* what O_DIRECT asks of places and lengths on every file system */
#define DIRECT_MIN_BYTES (1 * CR_MIB)

/* --- tmp/ ------------------------------------------------------------------------------------ */

/* Remove what writers that are gone left below tmp/: their lock on the folder is free. */
static void tmp_sweep(int tmp_root)
{
    int fd = openat(tmp_root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP_CLOSEDIR DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    if (entries == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        CLEANUP_CLOSE int left =
            openat(tmp_root, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (left >= 0 && flock(left, LOCK_EX | LOCK_NB) == 0)
            cr_dir_remove(tmp_root, entry->d_name);
    }
}

/* The writer's own folder, made at the first write. Called with the mutex held. */
static int tmp_make(struct dir_blobs *dir, struct cr_error *err)
{
    if (dir->tmp >= 0)
        return 0;
    CLEANUP_CLOSE int root = openat(dir->root, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* Nobody sweeps between the making and the locking of our folder. */
    if (root < 0 || flock(root, LOCK_EX) < 0)
        return cr_error_errno(err, -errno, "opening '%s/tmp'", dir->path);
    tmp_sweep(root);
    for (unsigned attempt = 0;; attempt++) {
        snprintf(dir->tmp_name, sizeof(dir->tmp_name), "w%d.%u", (int)getpid(), attempt);
        if (mkdirat(root, dir->tmp_name, 0700) == 0)
            break;
        if (errno != EEXIST)
            return dir_folder_error(dir, -errno, "making", "tmp", dir->tmp_name, err);
    }
    CLEANUP_CLOSE int tmp = openat(root, dir->tmp_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (tmp < 0 || flock(tmp, LOCK_EX | LOCK_NB) < 0)
        return cr_error_errno(err, -errno, "locking '%s/tmp/%s'", dir->path, dir->tmp_name);
    dir->tmp = TAKE_FD(tmp);
    return 0;
}

/*
 * Write a large file past the page cache, where the file system can: a publisher's packs would
 * otherwise push out what readers need, and the copying costs a tenth of an import. O_DIRECT wants
 * whole blocks, so the last one is filled up and cut off again. Returns 0, or -errno: then nothing
 * is lost by writing it the ordinary way.
 */
static int write_direct(int folder, const char *name, const void *data, size_t len)
{
    size_t whole = (len + DIRECT_BYTES - 1) / DIRECT_BYTES * DIRECT_BYTES;
    CLEANUP_CLOSE int fd = openat(folder, name, O_WRONLY | O_DIRECT | O_CLOEXEC | O_NOFOLLOW);
    CLEANUP_FREE uint8_t *blocks = fd < 0 ? NULL : aligned_alloc(DIRECT_BYTES, whole);
    if (fd < 0 || blocks == NULL)
        return -EINVAL;
    memcpy(blocks, data, len);
    memset(blocks + len, 0, whole - len);
    int r = cr_write_full(fd, blocks, whole);
    return r == 0 && ftruncate(fd, (off_t)len) < 0 ? -errno : r;
}

/* A new file in tmp/, to become SPACE/NAME. */
static int tmp_open(struct dir_blobs *dir, char temporary[static 16], const char *folder,
                    const char *name, struct cr_error *err)
{
    pthread_mutex_lock(&dir->mutex);
    int r = tmp_make(dir, err);
    pthread_mutex_unlock(&dir->mutex);
    if (r < 0)
        return r;
    snprintf(temporary, 16, "%u", atomic_fetch_add(&dir->serial, 1));
    int fd =
        openat(dir->tmp, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    return fd < 0 ? dir_folder_error(dir, -errno, "writing", folder, name, err) : fd;
}

/* Write a durable file into tmp/, to become SPACE/NAME. */
static int tmp_write(struct dir_blobs *dir, enum cr_space space, const char *name, const void *data,
                     size_t len, char temporary[static 16], struct cr_error *err)
{
    CLEANUP_CLOSE int fd = tmp_open(dir, temporary, cr_space_names[space], name, err);
    if (fd < 0)
        return fd;
    int r = 0;
    if (len < DIRECT_MIN_BYTES || write_direct(dir->tmp, temporary, data, len) < 0)
        r = ftruncate(fd, 0) < 0 ? -errno : cr_write_full(fd, data, len);
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    if (r < 0) {
        unlinkat(dir->tmp, temporary, 0);
        dir_file_error(dir, r, "writing", space, name, err);
    }
    return r;
}

/* Rename it to its place, over what is there. `unmark`: and it is not condemned any more. */
static int tmp_place(struct dir_blobs *dir, const char *temporary, enum cr_space space,
                     const char *name, bool unmark, struct cr_error *err)
{
    int folder = dir_space(dir, space, true), r = folder < 0 ? folder : 0;
    CLEANUP_CLOSE int lock = r < 0 || !unmark ? -1 : dir_marks_lock(dir, false);
    if (r == 0 && unmark && lock < 0)
        r = lock;
    if (r == 0 && unmark)
        r = dir_unmark(&dir->base, space, name, NULL);
    if (r == 0 && renameat(dir->tmp, temporary, folder, name) < 0)
        r = -errno;
    if (r < 0) {
        unlinkat(dir->tmp, temporary, 0);
        dir_file_error(dir, r, "writing", space, name, err);
    }
    return r;
}

/* --- what the table asks for ------------------------------------------------------------------ */

int dir_put(struct cr_blobs *blobs, enum cr_space space, const char *name, const void *data,
            size_t len, struct cr_error *err)
{
    struct dir_blobs *dir = dir_of(blobs);
    char temporary[16];
    int r = tmp_write(dir, space, name, data, len, temporary, err);
    return r < 0 ? r : tmp_place(dir, temporary, space, name, true, err);
}

int dir_note_write(struct dir_blobs *dir, const char *folder, const char *name, const char *text,
                   struct cr_error *err)
{
    char temporary[16], path[CR_BLOB_NAME_MAX + 32];
    CLEANUP_CLOSE int fd = tmp_open(dir, temporary, folder, name, err);
    if (fd < 0)
        return fd;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int r = cr_write_full(fd, text, strlen(text));
    if (r == 0 && renameat(dir->tmp, temporary, dir->root, path) < 0)
        r = -errno;
    if (r < 0) {
        unlinkat(dir->tmp, temporary, 0);
        dir_folder_error(dir, r, "writing", folder, name, err);
    }
    return r;
}

int dir_remove(struct cr_blobs *blobs, enum cr_space space, const char *name, struct cr_error *err)
{
    struct dir_blobs *dir = dir_of(blobs);
    int folder = dir_space(dir, space, false);
    if (folder < 0 || unlinkat(folder, name, 0) < 0)
        return dir_file_error(dir, folder < 0 ? folder : -errno, "removing", space, name, err);
    return dir_unmark(blobs, space, name, err);
}

int dir_sync(struct cr_blobs *blobs, struct cr_error *err)
{
    struct dir_blobs *dir = dir_of(blobs);
    for (int i = 0; i < CR_SPACE_COUNT; i++) {
        int folder = dir_space(dir, (enum cr_space)i, false);
        if (folder >= 0 && fsync(folder) < 0)
            return dir_file_error(dir, -errno, "syncing", (enum cr_space)i, ".", err);
    }
    /* That a blob is not condemned any more is part of its having been put. */
    int r = cr_dir_fsync(dir->root, "marks");
    return r < 0 && r != -ENOENT ? dir_folder_error(dir, r, "syncing", "marks", ".", err) : 0;
}

int dir_replace(struct cr_blobs *blobs, enum cr_space space, const char *name,
                const struct cr_id *expected, const void *data, size_t len, struct cr_error *err)
{
    struct dir_blobs *dir = dir_of(blobs);
    CLEANUP_BUF struct cr_buf before = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    /* In the heads the lock of the name keeps others out; elsewhere they wait for each other. */
    CLEANUP_CLOSE int turn = space == CR_SPACE_HEADS ? -1 : dir_marks_lock(dir, true);
    int folder = dir_space(dir, space, true);
    int r = space != CR_SPACE_HEADS && turn < 0 ? turn
            : folder < 0                        ? folder
                                                : cr_file_read(folder, name, &before);
    if (r < 0 && r != -ENOENT)
        return dir_file_error(dir, r, "reading", space, name, err);
    bool same = (r == -ENOENT) == (expected == NULL);
    if (same && expected != NULL) {
        struct cr_id found;
        cr_hash(before.data, before.len, &found);
        same = cr_id_equal(&found, expected);
    }
    if (!same)
        return cr_error_set(err, -EAGAIN, "'%s/%s/%s' was changed by another writer", dir->path,
                            cr_space_names[space], name);
    char temporary[16];
    r = tmp_write(dir, space, name, data, len, temporary, err);
    if (r == 0)
        r = tmp_place(dir, temporary, space, name, false, err);
    if (r == 0 && fsync(folder) < 0)
        r = dir_file_error(dir, -errno, "syncing", space, name, err);
    return r;
}

void dir_tmp_done(struct dir_blobs *dir)
{
    if (dir->tmp < 0)
        return;
    char path[64];
    snprintf(path, sizeof(path), "tmp/%s", dir->tmp_name);
    cr_dir_remove(dir->root, path);
    close(dir->tmp);
}
