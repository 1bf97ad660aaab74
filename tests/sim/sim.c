/* SPDX-License-Identifier: MIT */
/*
 * Random interleavings of publish, read, remove, gc, scrub, failing calls,
 * crashes and power cuts on a store in memory.
 *
 *      sim [--mutant NAME] [--trace] FIRST COUNT
 *
 * plays COUNT worlds with the seeds from FIRST on. A world that is found wrong
 * is told of with its seed, which plays it again exactly. Exit status 0 = all
 * well, 1 = a world was wrong.
 */
#include "tests/sim/actors.h"

#include "lib/base/mem.h"
#include "lib/base/num.h"

#include <inttypes.h>
#include <stdlib.h>

static void (*const roles[])(struct actor *actor) = {publisher, publisher, collector,
                                                     remover,   reader,    scrubber};
static const char *const role_names[] = {"publish", "publish", "collect",
                                         "remove",  "read",    "scrub"};

/* Some hours of the world: actors at the same time, perhaps a power cut, then a
 * look at everything.
 */
static bool world_play(uint64_t seed, enum mutant mutant, FILE *trace)
{
    struct world world;
    if (world_init(&world, seed, mutant, trace) < 0)
        return false;
    model.count = 0;
    for (unsigned epoch = 0; epoch < 3 && world.fault[0] == '\0'; epoch++) {
        uint64_t count = 2 + world_random(&world, ACTORS_MAX - 2);
        bool faulty = world_random(&world, 3) > 0;
        for (uint64_t i = 0; i < count; i++) {
            uint64_t role = world_random(&world, CR_ARRAY_LEN(roles));
            world_actor(&world, role_names[role], roles[role], faulty);
        }
        if (world_random(&world, 3) == 0)
            world.power_cut_at = world.steps + 1 + world_random(&world, 400);
        world_run(&world);
        world_actor(&world, "collect", epoch < 2 ? judge_between : judge_at_last, false);
        world_run(&world);
    }
    bool well = world.fault[0] == '\0';
    if (!well)
        printf("seed %" PRIu64 ": %s\n", seed, world.fault);
    world_done(&world);
    return well;
}

int main(int argc, char **argv)
{
    enum mutant mutant = MUTANT_NONE;
    FILE *trace = NULL;
    uint64_t first, count, wrong = 0;
    int at = 1;
    for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
        if (strcmp(argv[at], "--trace") == 0)
            trace = stdout;
        else if (strcmp(argv[at], "--mutant") == 0 && at + 1 < argc)
            for (at++; mutant < MUTANT_COUNT && strcmp(mutant_names[mutant], argv[at]) != 0;)
                mutant++;
    }
    if (argc - at != 2 || mutant == MUTANT_COUNT ||
        cr_u64_parse(argv[at], UINT64_MAX - 1, &first) < 0 ||
        cr_u64_parse(argv[at + 1], UINT32_MAX, &count) < 0) {
        fprintf(stderr, "usage: sim [--mutant NAME] [--trace] FIRST COUNT\n");
        return 2;
    }
    for (uint64_t seed = first; seed < first + count && (mutant == MUTANT_NONE || wrong == 0);
         seed++)
        wrong += !world_play(seed, mutant, trace);
    printf("%" PRIu64 " worlds, %" PRIu64 " wrong; %" PRIu64 " versions published, %" PRIu64
           " removed, %" PRIu64 " read, %" PRIu64 " collections, %" PRIu64
           " blobs deleted, %" PRIu64 " packs repacked, %" PRIu64 " scrubs\n",
           count, wrong, model.published, model.removed, model.read, model.collected, model.deleted,
           model.repacked, model.scrubbed);
    return wrong > 0;
}
