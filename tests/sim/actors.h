/* SPDX-License-Identifier: MIT */
/* Who lives in the simulated world, and what must be true of it. */
#pragma once

#include "tests/sim/world.h"

#define IMAGES       3
#define VALUES       16 /* different contents of a chunk; few, so that versions share much */
#define TOUCHED      12 /* chunks of a disk that ever hold data: at its beginning and its end */
#define VERSIONS_MAX 256

/* What is known of a version: `told` = its publisher was told that it exists.
 */
struct known {
    unsigned image;
    uint64_t number;
    struct cr_id root;
    uint8_t values[TOUCHED]; /* 0 = a hole */
    bool told;
    bool removing; /* somebody has begun to remove it; it may be there or not */
};

struct model {
    struct known versions[VERSIONS_MAX];
    unsigned count;
    uint64_t published, removed, collected, scrubbed, read, repacked, deleted; /* in all seeds */
};
extern struct model model;

void publisher(struct actor *actor);
void remover(struct actor *actor);
void collector(struct actor *actor);
void scrubber(struct actor *actor);
void reader(struct actor *actor);
/* Nobody else is there: everything that somebody was told of is there and whole, and everything
 * that a head lists; sometimes a collection is begun. */
void judge_between(struct actor *actor);
/* At the end: nothing dead stays, either. */
void judge_at_last(struct actor *actor);
