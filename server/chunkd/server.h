/* SPDX-License-Identifier: MIT */
/*
 * The parts of carrel-chunkd and who calls whom.
 *
 *      main.c      options, signals, the loop that accepts connections and drains
 *        │
 *      service.c   one libmicrohttpd daemon a thread; a request's way from first byte to last
 *        │  │
 *        │  lib/httpd  listening sockets, who may connect (client certificates)
 *        │
 *      routes.c    the table: path -> what to do;  reply.c  the answers as HTTP
 *        │
 *      frames.c    the hot cache over the store;  heads.c  heads while they are watched;
 *                  metrics.c  counters;  deltas.c  makes what is asked for and not there;
 *                  hot.c  the order in which boots touch a version;
 *                  peers.c  tells seats of each other;  seats.c  policies, leases, reports
 *
 * A route answers at once from memory, in the thread that talks to the client, or its connection is
 * laid aside while a thread of the pool reads the store, so that a slow disk delays nobody else.
 */
#pragma once

#include "lib/base/pool.h"
#include "lib/store/packcache.h"
#include "server/chunkd/deltas.h"
#include "server/chunkd/frames.h"
#include "server/chunkd/heads.h"
#include "server/chunkd/hot.h"
#include "server/chunkd/metrics.h"
#include "server/chunkd/peers.h"
#include "server/chunkd/seats.h"

#include <stdatomic.h>

/* What all threads share. Lives as long as the program. */
struct server {
    struct cr_store *store;
    struct cr_packcache *packs; /* inside the store; NULL = it shows none */
    struct heads *heads;
    struct frames *frames;
    struct hot *hot;
    struct seats *seats;
    struct deltas *deltas; /* NULL = none are made */
    struct peers *peers;
    struct cr_pool *readers; /* threads that may wait for the store */
    struct metrics metrics;
    atomic_bool draining; /* no new connections */
    atomic_bool stopping; /* nor may a request wait for the store any more */
    int idle_fd;          /* eventfd; written when the last request ends while draining */
};
