/* SPDX-License-Identifier: MIT */
#include "client/agent/blockd.h"

#include "client/agent/tool.h"
#include "lib/base/command.h"
#include "lib/base/fd.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define STOP_TIMEOUT_MS 10000
#define ARGUMENTS_MAX   (24 + 2 * CR_SERVERS_MAX)

void blockd_init(struct blockd *blockd)
{
    *blockd = (struct blockd){.pid = -1, .pidfd = -1, .out.fd = -1, .log.fd = -1};
}

/* Fills argv, whose strings are borrowed, for `image`. */
static void arguments_make(const struct blockd_options *options, const char *image, bool again,
                           const char *argv[ARGUMENTS_MAX])
{
    const char *const pairs[][2] = {
        {"--server", options->server},
        {"--image", image},
        {"--cache", options->cache},
        {"--pki", options->pki},
        {"--trust", options->trust},
        {"--socket", options->socket},
        {"--pidfile", options->pidfile},
        {"--deltas", options->deltas},
        {"--stats", options->stats},
        {"--fill-rate", options->fill_rate},
        /* What a guest reads in the middle of its session is no boot. */
        {"--boot-seconds", again ? "0" : NULL},
    };
    size_t n = 0;
    argv[n++] = options->program;
    for (size_t i = 0; i < CR_ARRAY_LEN(pairs); i++) {
        if (pairs[i][1] == NULL)
            continue;
        argv[n++] = pairs[i][0];
        argv[n++] = pairs[i][1];
    }
    for (size_t i = 0; i + 1 < CR_SERVERS_MAX && options->other_servers[i] != NULL; i++) {
        argv[n++] = "--server";
        argv[n++] = options->other_servers[i];
    }
    argv[n] = NULL;
}

int blockd_start(struct blockd *blockd, const struct blockd_options *options, const char *image,
                 struct cr_error *err)
{
    const char *argv[ARGUMENTS_MAX];
    pid_t pid = -1;
    int out[2] = {-1, -1};
    int log[2] = {-1, -1};

    arguments_make(options, image, blockd->version[0] != '\0', argv);
    if (unlink(options->socket) < 0 && errno != ENOENT)
        return cr_error_errno(err, -errno, "removing the old socket '%s'", options->socket);
    if (unlink(options->stats) < 0 && errno != ENOENT && errno != ENOTDIR)
        return cr_error_errno(err, -errno, "removing the old figures '%s'", options->stats);
    int r = pipe2(out, O_CLOEXEC) < 0 || pipe2(log, O_CLOEXEC) < 0 ? -errno : 0;
    CLEANUP_CLOSE int out_read = out[0];
    CLEANUP_CLOSE int out_write = out[1];
    CLEANUP_CLOSE int log_read = log[0];
    CLEANUP_CLOSE int log_write = log[1];
    if (r < 0)
        return cr_error_errno(err, r, "starting '%s'", options->program);
    fcntl(out_read, F_SETFL, O_NONBLOCK);
    fcntl(log_read, F_SETFL, O_NONBLOCK);
    const struct cr_command command = {
        .argv = argv, .stdout_fd = out_write, .stderr_fd = log_write, .listen_fd = -1};
    r = cr_command_start(&command, &pid, err);
    if (r < 0)
        return r;
    blockd->pidfd = process_open(pid);
    if (blockd->pidfd < 0) {
        cr_command_stop(pid);
        return cr_error_errno(err, blockd->pidfd, "watching '%s'", options->program);
    }
    blockd->pid = pid;
    blockd->ready = false;
    blockd->held = false;
    blockd->out.fd = TAKE_FD(out_read);
    blockd->log.fd = TAKE_FD(log_read);
    return 0;
}

/* What follows "ready": NAME@N BYTES [ROOT]. */
static int ready_take(struct blockd *blockd, char *rest, bool *ret_ready, struct cr_error *err)
{
    struct cr_ref ref;
    char version[CR_REF_TEXT];
    uint64_t size_bytes = 0;
    const char *name = strtok_r(rest, " ", &rest);
    const char *size = strtok_r(rest, " ", &rest);
    const char *root = strtok_r(rest, " ", &rest);
    if (root == NULL)
        root = "";
    if (name == NULL || size == NULL || cr_ref_parse(name, &ref, NULL) < 0 || ref.number == 0 ||
        cr_u64_parse(size, CR_DISK_BYTES_MAX, &size_bytes) < 0 || size_bytes == 0)
        return cr_error_set(err, -EPROTO,
                            "starting the image service: it answered 'ready %.200s %.64s' instead "
                            "of a version and a size; is it carrel-blockd?",
                            name ? name : "", size ? size : "");
    cr_ref_format(&ref, version);
    if (blockd->version[0] != '\0' &&
        (strcmp(blockd->version, version) != 0 || blockd->size_bytes != size_bytes ||
         strncmp(blockd->root, root, sizeof(blockd->root)) != 0))
        return cr_error_set(err, -EPROTO,
                            "starting the image service again: it serves '%s' of %" PRIu64
                            " bytes and the session began on '%s' of %" PRIu64
                            " bytes, or on another root; start the desktop anew",
                            version, size_bytes, blockd->version, blockd->size_bytes);
    memcpy(blockd->version, version, sizeof(version));
    snprintf(blockd->root, sizeof(blockd->root), "%s", root);
    blockd->size_bytes = size_bytes;
    blockd->ready = *ret_ready = true;
    return 0;
}

/* A line of its stdout; unknown ones are left alone. */
static int out_line_take(struct blockd *blockd, char *line, bool *ret_ready, struct cr_error *err)
{
    static const char complete[] = "complete ";
    static const char ready[] = "ready";
    if (strncmp(line, complete, strlen(complete)) == 0)
        snprintf(blockd->complete, sizeof(blockd->complete), "%s", line + strlen(complete));
    const char end = strncmp(line, ready, strlen(ready)) == 0 ? line[strlen(ready)] : 'x';
    return end == ' ' || end == '\0' ? ready_take(blockd, line + strlen(ready), ret_ready, err) : 0;
}

void blockd_flush(struct blockd *blockd)
{
    if (blockd->held)
        fprintf(stderr, "%s\n", blockd->last_words);
    blockd->held = false;
}

/*
 * A line of its stderr. It is held back a moment: when the process ends right after it, it is the
 * reason, and belongs into our sentence instead of standing twice on the screen.
 */
static void log_line_take(struct blockd *blockd, const char *line)
{
    if (line[0] == '\0')
        return;
    blockd_flush(blockd);
    snprintf(blockd->last_words, sizeof(blockd->last_words), "%s", line);
    blockd->held = true;
}

int blockd_read(struct blockd *blockd, bool *ret_ready, struct cr_error *err)
{
    char line[BLOCKD_LINE_BYTES];
    int result = 0;
    while (lines_next(&blockd->log, line) != NULL)
        log_line_take(blockd, line);
    while (lines_next(&blockd->out, line) != NULL) {
        int r = out_line_take(blockd, line, ret_ready, err);
        if (result == 0)
            result = r;
    }
    return result;
}

void blockd_reap(struct blockd *blockd, char *reason)
{
    int status = 0;
    bool ready = false;
    blockd_read(blockd, &ready, NULL);
    while (waitpid(blockd->pid, &status, 0) < 0 && errno == EINTR)
        ;
    static const char prefix[] = "carrel-blockd: ";
    const char *words = blockd->last_words;
    if (strncmp(words, prefix, strlen(prefix)) == 0)
        words += strlen(prefix);
    if (blockd->held)
        snprintf(reason, BLOCKD_LINE_BYTES, "%s", words);
    else if (WIFSIGNALED(status))
        snprintf(reason, BLOCKD_LINE_BYTES, "ended by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(reason, BLOCKD_LINE_BYTES, "exit status %d without a word", WEXITSTATUS(status));
    close(blockd->pidfd);
    blockd->pid = -1;
    blockd->pidfd = -1;
    blockd->ready = blockd->held = false;
    lines_close(&blockd->out);
    lines_close(&blockd->log);
}

/* SIGTERM, and SIGKILL when that did not help. */
static void process_end(pid_t pid, int pidfd)
{
    kill(pid, SIGTERM);
    if (process_wait(pidfd, STOP_TIMEOUT_MS) < 0) {
        kill(pid, SIGKILL);
        process_wait(pidfd, STOP_TIMEOUT_MS);
    }
}

void blockd_stop(struct blockd *blockd, const struct blockd_options *options)
{
    char reason[BLOCKD_LINE_BYTES];
    if (blockd->pid < 0)
        return;
    process_end(blockd->pid, blockd->pidfd);
    blockd_reap(blockd, reason);
    unlink(options->socket);
    unlink(options->pidfile);
}

/* Does the command line of `pid` name this socket? A number alone may be anybody's by now. */
static bool process_names(pid_t pid, const char *socket)
{
    char path[64];
    char line[8192];
    snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line));
    return n > 0 && memmem(line, (size_t)n, socket, strlen(socket)) != NULL;
}

bool blockd_clear_leftover(const struct blockd_options *options)
{
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(64);
    uint64_t pid = 0;
    bool found = false;
    if (cr_file_read(AT_FDCWD, options->pidfile, &text) < 0)
        return false;
    while (text.len > 0 && isspace(text.data[text.len - 1]))
        text.len--;
    if (cr_buf_append(&text, "", 1) == 0 &&
        cr_u64_parse((const char *)text.data, INT32_MAX, &pid) == 0 && pid > 1) {
        CLEANUP_CLOSE int pidfd = process_open((pid_t)pid);
        found = pidfd >= 0 && process_names((pid_t)pid, options->socket);
        if (found)
            process_end((pid_t)pid, pidfd);
    }
    unlink(options->pidfile);
    return found;
}
