/* SPDX-License-Identifier: MIT */
/* carrel-cache: shows and mends what a seat keeps. The tables below are what --help prints. */
#include "client/cache/cache.h"
#include "lib/base/mem.h"
#include "lib/base/options.h"
#include "lib/net/https.h"
#include "lib/net/uri.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#define PATIENCE_S_DEFAULT 30

static const struct cr_option options_table[] = {
    {"cache", "DIR", CR_OPTION_TEXT, offsetof(struct cache_options, cache), .needed = true,
     .help = "the cache folder of the seat"},
    {"server", "URL", CR_OPTION_TEXT, offsetof(struct cache_options, server),
     .help = "the image server, https://HOST:PORT, to fill and repair from"},
    {"pki", "DIR", CR_OPTION_TEXT, offsetof(struct cache_options, pki),
     .help = "ca.pem, client.pem and client-key.pem for the server"},
    {"patience", "SECONDS", CR_OPTION_NUMBER, offsetof(struct cache_options, patience_s),
     .max = CR_PATIENCE_S_MAX, .help = "how long a server that is away is waited for (30)"},
    {"rate", "BYTES", CR_OPTION_SIZE, offsetof(struct cache_options, rate_bytes), .max = CR_TIB,
     .help = "fill at so many bytes of the disk a second; 0 = as fast as it goes (0)"},
    {"json", NULL, CR_OPTION_FLAG, offsetof(struct cache_options, json),
     .help = "print reports as JSON"},
    {"help", NULL, CR_OPTION_FLAG, offsetof(struct cache_options, help),
     .help = "print this and end"},
    {"version", NULL, CR_OPTION_FLAG, offsetof(struct cache_options, version),
     .help = "print the version of the program and end"},
    {0},
};

static const struct {
    const char *name, *operands, *help;
    int least; /* operands */
    command *run;
} commands[] = {
    {"ls", "[VERSION ...]", "which versions there are, how complete, how large", 0, cmd_ls},
    {"verify", "[VERSION ...]", "hash all that is there; with --server, mend it", 0, cmd_verify},
    {"fsck", "[VERSION ...]", "make the maps anew of what is found by hashing", 0, cmd_fsck},
    {"rm", "VERSION ...", "remove versions", 1, cmd_rm},
    {"fill", "NAME[@N|:CHANNEL]", "fetch all of a version that is missing", 1, cmd_fill},
};

static void help_print(void)
{
    printf("usage: carrel-cache COMMAND --cache DIR [OPTION ...] [VERSION ...]\n\n"
           "Show and mend what a seat keeps. A VERSION is NAME, NAME@N or the first digits of a\n"
           "root.\n\n");
    for (size_t i = 0; i < CR_ARRAY_LEN(commands); i++) {
        char left[64];
        snprintf(left, sizeof(left), "%s %s", commands[i].name, commands[i].operands);
        printf("  %-24s %s\n", left, commands[i].help);
    }
    printf("\n");
    cr_options_help(options_table);
}

static int command_run(const struct cache_options *options, int argc, char **argv, int operand,
                       struct cr_error *err)
{
    if (operand >= argc)
        return cr_error_set(err, -EINVAL, "there is no command; see carrel-cache --help");
    for (size_t i = 0; i < CR_ARRAY_LEN(commands); i++) {
        int count = argc - operand - 1;
        if (strcmp(commands[i].name, argv[operand]) != 0)
            continue;
        int r = cr_options_check(options_table, options, err);
        if (r < 0)
            return r;
        if (count < commands[i].least)
            return cr_error_set(err, -EINVAL, "'%s' needs a version: carrel-cache %s %s",
                                commands[i].name, commands[i].name, commands[i].operands);
        return commands[i].run(options, argv + operand + 1, count, err);
    }
    return cr_error_set(err, -EINVAL, "'%.100s' is no command; see carrel-cache --help",
                        argv[operand]);
}

int main(int argc, char **argv)
{
    struct cache_options options = {.patience_s = PATIENCE_S_DEFAULT};
    struct cr_error err = {0};
    int operand = argc;
    signal(SIGPIPE, SIG_IGN);
    cr_https_register();
    int r = cr_options_parse(options_table, argc, argv, &options, &operand, &err);
    if (r == 0 && options.help) {
        help_print();
        return EXIT_SUCCESS;
    }
    if (r == 0 && options.version) {
        puts("carrel-cache " CARREL_VERSION);
        return EXIT_SUCCESS;
    }
    if (r == 0)
        r = command_run(&options, argc, argv, operand, &err);
    if (r < 0)
        fprintf(stderr, "carrel-cache: %s\n", err.text);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
