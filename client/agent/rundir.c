/* SPDX-License-Identifier: MIT */
#include "client/agent/rundir.h"

#include "lib/base/fd.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>

#define CONTROL_SOCKET "control.sock"

static int default_path(char *out, size_t size, struct cr_error *err)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (geteuid() == 0)
        snprintf(out, size, "/run/carrel");
    else if (runtime != NULL && runtime[0] == '/')
        snprintf(out, size, "%.3000s/carrel", runtime);
    else
        return cr_error_set(err, -ENOENT,
                            "choosing a run folder: XDG_RUNTIME_DIR is not set; name one with "
                            "--run-dir");
    return 0;
}

/* The absolute form, which libvirt and the kernel's limit are about. */
static int path_resolve(const char *path, struct rundir *run, struct cr_error *err)
{
    char real[PATH_MAX];
    int r = cr_dir_make(AT_FDCWD, path, 0700);
    if (r == 0 && realpath(path, real) == NULL)
        r = -errno;
    if (r < 0)
        return cr_error_errno(err, r, "making the run folder '%s' (choose another with --run-dir)",
                              path);
    if (strlen(real) > RUNDIR_BYTES_MAX)
        return cr_error_set(err, -ENAMETOOLONG,
                            "using the run folder '%s': its path has %zu bytes and sockets leave "
                            "room for %u; choose a shorter one with --run-dir",
                            real, strlen(real), RUNDIR_BYTES_MAX);
    memcpy(run->path, real, strlen(real) + 1);
    return 0;
}

int rundir_open(const char *path, struct rundir *ret_run, struct cr_error *err)
{
    char chosen[PATH_MAX];
    char lock[PATH_MAX];
    struct rundir run = {.lock_fd = -1};

    int r = 0;
    if (path == NULL) {
        r = default_path(chosen, sizeof(chosen), err);
        path = chosen;
    }
    if (r == 0)
        r = path_resolve(path, &run, err);
    if (r < 0)
        return r;
    snprintf(lock, sizeof(lock), "%s/lock", run.path);
    CLEANUP_CLOSE int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return cr_error_errno(err, -errno, "locking the run folder '%s'", run.path);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK
                   ? cr_error_set(err, -EBUSY,
                                  "using the run folder '%s': another carrel-agent runs a desktop "
                                  "in it; stop that one or choose another with --run-dir",
                                  run.path)
                   : cr_error_errno(err, -errno, "locking the run folder '%s'", run.path);
    snprintf(run.nbd_socket, sizeof(run.nbd_socket), "%s/nbd.sock", run.path);
    snprintf(run.blockd_pidfile, sizeof(run.blockd_pidfile), "%s/blockd.pid", run.path);
    snprintf(run.vnc_socket, sizeof(run.vnc_socket), "%s/vnc.sock", run.path);
    snprintf(run.control_socket, sizeof(run.control_socket), "%s/" CONTROL_SOCKET, run.path);
    snprintf(run.libvirt, sizeof(run.libvirt), "%s/vm", run.path);
    run.lock_fd = TAKE_FD(fd);
    *ret_run = run;
    return 0;
}

int rundir_connect(const char *path, struct cr_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char chosen[PATH_MAX];
    int r = 0;
    if (path == NULL) {
        r = default_path(chosen, sizeof(chosen), err);
        path = chosen;
    }
    if (r < 0)
        return r;
    int n = snprintf(address.sun_path, sizeof(address.sun_path), "%s/" CONTROL_SOCKET, path);
    CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0 || n < 0 || (size_t)n >= sizeof(address.sun_path))
        return cr_error_errno(err, fd < 0 ? -errno : -ENAMETOOLONG, "using the run folder '%s'",
                              path);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return TAKE_FD(fd);
    return errno == ENOENT || errno == ECONNREFUSED
               ? cr_error_set(err, -ENOENT,
                              "no desktop runs in the run folder '%s'; start one with "
                              "'carrel-agent run', or name another folder with --run-dir",
                              path)
               : cr_error_errno(err, -errno, "asking the agent in the run folder '%s'", path);
}

void rundir_close(struct rundir *run)
{
    if (run->lock_fd >= 0)
        close(run->lock_fd);
    run->lock_fd = -1;
}
