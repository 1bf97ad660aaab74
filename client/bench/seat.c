/* SPDX-License-Identifier: MIT */
#include "client/bench/seat.h"

#include "lib/base/mem.h"
#include "lib/net/https.h"
#include "lib/net/uri_add.h"

#include <errno.h>
#include <limits.h>
#include <time.h>

#define WORD_BITS (CHAR_BIT * sizeof(unsigned long))

/* A seat that thinks looks up this often whether the storm is over. */
#define THINK_SLICE_US 200000ULL

/* --- life ------------------------------------------------------------------------------------- */

int seat_init(struct seat *seat, struct storm *storm, const char *server, const char *pki,
              struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf uri = CR_BUF_INIT(CR_URI_BYTES_MAX - 1);
    char patience[16];
    *seat = (struct seat){.storm = storm};
    seat->have = cr_calloc(storm->plan->chunk_count / WORD_BITS + 1, sizeof(unsigned long));
    seat->scratch = malloc(CR_CHUNK_BYTES);
    if (seat->have == NULL || seat->scratch == NULL)
        return cr_error_errno(err, -ENOMEM, "make a seat");
    snprintf(patience, sizeof(patience), "%u", storm->options->patience_s);
    int r = cr_buf_append(&uri, server, strlen(server));
    if (r == 0 && pki != NULL)
        r = cr_server_uri_add(&uri, "pki", pki);
    if (r == 0)
        r = cr_server_uri_add(&uri, "patience", patience);
    if (r == 0)
        r = cr_buf_append(&uri, "", 1);
    if (r < 0)
        return cr_error_errno(err, r, "the address of server '%s'", server);
    r = cr_https_open((const char *)uri.data, &seat->server, err);
    return r < 0 ? r : line_store_new(&storm->line, seat->server, &seat->store, err);
}

void seat_done(struct seat *seat)
{
    cr_store_close(TAKE_PTR(seat->store));
    cr_store_close(TAKE_PTR(seat->server));
    free(TAKE_PTR(seat->have));
    free(TAKE_PTR(seat->scratch));
}

void seat_interrupt(struct seat *seat)
{
    if (seat->server != NULL)
        cr_https_interrupt(seat->server);
}

uint64_t clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* --- the version ------------------------------------------------------------------------------ */

/* A seat asks for the head, the manifest and the segments too. What is in them is known already. */
static int version_ask(struct seat *seat, struct cr_error *err)
{
    const struct plan *plan = seat->storm->plan;
    CLEANUP_BUF struct cr_buf plain = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    int r = seat->store->ops->head_get(seat->store, plan->ref.name, &plain, err);
    cr_buf_done(&plain);
    cr_buf_init(&plain, cr_kinds[CR_MANIFEST].plain_max);
    if (r == 0)
        r = cr_store_object_read(seat->store, CR_MANIFEST, &plan->info.root, &plain, err);
    for (size_t i = 0; r == 0 && i < plan->segment_count; i++) {
        plain.len = 0;
        r = cr_store_object_read(seat->store, CR_SEGMENT, &plan->segments[i], &plain, err);
    }
    return r;
}

/* --- reads ------------------------------------------------------------------------------------ */

/* The chunks of one request; chunks with one id are asked for once. */
struct wanted {
    struct seat *seat;
    struct cr_id ids[STEP_CHUNKS_MAX];
    size_t id_count;
    struct {
        uint32_t number; /* in the plan */
        size_t id;
    } chunks[STEP_CHUNKS_MAX];
    size_t chunk_count;
};

static bool has(const struct seat *seat, uint32_t number)
{
    return (seat->have[number / WORD_BITS] >> (number % WORD_BITS)) & 1;
}

static void wanted_add(struct wanted *wanted, uint32_t number)
{
    const struct cr_id *id = &wanted->seat->storm->plan->chunks[number].id;
    size_t at = 0;
    while (at < wanted->id_count && !cr_id_equal(&wanted->ids[at], id))
        at++;
    if (at == wanted->id_count)
        wanted->ids[wanted->id_count++] = *id;
    wanted->chunks[wanted->chunk_count].number = number;
    wanted->chunks[wanted->chunk_count++].id = at;
}

static int frame_came(void *context, size_t index, int result, const void *frame, size_t len,
                      const struct cr_error *why)
{
    struct wanted *wanted = context;
    struct seat *seat = wanted->seat;
    if (result < 0) {
        if (why != NULL)
            seat->err = *why;
        return result;
    }
    for (size_t i = 0; i < wanted->chunk_count; i++) {
        uint32_t number = wanted->chunks[i].number;
        if (wanted->chunks[i].id != index)
            continue;
        int r = proof_frame(&seat->storm->proof, number, frame, len, seat->scratch, &seat->err);
        if (r < 0)
            return r;
        seat->have[number / WORD_BITS] |= 1UL << (number % WORD_BITS);
        seat->fetched++;
    }
    return 0;
}

static int step_run(struct seat *seat, const struct plan_step *step, struct cr_error *err)
{
    const struct plan *plan = seat->storm->plan;
    struct wanted wanted = {.seat = seat};
    for (uint32_t i = 0; i < step->count; i++) {
        uint32_t number = plan->wants[step->first + i];
        if (!has(seat, number))
            wanted_add(&wanted, number);
    }
    if (wanted.id_count == 0)
        return 0;
    int r = seat->store->ops->chunks_get(seat->store, wanted.ids, wanted.id_count, frame_came,
                                         &wanted, err);
    for (size_t i = 0; r == 0 && i < wanted.chunk_count; i++)
        if (!has(seat, wanted.chunks[i].number))
            r = cr_error_set(err, -EIO, "server '%s' kept silent about a chunk", seat->store->uri);
    return r;
}

/* The guest's own time between two reads. */
static void think(struct seat *seat, const struct plan_step *before, const struct plan_step *step)
{
    double factor = seat->storm->options->think;
    uint64_t left = (uint64_t)((double)(step->at_us - before->at_us) * factor);
    while (left > 0 && !atomic_load(&seat->storm->stop)) {
        uint64_t slice = left < THINK_SLICE_US ? left : THINK_SLICE_US;
        usleep((useconds_t)slice);
        left -= slice;
    }
}

void seat_run(struct seat *seat)
{
    const struct plan *plan = seat->storm->plan;
    int r = version_ask(seat, &seat->err);
    for (size_t i = 0; r == 0 && i < plan->step_count; i++) {
        if (i > 0)
            think(seat, &plan->steps[i - 1], &plan->steps[i]);
        r = atomic_load(&seat->storm->stop)
                ? cr_error_set(&seat->err, -ECANCELED, "given up on request")
                : step_run(seat, &plan->steps[i], &seat->err);
    }
    seat->result = r;
    if (r == 0)
        seat->done_us = clock_us() - seat->storm->began_us;
}
