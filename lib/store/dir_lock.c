/* SPDX-License-Identifier: MIT */
/*
 * Leases: a file in locks/ for each image, locked by its writer. The lock belongs to the open file
 * (fcntl(2), "Open file description locks"), so it ends with the process whatever happens, two
 * threads of one process exclude each other too, and F_OFD_GETLK tells of a lock without taking
 * it: with flock(2) the collector's looking would make a publisher's attempt fail.
 *
 * The file holds "pid N\nseen G\n". Who looks before a new holder has written it reads the `seen`
 * of an earlier holder. Generations only rise, so that one is smaller than what the new holder will
 * write, and the collector keeps more than it must. The same goes for a number that is read while
 * it is written: it starts as "0\n" and every part of it is smaller than the whole.
 */
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/store/dir_blobs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

struct cr_store_lock {
    int fd;
};

#define LOCK_TEXT 64

static void lock_path(const char *name, char out[static CR_BLOB_NAME_MAX + 8])
{
    snprintf(out, CR_BLOB_NAME_MAX + 8, "locks/%s", name);
}

/* Returns 0, or -errno; -EWOULDBLOCK when somebody holds it. */
static int lock_take(int fd)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_SETLK, &whole) == 0)
        return 0;
    return errno == EACCES || errno == EAGAIN ? -EWOULDBLOCK : -errno;
}

static int busy(struct dir_blobs *dir, const char *name, int fd, struct cr_error *err)
{
    char holder[LOCK_TEXT] = "";
    ssize_t n = pread(fd, holder, sizeof(holder) - 1, 0);
    holder[n < 0 ? 0 : n] = '\0';
    holder[strcspn(holder, "\n")] = '\0';
    if (strcmp(name, CR_LOCK_COLLECTOR) == 0)
        return cr_error_set(err, -EBUSY,
                            "store '%s' is being collected by another process (%s): wait until it "
                            "is done and run the command again",
                            dir->path, holder);
    return cr_error_set(err, -EBUSY,
                        "image '%s' in store '%s' is being written by another process (%s): "
                        "wait until it is done and run the command again",
                        name, dir->path, holder);
}

/* Rewrite the holder's file. */
static int holder_write(int fd, uint64_t seen)
{
    char text[LOCK_TEXT];
    snprintf(text, sizeof(text), "pid %d\nseen %" PRIu64 "\n", (int)getpid(), seen);
    return cr_pwrite_full(fd, text, strlen(text), 0);
}

int dir_lock(struct cr_blobs *blobs, const char *name, struct cr_store_lock **ret_lock,
             struct cr_error *err)
{
    struct dir_blobs *dir = dir_of(blobs);
    char path[CR_BLOB_NAME_MAX + 8];
    lock_path(name, path);
    CLEANUP_CLOSE int fd = openat(dir->root, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return dir_folder_error(dir, -errno, "locking", "locks", name, err);
    int r = lock_take(fd);
    if (r == -EWOULDBLOCK)
        return busy(dir, name, fd, err);
    if (r < 0)
        return cr_error_errno(err, r, "locking image '%s' in store '%s'", name, dir->path);
    struct cr_store_lock *lock = cr_calloc(1, sizeof(*lock));
    if (lock == NULL)
        return cr_error_errno(err, -ENOMEM, "locking image '%s' in store '%s'", name, dir->path);
    /* Where this fails (a full disk) the file is empty, which says "seen 0"; the lock is the
     * kernel's. */
    if (ftruncate(fd, 0) == 0)
        (void)holder_write(fd, 0);
    lock->fd = TAKE_FD(fd);
    *ret_lock = lock;
    return 0;
}

int dir_lock_seen(struct cr_blobs *blobs, struct cr_store_lock *lock, uint64_t generation,
                  struct cr_error *err)
{
    /* A failure leaves a smaller number, which only makes the collector keep more. */
    (void)blobs;
    (void)err;
    (void)holder_write(lock->fd, generation);
    return 0;
}

void dir_unlock(struct cr_blobs *blobs, struct cr_store_lock *lock)
{
    (void)blobs;
    close(lock->fd);
    free(lock);
}

/* --- who holds one --------------------------------------------------------------------------- */

struct lease_list {
    struct dir_blobs *dir;
    cr_lease_sink *sink;
    void *context;
    struct cr_error *err;
};

/* What the holder says that it has seen; 0 for anything that cannot be made out. */
static uint64_t seen_read(int fd)
{
    char text[LOCK_TEXT];
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    text[n < 0 ? 0 : n] = '\0';
    static const char label[] = "\nseen ";
    const char *at = strstr(text, label);
    uint64_t seen = 0;
    if (at == NULL)
        return 0;
    at += sizeof(label) - 1;
    return cr_u64_take(&at, UINT64_MAX, &seen) == 0 ? seen : 0;
}

static int lease_tell(void *context, const char *name)
{
    struct lease_list *list = context;
    char path[CR_BLOB_NAME_MAX + 8];
    if (strlen(name) > CR_BLOB_NAME_MAX)
        return 0;
    lock_path(name, path);
    CLEANUP_CLOSE int fd = openat(list->dir->root, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return dir_folder_error(list->dir, -errno, "reading", "locks", name, list->err);
    struct flock held = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_GETLK, &held) < 0)
        return dir_folder_error(list->dir, -errno, "reading", "locks", name, list->err);
    return held.l_type == F_UNLCK ? 0 : list->sink(list->context, name, seen_read(fd));
}

int dir_leases(struct cr_blobs *blobs, cr_lease_sink *sink, void *context, struct cr_error *err)
{
    struct dir_blobs *dir = dir_of(blobs);
    struct lease_list list = {.dir = dir, .sink = sink, .context = context, .err = err};
    /* The collector's own lock has a name with a dot, which a listing leaves out. */
    int r = lease_tell(&list, CR_LOCK_COLLECTOR);
    if (r == -ENOENT)
        r = 0;
    int fd = openat(dir->root, "locks", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r == 0 && fd < 0)
        return dir_folder_error(dir, -errno, "listing", "locks", ".", err);
    if (r != 0) {
        if (fd >= 0)
            close(fd);
        return r;
    }
    r = dir_names(fd, lease_tell, &list);
    return r < 0 && err != NULL && err->text[0] == '\0'
               ? dir_folder_error(dir, r, "listing", "locks", ".", err)
               : r;
}
