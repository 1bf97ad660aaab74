/* SPDX-License-Identifier: MIT */
/* carrel-signer: signs snapshot and timestamp of a store. notary.c has the rules. */
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/trust/repo.h"
#include "server/signer/isolate.h"
#include "server/signer/notary.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#define EXPIRY_MAX_S     (10ULL * 365 * 24 * 3600)
#define CLIENT_TIMEOUT_S 30

struct options {
    const char *state, *socket;
    bool once, help, version;
    uint64_t snapshot_s, timestamp_s;
};

enum { OPTION_STATE = 256, OPTION_SOCKET, OPTION_ONCE, OPTION_SNAPSHOT, OPTION_TIMESTAMP };
enum { OPTION_HELP = 300, OPTION_VERSION };

static const struct {
    int id;
    const char *name, *takes, *help;
} table[] = {
    {OPTION_STATE, "state", "DIR", "the folder of keys and of what was signed"},
    {OPTION_SOCKET, "socket", "PATH", "listen on this unix socket"},
    {OPTION_ONCE, "once", NULL, "one request on standard input, its answer on standard output"},
    {OPTION_SNAPSHOT, "snapshot-expiry", "SPAN", "how long a snapshot is valid (7d)"},
    {OPTION_TIMESTAMP, "timestamp-expiry", "SPAN", "how long a timestamp is valid (1d)"},
    {OPTION_HELP, "help", NULL, "print this and exit"},
    {OPTION_VERSION, "version", NULL, "print the version of the program and exit"},
};

static void help_print(void)
{
    printf("usage: carrel-signer --state DIR (--socket PATH | --once) [OPTION ...]\n\n"
           "Sign snapshot and timestamp of a store whose targets people have signed. SPAN is a\n"
           "number and s, m, h or d.\n\n");
    for (size_t i = 0; i < CR_ARRAY_LEN(table); i++) {
        char left[40];
        snprintf(left, sizeof(left), "--%s %s", table[i].name,
                 table[i].takes != NULL ? table[i].takes : "");
        printf("  %-26s %s\n", left, table[i].help);
    }
}

/* --- options --------------------------------------------------------------------------------- */

static int option_take(struct options *options, int id, const char *word, struct cr_error *err)
{
    uint64_t *span = NULL;
    switch (id) {
    case OPTION_STATE:
        options->state = optarg;
        return 0;
    case OPTION_SOCKET:
        options->socket = optarg;
        return 0;
    case OPTION_ONCE:
        options->once = true;
        return 0;
    case OPTION_HELP:
        options->help = true;
        return 0;
    case OPTION_VERSION:
        options->version = true;
        return 0;
    case OPTION_SNAPSHOT:
        span = &options->snapshot_s;
        break;
    case OPTION_TIMESTAMP:
        span = &options->timestamp_s;
        break;
    default:
        return cr_error_set(err, -EINVAL, "option '%.100s' %s; see carrel-signer --help", word,
                            id == ':' ? "needs a value" : "is unknown");
    }
    if (cr_span_parse(optarg, EXPIRY_MAX_S, span) < 0 || *span == 0)
        return cr_error_set(err, -EINVAL, "'%.100s' is no span of time: write 7d, 12h or 90s",
                            optarg);
    return 0;
}

static int options_parse(int argc, char **argv, struct options *options, struct cr_error *err)
{
    struct option longs[CR_ARRAY_LEN(table) + 1] = {0};
    *options =
        (struct options){.snapshot_s = CR_TRUST_SNAPSHOT_S, .timestamp_s = CR_TRUST_TIMESTAMP_S};
    for (size_t i = 0; i < CR_ARRAY_LEN(table); i++)
        longs[i] = (struct option){
            .name = table[i].name,
            .has_arg = table[i].takes != NULL ? required_argument : no_argument,
            .val = table[i].id,
        };
    opterr = 0;
    for (int id; (id = getopt_long(argc, argv, ":", longs, NULL)) != -1;) {
        int r = option_take(options, id, argv[optind - 1], err);
        if (r < 0)
            return r;
    }
    if (options->help || options->version)
        return 0;
    if (optind < argc)
        return cr_error_set(err, -EINVAL, "'%.100s' is one word too many", argv[optind]);
    if (options->state == NULL)
        return cr_error_set(err, -EINVAL, "name the signer's folder with --state DIR");
    if (options->once == (options->socket != NULL))
        return cr_error_set(err, -EINVAL, "say either --socket PATH or --once");
    return 0;
}

/* --- one request ----------------------------------------------------------------------------- */

static int read_all(int fd, struct cr_buf *out)
{
    uint8_t piece[16384];
    for (;;) {
        ssize_t n = read(fd, piece, sizeof(piece));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : 0;
        int r = cr_buf_append(out, piece, (size_t)n);
        if (r < 0)
            return r;
    }
}

/* The answer that says why there is nothing signed in it. */
static int refuse(int out, const struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf answer = CR_BUF_INIT(CR_NOTE_BYTES_MAX);
    int r = cr_note_begin(&answer, 1);
    if (r == 0)
        r = cr_note_add(&answer, "refusal", err->text, strlen(err->text));
    return r < 0 ? r : cr_write_full(out, answer.data, answer.len);
}

/* Read a note from `in`, answer it to `out`: with what was signed, or with the reason why not. */
static int serve(struct state *state, const struct options *options, int in, int out)
{
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_NOTE_BYTES_MAX);
    CLEANUP_BUF struct cr_buf answer = CR_BUF_INIT(CR_NOTE_BYTES_MAX);
    CLEANUP_FREE struct cr_note *note = cr_calloc(1, sizeof(*note));
    struct notary_settings settings = {
        .now_s = time(NULL),
        .snapshot_s = (int64_t)options->snapshot_s,
        .timestamp_s = (int64_t)options->timestamp_s,
    };
    struct cr_error err = {0};
    int r = note == NULL ? -ENOMEM : read_all(in, &bytes);
    if (r < 0)
        cr_error_errno(&err, r, "the request cannot be read");
    if (r == 0)
        r = cr_note_parse(bytes.data, bytes.len, note, &err);
    if (r == 0)
        r = notary_answer(state, note, &settings, &answer, &err);
    if (r == 0)
        return cr_write_full(out, answer.data, answer.len);
    if (!options->once) /* there whoever asked tells it */
        fprintf(stderr, "carrel-signer: refused: %s\n", err.text);
    refuse(out, &err);
    return r;
}

/* --- the socket ------------------------------------------------------------------------------ */

static int listen_on(const char *path, struct cr_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) > CR_SOCKET_PATH_BYTES_MAX)
        return cr_error_set(err, -ENAMETOOLONG, "the socket's path '%.200s' is too long", path);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return cr_error_errno(err, -errno, "socket '%s'", path);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return cr_error_set(err, -EBUSY, "another process serves on the socket '%s'", path);
    struct stat st;
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
        unlink(path); /* nobody serves on it */
    mode_t before = umask(0117);
    int r = bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
    umask(before);
    if (r == 0 && listen(fd, 16) < 0)
        r = -errno;
    return r < 0 ? cr_error_errno(err, r, "socket '%s'", path) : TAKE_FD(fd);
}

static int serve_all(struct state *state, const struct options *options, int listen_fd,
                     struct cr_error *err)
{
    const struct timeval timeout = {.tv_sec = CLIENT_TIMEOUT_S};
    signal(SIGPIPE, SIG_IGN);
    printf("ready %s\n", options->socket);
    fflush(stdout);
    for (;;) {
        CLEANUP_CLOSE int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0 && errno != EINTR && errno != ECONNABORTED)
            return cr_error_errno(err, -errno, "socket '%s'", options->socket);
        if (fd < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
        serve(state, options, fd, fd);
    }
}

/* --- from start to end ----------------------------------------------------------------------- */

static int run(const struct options *options, struct cr_error *err)
{
    CLEANUP(state_done) struct state state = {.dir_fd = -1};
    CLEANUP_CLOSE int listen_fd = -1;
    int r = isolate(options->state, err);
    if (r == 0 && options->socket != NULL) {
        listen_fd = listen_on(options->socket, err);
        r = listen_fd < 0 ? listen_fd : 0;
    }
    if (r == 0)
        r = state_open(&state, options->state, err);
    if (r < 0)
        return r;
    if (options->once)
        return serve(&state, options, STDIN_FILENO, STDOUT_FILENO);
    return serve_all(&state, options, listen_fd, err);
}

int main(int argc, char **argv)
{
    struct options options;
    struct cr_error err = {0};
    int r = options_parse(argc, argv, &options, &err);
    if (r < 0) {
        fprintf(stderr, "carrel-signer: %s\n", err.text);
        return 2;
    }
    if (options.help) {
        help_print();
        return EXIT_SUCCESS;
    }
    if (options.version) {
        puts("carrel-signer " CARREL_VERSION);
        return EXIT_SUCCESS;
    }
    r = run(&options, &err);
    if (r < 0 && err.text[0] != '\0' && options.once) {
        CLEANUP_BUF struct cr_buf unread = CR_BUF_INIT(CR_NOTE_BYTES_MAX);
        read_all(STDIN_FILENO, &unread); /* whoever asks must be able to end the question */
        refuse(STDOUT_FILENO, &err);
    } else if (r < 0 && err.text[0] != '\0')
        fprintf(stderr, "carrel-signer: %s\n", err.text);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
