/* SPDX-License-Identifier: MIT */
#include "lib/peer/race.h"

#include "lib/base/mem.h"

struct cr_race *cr_race_new(struct cr_peerfetch *fetch, struct cr_store *inner, enum cr_kind kind,
                            const struct cr_id *ids, size_t count)
{
    struct cr_race *race = cr_calloc(1, sizeof(*race) + count * sizeof(race->items[0]));
    struct cr_id *copy = cr_calloc(count, sizeof(*copy));
    if (race == NULL || copy == NULL) {
        free(race);
        free(copy);
        return NULL;
    }
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&race->news, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&race->mutex, NULL);
    memcpy(copy, ids, count * sizeof(*copy));
    race->fetch = fetch;
    race->inner = inner;
    race->kind = kind;
    race->references = 1;
    race->count = race->left = count;
    race->ids = copy;
    return race;
}

/* Under the race's mutex, which is let go. */
void cr_race_leave(struct cr_race *race)
{
    bool last = --race->references == 0;
    pthread_mutex_unlock(&race->mutex);
    if (!last)
        return;
    for (size_t i = 0; i < race->count; i++) {
        free(race->items[i].frame);
        free(race->items[i].why);
    }
    pthread_cond_destroy(&race->news);
    pthread_mutex_destroy(&race->mutex);
    free(race->ids);
    free(race);
}

struct cr_race_job *cr_race_job_new(struct cr_race *race, size_t room)
{
    struct cr_race_job *job = cr_calloc(1, sizeof(*job) + room * sizeof(job->items[0]));
    struct cr_id *ids = cr_calloc(room, sizeof(*ids));
    if (job == NULL || ids == NULL) {
        free(job);
        free(ids);
        return NULL;
    }
    job->race = race;
    job->ids = ids;
    return job;
}

void cr_race_job_free(struct cr_race_job *job)
{
    free(job->scratch);
    free(job->ids);
    free(job);
}

void cr_race_job_add(struct cr_race_job *job, size_t item)
{
    job->ids[job->count] = job->race->ids[item];
    job->items[job->count++] = (uint32_t)item;
}

/* A frame for an item. Without memory for it, it has not come. Under the mutex. */
bool cr_race_take(struct cr_race *race, struct cr_race_item *item, const void *frame,
                  size_t frame_len)
{
    if (race->over || item->done || item->frame != NULL)
        return false;
    item->frame = malloc(frame_len);
    if (item->frame == NULL)
        return false;
    memcpy(item->frame, frame, frame_len);
    item->frame_len = frame_len;
    pthread_cond_signal(&race->news);
    return true;
}
