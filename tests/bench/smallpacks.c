/* SPDX-License-Identifier: MIT */
/*
 * A store of many small packs, as years of small updates leave it, and how long it takes to open:
 *
 *   smallpacks make URI COUNT    at least COUNT packs of one chunk each, as versions of 'small'
 *   smallpacks open URI          seconds until all packs of the store are indexed
 */
#include "lib/base/num.h"
#include "lib/image/object.h"
#include "lib/rados/rados.h"
#include "lib/store/publish.h"

#include <errno.h>
#include <openssl/rand.h>
#include <string.h>
#include <time.h>

static int fail(const char *sentence)
{
    fprintf(stderr, "smallpacks: %s\n", sentence);
    return EXIT_FAILURE;
}

/* One version with a chunk in the pack of every lane. */
static int publish(struct cr_store *store, struct cr_error *err)
{
    static uint8_t plain[CR_CHUNK_BYTES];
    struct cr_publish *publish = NULL;
    struct cr_version_info info;
    int r =
        cr_publish_begin(store, "small", CR_PUBLISH_LANES * CR_CHUNK_BYTES, NULL, &publish, err);
    if (r < 0)
        return r;
    for (unsigned lane = 0; r == 0 && lane < CR_PUBLISH_LANES; lane++) {
        RAND_bytes(plain, 256); /* the rest is zeros: small frames */
        r = cr_publish_chunk(publish, lane, lane, plain, err);
    }
    if (r == 0)
        return cr_publish_commit(publish, NULL, &info, NULL, err);
    cr_publish_abort(publish);
    return r;
}

static int name_count(void *context, const char *line)
{
    (void)line;
    ++*(unsigned *)context;
    return 0;
}

static int look(struct cr_store *store, struct cr_error *err)
{
    struct timespec begin, end;
    unsigned damaged = 0;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    int r = store->ops->damaged_list(store, name_count, &damaged, err);
    clock_gettime(CLOCK_MONOTONIC, &end);
    if (r == 0 && damaged > 0)
        r = cr_error_set(err, -EBADMSG, "%u packs cannot be read", damaged);
    if (r == 0)
        printf("%.3f\n",
               (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
    return r;
}

int main(int argc, char **argv)
{
    struct cr_store *store = NULL;
    struct cr_error err = {0};
    uint64_t count = 0;
    bool make = argc == 4 && strcmp(argv[1], "make") == 0;
    if (!(make && cr_u64_parse(argv[3], 100000, &count) == 0) &&
        !(argc == 3 && strcmp(argv[1], "open") == 0))
        return fail("usage: smallpacks make URI COUNT | open URI");
    cr_rados_register();
    if (cr_store_open(argv[2], &store, &err) < 0)
        return fail(err.text);
    int r = make ? 0 : look(store, &err);
    for (uint64_t packs = 0; r == 0 && packs < count; packs += CR_PUBLISH_LANES)
        r = publish(store, &err);
    cr_store_close(store);
    return r < 0 ? fail(err.text) : 0;
}
