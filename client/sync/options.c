/* SPDX-License-Identifier: MIT */
#include "client/sync/options.h"

#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/base/work.h"
#include "lib/net/uri_add.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <string.h>

enum kind { TEXT, FLAG, VERSION, THREADS };

static const struct setting {
    const char *name, *argument; /* argument NULL = a flag */
    enum kind kind;
    size_t offset; /* of the field in struct options */
    const char *help;
} settings[] = {
    {"server", "URL", TEXT, offsetof(struct options, server),
     "carrel-chunkd, where the version below the overlay is read"},
    {"sync", "URL", TEXT, offsetof(struct options, sync_server),
     "carrel-syncd, which takes what is sent"},
    {"pki", "DIR", TEXT, offsetof(struct options, pki),
     "ca.pem, client.pem and client-key.pem for both"},
    {"as", "NAME", TEXT, offsetof(struct options, as),
     "the image that gets the new version; the owner's name of the overlay"},
    {"base", "NAME@N", VERSION, offsetof(struct options, base),
     "the version below the overlay, where the overlay does not say it"},
    {"backing", "URI", TEXT, offsetof(struct options, backing),
     "what a fetched overlay calls the image below it (nbd://localhost/NAME@N)"},
    {"branch", NULL, FLAG, offsetof(struct options, branch),
     "fetch what was sent by who was not in charge"},
    {"message", "TEXT", TEXT, offsetof(struct options, message), "what is new, for the history"},
    {"patience", "SECONDS", TEXT, offsetof(struct options, patience),
     "how long a server that does not answer is asked again (30)"},
    {"threads", "N", THREADS, offsetof(struct options, threads),
     "threads that read and compress (2)"},
    {"json", NULL, FLAG, offsetof(struct options, json), "print the result as a JSON object"},
    {"help", NULL, FLAG, offsetof(struct options, help), "print this and end"},
    {"version", NULL, FLAG, offsetof(struct options, version), "print the version and end"},
};

#define SETTINGS CR_ARRAY_LEN(settings)

void options_help(void)
{
    printf("usage: carrel-sync COMMAND --server URL --sync URL [options] FILE\n\n"
           "Bring what overlays hold to the server, and back.\n\n");
    for (const struct command *command = commands; command->name != NULL; command++) {
        char left[64];
        snprintf(left, sizeof(left), "%s %s", command->name, command->file);
        printf("  %-22s %s\n", left, command->summary);
    }
    printf("\n");
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
    uint64_t number;
    int r;
    switch (setting->kind) {
    case TEXT:
        memcpy(field, &text, sizeof(text));
        return 0;
    case FLAG:
        *(bool *)field = true;
        return 0;
    case VERSION:
        r = cr_ref_parse(text, &options->base, err);
        if (r == 0 && options->base.number == 0)
            return cr_error_set(err, -EINVAL, "'--%s %.100s' names no version; write NAME@N",
                                setting->name, text);
        return r;
    case THREADS:
        break;
    }
    if (cr_u64_parse(text, CR_WORK_THREADS_MAX, &number) < 0 || number == 0)
        return cr_error_set(err, -EINVAL, "'--%s %.100s' is not a number from 1 to %u",
                            setting->name, text, CR_WORK_THREADS_MAX);
    options->threads = (unsigned)number;
    return 0;
}

static int command_find(int argc, char **argv, struct options *options, struct cr_error *err)
{
    if (optind >= argc)
        return cr_error_set(err, -EINVAL, "no command; see carrel-sync --help");
    for (const struct command *command = commands; command->name != NULL; command++)
        if (strcmp(command->name, argv[optind]) == 0)
            options->command = command;
    if (options->command == NULL)
        return cr_error_set(err, -EINVAL, "unknown command '%.100s'; see carrel-sync --help",
                            argv[optind]);
    if (optind + 2 != argc)
        return cr_error_set(err, -EINVAL, "'%s' takes one %s; see carrel-sync --help",
                            options->command->name, options->command->file);
    options->file = argv[optind + 1];
    if (options->server == NULL || options->sync_server == NULL)
        return cr_error_set(err, -EINVAL, "name the servers with --server URL and --sync URL");
    return 0;
}

int options_parse(int argc, char **argv, struct options *ret_options, struct cr_error *err)
{
    struct option longs[SETTINGS + 1] = {0};
    for (size_t i = 0; i < SETTINGS; i++)
        longs[i] = (struct option){settings[i].name,
                                   settings[i].argument ? required_argument : no_argument, NULL,
                                   (int)i + 1};
    struct options options = {.threads = 2};
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, ":", longs, NULL)) != -1;) {
        if (c < 1 || c > (int)SETTINGS || c == ':')
            return cr_error_set(err, -EINVAL, "option '%.100s' %s; see carrel-sync --help",
                                argv[optind - 1], c == ':' ? "needs a value" : "is unknown");
        int r = setting_store(&settings[c - 1], optarg, &options, err);
        if (r < 0)
            return r;
    }
    if (!options.help && !options.version) {
        int r = command_find(argc, argv, &options, err);
        if (r < 0)
            return r;
    }
    *ret_options = options;
    return 0;
}

int options_uri(const struct options *options, const char *server, struct cr_buf *uri,
                struct cr_error *err)
{
    int r = cr_buf_printf(uri, "%s", server);
    if (r == 0 && options->pki != NULL)
        r = cr_server_uri_add(uri, "pki", options->pki);
    if (r == 0 && options->patience != NULL)
        r = cr_server_uri_add(uri, "patience", options->patience);
    if (r == 0)
        r = cr_buf_append(uri, "", 1);
    return r < 0 ? cr_error_errno(err, r, "server '%.200s'", server) : 0;
}
