/* SPDX-License-Identifier: MIT */
/* The command line of carrel-blockd: one table, from which --help is printed too. */
#pragma once

#include "lib/base/error.h"
#include "lib/base/limits.h"

#include <stdbool.h>

struct options {
    const char *servers[CR_SERVERS_MAX]; /* server_count of them */
    unsigned server_count;
    const char *image, *cache, *pki, *trust, *socket, *pidfile, *patience, *deltas, *hot,
        *fill_rate, *boot_seconds, *boot_quiet, *stats, *record;
    const char *cache_limit, *reserve, *scrub_rate;
    const char *peers, *peer_listen, *peer_upload;
    bool verbose, help, version;
};

/* Returns 0 or -EINVAL with a sentence. The strings are those of argv. */
int options_parse(int argc, char **argv, struct options *ret_options, struct cr_error *err);

/* What --help prints. */
void options_help(void);
