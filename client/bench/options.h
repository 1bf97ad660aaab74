/* SPDX-License-Identifier: MIT */
/* The command line of carrel-bench storm. The table in options.c is --help. */
#pragma once

#include "lib/base/error.h"
#include "lib/base/limits.h"

#include <stdbool.h>
#include <stdint.h>

enum verify {
    VERIFY_FULL, /* every seat decompresses and hashes every chunk, as blockd does */
    VERIFY_ONCE, /* one seat does; what the others get must be the same bytes */
};

struct options {
    const char *servers[CR_SERVERS_MAX]; /* URLs */
    unsigned server_count;
    const char *trace, *image, *pki;
    unsigned seats;
    uint64_t link_bits_s; /* 0 = not shaped */
    double think;         /* of the recorded pauses between reads */
    enum verify verify;
    unsigned patience_s;
    bool peers, json, help, version;
};

/*
 * Parse what stands behind the command's name; the strings point into argv. Returns 0 or -EINVAL
 * with a sentence.
 */
int options_parse(int argc, char **argv, struct options *ret_options, struct cr_error *err);

/* Print --help on standard output. */
void options_help(void);
