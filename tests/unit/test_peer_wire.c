/* SPDX-License-Identifier: MIT */
/* Two seats over real TLS: one serves, the other asks, with tickets of a server. */
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/net/certs.h"
#include "lib/peer/fetch.h"
#include "lib/peer/link.h"
#include "lib/peer/upload.h"
#include "lib/pki/pki.h"

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

#define CHUNKS 64U

static struct {
    char folder[32], server[96], client[96]; /* certificates of the one that serves and asks */
    struct cr_id server_id, client_id, root;
    struct cr_ticket_signer *signer;
    struct cr_upload *upload;
    atomic_uint given;
    uint8_t plain[CHUNKS][2048];
    struct cr_id ids[CHUNKS];
} site;

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- the one that serves ---------------------------------------------------------------------- */

/* Odd chunks are not there. */
static int chunk_give(void *context, const struct cr_id *id, uint8_t *plain, size_t *ret_len)
{
    (void)context;
    for (size_t i = 0; i < CHUNKS; i += 2) {
        if (!cr_id_equal(id, &site.ids[i]))
            continue;
        memcpy(plain, site.plain[i], sizeof(site.plain[i]));
        *ret_len = sizeof(site.plain[i]);
        atomic_fetch_add(&site.given, 1);
        return 0;
    }
    return -ENOENT;
}

static int segment_give(void *context, const struct cr_id *id, struct cr_buf *frame)
{
    (void)context, (void)id, (void)frame;
    return -ENOENT;
}

static void upload_begin(uint64_t bytes_a_second)
{
    struct cr_error err;
    const struct cr_upload_options options = {
        .listen = "127.0.0.1:0",
        .pki = site.server,
        .root = site.root,
        .source = {.chunk = chunk_give, .segment = segment_give},
        .bytes_a_second = bytes_a_second,
    };
    if (cr_upload_start(&options, &site.upload, &err) < 0)
        fail_msg("%s", err.text);
    cr_upload_allow(site.upload, true);
    cr_upload_learn(site.upload, cr_ticket_signer_key(site.signer), 5000);
}

/* --- the one that asks ------------------------------------------------------------------------ */

static struct cr_peer_place place_of(uint64_t expires_s)
{
    struct cr_peer_place place = {.address = {[10] = 0xff, 0xff, 127, 0, 0, 1},
                                  .port = cr_upload_port(site.upload),
                                  .fingerprint = site.server_id};
    const struct cr_ticket ticket = {
        .asker = site.client_id, .peer = site.server_id, .root = site.root, .expires_s = expires_s};
    assert_int_equal(cr_ticket_sign(site.signer, &ticket, place.ticket), 0);
    return place;
}

struct heard {
    unsigned right, missing, other;
};

static int hear(void *context, uint32_t index, uint32_t status, const void *frame, size_t len)
{
    struct heard *heard = context;
    uint8_t plain[CR_CHUNK_BYTES];
    size_t plain_len = 0;
    if (status == 0 && cr_object_open(CR_CHUNK, &site.ids[index], frame, len, plain, sizeof(plain),
                                      &plain_len, NULL) == 0)
        heard->right++;
    else if (status == CR_BATCH_MISSING)
        heard->missing++;
    else
        heard->other++;
    return 0;
}

/* One request over a connection of its own. */
static int ask(const struct cr_peer_place *place, uint32_t count, struct heard *heard)
{
    void *link = NULL;
    struct cr_error err;
    *heard = (struct heard){0};
    assert_int_equal(cr_peerlink_ops.open(site.client, place, &link, &err), 0);
    int r = cr_peerlink_ops.ask(link, place->ticket, CR_CHUNK, site.ids, count, hear, heard, &err);
    cr_peerlink_ops.close(link);
    return r;
}

/* --- tests ------------------------------------------------------------------------------------ */

static void a_peer_gives_what_it_has_and_says_what_it_lacks(void **state)
{
    (void)state;
    struct heard heard;
    upload_begin(0);
    struct cr_peer_place place = place_of(5500);
    assert_int_equal(ask(&place, 32, &heard), 0);
    assert_int_equal(heard.right, 16);
    assert_int_equal(heard.missing, 16);
    assert_int_equal(heard.other, 0);
    struct cr_upload_stat stat;
    cr_upload_stat(site.upload, &stat);
    assert_int_equal(stat.objects, 16);
    assert_int_equal(stat.refused, 0);
}

static void it_serves_nobody_without_a_good_ticket_or_while_it_may_not(void **state)
{
    (void)state;
    struct heard heard;
    upload_begin(0);
    struct cr_peer_place good = place_of(5500), place = place_of(4999);
    assert_int_equal(ask(&place, 4, &heard), -EACCES);
    place = good;
    place.ticket[100] ^= 1;
    assert_int_equal(ask(&place, 4, &heard), -EACCES);
    place = good;
    place.fingerprint.bytes[0] ^= 1; /* somebody else answers at its address */
    assert_true(ask(&place, 4, &heard) < 0);
    assert_int_equal(ask(&good, 4, &heard), 0);
    cr_upload_allow(site.upload, false);
    assert_int_equal(ask(&good, 4, &heard), -EAGAIN);
    assert_int_equal(atomic_load(&site.given), 2);
}

static void it_takes_no_more_ids_than_it_says(void **state)
{
    (void)state;
    struct heard heard;
    upload_begin(0);
    struct cr_peer_place place = place_of(5500);
    assert_int_equal(ask(&place, CR_PEER_IDS_MAX, &heard), 0);
    assert_true(ask(&place, CR_PEER_IDS_MAX + 1, &heard) < 0);
}

static void past_its_upload_cap_it_sends_others_away(void **state)
{
    (void)state;
    struct heard heard;
    upload_begin(20000);
    struct cr_peer_place place = place_of(5500);
    uint64_t begin = now_ms();
    unsigned right = 0, refused = 0;
    for (unsigned i = 0; i < 6; i++) {
        int r = ask(&place, 2, &heard);
        assert_true(r == 0 || r == -EAGAIN);
        right += heard.right;
        refused += r == -EAGAIN;
    }
    /* 2 KiB of random bytes each: what has come was paid for with time. */
    assert_true(right * 2000 * 1000ULL <= (now_ms() - begin + 250) * 20000);
    assert_true(right >= 1);
    (void)refused;
}

static int take(void *context, size_t index, int result, const void *frame, size_t len,
                const struct cr_error *err)
{
    (void)index, (void)frame, (void)len, (void)err;
    *(unsigned *)context += result == 0;
    return 0;
}

/* The server has all of it. */
static int server_get(struct cr_store *store, const struct cr_id *ids, size_t count,
                      cr_frame_sink *sink, void *context, struct cr_error *err)
{
    uint8_t frame[CR_CHUNK_FRAME_MAX];
    (void)store, (void)err;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < CHUNKS; k++) {
            size_t len = 0;
            if (!cr_id_equal(&ids[i], &site.ids[k]))
                continue;
            cr_frame_encode(site.plain[k], sizeof(site.plain[k]), frame, sizeof(frame), &len);
            int r = sink(context, i, 0, frame, len, NULL);
            if (r != 0)
                return r;
        }
    return 0;
}

static struct cr_store_ops server_ops = {.chunks_get = server_get};
static struct cr_store server = {.ops = &server_ops};

static void *reader(void *argument)
{
    struct cr_peerfetch *fetch = argument;
    unsigned came = 0;
    for (unsigned i = 0; i < 10; i++)
        cr_peerfetch_get(fetch, &server, 5000, CR_CHUNK, site.ids, CHUNKS, take, &came, NULL);
    return came == 10 * CHUNKS ? NULL : argument;
}

static void several_readers_take_from_a_peer_that_ends_in_between(void **state)
{
    (void)state;
    struct cr_roster *roster;
    struct cr_peerfetch *fetch;
    pthread_t threads[3];
    void *failed;
    upload_begin(0);
    struct cr_peer_answer answer = {.count = 1, .peers = {place_of(5500)}};
    assert_int_equal(cr_roster_new(&cr_peerlink_ops, site.client, &roster), 0);
    assert_int_equal(cr_peerfetch_new(roster, NULL, NULL, &fetch), 0);
    cr_roster_update(roster, &answer, now_ms());
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, reader, fetch), 0);
    while (atomic_load(&site.given) < 20)
        sched_yield();
    cr_upload_stop(TAKE_PTR(site.upload));
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    cr_roster_interrupt(roster);
    cr_peerfetch_free(fetch);
    cr_roster_free(roster);
}

/* --- life ------------------------------------------------------------------------------------- */

static int upload_end(void **state)
{
    (void)state;
    cr_upload_stop(TAKE_PTR(site.upload));
    atomic_store(&site.given, 0);
    return 0;
}

static int site_begin(void **state)
{
    struct cr_error err;
    struct cr_pki_issued issued;
    const struct cr_pki_validity validity = {time(NULL) - 60, time(NULL) + 3600};
    char pki[64];
    (void)state;
    snprintf(site.folder, sizeof(site.folder), "/tmp/carrel-XXXXXX");
    if (mkdtemp(site.folder) == NULL)
        return -1;
    snprintf(pki, sizeof(pki), "%s/pki", site.folder);
    snprintf(site.server, sizeof(site.server), "%s/pki/clients/one", site.folder);
    snprintf(site.client, sizeof(site.client), "%s/pki/clients/two", site.folder);
    FILE *random = fopen("/dev/urandom", "re");
    bool right = random != NULL && fread(site.plain, sizeof(site.plain), 1, random) == 1;
    if (random != NULL)
        fclose(random);
    for (unsigned i = 0; i < CHUNKS; i++)
        cr_hash(site.plain[i], sizeof(site.plain[i]), &site.ids[i]);
    cr_hash("root", 4, &site.root);
    right = right && cr_pki_ca_make(pki, &validity, &err) == 0 &&
            cr_pki_client_issue(pki, "one", false, &validity, &issued, &err) == 0 &&
            cr_pki_client_issue(pki, "two", false, &validity, &issued, &err) == 0 &&
            cr_certs_fingerprint(site.server, CR_CERT_CLIENT, &site.server_id, &err) == 0 &&
            cr_certs_fingerprint(site.client, CR_CERT_CLIENT, &site.client_id, &err) == 0 &&
            cr_ticket_signer_new(&site.signer) == 0;
    return right ? 0 : -1;
}

static int site_end(void **state)
{
    (void)state;
    cr_ticket_signer_free(site.signer);
    return cr_dir_remove(AT_FDCWD, site.folder);
}

#define WIRE_TEST(name) cmocka_unit_test_teardown(name, upload_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WIRE_TEST(a_peer_gives_what_it_has_and_says_what_it_lacks),
        WIRE_TEST(it_serves_nobody_without_a_good_ticket_or_while_it_may_not),
        WIRE_TEST(it_takes_no_more_ids_than_it_says),
        WIRE_TEST(past_its_upload_cap_it_sends_others_away),
        WIRE_TEST(several_readers_take_from_a_peer_that_ends_in_between),
    };
    return cmocka_run_group_tests(tests, site_begin, site_end);
}
