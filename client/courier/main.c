/* SPDX-License-Identifier: MIT */
/*
 * carrel-courier: a seat's errands. One loop: a round with the server, then wait until the next is
 * due, something was put into the outbox, or a signal says that it is over.
 */
#include "client/courier/round.h"

#include "lib/base/fd.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/base/options.h"
#include "lib/net/uri_add.h"
#include "lib/policy/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>

#define INTERVAL_S 60U

struct options {
    const char *server, *pki, *dir, *keys;
    uint64_t interval_s;
    bool once, help, version;
};

#define FIELD(name) offsetof(struct options, name)

static const struct cr_option table[] = {
    {"server", "URL", CR_OPTION_TEXT, FIELD(server), 0, 0, true,
     "the image server, https://HOST:PORT"},
    {"dir", "DIR", CR_OPTION_TEXT, FIELD(dir), 0, 0, true,
     "the seat's folder: policy, lease and outbox"},
    {"keys", "FILE", CR_OPTION_TEXT, FIELD(keys), 0, 0, true,
     "the server's keys, lines of `carrel policy key`"},
    {"pki", "DIR", CR_OPTION_TEXT, FIELD(pki), 0, 0, false,
     "ca.pem, client.pem and client-key.pem for the server"},
    {"interval", "SPAN", CR_OPTION_SPAN, FIELD(interval_s), 1, 86400, false,
     "how often policy and lease are asked for (60s)"},
    {"once", NULL, CR_OPTION_FLAG, FIELD(once), 0, 0, false, "one round, then end"},
    {"help", NULL, CR_OPTION_FLAG, FIELD(help), 0, 0, false, "print this and exit"},
    {"version", NULL, CR_OPTION_FLAG, FIELD(version), 0, 0, false,
     "print the version of the program and exit"},
    {0},
};

static void say(const char *line)
{
    puts(line);
    fflush(stdout);
}

/* --- opening ---------------------------------------------------------------------------------- */

static int server_open(const struct options *options, struct cr_http **ret_http,
                       struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(CR_URI_BYTES_MAX);
    struct cr_server_uri uri;
    int r = cr_buf_append(&text, options->server, strlen(options->server));
    if (r == 0 && options->pki != NULL)
        r = cr_server_uri_add(&text, "pki", options->pki);
    if (r == 0)
        r = cr_buf_append(&text, "", 1);
    if (r < 0)
        return cr_error_errno(err, r, "server '%.200s'", options->server);
    r = cr_server_uri_parse((const char *)text.data, &uri, err);
    return r < 0 ? r : cr_http_new(&uri, ret_http, err);
}

static int keys_open(struct errands *errands, const char *path, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(CR_POLICY_BYTES_MAX);
    int r = cr_file_read(AT_FDCWD, path, &text);
    if (r < 0)
        return cr_error_errno(err, r, "reading the keys '%s'", path);
    r = cr_signed_keys_parse(text.data, text.len, errands->keys, &errands->key_count, err);
    return r < 0 ? cr_error_prefix(err, r, "the keys '%s'", path) : 0;
}

static int folder_open(struct errands *errands, const char *dir, struct cr_error *err)
{
    char outbox[PATH_MAX];
    int r = cr_dir_make(AT_FDCWD, dir, 0700);
    if (r == 0) {
        errands->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = errands->dir_fd < 0 ? -errno : 0;
    }
    if (r < 0)
        return cr_error_errno(err, r, "using the folder '%s'", dir);
    int n = snprintf(outbox, sizeof(outbox), "%s/%s", dir, CR_SEAT_OUTBOX);
    if (n < 0 || (size_t)n >= sizeof(outbox))
        return cr_error_set(err, -ENAMETOOLONG,
                            "using the folder '%.100s...': its name is too long", dir);
    return cr_spool_open(outbox, NULL, &errands->outbox, err);
}

static void errands_close(struct errands *errands)
{
    for (size_t i = 0; i < errands->key_count; i++)
        cr_key_done(&errands->keys[i]);
    cr_spool_close(errands->outbox);
    cr_http_free(errands->http);
    cr_cleanup_close(&errands->dir_fd);
}

/* --- the loop --------------------------------------------------------------------------------- */

/*
 * A signal during a round must end it too: a thread waits for it, and interrupts what is under way.
 */
struct end {
    struct errands *errands;
    atomic_bool stop;
    int signal_fd, event_fd; /* the loop polls the second */
};

static void *end_watch(void *context)
{
    struct end *end = context;
    struct signalfd_siginfo info;
    while (read(end->signal_fd, &info, sizeof(info)) < 0 && errno == EINTR)
        ;
    atomic_store(&end->stop, true);
    cr_http_interrupt(end->errands->http);
    close(end->event_fd); /* the other end of the pipe that the loop polls: it sees the end */
    return NULL;
}

/* A failure is told once, until there is another one or all is well again. */
static void complain(int r, const struct cr_error *err, int *told)
{
    if (r < 0 && r != -ECANCELED && r != *told)
        fprintf(stderr, "carrel-courier: %s\n", err->text);
    *told = r;
}

/* Wait for the next round: false = the end. */
static bool wait_for_work(int watch_fd, int end_fd, uint64_t interval_s)
{
    char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    struct pollfd fds[] = {{.fd = end_fd, .events = POLLIN}, {.fd = watch_fd, .events = POLLIN}};
    int n = poll(fds, 2, (int)(interval_s * 1000));
    if (n > 0 && fds[1].revents != 0)
        while (read(watch_fd, events, sizeof(events)) > 0)
            ;
    return !(n > 0 && fds[0].revents != 0);
}

static int work(struct errands *errands, const struct options *options, int end_fd,
                struct cr_error *err)
{
    int told = 0;
    int answered = -1; /* not known */
    CLEANUP_CLOSE int watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    char outbox[PATH_MAX];
    snprintf(outbox, sizeof(outbox), "%s/%s", options->dir, CR_SEAT_OUTBOX);
    if (watch_fd < 0 || inotify_add_watch(watch_fd, outbox, IN_MOVED_TO) < 0)
        return cr_error_errno(err, -errno, "watching the outbox '%s'", outbox);
    do {
        struct cr_error why = {0};
        int r = errands_round(errands, &why);
        if (options->once) {
            *err = why;
            return r;
        }
        complain(r, &why, &told);
        if (answered != (r != -EAGAIN))
            say(r != -EAGAIN ? "answered" : "away");
        answered = r != -EAGAIN;
    } while (wait_for_work(watch_fd, end_fd, options->interval_s));
    return 0;
}

static int run(const struct options *options, struct cr_error *err)
{
    struct errands errands = {.dir_fd = -1, .say = say};
    struct end end = {.errands = &errands};
    sigset_t signals;
    pthread_t thread = 0;
    int ends[2];
    errands.stop = &end.stop;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    int r = keys_open(&errands, options->keys, err);
    if (r == 0)
        r = folder_open(&errands, options->dir, err);
    if (r == 0)
        r = server_open(options, &errands.http, err);
    if (r == 0 && pipe2(ends, O_CLOEXEC) < 0)
        r = cr_error_errno(err, -errno, "starting");
    if (r == 0) {
        end.signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
        end.event_fd = ends[1];
        if (end.signal_fd < 0 || pthread_create(&thread, NULL, end_watch, &end) != 0)
            r = cr_error_errno(err, -ENOMEM, "starting");
    }
    if (r == 0) {
        r = work(&errands, options, ends[0], err);
        kill(getpid(), SIGTERM); /* for the thread, when it still waits */
        pthread_join(thread, NULL);
        close(end.signal_fd);
        close(ends[0]);
    }
    errands_close(&errands);
    return r;
}

int main(int argc, char **argv)
{
    struct options options = {.interval_s = INTERVAL_S};
    struct cr_error err = {0};
    int operand = argc;
    int r = cr_options_parse(table, argc, argv, &options, &operand, &err);
    if (r == 0 && options.help) {
        printf("usage: carrel-courier --server URL --dir DIR --keys FILE [OPTION ...]\n\n"
               "Fetch a seat's policy and lease, and deliver its reports; ends at SIGTERM.\n\n");
        cr_options_help(table);
        return EXIT_SUCCESS;
    }
    if (r == 0 && options.version) {
        puts("carrel-courier " CARREL_VERSION);
        return EXIT_SUCCESS;
    }
    if (r == 0 && operand < argc)
        r = cr_error_set(&err, -EINVAL, "'%.100s' is no option; see --help", argv[operand]);
    if (r == 0)
        r = cr_options_check(table, &options, &err);
    if (r < 0) {
        fprintf(stderr, "carrel-courier: %s\n", err.text);
        return 2;
    }
    r = run(&options, &err);
    if (r < 0)
        fprintf(stderr, "carrel-courier: %s\n", err.text);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
