/* SPDX-License-Identifier: MIT */
#include "server/chunkd/deltas.h"

#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/delta/build.h"
#include "lib/delta/index.h"
#include "lib/store/version.h"
#include "server/chunkd/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

#define WAITING_MAX 16U /* pairs; who is not taken asks again */
#define FAILED_KEPT 64U /* pairs that are not tried again for a while */
#define FAILED_S    60

struct pair {
    struct cr_id old_root, new_root;
    int64_t until_s; /* of failed ones */
};

struct deltas {
    char store[CR_URI_BYTES_MAX];
    pthread_t thread;
    atomic_bool stopping;
    pthread_mutex_t mutex; /* over what follows */
    pthread_cond_t asked;
    struct pair waiting[WAITING_MAX]; /* the first one is being made */
    unsigned waiting_count;
    struct pair failed[FAILED_KEPT];
    unsigned failed_next;
};

static int64_t now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static bool pair_equal(const struct pair *a, const struct pair *b)
{
    return cr_id_equal(&a->old_root, &b->old_root) && cr_id_equal(&a->new_root, &b->new_root);
}

/* --- asking ---------------------------------------------------------------------------------- */

static int pair_parse(const char *name, struct pair *ret_pair)
{
    const size_t digits = CR_ID_HEX - 1;
    if (strlen(name) != 2 * digits + 1 || name[digits] != '-' ||
        cr_id_parse(name, digits, &ret_pair->old_root) < 0)
        return -EINVAL;
    return cr_id_parse(name + digits + 1, digits, &ret_pair->new_root);
}

bool deltas_ask(struct deltas *deltas, const char *name)
{
    struct pair pair = {0};
    if (pair_parse(name, &pair) < 0)
        return false;
    pthread_mutex_lock(&deltas->mutex);
    bool taken = false, failed = false;
    for (unsigned i = 0; i < deltas->waiting_count; i++)
        taken = taken || pair_equal(&pair, &deltas->waiting[i]);
    for (unsigned i = 0; i < FAILED_KEPT; i++)
        failed = failed ||
                 (pair_equal(&pair, &deltas->failed[i]) && deltas->failed[i].until_s > now_s());
    if (!taken && !failed && deltas->waiting_count < WAITING_MAX) {
        deltas->waiting[deltas->waiting_count++] = pair;
        taken = true;
        pthread_cond_signal(&deltas->asked);
    }
    pthread_mutex_unlock(&deltas->mutex);
    return taken;
}

/* --- making ---------------------------------------------------------------------------------- */

/* The versions that a pair of roots stands for, searched in all heads. */
struct search {
    struct cr_store *store;
    const struct pair *pair;
    struct cr_ref old_ref, new_ref; /* number 0 = not found */
};

static int search_head(void *context, const char *name)
{
    struct search *search = context;
    CLEANUP(cr_head_done) struct cr_head head = {0};
    if (cr_store_head_read(search->store, name, &head, NULL, NULL) < 0)
        return 0; /* damaged, or just removed: another may have it */
    for (uint32_t i = 0; i < head.count; i++) {
        struct cr_ref ref = {.number = head.versions[i].number};
        snprintf(ref.name, sizeof(ref.name), "%s", name);
        if (cr_id_equal(&head.versions[i].root, &search->pair->old_root))
            search->old_ref = ref;
        if (cr_id_equal(&head.versions[i].root, &search->pair->new_root))
            search->new_ref = ref;
    }
    return 0;
}

static int stop_asked(void *context, uint64_t done, uint64_t total, struct cr_error *err)
{
    struct deltas *deltas = context;
    (void)done;
    (void)total;
    return atomic_load(&deltas->stopping) ? cr_error_set(err, -ECANCELED, "going down") : 0;
}

static int pair_make(struct deltas *deltas, const struct pair *pair, struct cr_error *err)
{
    CLEANUP(cr_store_cleanup) struct cr_store *store = NULL;
    CLEANUP(cr_version_cleanup) struct cr_version *old = NULL;
    CLEANUP(cr_version_cleanup) struct cr_version *new_version = NULL;
    struct search search = {.pair = pair};
    struct cr_delta_options options = {.progress = stop_asked, .context = deltas};
    struct cr_delta_stat stat;
    char from[CR_REF_TEXT], to[CR_REF_TEXT], bytes[CR_BYTES_TEXT];
    int r = cr_store_open(deltas->store, &store, err);
    if (r < 0)
        return r;
    search.store = store;
    r = store->ops->heads_list(store, search_head, &search, err);
    if (r == 0 && (search.old_ref.number == 0 || search.new_ref.number == 0))
        r = cr_error_set(err, -ENOENT, "no image has a version of that root");
    if (r == 0)
        r = cr_version_open(store, &search.old_ref, &old, err);
    if (r == 0)
        r = cr_version_open(store, &search.new_ref, &new_version, err);
    int64_t begun_s = now_s();
    if (r == 0)
        r = cr_delta_build(store, old, new_version, &options, &stat, err);
    if (r < 0)
        return r;
    log_event("made the delta from '%s' to '%s': %s for %llu chunks, in %lld s",
              cr_ref_format(&search.old_ref, from), cr_ref_format(&search.new_ref, to),
              cr_bytes_format(stat.bytes, bytes, sizeof(bytes)), (unsigned long long)stat.chunks,
              (long long)(now_s() - begun_s));
    return 0;
}

/* Called with the mutex held. */
static void pair_end(struct deltas *deltas, int r)
{
    if (r < 0) {
        struct pair *failed = &deltas->failed[deltas->failed_next++ % FAILED_KEPT];
        *failed = deltas->waiting[0];
        failed->until_s = now_s() + FAILED_S;
    }
    deltas->waiting_count--;
    memmove(&deltas->waiting[0], &deltas->waiting[1],
            deltas->waiting_count * sizeof(deltas->waiting[0]));
}

static void *maker(void *argument)
{
    struct deltas *deltas = argument;
    setpriority(PRIO_PROCESS, (id_t)gettid(), 19); /* of this thread and those that it starts */
    pthread_mutex_lock(&deltas->mutex);
    while (!atomic_load(&deltas->stopping)) {
        if (deltas->waiting_count == 0) {
            pthread_cond_wait(&deltas->asked, &deltas->mutex);
            continue;
        }
        struct pair pair = deltas->waiting[0];
        struct cr_error err = {0};
        char name[CR_DELTA_NAME];
        pthread_mutex_unlock(&deltas->mutex);
        int r = pair_make(deltas, &pair, &err);
        if (r < 0 && r != -ECANCELED)
            log_event("cannot make the delta '%s': %s",
                      cr_delta_index_name(&pair.old_root, &pair.new_root, name), err.text);
        pthread_mutex_lock(&deltas->mutex);
        pair_end(deltas, r);
    }
    pthread_mutex_unlock(&deltas->mutex);
    return NULL;
}

int deltas_new(const char *store, struct deltas **ret_deltas, struct cr_error *err)
{
    CLEANUP_FREE struct deltas *deltas = cr_calloc(1, sizeof(*deltas));
    if (deltas == NULL)
        return cr_error_errno(err, -ENOMEM, "prepare for making deltas");
    snprintf(deltas->store, sizeof(deltas->store), "%s", store);
    pthread_mutex_init(&deltas->mutex, NULL);
    pthread_cond_init(&deltas->asked, NULL);
    int r = -pthread_create(&deltas->thread, NULL, maker, deltas);
    if (r < 0)
        return cr_error_errno(err, r, "start a thread");
    *ret_deltas = TAKE_PTR(deltas);
    return 0;
}

void deltas_free(struct deltas *deltas)
{
    if (deltas == NULL)
        return;
    atomic_store(&deltas->stopping, true);
    pthread_mutex_lock(&deltas->mutex);
    pthread_cond_signal(&deltas->asked);
    pthread_mutex_unlock(&deltas->mutex);
    pthread_join(deltas->thread, NULL);
    pthread_cond_destroy(&deltas->asked);
    pthread_mutex_destroy(&deltas->mutex);
    free(deltas);
}
