/* SPDX-License-Identifier: MIT */
/* The command line. The table in options.c is --help; a test compares the manual page with it. */
#pragma once

#include "lib/base/options.h"

struct options {
    const char *images;           /* URI of the store that captures go to, or NULL */
    const char *private_dir;      /* folder of private overlays, or NULL */
    const char *key_file;         /* of the key that wraps their keys */
    struct cr_option_list listen; /* ADDR:PORT */
    const char *pki;              /* folder, or NULL with no_tls */
    bool no_tls;
    uint64_t connections;
    uint64_t drain_s;
    bool help, version;
};

/* Parse; the strings point into argv. Returns 0 or -EINVAL with a sentence. */
int options_parse(int argc, char **argv, struct options *ret_options, struct cr_error *err);

/* Print --help on standard output. */
void options_help(void);
