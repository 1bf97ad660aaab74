/* SPDX-License-Identifier: MIT */
/* carrel: the command line of image stores. */
#include "image-tools/cli.h"
#include "image-tools/stop.h"

#include "lib/net/https.h"
#include "lib/rados/rados.h"

#include <errno.h>
#include <locale.h>

static void print_help(const struct cli *cli)
{
    if (cli->command != NULL)
        help_print_command(cli->command);
    else if (cli->operands[0] != NULL)
        help_print_noun(cli->operands[0]);
    else
        help_print_all();
}

/* What was printed must have arrived: a full disk behind `>file` is a failure. */
static int finish(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    if (errno != EPIPE)
        fprintf(stderr, "carrel: cannot write the output: %s\n", strerror(errno));
    return status != 0 ? status : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct cli cli;
    struct cr_error err = {0};
    setlocale(LC_CTYPE, "");
    cr_https_register();
    cr_rados_register();
    if (cli_parse(&cli, argc, argv, &err) < 0) {
        fprintf(stderr, "carrel: %s\n", err.text);
        return EXIT_USAGE;
    }
    if (cli_has(&cli, OPT_HELP)) {
        print_help(&cli);
        return finish(0);
    }
    if (cli_has(&cli, OPT_VERSION)) {
        printf("carrel %s\n", CARREL_VERSION);
        return finish(0);
    }
    int status = stop_install();
    if (status == 0)
        status = cli.command->run(&cli, &err);
    if (status >= 0)
        return finish(status);
    fflush(stdout);
    fprintf(stderr, "carrel: %s\n", err.text[0] != '\0' ? err.text : strerror(-status));
    if (status == -ECANCELED && stop_requested())
        return EXIT_INTERRUPTED;
    return EXIT_FAILURE;
}
