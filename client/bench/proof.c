/* SPDX-License-Identifier: MIT */
#include "client/bench/proof.h"

#include "lib/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>

enum { UNSEEN, BEING_NOTED, NOTED };

static size_t kept_bytes(const struct plan *plan)
{
    return plan->chunk_count * CR_CHUNK_BYTES;
}

/* A file that has no name: gone when we are. */
static int plain_map(struct proof *proof)
{
    const char *above = getenv("TMPDIR");
    CLEANUP_CLOSE int fd =
        open(above != NULL ? above : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)kept_bytes(proof->plan)) < 0)
        return -errno;
    void *map = mmap(NULL, kept_bytes(proof->plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return -errno;
    proof->plain = map;
    return 0;
}

int proof_init(struct proof *proof, const struct plan *plan, enum verify verify, bool keep)
{
    *proof = (struct proof){.plan = plan, .verify = verify};
    proof->frames = cr_calloc(plan->chunk_count, sizeof(*proof->frames));
    proof->states = cr_calloc(plan->chunk_count, sizeof(*proof->states));
    if (proof->frames == NULL || proof->states == NULL)
        return -ENOMEM;
    return keep && plan->chunk_count > 0 ? plain_map(proof) : 0;
}

void proof_done(struct proof *proof)
{
    free(proof->frames);
    free(proof->states);
    if (proof->plain != NULL)
        munmap(TAKE_PTR(proof->plain), kept_bytes(proof->plan));
    proof->frames = NULL;
    proof->states = NULL;
}

/* The first frame of this chunk that was found right. */
static void note(struct proof *proof, uint32_t number, const void *frame, size_t len,
                 const uint8_t *plain)
{
    unsigned char unseen = UNSEEN;
    if (!atomic_compare_exchange_strong(&proof->states[number], &unseen, BEING_NOTED))
        return;
    cr_hash(frame, len, &proof->frames[number]);
    atomic_fetch_add(&proof->set_bytes, len);
    if (proof->plain != NULL)
        memcpy(proof->plain + (size_t)number * CR_CHUNK_BYTES, plain,
               proof->plan->chunks[number].bytes);
    atomic_store(&proof->states[number], NOTED);
}

const uint8_t *proof_plain(const struct proof *proof, uint32_t number)
{
    /* Whoever has it first is just putting it there. */
    while (atomic_load(&proof->states[number]) == BEING_NOTED)
        sched_yield();
    if (proof->plain == NULL || atomic_load(&proof->states[number]) != NOTED)
        return NULL;
    return proof->plain + (size_t)number * CR_CHUNK_BYTES;
}

static bool is_known(const struct proof *proof, uint32_t number, const void *frame, size_t len)
{
    struct cr_id hash;
    if (proof->verify == VERIFY_FULL || atomic_load(&proof->states[number]) != NOTED)
        return false;
    cr_hash(frame, len, &hash);
    return cr_id_equal(&hash, &proof->frames[number]);
}

int proof_frame(struct proof *proof, uint32_t number, const void *frame, size_t len,
                uint8_t *scratch, struct cr_error *err)
{
    const struct plan_chunk *chunk = &proof->plan->chunks[number];
    size_t plain_len;
    char hex[CR_ID_HEX];
    if (is_known(proof, number, frame, len))
        return 0;
    int r =
        cr_object_open(CR_CHUNK, &chunk->id, frame, len, scratch, chunk->bytes, &plain_len, err);
    if (r == 0 && plain_len != chunk->bytes)
        r = cr_error_set(err, -EBADMSG, "chunk '%s' has %zu bytes where %u belong",
                         cr_id_format(&chunk->id, hex), plain_len, chunk->bytes);
    if (r == 0)
        note(proof, number, frame, len, scratch);
    else
        atomic_fetch_add(&proof->wrong, 1);
    return r;
}
