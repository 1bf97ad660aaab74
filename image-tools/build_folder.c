/* SPDX-License-Identifier: MIT */
#include "image-tools/build_folder.h"

#include "lib/base/fd.h"
#include "lib/base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

/* Whoever builds holds a lock on this file of the build's folder. */
#define LOCK_NAME     "lock"
#define FOLDER_PREFIX "carrel-build-"
#define YOUNG_SECONDS 60 /* a folder may be so new that its lock is not taken yet */

/* Remove what a build that was killed has left in `parent`: its layers may be large. */
static void folders_sweep(const char *parent)
{
    CLEANUP_CLOSEDIR DIR *dir = opendir(parent);
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char path[PATH_MAX];
        struct stat st;
        if (strncmp(entry->d_name, FOLDER_PREFIX, strlen(FOLDER_PREFIX)) != 0 ||
            snprintf(path, sizeof(path), "%.3800s/%s/" LOCK_NAME, parent, entry->d_name) >=
                PATH_MAX)
            continue;
        CLEANUP_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 || fstat(fd, &st) < 0 || st.st_uid != geteuid() ||
            time(NULL) - st.st_mtime < YOUNG_SECONDS || flock(fd, LOCK_EX | LOCK_NB) < 0)
            continue;
        cr_dir_remove(dirfd(dir), entry->d_name);
    }
}

static int folder_lock(struct build_folder *folder, struct cr_error *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%.4000s/" LOCK_NAME, folder->path);
    folder->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (folder->lock_fd < 0 || flock(folder->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return cr_error_errno(err, -errno, "cannot lock '%s'", path);
    return 0;
}

const char *build_folder_parent(void)
{
    const char *parent = getenv("TMPDIR");
    return parent != NULL && parent[0] == '/' ? parent : "/var/tmp";
}

int build_folder_make(struct build_folder *folder, struct cr_error *err)
{
    const char *parent = build_folder_parent();
    folders_sweep(parent);
    int n = snprintf(folder->path, sizeof(folder->path), "%s/" FOLDER_PREFIX "XXXXXX", parent);
    if (n >= PATH_MAX - 64 || mkdtemp(folder->path) == NULL) {
        folder->path[0] = '\0';
        return cr_error_errno(err, -errno, "cannot make a folder for the build in '%s'", parent);
    }
    return folder_lock(folder, err);
}

void build_folder_remove(struct build_folder *folder)
{
    if (folder->path[0] != '\0')
        cr_dir_remove(AT_FDCWD, folder->path);
    if (folder->lock_fd >= 0)
        close(folder->lock_fd);
    *folder = (struct build_folder)BUILD_FOLDER_INIT;
}
