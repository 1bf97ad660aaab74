/* SPDX-License-Identifier: MIT */
#include "client/agent/tool.h"

#include "client/agent/clock.h"
#include "lib/base/command.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

int process_open(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    return fd < 0 ? -errno : fd;
}

int process_wait(int pidfd, int timeout_ms)
{
    int64_t deadline = clock_now_ms() + timeout_ms;
    for (;;) {
        struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};
        int n = poll(&poll_fd, 1, clock_left_ms(deadline));
        if (n > 0)
            return 0;
        if (n == 0)
            return -ETIMEDOUT;
        if (errno != EINTR)
            return -errno;
    }
}

/* The last line that is not empty of the file `fd`, at most TOOL_WORDS_BYTES - 1 of it. */
static void last_line_read(int fd, char *words)
{
    char tail[TOOL_WORDS_BYTES];
    off_t end = lseek(fd, 0, SEEK_END);
    off_t start = end > (off_t)sizeof(tail) - 1 ? end - ((off_t)sizeof(tail) - 1) : 0;
    ssize_t n = pread(fd, tail, sizeof(tail) - 1, start);
    if (n < 0)
        n = 0;
    while (n > 0 && (tail[n - 1] == '\n' || tail[n - 1] == '\r'))
        n--;
    tail[n] = '\0';
    const char *newline = strrchr(tail, '\n');
    const char *line = newline != NULL ? newline + 1 : tail;
    memcpy(words, line, strlen(line) + 1);
}

int tool_run(const char *const argv[], int timeout_ms, int *ret_status, char *words,
             struct cr_error *err)
{
    pid_t pid = -1;
    int status = 0;

    words[0] = '\0';
    /* A file rather than a pipe: whatever inherits it cannot keep us waiting for its end. */
    CLEANUP_CLOSE int output = memfd_create("output", MFD_CLOEXEC);
    if (output < 0)
        return cr_error_errno(err, -errno, "running '%s'", argv[0]);
    const struct cr_command command = {
        .argv = argv, .stdout_fd = output, .stderr_fd = output, .listen_fd = -1};
    int r = cr_command_start(&command, &pid, err);
    if (r < 0)
        return r;
    CLEANUP_CLOSE int pidfd = process_open(pid);
    r = pidfd < 0 ? pidfd : process_wait(pidfd, timeout_ms);
    if (r < 0)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    last_line_read(output, words);
    if (r < 0)
        return cr_error_set(err, r, "running '%s': no end after %d s", argv[0], timeout_ms / 1000);
    *ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return 0;
}

const char *tool_beside(const char *name, char *path, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", path, size);
    if (n <= 0 || (size_t)n >= size)
        return name;
    path[n] = '\0';
    char *slash = strrchr(path, '/');
    if (slash == NULL || (size_t)(slash + 1 - path) + strlen(name) + 1 > size)
        return name;
    memcpy(slash + 1, name, strlen(name) + 1);
    return access(path, X_OK) == 0 ? path : name;
}
