/* SPDX-License-Identifier: MIT */
/* Who speaks of a target: the walk along delegations, and what it does not believe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/trust_delegates.h"

#define ANY "\"paths\": [\"*\"]"

struct world {
    struct repo repo;
    struct seat seat;
    struct noted noted;
    struct cr_error err;
};

static int begin(void **state)
{
    struct world *world = test_calloc(1, sizeof(*world));
    repo_init(&world->repo);
    seat_init(&world->seat, &world->repo);
    world->noted.repo = &world->repo;
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

/* Everything published, and the seat knows it. */
static void publish(struct world *world)
{
    struct cr_error err = {0};
    repo_publish(&world->repo);
    if (seat_refresh(&world->seat, &world->repo, &err) < 0)
        fail_msg("%s", err.text);
}

static void expect(struct world *world, const char *path, int code, const char *reason,
                   const char *fetched)
{
    struct cr_target target;
    world->err.text[0] = '\0';
    int r = seat_find(&world->seat, &world->noted, path, &target, &world->err);
    if (r != code || strstr(world->err.text, reason) == NULL)
        fail_msg("%s: %d, %s", path, r, world->err.text);
    assert_string_equal(world->noted.names, fetched);
}

/* The target is found with this length, which tells whose it is. */
static void finds(struct world *world, const char *path, uint64_t length, const char *fetched)
{
    struct cr_target target = {0};
    int r = seat_find(&world->seat, &world->noted, path, &target, &world->err);
    if (r < 0)
        fail_msg("%s: %s", path, world->err.text);
    assert_int_equal(target.length, length);
    assert_string_equal(world->noted.names, fetched);
}

static void publish_role(struct world *world, const char *name, json_t *role, unsigned key)
{
    delegate_publish(&world->repo, name, name, role, key);
}

/* --- which paths ----------------------------------------------------------------------------- */

static void patterns_match_within_a_folder(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *path;
        bool covers;
    } rows[] = {
        {"targets/*.tgz", "targets/foo.tgz", true},
        {"targets/*.tgz", "targets/foo.txt", false},
        {"targets/*.tgz", "targets/a/foo.tgz", false},
        {"*.tgz", "foo.tgz", true},
        {"*.tgz", "targets/foo.tgz", false},
        {"foo.tgz", "foo.tgz", true},
        {"foo.tgz", "foo.tgz2", false},
        {"foo.tgz", "FOO.tgz", false},
        {"foo-version-?.tgz", "foo-version-a.tgz", true},
        {"foo-version-?.tgz", "foo-version-alpha.tgz", false},
        {"a?b", "a/b", false},
        {"a?b",
         "a\xc3\xa9"
         "b",
         true},
        {"*", "", true},
        {"*", "a/b", false},
        {"*/*", "a/b", true},
        {"*/*", "a/b/c", false},
        {"*a*b*c", "xaxbxbxc", true},
        {"*a*b*c", "xaxbxbx", false},
        {"*ab/c*", "aab/cd", true},
        {"*ab/c*", "a/b/ab/cd", false},
        {"[ab]", "a", false},
        {"[ab]", "[ab]", true},
        {"\\*", "*", false},
        {"", "", true},
        {"", "a", false},
        {"**", "a", true},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(rows); i++) {
        CLEANUP_JSON json_t *paths = json_pack("[s, s]", "no such thing", rows[i].pattern);
        const struct cr_delegation delegation = {.paths = paths};
        if (cr_delegation_covers(&delegation, rows[i].path) != rows[i].covers)
            fail_msg("'%s' and '%s'", rows[i].pattern, rows[i].path);
    }
}

static void a_pattern_of_many_stars_takes_no_long_time(void **state)
{
    (void)state;
    char pattern[2001], path[20001];
    for (size_t i = 0; i < 2000; i++)
        pattern[i] = i % 2 == 0 ? '*' : 'a';
    memset(path, 'a', 20000);
    pattern[2000] = path[20000] = '\0';
    pattern[1999] = 'b';
    CLEANUP_JSON json_t *paths = json_pack("[s]", pattern);
    const struct cr_delegation delegation = {.paths = paths};
    assert_false(cr_delegation_covers(&delegation, path));
}

static void prefixes_are_of_the_hash_of_the_path(void **state)
{
    (void)state;
    /* sha256 of "a" begins with ca97, of "b" with 3e23 */
    CLEANUP_JSON json_t *prefixes = json_pack("[s, s]", "ca9", "00ff");
    const struct cr_delegation delegation = {.prefixes = prefixes};
    assert_true(cr_delegation_covers(&delegation, "a"));
    assert_false(cr_delegation_covers(&delegation, "b"));
    static const struct cr_delegation neither = {0};
    assert_false(cr_delegation_covers(&neither, "a"));
}

/* --- the walk -------------------------------------------------------------------------------- */

/*
 * Graphs of roles with one letter each: "t>A" = the targets delegate all to A, "A>C!" = A to C,
 * terminating, "A>C-" = A to C, another path. Who is asked for a target that nobody has, in order.
 */
static const struct graph {
    const char *edges, *order;
} graphs[] = {
    {"t>A", "A"},
    {"t>A t>B", "AB"},
    {"t>A t>B B>C", "ABC"},
    {"t>A t>B A>C A>D", "ACDB"},
    {"t>A t>B A>C C>D", "ACDB"},
    {"t>A t>B A>C! A>D", "AC"},
    {"t>A t>B A>C! C>D", "ACD"},
    {"t>A! t>B", "A"},
    {"t>A!- t>B", "B"},
    {"t>A- t>B A>C", "B"},
    {"t>A t>B A>C- C>D", "AB"},
    {"t>A A>A", "A"},
    {"t>A t>B B>C C>D D>B", "ABCD"},
    {"t>A t>B B>C A>C", "ACB"},
    {"t>A t>B B>A! t>C", "AB"},
    {"", ""},
};

static void ask_graph(const struct graph *graph)
{
    void *state;
    begin(&state);
    struct world *world = state;
    json_t *roles[4] = {0};
    char order[64] = "";
    for (size_t i = 0; i < 4; i++)
        roles[i] = delegate_new(1, NULL, 0);
    for (const char *edge = graph->edges; *edge != '\0';) {
        char name[2] = {edge[2], '\0'};
        json_t *by =
            edge[0] == 't' ? world->repo.targets.common.json : roles[(size_t)(edge[0] - 'A')];
        size_t len = strcspn(edge, " ");
        bool other = memchr(edge, '-', len) != NULL;
        delegate_to(by, name, (unsigned)(5 + edge[2] - 'A'), other ? "\"paths\": [\"x\"]" : ANY,
                    memchr(edge, '!', len) != NULL);
        edge += len + (edge[len] == ' ');
    }
    for (size_t i = 0; i < 4; i++) {
        char name[2] = {(char)('A' + i), '\0'};
        publish_role(world, name, roles[i], (unsigned)(5 + i));
        json_decref(roles[i]);
    }
    for (const char *name = graph->order; *name != '\0'; name++)
        snprintf(order + strlen(order), sizeof(order) - strlen(order), "1.%c.json ", *name);
    publish(world);
    expect(world, "missing", -ENOENT, "looking for the target 'missing': nobody who may", order);
    end(&state);
}

static void roles_are_asked_depth_first_and_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < CR_ARRAY_LEN(graphs); i++)
        ask_graph(&graphs[i]);
}

static void who_stands_first_is_believed(void **state)
{
    struct world *world = *state;
    json_t *targets = world->repo.targets.common.json;
    CLEANUP_JSON json_t *first = delegate_new(1, "a", 1), *second = delegate_new(1, "a", 2);
    json_object_set_new(json_object_get(second, "targets"), "b",
                        json_pack("{s:i, s:{s:s}}", "length", 3, "hashes", "md5", "x"));
    delegate_to(targets, "first", 5, ANY, false);
    delegate_to(targets, "second", 6, ANY, false);
    publish_role(world, "first", first, 5);
    publish_role(world, "second", second, 6);
    publish(world);
    finds(world, "a", 1, "1.first.json ");
    finds(world, "b", 3, "1.second.json ");
    finds(world, "physics@1", 32 + 32 * 4, "");
}

static void each_delegation_on_the_way_covers_the_path(void **state)
{
    struct world *world = *state;
    CLEANUP_JSON json_t *lab = delegate_new(1, "else", 1), *room = delegate_new(1, "lab/x", 2);
    json_object_set_new(json_object_get(room, "targets"), "lab/y",
                        json_pack("{s:i, s:{s:s}}", "length", 3, "hashes", "md5", "x"));
    delegate_to(world->repo.targets.common.json, "lab", 5, "\"paths\": [\"lab/*\"]", false);
    delegate_to(lab, "room", 6, "\"paths\": [\"lab/x\", \"else\"]", false);
    publish_role(world, "lab", lab, 5);
    publish_role(world, "room", room, 6);
    publish(world);
    expect(world, "else", -ENOENT, "nobody", "");
    expect(world, "lab/y", -ENOENT, "nobody", "1.lab.json ");
    finds(world, "lab/x", 2, "1.room.json ");
}

static void a_role_is_believed_for_who_delegates_to_it(void **state)
{
    struct world *world = *state;
    json_t *targets = world->repo.targets.common.json;
    CLEANUP_JSON json_t *a = delegate_new(1, NULL, 0), *b = delegate_new(1, NULL, 0);
    CLEANUP_JSON json_t *shared = delegate_new(1, "a", 1);
    json_object_set_new(json_object_get(shared, "targets"), "b",
                        json_pack("{s:i, s:{s:s}}", "length", 2, "hashes", "md5", "x"));
    delegate_to(targets, "A", 5, "\"paths\": [\"a\"]", false);
    delegate_to(targets, "B", 6, "\"paths\": [\"b\"]", false);
    delegate_to(a, "shared", 7, "\"paths\": [\"a\"]", false);
    delegate_to(b, "shared", 8, "\"paths\": [\"b\"]", false);
    publish_role(world, "A", a, 5);
    publish_role(world, "B", b, 6);
    publish_role(world, "shared", shared, 7);
    publish(world);
    finds(world, "a", 1, "1.A.json 1.shared.json ");
    expect(world, "b", -EKEYREJECTED, "refused '1.shared.json': it has 0 of the 1 signatures",
           "1.B.json 1.shared.json ");
    finds(world, "a", 1, "");
}

static void the_walk_ends_after_as_many_roles_as_may_be_read(void **state)
{
    struct world *world = *state;
    json_t *by = json_incref(world->repo.targets.common.json);
    for (unsigned i = 0; i < CR_TRUST_VISITS_MAX + 4; i++) {
        char name[16], before[16];
        snprintf(name, sizeof(name), "r%u", i);
        snprintf(before, sizeof(before), "r%u", i - 1);
        delegate_to(by, name, 5, ANY, false);
        if (i > 0)
            publish_role(world, before, by, 5);
        json_decref(by);
        by = delegate_new(1, i == CR_TRUST_VISITS_MAX - 1 ? "last" : "beyond", (int)i);
    }
    publish_role(world, "r35", by, 5);
    json_decref(by);
    publish(world);
    struct cr_target target;
    assert_int_equal(seat_find(&world->seat, &world->noted, "last", &target, NULL), 0);
    assert_int_equal(target.length, CR_TRUST_VISITS_MAX - 1);
    finds(world, "beyond", 0, "");
    int r = seat_find(&world->seat, &world->noted, "nothing", &target, &world->err);
    assert_int_equal(r, -ENOENT);
    assert_non_null(strstr(world->err.text, "as many delegated roles as may be read"));
    assert_string_equal(world->noted.names, "");
}

/* --- what is not believed -------------------------------------------------------------------- */

/* One role "lab" of the targets, version 1, which has "x". */
static json_t *begin_lab(struct world *world)
{
    CLEANUP_JSON json_t *lab = delegate_new(1, "x", 1);
    json_t *role = delegate_to(world->repo.targets.common.json, "lab", 5, ANY, false);
    publish_role(world, "lab", lab, 5);
    publish(world);
    return role;
}

static void a_delegated_role_has_a_threshold_of_its_own(void **state)
{
    struct world *world = *state;
    CLEANUP_JSON json_t *lab = delegate_new(1, "x", 1);
    json_t *targets = world->repo.targets.common.json;
    json_t *role = delegate_to(targets, "lab", 5, ANY, false);
    delegate_to(targets, "other", 6, "\"paths\": [\"y\"]", false);
    json_array_append_new(json_object_get(role, "keyids"),
                          json_string(key_number(6)->signer.key.keyid));
    json_object_set_new(role, "threshold", json_integer(2));
    publish_role(world, "lab", lab, 5);
    publish(world);
    expect(world, "x", -EKEYREJECTED, "refused '1.lab.json': it has 1 of the 2", "1.lab.json ");
    static const unsigned both[] = {5, 6}, stranger[] = {5, 1};
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_MIB), odd = CR_BUF_INIT(CR_MIB);
    delegate_wrap(lab, stranger, 2, &odd);
    repo_put(&world->repo, "1.lab.json", odd.data, odd.len);
    expect(world, "x", -EKEYREJECTED, "it has 1 of the 2 signatures", "1.lab.json ");
    delegate_wrap(lab, both, 2, &bytes);
    repo_put(&world->repo, "1.lab.json", bytes.data, bytes.len);
    finds(world, "x", 1, "1.lab.json ");
}

static void a_role_that_the_snapshot_does_not_name_is_not_asked_for(void **state)
{
    struct world *world = *state;
    delegate_to(world->repo.targets.common.json, "lab", 5, ANY, false);
    publish(world);
    expect(world, "x", -ENOENT, "refused 'lab.json': version 2 of the snapshot does not name it",
           "");
}

static void an_expired_role_ends_the_search(void **state)
{
    struct world *world = *state;
    CLEANUP_JSON json_t *lab = delegate_new(1, "x", 1), *next = delegate_new(1, "x", 2);
    char now[CR_EXPIRES_TEXT];
    json_object_set_new(lab, "expires", json_string(cr_expires_format(REPO_NOW_S, now)));
    delegate_to(world->repo.targets.common.json, "lab", 5, ANY, false);
    delegate_to(world->repo.targets.common.json, "next", 5, ANY, false);
    publish_role(world, "lab", lab, 5);
    publish_role(world, "next", next, 5);
    publish(world);
    expect(world, "x", -EKEYEXPIRED, "refused '1.lab.json': it expired at", "1.lab.json ");
}

static void a_role_of_another_number_is_refused(void **state)
{
    struct world *world = *state;
    begin_lab(world);
    finds(world, "x", 1, "1.lab.json ");
    /* The old file under the new name, and a newer one than was announced. */
    const struct cr_buf *old = repo_file(&world->repo, "1.lab.json");
    repo_put(&world->repo, "2.lab.json", old->data, old->len);
    delegate_announce(&world->repo, "lab", 2);
    publish(world);
    expect(world, "x", -ESTALE, "it is version 1, and version 2 was announced", "2.lab.json ");
    CLEANUP_JSON json_t *third = delegate_new(3, "x", 3), *second = delegate_new(2, "x", 2);
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_MIB);
    delegate_wrap(third, (const unsigned[]){5}, 1, &bytes);
    repo_put(&world->repo, "2.lab.json", bytes.data, bytes.len);
    expect(world, "x", -EBADMSG, "it is version 3, and version 2 was announced", "2.lab.json ");
    publish_role(world, "lab", second, 5);
    finds(world, "x", 2, "2.lab.json ");
    finds(world, "x", 2, "");
}

static void a_snapshot_that_names_an_older_role_is_refused(void **state)
{
    struct world *world = *state;
    CLEANUP_JSON json_t *second = delegate_new(2, "x", 2);
    begin_lab(world);
    publish_role(world, "lab", second, 5);
    publish(world);
    delegate_announce(&world->repo, "lab", 1);
    repo_publish(&world->repo);
    assert_int_equal(seat_refresh(&world->seat, &world->repo, &world->err), -ESTALE);
    assert_non_null(strstr(world->err.text, "it names an older 'lab.json' than version 2"));
    /* Targets and snapshot of two publications: nothing is looked up in their mixture. */
    struct cr_target target;
    assert_int_equal(seat_find(&world->seat, &world->noted, "x", &target, &world->err), -ENOKEY);
    assert_non_null(strstr(world->err.text, "refresh it from the server"));
}

static void length_and_hash_of_the_snapshot_hold_for_roles_too(void **state)
{
    struct world *world = *state;
    begin_lab(world);
    json_t *entry =
        json_object_get(json_object_get(world->repo.snapshot.common.json, "meta"), "lab.json");
    const struct cr_buf *file = repo_file(&world->repo, "1.lab.json");
    json_object_set_new(entry, "length", json_integer((json_int_t)file->len - 1));
    publish(world);
    expect(world, "x", -EMSGSIZE, "it is longer than the", "1.lab.json ");
    json_object_del(entry, "length");
    json_object_set_new(
        entry, "hashes",
        json_pack("{s:s}", "sha256",
                  "abababababababababababababababababababababababababababababababab"));
    publish(world);
    expect(world, "x", -EBADMSG, "does not hash to what was announced", "1.lab.json ");
}

static void a_damaged_or_lost_file_is_fetched_again(void **state)
{
    struct world *world = *state;
    begin_lab(world);
    finds(world, "x", 1, "1.lab.json ");
    seat_restart(&world->seat);
    finds(world, "x", 1, "");
    CLEANUP_CLOSE int dir = open(world->seat.dir, O_RDONLY | O_DIRECTORY);
    assert_int_equal(cr_file_replace(dir, "delegate-lab.json", "{}", 2, 0644), 0);
    finds(world, "x", 1, "1.lab.json ");
    finds(world, "x", 1, "");
    /* A server that is away: what the folder has is enough, and nothing else is known. */
    repo_remove(&world->repo, "1.lab.json");
    finds(world, "x", 1, "");
    assert_int_equal(unlinkat(dir, "delegate-lab.json", 0), 0);
    expect(world, "x", -ENOENT, "refused '1.lab.json': the server does not have it", "1.lab.json ");
}

/* --- names ----------------------------------------------------------------------------------- */

static void a_role_with_any_name_stays_in_the_folder(void **state)
{
    struct world *world = *state;
    static const char *const names[][2] = {
        {"../../x", "..%2F..%2Fx"}, {"/etc/x", "%2Fetc%2Fx"}, {"?", "%3F"},
        {"#a b%", "%23a%20b%25"},   {"\xc3\xa9", "%C3%A9"},   {"root.json", "root.json"},
        {"recover", "recover"},
    };
    CLEANUP_CLOSE int dir = open(world->seat.dir, O_RDONLY | O_DIRECTORY);
    char fetched[1024] = "";
    for (size_t i = 0; i < CR_ARRAY_LEN(names); i++) {
        CLEANUP_JSON json_t *role = delegate_new(1, NULL, 0);
        delegate_to(world->repo.targets.common.json, names[i][0], 5, ANY, false);
        delegate_publish(&world->repo, names[i][0], names[i][1], role, 5);
        snprintf(fetched + strlen(fetched), sizeof(fetched) - strlen(fetched), "1.%s.json ",
                 names[i][1]);
    }
    publish(world);
    expect(world, "x", -ENOENT, "nobody", fetched);
    for (size_t i = 0; i < CR_ARRAY_LEN(names); i++) {
        char file[64];
        snprintf(file, sizeof(file), "delegate-%s.json", names[i][1]);
        assert_int_equal(faccessat(dir, file, F_OK, 0), 0);
    }
    assert_int_equal(faccessat(dir, "recover", F_OK, 0), -1);
    seat_restart(&world->seat);
    assert_int_equal(seat_state(&world->seat).health, CR_TRUST_CURRENT);
}

static void roles_have_no_numbers_when_the_root_says_so(void **state)
{
    struct world *world = *state;
    CLEANUP_JSON json_t *lab = delegate_new(1, "x", 1);
    static const char *const files[][2] = {{"2.targets.json", "targets.json"},
                                           {"2.snapshot.json", "snapshot.json"},
                                           {"1.lab.json", "lab.json"}};
    delegate_to(world->repo.targets.common.json, "lab", 5, ANY, false);
    publish_role(world, "lab", lab, 5);
    world->repo.root.consistent_snapshot = false;
    repo_next_root(&world->repo);
    repo_publish(&world->repo);
    for (size_t i = 0; i < CR_ARRAY_LEN(files); i++) {
        const struct cr_buf *from = repo_file(&world->repo, files[i][0]);
        repo_put(&world->repo, files[i][1], from->data, from->len);
    }
    assert_int_equal(seat_refresh(&world->seat, &world->repo, NULL), 0);
    finds(world, "x", 1, "lab.json ");
}

#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_within_a_folder),
        cmocka_unit_test(a_pattern_of_many_stars_takes_no_long_time),
        cmocka_unit_test(prefixes_are_of_the_hash_of_the_path),
        cmocka_unit_test(roles_are_asked_depth_first_and_once),
        IN_A_WORLD(who_stands_first_is_believed),
        IN_A_WORLD(each_delegation_on_the_way_covers_the_path),
        IN_A_WORLD(a_role_is_believed_for_who_delegates_to_it),
        IN_A_WORLD(the_walk_ends_after_as_many_roles_as_may_be_read),
        IN_A_WORLD(a_delegated_role_has_a_threshold_of_its_own),
        IN_A_WORLD(a_role_that_the_snapshot_does_not_name_is_not_asked_for),
        IN_A_WORLD(an_expired_role_ends_the_search),
        IN_A_WORLD(a_role_of_another_number_is_refused),
        IN_A_WORLD(a_snapshot_that_names_an_older_role_is_refused),
        IN_A_WORLD(length_and_hash_of_the_snapshot_hold_for_roles_too),
        IN_A_WORLD(a_damaged_or_lost_file_is_fetched_again),
        IN_A_WORLD(a_role_with_any_name_stays_in_the_folder),
        IN_A_WORLD(roles_have_no_numbers_when_the_root_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
