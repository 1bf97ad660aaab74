/* SPDX-License-Identifier: MIT */
/*
 * Blobs as files. A file is written under tmp/, made durable, and only then renamed to where
 * readers look; `sync` makes the names durable. So whatever the moment of a crash, a name that
 * exists stands for a whole file.
 */
#include "lib/store/dir.h"

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/store/blobs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/stat.h>

#define MARKER           "carrel-store"
#define MARKER_TEXT      "carrel-store 1\n"

#define DIRECT_BYTES     4096U /* what O_DIRECT asks of places and lengths on every file system */
#define DIRECT_MIN_BYTES (1 * CR_MIB)

struct dir_blobs {
    struct cr_blobs base;
    int root;
    int spaces[CR_SPACE_COUNT];
    char path[PATH_MAX];
    pthread_mutex_t mutex; /* over the making of `tmp` */
    int tmp;               /* this writer's own folder below tmp/, flocked; -1 until needed */
    char tmp_name[32];
    atomic_uint serial;
};

struct cr_store_lock {
    int fd;
};

static struct dir_blobs *dir_of(struct cr_blobs *blobs)
{
    return (struct dir_blobs *)blobs;
}

static int folder_error(struct dir_blobs *dir, int code, const char *what, const char *folder,
                        const char *name, struct cr_error *err)
{
    if (code == -ENOSPC || code == -EDQUOT)
        return cr_error_set(err, code,
                            "store '%s' is full (%s '%s/%s'): make room and run the same command "
                            "again, nothing is lost",
                            dir->path, what, folder, name);
    return cr_error_errno(err, code, "%s '%s/%s/%s'", what, dir->path, folder, name);
}

static int file_error(struct dir_blobs *dir, int code, const char *what, enum cr_space space,
                      const char *name, struct cr_error *err)
{
    return folder_error(dir, code, what, cr_space_names[space], name, err);
}

static int dir_size(struct cr_blobs *blobs, enum cr_space space, const char *name,
                    uint64_t *ret_bytes, struct cr_error *err)
{
    struct dir_blobs *dir = dir_of(blobs);
    struct stat st;
    if (fstatat(dir->spaces[space], name, &st, 0) < 0)
        return file_error(dir, -errno, "reading", space, name, err);
    if (!S_ISREG(st.st_mode))
        return file_error(dir, -EBADMSG, "reading", space, name, err);
    *ret_bytes = (uint64_t)st.st_size;
    return 0;
}

static int dir_read(struct cr_blobs *blobs, enum cr_space space, const char *name, void *data,
                    size_t len, uint64_t offset, struct cr_error *err)
{
    struct dir_blobs *dir = dir_of(blobs);
    CLEANUP_CLOSE int fd = openat(dir->spaces[space], name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return file_error(dir, -errno, "reading", space, name, err);
    int r = cr_pread_full(fd, data, len, offset);
    if (r == -ENODATA)
        return cr_error_set(err, r, "'%s/%s/%s' is cut off before byte %" PRIu64, dir->path,
                            cr_space_names[space], name, offset + len);
    return r < 0 ? file_error(dir, r, "reading", space, name, err) : 0;
}

static int dir_list(struct cr_blobs *blobs, enum cr_space space, cr_name_sink *sink, void *context,
                    struct cr_error *err)
{
    struct dir_blobs *dir = dir_of(blobs);
    int fd = openat(dir->spaces[space], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP_CLOSEDIR DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    if (entries == NULL)
        return file_error(dir, -errno, "listing", space, ".", err);
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(entries);
        if (entry == NULL)
            return errno ? file_error(dir, -errno, "listing", space, ".", err) : 0;
        if (entry->d_name[0] == '.')
            continue;
        int r = sink(context, entry->d_name);
        if (r != 0)
            return r;
    }
}

/* --- writing --------------------------------------------------------------------------------- */

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
            return folder_error(dir, -errno, "making", "tmp", dir->tmp_name, err);
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

/* Write a durable file into tmp/ and rename it to its place, over what is there. */
static int file_place(struct dir_blobs *dir, enum cr_space space, const char *name,
                      const void *data, size_t len, struct cr_error *err)
{
    pthread_mutex_lock(&dir->mutex);
    int r = tmp_make(dir, err);
    pthread_mutex_unlock(&dir->mutex);
    if (r < 0)
        return r;
    char temporary[16];
    snprintf(temporary, sizeof(temporary), "%u", atomic_fetch_add(&dir->serial, 1));
    CLEANUP_CLOSE int fd =
        openat(dir->tmp, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return file_error(dir, -errno, "writing", space, name, err);
    if (len < DIRECT_MIN_BYTES || write_direct(dir->tmp, temporary, data, len) < 0) {
        r = ftruncate(fd, 0) < 0 ? -errno : cr_write_full(fd, data, len);
    }
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    if (r == 0 && renameat(dir->tmp, temporary, dir->spaces[space], name) < 0)
        r = -errno;
    if (r < 0) {
        unlinkat(dir->tmp, temporary, 0);
        return file_error(dir, r, "writing", space, name, err);
    }
    return 0;
}

static int dir_put(struct cr_blobs *blobs, enum cr_space space, const char *name, const void *data,
                   size_t len, struct cr_error *err)
{
    return file_place(dir_of(blobs), space, name, data, len, err);
}

static int dir_sync(struct cr_blobs *blobs, struct cr_error *err)
{
    struct dir_blobs *dir = dir_of(blobs);
    for (int i = 0; i < CR_SPACE_COUNT; i++)
        if (fsync(dir->spaces[i]) < 0)
            return file_error(dir, -errno, "syncing", (enum cr_space)i, ".", err);
    return 0;
}

static int dir_lock(struct cr_blobs *blobs, const char *name, struct cr_store_lock **ret_lock,
                    struct cr_error *err)
{
    struct dir_blobs *dir = dir_of(blobs);
    char path[CR_NAME_MAX + 16];
    snprintf(path, sizeof(path), "locks/%s", name);
    CLEANUP_CLOSE int fd = openat(dir->root, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return folder_error(dir, -errno, "locking", "locks", name, err);
    char holder[32] = "";
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            return cr_error_errno(err, -errno, "locking image '%s' in store '%s'", name, dir->path);
        ssize_t n = pread(fd, holder, sizeof(holder) - 1, 0);
        holder[n < 0 ? 0 : n] = '\0';
        holder[strcspn(holder, "\n")] = '\0';
        return cr_error_set(err, -EBUSY,
                            "image '%s' in store '%s' is being written by another process (%s): "
                            "wait until it is done and run the command again",
                            name, dir->path, holder);
    }
    struct cr_store_lock *lock = cr_calloc(1, sizeof(*lock));
    if (lock == NULL)
        return cr_error_errno(err, -ENOMEM, "locking image '%s' in store '%s'", name, dir->path);
    /* For the sentence above only, so a failure to write it is none; the lock is the kernel's. */
    snprintf(holder, sizeof(holder), "pid %d\n", (int)getpid());
    if (ftruncate(fd, 0) == 0)
        (void)cr_pwrite_full(fd, holder, strlen(holder), 0);
    lock->fd = TAKE_FD(fd);
    *ret_lock = lock;
    return 0;
}

static void dir_unlock(struct cr_blobs *blobs, struct cr_store_lock *lock)
{
    (void)blobs;
    close(lock->fd);
    free(lock);
}

static int dir_replace(struct cr_blobs *blobs, enum cr_space space, const char *name,
                       const struct cr_id *expected, const void *data, size_t len,
                       struct cr_error *err)
{
    struct dir_blobs *dir = dir_of(blobs);
    CLEANUP_BUF struct cr_buf before = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    int r = cr_file_read(dir->spaces[space], name, &before);
    if (r < 0 && r != -ENOENT)
        return file_error(dir, r, "reading", space, name, err);
    bool same = (r == -ENOENT) == (expected == NULL);
    if (same && expected != NULL) {
        struct cr_id found;
        cr_hash(before.data, before.len, &found);
        same = cr_id_equal(&found, expected);
    }
    if (!same)
        return cr_error_set(err, -EAGAIN, "'%s/%s/%s' was changed by another writer", dir->path,
                            cr_space_names[space], name);
    r = file_place(dir, space, name, data, len, err);
    if (r == 0 && fsync(dir->spaces[space]) < 0)
        r = file_error(dir, -errno, "syncing", space, name, err);
    return r;
}

static void dir_close(struct cr_blobs *blobs)
{
    struct dir_blobs *dir = dir_of(blobs);
    if (dir->tmp >= 0) {
        char path[64];
        snprintf(path, sizeof(path), "tmp/%s", dir->tmp_name);
        cr_dir_remove(dir->root, path);
        close(dir->tmp);
    }
    for (int i = 0; i < CR_SPACE_COUNT; i++)
        if (dir->spaces[i] >= 0)
            close(dir->spaces[i]);
    if (dir->root >= 0)
        close(dir->root);
    pthread_mutex_destroy(&dir->mutex);
    free(dir);
}

static const struct cr_blob_ops dir_ops = {
    .close = dir_close,
    .size = dir_size,
    .read = dir_read,
    .list = dir_list,
    .put = dir_put,
    .sync = dir_sync,
    .lock = dir_lock,
    .unlock = dir_unlock,
    .replace = dir_replace,
};

static int marker_check(int root, const char *path, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf marker = CR_BUF_INIT(64);
    int r = cr_file_read(root, MARKER, &marker);
    if (r == -ENOENT)
        return cr_error_set(err, r, "'%s' is not a Carrel store; `carrel store init %s` makes one",
                            path, path);
    if (r < 0)
        return cr_error_errno(err, r, "reading '%s/" MARKER "'", path);
    if (marker.len != strlen(MARKER_TEXT) || memcmp(marker.data, MARKER_TEXT, marker.len) != 0)
        return cr_error_set(err, -EBADMSG,
                            "store '%s' was made by another version of Carrel: its '" MARKER
                            "' file is not \"carrel-store 1\"",
                            path);
    return 0;
}

static int spaces_open(struct dir_blobs *dir, struct cr_error *err)
{
    for (int i = 0; i < CR_SPACE_COUNT; i++) {
        /* Stores made before there was anything to keep there have no such folder. */
        if (i > CR_SPACE_HEADS)
            (void)cr_dir_make(dir->root, cr_space_names[i], 0755);
        dir->spaces[i] = openat(dir->root, cr_space_names[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir->spaces[i] < 0)
            return cr_error_errno(err, -errno, "opening '%s/%s'", dir->path, cr_space_names[i]);
    }
    return 0;
}

int cr_dir_store_open(const char *path, struct cr_store **ret_store, struct cr_error *err)
{
    struct dir_blobs *dir = cr_calloc(1, sizeof(*dir));
    if (dir == NULL)
        return cr_error_errno(err, -ENOMEM, "opening store '%s'", path);
    dir->base.ops = &dir_ops;
    dir->tmp = -1;
    for (int i = 0; i < CR_SPACE_COUNT; i++)
        dir->spaces[i] = -1;
    pthread_mutex_init(&dir->mutex, NULL);
    snprintf(dir->path, sizeof(dir->path), "%s", path);
    dir->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = 0;
    if (dir->root < 0 && errno == ENOENT)
        r = cr_error_set(err, -ENOENT,
                         "there is no store at '%s'; `carrel store init %s` makes one", path, path);
    else if (dir->root < 0)
        r = cr_error_errno(err, -errno, "opening store '%s'", path);
    if (r == 0)
        r = marker_check(dir->root, path, err);
    if (r == 0)
        r = spaces_open(dir, err);
    if (r < 0) {
        dir_close(&dir->base);
        return r;
    }
    return cr_packstore_new(&dir->base, ret_store, err);
}

/* The folders of a store. */
static const char *const folders[] = {"packs", "segments", "manifests", "heads", "locks", "tmp"};

static bool is_store_folder(int root, const char *name)
{
    for (size_t i = 0; i < CR_ARRAY_LEN(folders); i++)
        if (strcmp(folders[i], name) == 0)
            return unlinkat(root, name, AT_REMOVEDIR) == 0; /* empty, or it stays */
    return false;
}

/* Nothing is in the folder but what an init that was interrupted made. */
static bool folder_is_free(int root)
{
    int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP_CLOSEDIR DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    if (entries == NULL) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            !is_store_folder(root, entry->d_name))
            return false;
    return true;
}

/* The folder and those above it that may be new: as many as the path has parts. */
static int parents_fsync(int root, const char *path)
{
    CLEANUP_CLOSE int at = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (const char *part = path; at >= 0 && part != NULL; part = strchr(part + 1, '/')) {
        if (fsync(at) < 0)
            return -errno;
        int above = openat(at, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (above < 0 && errno == EACCES)
            return 0; /* what we may not even read, we did not make */
        close(at);
        at = above;
    }
    return at < 0 || fsync(at) < 0 ? -errno : 0;
}

int cr_dir_store_init(const char *path, struct cr_error *err)
{
    int r = cr_dir_make(AT_FDCWD, path, 0755);
    if (r < 0)
        return cr_error_errno(err, r, "making '%s'", path);
    CLEANUP_CLOSE int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return cr_error_errno(err, -errno, "opening '%s'", path);
    if (faccessat(root, MARKER, F_OK, 0) == 0)
        return cr_error_set(err, -EEXIST, "'%s' is a Carrel store already", path);
    if (!folder_is_free(root))
        return cr_error_set(err, -EEXIST, "'%s' is not empty: choose a new or empty folder", path);
    for (size_t i = 0; i < CR_ARRAY_LEN(folders); i++) {
        r = cr_dir_make(root, folders[i], 0755);
        if (r < 0)
            return cr_error_errno(err, r, "making '%s/%s'", path, folders[i]);
    }
    /* The marker last: a store is one only when it is whole. */
    r = parents_fsync(root, path);
    if (r == 0)
        r = cr_file_replace(root, MARKER, MARKER_TEXT, strlen(MARKER_TEXT), 0644);
    return r < 0 ? cr_error_errno(err, r, "making '%s/" MARKER "'", path) : 0;
}
