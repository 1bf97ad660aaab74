/* SPDX-License-Identifier: MIT */
/* Objects from peers that behave well, badly or not at all, hedged to a server. */
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/peer/budget.h"
#include "lib/peer/fetch.h"
#include "lib/peer/wireless.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#define CHUNKS  96U
#define LONG_MS 600000U /* a hedge that no test waits for */

static uint8_t plain[CHUNKS][512];
static struct cr_id ids[CHUNKS];

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static size_t frame_of(size_t chunk, uint8_t out[static CR_CHUNK_FRAME_MAX])
{
    size_t len = 0;
    assert_int_equal(
        cr_frame_encode(plain[chunk], sizeof(plain[chunk]), out, CR_CHUNK_FRAME_MAX, &len), 0);
    return len;
}

static size_t chunk_of(const struct cr_id *id)
{
    for (size_t i = 0; i < CHUNKS; i++)
        if (cr_id_equal(id, &ids[i]))
            return i;
    return CHUNKS;
}

/* --- peers ------------------------------------------------------------------------------------ */

enum manner { GOOD, STALLED, WRONG, MISSING, DEAD, BROKEN };

/* What all peers and the server share. Peers are named by their port. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    enum manner manners[8];
    bool released; /* those that stall go on */
    unsigned asked[8];
    bool server_stalls, server_fails;
    unsigned server_asked; /* objects */
} world = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static int peer_open(void *context, const struct cr_peer_place *place, void **ret_link,
                     struct cr_error *err)
{
    unsigned *link = malloc(sizeof(*link));
    (void)context, (void)err;
    *link = place->port;
    *ret_link = link;
    return 0;
}

static void peer_interrupt(void *link)
{
    (void)link;
}

static int peer_ask(void *link, const uint8_t *ticket, enum cr_kind kind, const struct cr_id *asked,
                    uint32_t count, cr_batch_sink *sink, void *context, struct cr_error *err)
{
    unsigned port = *(unsigned *)link;
    uint8_t frame[CR_CHUNK_FRAME_MAX];
    (void)ticket, (void)kind;
    pthread_mutex_lock(&world.mutex);
    enum manner manner = world.manners[port];
    world.asked[port] += count;
    while (manner == STALLED && !world.released)
        pthread_cond_wait(&world.changed, &world.mutex);
    pthread_mutex_unlock(&world.mutex);
    if (manner == DEAD)
        return cr_error_set(err, -EAGAIN, "nobody is there");
    if (manner == BROKEN)
        return cr_error_set(err, -EBADMSG, "this is no batch");
    for (uint32_t i = 0; i < count; i++) {
        size_t chunk = chunk_of(&asked[i]);
        size_t len = frame_of(manner == WRONG ? (chunk + 1) % CHUNKS : chunk, frame);
        int r = manner == MISSING ? sink(context, i, CR_BATCH_MISSING, NULL, 0)
                                  : sink(context, i, 0, frame, len);
        if (r != 0)
            return r;
    }
    return 0;
}

static const struct cr_peer_ops peer_ops = {
    .open = peer_open, .close = free, .ask = peer_ask, .interrupt = peer_interrupt};

/* --- the server ------------------------------------------------------------------------------- */

static int server_get(struct cr_store *store, const struct cr_id *asked, size_t count,
                      cr_frame_sink *sink, void *context, struct cr_error *err)
{
    uint8_t frame[CR_CHUNK_FRAME_MAX];
    (void)store;
    pthread_mutex_lock(&world.mutex);
    world.server_asked += (unsigned)count;
    while (world.server_stalls)
        pthread_cond_wait(&world.changed, &world.mutex);
    bool fails = world.server_fails;
    pthread_mutex_unlock(&world.mutex);
    if (fails)
        return cr_error_set(err, -ETIMEDOUT, "the server is away");
    for (size_t i = 0; i < count; i++) {
        size_t chunk = chunk_of(&asked[i]);
        struct cr_error why;
        int r = chunk == CHUNKS
                    ? sink(context, i, cr_error_set(&why, -ENOENT, "it is missing"), NULL, 0, &why)
                    : sink(context, i, 0, frame, frame_of(chunk, frame), NULL);
        if (r != 0)
            return r;
    }
    return 0;
}

static const struct cr_store_ops server_ops = {.chunks_get = server_get};
static struct cr_store server = {.ops = &server_ops};

/* --- a seat ----------------------------------------------------------------------------------- */

static struct {
    struct cr_roster *roster;
    struct cr_peerfetch *fetch;
    atomic_uint banned;
} seat;

static void banned(void *context, const struct cr_id *fingerprint)
{
    (void)context, (void)fingerprint;
    atomic_fetch_add(&seat.banned, 1);
}

static void peers_are(unsigned count, ...)
{
    struct cr_peer_answer answer = {.count = count};
    va_list manners;
    va_start(manners, count);
    pthread_mutex_lock(&world.mutex);
    for (unsigned i = 0; i < count; i++) {
        answer.peers[i].port = (uint16_t)(i + 1);
        cr_hash(&i, sizeof(i), &answer.peers[i].fingerprint);
        world.manners[i + 1] = (enum manner)va_arg(manners, int);
    }
    pthread_mutex_unlock(&world.mutex);
    va_end(manners);
    cr_roster_update(seat.roster, &answer, now_ms());
}

static int seat_begin(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CHUNKS; i++) {
        memset(plain[i], (int)i + 1, sizeof(plain[i]));
        cr_hash(plain[i], sizeof(plain[i]), &ids[i]);
    }
    world.released = world.server_stalls = world.server_fails = false;
    world.server_asked = 0;
    memset(world.asked, 0, sizeof(world.asked));
    atomic_store(&seat.banned, 0);
    assert_int_equal(cr_roster_new(&peer_ops, NULL, &seat.roster), 0);
    assert_int_equal(cr_peerfetch_new(seat.roster, banned, NULL, &seat.fetch), 0);
    return 0;
}

static void release(void)
{
    pthread_mutex_lock(&world.mutex);
    world.released = true;
    world.server_stalls = false;
    pthread_cond_broadcast(&world.changed);
    pthread_mutex_unlock(&world.mutex);
}

static int seat_end(void **state)
{
    (void)state;
    release();
    cr_peerfetch_free(seat.fetch);
    cr_roster_free(seat.roster);
    return 0;
}

struct taken {
    unsigned right, missing, times[CHUNKS];
    size_t first; /* chunk of index 0 */
};

static int take(void *context, size_t index, int result, const void *frame, size_t len,
                const struct cr_error *err)
{
    struct taken *taken = context;
    uint8_t found[CR_CHUNK_BYTES];
    size_t found_len = 0, chunk = taken->first + index;
    (void)err;
    assert_true(chunk < CHUNKS || result < 0);
    taken->times[chunk % CHUNKS]++;
    if (result < 0)
        taken->missing++;
    else
        taken->right += cr_object_open(CR_CHUNK, &ids[chunk], frame, len, found, sizeof(found),
                                       &found_len, NULL) == 0 &&
                        memcmp(found, plain[chunk], found_len) == 0;
    return 0;
}

/* Get `count` chunks from `first` on; each comes once and is right. */
static void gets(size_t first, size_t count, unsigned hedge_ms)
{
    struct taken taken = {.first = first};
    struct cr_error err = {0};
    assert_int_equal(cr_peerfetch_get(seat.fetch, &server, hedge_ms, CR_CHUNK, ids + first, count,
                                      take, &taken, &err),
                     0);
    assert_int_equal(taken.right, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(taken.times[first + i], 1);
}

static unsigned server_asked(void)
{
    pthread_mutex_lock(&world.mutex);
    unsigned asked = world.server_asked;
    pthread_mutex_unlock(&world.mutex);
    return asked;
}

/* --- tests ------------------------------------------------------------------------------------ */

static void without_peers_the_server_is_asked_for_all_in_one_request(void **state)
{
    (void)state;
    gets(0, CHUNKS, LONG_MS);
    assert_int_equal(server_asked(), CHUNKS);
}

static void what_peers_have_the_server_is_not_asked_for(void **state)
{
    (void)state;
    peers_are(3, GOOD, GOOD, GOOD);
    gets(0, CHUNKS, LONG_MS);
    assert_int_equal(server_asked(), 0);
    for (unsigned port = 1; port <= 3; port++)
        assert_int_equal(world.asked[port], CHUNKS / 3);
    struct cr_peerfetch_stat stat;
    cr_peerfetch_stat(seat.fetch, &stat);
    assert_int_equal(stat.peer_objects, CHUNKS);
    assert_int_equal(stat.hedged, 0);
}

static void a_single_peer_gets_no_more_ids_at_once_than_it_takes(void **state)
{
    (void)state;
    peers_are(1, GOOD);
    gets(0, CHUNKS, LONG_MS);
    assert_int_equal(server_asked(), 0);
    assert_int_equal(world.asked[1], CHUNKS);
}

static void a_stalled_peer_costs_the_hedge_delay_and_then_rests(void **state)
{
    (void)state;
    peers_are(1, STALLED);
    uint64_t begin = now_ms();
    gets(0, 4, 100);
    uint64_t first = now_ms() - begin;
    assert_in_range(first, 100, 5000);
    assert_int_equal(server_asked(), 4);
    gets(4, 4, 100);
    begin = now_ms();
    for (size_t i = 8; i < 28; i++) /* late twice: it rests, and nobody waits for it */
        gets(i, 1, 199);
    assert_true(now_ms() - begin < 20 * 199);
    struct cr_peerfetch_stat stat;
    cr_peerfetch_stat(seat.fetch, &stat);
    assert_int_equal(stat.hedged, 8);
}

static void a_dead_peer_costs_no_delay(void **state)
{
    (void)state;
    peers_are(2, DEAD, DEAD);
    gets(0, CHUNKS, LONG_MS);
    assert_int_equal(server_asked(), CHUNKS);
    /* The tracker shall name others; the failures may still be on their way. */
    struct cr_id avoided[CR_PEERS_MAX];
    uint64_t end = now_ms() + 10000;
    while (cr_roster_avoid(seat.roster, end - 10000, avoided) < 2 && now_ms() < end)
        sched_yield();
    assert_int_equal(cr_roster_avoid(seat.roster, end - 10000, avoided), 2);
    assert_int_equal(cr_roster_avoid(seat.roster, end + 100000, avoided), 0);
}

static void what_a_peer_lacks_is_asked_of_the_server_at_once_and_remembered(void **state)
{
    (void)state;
    peers_are(1, MISSING);
    gets(0, 8, LONG_MS);
    assert_int_equal(server_asked(), 8);
    gets(0, 8, LONG_MS);
    assert_int_equal(server_asked(), 16);
    assert_int_equal(world.asked[1], 8);
}

static void wrong_bytes_are_never_taken_and_three_of_them_ban(void **state)
{
    (void)state;
    peers_are(1, WRONG);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(atomic_load(&seat.banned), 0);
        gets(i, 1, LONG_MS);
    }
    /* The peer is told of before its request ends, but the answer need not wait for that. */
    assert_int_equal(atomic_load(&seat.banned), 1);
    gets(3, 40, LONG_MS);
    assert_int_equal(world.asked[1], 3);
    assert_int_equal(server_asked(), 43);
    struct cr_id avoided[CR_PEERS_MAX];
    assert_int_equal(cr_roster_avoid(seat.roster, now_ms(), avoided), 1);

    /* Named again within the hour it is not taken; after it, it is. */
    struct cr_peer *peers[1];
    struct cr_peer_answer nobody = {0}, again = {.count = 1, .peers = {{.port = 1}}};
    again.peers[0].fingerprint = avoided[0];
    cr_roster_update(seat.roster, &nobody, now_ms());
    cr_roster_update(seat.roster, &again, now_ms() + 3500000);
    assert_int_equal(cr_roster_pick(seat.roster, 1, true, now_ms() + 3500000, peers), 0);
    cr_roster_update(seat.roster, &again, now_ms() + 3700000);
    assert_int_equal(cr_roster_pick(seat.roster, 1, true, now_ms() + 3700000, peers), 1);
    cr_peer_done(peers[0], CR_PEER_ANSWERED, now_ms() + 3700000);
}

static void an_answer_that_is_no_batch_counts_as_wrong_bytes(void **state)
{
    (void)state;
    peers_are(1, BROKEN);
    gets(0, 4, LONG_MS);
    struct cr_peerfetch_stat stat;
    cr_peerfetch_stat(seat.fetch, &stat);
    assert_int_equal(stat.wrong, 1);
}

static void good_peers_beside_bad_ones_still_help(void **state)
{
    (void)state;
    peers_are(3, GOOD, WRONG, STALLED);
    gets(0, CHUNKS, 50);
    struct cr_peerfetch_stat stat;
    cr_peerfetch_stat(seat.fetch, &stat);
    assert_true(stat.peer_objects >= CHUNKS / 3);
    assert_true(server_asked() >= CHUNKS / 3);
    assert_true(server_asked() <= CHUNKS * 2 / 3);
}

static void peers_carry_on_while_the_server_is_away(void **state)
{
    (void)state;
    world.server_stalls = true;
    peers_are(3, GOOD, GOOD, GOOD);
    gets(0, CHUNKS, 0); /* hedged at once, in vain */
    release();
}

static void what_nobody_has_is_told_once_each(void **state)
{
    (void)state;
    struct cr_id strange[4];
    struct taken taken = {.first = 0};
    struct cr_error err;
    for (unsigned i = 0; i < 4; i++) {
        strange[i] = ids[i];
        strange[i].bytes[31] ^= 1;
    }
    peers_are(1, MISSING);
    assert_int_equal(
        cr_peerfetch_get(seat.fetch, &server, LONG_MS, CR_CHUNK, strange, 4, take, &taken, &err),
        0);
    assert_int_equal(taken.missing, 4);
    assert_int_equal(taken.times[3], 1);
}

static void a_failure_of_the_server_is_told_when_no_peer_is_left(void **state)
{
    (void)state;
    struct taken taken = {.first = 0};
    struct cr_error err = {0};
    world.server_fails = true;
    peers_are(1, MISSING);
    assert_int_equal(
        cr_peerfetch_get(seat.fetch, &server, LONG_MS, CR_CHUNK, ids, 4, take, &taken, &err),
        -ETIMEDOUT);
    assert_string_equal(err.text, "the server is away");
}

static void *reader(void *argument)
{
    size_t from = *(size_t *)argument;
    for (unsigned round = 0; round < 30; round++) {
        struct taken taken = {.first = from};
        struct cr_error err;
        if (cr_peerfetch_get(seat.fetch, &server, round % 3, CR_CHUNK, ids + from, 24, take, &taken,
                             &err) != 0 ||
            taken.right != 24)
            return argument;
    }
    return NULL;
}

static void many_readers_and_changing_peers_get_right_bytes(void **state)
{
    (void)state;
    pthread_t threads[4];
    size_t froms[4] = {0, 24, 48, 72};
    void *failed;
    peers_are(3, GOOD, GOOD, MISSING);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, reader, &froms[i]), 0);
    for (unsigned i = 0; i < 20; i++) {
        peers_are(1 + i % 3, GOOD, i % 2 ? WRONG : DEAD, GOOD);
        sched_yield();
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
}

static void a_budget_lets_pass_what_it_says(void **state)
{
    (void)state;
    struct cr_budget none = {0}, budget = {.bytes_a_second = 1000};
    assert_int_equal(cr_budget_spend(&none, 1 << 30, 5), 0);
    assert_int_equal(cr_budget_spend(&budget, 500, 10000), 500);
    assert_int_equal(cr_budget_spend(&budget, 500, 10000), 1000);
    assert_int_equal(cr_budget_debt_ms(&budget, 10400), 600);
    assert_int_equal(cr_budget_debt_ms(&budget, 12000), 0);
    assert_int_equal(cr_budget_spend(&budget, 100, 60000), 100); /* idle time is not saved up */
}

static void a_seat_knows_that_its_way_to_the_server_is_wireless(void **state)
{
    (void)state;
    char folder[] = "/tmp/carrel-XXXXXX", path[64];
    struct cr_server_uri uri = {.tls = true, .host = "127.0.0.1", .port = 9};
    assert_non_null(mkdtemp(folder));
    assert_false(cr_route_is_wireless(&uri, CR_SYS_NET));
    assert_false(cr_route_is_wireless(&uri, folder));
    snprintf(path, sizeof(path), "%s/lo", folder);
    assert_int_equal(cr_dir_make(AT_FDCWD, path, 0700), 0);
    assert_false(cr_route_is_wireless(&uri, folder));
    snprintf(path, sizeof(path), "%s/lo/wireless", folder);
    assert_int_equal(cr_dir_make(AT_FDCWD, path, 0700), 0);
    assert_true(cr_route_is_wireless(&uri, folder));
    snprintf(uri.host, sizeof(uri.host), "no such host");
    assert_false(cr_route_is_wireless(&uri, folder));
    cr_dir_remove(AT_FDCWD, folder);
}

#define SEAT_TEST(name) cmocka_unit_test_setup_teardown(name, seat_begin, seat_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SEAT_TEST(without_peers_the_server_is_asked_for_all_in_one_request),
        SEAT_TEST(what_peers_have_the_server_is_not_asked_for),
        SEAT_TEST(a_single_peer_gets_no_more_ids_at_once_than_it_takes),
        SEAT_TEST(a_stalled_peer_costs_the_hedge_delay_and_then_rests),
        SEAT_TEST(a_dead_peer_costs_no_delay),
        SEAT_TEST(what_a_peer_lacks_is_asked_of_the_server_at_once_and_remembered),
        SEAT_TEST(wrong_bytes_are_never_taken_and_three_of_them_ban),
        SEAT_TEST(an_answer_that_is_no_batch_counts_as_wrong_bytes),
        SEAT_TEST(good_peers_beside_bad_ones_still_help),
        SEAT_TEST(peers_carry_on_while_the_server_is_away),
        SEAT_TEST(what_nobody_has_is_told_once_each),
        SEAT_TEST(a_failure_of_the_server_is_told_when_no_peer_is_left),
        SEAT_TEST(many_readers_and_changing_peers_get_right_bytes),
        cmocka_unit_test(a_seat_knows_that_its_way_to_the_server_is_wireless),
        cmocka_unit_test(a_budget_lets_pass_what_it_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
