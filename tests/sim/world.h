/* SPDX-License-Identifier: MIT */
/*
 * A small world in which everything happens in an order that one number
 * decides: a store in memory, actors that use it at the same time (each as a
 * process of its own would), failing calls, crashes and power cuts. The same
 * seed gives the same world, step by step.
 *
 * An actor is a coroutine with a `struct cr_blobs` of its own that looks at the
 * one truth. Each call of it is a step: others may go first, and the actor may
 * crash there, before or after the call had its effect. A crashed actor is not
 * thrown away but finds that every further call fails and changes nothing, so
 * it ends by its own way out; its locks are free at once, as those of a dead
 * process are.
 *
 * What a call changed without a sync may be lost at a power cut, or not, name
 * by name.
 */
#pragma once

#include "lib/store/blobs.h"

#include <stdio.h>
#include <ucontext.h>

#define ACTORS_MAX 8

struct world;

/* Faults planted into the place underneath, to see that the simulation finds
 * them. */
enum mutant {
    MUTANT_NONE,
    MUTANT_PUT_KEEPS_MARK, /* put does not take the mark away */
    MUTANT_NO_LEASES,      /* the collector sees no publishers */
    MUTANT_REMOVES_ANY,    /* remove_marked does not look at the mark */
    MUTANT_NO_MARKS,       /* publishers are told of no marks */
    MUTANT_LAZY_SYNC,      /* sync does nothing */
    MUTANT_NO_FENCE,       /* who has lost its lease may replace a head all the same */
    MUTANT_COUNT
};
extern const char *const mutant_names[MUTANT_COUNT];

struct actor {
    struct cr_blobs view; /* first: what its store stands on */
    struct world *world;
    unsigned number;
    const char *role;
    void (*run)(struct actor *actor);
    ucontext_t context;
    void *stack;
    unsigned speed; /* steps of it for one of the slowest */
    bool alive;     /* has not returned */
    bool crashed;   /* every call fails */
    bool faulty;    /* calls may fail now and then, and it may crash */
    bool hurt;      /* a call of it has failed */
    struct cr_store_lock *locks;
};

struct change; /* that a power cut may take back */

struct world {
    uint64_t random;
    struct cr_store *truth_store; /* owns the truth */
    struct cr_blobs *truth;
    struct actor actors[ACTORS_MAX];
    unsigned actor_count;
    struct actor *running;
    ucontext_t scheduler;
    struct change *changes;
    size_t change_count;
    int64_t now_s;
    uint64_t steps;
    uint64_t power_cut_at; /* step; 0 = none */
    enum mutant mutant;
    FILE *trace;      /* each step a line; may be NULL */
    char fault[1024]; /* what was found wrong; "" = nothing */
};

int world_init(struct world *world, uint64_t seed, enum mutant mutant, FILE *trace);
void world_done(struct world *world);

/* 0 .. n-1 */
uint64_t world_random(struct world *world, uint64_t n);

/* The first fault stays. */
void world_fault(struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Add an actor for the next world_run. */
struct actor *world_actor(struct world *world, const char *role, void (*run)(struct actor *actor),
                          bool faulty);

/* Let all actors run to their ends, or to a power cut. Afterwards there are
 * none. */
void world_run(struct world *world);

/* A store for this actor, as its process would open it. */
int actor_store(struct actor *actor, struct cr_store **ret_store, struct cr_error *err);
