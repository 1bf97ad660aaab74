/* SPDX-License-Identifier: MIT */
/* Signed channels on a seat, and seats that refresh one folder at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/trust_repo.h"

#include <sys/wait.h>

#define REFRESHERS 4
#define TIMES      20

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

static uint64_t stable_at(const struct seat *seat, int64_t now_s)
{
    static const struct cr_ref ref = {.name = "physics", .channel = "stable"};
    struct cr_trust_version version;
    struct cr_error err = {0};
    if (cr_trust_resolve(seat->client, &ref, now_s, &version, &err) < 0)
        fail_msg("%s", err.text);
    return version.ref.number;
}

static void a_signed_date_holds_on_a_seat_that_hears_nothing_any_more(void **state)
{
    struct world *world = *state;
    const struct cr_change changes[] = {
        {.channel = "stable", .number = 1, .set_s = REPO_NOW_S - 60, .at_s = REPO_NOW_S - 60},
        {.channel = "stable", .number = 2, .set_s = REPO_NOW_S, .at_s = REPO_NOW_S + 3600},
    };
    repo_add_version(&world->repo, 2);
    assert_int_equal(
        cr_targets_changes_set(&world->repo.targets, "physics", changes, CR_ARRAY_LEN(changes)), 0);
    repo_publish(&world->repo);
    assert_int_equal(seat_refresh(&world->seat, &world->repo, &world->err), 0);
    seat_restart(&world->seat);
    assert_int_equal(stable_at(&world->seat, REPO_NOW_S + 3599), 1);
    assert_int_equal(stable_at(&world->seat, REPO_NOW_S + 3600), 2);
    assert_int_equal(stable_at(&world->seat, 10 * REPO_NOW_S), 2);
    /* A clock that starts in 1970 cannot be right: the metadata was signed later. */
    assert_int_equal(stable_at(&world->seat, 0), 1);
}

/* Another process on the same folder; its status is 0 when all its refreshes succeeded. */
static pid_t refresher_start(struct world *world)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    struct cr_trust_client *client = NULL;
    int r = cr_trust_client_open(world->seat.dir, &client, &world->err);
    for (int i = 0; i < TIMES && r == 0; i++)
        r = cr_trust_refresh(client, repo_fetch, &world->repo, REPO_NOW_S, &world->err);
    if (r < 0)
        fprintf(stderr, "%s\n", world->err.text);
    cr_trust_client_free(client);
    _exit(r < 0);
}

static void refreshes_at_once_wait_for_each_other(void **state)
{
    struct world *world = *state;
    pid_t pids[REFRESHERS];
    for (size_t i = 0; i < REFRESHERS; i++)
        pids[i] = refresher_start(world);
    for (size_t i = 0; i < REFRESHERS; i++) {
        int status = -1;
        assert_true(pids[i] > 0 && waitpid(pids[i], &status, 0) == pids[i]);
        assert_int_equal(status, 0);
    }
    seat_restart(&world->seat);
    assert_int_equal(seat_state(&world->seat).health, CR_TRUST_CURRENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_signed_date_holds_on_a_seat_that_hears_nothing_any_more,
                                        begin, end),
        cmocka_unit_test_setup_teardown(refreshes_at_once_wait_for_each_other, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
