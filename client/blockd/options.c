/* SPDX-License-Identifier: MIT */
#include "client/blockd/options.h"

#include "lib/base/mem.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

struct option_info {
    const char *name;
    const char *value; /* what stands after it; NULL = nothing */
    size_t field;      /* in struct options */
    bool needed;
    const char *help;
};

#define FIELD(name) offsetof(struct options, name)

static const struct option_info table[] = {
    {"--server", "URL", FIELD(servers), true,
     "an image server, https://HOST:PORT; may be given several times"},
    {"--image", "NAME[@N]", FIELD(image), true,
     "the version; NAME alone the newest, NAME:CHANNEL by channel"},
    {"--cache", "DIR", FIELD(cache), true, "the folder that keeps what was read"},
    {"--socket", "PATH", FIELD(socket), true, "the unix socket to serve the disk on"},
    {"--pki", "DIR", FIELD(pki), false, "ca.pem, client.pem and client-key.pem for the server"},
    {"--trust", "DIR", FIELD(trust), false, "signed metadata: serve only what is in it"},
    {"--patience", "SECONDS", FIELD(patience), false,
     "how long a server that is away is waited for (600)"},
    {"--deltas", "yes|no", FIELD(deltas), false,
     "take chunks from older versions in the cache (yes)"},
    {"--hot", "yes|no", FIELD(hot), false, "fetch ahead what other boots have read (yes)"},
    {"--fill-rate", "BYTES", FIELD(fill_rate), false,
     "fetch the rest when idle, at so many a second; 0 = do not (2M)"},
    {"--boot-seconds", "SECONDS", FIELD(boot_seconds), false,
     "record the boot for so long at most; 0 = do not (300)"},
    {"--boot-quiet", "SECONDS", FIELD(boot_quiet), false,
     "it is over when nothing new was read for so long (60)"},
    {"--cache-limit", "BYTES", FIELD(cache_limit), false,
     "keep at most so much of all versions; 0 = no limit (0)"},
    {"--reserve", "BYTES", FIELD(reserve), false,
     "leave so much of the cache's disk free, for overlays (0)"},
    {"--scrub-rate", "BYTES", FIELD(scrub_rate), false,
     "read the cache again at so many a second, and mend it; 0 = do not (4M)"},
    {"--peers", "yes|no", FIELD(peers), false,
     "take chunks from other seats of this subnet, and serve them (no)"},
    {"--peer-listen", "ADDR:PORT", FIELD(peer_listen), false,
     "where other seats are served (*:0, a free port)"},
    {"--peer-upload", "BYTES", FIELD(peer_upload), false,
     "serve them so many a second at most; 0 = no limit (0)"},
    {"--pidfile", "PATH", FIELD(pidfile), false, "write the number of the process there"},
    {"--stats", "FILE", FIELD(stats), false, "write figures there at the end (DIR/stats.json)"},
    {"--record", "FILE", FIELD(record), false, "write every read there, for carrel-bench"},
    {"--verbose", NULL, FIELD(verbose), false, "tell what nbdkit does"},
    {"--help", NULL, FIELD(help), false, "print this and exit"},
    {"--version", NULL, FIELD(version), false, "print the version of the program and exit"},
};

/* Take the option at argv[*at]; what it says ends up in its field. */
static int option_take(int argc, char **argv, int *at, struct options *options,
                       struct cr_error *err)
{
    const char *text = argv[*at];
    for (size_t i = 0; i < CR_ARRAY_LEN(table); i++) {
        const struct option_info *info = &table[i];
        size_t len = strlen(info->name);
        char *field = (char *)options + info->field;
        if (strncmp(text, info->name, len) != 0 || (text[len] != '\0' && text[len] != '='))
            continue;
        if (info->value == NULL) {
            if (text[len] == '=')
                return cr_error_set(err, -EINVAL, "'%s' takes no value", info->name);
            memcpy(field, &(bool){true}, sizeof(bool));
            return 0;
        }
        const char *value = text[len] == '=' ? text + len + 1 : NULL;
        if (value == NULL && *at + 1 < argc)
            value = argv[++*at];
        if (value == NULL || value[0] == '\0')
            return cr_error_set(err, -EINVAL, "'%s' needs a value: %s %s", info->name, info->name,
                                info->value);
        if (info->field != FIELD(servers)) {
            memcpy(field, &value, sizeof(value));
            return 0;
        }
        if (options->server_count == CR_SERVERS_MAX)
            return cr_error_set(err, -EINVAL, "more than %u times '--server'", CR_SERVERS_MAX);
        options->servers[options->server_count++] = value;
        return 0;
    }
    return cr_error_set(err, -EINVAL, "'%s' is not known; see carrel-blockd --help", text);
}

int options_parse(int argc, char **argv, struct options *ret_options, struct cr_error *err)
{
    struct options options = {0};
    for (int at = 1; at < argc; at++) {
        int r = option_take(argc, argv, &at, &options, err);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < CR_ARRAY_LEN(table) && !options.help && !options.version; i++) {
        const char *value = NULL;
        if (!table[i].needed)
            continue;
        memcpy(&value, (const char *)&options + table[i].field, sizeof(value));
        if (value == NULL)
            return cr_error_set(err, -EINVAL, "'%s %s' is missing: %s", table[i].name,
                                table[i].value, table[i].help);
    }
    *ret_options = options;
    return 0;
}

void options_help(void)
{
    printf(
        "usage: carrel-blockd --server URL --image NAME[@N] --cache DIR --socket PATH "
        "[OPTION ...]\n\n"
        "Serve a version of an image as an NBD disk on a unix socket, from a server and a local\n"
        "cache. Prints 'ready NAME@N BYTES' when it serves; ends at SIGTERM.\n\n");
    for (size_t i = 0; i < CR_ARRAY_LEN(table); i++) {
        char left[32];
        snprintf(left, sizeof(left), "%s %s", table[i].name,
                 table[i].value != NULL ? table[i].value : "");
        printf("  %-22s %s\n", left, table[i].help);
    }
}
