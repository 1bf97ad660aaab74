/* SPDX-License-Identifier: MIT */
#include "client/bench/seat.h"

#include "client/bench/peer.h"
#include "lib/base/mem.h"
#include "lib/net/several.h"
#include "lib/net/uri_add.h"

#include <errno.h>
#include <limits.h>
#include <time.h>

#define WORD_BITS (CHAR_BIT * sizeof(unsigned long))

/* A seat that thinks looks up this often whether the storm is over. */
#define THINK_SLICE_US 200000ULL

/* --- life ------------------------------------------------------------------------------------- */

/* A server's URI with what a seat adds to it; owned by the caller. */
static int uri_make(const struct seat *seat, const char *server, const char *pki, char **ret_uri,
                    struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf uri = CR_BUF_INIT(CR_URI_BYTES_MAX - 1);
    char patience[16];
    snprintf(patience, sizeof(patience), "%u", seat->storm->options->patience_s);
    int r = cr_buf_append(&uri, server, strlen(server));
    if (r == 0 && pki != NULL)
        r = cr_server_uri_add(&uri, "pki", pki);
    if (r == 0)
        r = cr_server_uri_add(&uri, "patience", patience);
    if (r == 0)
        r = cr_buf_append(&uri, "", 1);
    if (r < 0)
        return cr_error_errno(err, r, "the address of server '%s'", server);
    *ret_uri = (char *)TAKE_PTR(uri.data);
    return 0;
}

/* All servers, as blockd has them; seat `number` begins with another one than its neighbour. */
static int store_make(struct seat *seat, unsigned number, const char *pki, struct cr_error *err)
{
    const struct options *options = seat->storm->options;
    const struct cr_several_options several = {.patience_s = options->patience_s};
    char *uris[CR_SERVERS_MAX] = {NULL};
    int r = 0;
    for (unsigned i = 0; r == 0 && i < options->server_count; i++)
        r = uri_make(seat, options->servers[(number + i) % options->server_count], pki, &uris[i],
                     err);
    if (r == 0)
        r = cr_several_open((const char *const *)uris, options->server_count, &several,
                            &seat->server, err);
    if (r == 0)
        r = line_store_new(&seat->storm->line, seat->server, &seat->store, err);
    if (r == 0 && options->peers)
        r = peer_new(seat, uris[0], &seat->peer, err);
    for (unsigned i = 0; i < options->server_count; i++)
        free(uris[i]);
    return r;
}

int seat_init(struct seat *seat, struct storm *storm, unsigned number, const char *pki,
              struct cr_error *err)
{
    size_t words = storm->plan->chunk_count / WORD_BITS + 1;
    *seat = (struct seat){.storm = storm};
    pthread_mutex_init(&seat->mutex, NULL);
    pthread_cond_init(&seat->news, NULL);
    seat->have = cr_calloc(words, sizeof(unsigned long));
    seat->busy = cr_calloc(words, sizeof(unsigned long));
    if (seat->have == NULL || seat->busy == NULL)
        return cr_error_errno(err, -ENOMEM, "make a seat");
    return store_make(seat, number, pki, err);
}

void seat_done(struct seat *seat)
{
    if (seat->storm == NULL) /* not even begun */
        return;
    peer_free(TAKE_PTR(seat->peer));
    cr_store_close(TAKE_PTR(seat->store));
    cr_store_close(TAKE_PTR(seat->server));
    free(TAKE_PTR(seat->have));
    free(TAKE_PTR(seat->busy));
    pthread_cond_destroy(&seat->news);
    pthread_mutex_destroy(&seat->mutex);
}

void seat_interrupt(struct seat *seat)
{
    if (seat->storm == NULL)
        return;
    pthread_mutex_lock(&seat->mutex);
    seat->ended = true;
    pthread_cond_broadcast(&seat->news);
    pthread_mutex_unlock(&seat->mutex);
    if (seat->server != NULL)
        cr_several_interrupt(seat->server);
    if (seat->peer != NULL)
        peer_interrupt(seat->peer);
}

uint64_t clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* --- chunks ----------------------------------------------------------------------------------- */

/* The chunks of one request; chunks with one id are asked for once. */
struct wanted {
    struct seat *seat;
    uint8_t *scratch;
    struct cr_id ids[STEP_CHUNKS_MAX];
    size_t id_count;
    struct {
        uint32_t number; /* in the plan */
        size_t id;
        bool came;
    } chunks[STEP_CHUNKS_MAX];
    size_t chunk_count;
    struct cr_error *err;
};

static bool bit(const unsigned long *bits, uint32_t number)
{
    return (bits[number / WORD_BITS] >> (number % WORD_BITS)) & 1;
}

static unsigned long mask(uint32_t number)
{
    return 1UL << (number % WORD_BITS);
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

/* Claim what is missing and in nobody's hands. Returns whether anything is missing. */
static bool wanted_claim(struct wanted *wanted, const uint32_t *numbers, uint32_t count)
{
    struct seat *seat = wanted->seat;
    bool missing = false;
    wanted->id_count = wanted->chunk_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t number = numbers[i];
        if (bit(seat->have, number))
            continue;
        missing = true;
        if (bit(seat->busy, number))
            continue;
        seat->busy[number / WORD_BITS] |= mask(number);
        wanted->chunks[wanted->chunk_count].came = false;
        wanted_add(wanted, number);
    }
    return missing;
}

static void wanted_let_go(struct wanted *wanted)
{
    struct seat *seat = wanted->seat;
    for (size_t i = 0; i < wanted->chunk_count; i++) {
        uint32_t number = wanted->chunks[i].number;
        seat->busy[number / WORD_BITS] &= ~mask(number);
        if (!wanted->chunks[i].came)
            continue;
        seat->have[number / WORD_BITS] |= mask(number);
        seat->fetched++;
    }
    pthread_cond_broadcast(&seat->news);
}

static int frame_came(void *context, size_t index, int result, const void *frame, size_t len,
                      const struct cr_error *why)
{
    struct wanted *wanted = context;
    if (result < 0) {
        if (why != NULL)
            *wanted->err = *why;
        return result;
    }
    for (size_t i = 0; i < wanted->chunk_count; i++) {
        if (wanted->chunks[i].id != index)
            continue;
        int r = proof_frame(&wanted->seat->storm->proof, wanted->chunks[i].number, frame, len,
                            wanted->scratch, wanted->err);
        if (r < 0)
            return r;
        wanted->chunks[i].came = true;
    }
    return 0;
}

/* Ask for what was claimed, in one request. */
static int wanted_fetch(struct wanted *wanted)
{
    struct seat *seat = wanted->seat;
    struct cr_store *store = seat->peer != NULL ? peer_store(seat->peer) : seat->store;
    int r = store->ops->chunks_get(store, wanted->ids, wanted->id_count, frame_came, wanted,
                                   wanted->err);
    for (size_t i = 0; r == 0 && i < wanted->chunk_count; i++)
        if (!wanted->chunks[i].came)
            r = cr_error_set(wanted->err, -EIO, "the servers kept silent about a chunk");
    return r;
}

/*
 * Have these chunks, at most STEP_CHUNKS_MAX: fetch those that are missing, and wait for those that
 * another thread fetches. Its own are let go before it waits, so nobody waits in a circle.
 */
static int chunks_have(struct seat *seat, const uint32_t *numbers, uint32_t count,
                       struct cr_error *err)
{
    uint8_t scratch[CR_CHUNK_BYTES];
    struct wanted wanted = {.seat = seat, .scratch = scratch, .err = err};
    int r = 0;
    pthread_mutex_lock(&seat->mutex);
    while (r == 0 && wanted_claim(&wanted, numbers, count)) {
        if (wanted.id_count > 0) {
            pthread_mutex_unlock(&seat->mutex);
            r = wanted_fetch(&wanted);
            pthread_mutex_lock(&seat->mutex);
            wanted_let_go(&wanted);
        } else if (seat->ended) {
            r = cr_error_set(err, -ECANCELED, "given up on request");
        } else {
            pthread_cond_wait(&seat->news, &seat->mutex);
        }
    }
    pthread_mutex_unlock(&seat->mutex);
    return r;
}

/* --- what it is to others --------------------------------------------------------------------- */

uint64_t seat_present(struct seat *seat)
{
    pthread_mutex_lock(&seat->mutex);
    uint64_t present = seat->fetched;
    pthread_mutex_unlock(&seat->mutex);
    return present;
}

int seat_give_chunk(struct seat *seat, const struct cr_id *id, uint8_t *plain, size_t *ret_len)
{
    const struct plan *plan = seat->storm->plan;
    struct cr_error err;
    uint32_t number;
    if (!plan_find(plan, id, &number))
        return -ENOENT;
    int r = chunks_have(seat, &number, 1, &err);
    if (r < 0)
        return r;
    const uint8_t *bytes = proof_plain(&seat->storm->proof, number);
    if (bytes == NULL)
        return -ENOENT; /* it is being put there */
    memcpy(plain, bytes, plan->chunks[number].bytes);
    *ret_len = plan->chunks[number].bytes;
    return 0;
}

int seat_give_segment(struct seat *seat, const struct cr_id *id, struct cr_buf *frame)
{
    const struct plan *plan = seat->storm->plan;
    size_t i = 0;
    while (i < plan->segment_count && !cr_id_equal(&plan->segments[i], id))
        i++;
    pthread_mutex_lock(&seat->mutex);
    while (!seat->has_segments && !seat->ended)
        pthread_cond_wait(&seat->news, &seat->mutex);
    bool has = seat->has_segments && i < plan->segment_count;
    pthread_mutex_unlock(&seat->mutex);
    return has ? cr_buf_append(frame, plan->frames[i].data, plan->frames[i].len) : -ENOENT;
}

/* --- the version ------------------------------------------------------------------------------ */

/* A seat asks for the head and the manifest. What is in them is known already. */
static int version_ask(struct seat *seat, struct cr_error *err)
{
    const struct plan *plan = seat->storm->plan;
    CLEANUP_BUF struct cr_buf head = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    CLEANUP_BUF struct cr_buf manifest = CR_BUF_INIT(cr_kinds[CR_MANIFEST].plain_max);
    int r = seat->store->ops->head_get(seat->store, plan->ref.name, &head, err);
    if (r == 0)
        r = cr_store_object_read(seat->store, CR_MANIFEST, &plan->info.root, &manifest, err);
    return r;
}

/* And for the segments that its chunks stand in. */
static int segments_ask(struct seat *seat, struct cr_error *err)
{
    const struct plan *plan = seat->storm->plan;
    struct cr_store *store = seat->peer != NULL ? peer_store(seat->peer) : seat->store;
    CLEANUP_BUF struct cr_buf plain = CR_BUF_INIT(cr_kinds[CR_SEGMENT].plain_max);
    for (size_t i = 0; i < plan->segment_count; i++) {
        plain.len = 0;
        int r = cr_store_object_read(store, CR_SEGMENT, &plan->segments[i], &plain, err);
        if (r < 0)
            return r;
    }
    pthread_mutex_lock(&seat->mutex);
    seat->has_segments = true;
    pthread_cond_broadcast(&seat->news);
    pthread_mutex_unlock(&seat->mutex);
    return 0;
}

/* --- reads ------------------------------------------------------------------------------------ */

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
    if (r == 0 && seat->peer != NULL)
        r = peer_start(seat->peer, &seat->err);
    if (r == 0)
        r = segments_ask(seat, &seat->err);
    for (size_t i = 0; r == 0 && i < plan->step_count; i++) {
        const struct plan_step *step = &plan->steps[i];
        if (i > 0)
            think(seat, step - 1, step);
        r = atomic_load(&seat->storm->stop)
                ? cr_error_set(&seat->err, -ECANCELED, "given up on request")
                : chunks_have(seat, plan->wants + step->first, step->count, &seat->err);
    }
    seat->result = r;
    if (r == 0)
        seat->done_us = clock_us() - seat->storm->began_us;
}
