/* SPDX-License-Identifier: MIT */
#include "server/chunkd/metrics.h"

#include "lib/base/mem.h"
#include "lib/store/blobs.h"
#include "server/chunkd/routes.h"
#include "server/chunkd/server.h"

#include <inttypes.h>
#include <sys/resource.h>
#include <time.h>

static const unsigned statuses[METRICS_STATUSES] = {200, 304, 400, 403, 404, 405,
                                                    409, 413, 500, 503, 501, 0};

static double started_s;

void metrics_begin(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    started_s = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void metrics_answered(struct metrics *metrics, unsigned route, unsigned status)
{
    size_t i = 0;
    while (statuses[i] != status && statuses[i] != 0)
        i++;
    atomic_fetch_add_explicit(&metrics->requests[route][i], 1, memory_order_relaxed);
}

static int one(struct cr_buf *out, const char *name, const char *type, const char *help,
               uint64_t value)
{
    return cr_buf_printf(out,
                         "# HELP carrel_chunkd_%s %s\n# TYPE carrel_chunkd_%s %s\n"
                         "carrel_chunkd_%s %" PRIu64 "\n",
                         name, help, name, type, name, value);
}

static int requests_format(struct metrics *metrics, struct cr_buf *out)
{
    int r = cr_buf_printf(out, "# HELP carrel_chunkd_requests_total Answers by route and status.\n"
                               "# TYPE carrel_chunkd_requests_total counter\n");
    for (unsigned route = 0; route < ROUTE_COUNT; route++) {
        for (size_t i = 0; r == 0 && i < METRICS_STATUSES; i++) {
            uint64_t count = atomic_load(&metrics->requests[route][i]);
            char status[16];
            if (count == 0 && statuses[i] != 200)
                continue;
            snprintf(status, sizeof(status), "%u", statuses[i]);
            r = cr_buf_printf(
                out, "carrel_chunkd_requests_total{route=\"%s\",status=\"%s\"} %" PRIu64 "\n",
                routes[route].name, statuses[i] ? status : "other", count);
        }
    }
    return r;
}

static int reads_format(const struct frames_stat *stat, struct cr_buf *out)
{
    int r =
        cr_buf_printf(out, "# HELP carrel_chunkd_store_reads_total Objects read from the store, "
                           "because the cache had them not.\n"
                           "# TYPE carrel_chunkd_store_reads_total counter\n");
    for (size_t i = 0; r == 0 && i < CR_KIND_COUNT; i++)
        r = cr_buf_printf(out, "carrel_chunkd_store_reads_total{kind=\"%s\"} %" PRIu64 "\n",
                          cr_kinds[i].name, stat->reads[i]);
    return r;
}

/* What the place where the store lives was asked for, and what the packs in memory saved. */
static int packs_format(struct server *server, struct cr_buf *out)
{
    struct cr_packcache_stat stat;
    if (server->packs == NULL)
        return 0;
    cr_packcache_stat(server->packs, &stat);
    int r = cr_buf_printf(out, "# HELP carrel_chunkd_backend_reads_total Reads of the place where "
                               "the store lives.\n"
                               "# TYPE carrel_chunkd_backend_reads_total counter\n");
    for (size_t i = 0; r == 0 && i < CR_SPACE_COUNT; i++)
        r = cr_buf_printf(out, "carrel_chunkd_backend_reads_total{space=\"%s\"} %" PRIu64 "\n",
                          cr_space_names[i], stat.reads[i]);
    if (r == 0)
        r = cr_buf_printf(out, "# HELP carrel_chunkd_backend_read_bytes_total Bytes of them.\n"
                               "# TYPE carrel_chunkd_backend_read_bytes_total counter\n");
    for (size_t i = 0; r == 0 && i < CR_SPACE_COUNT; i++)
        r = cr_buf_printf(out, "carrel_chunkd_backend_read_bytes_total{space=\"%s\"} %" PRIu64 "\n",
                          cr_space_names[i], stat.read_bytes[i]);
    const struct {
        const char *name, *type, *help;
        uint64_t value;
    } plain[] = {
        {"pack_hits_total", "counter", "Reads answered from a pack in memory.", stat.hits},
        {"pack_waits_total", "counter", "Of them, after another request's load.", stat.waits},
        {"pack_loads_total", "counter", "Packs read whole from the store.", stat.loads},
        {"pack_folder_loads_total", "counter", "Packs read from the folder.", stat.folder_loads},
        {"pack_damaged_total", "counter", "Kept packs that did not verify.", stat.damaged},
        {"pack_evictions_total", "counter", "Packs dropped from memory.", stat.evictions},
        {"pack_bytes", "gauge", "Memory that packs use.", stat.memory_bytes},
        {"pack_folder_bytes", "gauge", "Disk that the folder of packs uses.", stat.folder_bytes},
    };
    for (size_t i = 0; r == 0 && i < CR_ARRAY_LEN(plain); i++)
        r = one(out, plain[i].name, plain[i].type, plain[i].help, plain[i].value);
    return r;
}

/* The names that every Prometheus client library gives to these two. */
static int process_format(struct cr_buf *out)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                   (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    return cr_buf_printf(out,
                         "# HELP process_cpu_seconds_total CPU time of the process.\n"
                         "# TYPE process_cpu_seconds_total counter\n"
                         "process_cpu_seconds_total %.6f\n"
                         "# HELP process_start_time_seconds When it was started, since 1970.\n"
                         "# TYPE process_start_time_seconds gauge\n"
                         "process_start_time_seconds %.3f\n",
                         cpu_s, started_s);
}

int metrics_format(struct server *server, struct cr_buf *out)
{
    struct metrics *m = &server->metrics;
    struct frames_stat stat;
    frames_stat(server->frames, &stat);
    struct cr_tracker_stat peers;
    peers_stat(server->peers, &peers);
    const struct {
        const char *name, *type, *help;
        uint64_t value;
    } plain[] = {
        {"sent_bytes_total", "counter", "Bytes of bodies that were sent whole.",
         atomic_load(&m->sent_bytes)},
        {"requests_in_flight", "gauge", "Requests being answered.", atomic_load(&m->in_flight)},
        {"connections", "gauge", "Clients connected.", atomic_load(&m->connections)},
        {"connections_total", "counter", "Clients that have connected.",
         atomic_load(&m->connections_total)},
        {"tls_handshake_failures_total", "counter", "Connections that never became trusted.",
         atomic_load(&m->tls_failures)},
        {"cache_hits_total", "counter", "Frames found in memory.", stat.cache.hits},
        {"cache_misses_total", "counter", "Frames not found in memory.", stat.cache.misses},
        {"cache_waits_total", "counter", "Requests that waited for a read of another request.",
         stat.cache.waits},
        {"cache_evictions_total", "counter", "Frames dropped from memory.", stat.cache.evictions},
        {"cache_bytes", "gauge", "Memory that the cache uses.", stat.cache.bytes},
        {"cache_max_bytes", "gauge", "Memory that the cache may use.", stat.cache.max_bytes},
        {"cache_entries", "gauge", "Frames in memory.", stat.cache.entries},
        {"store_corrupted_total", "counter", "Stored objects refused because they are corrupted.",
         stat.corrupted},
        {"store_errors_total", "counter", "Reads of the store that failed.", stat.errors},
        {"head_hits_total", "counter", "Heads answered from memory.", heads_hits(server->heads)},
        {"peer_seats", "gauge", "Seats announced as peers.", peers.seats},
        {"peer_announcements_total", "counter", "Announcements of seats.", peers.announcements},
        {"peer_reports_total", "counter", "Reports of peers that send wrong bytes.", peers.reports},
        {"draining", "gauge", "1 while the server is going down.", atomic_load(&server->draining)},
    };
    int r = cr_buf_printf(out, "# HELP carrel_chunkd_build_info The version of carrel-chunkd.\n"
                               "# TYPE carrel_chunkd_build_info gauge\n"
                               "carrel_chunkd_build_info{version=\"" CARREL_VERSION "\"} 1\n");
    if (r == 0)
        r = process_format(out);
    if (r == 0)
        r = requests_format(m, out);
    if (r == 0)
        r = reads_format(&stat, out);
    if (r == 0)
        r = packs_format(server, out);
    for (size_t i = 0; r == 0 && i < CR_ARRAY_LEN(plain); i++)
        r = one(out, plain[i].name, plain[i].type, plain[i].help, plain[i].value);
    return r;
}
