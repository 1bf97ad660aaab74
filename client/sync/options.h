/* SPDX-License-Identifier: MIT */
/* The command line. The tables in options.c are --help; a test compares the manual page with them.
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/image/head.h"

#include <stdbool.h>

struct options {
    const struct command *command;
    const char *file;        /* the overlay */
    const char *server;      /* of carrel-chunkd */
    const char *sync_server; /* of carrel-syncd */
    const char *pki;         /* NULL: none */
    const char *backing;     /* NULL: an NBD URI of the version */
    const char *as;          /* an image's name */
    const char *message;     /* NULL: none */
    const char *patience;    /* seconds, NULL: the usual */
    const char *base_text;   /* as it was given */
    struct cr_ref base;      /* name "": not said */
    uint64_t threads;
    bool branch, json, help, version;
};

struct command {
    const char *name;
    const char *file; /* what the operand is */
    const char *summary;
    int (*run)(const struct options *options, struct cr_error *err);
};

extern const struct command commands[]; /* ends with name NULL; main.c */

/* Parse; the strings point into argv. Returns 0 or -EINVAL with a sentence. */
int options_parse(int argc, char **argv, struct options *ret_options, struct cr_error *err);

/* Print --help on standard output. */
void options_help(void);

/* The URI of a server with the certificates and the patience that were given, into `uri`. */
int options_uri(const struct options *options, const char *server, struct cr_buf *uri,
                struct cr_error *err);
