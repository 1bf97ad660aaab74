/* SPDX-License-Identifier: MIT */
/* carrel-syncd: takes what seats send. See syncd.h for the parts. */
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/net/certs.h"
#include "lib/rados/rados.h"
#include "lib/serve/listener.h"
#include "server/syncd/options.h"
#include "server/syncd/owners.h"
#include "server/syncd/service.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>

#define IDLE_LOOK_MS 20

struct program {
    struct options options;
    struct syncd syncd;
    struct cr_tls_files files;
    struct cr_listener listeners[CR_OPTION_LIST_MAX];
    struct service *services[CR_OPTION_LIST_MAX];
    unsigned service_count;
    int signal_fd;
};

void log_event(const char *format, ...)
{
    char line[CR_ERROR_BYTES + 256]; /* one write, so that lines of several threads do not mix */
    int n = snprintf(line, sizeof(line), "carrel-syncd: ");
    va_list args;
    va_start(args, format);
    vsnprintf(line + n, sizeof(line) - (size_t)n - 1, format, args);
    va_end(args);
    size_t len = strlen(line);
    line[len++] = '\n';
    cr_write_full(STDERR_FILENO, line, len);
}

/* --- start -------------------------------------------------------------------------------------
 */

static int signals_prepare(int *ret_fd, struct cr_error *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    *ret_fd = signalfd(-1, &set, SFD_CLOEXEC);
    return *ret_fd < 0 ? cr_error_errno(err, -errno, "prepare for signals") : 0;
}

static int stores_open(struct program *program, struct cr_error *err)
{
    const struct options *options = &program->options;
    struct syncd *syncd = &program->syncd;
    int r = 0;
    cr_rados_register();
    if (options->images != NULL)
        r = cr_store_open(options->images, &syncd->images, err);
    if (r == 0 && syncd->images != NULL)
        r = cr_store_writable(syncd->images, err);
    if (r == 0 && options->private_dir != NULL)
        r = owners_new(options->private_dir, options->key_file, &syncd->owners, err);
    return r;
}

static int listener_start(struct program *program, unsigned index, struct cr_error *err)
{
    const struct options *options = &program->options;
    struct cr_listener *listener = &program->listeners[index];
    int r = cr_listener_open(options->listen.texts[index], listener, err);
    if (r < 0)
        return r;
    if (options->no_tls && !listener->loopback) {
        cr_listener_close(listener);
        return cr_error_set(err, -EPERM,
                            "listen on '%s': '--no-tls' is for loopback addresses only; use "
                            "127.0.0.1 or [::1], or give certificates with '--pki DIR'",
                            options->listen.texts[index]);
    }
    struct service_options service = {
        .connections = (unsigned)options->connections,
        .files = options->no_tls ? NULL : &program->files,
        .plain = {.name = "local", .may_capture = true},
    };
    r = service_new(&program->syncd, listener->fd, &service, &program->services[index], err);
    if (r < 0) {
        cr_listener_close(listener);
        return r;
    }
    program->service_count++;
    printf("listening on http%s://%s\n", options->no_tls ? "" : "s", listener->address);
    return 0;
}

static int program_start(struct program *program, struct cr_error *err)
{
    int r = signals_prepare(&program->signal_fd, err);
    if (r == 0 && !program->options.no_tls)
        r = cr_tls_files_read(program->options.pki, CR_CERT_SERVER, &program->files, err);
    if (r == 0)
        r = stores_open(program, err);
    for (unsigned i = 0; i < program->options.listen.count && r == 0; i++)
        r = listener_start(program, i, err);
    fflush(stdout);
    return r;
}

/* --- end ---------------------------------------------------------------------------------------
 */

static void serve(struct program *program)
{
    struct signalfd_siginfo info;
    while (read(program->signal_fd, &info, sizeof(info)) < 0 && errno == EINTR)
        ;
}

/* Nobody new comes in; what is under way may end. Returns the requests that were cut off. */
static unsigned drain(struct program *program)
{
    struct pollfd again = {.fd = program->signal_fd, .events = POLLIN};
    uint64_t looks = program->options.drain_s * 1000 / IDLE_LOOK_MS;
    atomic_store(&program->syncd.draining, true);
    for (unsigned i = 0; i < program->service_count; i++)
        service_quiesce(program->services[i]);
    while (atomic_load(&program->syncd.in_flight) > 0 && looks-- > 0 &&
           poll(&again, 1, IDLE_LOOK_MS) == 0)
        ;
    return atomic_load(&program->syncd.in_flight);
}

int main(int argc, char **argv)
{
    static struct program program = {.signal_fd = -1};
    struct cr_error err = {0};
    if (options_parse(argc, argv, &program.options, &err) < 0) {
        log_event("%s", err.text);
        return 2;
    }
    if (program.options.help) {
        options_help();
        return 0;
    }
    if (program.options.version) {
        printf("carrel-syncd %s\n", CARREL_VERSION);
        return 0;
    }
    int r = program_start(&program, &err);
    unsigned cut_off = 0;
    if (r == 0) {
        serve(&program);
        cut_off = drain(&program);
    }
    if (cut_off > 0) {
        /* Their threads may wait for the store; nothing here can be taken down in order. */
        log_event("gone down; %u requests were cut off", cut_off);
        fflush(stdout);
        _exit(1);
    }
    log_event("%s", r == 0 ? "gone down; all requests were answered" : err.text);
    for (unsigned i = 0; i < program.service_count; i++)
        service_free(program.services[i]);
    cr_store_close(program.syncd.images);
    owners_free(program.syncd.owners);
    cr_tls_files_done(&program.files);
    if (program.signal_fd >= 0)
        close(program.signal_fd);
    return r < 0 ? 1 : 0;
}
