/* SPDX-License-Identifier: MIT */
#include "client/sync/options.h"

#include "lib/base/mem.h"
#include "lib/base/options.h"
#include "lib/base/work.h"
#include "lib/net/uri_add.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define FIELD(name) offsetof(struct options, name)

static const struct cr_option table[] = {
    {"server", "URL", CR_OPTION_TEXT, FIELD(server), 0, 0, true,
     "carrel-chunkd, where the version below the overlay is read"},
    {"sync", "URL", CR_OPTION_TEXT, FIELD(sync_server), 0, 0, true,
     "carrel-syncd, which takes what is sent"},
    {"pki", "DIR", CR_OPTION_TEXT, FIELD(pki), 0, 0, false,
     "ca.pem, client.pem and client-key.pem for both"},
    {"as", "NAME", CR_OPTION_TEXT, FIELD(as), 0, 0, false,
     "the image that gets the new version; the owner's name of the overlay"},
    {"base", "NAME@N", CR_OPTION_TEXT, FIELD(base_text), 0, 0, false,
     "the version below the overlay, where the overlay does not say it"},
    {"backing", "URI", CR_OPTION_TEXT, FIELD(backing), 0, 0, false,
     "what a fetched overlay calls the image below it (nbd://localhost/NAME@N)"},
    {"branch", NULL, CR_OPTION_FLAG, FIELD(branch), 0, 0, false,
     "fetch what was sent by who was not in charge"},
    {"message", "TEXT", CR_OPTION_TEXT, FIELD(message), 0, 0, false,
     "what is new, for the history"},
    {"patience", "SECONDS", CR_OPTION_TEXT, FIELD(patience), 0, 0, false,
     "how long a server that does not answer is asked again (30)"},
    {"threads", "N", CR_OPTION_NUMBER, FIELD(threads), 1, CR_WORK_THREADS_MAX, false,
     "threads that read and compress (2)"},
    {"json", NULL, CR_OPTION_FLAG, FIELD(json), 0, 0, false, "print the result as a JSON object"},
    {"help", NULL, CR_OPTION_FLAG, FIELD(help), 0, 0, false, "print this and end"},
    {"version", NULL, CR_OPTION_FLAG, FIELD(version), 0, 0, false, "print the version and end"},
    {0},
};

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
    cr_options_help(table);
}

static int base_parse(struct options *options, struct cr_error *err)
{
    if (options->base_text == NULL)
        return 0;
    int r = cr_ref_parse(options->base_text, &options->base, err);
    if (r == 0 && options->base.number == 0)
        return cr_error_set(err, -EINVAL, "'--base %.100s' names no version; write NAME@N",
                            options->base_text);
    return r;
}

static int command_find(int count, char **words, struct options *options, struct cr_error *err)
{
    if (count == 0)
        return cr_error_set(err, -EINVAL, "no command; see carrel-sync --help");
    for (const struct command *command = commands; command->name != NULL; command++)
        if (strcmp(command->name, words[0]) == 0)
            options->command = command;
    if (options->command == NULL)
        return cr_error_set(err, -EINVAL, "unknown command '%.100s'; see carrel-sync --help",
                            words[0]);
    if (count != 2)
        return cr_error_set(err, -EINVAL, "'%s' takes one %s; see carrel-sync --help",
                            options->command->name, options->command->file);
    options->file = words[1];
    return cr_options_check(table, options, err);
}

int options_parse(int argc, char **argv, struct options *ret_options, struct cr_error *err)
{
    struct options options = {.threads = 2};
    int operand = argc;
    int r = cr_options_parse(table, argc, argv, &options, &operand, err);
    if (r == 0)
        r = base_parse(&options, err);
    if (r == 0 && !options.help && !options.version)
        r = command_find(argc - operand, argv + operand, &options, err);
    if (r == 0)
        *ret_options = options;
    return r;
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
