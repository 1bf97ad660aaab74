/* SPDX-License-Identifier: MIT */
/*
 * Run a program and kill it with SIGKILL as it is about to enter its N-th system call that changes
 * something outside the process (or of any kind with "all"), counted over all its threads. Its
 * children are left alone.
 *
 *   killat N changes|all [--hold] COMMAND [ARG ...]
 *
 * Exit status 137 when it was killed (the call's number goes to standard error), else the
 * program's own: then N is beyond its last call. With --hold it is not killed there but suspended,
 * all its threads, until SIGUSR1 comes to killat; the line on standard error tells that it stands.
 */
#include "lib/base/mem.h"
#include "lib/base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* Not a write that only wakes another thread of the same program. */
static bool leaves_the_program(pid_t thread, uint64_t fd)
{
    char link[64], what[32] = "";
    snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)thread, (int)fd);
    ssize_t len = readlink(link, what, sizeof(what) - 1);
    return len < 0 || (strncmp(what, "anon_inode:", 11) != 0 && strncmp(what, "pipe:", 5) != 0);
}

/* What can leave a trace that the next process sees. */
static bool changes_something(pid_t thread, const struct __ptrace_syscall_info *info)
{
    switch (info->entry.nr) {
    case SYS_write:
        return leaves_the_program(thread, info->entry.args[0]);
    case SYS_openat:
        return (info->entry.args[2] & (O_CREAT | O_TRUNC)) != 0;
    case SYS_pwrite64:
    case SYS_writev:
    case SYS_pwritev:
    case SYS_sendmsg:
    case SYS_sendto:
    case SYS_mkdir:
    case SYS_mkdirat:
    case SYS_rmdir:
    case SYS_unlink:
    case SYS_unlinkat:
    case SYS_rename:
    case SYS_renameat:
    case SYS_renameat2:
    case SYS_linkat:
    case SYS_ftruncate:
    case SYS_fallocate:
    case SYS_fsync:
    case SYS_fdatasync:
    case SYS_syncfs:
    case SYS_flock:
    case SYS_close:
        return true;
    default:
        return false;
    }
}

/*
 * Suspend it: whichever thread comes to a system call stops there, and none is let go until the
 * signal comes.
 */
static void hold(const sigset_t *until)
{
    int came;
    sigwait(until, &came);
}

/*
 * Follow the program until its end. Each system call stops a thread twice; PTRACE_GET_SYSCALL_INFO
 * tells entry from exit. `until` ends a hold; NULL to kill.
 */
static int follow(pid_t leader, uint64_t kill_at, bool all, const sigset_t *until)
{
    uint64_t count = 0;
    for (;;) {
        int status;
        pid_t thread = waitpid(-1, &status, __WALL);
        if (thread < 0)
            return 1;
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (thread != leader)
                continue;
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
        int deliver = 0;
        if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
            struct __ptrace_syscall_info info;
            long n = ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof(info), &info);
            if (n > 0 && info.op == PTRACE_SYSCALL_INFO_ENTRY &&
                (all || changes_something(thread, &info)) && ++count == kill_at) {
                fprintf(stderr, "killat: system call %llu\n", (unsigned long long)info.entry.nr);
                if (until == NULL) {
                    kill(leader, SIGKILL);
                    continue;
                }
                hold(until);
            }
        } else if (status >> 16 == 0 && WSTOPSIG(status) != SIGSTOP &&
                   WSTOPSIG(status) != SIGTRAP) {
            deliver = WSTOPSIG(status); /* not ptrace's own stops: exec, a new thread */
        }
        ptrace(PTRACE_SYSCALL, thread, NULL, (void *)(intptr_t)deliver);
    }
}

int main(int argc, char **argv)
{
    uint64_t kill_at;
    bool holds = argc > 3 && strcmp(argv[3], "--hold") == 0;
    char **command = argv + (holds ? 4 : 3);
    if (argc < 4 || *command == NULL || cr_u64_parse(argv[1], UINT64_MAX, &kill_at) < 0) {
        fprintf(stderr, "usage: killat N changes|all [--hold] COMMAND [ARG ...]\n");
        return 2;
    }
    sigset_t until;
    sigemptyset(&until);
    sigaddset(&until, SIGUSR1);
    pid_t child = fork();
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        execvp(*command, command);
        perror(*command);
        _exit(127);
    }
    sigprocmask(SIG_BLOCK, &until, NULL);
    int status;
    if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFSTOPPED(status)) {
        perror("killat");
        return 2;
    }
    /* Threads are followed; what posix_spawn or fork starts is not. */
    ptrace(PTRACE_SETOPTIONS, child, NULL,
           (void *)(intptr_t)(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL));
    ptrace(PTRACE_SYSCALL, child, NULL, NULL);
    return follow(child, kill_at, strcmp(argv[2], "all") == 0, holds ? &until : NULL);
}
