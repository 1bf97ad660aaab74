/* SPDX-License-Identifier: MIT */
#include "lib/peer/announce.h"

#include "lib/base/le.h"
#include "lib/image/manifest.h"

#include <errno.h>

static const char announcement_magic[8] = "CRPEER01", answer_magic[8] = "CRPEERS1",
                  report_magic[8] = "CRPRPT01";

#define ANSWER_HEADER_BYTES 64U
#define PLACE_BYTES         240U
#define NEXT_MS_MAX         3600000U
#define CHUNKS_MAX          (CR_DISK_BYTES_MAX / CR_CHUNK_BYTES)

/* --- announcement ----------------------------------------------------------------------------- */

int cr_announcement_format(const struct cr_announcement *announcement, struct cr_buf *out)
{
    uint8_t bytes[CR_PEER_ANNOUNCE_BYTES] = {0};
    memcpy(bytes, announcement_magic, sizeof(announcement_magic));
    cr_put_le32(bytes + 8, announcement->port);
    cr_put_le32(bytes + 12, announcement->avoid_count);
    memcpy(bytes + 16, &announcement->root, CR_ID_BYTES);
    cr_put_le64(bytes + 48, announcement->present);
    cr_put_le64(bytes + 56, announcement->chunks);
    memcpy(bytes + 64, announcement->avoid, announcement->avoid_count * sizeof(struct cr_id));
    return cr_buf_append(out, bytes, sizeof(bytes));
}

int cr_announcement_parse(const void *data, size_t len, struct cr_announcement *ret_announcement,
                          struct cr_error *err)
{
    const uint8_t *bytes = data;
    struct cr_announcement found = {0};
    if (len != CR_PEER_ANNOUNCE_BYTES || memcmp(bytes, announcement_magic, 8) != 0)
        return cr_error_set(err, -EBADMSG, "its %zu bytes are no announcement", len);
    uint32_t port = cr_get_le32(bytes + 8);
    found.avoid_count = cr_get_le32(bytes + 12);
    memcpy(&found.root, bytes + 16, CR_ID_BYTES);
    found.present = cr_get_le64(bytes + 48);
    found.chunks = cr_get_le64(bytes + 56);
    if (port > UINT16_MAX)
        return cr_error_set(err, -EBADMSG, "%u is no port", port);
    if (found.avoid_count > CR_PEERS_MAX)
        return cr_error_set(err, -EBADMSG, "it avoids %u peers, at most %u", found.avoid_count,
                            CR_PEERS_MAX);
    if (cr_id_is_hole(&found.root) || found.chunks > CHUNKS_MAX || found.present > found.chunks)
        return cr_error_set(err, -EBADMSG, "it holds more than its version has");
    size_t used = found.avoid_count * sizeof(struct cr_id);
    memcpy(found.avoid, bytes + 64, used);
    if (!cr_is_zero(bytes + 64 + used, len - 64 - used))
        return cr_error_set(err, -EBADMSG, "bytes that are reserved are not zero");
    found.port = (uint16_t)port;
    *ret_announcement = found;
    return 0;
}

/* --- answer ----------------------------------------------------------------------------------- */

int cr_peer_answer_format(const struct cr_peer_answer *answer, struct cr_buf *out)
{
    uint8_t bytes[CR_PEER_ANSWER_MAX] = {0};
    memcpy(bytes, answer_magic, sizeof(answer_magic));
    cr_put_le32(bytes + 8, answer->count);
    cr_put_le32(bytes + 12, answer->next_ms);
    cr_put_le64(bytes + 16, answer->now_s);
    memcpy(bytes + 32, answer->key, sizeof(answer->key));
    for (unsigned i = 0; i < answer->count; i++) {
        const struct cr_peer_place *place = &answer->peers[i];
        uint8_t *p = bytes + ANSWER_HEADER_BYTES + i * PLACE_BYTES;
        memcpy(p, place->address, sizeof(place->address));
        cr_put_le32(p + 16, place->port);
        cr_put_le64(p + 24, place->present);
        memcpy(p + 32, &place->fingerprint, CR_ID_BYTES);
        memcpy(p + 64, place->ticket, sizeof(place->ticket));
    }
    return cr_buf_append(out, bytes, ANSWER_HEADER_BYTES + answer->count * PLACE_BYTES);
}

static int place_parse(const uint8_t *bytes, struct cr_peer_place *place, struct cr_error *err)
{
    uint32_t port = cr_get_le32(bytes + 16);
    if (port == 0 || port > UINT16_MAX)
        return cr_error_set(err, -EBADMSG, "%u is no port of a peer", port);
    if (!cr_is_zero(bytes + 20, 4))
        return cr_error_set(err, -EBADMSG, "bytes that are reserved are not zero");
    memcpy(place->address, bytes, sizeof(place->address));
    place->port = (uint16_t)port;
    place->present = cr_get_le64(bytes + 24);
    memcpy(&place->fingerprint, bytes + 32, CR_ID_BYTES);
    memcpy(place->ticket, bytes + 64, sizeof(place->ticket));
    return 0;
}

int cr_peer_answer_parse(const void *data, size_t len, struct cr_peer_answer *ret_answer,
                         struct cr_error *err)
{
    const uint8_t *bytes = data;
    struct cr_peer_answer found = {0};
    if (len < ANSWER_HEADER_BYTES || memcmp(bytes, answer_magic, 8) != 0)
        return cr_error_set(err, -EBADMSG, "its %zu bytes are no list of peers", len);
    found.count = cr_get_le32(bytes + 8);
    found.next_ms = cr_get_le32(bytes + 12);
    found.now_s = cr_get_le64(bytes + 16);
    memcpy(found.key, bytes + 32, sizeof(found.key));
    if (found.count > CR_PEERS_MAX || len != ANSWER_HEADER_BYTES + found.count * PLACE_BYTES)
        return cr_error_set(err, -EBADMSG, "%zu bytes are not a list of %u peers, at most %u", len,
                            found.count, CR_PEERS_MAX);
    if (found.next_ms == 0 || found.next_ms > NEXT_MS_MAX || !cr_is_zero(bytes + 24, 8))
        return cr_error_set(err, -EBADMSG, "a field of its header has no sensible value");
    for (unsigned i = 0; i < found.count; i++) {
        int r = place_parse(bytes + ANSWER_HEADER_BYTES + i * PLACE_BYTES, &found.peers[i], err);
        if (r < 0)
            return r;
    }
    *ret_answer = found;
    return 0;
}

/* --- report ----------------------------------------------------------------------------------- */

int cr_peer_report_format(const struct cr_peer_report *report, struct cr_buf *out)
{
    uint8_t bytes[CR_PEER_REPORT_BYTES] = {0};
    memcpy(bytes, report_magic, sizeof(report_magic));
    cr_put_le32(bytes + 8, (uint32_t)report->fault);
    memcpy(bytes + 16, &report->root, CR_ID_BYTES);
    memcpy(bytes + 48, &report->fingerprint, CR_ID_BYTES);
    return cr_buf_append(out, bytes, sizeof(bytes));
}

int cr_peer_report_parse(const void *data, size_t len, struct cr_peer_report *ret_report,
                         struct cr_error *err)
{
    const uint8_t *bytes = data;
    if (len != CR_PEER_REPORT_BYTES || memcmp(bytes, report_magic, 8) != 0)
        return cr_error_set(err, -EBADMSG, "its %zu bytes are no report", len);
    if (cr_get_le32(bytes + 8) != CR_PEER_WRONG_BYTES || !cr_is_zero(bytes + 12, 4))
        return cr_error_set(err, -EBADMSG, "what it reports is not known");
    ret_report->fault = CR_PEER_WRONG_BYTES;
    memcpy(&ret_report->root, bytes + 16, CR_ID_BYTES);
    memcpy(&ret_report->fingerprint, bytes + 48, CR_ID_BYTES);
    return 0;
}
