/* SPDX-License-Identifier: MIT */
/*
 * The command line of a program as a table: parsing, --help and the test of the manual read it.
 *
 *   static const struct cr_option table[] = {
 *       {"server", "URL", CR_OPTION_TEXT, offsetof(struct options, server), .help = "..."},
 *       {0},
 *   };
 */
#pragma once

#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CR_OPTION_LIST_MAX 32U

/* What the field at `offset` is. */
enum cr_option_kind {
    CR_OPTION_TEXT,   /* const char *, borrowed from argv */
    CR_OPTION_LIST,   /* struct cr_option_list: the option may be given several times */
    CR_OPTION_SIZE,   /* uint64_t, bytes: "20M" */
    CR_OPTION_NUMBER, /* uint64_t */
    CR_OPTION_SPAN,   /* uint64_t, seconds: "90s", "12h", "7d" */
    CR_OPTION_FLAG,   /* bool; takes no value */
};

struct cr_option_list {
    const char *texts[CR_OPTION_LIST_MAX]; /* borrowed from argv */
    unsigned count;
};

struct cr_option {
    const char *name;     /* without the dashes; NULL ends the table */
    const char *argument; /* as shown; NULL = a flag */
    enum cr_option_kind kind;
    size_t offset;     /* of the field in the structure that is filled */
    uint64_t min, max; /* of sizes, numbers and spans */
    bool needed;       /* a text or list that must be given */
    const char *help;
};

/*
 * Fill `options`, which holds the defaults, from argv[1] on; options and operands may be mixed, and
 * "--" ends the options. The operands end up behind the options in argv, the first at
 * *ret_operand. Returns 0 or -EINVAL with a sentence. Whether what is needed was given is not asked
 * here, for --help needs nothing.
 */
int cr_options_parse(const struct cr_option *table, int argc, char **argv, void *options,
                     int *ret_operand, struct cr_error *err);

/* Returns 0, or -EINVAL naming the first option that is needed and was not given. */
int cr_options_check(const struct cr_option *table, const void *options, struct cr_error *err);

/* Print the table, one option a line. */
void cr_options_help(const struct cr_option *table);
