/* SPDX-License-Identifier: MIT */
#include "client/agent/overlay.h"

#include "client/agent/shelf.h"
#include "client/agent/tool.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/image/head.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#define KEPT                "overlays-kept"
#define QEMU_IMG_TIMEOUT_MS 60000

/* --- folders ---------------------------------------------------------------------------------- */

/* Lock the folder at `path`, which becomes the overlay's. Returns 0, -EBUSY, or -errno. */
static int folder_take(struct overlay *overlay, const char *path)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? -EBUSY : -errno;
    overlay->lock_fd = TAKE_FD(fd);
    memmove(overlay->folder, path, strlen(path) + 1);
    if (overlay->options.keep != NULL)
        return 0; /* the file stands elsewhere */
    int n = snprintf(overlay->path, sizeof(overlay->path), "%s/" OVERLAY_FILE, path);
    return n < 0 || (size_t)n >= sizeof(overlay->path) ? -ENAMETOOLONG : 0;
}

static void folder_leave(struct overlay *overlay)
{
    if (overlay->lock_fd >= 0)
        close(overlay->lock_fd);
    overlay->lock_fd = -1;
    overlay->folder[0] = '\0';
}

/* Clear away the folders below overlays/ that no living session locks. The caller has the lock. */
static int leftovers_sweep(struct overlay *overlay, struct cr_error *err)
{
    const char *cache = overlay->options.cache;
    char path[PATH_MAX];
    int r = shelf_path(path, cache, "overlays", "", err);
    if (r < 0)
        return r;
    CLEANUP_CLOSEDIR DIR *dir = opendir(path);
    if (dir == NULL)
        return cr_error_errno(err, -errno, "looking for leftover overlays in '%s'", path);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] == '.' || shelf_path(path, cache, "overlays", entry->d_name, NULL) < 0)
            continue;
        CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
            continue;
        r = shelf_put(cache, path, overlay->options.keep_days, err);
        if (r < 0)
            return r;
        overlay->swept++;
    }
    return 0;
}

/* --- those that outlive their session --------------------------------------------------------- */

/* The folder of the owner's overlays. */
static int owner_path(const struct overlay_options *options, char *out, struct cr_error *err)
{
    char owner[CR_OVERLAY_OWNER_TEXT];
    return shelf_path(out, options->cache, KEPT, cr_overlay_owner(options->person, owner), err);
}

static int version_path(const struct overlay_options *options, const char *version, char *out,
                        struct cr_error *err)
{
    char owner[CR_OVERLAY_OWNER_TEXT], name[CR_OVERLAY_OWNER_TEXT + CR_OVERLAY_VERSION_TEXT];
    snprintf(name, sizeof(name), "%s/%s", cr_overlay_owner(options->person, owner), version);
    return shelf_path(out, options->cache, KEPT, name, err);
}

/*
 * Which version of the image does an overlay of this owner stand on? The one that was asked for by
 * its number, else the newest; *ret_version is "" when there is none.
 */
static int kept_find(const struct overlay_options *options, char ret_version[CR_REF_TEXT],
                     struct cr_error *err)
{
    char path[PATH_MAX];
    struct cr_ref asked, found;
    uint64_t newest = 0;
    ret_version[0] = '\0';
    int r = cr_ref_parse(options->image, &asked, err);
    if (r == 0)
        r = owner_path(options, path, err);
    if (r < 0)
        return r;
    CLEANUP_CLOSEDIR DIR *dir = opendir(path);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        if (cr_ref_parse(entry->d_name, &found, NULL) < 0 || strcmp(found.name, asked.name) != 0 ||
            found.number <= newest || (asked.number != 0 && asked.number != found.number))
            continue;
        newest = found.number;
        cr_ref_format(&found, ret_version);
    }
    return 0;
}

/* Lock the kept overlay at `path`, read its note. */
static int kept_take(struct overlay *overlay, const char *path, struct cr_error *err)
{
    char name[PATH_MAX];
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(CR_OVERLAY_NOTE_BYTES_MAX);
    int r = folder_take(overlay, path);
    if (r == -EBUSY)
        return cr_error_set(
            err, r, "opening the overlay '%s': another session uses it; stop that one", path);
    if (r == 0)
        r = shelf_path(name, path, OVERLAY_NOTE, "", err);
    if (r == 0)
        r = cr_file_read(AT_FDCWD, name, &text);
    if (r < 0)
        return cr_error_errno(err, r, "opening the overlay '%s'", path);
    return cr_overlay_note_parse(name, text.data, text.len, &overlay->note, err);
}

bool overlay_is_due(const struct overlay *overlay)
{
    struct tm made, now;
    time_t made_s = (time_t)overlay->note.made_s, now_s = time(NULL);
    return overlay->lock_fd >= 0 && localtime_r(&made_s, &made) != NULL &&
           localtime_r(&now_s, &now) != NULL &&
           cr_overlay_is_due(overlay->options.mode, &made, &now);
}

/* Overlays of other versions of the image, which the policy has end with a new one. */
static int others_drop(const struct overlay *overlay, const char *version, struct cr_error *err)
{
    char path[PATH_MAX], kept[CR_REF_TEXT];
    struct cr_ref ref;
    struct overlay_options options = overlay->options;
    int r = cr_ref_parse(version, &ref, err);
    options.image = ref.name;
    if (r == 0)
        r = kept_find(&options, kept, err);
    while (r == 0 && kept[0] != '\0' && strcmp(kept, version) != 0) {
        r = version_path(&options, kept, path, err);
        if (r == 0)
            r = shelf_put(options.cache, path, options.keep_days, err);
        if (r == 0)
            r = kept_find(&options, kept, err);
    }
    return r;
}

/* --- from open to close ----------------------------------------------------------------------- */

/* The two names that --overlay-keep needs must be free: nothing is ever overwritten. */
static int keep_check(const char *keep, const char *part, struct cr_error *err)
{
    struct stat st;
    if (lstat(keep, &st) == 0)
        return cr_error_set(err, -EEXIST,
                            "keeping the overlay as '%s': the file exists; move it away or choose "
                            "another name",
                            keep);
    if (lstat(part, &st) == 0)
        return cr_error_set(err, -EEXIST,
                            "keeping the overlay as '%s': '%s' was left by a session that did not "
                            "end well; move it away or remove it",
                            keep, part);
    return 0;
}

/* The overlay that the session is to go on with, unless its time is over. */
static int found_open(struct overlay *overlay, struct cr_error *err)
{
    char version[CR_REF_TEXT], path[PATH_MAX];
    struct cr_ref ref;
    int r = cr_ref_parse(overlay->options.image, &ref, err);
    if (r < 0 || !cr_overlay_outlives(overlay->options.mode))
        return r;
    /* With a policy that follows, which version is the newest must be known first. */
    if (overlay->options.update == CR_OVERLAY_RESET && ref.number == 0)
        return 0;
    r = kept_find(&overlay->options, version, err);
    if (r < 0 || version[0] == '\0')
        return r;
    r = version_path(&overlay->options, version, path, err);
    if (r == 0)
        r = kept_take(overlay, path, err);
    if (r < 0)
        return r;
    return overlay_is_due(overlay) ? overlay_drop(overlay, err) : 0;
}

int overlay_open(const struct overlay_options *options, struct overlay *ret_overlay,
                 struct cr_error *err)
{
    struct overlay overlay = {.options = *options, .lock_fd = -1};
    CLEANUP_CLOSE int lock = shelf_lock(options->cache, err);
    if (lock < 0)
        return lock;
    int r = leftovers_sweep(&overlay, err);
    if (r == 0)
        r = shelf_sweep(options->cache, options->keep_days, err);
    if (r == 0 && options->keep != NULL) {
        int n = snprintf(overlay.path, sizeof(overlay.path), "%s.part", options->keep);
        r = n < 0 || (size_t)n >= sizeof(overlay.path)
                ? cr_error_set(err, -ENAMETOOLONG, "keeping the overlay: the name is too long")
                : keep_check(options->keep, overlay.path, err);
    }
    cr_cleanup_close(&lock); /* found_open may take it again */
    lock = -1;
    if (r == 0 && options->keep == NULL)
        r = found_open(&overlay, err);
    if (r < 0)
        folder_leave(&overlay);
    else
        *ret_overlay = overlay;
    return r;
}

const char *overlay_version(const struct overlay *overlay)
{
    return overlay->lock_fd >= 0 ? overlay->note.version : NULL;
}

/* Run qemu-img to make the empty overlay in its folder. */
static int file_create(const struct overlay *overlay, const char *uri, uint64_t size_bytes,
                       struct cr_error *err)
{
    char size[24];
    char words[TOOL_WORDS_BYTES];
    int status = -1;
    struct stat st;

    if (lstat(overlay->path, &st) == 0)
        return cr_error_set(err, -EEXIST, "making the overlay '%s': it exists", overlay->path);
    snprintf(size, sizeof(size), "%" PRIu64, size_bytes);
    /* -u: the base is known to be there and its size is given, so qemu-img need not ask for it. */
    const char *const argv[] = {"qemu-img", "create", "-q", "-u", "-f",          "qcow2", "-F",
                                "raw",      "-b",     uri,  "--", overlay->path, size,    NULL};
    int r = tool_run(argv, QEMU_IMG_TIMEOUT_MS, &status, words, err);
    if (r < 0)
        return cr_error_prefix(err, r, "making the overlay '%s'", overlay->path);
    if (status != 0)
        return cr_error_set(err, -EIO, "making the overlay '%s': %s", overlay->path,
                            words[0] != '\0' ? words : "qemu-img failed and gave no reason");
    return 0;
}

static int note_write(const struct overlay *overlay, struct cr_error *err)
{
    char path[PATH_MAX];
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(CR_OVERLAY_NOTE_BYTES_MAX);
    int r = cr_overlay_note_format(&overlay->note, &text);
    if (r == 0)
        r = shelf_path(path, overlay->folder, OVERLAY_NOTE, "", err);
    if (r == 0)
        r = cr_file_replace(AT_FDCWD, path, text.data, text.len, 0600);
    return r < 0 ? cr_error_errno(err, r, "writing the note of the overlay '%s'", overlay->folder)
                 : 0;
}

/* Give the whole, durable overlay the name under which the next session finds it. */
static int name_give(struct overlay *overlay, struct cr_error *err)
{
    char path[PATH_MAX];
    int r = owner_path(&overlay->options, path, err);
    if (r < 0)
        return r;
    r = shelf_folder_make(path, err);
    if (r < 0)
        return r;
    CLEANUP_CLOSE int fd = open(overlay->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return cr_error_errno(err, -errno, "keeping the overlay in '%s'", path);
    r = version_path(&overlay->options, overlay->note.version, path, err);
    if (r < 0)
        return r;
    if (renameat2(AT_FDCWD, overlay->folder, AT_FDCWD, path, RENAME_NOREPLACE) < 0)
        return cr_error_errno(err, -errno, "keeping the overlay as '%s'", path);
    memcpy(overlay->folder, path, strlen(path) + 1);
    r = shelf_path(overlay->path, path, OVERLAY_FILE, "", err);
    return r < 0 ? r : shelf_sync_above(path, err);
}

/* A new, empty one. The caller has the lock. */
static int new_make(struct overlay *overlay, const char *uri, struct cr_error *err)
{
    char path[PATH_MAX];
    bool outlives = cr_overlay_outlives(overlay->options.mode) && overlay->options.keep == NULL;
    int r = shelf_path(path, overlay->options.cache, "overlays", "XXXXXX", err);
    if (r < 0)
        return r;
    if (mkdtemp(path) == NULL)
        return cr_error_errno(err, -errno, "making an overlay in '%s'", overlay->options.cache);
    r = folder_take(overlay, path);
    if (r < 0)
        return cr_error_errno(err, r, "locking the overlay '%s'", path);
    r = file_create(overlay, uri, overlay->note.disk_bytes, err);
    if (r == 0)
        r = note_write(overlay, err);
    return r == 0 && outlives ? name_give(overlay, err) : r;
}

/* May an overlay with this note be booted on `base`? */
static int note_compare(const struct overlay *overlay, const struct cr_overlay_note *base,
                        struct cr_error *err)
{
    const struct cr_overlay_note *note = &overlay->note;
    if (strcmp(note->version, base->version) == 0 && strcmp(note->root, base->root) == 0 &&
        note->disk_bytes == base->disk_bytes)
        return 0;
    return cr_error_set(
        err, -ESTALE,
        "opening the overlay '%s': it was made on '%s' with root %.16s and there is "
        "'%s' with root %.16s now; 'carrel-agent overlays export' saves it, then "
        "move the folder away",
        overlay->folder, note->version, note->root[0] != '\0' ? note->root : "?", base->version,
        base->root[0] != '\0' ? base->root : "?");
}

int overlay_begin(struct overlay *overlay, const struct cr_overlay_note *base, const char *uri,
                  struct cr_error *err)
{
    char path[PATH_MAX];
    if (overlay->lock_fd >= 0)
        return note_compare(overlay, base, err);
    CLEANUP_CLOSE int lock = shelf_lock(overlay->options.cache, err);
    if (lock < 0)
        return lock;
    int r = 0;
    if (cr_overlay_outlives(overlay->options.mode) && overlay->options.keep == NULL) {
        if (overlay->options.update == CR_OVERLAY_RESET)
            r = others_drop(overlay, base->version, err);
        if (r == 0)
            r = version_path(&overlay->options, base->version, path, err);
        if (r == 0 && access(path, F_OK) == 0) {
            r = kept_take(overlay, path, err);
            if (r == 0 && !overlay_is_due(overlay))
                return note_compare(overlay, base, err);
            if (r == 0)
                r = shelf_put(overlay->options.cache, path, overlay->options.keep_days, err);
            folder_leave(overlay);
        }
    }
    if (r < 0)
        return r;
    overlay->note = *base;
    overlay->note.made_s = (int64_t)time(NULL);
    snprintf(overlay->note.person, sizeof(overlay->note.person), "%s", overlay->options.person);
    return new_make(overlay, uri, err);
}

int overlay_drop(struct overlay *overlay, struct cr_error *err)
{
    if (overlay->lock_fd < 0)
        return 0;
    CLEANUP_CLOSE int lock = shelf_lock(overlay->options.cache, err);
    if (lock < 0)
        return lock;
    int r = shelf_put(overlay->options.cache, overlay->folder, overlay->options.keep_days, err);
    folder_leave(overlay);
    return r;
}

/* Rename the finished overlay to the name it is kept under, durably. */
static int overlay_keep(const struct overlay *overlay, struct cr_error *err)
{
    CLEANUP_CLOSE int fd = open(overlay->path, O_RDWR | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0; /* the session ended before it was made */
    if (fd < 0 || fsync(fd) < 0 ||
        renameat2(AT_FDCWD, overlay->path, AT_FDCWD, overlay->options.keep, RENAME_NOREPLACE) < 0)
        return cr_error_errno(err, -errno, "keeping the overlay '%s' as '%s'", overlay->path,
                              overlay->options.keep);
    return shelf_sync_above(overlay->options.keep, err);
}

int overlay_close(struct overlay *overlay, struct cr_error *err)
{
    int r = 0;
    if (overlay->lock_fd < 0)
        return 0;
    if (overlay->options.keep != NULL) {
        r = overlay_keep(overlay, err);
        int removed = cr_dir_remove(AT_FDCWD, overlay->folder);
        if (r == 0 && removed < 0)
            r = cr_error_errno(err, removed, "removing the folder '%s'", overlay->folder);
    } else if (!cr_overlay_outlives(overlay->options.mode)) {
        r = overlay_drop(overlay, err);
    }
    folder_leave(overlay);
    return r;
}

int overlay_base_format(const char *export, const char *socket, char *out, size_t out_size)
{
    size_t used = 0;
    const char *const parts[] = {"nbd+unix:///", export, "?socket=", socket};
    for (size_t i = 0; i < CR_ARRAY_LEN(parts); i++) {
        bool literal = i % 2 == 0;
        for (const unsigned char *p = (const unsigned char *)parts[i]; *p != '\0'; p++) {
            bool plain = literal || isalnum(*p) || strchr("-._~/@:", *p) != NULL;
            if (used + 4 > out_size)
                return -ENAMETOOLONG;
            used += (size_t)snprintf(out + used, out_size - used, plain ? "%c" : "%%%02X", *p);
        }
    }
    return 0;
}
