/* SPDX-License-Identifier: MIT */
#include "lib/base/command.h"

#include "lib/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define STOP_PATIENCE_MS 5000
#define STOP_LOOK_MS     200 /* how often a run asks whether it shall stop */
#define LISTEN_FD_FIRST  3   /* where socket activation expects the first socket */

extern char **environ;

/* The variables of a child that differ from ours. The digits of its pid are filled in after fork.
 */
struct child_env {
    char **vector; /* owned; the strings are borrowed */
    char listen_pid[32];
};

static bool env_is_ours(const char *entry)
{
    return strncmp(entry, "LC_ALL=", 7) == 0 || strncmp(entry, "LISTEN_PID=", 11) == 0 ||
           strncmp(entry, "LISTEN_FDS=", 11) == 0 || strncmp(entry, "LISTEN_FDNAMES=", 15) == 0;
}

static int env_make(struct child_env *env, bool listens)
{
    static char lc_all[] = "LC_ALL=C", listen_fds[] = "LISTEN_FDS=1";
    size_t count = 0, used = 0;
    while (environ[count] != NULL)
        count++;
    env->vector = cr_calloc(count + 4, sizeof(char *));
    if (env->vector == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        if (!env_is_ours(environ[i]))
            env->vector[used++] = environ[i];
    env->vector[used++] = lc_all;
    if (listens) {
        memcpy(env->listen_pid, "LISTEN_PID=", 12);
        env->vector[used++] = env->listen_pid;
        env->vector[used++] = listen_fds;
    }
    return 0;
}

/* snprintf is not for the moment between fork and exec. */
static void env_fill_pid(struct child_env *env)
{
    char digits[24];
    size_t n = 0, at = strlen("LISTEN_PID=");
    for (unsigned long pid = (unsigned long)getpid(); n == 0 || pid > 0; pid /= 10)
        digits[n++] = (char)('0' + pid % 10);
    while (n > 0)
        env->listen_pid[at++] = digits[--n];
    env->listen_pid[at] = '\0';
}

/* Put `fds` at 0, 1, 2 (and 3): first out of the way of those numbers, then to their place. */
static int child_place_fds(const int *fds, int count)
{
    int high[4];
    for (int i = 0; i < count; i++) {
        high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 10);
        if (high[i] < 0)
            return -errno;
    }
    for (int i = 0; i < count; i++)
        if (dup2(high[i], i) < 0)
            return -errno;
    return 0;
}

static _Noreturn void child_run(const struct cr_command *command, struct child_env *env,
                                int null_fd, int status_fd, pid_t parent)
{
    const int fds[4] = {null_fd, command->stdout_fd >= 0 ? command->stdout_fd : null_fd,
                        command->stderr_fd >= 0 ? command->stderr_fd : null_fd, command->listen_fd};
    int status = fcntl(status_fd, F_DUPFD_CLOEXEC, 20);
    int r = child_place_fds(fds, command->listen_fd >= 0 ? LISTEN_FD_FIRST + 1 : LISTEN_FD_FIRST);
    if (r == 0) {
        sigset_t none;
        sigemptyset(&none);
        for (int s = 1; s < NSIG; s++)
            signal(s, SIG_DFL);
        sigprocmask(SIG_SETMASK, &none, NULL);
        setpgid(0, 0);
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent) /* it died before the prctl */
            _exit(127);
        if (command->listen_fd >= 0)
            env_fill_pid(env);
        /* exec takes char *const[] for the sake of old programs; it changes nothing. */
        union {
            const char *const *in;
            char *const *out;
        } argv = {.in = command->argv};
        execvpe(argv.out[0], argv.out, env->vector);
        r = -errno;
    }
    if (write(status, &r, sizeof(r)) < 0)
        _exit(126);
    _exit(127);
}

int cr_command_start(const struct cr_command *command, pid_t *ret_pid, struct cr_error *err)
{
    const char *name = command->argv[0];
    CLEANUP_FREE char **env_vector = NULL;
    struct child_env env = {0};
    int r = env_make(&env, command->listen_fd >= 0);
    if (r < 0)
        return cr_error_errno(err, r, "cannot start '%s'", name);
    env_vector = env.vector;

    CLEANUP_CLOSE int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    int status[2];
    if (null_fd < 0 || pipe2(status, O_CLOEXEC) < 0)
        return cr_error_errno(err, -errno, "cannot start '%s'", name);
    CLEANUP_CLOSE int status_read = status[0];
    CLEANUP_CLOSE int status_write = status[1];

    pid_t parent = getpid(), pid = fork();
    if (pid < 0)
        return cr_error_errno(err, -errno, "cannot start '%s'", name);
    if (pid == 0)
        child_run(command, &env, null_fd, status_write, parent);

    close(TAKE_FD(status_write));
    int child_error = 0;
    ssize_t n;
    while ((n = read(status_read, &child_error, sizeof(child_error))) < 0 && errno == EINTR)
        ;
    if (n != 0) { /* something was written: exec failed */
        cr_command_stop(pid);
        r = n == (ssize_t)sizeof(child_error) && child_error < 0 ? child_error : -EIO;
        if (r == -ENOENT)
            return cr_error_set(err, r, "cannot start '%s': the program is not installed", name);
        return cr_error_errno(err, r, "cannot start '%s'", name);
    }
    *ret_pid = pid;
    return 0;
}

static int command_wait(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void cr_command_stop(pid_t pid)
{
    if (pid <= 0)
        return;
    struct pollfd ended = {.fd = pidfd_open(pid, 0), .events = POLLIN};
    kill(pid, SIGTERM);
    if (ended.fd < 0 || poll(&ended, 1, STOP_PATIENCE_MS) != 1)
        kill(pid, SIGKILL);
    if (ended.fd >= 0)
        close(ended.fd);
    command_wait(pid);
}

/* Take what is there. Returns 1, 0 at the end of the stream, or -errno. */
static int stream_take(int fd, struct cr_buf *into, bool keep_all)
{
    char block[8192];
    ssize_t n = read(fd, block, sizeof(block));
    if (n < 0)
        return errno == EINTR || errno == EAGAIN ? 1 : -errno;
    if (n == 0)
        return 0;
    if (into == NULL)
        return 1;
    size_t room = into->max - into->len;
    if ((size_t)n > room && keep_all)
        return -EMSGSIZE;
    int r = cr_buf_append(into, block, (size_t)n > room ? room : (size_t)n);
    return r < 0 ? r : 1;
}

static int streams_collect(int out_fd, int message_fd, bool (*stop)(void), struct cr_buf *out,
                           struct cr_buf *messages)
{
    struct pollfd polled[2] = {{.fd = out_fd, .events = POLLIN},
                               {.fd = message_fd, .events = POLLIN}};
    struct cr_buf *into[2] = {out, messages};
    while (polled[0].fd >= 0 || polled[1].fd >= 0) {
        int ready = poll(polled, 2, stop != NULL ? STOP_LOOK_MS : -1);
        if (ready < 0 && errno != EINTR)
            return -errno;
        if (stop != NULL && stop())
            return -ECANCELED;
        for (int i = 0; ready > 0 && i < 2; i++) {
            if (polled[i].fd < 0 || polled[i].revents == 0)
                continue;
            int r = stream_take(polled[i].fd, into[i], i == 0);
            if (r < 0)
                return r;
            if (r == 0)
                polled[i].fd = -1; /* poll skips it */
        }
    }
    return 0;
}

int cr_command_run(const char *const *argv, struct cr_buf *out, struct cr_buf *messages,
                   int *ret_status, struct cr_error *err)
{
    return cr_command_run_until(argv, NULL, out, messages, ret_status, err);
}

int cr_command_run_until(const char *const *argv, bool (*stop)(void), struct cr_buf *out,
                         struct cr_buf *messages, int *ret_status, struct cr_error *err)
{
    int out_pipe[2], message_pipe[2];
    if (pipe2(out_pipe, O_CLOEXEC) < 0)
        return cr_error_errno(err, -errno, "cannot start '%s'", argv[0]);
    CLEANUP_CLOSE int out_read = out_pipe[0];
    CLEANUP_CLOSE int out_write = out_pipe[1];
    if (pipe2(message_pipe, O_CLOEXEC) < 0)
        return cr_error_errno(err, -errno, "cannot start '%s'", argv[0]);
    CLEANUP_CLOSE int message_read = message_pipe[0];
    CLEANUP_CLOSE int message_write = message_pipe[1];

    struct cr_command command = {
        .argv = argv, .stdout_fd = out_write, .stderr_fd = message_write, .listen_fd = -1};
    pid_t pid;
    int r = cr_command_start(&command, &pid, err);
    if (r < 0)
        return r;
    close(TAKE_FD(out_write));
    close(TAKE_FD(message_write));
    r = streams_collect(out_read, message_read, stop, out, messages);
    if (r == -ECANCELED) {
        cr_command_stop(pid);
        return cr_error_set(err, r, "'%s' was stopped", argv[0]);
    }
    if (r < 0) {
        cr_command_stop(pid);
        return cr_error_errno(err, r, "cannot read what '%s' prints", argv[0]);
    }
    r = command_wait(pid);
    if (r < 0)
        return cr_error_errno(err, r, "cannot wait for '%s'", argv[0]);
    *ret_status = r;
    return 0;
}
