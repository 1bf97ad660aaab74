/* SPDX-License-Identifier: MIT */
#include "client/agent/shelf.h"

#include "client/agent/overlay.h"
#include "client/agent/tool.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#define SHELF           "overlays-last"
#define ON_SHELF_MAX    256U
#define COPY_TIMEOUT_MS 3600000
#define DAY_S           86400

/* A qcow2 file that was made and never written to is smaller: its tables alone. */
#define UNTOUCHED_BYTES (256U * 1024)

int shelf_path(char *out, const char *cache, const char *folder, const char *name,
               struct cr_error *err)
{
    int n = snprintf(out, PATH_MAX, "%s/%s%s%s", cache, folder, name[0] != '\0' ? "/" : "", name);
    return n < 0 || n >= PATH_MAX
               ? cr_error_set(err, -ENAMETOOLONG, "using the cache '%s': the name is too long",
                              cache)
               : 0;
}

int shelf_sync_above(const char *path, struct cr_error *err)
{
    char above[PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(above, sizeof(above), "%.*s", slash != NULL ? (int)(slash - path) + 1 : 1,
             slash != NULL ? path : ".");
    int r = cr_dir_fsync(AT_FDCWD, above);
    return r < 0 ? cr_error_errno(err, r, "making '%s' durable", above) : 0;
}

int shelf_folder_make(const char *path, struct cr_error *err)
{
    char above[PATH_MAX];
    if (access(path, F_OK) == 0)
        return 0;
    int r = cr_dir_make(AT_FDCWD, path, 0700);
    if (r < 0)
        return cr_error_errno(err, r, "making '%s'", path);
    snprintf(above, sizeof(above), "%s", path);
    r = shelf_sync_above(path, err);
    char *slash = strrchr(above, '/');
    if (slash != NULL)
        *slash = '\0';
    return r < 0 ? r : shelf_sync_above(above, err);
}

int shelf_lock(const char *cache, struct cr_error *err)
{
    char path[PATH_MAX];
    int r = shelf_path(path, cache, "overlays", "", err);
    if (r < 0)
        return r;
    r = cr_dir_make(AT_FDCWD, path, 0700);
    if (r == 0 && access(path, W_OK | X_OK) < 0)
        r = -errno;
    if (r < 0)
        return cr_error_errno(err, r,
                              "opening the cache '%s' for writing (choose another with --cache, or "
                              "change its owner)",
                              cache);
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX) < 0)
        return cr_error_errno(err, -errno, "locking '%s'", path);
    return TAKE_FD(fd);
}

/* --- putting and removing --------------------------------------------------------------------- */

static bool is_untouched(const char *folder)
{
    char path[PATH_MAX + 32];
    struct stat st;
    snprintf(path, sizeof(path), "%s/" OVERLAY_FILE, folder);
    return stat(path, &st) < 0 || (uint64_t)st.st_blocks * 512 <= UNTOUCHED_BYTES;
}

int shelf_put(const char *cache, const char *folder, unsigned keep_days, struct cr_error *err)
{
    char place[PATH_MAX];
    int r = 0;
    if (keep_days == 0 || is_untouched(folder)) {
        r = cr_dir_remove(AT_FDCWD, folder);
        return r < 0 ? cr_error_errno(err, r, "removing the overlay '%s'", folder) : 0;
    }
    r = shelf_path(place, cache, SHELF, "", err);
    if (r < 0)
        return r;
    r = shelf_folder_make(place, err);
    if (r == 0)
        r = shelf_path(place, cache, SHELF, "XXXXXX", err);
    if (r < 0)
        return r;
    /* A folder may replace an empty one: the name is ours from here on. */
    if (mkdtemp(place) == NULL || rename(folder, place) < 0)
        return cr_error_errno(err, -errno, "putting the overlay '%s' aside", folder);
    r = shelf_sync_above(place, err);
    return r < 0 ? r : shelf_sync_above(folder, err);
}

/* One overlay that is on the shelf or kept. */
struct entry {
    char id[CR_OVERLAY_OWNER_TEXT + CR_OVERLAY_VERSION_TEXT];
    char path[PATH_MAX]; /* of its folder */
    int64_t written_s;   /* 0 = there is no file */
    uint64_t bytes;
    bool kept;
    bool noted; /* the note could be read */
    struct cr_overlay_note note;
};

static void entry_read(struct entry *entry)
{
    char path[PATH_MAX + 32];
    struct stat st;
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(CR_OVERLAY_NOTE_BYTES_MAX);
    snprintf(path, sizeof(path), "%s/" OVERLAY_FILE, entry->path);
    if (stat(path, &st) == 0) {
        entry->written_s = st.st_mtim.tv_sec;
        entry->bytes = (uint64_t)st.st_blocks * 512;
    }
    snprintf(path, sizeof(path), "%s/" OVERLAY_NOTE, entry->path);
    entry->noted = cr_file_read(AT_FDCWD, path, &text) == 0 &&
                   cr_overlay_note_parse(path, text.data, text.len, &entry->note, NULL) == 0;
}

/* The overlays in the folder `path`, at most `max`, into `entries`; their ids begin with `prefix`.
 * A folder that is not there has none. */
static unsigned entries_read(const char *path, const char *prefix, bool kept, struct entry *entries,
                             unsigned max)
{
    CLEANUP_CLOSEDIR DIR *dir = opendir(path);
    unsigned count = 0;
    for (struct dirent *found; dir != NULL && count < max && (found = readdir(dir)) != NULL;) {
        struct entry *entry = &entries[count];
        if (found->d_name[0] == '.')
            continue;
        *entry = (struct entry){.kept = kept};
        int n = snprintf(entry->path, sizeof(entry->path), "%s/%s", path, found->d_name);
        int m = snprintf(entry->id, sizeof(entry->id), "%s%s", prefix, found->d_name);
        if (n < 0 || (size_t)n >= sizeof(entry->path) || m < 0 || (size_t)m >= sizeof(entry->id))
            continue;
        entry_read(entry);
        count++;
    }
    return count;
}

static int by_time(const void *a, const void *b)
{
    const struct entry *one = a, *other = b;
    return (one->written_s > other->written_s) - (one->written_s < other->written_s);
}

/* What is on the shelf, the oldest first. The caller frees *ret_entries. */
static int shelf_read(const char *cache, struct entry **ret_entries, unsigned *ret_count,
                      struct cr_error *err)
{
    char path[PATH_MAX];
    int r = shelf_path(path, cache, SHELF, "", err);
    if (r < 0)
        return r;
    struct entry *entries = cr_calloc(ON_SHELF_MAX, sizeof(*entries));
    if (entries == NULL)
        return cr_error_errno(err, -ENOMEM, "reading '%s'", path);
    *ret_count = entries_read(path, "", false, entries, ON_SHELF_MAX);
    qsort(entries, *ret_count, sizeof(*entries), by_time);
    *ret_entries = entries;
    return 0;
}

static int entry_remove(const struct entry *entry, struct cr_error *err)
{
    int r = cr_dir_remove(AT_FDCWD, entry->path);
    return r < 0 && r != -ENOENT
               ? cr_error_errno(err, r, "removing the old overlay '%s'", entry->path)
               : 0;
}

int shelf_sweep(const char *cache, unsigned keep_days, struct cr_error *err)
{
    CLEANUP_FREE struct entry *entries = NULL;
    unsigned count = 0;
    int64_t now = time(NULL);
    int r = shelf_read(cache, &entries, &count, err);
    for (unsigned i = 0; r == 0 && i < count; i++) {
        bool too_many = count - i > CR_OVERLAYS_LAST_MAX;
        if (too_many || now - entries[i].written_s >= (int64_t)keep_days * DAY_S)
            r = entry_remove(&entries[i], err);
    }
    return r;
}

int shelf_drop_oldest(const char *cache, bool *ret_removed, struct cr_error *err)
{
    CLEANUP_FREE struct entry *entries = NULL;
    unsigned count = 0;
    int r = shelf_read(cache, &entries, &count, err);
    if (r < 0 || count == 0) {
        *ret_removed = false;
        return r;
    }
    *ret_removed = true;
    return entry_remove(&entries[0], err);
}

/* --- for people ------------------------------------------------------------------------------- */

/* Those on the shelf, then those kept. The caller frees *ret_entries. */
static int all_read(const char *cache, struct entry **ret_entries, unsigned *ret_count,
                    struct cr_error *err)
{
    char path[PATH_MAX];
    int r = shelf_read(cache, ret_entries, ret_count, err);
    if (r == 0)
        r = shelf_path(path, cache, "overlays-kept", "", err);
    if (r < 0)
        return r;
    CLEANUP_CLOSEDIR DIR *dir = opendir(path);
    for (struct dirent *owner; dir != NULL && (owner = readdir(dir)) != NULL;) {
        char below[PATH_MAX], prefix[NAME_MAX + 2];
        if (owner->d_name[0] == '.' ||
            shelf_path(below, cache, "overlays-kept", owner->d_name, NULL) < 0)
            continue;
        snprintf(prefix, sizeof(prefix), "%s/", owner->d_name);
        *ret_count +=
            entries_read(below, prefix, true, *ret_entries + *ret_count, ON_SHELF_MAX - *ret_count);
    }
    return 0;
}

static json_t *entry_json(const struct entry *entry)
{
    return json_pack("{s:s, s:b, s:s*, s:s*, s:I, s:I}", "id", entry->id, "kept", entry->kept,
                     "version", entry->noted ? entry->note.version : NULL, "person",
                     entry->note.person[0] != '\0' ? entry->note.person : NULL, "written_s",
                     (json_int_t)entry->written_s, "bytes", (json_int_t)entry->bytes);
}

static void entry_print(const struct entry *entry)
{
    char size[CR_BYTES_TEXT], when[32] = "?";
    struct tm local;
    time_t written = (time_t)entry->written_s;
    if (localtime_r(&written, &local) != NULL)
        strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &local);
    printf("%-24s %-5s %-20s %s %10s  %s\n", entry->id, entry->kept ? "kept" : "last",
           entry->noted ? entry->note.version : "?", when,
           cr_bytes_format(entry->bytes, size, sizeof(size)),
           entry->note.person[0] != '\0' ? entry->note.person : "seat");
}

int shelf_list(const char *cache, bool as_json, struct cr_error *err)
{
    CLEANUP_FREE struct entry *entries = NULL;
    unsigned count = 0;
    int r = all_read(cache, &entries, &count, err);
    if (r < 0)
        return r;
    json_t *list = json_array();
    for (unsigned i = 0; i < count; i++) {
        if (as_json)
            json_array_append_new(list, entry_json(&entries[i]));
        else
            entry_print(&entries[i]);
    }
    if (as_json) {
        json_dumpf(list, stdout, JSON_COMPACT);
        putchar('\n');
    }
    json_decref(list);
    return 0;
}

static int entry_take(const struct entry *entry, const char *what, char *path, int *ret_lock,
                      struct cr_error *err)
{
    CLEANUP_CLOSE int lock = open(entry->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock < 0 || flock(lock, LOCK_SH | LOCK_NB) < 0)
        return cr_error_set(err, -EBUSY,
                            "%s the overlay '%s': a running desktop uses it; stop that one", what,
                            entry->id);
    int r = shelf_path(path, entry->path, OVERLAY_FILE, "", err);
    if (r == 0)
        *ret_lock = TAKE_FD(lock);
    return r;
}

int shelf_take(const char *cache, const char *id, const char *what, char *path, int *ret_lock,
               struct cr_error *err)
{
    CLEANUP_FREE struct entry *entries = NULL;
    unsigned count = 0;
    int r = all_read(cache, &entries, &count, err);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < count; i++)
        if (strcmp(entries[i].id, id) == 0)
            return entry_take(&entries[i], what, path, ret_lock, err);
    return cr_error_set(err, -ENOENT,
                        "%s the overlay '%s': there is none; 'carrel-agent overlays ls' tells "
                        "those that are",
                        what, id);
}

int shelf_export(const char *cache, const char *id, const char *file, struct cr_error *err)
{
    CLEANUP_CLOSE int lock = -1;
    char from[PATH_MAX], words[TOOL_WORDS_BYTES];
    struct stat st;
    int status = -1;
    int r = shelf_take(cache, id, "exporting", from, &lock, err);
    if (r < 0)
        return r;
    if (lstat(file, &st) == 0)
        return cr_error_set(err, -EEXIST,
                            "exporting the overlay '%s' to '%s': the file exists; choose another "
                            "name",
                            id, file);
    const char *const argv[] = {
        "cp", "--sparse=always", "--reflink=auto", "--no-clobber", "--", from, file, NULL};
    r = tool_run(argv, COPY_TIMEOUT_MS, &status, words, err);
    if (r == 0 && status != 0)
        return cr_error_set(err, -EIO, "exporting the overlay '%s': %s", id, words);
    return r < 0 ? cr_error_prefix(err, r, "exporting the overlay '%s'", id) : 0;
}
