/* SPDX-License-Identifier: MIT */
#include "lib/seatcache/window.h"

#include "lib/base/mem.h"

#include <errno.h>

static void window_fail(struct cr_window *window, int result, const struct cr_error *err)
{
    if (window->result == 0) {
        window->result = result;
        if (err != NULL)
            window->err = *err;
    }
}

/* Where a whole chunk is put: right into the reader's memory when all of it is wanted. */
static uint8_t *whole_chunk(const struct cr_window *window, const struct cr_piece *piece)
{
    return piece->out != NULL && piece->bytes == piece->chunk_bytes ? piece->out : window->scratch;
}

static void count_touched(struct cr_seatdisk *disk, uint64_t index)
{
    atomic_ulong *word = &disk->touched[index / CR_WORD_BITS];
    unsigned long bit = 1UL << (index % CR_WORD_BITS);
    if (!(atomic_fetch_or_explicit(word, bit, memory_order_relaxed) & bit))
        atomic_fetch_add_explicit(&disk->served, 1, memory_order_relaxed);
}

/* Called with the mutex held. */
static void claim_drop(struct cr_window *window, size_t i)
{
    uint64_t index = window->pieces[i].index;
    window->disk->busy[index / CR_WORD_BITS] &= ~(1UL << (index % CR_WORD_BITS));
}

/* Whoever waits for this one chunk need not wait for the rest of the request. */
static void serve(struct cr_window *window, size_t i, const uint8_t *whole)
{
    struct cr_seatdisk *disk = window->disk;
    const struct cr_piece *piece = &window->pieces[i];
    if (!window->background)
        count_touched(disk, piece->index);
    if (piece->out != NULL && piece->out != whole)
        memcpy(piece->out, whole + piece->from, piece->bytes);
    if (window->states[i] == CR_WINDOW_CLAIMED) {
        pthread_mutex_lock(&disk->mutex);
        claim_drop(window, i);
        pthread_cond_broadcast(&disk->let_go);
        pthread_mutex_unlock(&disk->mutex);
    }
    window->states[i] = CR_WINDOW_SERVED;
}

/* Serve a piece from memory. Not for a prefetch, which is about the file. */
static bool serve_from_memory(struct cr_window *window, size_t i)
{
    struct cr_cache *recent = window->disk->recent;
    if (window->pieces[i].out == NULL)
        return false;
    const struct cr_cache_entry *entry = cr_cache_peek(recent, window->ids[i]);
    if (entry == NULL)
        return false;
    bool fits = entry->len == window->pieces[i].chunk_bytes;
    if (fits)
        serve(window, i, entry->data);
    cr_cache_release(recent, entry);
    return fits;
}

/* Without memory for it the next read of the chunk is only slower. */
static void remember(struct cr_window *window, size_t i, const uint8_t *whole)
{
    const struct cr_piece *piece = &window->pieces[i];
    if (piece->out == NULL || piece->bytes == piece->chunk_bytes)
        return;
    uint8_t *copy = malloc(piece->chunk_bytes);
    if (copy == NULL)
        return;
    memcpy(copy, whole, piece->chunk_bytes);
    (void)cr_cache_put(window->disk->recent, window->ids[i], copy, piece->chunk_bytes);
}

/* Serve a piece from the file if its chunk stands there. */
static bool serve_from_file(struct cr_window *window, size_t i)
{
    struct cr_seatdisk *disk = window->disk;
    uint8_t *whole = whole_chunk(window, &window->pieces[i]);
    switch (cr_chunkfile_read(&disk->file, window->pieces[i].index, window->ids[i], whole)) {
    case CR_FOUND:
        cr_keeper_found(disk->keeper, window->pieces[i].index);
        remember(window, i, whole);
        serve(window, i, whole);
        return true;
    case CR_FOUND_NOTHING:
        window->lost += cr_keeper_lost(disk->keeper, window->pieces[i].index);
        return false;
    case CR_FOUND_SOMETHING_ELSE:
        window->lost += cr_keeper_lost(disk->keeper, window->pieces[i].index);
        atomic_fetch_add(&disk->healed, 1);
        return false;
    }
    return false;
}

/* Keep a verified chunk. A disk that is full must not stop the guest. */
static void keep(struct cr_seatdisk *disk, const struct cr_piece *piece, const uint8_t *whole)
{
    struct cr_error err;
    bool has_room = cr_keeper_misses(disk->keeper, piece->index) || /* its room is there */
                    cr_room_take(&disk->room, piece->chunk_bytes, cr_update_source(disk->update));
    int r = has_room ? cr_chunkfile_keep(&disk->file, piece->index, whole) : -ENOSPC;
    atomic_store(&disk->full, r == -ENOSPC);
    if (r == 0) {
        cr_keeper_wrote(disk->keeper, piece->index);
        return;
    }
    atomic_fetch_add(&disk->unkept, 1);
    if (atomic_flag_test_and_set(&disk->warned) || disk->warn == NULL)
        return;
    if (has_room)
        cr_error_errno(&err, r,
                       "the cache cannot be written, and what it cannot keep is fetched again at "
                       "the next read; make room on its disk");
    else
        cr_error_set(&err, r,
                     "the cache is as large as it may be, and what it cannot keep is fetched again "
                     "at the next read; give it a higher limit, or make room on its disk");
    disk->warn(err.text);
}

/* Serve a piece out of another version that is at hand. */
static bool serve_from_update(struct cr_window *window, size_t i)
{
    const struct cr_piece *piece = &window->pieces[i];
    uint8_t *whole = whole_chunk(window, piece);
    if (!cr_update_chunk(window->disk->update, piece->index, window->ids[i], piece->chunk_bytes,
                         whole))
        return false;
    keep(window->disk, piece, whole);
    remember(window, i, whole);
    serve(window, i, whole);
    return true;
}

/* Verify a frame, and keep and serve its chunk wherever the window has a claim on it. */
static int take_chunk(struct cr_window *window, const struct cr_id *id, const void *frame,
                      size_t frame_len, struct cr_error *err)
{
    const uint8_t *plain = NULL;
    size_t len = 0;
    char hex[CR_ID_HEX];
    for (size_t i = 0; i < window->count; i++) {
        const struct cr_piece *piece = &window->pieces[i];
        if (window->states[i] != CR_WINDOW_CLAIMED || !cr_id_equal(window->ids[i], id))
            continue;
        if (plain == NULL) {
            uint8_t *whole = whole_chunk(window, piece);
            int r = cr_object_open(CR_CHUNK, id, frame, frame_len, whole, piece->chunk_bytes, &len,
                                   err);
            if (r < 0)
                return r;
            plain = whole;
        }
        if (len != piece->chunk_bytes)
            return cr_error_set(err, -EBADMSG, "chunk '%s' has %zu bytes where %u belong",
                                cr_id_format(id, hex), len, piece->chunk_bytes);
        keep(window->disk, piece, plain);
        remember(window, i, plain);
        serve(window, i, plain);
    }
    return 0;
}

static int take_frame(void *context, size_t index, int result, const void *frame, size_t frame_len,
                      const struct cr_error *why)
{
    struct cr_window *window = context;
    struct cr_error err = {0};
    if (result == 0) {
        why = &err;
        result = take_chunk(window, &window->asked[index], frame, frame_len, &err);
    }
    if (why == &err && result == -EBADMSG) {
        window->refused = err;
        return CR_FRAME_REFUSED;
    }
    if (result < 0) {
        window_fail(window, result, why);
        return 0;
    }
    atomic_fetch_add(&window->disk->pulled, 1);
    atomic_fetch_add(&window->disk->pulled_bytes, frame_len);
    return 0;
}

/* Sort the pieces that are not served: ours from now on, or somebody else's. */
static void claim_free(struct cr_window *window, size_t *ret_claimed, size_t *ret_others)
{
    struct cr_seatdisk *disk = window->disk;
    *ret_claimed = *ret_others = 0;
    for (size_t i = 0; i < window->count; i++) {
        uint64_t index = window->pieces[i].index;
        unsigned long bit = 1UL << (index % CR_WORD_BITS);
        if (window->states[i] != CR_WINDOW_OPEN)
            continue;
        if (disk->busy[index / CR_WORD_BITS] & bit) {
            (*ret_others)++;
        } else {
            disk->busy[index / CR_WORD_BITS] |= bit;
            window->states[i] = CR_WINDOW_CLAIMED;
            (*ret_claimed)++;
        }
    }
}

/* Claim what is to be done; false when nothing is. Waits while all of it is in other hands. */
static bool window_claim(struct cr_window *window)
{
    struct cr_seatdisk *disk = window->disk;
    size_t claimed = 0, others = 0;
    pthread_mutex_lock(&disk->mutex);
    claim_free(window, &claimed, &others);
    bool waits = claimed == 0 && others > 0 && !window->background;
    window->waited = window->waited || waits;
    if (waits)
        atomic_fetch_add(&disk->demand_waits, 1);
    while (claimed == 0 && others > 0 && !window->leaves) {
        pthread_cond_wait(&disk->let_go, &disk->mutex);
        claim_free(window, &claimed, &others);
    }
    if (waits)
        atomic_fetch_sub(&disk->demand_waits, 1);
    pthread_mutex_unlock(&disk->mutex);
    return claimed > 0;
}

/* Of what failed. */
static void window_let_go(struct cr_window *window)
{
    struct cr_seatdisk *disk = window->disk;
    pthread_mutex_lock(&disk->mutex);
    for (size_t i = 0; i < window->count; i++)
        if (window->states[i] == CR_WINDOW_CLAIMED)
            claim_drop(window, i);
    pthread_cond_broadcast(&disk->let_go);
    pthread_mutex_unlock(&disk->mutex);
}

static void ask_for(struct cr_window *window, const struct cr_id *id)
{
    for (size_t i = 0; i < window->asked_count; i++)
        if (cr_id_equal(&window->asked[i], id))
            return;
    window->asked[window->asked_count++] = *id;
}

static void fetch_asked(struct cr_window *window)
{
    struct cr_seatdisk *disk = window->disk;
    struct cr_store *store = window->background ? disk->background : disk->objects;
    struct cr_error err = {0};
    window->waited = window->waited || !window->background;
    atomic_fetch_add(&disk->demand_waits, !window->background);
    int r =
        store->ops->chunks_get(store, window->asked, window->asked_count, take_frame, window, &err);
    atomic_fetch_sub(&disk->demand_waits, !window->background);
    if (r == CR_FRAME_REFUSED)
        window_fail(window, -EBADMSG, &window->refused);
    else if (r < 0)
        window_fail(window, r, &err);
    for (size_t i = 0; i < window->count; i++) {
        if (window->states[i] != CR_WINDOW_CLAIMED || window->result < 0)
            continue;
        char hex[CR_ID_HEX];
        window_fail(window,
                    cr_error_set(&err, -EIO, "the store kept silent about chunk '%s'",
                                 cr_id_format(window->ids[i], hex)),
                    &err);
    }
}

/* Serve what memory and files have of our claims and fetch the rest in one request. */
static void window_work(struct cr_window *window)
{
    struct cr_error err = {0};
    window->asked_count = 0;
    if (window->scratch == NULL)
        window->scratch = malloc(CR_CHUNK_BYTES);
    if (window->scratch == NULL)
        window_fail(window, cr_error_errno(&err, -ENOMEM, "cannot read a chunk"), &err);
    for (size_t i = 0; i < window->count; i++)
        if (window->states[i] == CR_WINDOW_CLAIMED && window->scratch != NULL &&
            !serve_from_memory(window, i) && !serve_from_file(window, i) &&
            !serve_from_update(window, i))
            ask_for(window, window->ids[i]);
    if (window->asked_count > 0)
        fetch_asked(window);
    if (window->result < 0)
        window_let_go(window);
}

static void tally_segment(struct cr_seatdisk *disk, uint32_t segment)
{
    uint64_t data_chunks = 0;
    if (cr_tally_segment(&disk->tally, disk->version, segment, &data_chunks))
        cr_keeper_set_data_chunks(disk->keeper, data_chunks);
}

/* Append a piece: a hole is served here, and so is what is in memory. */
static int piece_add(struct cr_window *window, const struct cr_piece *piece, struct cr_error *err)
{
    size_t i = window->count;
    int r = cr_lookup_chunk(window->disk->version, piece->index, &window->ids[i], err);
    if (r < 0)
        return r;
    window->count++;
    window->pieces[i] = *piece;
    window->states[i] = CR_WINDOW_OPEN;
    if (window->ids[i] == NULL) {
        if (piece->out != NULL)
            memset(piece->out, 0, piece->bytes);
        window->states[i] = CR_WINDOW_SERVED;
    } else {
        (void)serve_from_memory(window, i);
    }
    return 0;
}

/* The pieces at the beginning of the range, and the bytes that they are. */
static int window_fill(struct cr_window *window, uint8_t *out, uint64_t len, uint64_t offset,
                       uint64_t *ret_bytes, struct cr_error *err)
{
    uint64_t done = 0;
    window->count = 0;
    while (window->count < CR_WINDOW_CHUNKS && done < len) {
        struct cr_piece piece =
            cr_piece_first(window->disk->file.disk_bytes, out != NULL ? out + done : NULL,
                           len - done, offset + done);
        bool first = window->count == 0;
        int r = piece_add(window, &piece, err);
        if (r < 0)
            return r;
        if (first || piece.index % CR_SEGMENT_CHUNKS == 0)
            tally_segment(window->disk, (uint32_t)(piece.index >> CR_SEGMENT_SHIFT));
        done += piece.bytes;
    }
    *ret_bytes = done;
    return 0;
}

static int window_run(struct cr_window *window, struct cr_error *err)
{
    char ref[CR_REF_TEXT];
    while (window->result == 0 && window_claim(window))
        window_work(window);
    if (window->result < 0 && err != NULL)
        *err = window->err;
    return window->result == 0
               ? 0
               : cr_error_prefix(err, window->result, "cannot read '%s'",
                                 cr_ref_format(cr_version_ref(window->disk->version), ref));
}

void cr_window_init(struct cr_window *window, struct cr_seatdisk *disk, bool background)
{
    window->disk = disk;
    window->background = background;
    window->leaves = window->waited = false;
    window->lost = 0;
    window->scratch = NULL;
    window->result = 0;
}

void cr_window_done(struct cr_window *window)
{
    free(TAKE_PTR(window->scratch));
}

int cr_window_read(struct cr_window *window, uint8_t *out, uint64_t len, uint64_t offset,
                   uint64_t *ret_bytes, struct cr_error *err)
{
    int r = window_fill(window, out, len, offset, ret_bytes, err);
    return r < 0 ? r : window_run(window, err);
}

int cr_window_fetch(struct cr_window *window, const uint32_t *chunks, size_t count,
                    struct cr_error *err)
{
    struct cr_seatdisk *disk = window->disk;
    window->count = 0;
    window->leaves = true;
    for (size_t i = 0; i < count && window->count < CR_WINDOW_CHUNKS; i++) {
        uint64_t offset = (uint64_t)chunks[i] << CR_CHUNK_SHIFT;
        struct cr_piece piece = cr_piece_first(disk->file.disk_bytes, NULL, CR_CHUNK_BYTES, offset);
        int r = piece_add(window, &piece, err);
        if (r < 0)
            return r;
        tally_segment(disk, chunks[i] >> CR_SEGMENT_SHIFT);
    }
    return window_run(window, err);
}
