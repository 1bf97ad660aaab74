/* SPDX-License-Identifier: MIT */
/* Help texts, made from the table of commands. */
#include "image-tools/commands.h"

#include "lib/base/mem.h"

#include <errno.h>

#define HELP_COLUMN 36

static void print_line(const char *left, const char *summary)
{
    if (strlen(left) < HELP_COLUMN - 2)
        printf("  %-*s%s\n", HELP_COLUMN - 2, left, summary);
    else
        printf("  %s\n  %-*s%s\n", left, HELP_COLUMN - 2, "", summary);
}

static void print_options(const struct option *list)
{
    for (; list != NULL && list->name != NULL; list++) {
        char left[96];
        snprintf(left, sizeof(left), "--%s%s%s", list->name, list->argument ? " " : "",
                 list->argument ? list->argument : "");
        print_line(left, list->summary);
    }
}

static void print_command_line(const struct command *c)
{
    char left[128];
    snprintf(left, sizeof(left), "%s%s%s %s", c->noun, c->verb ? " " : "", c->verb ? c->verb : "",
             c->operands);
    print_line(left, c->summary);
}

static void print_commands(const char *noun)
{
    for (const struct command *c = commands; c->noun != NULL; c++)
        if (c->summary != NULL && (noun == NULL || strcmp(c->noun, noun) == 0))
            print_command_line(c);
}

void help_print_all(void)
{
    printf("carrel: golden disk images for school labs\n\n"
           "usage: carrel [OPTION ...] COMMAND\n\ncommands:\n");
    print_commands(NULL);
    printf("\noptions everywhere:\n");
    print_options(global_options);
    printf("\n`carrel COMMAND --help` tells more about one; man carrel is the manual.\n");
}

void help_print_noun(const char *noun)
{
    printf("usage: carrel [OPTION ...] %s VERB\n\ncommands:\n", noun);
    print_commands(noun);
    printf("\n`carrel %s VERB --help` tells more about one.\n", noun);
}

void help_print_command(const struct command *c)
{
    printf("usage: carrel %s%s%s%s%s%s\n\n%c%s\n", c->noun, c->verb ? " " : "",
           c->verb ? c->verb : "", c->options ? " [OPTION ...]" : "", c->operands[0] ? " " : "",
           c->operands, c->summary ? c->summary[0] - 'a' + 'A' : 'I',
           c->summary ? c->summary + 1 : "nternal.");
    if (c->options != NULL) {
        printf("\noptions:\n");
        print_options(c->options);
    }
    printf("\noptions everywhere:\n");
    print_options(global_options);
}

int cmd_help(struct cli *cli, struct cr_error *err)
{
    const char *noun = cli->operands[0], *verb = cli->operands[1];
    if (noun == NULL) {
        help_print_all();
        return 0;
    }
    bool known = false;
    for (const struct command *c = commands; c->noun != NULL; c++) {
        if (strcmp(c->noun, noun) != 0)
            continue;
        known = true;
        if (c->verb == NULL || (verb != NULL && strcmp(c->verb, verb) == 0)) {
            help_print_command(c);
            return 0;
        }
    }
    if (!known || verb != NULL)
        return cr_error_set(err, -EINVAL, "there is no command '%s%s%s'; `carrel help` lists them",
                            noun, verb ? " " : "", verb ? verb : "");
    help_print_noun(noun);
    return 0;
}

/* Hidden: the table, one fact a line, for the test that compares the manual page with it. */
int cmd_internal_commands(struct cli *cli, struct cr_error *err)
{
    (void)cli;
    (void)err;
    for (const struct option *o = global_options; o->name != NULL; o++)
        printf("global\t--%s\t%s\n", o->name, o->argument ? o->argument : "");
    for (const struct command *c = commands; c->noun != NULL; c++) {
        if (c->summary == NULL)
            continue;
        printf("command\t%s%s%s\t%s\n", c->noun, c->verb ? " " : "", c->verb ? c->verb : "",
               c->operands);
        for (const struct option *o = c->options; o != NULL && o->name != NULL; o++)
            printf("option\t%s%s%s\t--%s\t%s\n", c->noun, c->verb ? " " : "",
                   c->verb ? c->verb : "", o->name, o->argument ? o->argument : "");
    }
    return 0;
}
