/* SPDX-License-Identifier: MIT */
/*
 * What is condemned: a file marks/SPACE.NAME beside each such blob, which says in which generation
 * and when. Who makes a name appear takes the mark away first, and holds marks/.lock shared for
 * both steps; remove_marked holds it exclusively while it looks and removes. So a blob is removed
 * either before it was put again (and the put makes it anew) or not at all.
 *
 * Marks are not synced for their own sake. One that a power cut loses is set again by the next
 * collection; one that it damages reads as of no generation at all, which no lease has seen.
 */
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/store/dir_blobs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/file.h>
#include <sys/stat.h>

#define MARK_NAME_MAX (CR_BLOB_NAME_MAX + 16)
#define MARK_TEXT     80

/* "packs.HEX" */
static void mark_name(enum cr_space space, const char *name, char out[static MARK_NAME_MAX])
{
    snprintf(out, MARK_NAME_MAX, "%s.%s", cr_space_names[space], name);
}

/* Reverses mark_name; false for what is no mark's name. */
static bool mark_name_parse(const char *text, enum cr_space *ret_space, const char **ret_name)
{
    for (int i = 0; i < CR_SPACE_COUNT; i++) {
        size_t len = strlen(cr_space_names[i]);
        if (strncmp(text, cr_space_names[i], len) == 0 && text[len] == '.' &&
            text[len + 1] != '\0' && strlen(text + len + 1) <= CR_BLOB_NAME_MAX) {
            *ret_space = (enum cr_space)i;
            *ret_name = text + len + 1;
            return true;
        }
    }
    return false;
}

static int marks_open(struct dir_blobs *dir)
{
    int fd = openat(dir->root, "marks", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int dir_marks_lock(struct dir_blobs *dir, bool exclusive)
{
    const int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
    CLEANUP_CLOSE int fd = openat(dir->root, "marks/.lock", flags, 0644);
    if (fd < 0 && errno == ENOENT) {
        int r = cr_dir_make(dir->root, "marks", 0755);
        if (r < 0)
            return r;
        fd = openat(dir->root, "marks/.lock", flags, 0644);
    }
    if (fd < 0)
        return -errno;
    while (flock(fd, exclusive ? LOCK_EX : LOCK_SH) < 0)
        if (errno != EINTR)
            return -errno;
    return TAKE_FD(fd);
}

int dir_mark(struct cr_blobs *blobs, const struct cr_mark *mark, struct cr_error *err)
{
    struct dir_blobs *dir = dir_of(blobs);
    char name[MARK_NAME_MAX], text[MARK_TEXT];
    struct stat st;
    int space = dir_space(dir, mark->space, false);
    if (space < 0 || fstatat(space, mark->name, &st, 0) < 0)
        return dir_file_error(dir, space < 0 ? space : -errno, "marking", mark->space, mark->name,
                              err);
    CLEANUP_CLOSE int lock = dir_marks_lock(dir, false);
    if (lock < 0)
        return dir_folder_error(dir, lock, "locking", "marks", ".lock", err);
    mark_name(mark->space, mark->name, name);
    snprintf(text, sizeof(text), "generation %" PRIu64 "\nmarked_s %" PRId64 "\n", mark->generation,
             mark->marked_s);
    return dir_note_write(dir, "marks", name, text, err);
}

int dir_unmark(struct cr_blobs *blobs, enum cr_space space, const char *name, struct cr_error *err)
{
    struct dir_blobs *dir = dir_of(blobs);
    char file[MARK_NAME_MAX], path[MARK_NAME_MAX + 8];
    mark_name(space, name, file);
    snprintf(path, sizeof(path), "marks/%s", file);
    if (unlinkat(dir->root, path, 0) < 0 && errno != ENOENT)
        return dir_folder_error(dir, -errno, "removing", "marks", file, err);
    return 0;
}

/* A line "LABEL NUMBER"; *text then points behind it. */
static bool labelled_take(const char **text, const char *label, uint64_t max, uint64_t *ret_value)
{
    size_t len = strlen(label);
    if (strncmp(*text, label, len) != 0)
        return false;
    *text += len;
    return cr_u64_take(text, max, ret_value) == 0 && *(*text)++ == '\n';
}

/* Fill in generation and time from the mark's file. Returns 0 or -errno. */
static int mark_read(int marks, const char *file, struct cr_mark *mark)
{
    char text[MARK_TEXT];
    uint64_t marked_s = 0;
    CLEANUP_CLOSE int fd = openat(marks, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);
    if (n < 0)
        return -errno;
    text[n] = '\0';
    const char *at = text;
    if (!labelled_take(&at, "generation ", UINT64_MAX, &mark->generation) ||
        !labelled_take(&at, "marked_s ", INT64_MAX, &marked_s) || mark->generation == 0) {
        mark->generation = UINT64_MAX;
        marked_s = INT64_MAX;
    }
    mark->marked_s = (int64_t)marked_s;
    return 0;
}

struct mark_list {
    struct dir_blobs *dir;
    int marks;
    cr_mark_sink *sink;
    void *context;
    struct cr_error *err;
};

static int mark_tell(void *context, const char *file)
{
    struct mark_list *list = context;
    struct cr_mark mark;
    if (!mark_name_parse(file, &mark.space, &mark.name))
        return 0;
    int r = mark_read(list->marks, file, &mark);
    if (r == -ENOENT)
        return 0; /* taken away meanwhile */
    return r < 0 ? dir_folder_error(list->dir, r, "reading", "marks", file, list->err)
                 : list->sink(list->context, &mark);
}

int dir_marks(struct cr_blobs *blobs, cr_mark_sink *sink, void *context, struct cr_error *err)
{
    struct dir_blobs *dir = dir_of(blobs);
    CLEANUP_CLOSE int marks = marks_open(dir);
    if (marks == -ENOENT)
        return 0; /* nothing was ever condemned here */
    int again = marks < 0 ? marks : marks_open(dir);
    if (again < 0)
        return dir_folder_error(dir, again, "listing", "marks", ".", err);
    struct mark_list list = {
        .dir = dir, .marks = marks, .sink = sink, .context = context, .err = err};
    int r = dir_names(again, mark_tell, &list);
    return r < 0 && err != NULL && err->text[0] == '\0'
               ? dir_folder_error(dir, r, "listing", "marks", ".", err)
               : r;
}

int dir_remove_marked(struct cr_blobs *blobs, enum cr_space space, const char *name,
                      uint64_t generation, struct cr_error *err)
{
    struct dir_blobs *dir = dir_of(blobs);
    struct cr_mark mark = {.generation = 0};
    char file[MARK_NAME_MAX];
    CLEANUP_CLOSE int lock = dir_marks_lock(dir, true);
    CLEANUP_CLOSE int marks = lock < 0 ? lock : marks_open(dir);
    if (marks < 0)
        return dir_folder_error(dir, marks, "locking", "marks", ".lock", err);
    mark_name(space, name, file);
    int r = mark_read(marks, file, &mark);
    if (r < 0 && r != -ENOENT)
        return dir_folder_error(dir, r, "reading", "marks", file, err);
    if (r == -ENOENT || mark.generation != generation)
        return cr_error_set(err, -EAGAIN, "'%s/%s/%s' is not condemned any more", dir->path,
                            cr_space_names[space], name);
    int folder = dir_space(dir, space, false);
    /* First the blob: a mark without one harms nobody, a blob without its mark would be believed.
     */
    if (folder >= 0 && unlinkat(folder, name, 0) < 0 && errno != ENOENT)
        return dir_file_error(dir, -errno, "removing", space, name, err);
    if (unlinkat(marks, file, 0) < 0 && errno != ENOENT)
        return dir_folder_error(dir, -errno, "removing", "marks", file, err);
    return 0;
}
