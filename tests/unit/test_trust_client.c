/* SPDX-License-Identifier: MIT */
/* The client's workflow: what is taken, what is refused, and what stays usable. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/trust_repo.h"

/* One repository and one seat that has seen it. */
struct world {
    struct repo repo;
    struct seat seat;
    struct cr_error err;
};

static int begin(void **state)
{
    struct world *world = test_calloc(1, sizeof(*world));
    repo_init(&world->repo);
    seat_init(&world->seat, &world->repo);
    assert_int_equal(seat_refresh(&world->seat, &world->repo, &world->err), 0);
    *state = world;
    return 0;
}

static int end(void **state)
{
    struct world *world = *state;
    seat_done(&world->seat);
    repo_done(&world->repo);
    test_free(world);
    return 0;
}

static int refresh(struct world *world)
{
    world->err.text[0] = '\0';
    world->repo.fetched = 0;
    return seat_refresh(&world->seat, &world->repo, &world->err);
}

static void expect(struct world *world, int code, const char *reason)
{
    int r = refresh(world);
    if (r != code || strstr(world->err.text, reason) == NULL)
        fail_msg("%d: %s", r, world->err.text);
}

static uint64_t newest(const struct world *world)
{
    struct cr_trust_version version;
    static const struct cr_ref ref = {.name = "physics"};
    int r = cr_trust_resolve(world->seat.client, &ref, REPO_NOW_S, &version, NULL);
    return r < 0 ? 0 : version.ref.number;
}

/* Nothing is lost: what was trusted is, now and after a restart. */
static void still_boots(struct world *world, uint64_t number, enum cr_trust_health health)
{
    for (int i = 0; i < 2; i++) {
        assert_int_equal(newest(world), number);
        assert_int_equal(seat_state(&world->seat).health, health);
        seat_restart(&world->seat);
    }
}

/* --- the good ways --------------------------------------------------------------------------- */

static void a_first_refresh_brings_the_version(void **state)
{
    struct world *world = *state;
    struct cr_trust_version version;
    static const struct cr_ref ref = {.name = "physics", .number = 1};
    assert_int_equal(cr_trust_resolve(world->seat.client, &ref, REPO_NOW_S, &version, NULL), 0);
    assert_int_equal(version.root.bytes[0], 1);
    assert_int_equal(version.manifest_bytes, 32 + 4 * 32);
    assert_int_equal(version.disk_bytes, 1 << 30);
    still_boots(world, 1, CR_TRUST_CURRENT);
}

static void a_refresh_without_news_asks_for_two_files(void **state)
{
    struct world *world = *state;
    assert_int_equal(refresh(world), 0);
    assert_int_equal(world->repo.fetched, 2);
    assert_string_equal(world->repo.last, "timestamp.json");
}

static void a_new_version_is_seen(void **state)
{
    struct world *world = *state;
    repo_add_version(&world->repo, 2);
    repo_publish(&world->repo);
    assert_int_equal(refresh(world), 0);
    still_boots(world, 2, CR_TRUST_CURRENT);
}

static void a_refresh_walks_over_many_roots(void **state)
{
    struct world *world = *state;
    for (unsigned i = 0; i < 10; i++)
        repo_next_root(&world->repo);
    assert_int_equal(refresh(world), 0);
    assert_int_equal(seat_state(&world->seat).versions[CR_ROLE_ROOT], 11);
    for (unsigned i = 0; i < CR_TRUST_ROTATIONS_MAX + 3; i++)
        repo_next_root(&world->repo);
    assert_int_equal(refresh(world), 0);
    assert_int_equal(seat_state(&world->seat).versions[CR_ROLE_ROOT], 11 + CR_TRUST_ROTATIONS_MAX);
    assert_int_equal(refresh(world), 0);
    assert_int_equal(seat_state(&world->seat).versions[CR_ROLE_ROOT],
                     11 + CR_TRUST_ROTATIONS_MAX + 3);
}

static void files_without_numbers_do_when_the_root_says_so(void **state)
{
    struct world *world = *state;
    struct repo *repo = &world->repo;
    repo->root.consistent_snapshot = false;
    repo_next_root(repo);
    repo_add_version(repo, 2);
    repo_publish(repo);
    struct cr_buf *snapshot = repo_file(repo, "2.snapshot.json");
    repo_put(repo, "snapshot.json", snapshot->data, snapshot->len);
    struct cr_buf *targets = repo_file(repo, "2.targets.json");
    repo_put(repo, "targets.json", targets->data, targets->len);
    assert_int_equal(refresh(world), 0);
    assert_string_equal(repo->last, "targets.json");
    assert_int_equal(newest(world), 2);
}

/* --- the root -------------------------------------------------------------------------------- */

static void a_root_needs_the_old_and_the_new_keys(void **state)
{
    struct world *world = *state;
    struct repo *repo = &world->repo;
    repo_rotate(repo, CR_ROLE_ROOT, 0, 5);
    repo_next_root(repo); /* by the new key alone */
    expect(world, -EKEYREJECTED,
           "refused '2.root.json': it has 0 of the 1 signatures that version 1");
    repo->signers[CR_ROLE_ROOT][0] = 1; /* by the old key alone */
    repo_publish_root(repo);
    expect(world, -EKEYREJECTED,
           "refused '2.root.json': it has 0 of the 1 signatures that version 2");
    still_boots(world, 1, CR_TRUST_CURRENT);
    repo->signers[CR_ROLE_ROOT][1] = 6; /* by both */
    repo_publish_root(repo);
    assert_int_equal(refresh(world), 0);
    assert_int_equal(seat_state(&world->seat).versions[CR_ROLE_ROOT], 2);
}

static void a_root_of_another_number_than_its_name_is_refused(void **state)
{
    struct world *world = *state;
    struct repo *repo = &world->repo;
    repo_next_root(repo);
    repo_next_root(repo);
    struct cr_buf *third = repo_file(repo, "3.root.json");
    repo_put(repo, "2.root.json", third->data, third->len);
    expect(world, -EBADMSG, "it is version 3, and version 2 was announced");
    struct cr_buf *first = repo_file(repo, "1.root.json");
    repo_put(repo, "2.root.json", first->data, first->len);
    expect(world, -ESTALE, "it is version 1, and version 2 was announced");
    assert_int_equal(seat_state(&world->seat).versions[CR_ROLE_ROOT], 1);
    still_boots(world, 1, CR_TRUST_CURRENT);
}

static void two_of_three_need_two(void **state)
{
    struct world *world = *state;
    struct repo *repo = &world->repo;
    for (unsigned i = 5; i < 7; i++)
        assert_int_equal(cr_root_allow(&repo->root, CR_ROLE_TARGETS, &key_number(i)->signer.key),
                         0);
    repo->root.roles[CR_ROLE_TARGETS].threshold = 2;
    repo_next_root(repo);
    repo_add_version(repo, 2);
    repo_publish(repo); /* by one */
    expect(world, -EKEYREJECTED, "refused '2.targets.json': it has 1 of the 2 signatures");
    repo->signers[CR_ROLE_TARGETS][1] = 8; /* a stranger does not help */
    repo_publish(repo);
    expect(world, -EKEYREJECTED, "refused '3.targets.json': it has 1 of the 2 signatures");
    repo->signers[CR_ROLE_TARGETS][1] = 7;
    repo_publish(repo);
    assert_int_equal(refresh(world), 0);
    still_boots(world, 2, CR_TRUST_CURRENT);
}

static void a_key_signs_for_its_roles_only(void **state)
{
    struct world *world = *state;
    struct repo *repo = &world->repo;
    static const char *const files[CR_ROLE_COUNT] = {"'2.root.json'", "'2.targets.json'",
                                                     "'3.snapshot.json'", "'timestamp.json'"};
    repo->root.common.version = 2;
    for (unsigned role = 0; role < CR_ROLE_COUNT; role++) {
        repo->signers[role][0] = (role + 1) % CR_ROLE_COUNT + 1; /* a good key of another role */
        if (role == CR_ROLE_ROOT)
            repo_publish_root(repo);
        else
            repo_publish(repo);
        expect(world, -EKEYREJECTED, files[role]);
        repo_remove(repo, "2.root.json");
        repo->signers[role][0] = role + 1;
    }
    still_boots(world, 1, CR_TRUST_INTERRUPTED);
}

static void the_same_key_under_two_ids_counts_once(void **state)
{
    struct world *world = *state;
    struct repo *repo = &world->repo;
    CLEANUP(cr_key_done) struct cr_trust_key twin = {0};
    CLEANUP_JSON json_t *object = json_deep_copy(key_number(1)->signer.key.object);
    json_object_set_new(object, "comment", json_string("another id"));
    assert_int_equal(cr_key_parse(object, NULL, &twin, NULL), 0);
    assert_int_equal(cr_root_allow(&repo->root, CR_ROLE_TARGETS, &twin), 0);
    repo->root.roles[CR_ROLE_TARGETS].threshold = 2;
    repo_next_root(repo);
    repo_publish(repo);
    /* One signature is right for both ids. */
    CLEANUP_ENVELOPE struct cr_trust_envelope envelope = {0};
    const struct cr_buf *file = repo_file(repo, "2.targets.json");
    assert_int_equal(cr_envelope_parse(file->data, file->len, CR_ROLE_TARGETS, &envelope, NULL), 0);
    uint8_t signature[64];
    assert_int_equal(seed_sign(&key_number(1)->signer, envelope.signed_.data, envelope.signed_.len,
                               signature, NULL),
                     0);
    assert_int_equal(cr_envelope_add(&envelope, twin.keyid, signature, sizeof(signature)), 0);
    assert_int_equal(cr_trust_count(&envelope, &repo->root, CR_ROLE_TARGETS), 1);
    assert_int_equal(cr_trust_verify(&envelope, &repo->root, CR_ROLE_TARGETS, NULL), -EKEYREJECTED);
}

static void what_a_revoked_key_signed_is_not_trusted_any_more(void **state)
{
    struct world *world = *state;
    struct repo *repo = &world->repo;
    repo_rotate(repo, CR_ROLE_TARGETS, 1, 5);
    repo_next_root(repo);
    expect(world, -EKEYREJECTED, "refused '1.targets.json'");
    assert_int_equal(seat_state(&world->seat).health, CR_TRUST_EMPTY);
    assert_int_equal(newest(world), 0);
    repo_publish(repo);
    assert_int_equal(refresh(world), 0);
    still_boots(world, 1, CR_TRUST_CURRENT);
}

/* --- rollback, freeze, mix and match --------------------------------------------------------- */

static void an_older_timestamp_is_refused(void **state)
{
    struct world *world = *state;
    struct repo *repo = &world->repo;
    CLEANUP_BUF struct cr_buf old = CR_BUF_INIT(CR_TRUST_TIMESTAMP_BYTES_MAX);
    const struct cr_buf *file = repo_file(repo, "timestamp.json");
    assert_int_equal(cr_buf_append(&old, file->data, file->len), 0);
    repo_add_version(repo, 2);
    repo_publish(repo);
    assert_int_equal(refresh(world), 0);
    repo_put(repo, "timestamp.json", old.data, old.len);
    expect(world, -ESTALE,
           "refused 'timestamp.json': it is version 1, and version 2 was seen here");
    still_boots(world, 2, CR_TRUST_CURRENT);
    expect(world, -ESTALE, "version 2 was seen here");
}

static void an_older_snapshot_is_refused(void **state)
{
    struct world *world = *state;
    struct repo *repo = &world->repo;
    repo_publish(repo);
    assert_int_equal(refresh(world), 0);
    repo_point(repo, &repo->timestamp, "1.snapshot.json", 1);
    repo->timestamp.common.version++;
    repo_publish_timestamp(repo);
    expect(world, -ESTALE, "it names version 1 of the snapshot, and version 2 was seen here");
    still_boots(world, 1, CR_TRUST_CURRENT);
}

static void older_targets_are_refused(void **state)
{
    struct world *world = *state;
    struct repo *repo = &world->repo;
    repo_add_version(repo, 2);
    repo_publish(repo);
    assert_int_equal(refresh(world), 0);
    repo_point(repo, &repo->snapshot, "1.targets.json", 1);
    repo->snapshot.common.version++;
    repo->timestamp.common.version++;
    repo_publish_snapshot(repo);
    repo_publish_timestamp(repo);
    expect(world, -ESTALE,
           "refused '3.snapshot.json': it names an older 'targets.json' than version 2");
    still_boots(world, 2, CR_TRUST_INTERRUPTED);
}

static void files_of_two_publications_are_not_mixed(void **state)
{
    struct world *world = *state;
    struct repo *repo = &world->repo;
    repo_publish(repo);
    const struct cr_buf *old = repo_file(repo, "1.targets.json");
    repo_put(repo, "2.targets.json", old->data, old->len);
    expect(world, -EBADMSG, "'2.targets.json' ");
    repo_publish(repo);
    old = repo_file(repo, "1.snapshot.json");
    repo_put(repo, "3.snapshot.json", old->data, old->len);
    expect(world, -EBADMSG, "'3.snapshot.json' ");
    still_boots(world, 1, CR_TRUST_INTERRUPTED);
}

/* Without hashes in them the numbers still have to fit. */
static void a_number_that_does_not_fit_is_refused_without_hashes(void **state)
{
    struct world *world = *state;
    struct repo *repo = &world->repo;
    repo->targets.common.version++;
    repo->snapshot.common.version++;
    repo->timestamp.common.version++;
    repo_publish_targets(repo);
    repo->snapshot.next = (struct cr_meta_file){.version = 2};
    repo_publish_snapshot(repo);
    repo->timestamp.next = (struct cr_meta_file){.version = 2};
    repo_publish_timestamp(repo);
    const struct cr_buf *old = repo_file(repo, "1.targets.json");
    CLEANUP_BUF struct cr_buf new_ = CR_BUF_INIT(CR_TRUST_TARGETS_BYTES_MAX);
    cr_buf_append(&new_, repo_file(repo, "2.targets.json")->data,
                  repo_file(repo, "2.targets.json")->len);
    repo_put(repo, "2.targets.json", old->data, old->len);
    expect(world, -ESTALE, "it is version 1, and version 2 was announced");
    still_boots(world, 1, CR_TRUST_INTERRUPTED);
    repo_put(repo, "2.targets.json", new_.data, new_.len);
    assert_int_equal(refresh(world), 0);
    still_boots(world, 1, CR_TRUST_CURRENT);
}

static void a_timestamp_of_the_same_number_says_nothing_new(void **state)
{
    struct world *world = *state;
    struct repo *repo = &world->repo;
    repo->timestamp.next.version = 100;
    repo_publish_timestamp(repo);
    assert_int_equal(refresh(world), 0);
    still_boots(world, 1, CR_TRUST_CURRENT);
}

static void whatever_expired_is_refused_and_the_last_version_boots(void **state)
{
    struct world *world = *state;
    struct repo *repo = &world->repo;
    repo_add_version(repo, 2);
    repo->timestamp.common.expires_s = REPO_NOW_S; /* the second from which on it is expired */
    repo_publish(repo);
    expect(world, -EKEYEXPIRED, "refused 'timestamp.json': it expired at 2027-01-15T08:00:00Z");
    still_boots(world, 1, CR_TRUST_CURRENT);
    repo->timestamp.common.expires_s = REPO_LATER_S;
    repo->snapshot.common.expires_s = REPO_NOW_S - 1;
    repo_publish(repo);
    expect(world, -EKEYEXPIRED, "refused '3.snapshot.json': it expired");
    repo->snapshot.common.expires_s = REPO_LATER_S;
    repo->targets.common.expires_s = REPO_NOW_S - 1;
    repo_publish(repo);
    expect(world, -EKEYEXPIRED, "refused '4.targets.json': it expired");
    still_boots(world, 1, CR_TRUST_INTERRUPTED);
    repo->root.common.expires_s = REPO_NOW_S - 1;
    repo_next_root(repo);
    expect(world, -EKEYEXPIRED, "the trusted root, version 2, is the newest: it expired");
    still_boots(world, 1, CR_TRUST_INTERRUPTED);
    repo->root.common.expires_s = repo->targets.common.expires_s = REPO_LATER_S;
    repo_next_root(repo);
    repo_publish(repo);
    assert_int_equal(refresh(world), 0);
    still_boots(world, 2, CR_TRUST_CURRENT);
}

static void a_seat_that_was_off_for_long_boots_with_a_warning(void **state)
{
    struct world *world = *state;
    struct cr_trust_state seen;
    struct cr_trust_version version;
    static const struct cr_ref ref = {.name = "physics"};
    int64_t later = REPO_LATER_S + 1000;
    cr_trust_client_state(world->seat.client, later, &seen);
    assert_int_equal(seen.health, CR_TRUST_EXPIRED);
    assert_non_null(strstr(seen.warning, "expired at 2027-01-16T08:00:00Z"));
    assert_non_null(strstr(seen.warning, "the last verified one is used"));
    assert_int_equal(cr_trust_resolve(world->seat.client, &ref, later, &version, NULL), 0);
    assert_int_equal(
        cr_trust_refresh(world->seat.client, repo_fetch, &world->repo, later, &world->err),
        -EKEYEXPIRED);
    assert_int_equal(newest(world), 1);
}

static void a_server_that_is_silent_changes_nothing(void **state)
{
    struct world *world = *state;
    repo_remove(&world->repo, "timestamp.json");
    expect(world, -ENOENT, "refused 'timestamp.json': the server does not have it");
    still_boots(world, 1, CR_TRUST_CURRENT);
    repo_publish(&world->repo);
    repo_remove(&world->repo, "2.snapshot.json");
    expect(world, -ENOENT, "refused '2.snapshot.json': the server does not have it");
    still_boots(world, 1, CR_TRUST_INTERRUPTED);
}

/* --- recovery -------------------------------------------------------------------------------- */

/* A stolen key of the timestamp signed the highest number there is; a new key begins anew. */
static void rotated_keys_recover_from_the_highest_number(void **state)
{
    struct world *world = *state;
    struct repo *repo = &world->repo;
    repo->timestamp.common.version = INT64_MAX;
    repo_publish_timestamp(repo);
    assert_int_equal(refresh(world), 0);
    repo->timestamp.common.version = 1;
    repo_publish(repo);
    expect(world, -ESTALE, "version 9223372036854775807 was seen here");
    repo_rotate(repo, CR_ROLE_TIMESTAMP, 3, 5);
    repo_next_root(repo);
    repo_publish(repo);
    assert_int_equal(refresh(world), 0);
    assert_int_equal(seat_state(&world->seat).versions[CR_ROLE_TIMESTAMP], 3);
    still_boots(world, 1, CR_TRUST_CURRENT);
}

/* One of two keys is taken away: what both could have signed is dropped all the same. */
static void a_key_taken_away_drops_timestamp_and_snapshot(void **state)
{
    struct world *world = *state;
    struct repo *repo = &world->repo;
    assert_int_equal(cr_root_allow(&repo->root, CR_ROLE_SNAPSHOT, &key_number(5)->signer.key), 0);
    repo_next_root(repo);
    repo->snapshot.common.version = 1000;
    repo_publish(repo);
    assert_int_equal(refresh(world), 0);
    assert_int_equal(
        cr_root_disallow(&repo->root, CR_ROLE_SNAPSHOT, key_number(5)->signer.key.keyid), 0);
    repo_next_root(repo);
    repo->timestamp.common.version = repo->snapshot.common.version = 1;
    repo_publish(repo);
    assert_int_equal(refresh(world), 0);
    assert_int_equal(seat_state(&world->seat).versions[CR_ROLE_SNAPSHOT], 2);
}

static void put_marker(const struct seat *seat, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/recover", seat->dir);
    assert_int_equal(cr_file_replace(AT_FDCWD, path, text, strlen(text), 0644), 0);
}

/* The power went between the marker and the root, or between the root and the dropping. */
static void a_recovery_survives_a_power_cut(void **state)
{
    struct world *world = *state;
    put_marker(&world->seat, "2");
    seat_restart(&world->seat);
    assert_int_equal(seat_state(&world->seat).versions[CR_ROLE_TIMESTAMP], 1);
    still_boots(world, 1, CR_TRUST_CURRENT);
    put_marker(&world->seat, "1");
    seat_restart(&world->seat);
    assert_int_equal(seat_state(&world->seat).versions[CR_ROLE_TIMESTAMP], 0);
    still_boots(world, 1, CR_TRUST_INTERRUPTED);
    assert_int_equal(refresh(world), 0);
    still_boots(world, 1, CR_TRUST_CURRENT);
}

/* --- the folder ------------------------------------------------------------------------------ */

static void a_damaged_file_counts_as_absent(void **state)
{
    struct world *world = *state;
    static const char *const names[] = {"timestamp.json", "snapshot.json", "targets.json"};
    for (size_t i = 0; i < CR_ARRAY_LEN(names); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/%s", world->seat.dir, names[i]);
        assert_int_equal(cr_file_replace(AT_FDCWD, path, "{}", 2, 0644), 0);
        seat_restart(&world->seat);
        assert_int_equal(seat_state(&world->seat).health,
                         i == 2 ? CR_TRUST_EMPTY : CR_TRUST_INTERRUPTED);
        assert_int_equal(refresh(world), 0);
        still_boots(world, 1, CR_TRUST_CURRENT);
    }
}

static void a_first_root_is_put_once_and_only_when_it_is_one(void **state)
{
    struct world *world = *state;
    const struct cr_buf *root = repo_file(&world->repo, "1.root.json");
    const struct cr_buf *targets = repo_file(&world->repo, "1.targets.json");
    char dir[128];
    assert_int_equal(cr_trust_client_init(world->seat.dir, root->data, root->len, &world->err),
                     -EEXIST);
    snprintf(dir, sizeof(dir), "%s/more", world->seat.dir);
    assert_int_equal(cr_trust_client_init(dir, targets->data, targets->len, &world->err), -EBADMSG);
    struct cr_trust_client *client = NULL;
    assert_int_equal(cr_trust_client_open(dir, &client, &world->err), -ENOENT);
    assert_int_equal(cr_trust_client_init(dir, root->data, root->len, &world->err), 0);
    assert_int_equal(cr_trust_client_open(dir, &client, &world->err), 0);
    assert_null(cr_trust_client_targets(client));
    static const struct cr_ref ref = {.name = "physics"};
    struct cr_trust_version version;
    assert_int_equal(cr_trust_resolve(client, &ref, REPO_NOW_S, &version, &world->err), -ENOKEY);
    cr_trust_client_free(client);
}

static void a_file_without_an_end_is_cut_off(void **state)
{
    struct world *world = *state;
    static const struct {
        const char *name;
        size_t max;
    } files[] = {
        {"2.root.json", CR_TRUST_ROOT_BYTES_MAX},
        {"timestamp.json", CR_TRUST_TIMESTAMP_BYTES_MAX},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(files); i++) {
        CLEANUP_FREE char *spaces = malloc(files[i].max + 1);
        memset(spaces, ' ', files[i].max + 1);
        repo_put(&world->repo, files[i].name, spaces, files[i].max + 1);
        expect(world, -EMSGSIZE, "it is longer than the");
        repo_remove(&world->repo, files[i].name);
    }
    /* What is announced with its length may not even have that of its kind. */
    repo_publish_timestamp(&world->repo);
    repo_publish(&world->repo);
    struct cr_buf *file = repo_file(&world->repo, "2.targets.json");
    assert_int_equal(cr_buf_append(file, " ", 1), 0);
    expect(world, -EMSGSIZE, "refused '2.targets.json': it is longer than the");
    still_boots(world, 1, CR_TRUST_INTERRUPTED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(a_first_refresh_brings_the_version),
        TEST(a_refresh_without_news_asks_for_two_files),
        TEST(a_new_version_is_seen),
        TEST(a_refresh_walks_over_many_roots),
        TEST(files_without_numbers_do_when_the_root_says_so),
        TEST(a_root_needs_the_old_and_the_new_keys),
        TEST(a_root_of_another_number_than_its_name_is_refused),
        TEST(two_of_three_need_two),
        TEST(a_key_signs_for_its_roles_only),
        TEST(the_same_key_under_two_ids_counts_once),
        TEST(what_a_revoked_key_signed_is_not_trusted_any_more),
        TEST(an_older_timestamp_is_refused),
        TEST(an_older_snapshot_is_refused),
        TEST(older_targets_are_refused),
        TEST(files_of_two_publications_are_not_mixed),
        TEST(a_number_that_does_not_fit_is_refused_without_hashes),
        TEST(a_timestamp_of_the_same_number_says_nothing_new),
        TEST(whatever_expired_is_refused_and_the_last_version_boots),
        TEST(a_seat_that_was_off_for_long_boots_with_a_warning),
        TEST(a_server_that_is_silent_changes_nothing),
        TEST(rotated_keys_recover_from_the_highest_number),
        TEST(a_key_taken_away_drops_timestamp_and_snapshot),
        TEST(a_recovery_survives_a_power_cut),
        TEST(a_damaged_file_counts_as_absent),
        TEST(a_first_root_is_put_once_and_only_when_it_is_one),
        TEST(a_file_without_an_end_is_cut_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
