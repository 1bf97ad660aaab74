/* SPDX-License-Identifier: MIT */
/* carrel-blockd: checks what it is told, then becomes nbdkit with the plugin of this folder. */
#include "client/blockd/launch.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    struct options options = {0};
    struct cr_error err = {0};
    int r = options_parse(argc, argv, &options, &err);
    if (r == 0 && options.help) {
        options_help();
        return EXIT_SUCCESS;
    }
    if (r == 0 && options.version) {
        puts("carrel-blockd " CARREL_VERSION);
        return EXIT_SUCCESS;
    }
    if (r == 0)
        r = launch(&options, &err);
    fprintf(stderr, "carrel-blockd: %s\n", err.text);
    return EXIT_FAILURE;
}
