/* SPDX-License-Identifier: MIT */
#include "server/syncd/options.h"

#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <string.h>

enum kind { TEXT, LIST, NUMBER, FLAG };

static const struct setting {
    const char *name, *argument; /* argument NULL = a flag */
    enum kind kind;
    size_t offset; /* of the field in struct options */
    unsigned max;  /* of a number */
    const char *help;
} settings[] = {
    {"images", "URI", TEXT, offsetof(struct options, images), 0,
     "the store that captured images go to: a path, dir:PATH or rados:POOL/NAME"},
    {"private", "DIR", TEXT, offsetof(struct options, private_dir), 0,
     "the folder that private overlays go to, for each owner a store of its own"},
    {"key-file", "FILE", TEXT, offsetof(struct options, key_file), 0,
     "the key that wraps the owners' keys, not on the same disk; made when nothing needs it yet"},
    {"listen", "ADDR:PORT", LIST, offsetof(struct options, listen), 0,
     "where to listen; may be given several times; port 0 takes a free one (default *:8444)"},
    {"pki", "DIR", TEXT, offsetof(struct options, pki), 0,
     "folder with ca.pem, server.pem and server-key.pem; clients need a certificate of this CA"},
    {"no-tls", NULL, FLAG, offsetof(struct options, no_tls), 0,
     "speak plain HTTP, on loopback addresses only; everybody may do everything"},
    {"connections", "N", NUMBER, offsetof(struct options, connections), CR_SYNC_CONNECTIONS_MAX,
     "clients connected at the same time, at most (default 64)"},
    {"drain-seconds", "N", NUMBER, offsetof(struct options, drain_s), 86400,
     "how long requests under way may take after SIGTERM (default 60)"},
    {"help", NULL, FLAG, offsetof(struct options, help), 0, "print this and exit"},
    {"version", NULL, FLAG, offsetof(struct options, version), 0, "print the version and exit"},
};

#define SETTINGS CR_ARRAY_LEN(settings)

void options_help(void)
{
    printf("Usage: carrel-syncd [--images URI] [--private DIR --key-file FILE] --pki DIR [OPTION "
           "...]\n"
           "Take what seats send: captured images, private overlays.\n\n");
    for (size_t i = 0; i < SETTINGS; i++) {
        char left[64];
        snprintf(left, sizeof(left), "--%s%s%s", settings[i].name, settings[i].argument ? " " : "",
                 settings[i].argument ? settings[i].argument : "");
        printf("  %-22s %s\n", left, settings[i].help);
    }
}

static int setting_store(const struct setting *setting, const char *text, struct options *options,
                         struct cr_error *err)
{
    char *field = (char *)options + setting->offset;
    uint64_t value;
    switch (setting->kind) {
    case TEXT:
        memcpy(field, &text, sizeof(text));
        return 0;
    case FLAG:
        *(bool *)field = true;
        return 0;
    case LIST:
        if (options->listen_count == LISTEN_MAX)
            return cr_error_set(err, -EINVAL, "more than %d times '--listen'", LISTEN_MAX);
        options->listen[options->listen_count++] = text;
        return 0;
    case NUMBER:
        break;
    }
    if (cr_u64_parse(text, setting->max, &value) < 0)
        return cr_error_set(err, -EINVAL, "'--%s %.100s' is not a number up to %u; see --help",
                            setting->name, text, setting->max);
    memcpy(field, &(unsigned){(unsigned)value}, sizeof(unsigned));
    return 0;
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
    if (options->connections == 0)
        return cr_error_set(err, -EINVAL, "'--connections 0' would let nobody in");
    return 0;
}

int options_parse(int argc, char **argv, struct options *ret_options, struct cr_error *err)
{
    struct option longs[SETTINGS + 1] = {0};
    for (size_t i = 0; i < SETTINGS; i++)
        longs[i] = (struct option){settings[i].name,
                                   settings[i].argument ? required_argument : no_argument, NULL,
                                   (int)i + 1};
    struct options options = {.connections = 64, .drain_s = 60};
    opterr = 0;
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, ":", longs, NULL)) != -1;) {
        if (c < 1 || c > (int)SETTINGS || c == ':')
            return cr_error_set(err, -EINVAL, "'%.100s' %s; see --help", argv[optind - 1],
                                c == ':' ? "needs a value" : "is no option");
        int r = setting_store(&settings[c - 1], optarg, &options, err);
        if (r < 0)
            return r;
    }
    if (optind < argc)
        return cr_error_set(err, -EINVAL, "'%.100s' is no option; see --help", argv[optind]);
    if (!options.help && !options.version) {
        int r = options_check(&options, err);
        if (r < 0)
            return r;
    }
    if (options.listen_count == 0)
        options.listen[options.listen_count++] = "*:8444";
    *ret_options = options;
    return 0;
}
