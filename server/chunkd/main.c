/* SPDX-License-Identifier: MIT */
/* carrel-chunkd: hands out a store over HTTPS. See server.h for the parts. */
#include "lib/base/mem.h"
#include "lib/net/https.h"
#include "lib/rados/rados.h"
#include "lib/serve/listener.h"
#include "server/chunkd/log.h"
#include "server/chunkd/options.h"
#include "server/chunkd/service.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>

#define READERS_MIN         16U /* threads that wait for the store */
#define SHORTAGE_MS         100 /* pause of accepting when the system has no descriptor left */
#define METRICS_CONNECTIONS 64U

struct program {
    struct options options;
    struct server server;
    struct service *service, *metrics;
    struct cr_listener listeners[CR_OPTION_LIST_MAX + 1]; /* the last one, if any, is for metrics */
    unsigned listener_count;
    bool has_metrics;
    struct cr_tls_files files;
    int signal_fd;
};

/* --- start ------------------------------------------------------------------------------------ */

/* Signals come through a descriptor; a closed connection is an error code, not a signal. */
static int signals_prepare(int *ret_fd, struct cr_error *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    *ret_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return *ret_fd < 0 ? cr_error_errno(err, -errno, "prepare for signals") : 0;
}

/* Each client is a descriptor. The soft limit of 1,024 is for programs that use select. */
static void descriptors_raise(unsigned connections)
{
    struct rlimit limit;
    rlim_t need = (rlim_t)connections + 256;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= need)
        return;
    limit.rlim_cur = limit.rlim_max < need ? limit.rlim_max : need;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < need)
        log_event("only %llu descriptors are allowed, fewer than '--connections %u' needs",
                  (unsigned long long)limit.rlim_cur, connections);
}

static int listeners_open(struct program *program, struct cr_error *err)
{
    const struct options *options = &program->options;
    for (unsigned i = 0; i < options->listen.count; i++) {
        struct cr_listener *listener = &program->listeners[program->listener_count];
        int r = cr_listener_open(options->listen.texts[i], listener, err);
        if (r < 0)
            return r;
        program->listener_count++;
        if (options->no_tls && !listener->loopback)
            return cr_error_set(err, -EPERM,
                                "listen on '%s': '--no-tls' is for loopback addresses only; use "
                                "127.0.0.1 or [::1], or give certificates with '--pki DIR'",
                                options->listen.texts[i]);
    }
    if (options->metrics_listen == NULL)
        return 0;
    struct cr_listener *listener = &program->listeners[program->listener_count];
    int r = cr_listener_open(options->metrics_listen, listener, err);
    if (r < 0)
        return r;
    program->listener_count++;
    program->has_metrics = true;
    if (!listener->loopback)
        return cr_error_set(err, -EPERM,
                            "listen on '%s': '--metrics-listen' is plain HTTP, so it is for "
                            "loopback addresses only",
                            options->metrics_listen);
    return 0;
}

static int server_start(struct program *program, struct cr_error *err)
{
    struct server *server = &program->server;
    const struct options *options = &program->options;
    cr_https_register();
    cr_rados_register();
    const struct cr_packcache_options packs = {
        .memory_bytes = options->pack_cache_bytes,
        .folder = options->pack_cache_folder,
        .folder_bytes = options->pack_cache_folder_bytes,
    };
    int r = cr_store_open_cached(options->store, &packs, &server->store, &server->packs, err);
    if (r < 0)
        return r;
    r = frames_new(server->store, options->cache_bytes, &server->frames);
    if (r == 0)
        r = heads_new(server->store, &server->heads);
    if (r == 0)
        r = hot_new(server->store, options->boots, &server->hot);
    if (r < 0)
        return cr_error_errno(err, r, "make the cache");
    r = seats_new(options->seats, options->reports, &server->seats, err);
    if (r == 0 && (options->make_deltas || options->boots))
        r = cr_store_writable(server->store, err);
    if (r == 0 && options->make_deltas)
        r = deltas_new(options->store, &server->deltas, err);
    if (r < 0)
        return r;
    const struct cr_tracker_options tracker = {
        .subnet_bits_4 = (unsigned)options->peer_bits_4,
        .subnet_bits_6 = (unsigned)options->peer_bits_6,
    };
    r = peers_new(&tracker, &server->peers, err);
    if (r < 0)
        return r;
    server->idle_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (server->idle_fd < 0)
        return cr_error_errno(err, -errno, "make an event descriptor");
    unsigned threads = (unsigned)options->threads;
    unsigned readers = 2 * threads > READERS_MIN ? 2 * threads : READERS_MIN;
    /* A connection has one request at a reader at most, so the queue never makes anyone wait. */
    r = cr_pool_new(readers, (unsigned)options->connections + threads, &server->readers);
    return r < 0 ? cr_error_errno(err, r, "start %u threads", readers) : 0;
}

static int services_start(struct program *program, struct cr_error *err)
{
    const struct options *options = &program->options;
    struct service_options main_options = {
        .threads = (unsigned)options->threads,
        .connections = (unsigned)options->connections,
        .files = options->no_tls ? NULL : &program->files,
    };
    struct service_options metrics_options = {
        .threads = 1,
        .connections = METRICS_CONNECTIONS,
        .plain_routes_only = true,
    };
    int r = service_new(&program->server, &main_options, &program->service, err);
    if (r == 0 && program->has_metrics)
        r = service_new(&program->server, &metrics_options, &program->metrics, err);
    return r;
}

static int program_start(struct program *program, struct cr_error *err)
{
    const struct options *options = &program->options;
    int r = signals_prepare(&program->signal_fd, err);
    if (r == 0 && !options->no_tls)
        r = cr_tls_files_read(options->pki, CR_CERT_SERVER, &program->files, err);
    if (r == 0)
        r = listeners_open(program, err);
    if (r == 0)
        r = server_start(program, err);
    if (r < 0)
        return r;
    descriptors_raise((unsigned)options->connections);
    r = services_start(program, err);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < program->listener_count; i++) {
        bool metrics = program->has_metrics && i == program->listener_count - 1;
        if (metrics)
            printf("metrics on http://%s\n", program->listeners[i].address);
        else
            printf("listening on http%s://%s\n", options->no_tls ? "" : "s",
                   program->listeners[i].address);
    }
    fflush(stdout);
    return 0;
}

/* --- run and drain ---------------------------------------------------------------------------- */

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool signal_came(struct program *program)
{
    struct signalfd_siginfo info;
    return read(program->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info);
}

static struct service *service_of(struct program *program, unsigned listener)
{
    bool metrics = program->has_metrics && listener == program->listener_count - 1;
    return metrics ? program->metrics : program->service;
}

/* Accept until a signal comes. */
static void serve(struct program *program)
{
    static struct log_limit shortage_limit;
    struct pollfd fds[CR_OPTION_LIST_MAX + 2];
    bool short_of = false;
    for (;;) {
        unsigned count = 0;
        fds[count++] = (struct pollfd){.fd = program->signal_fd, .events = POLLIN};
        for (unsigned i = 0; !short_of && i < program->listener_count; i++)
            fds[count++] = (struct pollfd){.fd = program->listeners[i].fd, .events = POLLIN};
        poll(fds, count, short_of ? SHORTAGE_MS : -1);
        short_of = false;
        if (signal_came(program))
            return;
        for (unsigned i = 0; i + 1 < count; i++) {
            uint64_t dropped;
            if ((fds[i + 1].revents & POLLIN) == 0)
                continue;
            int r = service_accept(service_of(program, i), program->listeners[i].fd);
            short_of = short_of || r < 0;
            if (r < 0 && log_limit_pass(&shortage_limit, &dropped))
                log_event("cannot accept a client: %s", strerror(-r));
        }
    }
}

/* Wait until no request is under way. Returns as drain does. */
static unsigned idle_wait(struct program *program, uint64_t end)
{
    struct server *server = &program->server;
    unsigned metrics = program->listener_count - 1, left;
    while ((left = atomic_load(&server->metrics.in_flight)) > 0) {
        uint64_t now = now_ms();
        struct pollfd fds[3] = {
            {.fd = program->signal_fd, .events = POLLIN},
            {.fd = server->idle_fd, .events = POLLIN},
            {.fd = program->has_metrics ? program->listeners[metrics].fd : -1, .events = POLLIN},
        };
        if (now >= end)
            return left;
        poll(fds, 3, (int)(end - now));
        if (signal_came(program))
            return left;
        if ((fds[2].revents & POLLIN) != 0)
            service_accept(program->metrics, program->listeners[metrics].fd);
        eventfd_t ignored;
        eventfd_read(server->idle_fd, &ignored);
    }
    return 0;
}

/*
 * Nobody new comes in; who is being answered is answered. Metrics stay reachable. Returns the
 * number of requests that were cut off because the time was up, or a second signal came.
 */
static unsigned drain(struct program *program)
{
    struct server *server = &program->server;
    uint64_t end = now_ms() + program->options.drain_s * 1000;
    atomic_store(&server->draining, true);
    for (unsigned i = 0; i < program->listener_count; i++)
        if (!program->has_metrics || i != program->listener_count - 1)
            cr_listener_close(&program->listeners[i]);
    log_event("going down: %u requests under way, no new ones",
              atomic_load(&server->metrics.in_flight));
    unsigned left = idle_wait(program, end);
    if (left > 0)
        return left;
    /* An open connection may have begun another one just now: from here on they are refused where
     * they would wait, and those that wait already were counted before. */
    atomic_store(&server->stopping, true);
    return idle_wait(program, end);
}

static void program_stop(struct program *program)
{
    for (unsigned i = 0; i < program->listener_count; i++)
        cr_listener_close(&program->listeners[i]);
    cr_pool_free(program->server.readers); /* its last job may still be handing back a connection */
    service_free(program->service);
    service_free(program->metrics);
    deltas_free(program->server.deltas);
    peers_free(program->server.peers);
    frames_free(program->server.frames);
    cr_store_close(program->server.store);
    heads_free(program->server.heads);
    hot_free(program->server.hot);
    seats_free(program->server.seats);
    cr_tls_files_done(&program->files);
    if (program->server.idle_fd >= 0)
        close(program->server.idle_fd);
    if (program->signal_fd >= 0)
        close(program->signal_fd);
}

int main(int argc, char **argv)
{
    static struct program program = {.signal_fd = -1, .server.idle_fd = -1};
    struct cr_error err = {0};
    metrics_begin();
    if (options_parse(argc, argv, &program.options, &err) < 0) {
        log_event("%s", err.text);
        return 2;
    }
    if (program.options.help) {
        options_help();
        return 0;
    }
    if (program.options.version) {
        printf("carrel-chunkd %s\n", CARREL_VERSION);
        return 0;
    }
    int r = program_start(&program, &err);
    if (r == 0) {
        serve(&program);
        unsigned cut_off = drain(&program);
        if (cut_off > 0) {
            /* Readers may still be at work for them; nothing here can be taken down in order. */
            log_event("gone down; %u requests were cut off", cut_off);
            fflush(stdout);
            _exit(1);
        }
        log_event("gone down; all requests were answered");
    } else {
        log_event("%s", err.text);
    }
    program_stop(&program);
    return r < 0 ? 1 : 0;
}
