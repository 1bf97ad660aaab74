/* SPDX-License-Identifier: MIT */
#include "client/blockd/stats.h"

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/net/several.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

/* Of each server, what reads and background together had of it. */
static int servers_format(const struct seat *seat, struct cr_buf *text)
{
    int r = cr_buf_printf(text, ", \"servers\": [");
    for (unsigned i = 0; r == 0 && i < cr_several_count(seat->store); i++) {
        struct cr_https_stat net, background;
        struct cr_several_stat stat, other;
        cr_several_https_stat(seat->store, i, &net);
        cr_several_https_stat(seat->background, i, &background);
        cr_several_stat(seat->store, i, &stat);
        cr_several_stat(seat->background, i, &other);
        r = cr_buf_printf(
            text,
            "%s{\"server\": \"%s\", \"requests\": %" PRIu64 ", \"received_bytes\": %" PRIu64
            ", \"chunks\": %" PRIu64 ", \"left\": %" PRIu64 ", \"refused\": %" PRIu64
            ", \"latency_us\": %" PRIu64 "}",
            i > 0 ? ", " : "", stat.name, net.requests + background.requests,
            net.bytes_received + background.bytes_received, net.chunks + background.chunks,
            stat.lefts + other.lefts, stat.refused + other.refused, stat.latency_us);
    }
    return r == 0 ? cr_buf_printf(text, "]") : r;
}

int stats_write(const struct seat *seat, const char *path)
{
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(16 * CR_KIB);
    struct cr_seatdisk_stat disk;
    struct cr_https_stat net, background;
    struct fill_stat fill;
    struct cr_peers_stat peers;
    struct cr_upload_stat upload;
    char ref[CR_REF_TEXT];
    const struct cr_version *version = cr_seatdisk_version(seat->disk);
    cr_seatdisk_stat(seat->disk, &disk);
    cr_several_total(seat->store, &net);
    cr_several_total(seat->background, &background);
    fill_stat(seat->fill, &fill);
    peer_stat(seat->peer, &peers, &upload);
    const struct {
        const char *name;
        uint64_t value;
    } figures[] = {
        {"disk_bytes", cr_version_disk_bytes(version)},
        {"data_bytes", cr_version_info(version)->data_bytes},
        {"reads", disk.reads},
        {"read_bytes", disk.read_bytes},
        {"stalled_reads", disk.stalled_reads},
        {"data_chunks", disk.data_chunks},
        {"present_chunks", disk.present_chunks},
        {"cloned_chunks", disk.cloned_chunks},
        {"scrubbed_chunks", disk.scrubbed_chunks},
        {"scrub_wrong", disk.scrub_wrong},
        {"touched_chunks", disk.touched_chunks},
        {"touched_bytes", disk.touched_chunks * CR_CHUNK_BYTES},
        {"pulled_chunks", disk.pulled_chunks},
        {"pulled_bytes", disk.pulled_bytes},
        {"healed_chunks", disk.healed_chunks},
        {"unkept_chunks", disk.unkept_chunks},
        {"old_chunks", disk.old_chunks},
        {"delta_chunks", disk.delta_chunks},
        {"delta_bytes", disk.delta_bytes},
        {"delta_fallbacks", disk.delta_fallbacks},
        {"hot_chunks", fill.hot_chunks},
        {"hot_ms", fill.hot_ms},
        {"boot_chunks", boot_sent(seat->boot)},
        {"background_chunks", background.chunks},
        {"background_bytes", background.bytes_received},
        {"peer_objects", peers.fetched.peer_objects},
        {"peer_bytes", peers.fetched.peer_bytes},
        {"peer_hedged", peers.fetched.hedged},
        {"peer_wrong", peers.fetched.wrong},
        {"peer_banned", peers.banned},
        {"peer_reported", peers.reported},
        {"upload_objects", upload.objects},
        {"upload_bytes", upload.bytes},
        {"upload_refused", upload.refused},
        {"received_bytes", net.bytes_received + background.bytes_received},
        {"requests", net.requests + background.requests},
        {"retries", net.retries + background.retries},
    };
    int r =
        cr_buf_printf(&text, "{\"version\": \"%s\"", cr_ref_format(cr_version_ref(version), ref));
    for (size_t i = 0; r == 0 && i < CR_ARRAY_LEN(figures); i++)
        r = cr_buf_printf(&text, ", \"%s\": %" PRIu64, figures[i].name, figures[i].value);
    if (r == 0)
        r = servers_format(seat, &text);
    if (r == 0)
        r = cr_buf_printf(&text, "}\n");
    return r < 0 ? r : cr_file_replace(AT_FDCWD, path, text.data, text.len, 0644);
}
