/* SPDX-License-Identifier: MIT */
/*
 * A seat as server of its peers: chunks and segments of the one version that it reads, by id, over
 * mutual TLS 1.3, for whoever shows a ticket (PROTOCOL.md, "Peers").
 *
 * Bounds: connections, requests and bytes at a time, and bytes a second; past any of them a peer is
 * told to ask somebody else, at once, which costs it nothing but the question.
 */
#pragma once

#include "lib/peer/ticket.h"
#include "lib/store/store.h"

struct cr_upload;

/* Where the bytes come from. Each may fetch what is not there; called from several threads. */
struct cr_upload_source {
    void *context;
    /* A chunk, verified, into `plain` (CR_CHUNK_BYTES). Returns 0 or -errno: it is not here. */
    int (*chunk)(void *context, const struct cr_id *id, uint8_t *plain, size_t *ret_len);
    /* A segment's frame, verified, appended to `frame`. Returns 0 or -errno. */
    int (*segment)(void *context, const struct cr_id *id, struct cr_buf *frame);
};

struct cr_upload_options {
    const char *listen; /* ADDR:PORT, as cr_listener_open */
    const char *pki;    /* folder with ca.pem, client.pem, client-key.pem */
    struct cr_id root;  /* of the version */
    struct cr_upload_source source;
    uint64_t bytes_a_second; /* 0 = as many as there are */
};

/* Returns 0 or -errno with a sentence. */
int cr_upload_start(const struct cr_upload_options *options, struct cr_upload **ret_upload,
                    struct cr_error *err);
/* Whatever the source waits for must have been interrupted. Takes NULL. */
void cr_upload_stop(struct cr_upload *upload);

uint16_t cr_upload_port(const struct cr_upload *upload);

/* From any thread: serve, or refuse everybody. At first everybody is refused. */
void cr_upload_allow(struct cr_upload *upload, bool allowed);

/* From any thread: a server signs tickets with this key, and its clock says `now_s`. */
void cr_upload_learn(struct cr_upload *upload, const uint8_t key[static CR_TICKET_KEY_BYTES],
                     uint64_t now_s);

struct cr_upload_stat {
    uint64_t objects, bytes; /* sent */
    uint64_t refused;        /* requests, for want of a ticket or of room */
};
void cr_upload_stat(const struct cr_upload *upload, struct cr_upload_stat *ret_stat);
