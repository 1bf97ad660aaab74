/* SPDX-License-Identifier: MIT */
#include "lib/base/fd.h"

#include "lib/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int cr_pread_full(int fd, void *data, size_t len, uint64_t offset)
{
    uint8_t *out = data;
    while (len > 0) {
        ssize_t n = pread(fd, out, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -ENODATA;
        out += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

int cr_pwrite_full(int fd, const void *data, size_t len, uint64_t offset)
{
    const uint8_t *in = data;
    while (len > 0) {
        ssize_t n = pwrite(fd, in, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        in += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

int cr_write_full(int fd, const void *data, size_t len)
{
    const uint8_t *in = data;
    while (len > 0) {
        ssize_t n = write(fd, in, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        in += n;
        len -= (size_t)n;
    }
    return 0;
}

int cr_file_read(int dir_fd, const char *path, struct cr_buf *buf)
{
    CLEANUP_CLOSE int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
    if ((uint64_t)st.st_size > buf->max)
        return -EMSGSIZE;
    int r = cr_buf_reserve(buf, (size_t)st.st_size);
    if (r < 0)
        return r;
    r = cr_pread_full(fd, buf->data, (size_t)st.st_size, 0);
    if (r < 0)
        return r;
    buf->len = (size_t)st.st_size;
    return 0;
}

/* The folder part of `path`, "." when there is none. */
static int folder_of(const char *path, char *out, size_t out_size)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 1 : slash == path ? 1 : (size_t)(slash - path);
    if (len >= out_size)
        return -ENAMETOOLONG;
    memcpy(out, slash == NULL ? "." : path, len);
    out[len] = '\0';
    return 0;
}

int cr_dir_fsync(int dir_fd, const char *path)
{
    CLEANUP_CLOSE int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    return fsync(fd) < 0 ? -errno : 0;
}

int cr_file_replace(int dir_fd, const char *path, const void *data, size_t len, mode_t mode)
{
    char temporary[PATH_MAX];
    char folder[PATH_MAX];
    int r = folder_of(path, folder, sizeof(folder));
    if (r < 0)
        return r;
    int need = snprintf(temporary, sizeof(temporary), "%s.new%d", path, (int)getpid());
    if (need < 0 || (size_t)need >= sizeof(temporary))
        return -ENAMETOOLONG;
    CLEANUP_CLOSE int fd =
        openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return -errno;
    r = cr_write_full(fd, data, len);
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    if (r == 0 && renameat(dir_fd, temporary, dir_fd, path) < 0)
        r = -errno;
    if (r < 0) {
        unlinkat(dir_fd, temporary, 0);
        return r;
    }
    return cr_dir_fsync(dir_fd, folder);
}

int cr_dir_make(int dir_fd, const char *path, mode_t mode)
{
    char partial[PATH_MAX];
    size_t len = strlen(path);
    if (len >= sizeof(partial))
        return -ENAMETOOLONG;
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(partial, path, i);
        partial[i] = '\0';
        if (mkdirat(dir_fd, partial, mode) < 0 && errno != EEXIST)
            return -errno;
    }
    struct stat st;
    if (fstatat(dir_fd, path, &st, 0) < 0)
        return -errno;
    return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int cr_dir_remove(int dir_fd, const char *path)
{
    int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    CLEANUP_CLOSEDIR DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        int r = -errno;
        close(fd);
        return r;
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlinkat(fd, entry->d_name, 0) == 0)
            continue;
        if (errno != EISDIR && errno != EPERM)
            return -errno;
        int r = cr_dir_remove(fd, entry->d_name);
        if (r < 0)
            return r;
    }
    return unlinkat(dir_fd, path, AT_REMOVEDIR) < 0 ? -errno : 0;
}
