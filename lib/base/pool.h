/* SPDX-License-Identifier: MIT */
/* A fixed set of worker threads with a bounded queue: the submitter waits while it is full. */
#pragma once

#include <stddef.h>

struct cr_pool;

/* One job. Errors travel in whatever `argument` points to. */
typedef void cr_pool_job(void *argument);

/*
 * Start `threads` workers (0 = one for each CPU that this process may use) that take jobs from a
 * queue of at most `queue_max`. Returns 0 or -errno.
 */
int cr_pool_new(unsigned threads, size_t queue_max, struct cr_pool **ret_pool);

/* The number of workers. */
unsigned cr_pool_threads(const struct cr_pool *pool);

/* Hand in a job; blocks while the queue is full. `argument` belongs to the job from here on. */
void cr_pool_submit(struct cr_pool *pool, cr_pool_job *job, void *argument);

/* Wait until every job handed in so far has run. */
void cr_pool_wait(struct cr_pool *pool);

/* Wait for the jobs, stop the workers, free. Takes NULL. */
void cr_pool_free(struct cr_pool *pool);
void cr_pool_cleanup(struct cr_pool **pool);
