/* SPDX-License-Identifier: MIT */
/* Several servers, each of which can be made to fail in a way of its own. */
#include "lib/base/mem.h"
#include "lib/net/several.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define CHUNKS 8

/* A server that holds CHUNKS frames: frame i is the byte i, a hundred times. */
struct fake {
    struct cr_store base;
    atomic_bool away, interrupted;
    atomic_bool lacks[CHUNKS], lies[CHUNKS];
    atomic_int cut_after; /* frames of a request; -1 = none is cut */
    atomic_int requests, posts;
    atomic_uint latency_us, silence_ms;
};

static struct fake fakes[3];
static unsigned fake_count;
static struct cr_id ids[CHUNKS];

static int fake_chunks_get(struct cr_store *store, const struct cr_id *asked, size_t count,
                           cr_frame_sink *sink, void *context, struct cr_error *err)
{
    struct fake *fake = (struct fake *)store;
    atomic_fetch_add(&fake->requests, 1);
    for (size_t i = 0; i < count; i++) {
        uint8_t number = asked[i].bytes[0], frame[100];
        struct cr_error why = {"it is not there"};
        if (atomic_load(&fake->away) || (int)i == atomic_load(&fake->cut_after))
            return cr_error_set(err, -EAGAIN, "cut");
        memset(frame, atomic_load(&fake->lies[number]) ? 0xff : number, sizeof(frame));
        bool lacks = atomic_load(&fake->lacks[number]);
        int r = sink(context, i, lacks ? -ENOENT : 0, lacks ? NULL : frame, lacks ? 0 : 100, &why);
        if (r != 0)
            return r;
    }
    return 0;
}

static int fake_head_get(struct cr_store *store, const char *name, struct cr_buf *head,
                         struct cr_error *err)
{
    struct fake *fake = (struct fake *)store;
    (void)name;
    if (atomic_load(&fake->away))
        return cr_error_set(err, -ETIMEDOUT, "away");
    if (atomic_load(&fake->lacks[0]))
        return cr_error_set(err, -ENOENT, "no such image");
    return cr_buf_append(head, "head", 4);
}

static int fake_object_get(struct cr_store *store, enum cr_kind kind, const struct cr_id *id,
                           struct cr_buf *frame, struct cr_error *err)
{
    struct fake *fake = (struct fake *)store;
    uint8_t bytes[200];
    size_t len = 0;
    (void)kind, (void)id;
    if (atomic_load(&fake->away))
        return cr_error_set(err, -EAGAIN, "away");
    const char *text = atomic_load(&fake->lies[0]) ? "a lie" : "right";
    assert_int_equal(cr_frame_encode(text, 5, bytes, sizeof(bytes), &len), 0);
    return cr_buf_append(frame, bytes, len);
}

static void fake_close(struct cr_store *store)
{
    (void)store;
}

static int fake_probe(struct cr_store *store, uint64_t *ret_us, struct cr_error *err)
{
    struct fake *fake = (struct fake *)store;
    (void)err;
    *ret_us = atomic_load(&fake->latency_us);
    return atomic_load(&fake->away) ? -EAGAIN : 0;
}

static void fake_set_silence(struct cr_store *store, unsigned ms)
{
    atomic_store(&((struct fake *)store)->silence_ms, ms);
}

static void fake_interrupt(struct cr_store *store)
{
    atomic_store(&((struct fake *)store)->interrupted, true);
}

static int fake_post(struct cr_store *store, const char *path, const void *body, size_t len,
                     struct cr_buf *out, struct cr_error *err)
{
    struct fake *fake = (struct fake *)store;
    (void)path, (void)body, (void)len;
    if (atomic_load(&fake->away))
        return cr_error_set(err, -EAGAIN, "away");
    atomic_fetch_add(&fake->posts, 1);
    return cr_buf_append(out, "taken", 5);
}

static const struct cr_store_ops fake_ops = {
    .close = fake_close,
    .chunks_get = fake_chunks_get,
    .head_get = fake_head_get,
    .object_get = fake_object_get,
};

static struct cr_store *open_fakes(unsigned count, unsigned patience_s)
{
    const struct cr_several_options options = {.patience_s = patience_s, .probe_ms = 20};
    struct cr_several_server servers[3];
    struct cr_store *store = NULL;
    fake_count = count;
    for (unsigned i = 0; i < CHUNKS; i++)
        ids[i] = (struct cr_id){{(uint8_t)i, 1}};
    for (unsigned i = 0; i < count; i++) {
        struct fake *fake = &fakes[i];
        memset(fake, 0, sizeof(*fake));
        fake->base.ops = &fake_ops;
        fake->cut_after = -1;
        fake->latency_us = 1000 * (i + 1);
        servers[i] = (struct cr_several_server){.store = &fake->base,
                                                .probe = fake_probe,
                                                .set_silence = fake_set_silence,
                                                .interrupt = fake_interrupt,
                                                .post = fake_post};
        snprintf(servers[i].name, sizeof(servers[i].name), "https://server%u:1", i);
    }
    assert_int_equal(cr_several_new(servers, count, &options, &store, NULL), 0);
    return store;
}

/* --- readers ---------------------------------------------------------------------------------- */

struct reader {
    unsigned got[CHUNKS]; /* how often */
    int failed[CHUNKS];
    unsigned refusals;
};

static int take(void *context, size_t index, int result, const void *frame, size_t len,
                const struct cr_error *err)
{
    struct reader *reader = context;
    if (result < 0) {
        assert_true(err->text[0] != '\0');
        reader->failed[index] = result;
        return 0;
    }
    const uint8_t *bytes = frame;
    assert_int_equal(len, 100);
    if (bytes[0] != index) {
        reader->refusals++;
        return CR_FRAME_REFUSED;
    }
    reader->got[index]++;
    return 0;
}

/* All chunks come, each once. */
static struct reader reads_all(struct cr_store *store)
{
    struct reader reader = {0};
    struct cr_error err = {0};
    int r = store->ops->chunks_get(store, ids, CHUNKS, take, &reader, &err);
    if (r < 0)
        fail_msg("%s", err.text);
    for (unsigned i = 0; i < CHUNKS; i++) {
        assert_int_equal(reader.got[i], 1);
        assert_int_equal(reader.failed[i], 0);
    }
    return reader;
}

static bool is_used(struct cr_store *store, unsigned number)
{
    struct cr_several_stat stat;
    cr_several_stat(store, number, &stat);
    return stat.is_used;
}

static bool is_left(struct cr_store *store, unsigned number)
{
    struct cr_several_stat stat;
    cr_several_stat(store, number, &stat);
    return stat.is_left;
}

#define WAIT_UNTIL(condition)                                                                      \
    for (unsigned tries_ = 0; !(condition); tries_++) {                                            \
        const struct timespec moment_ = {.tv_nsec = 2000000};                                      \
        assert_true(tries_ < 5000);                                                                \
        nanosleep(&moment_, NULL);                                                                 \
    }

/* --- promises --------------------------------------------------------------------------------- */

static void a_server_that_is_cut_is_left_and_the_rest_comes_from_the_next(void **state)
{
    (void)state;
    struct cr_store *store = open_fakes(2, 10);
    fakes[0].latency_us = 50000; /* the first one is used until it is measured, and then, too */
    fakes[1].latency_us = 49000;
    fakes[0].cut_after = 3;
    fakes[1].cut_after = 6;
    fakes[0].away = fakes[1].away = false;
    struct reader reader = reads_all(store);
    assert_int_equal(reader.refusals, 0);
    cr_store_close(store);
}

static void what_a_server_lacks_or_has_wrong_comes_from_another(void **state)
{
    (void)state;
    struct cr_store *store = open_fakes(3, 10);
    fakes[0].lacks[1] = fakes[0].lies[2] = fakes[1].lacks[2] = fakes[1].lies[1] = true;
    struct reader reader = reads_all(store);
    assert_int_equal(reader.refusals, 2);
    /* None has it right: this one fails, the others come. */
    fakes[2].lies[2] = true;
    struct reader other = {0};
    assert_int_equal(store->ops->chunks_get(store, ids, CHUNKS, take, &other, NULL), 0);
    assert_int_equal(other.failed[2], -EBADMSG);
    for (unsigned i = 0; i < CHUNKS; i++)
        assert_int_equal(other.got[i], i != 2);
    for (unsigned i = 0; i < 3; i++)
        fakes[i].lacks[5] = true;
    assert_int_equal(store->ops->chunks_get(store, &ids[5], 1, take, &other, NULL), 0);
    assert_int_equal(other.failed[0], -ENOENT);
    cr_store_close(store);
}

static void a_missing_chunk_waits_for_a_server_that_is_away(void **state)
{
    (void)state;
    struct cr_store *store = open_fakes(2, 1);
    struct reader reader = {0};
    struct cr_error err = {0};
    fakes[0].lacks[1] = fakes[1].away = true;
    assert_int_equal(store->ops->chunks_get(store, ids, CHUNKS, take, &reader, &err), -ETIMEDOUT);
    assert_non_null(strstr(err.text, "gave up after 1 s"));
    assert_int_equal(reader.failed[1], 0);
    /* But what need not exist is not waited for. */
    fakes[0].lacks[0] = true;
    CLEANUP_BUF struct cr_buf head = CR_BUF_INIT(100);
    assert_int_equal(store->ops->head_get(store, "disk", &head, &err), -ENOENT);
    cr_store_close(store);
}

static void the_quickest_is_used_and_one_that_is_back_is_taken_again(void **state)
{
    (void)state;
    struct cr_store *store = open_fakes(3, 10);
    fakes[2].latency_us = 100;
    WAIT_UNTIL((reads_all(store), is_used(store, 2)));
    fakes[2].away = true;
    WAIT_UNTIL(is_left(store, 2));
    reads_all(store);
    assert_true(is_used(store, 0));
    fakes[2].away = false;
    WAIT_UNTIL((reads_all(store), is_used(store, 2)));
    /* One that is hardly better is not worth new connections. */
    fakes[0].latency_us = 95;
    int before = fakes[0].requests;
    for (int i = 0; i < 50; i++) {
        const struct timespec moment = {.tv_nsec = 2000000};
        reads_all(store);
        nanosleep(&moment, NULL);
    }
    assert_int_equal(fakes[0].requests, before);
    cr_store_close(store);
}

static void the_last_server_is_given_more_time(void **state)
{
    (void)state;
    struct cr_store *store = open_fakes(2, 10);
    assert_int_equal(fakes[0].silence_ms, CR_SEVERAL_SILENCE_MS);
    fakes[1].away = true;
    WAIT_UNTIL(fakes[0].silence_ms == CR_SEVERAL_SILENCE_ALONE_MS);
    assert_int_equal(fakes[1].silence_ms, CR_SEVERAL_SILENCE_MS);
    fakes[1].away = false;
    WAIT_UNTIL(fakes[0].silence_ms == CR_SEVERAL_SILENCE_MS);
    cr_store_close(store);
    /* With one alone nothing is left. */
    store = open_fakes(1, 10);
    assert_int_equal(fakes[0].silence_ms, 0);
    reads_all(store);
    cr_store_close(store);
}

static void *come_back(void *context)
{
    const struct timespec moment = {.tv_nsec = 300000000};
    nanosleep(&moment, NULL);
    atomic_store(&((struct fake *)context)->away, false);
    return NULL;
}

static void reads_pause_while_all_are_away(void **state)
{
    (void)state;
    struct cr_store *store = open_fakes(2, 60);
    pthread_t thread;
    fakes[0].away = fakes[1].away = true;
    assert_int_equal(pthread_create(&thread, NULL, come_back, &fakes[1]), 0);
    reads_all(store);
    pthread_join(thread, NULL);
    cr_store_close(store);
}

static void *interrupt_soon(void *context)
{
    const struct timespec moment = {.tv_nsec = 100000000};
    nanosleep(&moment, NULL);
    cr_several_interrupt(context);
    return NULL;
}

static void whoever_waits_is_interrupted(void **state)
{
    (void)state;
    struct cr_store *store = open_fakes(2, 600);
    struct reader reader = {0};
    pthread_t thread;
    fakes[0].away = fakes[1].away = true;
    assert_int_equal(pthread_create(&thread, NULL, interrupt_soon, store), 0);
    assert_int_equal(store->ops->chunks_get(store, ids, CHUNKS, take, &reader, NULL), -ECANCELED);
    pthread_join(thread, NULL);
    assert_true(fakes[0].interrupted && fakes[1].interrupted);
    cr_store_close(store);
}

static void a_wrong_object_and_a_post_go_to_the_next_server(void **state)
{
    (void)state;
    struct cr_store *store = open_fakes(2, 1);
    CLEANUP_BUF struct cr_buf frame = CR_BUF_INIT(1000), answer = CR_BUF_INIT(100);
    struct cr_error err = {0};
    struct cr_id id;
    cr_hash("right", 5, &id);
    fakes[0].lies[0] = true;
    assert_int_equal(store->ops->object_get(store, CR_SEGMENT, &id, &frame, &err), 0);
    fakes[1].lies[0] = true;
    assert_int_equal(store->ops->object_get(store, CR_SEGMENT, &id, &frame, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "https://server"));
    fakes[0].away = true;
    assert_int_equal(cr_several_post(store, "/v1/boots/x", "b", 1, &answer, &err), 0);
    assert_int_equal(fakes[1].posts, 1);
    assert_int_equal(answer.len, 5);
    cr_store_close(store);
}

static void *read_often(void *context)
{
    for (int i = 0; i < 200; i++)
        reads_all(context);
    return NULL;
}

static void many_readers_get_all_while_servers_come_and_go(void **state)
{
    (void)state;
    struct cr_store *store = open_fakes(3, 60);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_often, store), 0);
    for (unsigned i = 0; i < 60; i++) {
        const struct timespec moment = {.tv_nsec = 1000000};
        fakes[i % 3].away = i % 2 == 0;
        fakes[(i + 1) % 3].cut_after = (int)(i % 5) - 1;
        nanosleep(&moment, NULL);
    }
    for (unsigned i = 0; i < 3; i++) {
        fakes[i].away = false;
        fakes[i].cut_after = -1;
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    cr_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_that_is_cut_is_left_and_the_rest_comes_from_the_next),
        cmocka_unit_test(what_a_server_lacks_or_has_wrong_comes_from_another),
        cmocka_unit_test(a_missing_chunk_waits_for_a_server_that_is_away),
        cmocka_unit_test(the_quickest_is_used_and_one_that_is_back_is_taken_again),
        cmocka_unit_test(the_last_server_is_given_more_time),
        cmocka_unit_test(reads_pause_while_all_are_away),
        cmocka_unit_test(whoever_waits_is_interrupted),
        cmocka_unit_test(a_wrong_object_and_a_post_go_to_the_next_server),
        cmocka_unit_test(many_readers_get_all_while_servers_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
