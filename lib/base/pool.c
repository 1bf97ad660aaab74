/* SPDX-License-Identifier: MIT */
#include "lib/base/pool.h"

#include "lib/base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>

struct job {
    cr_pool_job *run;
    void *argument;
};

struct cr_pool {
    pthread_mutex_t mutex;
    pthread_cond_t filled;  /* a job came in, or the end */
    pthread_cond_t drained; /* a job was taken, or finished */
    struct job *queue;      /* ring of queue_max */
    size_t queue_max, head, count;
    size_t running;
    bool ending;
    unsigned thread_count;
    pthread_t threads[];
};

static void *worker(void *argument)
{
    struct cr_pool *pool = argument;
    pthread_mutex_lock(&pool->mutex);
    for (;;) {
        while (pool->count == 0 && !pool->ending)
            pthread_cond_wait(&pool->filled, &pool->mutex);
        if (pool->count == 0)
            break;
        struct job job = pool->queue[pool->head];
        pool->head = (pool->head + 1) % pool->queue_max;
        pool->count--;
        pool->running++;
        pthread_cond_broadcast(&pool->drained);
        pthread_mutex_unlock(&pool->mutex);
        job.run(job.argument);
        pthread_mutex_lock(&pool->mutex);
        pool->running--;
        pthread_cond_broadcast(&pool->drained);
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

static unsigned usable_cpus(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) < 0)
        return 1;
    int count = CPU_COUNT(&set);
    return count < 1 ? 1 : (unsigned)count;
}

int cr_pool_new(unsigned threads, size_t queue_max, struct cr_pool **ret_pool)
{
    if (threads == 0)
        threads = usable_cpus();
    if (queue_max == 0)
        queue_max = 1;
    struct cr_pool *pool = cr_calloc(1, sizeof(*pool) + threads * sizeof(pthread_t));
    struct job *queue = cr_calloc(queue_max, sizeof(*queue));
    if (pool == NULL || queue == NULL) {
        free(pool);
        free(queue);
        return -ENOMEM;
    }
    pool->queue = queue;
    pool->queue_max = queue_max;
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->filled, NULL);
    pthread_cond_init(&pool->drained, NULL);

    /* Signals go to the threads that the program made for them, never to a worker. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = 0;
    while (pool->thread_count < threads && r == 0) {
        r = -pthread_create(&pool->threads[pool->thread_count], NULL, worker, pool);
        if (r == 0)
            pool->thread_count++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r < 0) {
        cr_pool_free(pool);
        return r;
    }
    *ret_pool = pool;
    return 0;
}

unsigned cr_pool_threads(const struct cr_pool *pool)
{
    return pool->thread_count;
}

void cr_pool_submit(struct cr_pool *pool, cr_pool_job *job, void *argument)
{
    pthread_mutex_lock(&pool->mutex);
    while (pool->count == pool->queue_max)
        pthread_cond_wait(&pool->drained, &pool->mutex);
    pool->queue[(pool->head + pool->count) % pool->queue_max] =
        (struct job){.run = job, .argument = argument};
    pool->count++;
    pthread_cond_signal(&pool->filled);
    pthread_mutex_unlock(&pool->mutex);
}

void cr_pool_wait(struct cr_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    while (pool->count > 0 || pool->running > 0)
        pthread_cond_wait(&pool->drained, &pool->mutex);
    pthread_mutex_unlock(&pool->mutex);
}

void cr_pool_free(struct cr_pool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->mutex);
    pool->ending = true;
    pthread_cond_broadcast(&pool->filled);
    pthread_mutex_unlock(&pool->mutex);
    for (unsigned i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->drained);
    pthread_cond_destroy(&pool->filled);
    pthread_mutex_destroy(&pool->mutex);
    free(pool->queue);
    free(pool);
}

void cr_pool_cleanup(struct cr_pool **pool)
{
    cr_pool_free(*pool);
}
