/* SPDX-License-Identifier: MIT */
#include "client/bench/figures.h"

#include "lib/base/mem.h"
#include "lib/net/metrics.h"

#include <errno.h>
#include <stddef.h>

static const struct {
    const char *name;
    size_t field;
} names[] = {
    {"process_start_time_seconds", offsetof(struct server_sample, started_s)},
    {"process_cpu_seconds_total", offsetof(struct server_sample, cpu_s)},
    {"carrel_chunkd_sent_bytes_total", offsetof(struct server_sample, sent_bytes)},
    {"carrel_chunkd_store_reads_total{kind=\"chunk\"}",
     offsetof(struct server_sample, chunk_reads)},
    {"carrel_chunkd_backend_read_bytes_total", offsetof(struct server_sample, backend_bytes)},
};

static double *field(struct server_sample *sample, size_t offset)
{
    return (double *)(void *)((char *)sample + offset);
}

static int text_came(void *context, const void *data, size_t len, struct cr_error *err)
{
    int r = cr_buf_append(context, data, len);
    return r < 0 ? cr_error_errno(err, r, "keep what '/metrics' says") : 0;
}

static int sample_ask(struct cr_http *http, struct server_sample *ret_sample, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(CR_METRICS_BYTES_MAX);
    struct cr_http_request request = {.path = "/metrics", .sink = text_came, .context = &text};
    int r = cr_http_do(http, &request, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < CR_ARRAY_LEN(names); i++)
        /* A store that is a server itself has no place below it; the others are always there. */
        if (cr_metrics_sum((const char *)text.data, text.len, names[i].name,
                           field(ret_sample, names[i].field)) < 0 &&
            names[i].field != offsetof(struct server_sample, backend_bytes))
            return cr_error_set(err, -EPROTO,
                                "server '%s' does not tell its '%s'; is carrel-chunkd there as "
                                "new as this program?",
                                cr_http_server(http), names[i].name);
    return 0;
}

int figures_begin(struct figures *figures, const char *const *servers, unsigned count,
                  const char *pki, struct cr_error *err)
{
    *figures = (struct figures){0};
    figures->servers = cr_calloc(count, sizeof(*figures->servers));
    if (figures->servers == NULL)
        return cr_error_errno(err, -ENOMEM, "ask the servers");
    for (unsigned i = 0; i < count; i++) {
        struct cr_server_uri uri;
        int r = cr_server_uri_parse(servers[i], &uri, err);
        if (r < 0)
            return r;
        if (pki != NULL)
            snprintf(uri.pki, sizeof(uri.pki), "%s", pki);
        r = cr_http_new(&uri, &figures->servers[i].http, err);
        if (r < 0)
            return r;
        figures->count = i + 1;
        r = sample_ask(figures->servers[i].http, &figures->servers[i].last, err);
        if (r < 0)
            return r;
    }
    return 0;
}

void figures_done(struct figures *figures)
{
    for (unsigned i = 0; i < figures->count; i++)
        cr_http_free(figures->servers[i].http);
    free(figures->servers);
    *figures = (struct figures){0};
}

void figures_ask(struct figures *figures)
{
    for (unsigned i = 0; i < figures->count; i++) {
        struct server_sample now = {0}, *last = &figures->servers[i].last;
        if (sample_ask(figures->servers[i].http, &now, NULL) < 0)
            continue;
        if (now.started_s > last->started_s + 0.5) {
            *last = (struct server_sample){.started_s = now.started_s};
            figures->restarts++;
        }
        for (size_t k = 0; k < CR_ARRAY_LEN(names); k++)
            *field(&figures->sum, names[k].field) +=
                *field(&now, names[k].field) - *field(last, names[k].field);
        *last = now;
    }
}
