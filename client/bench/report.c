/* SPDX-License-Identifier: MIT */
#include "client/bench/storm.h"

#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/net/several.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <sys/resource.h>

/* What the seats add up to. */
struct totals {
    unsigned finished, failed;
    double p50_s, p99_s, max_s; /* of those that have finished; 0 = none has */
    struct cr_https_stat net;   /* of all connections to the servers */
    uint64_t fetched;           /* chunks */
    struct peer_totals peers;
    double own_cpu_s; /* of this program, since it was started */
    double peak_mib;
};

static int by_time(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The smallest time that `percent` of the seats kept to. */
static double percentile(const uint64_t *sorted, unsigned count, unsigned percent)
{
    if (count == 0)
        return 0;
    uint64_t rank = ((uint64_t)count * percent + 99) / 100;
    return (double)sorted[rank - 1] / 1e6;
}

static int totals_make(const struct outcome *outcome, struct totals *totals)
{
    unsigned seats = outcome->storm->options->seats;
    CLEANUP_FREE uint64_t *times = cr_calloc(seats, sizeof(*times));
    if (times == NULL)
        return -ENOMEM;
    *totals = (struct totals){0};
    for (unsigned i = 0; i < seats; i++) {
        const struct seat *seat = &outcome->seats[i];
        struct cr_https_stat net = {0};
        cr_several_total(seat->server, &net);
        totals->net.requests += net.requests;
        totals->net.retries += net.retries;
        totals->net.bytes_received += net.bytes_received;
        totals->fetched += seat->fetched;
        if (seat->peer != NULL)
            peer_add(seat->peer, &totals->peers);
        if (seat->result < 0)
            totals->failed++;
        else
            times[totals->finished++] = seat->done_us;
    }
    qsort(times, totals->finished, sizeof(*times), by_time);
    totals->p50_s = percentile(times, totals->finished, 50);
    totals->p99_s = percentile(times, totals->finished, 99);
    totals->max_s = percentile(times, totals->finished, 100);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    totals->own_cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                        (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    totals->peak_mib = (double)usage.ru_maxrss / 1024;
    return 0;
}

static double copies(const struct outcome *outcome, double bytes)
{
    uint64_t set = atomic_load(&outcome->storm->proof.set_bytes);
    return set > 0 ? bytes / (double)set : 0;
}

static double reads_of_set(const struct outcome *outcome)
{
    size_t chunks = outcome->storm->plan->chunk_count;
    return chunks > 0 ? outcome->figures->sum.chunk_reads / (double)chunks : 0;
}

/* --- for programs ----------------------------------------------------------------------------- */

static int json_print(const struct outcome *outcome, const struct totals *totals)
{
    const struct storm *storm = outcome->storm;
    const struct plan *plan = storm->plan;
    const struct server_sample *sum = &outcome->figures->sum;
    char ref[CR_REF_TEXT];
    json_t *json = json_pack(
        "{s:s, s:i, s:i, s:i, s:b, s:s, s:I, s:f, s:f, s:f, s:f, s:f, s:{s:I, s:I, s:I, s:I, s:I}, "
        "s:{s:I, s:I, s:I, s:I, s:I, s:f}, s:{s:i, s:i, s:f, s:f, s:f, s:f, s:f}, s:{s:f, s:f}}",
        "version", cr_ref_format(&plan->ref, ref), "seats", (int)storm->options->seats, "finished",
        (int)totals->finished, "failed", (int)totals->failed, "own_certificates",
        outcome->identities->each, "verify",
        storm->options->verify == VERIFY_FULL ? "full" : "once", "link_bits_s",
        (json_int_t)storm->options->link_bits_s, "think", storm->options->think, "seconds",
        (double)outcome->elapsed_us / 1e6, "p50_s", totals->p50_s, "p99_s", totals->p99_s, "max_s",
        totals->max_s, "boot", "reads", (json_int_t)plan->reads, "read_bytes",
        (json_int_t)plan->read_bytes, "chunks", (json_int_t)plan->chunk_count, "plain_bytes",
        (json_int_t)plan->plain_bytes, "stored_bytes",
        (json_int_t)atomic_load(&storm->proof.set_bytes), "received", "bytes",
        (json_int_t)totals->net.bytes_received, "chunks", (json_int_t)totals->fetched, "requests",
        (json_int_t)totals->net.requests, "retries", (json_int_t)totals->net.retries,
        "wrong_frames", (json_int_t)atomic_load(&storm->proof.wrong), "copies",
        copies(outcome, (double)totals->net.bytes_received), "servers", "count",
        (int)outcome->figures->count, "restarts", (int)outcome->figures->restarts, "cpu_s",
        sum->cpu_s, "sent_bytes", sum->sent_bytes, "chunk_reads", sum->chunk_reads,
        "backend_read_bytes", sum->backend_bytes, "read_copies", reads_of_set(outcome), "simulator",
        "cpu_s", totals->own_cpu_s, "peak_mib", totals->peak_mib);
    if (json == NULL)
        return -ENOMEM;
    const struct cr_peerfetch_stat *peers = &totals->peers.asked.fetched;
    json_t *from =
        json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I}", "used", storm->options->peers, "bytes",
                  (json_int_t)peers->peer_bytes, "chunks", (json_int_t)peers->peer_objects,
                  "hedged", (json_int_t)peers->hedged, "wrong", (json_int_t)peers->wrong, "banned",
                  (json_int_t)totals->peers.asked.banned, "refused",
                  (json_int_t)totals->peers.served.refused);
    if (json_object_set_new(json, "peers", from) < 0) {
        json_decref(json);
        return -ENOMEM;
    }
    int r = json_dumpf(json, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(json);
    return r < 0 || putchar('\n') == EOF || fflush(stdout) == EOF ? -EIO : 0;
}

/* --- for people ------------------------------------------------------------------------------- */

static const char *mib(double bytes, char out[static CR_BYTES_TEXT])
{
    return cr_bytes_format(bytes > 0 ? (uint64_t)bytes : 0, out, CR_BYTES_TEXT);
}

static void boot_print(const struct outcome *outcome)
{
    const struct storm *storm = outcome->storm;
    const struct plan *plan = storm->plan;
    char ref[CR_REF_TEXT], a[CR_BYTES_TEXT], b[CR_BYTES_TEXT], c[CR_BYTES_TEXT];
    printf("version        %s\n", cr_ref_format(&plan->ref, ref));
    printf("boot           %zu reads of %s; %zu chunks, %s, %s as stored\n", plan->reads,
           mib((double)plan->read_bytes, a), plan->chunk_count, mib((double)plan->plain_bytes, b),
           mib((double)atomic_load(&storm->proof.set_bytes), c));
    printf("seats          %u, %s, %s\n", storm->options->seats,
           outcome->identities->count == 0 ? "without certificates"
           : outcome->identities->each     ? "each with its own certificate"
                                           : "with shared certificates",
           storm->options->verify == VERIFY_FULL ? "each verifies every chunk"
                                                 : "each chunk verified once, copies compared");
}

static void totals_print(const struct outcome *outcome, const struct totals *totals)
{
    const struct server_sample *sum = &outcome->figures->sum;
    char a[CR_BYTES_TEXT];
    double received = (double)totals->net.bytes_received;
    printf("last boot read p50 %.2f s, p99 %.2f s, max %.2f s\n", totals->p50_s, totals->p99_s,
           totals->max_s);
    printf("seats failed   %u; wrong frames %" PRIu64 "; requests %" PRIu64 ", asked again %" PRIu64
           "\n",
           totals->failed, (uint64_t)atomic_load(&outcome->storm->proof.wrong),
           totals->net.requests, totals->net.retries);
    printf("from servers   %s, %.2f copies of the boot set, %.0f Mbit/s\n", mib(received, a),
           copies(outcome, received), received * 8 / (double)outcome->elapsed_us);
    const struct cr_peerfetch_stat *peers = &totals->peers.asked.fetched;
    if (outcome->storm->options->peers)
        printf("from peers     %s, %" PRIu64 " chunks; %" PRIu64
               " asked of the server after a while; wrong frames %" PRIu64 "\n",
               mib((double)peers->peer_bytes, a), peers->peer_objects, peers->hedged, peers->wrong);
    printf("server CPU     %.2f s, %.0f ms for each GB; %u server%s, %u restart%s\n", sum->cpu_s,
           received > 0 ? sum->cpu_s * 1e12 / received : 0, outcome->figures->count,
           outcome->figures->count == 1 ? "" : "s", outcome->figures->restarts,
           outcome->figures->restarts == 1 ? "" : "s");
    printf("store reads    %.0f chunks, %.2f of the boot set; %s from where it lives\n",
           sum->chunk_reads, reads_of_set(outcome), mib(sum->backend_bytes, a));
    printf("simulator      %.2f s of CPU, %.0f MiB of memory\n", totals->own_cpu_s,
           totals->peak_mib);
}

int report_print(const struct outcome *outcome, bool json)
{
    struct totals totals;
    int r = totals_make(outcome, &totals);
    if (r < 0)
        return r;
    if (json)
        return json_print(outcome, &totals);
    boot_print(outcome);
    totals_print(outcome, &totals);
    return fflush(stdout) == EOF ? -errno : 0;
}
