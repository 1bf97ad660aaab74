/* SPDX-License-Identifier: MIT */
/*
 * Blobs as files in the folders of a store: opening it and reading. dir_blobs.h tells where the
 * rest is.
 */
#include "lib/store/dir.h"

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/store/dir_blobs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#define MARKER      "carrel-store"
#define MARKER_TEXT "carrel-store 1\n"

int dir_folder_error(struct dir_blobs *dir, int code, const char *what, const char *folder,
                     const char *name, struct cr_error *err)
{
    if (code == -ENOSPC || code == -EDQUOT)
        return cr_error_set(err, code,
                            "store '%s' is full (%s '%s/%s'): make room and run the same command "
                            "again, nothing is lost",
                            dir->path, what, folder, name);
    return cr_error_errno(err, code, "%s '%s/%s/%s'", what, dir->path, folder, name);
}

int dir_file_error(struct dir_blobs *dir, int code, const char *what, enum cr_space space,
                   const char *name, struct cr_error *err)
{
    return dir_folder_error(dir, code, what, cr_space_names[space], name, err);
}

int dir_space(struct dir_blobs *dir, enum cr_space space, bool make)
{
    int fd = atomic_load(&dir->spaces[space]);
    if (fd >= 0)
        return fd;
    pthread_mutex_lock(&dir->mutex);
    fd = atomic_load(&dir->spaces[space]);
    int r = fd < 0 && make ? cr_dir_make(dir->root, cr_space_names[space], 0755) : 0;
    if (fd < 0 && make && r == 0)
        r = cr_dir_fsync(dir->root, ".");
    if (fd < 0 && r == 0) {
        fd = openat(dir->root, cr_space_names[space], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = fd < 0 ? -errno : 0;
        if (fd >= 0)
            atomic_store(&dir->spaces[space], fd);
    }
    pthread_mutex_unlock(&dir->mutex);
    return r < 0 ? r : fd;
}

static int dir_size(struct cr_blobs *blobs, enum cr_space space, const char *name,
                    uint64_t *ret_bytes, struct cr_error *err)
{
    struct dir_blobs *dir = dir_of(blobs);
    struct stat st;
    int folder = dir_space(dir, space, false);
    if (folder < 0 || fstatat(folder, name, &st, 0) < 0)
        return dir_file_error(dir, folder < 0 ? folder : -errno, "reading", space, name, err);
    if (!S_ISREG(st.st_mode))
        return dir_file_error(dir, -EBADMSG, "reading", space, name, err);
    *ret_bytes = (uint64_t)st.st_size;
    return 0;
}

static int dir_read(struct cr_blobs *blobs, enum cr_space space, const char *name, void *data,
                    size_t len, uint64_t offset, struct cr_error *err)
{
    struct dir_blobs *dir = dir_of(blobs);
    int folder = dir_space(dir, space, false);
    CLEANUP_CLOSE int fd =
        folder < 0 ? -1 : openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return dir_file_error(dir, folder < 0 ? folder : -errno, "reading", space, name, err);
    int r = cr_pread_full(fd, data, len, offset);
    if (r == -ENODATA)
        return cr_error_set(err, r, "'%s/%s/%s' is cut off before byte %" PRIu64, dir->path,
                            cr_space_names[space], name, offset + len);
    return r < 0 ? dir_file_error(dir, r, "reading", space, name, err) : 0;
}

int dir_names(int fd, cr_name_sink *sink, void *context)
{
    CLEANUP_CLOSEDIR DIR *entries = fdopendir(fd);
    if (entries == NULL) {
        int r = -errno;
        close(fd);
        return r;
    }
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(entries);
        if (entry == NULL)
            return -errno;
        if (entry->d_name[0] == '.')
            continue;
        int r = sink(context, entry->d_name);
        if (r != 0)
            return r;
    }
}

static int dir_list(struct cr_blobs *blobs, enum cr_space space, cr_name_sink *sink, void *context,
                    struct cr_error *err)
{
    struct dir_blobs *dir = dir_of(blobs);
    int folder = dir_space(dir, space, false);
    if (folder == -ENOENT)
        return 0;
    int fd = folder < 0 ? folder : openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return dir_file_error(dir, folder < 0 ? folder : -errno, "listing", space, ".", err);
    int r = dir_names(fd, sink, context);
    return r < 0 && err != NULL && err->text[0] == '\0'
               ? dir_file_error(dir, r, "listing", space, ".", err)
               : r;
}

static void dir_close(struct cr_blobs *blobs)
{
    struct dir_blobs *dir = dir_of(blobs);
    dir_tmp_done(dir);
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
    .remove = dir_remove,
    .sync = dir_sync,
    .lock = dir_lock,
    .lock_seen = dir_lock_seen,
    .unlock = dir_unlock,
    .leases = dir_leases,
    .replace = dir_replace,
    .mark = dir_mark,
    .unmark = dir_unmark,
    .marks = dir_marks,
    .remove_marked = dir_remove_marked,
};

/* --- opening and making ------------------------------------------------------------------------
 */

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
        int r = dir_space(dir, (enum cr_space)i, false);
        if (r < 0 && (r != -ENOENT || i <= CR_SPACE_HEADS))
            return cr_error_errno(err, r, "opening '%s/%s'", dir->path, cr_space_names[i]);
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
        atomic_init(&dir->spaces[i], -1);
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
static const char *const folders[] = {"packs",  "segments", "manifests", "heads", "locks", "tmp",
                                      "deltas", "records",  "trust",     "state", "marks"};

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
