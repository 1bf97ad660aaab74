/* SPDX-License-Identifier: MIT */
#include "client/courier/round.h"

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/policy/folder.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static int take(void *context, const void *data, size_t len, struct cr_error *err)
{
    int r = cr_buf_append(context, data, len);
    return r < 0 ? cr_error_set(err, r, "the answer is longer than a document may be") : 0;
}

/* --- documents -------------------------------------------------------------------------------- */

static const struct document {
    const char *type, *path, *file;
} documents[] = {
    {"policy", "/v1/seat/policy", CR_SEAT_POLICY},
    {"lease", "/v1/seat/lease", CR_SEAT_LEASE},
};

/* The number of the document that is there, its bytes appended to `bytes`; 0 = none is right. */
static uint64_t number_of(const struct errands *errands, const struct document *document,
                          struct cr_buf *bytes)
{
    CLEANUP_SIGNED struct cr_signed held = {0};
    if (cr_file_read(errands->dir_fd, document->file, bytes) < 0 ||
        cr_signed_open(bytes->data, bytes->len, document->type, errands->keys, errands->key_count,
                       &held, NULL) < 0)
        return 0;
    return held.version;
}

static int document_keep(struct errands *errands, const struct document *document,
                         const struct cr_buf *bytes, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf old = CR_BUF_INIT(CR_POLICY_BYTES_MAX);
    CLEANUP_SIGNED struct cr_signed news = {0};
    char line[96];
    int r = cr_signed_open(bytes->data, bytes->len, document->type, errands->keys,
                           errands->key_count, &news, err);
    if (r < 0)
        return cr_error_prefix(err, r, "the %s that '%s' sent is refused", document->type,
                               cr_http_server(errands->http));
    uint64_t held = number_of(errands, document, &old);
    if (news.version == held && old.len == bytes->len &&
        memcmp(old.data, bytes->data, old.len) == 0)
        return 0;
    if (news.version <= held)
        return cr_error_set(err, -ESTALE,
                            "'%s' sent the %s with number %" PRIu64 ", but this seat has seen "
                            "number %" PRIu64 "; sign it anew",
                            cr_http_server(errands->http), document->type, news.version, held);
    r = cr_file_replace(errands->dir_fd, document->file, bytes->data, bytes->len, 0644);
    if (r < 0)
        return cr_error_errno(err, r, "keeping the %s", document->type);
    snprintf(line, sizeof(line), "%s %" PRIu64, document->type, news.version);
    errands->say(line);
    return 0;
}

/* A server that has none of it leaves the seat with the one that it has. */
static int document_fetch(struct errands *errands, const struct document *document,
                          struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_POLICY_BYTES_MAX);
    const struct cr_http_request request = {
        .path = document->path, .sink = take, .context = &bytes};
    int r = cr_http_do(errands->http, &request, err);
    if (r == -ENOENT)
        return 0;
    return r < 0 ? r : document_keep(errands, document, &bytes, err);
}

/* --- the outbox ------------------------------------------------------------------------------- */

static int report_deliver(struct errands *errands, const struct cr_buf *entry, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf answer = CR_BUF_INIT(CR_HTTP_SENTENCE_MAX);
    const struct cr_http_request request = {
        .path = "/v1/seat/report",
        .body = entry->data != NULL ? (const void *)entry->data : "",
        .body_len = entry->len,
        .sink = take,
        .context = &answer,
    };
    return cr_http_do(errands->http, &request, err);
}

/*
 * An entry that the server refuses for what it is would stand in the way of all that follow: it is
 * dropped with a sentence. One that the server cannot take now stays.
 */
static int outbox_deliver(struct errands *errands, struct cr_error *err)
{
    int result = 0;
    while (!atomic_load(errands->stop)) {
        CLEANUP_BUF struct cr_buf entry = CR_BUF_INIT(CR_SPOOL_ENTRY_BYTES_MAX);
        uint64_t number = 0;
        int r = cr_spool_look(errands->outbox, &number, &entry, err);
        if (r == -ENOENT)
            return result;
        if (r < 0 && number == 0)
            return r;
        if (r == 0)
            r = report_deliver(errands, &entry, err);
        if (r == -EAGAIN || r == -ECANCELED || r == -EACCES || r == -EKEYREJECTED ||
            r == -EKEYEXPIRED || r == -ENOENT)
            return r;
        if (r < 0)
            result = cr_error_prefix(err, r, "a report is thrown away");
        r = cr_spool_drop(errands->outbox, number, result < 0 ? NULL : err);
        if (r < 0)
            return r;
        if (result == 0)
            errands->say("delivered");
    }
    return result;
}

int errands_round(struct errands *errands, struct cr_error *err)
{
    int result = 0;
    for (size_t i = 0; i < CR_ARRAY_LEN(documents); i++) {
        struct cr_error why = {0};
        int r = document_fetch(errands, &documents[i], &why);
        if (r == -EAGAIN || r == -ECANCELED) {
            *err = why;
            return r;
        }
        if (r < 0 && result == 0) {
            result = r;
            *err = why;
        }
    }
    struct cr_error why = {0};
    int r = outbox_deliver(errands, &why);
    if (r < 0 && result == 0) {
        result = r;
        *err = why;
    }
    return result;
}
