/* SPDX-License-Identifier: MIT */
#include "server/chunkd/peers.h"

#include "lib/base/mem.h"
#include "server/chunkd/log.h"
#include "server/chunkd/routes.h"
#include "server/chunkd/tls.h"

#include <errno.h>
#include <time.h>

struct peers {
    struct cr_tracker *tracker;
    struct cr_ticket_signer *signer; /* a key of this run; seats learn it with each answer */
    struct log_limit reports_limit;
};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int peers_new(const struct cr_tracker_options *options, struct peers **ret_peers,
              struct cr_error *err)
{
    struct peers *peers = cr_calloc(1, sizeof(*peers));
    int r = peers == NULL ? -ENOMEM : cr_tracker_new(options, &peers->tracker);
    if (r == 0)
        r = cr_ticket_signer_new(&peers->signer);
    if (r < 0) {
        peers_free(peers);
        return cr_error_errno(err, r, "start the tracker of peers");
    }
    *ret_peers = peers;
    return 0;
}

void peers_free(struct peers *peers)
{
    if (peers == NULL)
        return;
    cr_tracker_free(peers->tracker);
    cr_ticket_signer_free(peers->signer);
    free(peers);
}

void peers_stat(struct peers *peers, struct cr_tracker_stat *ret_stat)
{
    cr_tracker_stat(peers->tracker, now_ms(), ret_stat);
}

/* Who asks; fills in a refusal for one without a certificate, as on an address without TLS. */
static bool seat_take(struct request *request, struct cr_tracker_seat *ret_seat)
{
    if (tls_seat(request->connection, &ret_seat->fingerprint, ret_seat->address))
        return true;
    request_refuse(request, MHD_HTTP_FORBIDDEN, "peers are for seats with a certificate");
    return false;
}

static int tickets_sign(const struct peers *peers, const struct cr_id *asker,
                        const struct cr_id *root, struct cr_peer_answer *answer)
{
    struct cr_ticket ticket = {
        .asker = *asker, .root = *root, .expires_s = answer->now_s + CR_TICKET_VALID_S};
    for (unsigned i = 0; i < answer->count; i++) {
        ticket.peer = answer->peers[i].fingerprint;
        int r = cr_ticket_sign(peers->signer, &ticket, answer->peers[i].ticket);
        if (r < 0)
            return r;
    }
    return 0;
}

bool peers_look(struct request *request)
{
    struct peers *peers = request->server->peers;
    struct cr_tracker_seat seat;
    struct cr_announcement said;
    struct cr_peer_answer answer = {.now_s = (uint64_t)time(NULL)};
    struct cr_error why;
    if (!seat_take(request, &seat))
        return true;
    if (cr_announcement_parse(request->body.data, request->body.len, &said, &why) < 0) {
        request_refuse(request, MHD_HTTP_BAD_REQUEST, "not an announcement: %s", why.text);
        return true;
    }
    memcpy(answer.key, cr_ticket_signer_key(peers->signer), sizeof(answer.key));
    cr_buf_init(&request->text, CR_PEER_ANSWER_MAX);
    int r = cr_tracker_announce(peers->tracker, &seat, &said, now_ms(), &answer);
    if (r == 0)
        r = tickets_sign(peers, &seat.fingerprint, &said.root, &answer);
    if (r == 0)
        r = cr_peer_answer_format(&answer, &request->text);
    if (r < 0)
        request_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE,
                       r == -ENOSPC ? "more seats are announced than are kept" : "out of memory");
    return true;
}

bool peers_report_look(struct request *request)
{
    struct peers *peers = request->server->peers;
    struct cr_tracker_seat seat;
    struct cr_peer_report report;
    struct cr_error why;
    char address[TLS_ADDRESS_TEXT], hex[CR_ID_HEX];
    uint64_t dropped;
    cr_buf_init(&request->text, 64);
    if (!seat_take(request, &seat))
        return true;
    if (cr_peer_report_parse(request->body.data, request->body.len, &report, &why) < 0) {
        request_refuse(request, MHD_HTTP_BAD_REQUEST, "not a report: %s", why.text);
        return true;
    }
    int r = cr_tracker_report(peers->tracker, &seat, &report, now_ms());
    if (r == 0 && log_limit_pass(&peers->reports_limit, &dropped))
        log_event("seat at '%s' reports that the seat with the key '%s' sends wrong bytes",
                  tls_address_format(request->connection, address),
                  cr_id_format(&report.fingerprint, hex));
    if (r < 0)
        request_refuse(request, MHD_HTTP_NOT_FOUND, "who reports or is reported is not announced");
    else if (cr_buf_printf(&request->text, "noted\n") < 0)
        request_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory");
    return true;
}
