/* SPDX-License-Identifier: MIT */
/* The command line. The table in options.c is --help; a test compares the manual page with it. */
#pragma once

#include "lib/base/options.h"

struct options {
    const char *store;            /* URI */
    struct cr_option_list listen; /* ADDR:PORT */
    const char *metrics_listen;   /* ADDR:PORT or NULL */
    const char *pki;              /* folder, or NULL with no_tls */
    bool no_tls;
    uint64_t cache_bytes;
    uint64_t pack_cache_bytes;     /* CR_PACKCACHE_USUAL when not said */
    const char *pack_cache_folder; /* NULL = none */
    uint64_t pack_cache_folder_bytes;
    uint64_t threads;
    uint64_t connections;
    uint64_t drain_s;
    bool make_deltas, boots;
    uint64_t peer_bits_4, peer_bits_6; /* of addresses that are one subnet */
    const char *seats, *reports;       /* folders; NULL = none */
    bool help, version;
};

/* Parse; the strings point into argv. Returns 0 or -EINVAL with a sentence. */
int options_parse(int argc, char **argv, struct options *ret_options, struct cr_error *err);

/* Print --help on standard output. */
void options_help(void);
