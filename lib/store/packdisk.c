/* SPDX-License-Identifier: MIT */
#include "lib/store/packdisk.h"

#include "lib/base/fd.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/stat.h>

#define BUCKETS   4096U
#define TEMPORARY "new-" /* before the name of a file that is being written */
#define BLOCK     4096U  /* what a small file takes of the disk, about */

struct kept {
    struct kept *next;          /* in its bucket */
    struct kept *newer, *older; /* in the order of eviction */
    struct cr_id name;
    uint64_t bytes;
    int64_t modified_s;
    bool used; /* since it was last spared from eviction */
};

struct cr_packdisk {
    pthread_mutex_t mutex;
    int folder; /* also holds the lock of it */
    uint64_t bytes, max_bytes;
    struct kept *buckets[BUCKETS];
    struct kept *newest, *oldest;
};

/* --- the table; the mutex is held ---------------------------------------------------------- */

static struct kept **kept_find(struct cr_packdisk *disk, const struct cr_id *name)
{
    struct kept **link = &disk->buckets[cr_id_hash(name) % BUCKETS];
    while (*link != NULL && !cr_id_equal(&(*link)->name, name))
        link = &(*link)->next;
    return link;
}

static void order_add(struct cr_packdisk *disk, struct kept *kept)
{
    kept->newer = NULL;
    kept->older = disk->newest;
    if (disk->newest != NULL)
        disk->newest->newer = kept;
    else
        disk->oldest = kept;
    disk->newest = kept;
}

static void order_remove(struct cr_packdisk *disk, struct kept *kept)
{
    if (kept->newer != NULL)
        kept->newer->older = kept->older;
    else
        disk->newest = kept->older;
    if (kept->older != NULL)
        kept->older->newer = kept->newer;
    else
        disk->oldest = kept->newer;
}

static int kept_add(struct cr_packdisk *disk, const struct cr_id *name, uint64_t len,
                    int64_t modified_s)
{
    struct kept *kept = cr_calloc(1, sizeof(*kept));
    if (kept == NULL)
        return -ENOMEM;
    *kept = (struct kept){.name = *name, .modified_s = modified_s};
    kept->bytes = (len + BLOCK - 1) / BLOCK * BLOCK;
    *kept_find(disk, name) = kept;
    disk->bytes += kept->bytes;
    order_add(disk, kept);
    return 0;
}

/* Forget it, and remove its file. */
static void kept_remove(struct cr_packdisk *disk, const struct cr_id *name)
{
    struct kept **link = kept_find(disk, name), *kept = *link;
    char hex[CR_ID_HEX];
    if (kept == NULL)
        return;
    unlinkat(disk->folder, cr_id_format(name, hex), 0);
    *link = kept->next;
    order_remove(disk, kept);
    disk->bytes -= kept->bytes;
    free(kept);
}

/* Make room for `len` bytes: who was loaded since the last time goes to the end of the queue. */
static void room_make(struct cr_packdisk *disk, uint64_t len)
{
    while (disk->oldest != NULL && disk->bytes + len > disk->max_bytes) {
        struct kept *kept = disk->oldest;
        if (!kept->used) {
            kept_remove(disk, &kept->name);
            continue;
        }
        kept->used = false;
        order_remove(disk, kept);
        order_add(disk, kept);
    }
}

/* --- what an earlier run left -------------------------------------------------------------- */

static int by_age(const void *a, const void *b)
{
    const struct kept *x = a, *y = b;
    return x->modified_s < y->modified_s ? -1 : x->modified_s > y->modified_s;
}

/* Take note of a file of the folder if it is one of ours. */
static int file_note(struct cr_packdisk *disk, const char *file, struct kept **found, size_t *count)
{
    struct stat st;
    struct cr_id name;
    if (strncmp(file, TEMPORARY, strlen(TEMPORARY)) == 0) {
        unlinkat(disk->folder, file, 0);
        return 0;
    }
    if (cr_id_parse(file, strlen(file), &name) < 0 ||
        fstatat(disk->folder, file, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
        return 0;
    struct kept *grown = realloc(*found, (*count + 1) * sizeof(*grown));
    if (grown == NULL)
        return -ENOMEM;
    *found = grown;
    grown[(*count)++] =
        (struct kept){.name = name, .bytes = (uint64_t)st.st_size, .modified_s = st.st_mtim.tv_sec};
    return 0;
}

static int folder_read(struct cr_packdisk *disk)
{
    CLEANUP_FREE struct kept *found = NULL;
    size_t count = 0;
    int r = 0;
    int fd = openat(disk->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP_CLOSEDIR DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    if (entries == NULL)
        return -errno;
    for (struct dirent *entry; r == 0 && (entry = readdir(entries)) != NULL;)
        r = file_note(disk, entry->d_name, &found, &count);
    if (count > 0)
        qsort(found, count, sizeof(*found), by_age);
    for (size_t i = 0; i < count && r == 0; i++)
        if (*kept_find(disk, &found[i].name) == NULL)
            r = kept_add(disk, &found[i].name, found[i].bytes, found[i].modified_s);
    room_make(disk, 0);
    return r;
}

/* --- life ---------------------------------------------------------------------------------- */

int cr_packdisk_open(const char *path, uint64_t max_bytes, struct cr_packdisk **ret_disk,
                     struct cr_error *err)
{
    struct cr_packdisk *disk = cr_calloc(1, sizeof(*disk));
    if (disk == NULL)
        return cr_error_errno(err, -ENOMEM, "using the pack cache folder '%s'", path);
    pthread_mutex_init(&disk->mutex, NULL);
    disk->max_bytes = max_bytes;
    int r = cr_dir_make(AT_FDCWD, path, 0700);
    disk->folder = r < 0 ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r == 0 && disk->folder < 0)
        r = -errno;
    if (r == 0 && flock(disk->folder, LOCK_EX | LOCK_NB) < 0)
        r = -errno;
    if (r == -EWOULDBLOCK)
        r = cr_error_set(err, -EBUSY,
                         "the pack cache folder '%s' is in use by another process: give each its "
                         "own",
                         path);
    else if (r < 0 || (r = folder_read(disk)) < 0)
        cr_error_errno(err, r, "using the pack cache folder '%s'", path);
    if (r < 0) {
        cr_packdisk_close(disk);
        return r;
    }
    *ret_disk = disk;
    return 0;
}

void cr_packdisk_close(struct cr_packdisk *disk)
{
    if (disk == NULL)
        return;
    for (struct kept *kept = disk->oldest, *newer; kept != NULL; kept = newer) {
        newer = kept->newer;
        free(kept);
    }
    if (disk->folder >= 0)
        close(disk->folder);
    pthread_mutex_destroy(&disk->mutex);
    free(disk);
}

/* --- packs --------------------------------------------------------------------------------- */

bool cr_packdisk_has(struct cr_packdisk *disk, const struct cr_id *name)
{
    pthread_mutex_lock(&disk->mutex);
    bool has = *kept_find(disk, name) != NULL;
    pthread_mutex_unlock(&disk->mutex);
    return has;
}

static int file_load(int folder, const struct cr_id *name, uint8_t **ret_data, size_t *ret_len)
{
    char hex[CR_ID_HEX];
    struct stat st;
    CLEANUP_CLOSE int fd =
        openat(folder, cr_id_format(name, hex), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_size <= 0 || (uint64_t)st.st_size > CR_PACK_BYTES_MAX)
        return -EBADMSG;
    size_t len = (size_t)st.st_size;
    CLEANUP_FREE uint8_t *data = malloc(len);
    int r = data == NULL ? -ENOMEM : cr_pread_full(fd, data, len, 0);
    if (r < 0)
        return r;
    *ret_data = TAKE_PTR(data);
    *ret_len = len;
    return 0;
}

int cr_packdisk_load(struct cr_packdisk *disk, const struct cr_id *name, uint8_t **ret_data,
                     size_t *ret_len)
{
    pthread_mutex_lock(&disk->mutex);
    struct kept *kept = *kept_find(disk, name);
    if (kept != NULL)
        kept->used = true;
    pthread_mutex_unlock(&disk->mutex);
    if (kept == NULL)
        return -ENOENT;
    int r = file_load(disk->folder, name, ret_data, ret_len);
    if (r < 0)
        cr_packdisk_drop(disk, name);
    return r;
}

static int file_write(int folder, const char *name, const void *data, size_t len)
{
    char temporary[CR_ID_HEX + sizeof(TEMPORARY)];
    snprintf(temporary, sizeof(temporary), TEMPORARY "%s", name);
    unlinkat(folder, temporary, 0);
    CLEANUP_CLOSE int fd =
        openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    int r = cr_write_full(fd, data, len);
    if (r == 0 && renameat(folder, temporary, folder, name) < 0)
        r = -errno;
    if (r < 0)
        unlinkat(folder, temporary, 0);
    return r;
}

int cr_packdisk_store(struct cr_packdisk *disk, const struct cr_id *name, const void *data,
                      size_t len)
{
    char hex[CR_ID_HEX];
    uint64_t need = (len + BLOCK - 1) / BLOCK * BLOCK;
    if (need > disk->max_bytes)
        return -EFBIG;
    pthread_mutex_lock(&disk->mutex);
    bool known = *kept_find(disk, name) != NULL;
    if (!known)
        room_make(disk, need);
    pthread_mutex_unlock(&disk->mutex);
    if (known)
        return 0;
    int r = file_write(disk->folder, cr_id_format(name, hex), data, len);
    if (r < 0)
        return r;
    pthread_mutex_lock(&disk->mutex);
    if (*kept_find(disk, name) == NULL)
        r = kept_add(disk, name, len, 0);
    room_make(disk, 0);
    pthread_mutex_unlock(&disk->mutex);
    return r;
}

void cr_packdisk_drop(struct cr_packdisk *disk, const struct cr_id *name)
{
    pthread_mutex_lock(&disk->mutex);
    kept_remove(disk, name);
    pthread_mutex_unlock(&disk->mutex);
}

uint64_t cr_packdisk_bytes(struct cr_packdisk *disk)
{
    pthread_mutex_lock(&disk->mutex);
    uint64_t bytes = disk->bytes;
    pthread_mutex_unlock(&disk->mutex);
    return bytes;
}
