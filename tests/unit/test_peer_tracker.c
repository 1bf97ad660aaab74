/* SPDX-License-Identifier: MIT */
/* Whom the tracker tells a seat to ask, what it refuses, and what a ticket is worth. */
#include "lib/base/mem.h"
#include "lib/peer/tracker.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define T0 1000000ULL

static struct cr_id id_of(unsigned number)
{
    struct cr_id id;
    cr_hash(&number, sizeof(number), &id);
    return id;
}

/* Seat `number` of the room 10.0.`room`.0/24. */
static struct cr_tracker_seat seat_of(unsigned room, unsigned number)
{
    struct cr_tracker_seat seat = {
        .fingerprint = id_of(room * 1000 + number),
        .address = {[10] = 0xff, 0xff, 10, 0, (uint8_t)room, (uint8_t)number}};
    return seat;
}

static struct cr_tracker *tracker_make(void)
{
    const struct cr_tracker_options options = {.subnet_bits_4 = 24, .subnet_bits_6 = 64};
    struct cr_tracker *tracker;
    assert_int_equal(cr_tracker_new(&options, &tracker), 0);
    return tracker;
}

static struct cr_announcement said(uint64_t present)
{
    return (struct cr_announcement){
        .root = id_of(77), .port = 4711, .present = present, .chunks = 100};
}

static struct cr_peer_answer announce(struct cr_tracker *tracker, unsigned room, unsigned number,
                                      uint64_t present, uint64_t now_ms)
{
    struct cr_tracker_seat seat = seat_of(room, number);
    struct cr_announcement announcement = said(present);
    struct cr_peer_answer answer = {0};
    assert_int_equal(cr_tracker_announce(tracker, &seat, &announcement, now_ms, &answer), 0);
    return answer;
}

static bool names(const struct cr_peer_answer *answer, unsigned room, unsigned number)
{
    struct cr_tracker_seat seat = seat_of(room, number);
    for (unsigned i = 0; i < answer->count; i++)
        if (cr_id_equal(&answer->peers[i].fingerprint, &seat.fingerprint))
            return true;
    return false;
}

/* --- who is told of whom ---------------------------------------------------------------------- */

static void a_seat_is_told_of_up_to_three_complete_seats_of_its_subnet(void **state)
{
    (void)state;
    struct cr_tracker *tracker = tracker_make();
    for (unsigned i = 1; i <= 5; i++)
        announce(tracker, 1, i, 100, T0);
    announce(tracker, 2, 1, 100, T0);
    struct cr_peer_answer answer = announce(tracker, 1, 9, 0, T0);
    assert_int_equal(answer.count, 3);
    assert_false(names(&answer, 1, 9));
    assert_false(names(&answer, 2, 1));
    assert_int_equal(answer.peers[0].port, 4711);
    answer = announce(tracker, 3, 1, 0, T0);
    assert_int_equal(answer.count, 0);
    cr_tracker_free(tracker);
}

static void a_seat_is_not_told_of_another_versions_seats(void **state)
{
    (void)state;
    struct cr_tracker *tracker = tracker_make();
    announce(tracker, 1, 1, 100, T0);
    struct cr_tracker_seat seat = seat_of(1, 2);
    struct cr_announcement other = said(0);
    struct cr_peer_answer answer = {0};
    other.root = id_of(78);
    assert_int_equal(cr_tracker_announce(tracker, &seat, &other, T0, &answer), 0);
    assert_int_equal(answer.count, 0);
    cr_tracker_free(tracker);
}

static void a_seat_that_serves_nobody_is_not_named(void **state)
{
    (void)state;
    struct cr_tracker *tracker = tracker_make();
    struct cr_tracker_seat seat = seat_of(1, 1);
    struct cr_announcement wireless = said(100);
    struct cr_peer_answer answer = {0};
    wireless.port = 0;
    assert_int_equal(cr_tracker_announce(tracker, &seat, &wireless, T0, &answer), 0);
    answer = announce(tracker, 1, 2, 0, T0);
    assert_int_equal(answer.count, 0);
    cr_tracker_free(tracker);
}

static void seats_are_spread_evenly_over_those_that_hold_the_version(void **state)
{
    (void)state;
    struct cr_tracker *tracker = tracker_make();
    unsigned used[21] = {0};
    for (unsigned i = 1; i <= 20; i++)
        announce(tracker, 1, i, 100, T0);
    for (unsigned i = 21; i <= 60; i++) {
        struct cr_peer_answer answer = announce(tracker, 1, i, 0, T0);
        assert_int_equal(answer.count, 3);
        for (unsigned k = 1; k <= 20; k++)
            used[k] += names(&answer, 1, k);
    }
    for (unsigned k = 1; k <= 20; k++)
        assert_int_equal(used[k], 6);
    cr_tracker_free(tracker);
}

/*
 * 200 seats that start together: one asks the server alone, nobody feeds more than three copies,
 * and the way from the server to the last one is short and never a circle.
 */
static void a_room_that_starts_together_is_a_flat_tree_under_one_seat(void **state)
{
    (void)state;
    struct cr_tracker *tracker = tracker_make();
    unsigned depth[201] = {0}, roots = 0, deepest = 0;
    double fed[201] = {0};
    for (unsigned i = 1; i <= 200; i++) {
        struct cr_peer_answer answer = announce(tracker, 1, i, 0, T0 + i);
        roots += answer.count == 0;
        for (unsigned k = 1; k <= 200; k++) {
            if (!names(&answer, 1, k))
                continue;
            assert_true(k < i);
            fed[k] += 1.0 / answer.count;
            depth[i] = depth[k] + 1 > depth[i] ? depth[k] + 1 : depth[i];
        }
        deepest = depth[i] > deepest ? depth[i] : deepest;
    }
    assert_int_equal(roots, 1);
    assert_true(deepest <= 5);
    for (unsigned k = 1; k <= 200; k++)
        assert_true(fed[k] < 3.01);
    /* Nor does it become one when they announce themselves again. */
    for (unsigned i = 1; i <= 200; i++) {
        struct cr_peer_answer answer = announce(tracker, 1, i, 5, T0 + 5000 + i);
        for (unsigned k = i; k <= 200; k++)
            assert_false(names(&answer, 1, k));
    }
    cr_tracker_free(tracker);
}

static void a_seat_keeps_its_peers_until_they_go_or_it_avoids_them(void **state)
{
    (void)state;
    struct cr_tracker *tracker = tracker_make();
    for (unsigned i = 1; i <= 8; i++)
        announce(tracker, 1, i, 100, T0);
    struct cr_peer_answer first = announce(tracker, 1, 20, 0, T0);
    for (unsigned i = 1; i <= 8; i++)
        announce(tracker, 1, i, 100, T0 + 30000);
    struct cr_peer_answer again = announce(tracker, 1, 20, 10, T0 + 30000);
    for (unsigned k = 0; k < 3; k++)
        assert_true(cr_id_equal(&first.peers[k].fingerprint, &again.peers[k].fingerprint));

    struct cr_tracker_seat seat = seat_of(1, 20);
    struct cr_announcement picky = said(10);
    struct cr_peer_answer answer = {0};
    picky.avoid_count = 1;
    picky.avoid[0] = first.peers[1].fingerprint;
    assert_int_equal(cr_tracker_announce(tracker, &seat, &picky, T0 + 30001, &answer), 0);
    assert_int_equal(answer.count, 3);
    for (unsigned k = 0; k < 3; k++)
        assert_false(cr_id_equal(&answer.peers[k].fingerprint, &picky.avoid[0]));

    /* All but seat 8 stay silent. */
    announce(tracker, 1, 8, 100, T0 + 119000);
    answer = announce(tracker, 1, 20, 10, T0 + 121000);
    assert_int_equal(answer.count, 1);
    assert_true(names(&answer, 1, 8));
    cr_tracker_free(tracker);
}

static void ipv6_seats_of_one_64_are_peers(void **state)
{
    (void)state;
    struct cr_tracker *tracker = tracker_make();
    struct cr_tracker_seat seats[3] = {
        {.fingerprint = id_of(1), .address = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, [15] = 1}},
        {.fingerprint = id_of(2), .address = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 0xff, [15] = 2}},
        {.fingerprint = id_of(3), .address = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 2, [15] = 3}}};
    struct cr_announcement announcement = said(100);
    struct cr_peer_answer answer = {0};
    assert_int_equal(cr_tracker_announce(tracker, &seats[0], &announcement, T0, &answer), 0);
    announcement.present = 0;
    assert_int_equal(cr_tracker_announce(tracker, &seats[1], &announcement, T0, &answer), 0);
    assert_int_equal(answer.count, 1);
    assert_int_equal(cr_tracker_announce(tracker, &seats[2], &announcement, T0, &answer), 0);
    assert_int_equal(answer.count, 0);
    cr_tracker_free(tracker);
}

/* --- bounds and bad seats --------------------------------------------------------------------- */

static void one_seat_cannot_fill_the_table(void **state)
{
    (void)state;
    struct cr_tracker *tracker = tracker_make();
    struct cr_tracker_seat seat = seat_of(1, 1);
    struct cr_peer_answer answer = {0};
    int r = 0;
    unsigned taken = 0;
    for (unsigned i = 0; i < 1000 && r == 0; i++) {
        struct cr_announcement announcement = said(100);
        announcement.root = id_of(5000 + i);
        r = cr_tracker_announce(tracker, &seat, &announcement, T0, &answer);
        taken += r == 0;
    }
    assert_int_equal(r, -ENOSPC);
    assert_int_equal(taken, CR_TRACKER_SHARE_MAX);
    announce(tracker, 1, 2, 0, T0);
    /* What is not repeated is forgotten, and makes room. */
    announce(tracker, 1, 1, 0, T0 + 2 * CR_TRACKER_FORGET_MS);
    struct cr_tracker_stat stat;
    cr_tracker_stat(tracker, T0 + 2 * CR_TRACKER_FORGET_MS, &stat);
    assert_int_equal(stat.seats, 1);
    cr_tracker_free(tracker);
}

static void a_seat_that_three_others_report_is_named_to_nobody_for_an_hour(void **state)
{
    (void)state;
    struct cr_tracker *tracker = tracker_make();
    struct cr_peer_report report = {.fault = CR_PEER_WRONG_BYTES, .root = id_of(77)};
    struct cr_tracker_seat liar = seat_of(1, 1), stranger = seat_of(1, 99);
    report.fingerprint = liar.fingerprint;
    announce(tracker, 1, 1, 100, T0);
    for (unsigned i = 2; i <= 5; i++)
        announce(tracker, 1, i, 100, T0);
    assert_int_equal(cr_tracker_report(tracker, &stranger, &report, T0), -ENOENT);
    assert_int_equal(cr_tracker_report(tracker, &liar, &report, T0), -ENOENT);
    for (unsigned times = 0; times < 3; times++) { /* one reporter counts once */
        struct cr_tracker_seat reporter = seat_of(1, 2);
        assert_int_equal(cr_tracker_report(tracker, &reporter, &report, T0), 0);
    }
    struct cr_peer_answer answer = announce(tracker, 1, 6, 0, T0 + 1);
    assert_true(names(&answer, 1, 1));
    for (unsigned i = 3; i <= 4; i++) {
        struct cr_tracker_seat reporter = seat_of(1, i);
        assert_int_equal(cr_tracker_report(tracker, &reporter, &report, T0 + 2), 0);
    }
    answer = announce(tracker, 1, 6, 0, T0 + 3);
    assert_false(names(&answer, 1, 1));
    announce(tracker, 1, 1, 100, T0 + 3599000);
    answer = announce(tracker, 1, 7, 0, T0 + 3599000);
    assert_false(names(&answer, 1, 1));
    announce(tracker, 1, 1, 100, T0 + 3601000);
    answer = announce(tracker, 1, 7, 0, T0 + 3601000);
    assert_true(names(&answer, 1, 1));
    cr_tracker_free(tracker);
}

/* --- tickets ---------------------------------------------------------------------------------- */

static void a_ticket_is_good_for_one_pair_one_version_and_ten_minutes(void **state)
{
    (void)state;
    struct cr_ticket_signer *signer, *other;
    uint8_t bytes[CR_PEER_TICKET_BYTES], keys[2][CR_TICKET_KEY_BYTES];
    struct cr_error err;
    assert_int_equal(cr_ticket_signer_new(&signer), 0);
    assert_int_equal(cr_ticket_signer_new(&other), 0);
    memcpy(keys[0], cr_ticket_signer_key(other), sizeof(keys[0]));
    memcpy(keys[1], cr_ticket_signer_key(signer), sizeof(keys[1]));
    const struct cr_ticket right = {
        .asker = id_of(1), .peer = id_of(2), .root = id_of(3), .expires_s = 5000};
    assert_int_equal(cr_ticket_sign(signer, &right, bytes), 0);
    assert_int_equal(cr_ticket_check(bytes, sizeof(bytes), keys, 2, &right, 4999, &err), 0);

    /* Time. */
    assert_int_equal(cr_ticket_check(bytes, sizeof(bytes), keys, 2, &right, 5000, &err),
                     -EKEYEXPIRED);
    assert_int_equal(cr_ticket_check(bytes, sizeof(bytes), keys, 2, &right, 1000, &err),
                     -EKEYEXPIRED);
    /* The key of another server, and none. */
    assert_int_equal(cr_ticket_check(bytes, sizeof(bytes), keys, 1, &right, 4999, &err), -EBADMSG);
    assert_int_equal(cr_ticket_check(bytes, sizeof(bytes), keys, 0, &right, 4999, &err), -EBADMSG);
    /* Another seat, peer, version. */
    struct cr_ticket wanted = right;
    wanted.asker = id_of(4);
    assert_int_equal(cr_ticket_check(bytes, sizeof(bytes), keys, 2, &wanted, 4999, &err), -EACCES);
    wanted = right;
    wanted.peer = id_of(4);
    assert_int_equal(cr_ticket_check(bytes, sizeof(bytes), keys, 2, &wanted, 4999, &err), -EACCES);
    wanted = right;
    wanted.root = id_of(4);
    assert_int_equal(cr_ticket_check(bytes, sizeof(bytes), keys, 2, &wanted, 4999, &err), -EACCES);
    /* Each length, and each bit. */
    for (size_t len = 0; len < sizeof(bytes); len++)
        assert_int_equal(cr_ticket_check(bytes, len, keys, 2, &right, 4999, &err), -EBADMSG);
    for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
        bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_equal(cr_ticket_check(bytes, sizeof(bytes), keys, 2, &right, 4999, &err),
                         -EBADMSG);
        bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    cr_ticket_signer_free(signer);
    cr_ticket_signer_free(other);
}

/* --- what travels ----------------------------------------------------------------------------- */

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    CLEANUP_BUF struct cr_buf buf = CR_BUF_INIT(4096);
    struct cr_error err;
    struct cr_announcement announcement = said(7), announcement_again;
    announcement.avoid_count = 2;
    announcement.avoid[0] = id_of(5);
    announcement.avoid[1] = id_of(6);
    assert_int_equal(cr_announcement_format(&announcement, &buf), 0);
    assert_int_equal(buf.len, CR_PEER_ANNOUNCE_BYTES);
    assert_int_equal(cr_announcement_parse(buf.data, buf.len, &announcement_again, &err), 0);
    assert_memory_equal(&announcement, &announcement_again, sizeof(announcement));
    buf.data[8 + 2] = 1; /* port 65536 + ... */
    assert_int_equal(cr_announcement_parse(buf.data, buf.len, &announcement_again, &err), -EBADMSG);

    struct cr_peer_answer answer = {.next_ms = 30000, .now_s = 123, .count = 3}, answer_again;
    for (unsigned i = 0; i < 3; i++)
        answer.peers[i] = (struct cr_peer_place){.port = 99, .present = i, .fingerprint = id_of(i)};
    buf.len = 0;
    assert_int_equal(cr_peer_answer_format(&answer, &buf), 0);
    assert_int_equal(buf.len, CR_PEER_ANSWER_MAX);
    assert_int_equal(cr_peer_answer_parse(buf.data, buf.len, &answer_again, &err), 0);
    assert_int_equal(answer_again.count, 3);
    assert_memory_equal(&answer.peers[2].fingerprint, &answer_again.peers[2].fingerprint, 32);
    assert_int_equal(cr_peer_answer_parse(buf.data, buf.len - 1, &answer_again, &err), -EBADMSG);

    struct cr_peer_report report = {
        .fault = CR_PEER_WRONG_BYTES, .root = id_of(1), .fingerprint = id_of(2)};
    struct cr_peer_report report_again;
    buf.len = 0;
    assert_int_equal(cr_peer_report_format(&report, &buf), 0);
    assert_int_equal(cr_peer_report_parse(buf.data, buf.len, &report_again, &err), 0);
    assert_memory_equal(&report.fingerprint, &report_again.fingerprint, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seat_is_told_of_up_to_three_complete_seats_of_its_subnet),
        cmocka_unit_test(a_seat_is_not_told_of_another_versions_seats),
        cmocka_unit_test(a_seat_that_serves_nobody_is_not_named),
        cmocka_unit_test(seats_are_spread_evenly_over_those_that_hold_the_version),
        cmocka_unit_test(a_room_that_starts_together_is_a_flat_tree_under_one_seat),
        cmocka_unit_test(a_seat_keeps_its_peers_until_they_go_or_it_avoids_them),
        cmocka_unit_test(ipv6_seats_of_one_64_are_peers),
        cmocka_unit_test(one_seat_cannot_fill_the_table),
        cmocka_unit_test(a_seat_that_three_others_report_is_named_to_nobody_for_an_hour),
        cmocka_unit_test(a_ticket_is_good_for_one_pair_one_version_and_ten_minutes),
        cmocka_unit_test(what_is_written_is_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
