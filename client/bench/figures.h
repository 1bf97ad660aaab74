/* SPDX-License-Identifier: MIT */
/*
 * What the servers say of themselves (/metrics): asked before the storm, during it and at its end,
 * and added up. A server that starts anew begins at zero; what it did after the last question
 * before its end is lost.
 */
#pragma once

#include "lib/net/http.h"

struct server_sample {
    double started_s; /* since 1970, of the process */
    double cpu_s, sent_bytes, chunk_reads, backend_bytes;
};

struct figures {
    struct {
        struct cr_http *http;
        struct server_sample last;
    } * servers;
    unsigned count;
    struct server_sample sum; /* since figures_begin */
    unsigned restarts;
};

/*
 * Ask each of `count` servers, which must answer. `pki` as identities_folder. Returns 0 or -errno
 * with a sentence; wants figures_done in either case.
 */
int figures_begin(struct figures *figures, const char *const *servers, unsigned count,
                  const char *pki, struct cr_error *err);
void figures_done(struct figures *figures);

/* Ask again; a server that does not answer is passed over. */
void figures_ask(struct figures *figures);
