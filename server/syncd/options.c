/* SPDX-License-Identifier: MIT */
#include "server/syncd/options.h"

#include "lib/base/limits.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define FIELD(name) offsetof(struct options, name)

static const struct cr_option table[] = {
    {"images", "URI", CR_OPTION_TEXT, FIELD(images), 0, 0, false,
     "the store that captured images go to: a path, dir:PATH or rados:POOL/NAME"},
    {"private", "DIR", CR_OPTION_TEXT, FIELD(private_dir), 0, 0, false,
     "the folder that private overlays go to, for each owner a store of its own"},
    {"key-file", "FILE", CR_OPTION_TEXT, FIELD(key_file), 0, 0, false,
     "the key that wraps the owners' keys, not on the same disk; made when nothing needs it yet"},
    {"listen", "ADDR:PORT", CR_OPTION_LIST, FIELD(listen), 0, 0, false,
     "where to listen; may be given several times; port 0 takes a free one (default *:8444)"},
    {"pki", "DIR", CR_OPTION_TEXT, FIELD(pki), 0, 0, false,
     "folder with ca.pem, server.pem and server-key.pem; clients need a certificate of this CA"},
    {"no-tls", NULL, CR_OPTION_FLAG, FIELD(no_tls), 0, 0, false,
     "speak plain HTTP, on loopback addresses only; everybody may do everything"},
    {"connections", "N", CR_OPTION_NUMBER, FIELD(connections), 1, CR_SYNC_CONNECTIONS_MAX, false,
     "clients connected at the same time, at most (default 64)"},
    {"drain-seconds", "N", CR_OPTION_NUMBER, FIELD(drain_s), 0, 86400, false,
     "how long requests under way may take after SIGTERM (default 60)"},
    {"help", NULL, CR_OPTION_FLAG, FIELD(help), 0, 0, false, "print this and exit"},
    {"version", NULL, CR_OPTION_FLAG, FIELD(version), 0, 0, false, "print the version and exit"},
    {0},
};

void options_help(void)
{
    printf("Usage: carrel-syncd [--images URI] [--private DIR --key-file FILE] --pki DIR [OPTION "
           "...]\n"
           "Take what seats send: captured images, private overlays.\n\n");
    cr_options_help(table);
}

static int options_check(const struct options *options, struct cr_error *err)
{
    if (options->images == NULL && options->private_dir == NULL)
        return cr_error_set(err, -EINVAL,
                            "nothing to take; say what with '--images URI' or '--private DIR'");
    if ((options->private_dir != NULL) != (options->key_file != NULL))
        return cr_error_set(err, -EINVAL, "'--private DIR' and '--key-file FILE' go together");
    if (options->pki == NULL && !options->no_tls)
        return cr_error_set(err, -EINVAL,
                            "no certificates were named; say where they are with '--pki DIR'");
    if (options->pki != NULL && options->no_tls)
        return cr_error_set(err, -EINVAL, "'--pki' and '--no-tls' exclude each other");
    return 0;
}

int options_parse(int argc, char **argv, struct options *ret_options, struct cr_error *err)
{
    struct options options = {.connections = 64, .drain_s = 60};
    int operand = argc;
    int r = cr_options_parse(table, argc, argv, &options, &operand, err);
    if (r == 0 && operand < argc)
        r = cr_error_set(err, -EINVAL, "'%.100s' is no option; see --help", argv[operand]);
    if (r == 0 && !options.help && !options.version)
        r = options_check(&options, err);
    if (r < 0)
        return r;
    if (options.listen.count == 0)
        options.listen.texts[options.listen.count++] = "*:8444";
    *ret_options = options;
    return 0;
}
