/* SPDX-License-Identifier: MIT */
#include "client/agent/layers.h"

#include "client/agent/disk.h"
#include "client/agent/tool.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <sys/file.h>

#define QEMU_IMG_TIMEOUT_MS 60000
#define MERGE_TIMEOUT_MS    600000
#define PREFIX              "carrel-layer-"

static int file_of(const char *folder, char *out)
{
    int n = snprintf(out, PATH_MAX, "%s/" OVERLAY_FILE, folder);
    return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

const char *layers_top(const struct layers *layers, const struct overlay *overlay, char *out)
{
    if (layers->count == 0 || file_of(layers->folders[layers->count - 1], out) < 0)
        return overlay->path;
    return out;
}

void layers_sweep(const char *place)
{
    CLEANUP_CLOSEDIR DIR *dir = opendir(place);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0)
            continue;
        CLEANUP_CLOSE int fd =
            openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
            cr_dir_remove(dirfd(dir), entry->d_name);
    }
}

static int file_make(const char *path, uint64_t size_bytes, struct cr_error *err)
{
    char size[24], words[TOOL_WORDS_BYTES];
    int status = -1;
    snprintf(size, sizeof(size), "%" PRIu64, size_bytes);
    const char *const argv[] = {"qemu-img", "create", "-q", "-f", "qcow2", "--", path, size, NULL};
    int r = tool_run(argv, QEMU_IMG_TIMEOUT_MS, &status, words, err);
    return r == 0 && status != 0 ? cr_error_set(err, -EIO, "making '%s': %s", path, words) : r;
}

int layers_add(struct layers *layers, const struct overlay *overlay, struct vm *vm,
               const char *place, struct cr_error *err)
{
    char file[PATH_MAX];
    char *folder = layers->folders[layers->count];
    if (layers->count == LAYERS_MAX)
        return cr_error_set(err, -ENOSPC, "moving the overlay on: it was moved %d times already",
                            LAYERS_MAX);
    int r = cr_dir_make(AT_FDCWD, place, 0700);
    if (r < 0)
        return cr_error_errno(err, r, "making '%s'", place);
    int n = snprintf(folder, PATH_MAX, "%s/" PREFIX "XXXXXX", place);
    if (n < 0 || n >= PATH_MAX || mkdtemp(folder) == NULL)
        return cr_error_errno(err, n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : -errno,
                              "making a folder in '%s'", place);
    CLEANUP_CLOSE int lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0)
        r = cr_error_errno(err, -errno, "locking '%s'", folder);
    if (r == 0)
        r = file_of(folder, file);
    if (r == 0)
        r = file_make(file, overlay->note.disk_bytes, err);
    if (r == 0)
        r = disk_add_layer(vm, overlay->path, layers->count, file, err);
    if (r < 0) {
        cr_dir_remove(AT_FDCWD, folder);
        return r;
    }
    layers->locks[layers->count++] = TAKE_FD(lock);
    return 0;
}

/* Bring the clusters of `from` down into `into`, neither of whose bases is needed for that. */
static int file_merge(const char *from, const char *into, struct cr_error *err)
{
    char words[TOOL_WORDS_BYTES];
    int status = -1;
    json_t *shape = json_pack("{s:s, s:{s:s, s:s}, s:{s:s, s:n, s:{s:s, s:s}}}", "driver", "qcow2",
                              "file", "driver", "file", "filename", from, "backing", "driver",
                              "qcow2", "backing", "file", "driver", "file", "filename", into);
    CLEANUP_FREE char *text = shape != NULL ? json_dumps(shape, JSON_COMPACT) : NULL;
    CLEANUP_FREE char *name = NULL;
    json_decref(shape);
    if (text == NULL || asprintf(&name, "json:%s", text) < 0)
        return cr_error_errno(err, -ENOMEM, "bringing the overlay together");
    const char *const argv[] = {"qemu-img", "commit", "-q", "-d", name, NULL};
    int r = tool_run(argv, MERGE_TIMEOUT_MS, &status, words, err);
    return r == 0 && status != 0
               ? cr_error_set(err, -EIO, "bringing the overlay together in '%s': %s", into, words)
               : r;
}

int layers_end(struct layers *layers, const struct overlay *overlay, bool merge,
               struct cr_error *err)
{
    int result = 0;
    /* From the lowest: what a later one holds of the same place takes its place in the end. */
    for (unsigned i = 0; i < layers->count; i++) {
        char from[PATH_MAX];
        int r = file_of(layers->folders[i], from);
        if (merge && result == 0)
            result = r < 0 ? r : file_merge(from, overlay->path, err);
        cr_dir_remove(AT_FDCWD, layers->folders[i]);
        close(layers->locks[i]);
    }
    layers->count = 0;
    return result;
}
