/* SPDX-License-Identifier: MIT */
/* carrel-bench: what a room of seats asks of a server, without the room. */
#include "client/bench/storm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const char *sentence, int status)
{
    fflush(stdout);
    fprintf(stderr, "carrel-bench: %s\n", sentence);
    return status;
}

int main(int argc, char **argv)
{
    struct options options = {0};
    struct cr_error err = {0};
    bool named = argc > 1 && strcmp(argv[1], "storm") == 0;
    if (!named && (argc < 2 || argv[1][0] != '-'))
        return fail("which command? There is 'storm'; see carrel-bench --help", 2);
    /* Without the command only --help and --version mean something. */
    int r = named ? options_parse(argc - 1, argv + 1, &options, &err)
                  : options_parse(argc, argv, &options, &err);
    if (r == 0 && options.help) {
        options_help();
        return EXIT_SUCCESS;
    }
    if (r == 0 && options.version) {
        puts("carrel-bench " CARREL_VERSION);
        return EXIT_SUCCESS;
    }
    if (r < 0)
        return fail(err.text, 2);
    if (!named)
        return fail("which command? There is 'storm'; see carrel-bench --help", 2);
    return storm_run(&options, &err) < 0 ? fail(err.text, 1) : EXIT_SUCCESS;
}
