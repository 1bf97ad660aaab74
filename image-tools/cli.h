/* SPDX-License-Identifier: MIT */
/*
 * The command line: a table of commands, and what one call of the program said.
 *
 *   commands.c  the table            args.c  words -> struct cli        help.c  table -> help text
 *   main.c      start and end        cmd_*.c what each command does     completion.c  -> bash
 *
 * Everything that is told about a command comes from its one entry in the table; a test compares
 * the manual page with it.
 */
#pragma once

#include "lib/base/error.h"
#include "lib/store/store.h"

#include <stdbool.h>

enum option_key {
    OPT_STORE,
    OPT_JSON,
    OPT_QUIET,
    OPT_THREADS,
    OPT_HELP,
    OPT_VERSION,
    OPT_PARENT,
    OPT_BASE,
    OPT_MESSAGE,
    OPT_NO_TRIM,
    OPT_FORMAT,
    OPT_FORCE,
    OPT_MIRROR,
    OPT_SYNC,
    OPT_SERVER,
    OPT_CLIENT,
    OPT_DAYS,
    OPT_NOT_BEFORE,
    OPT_NOT_AFTER,
    OPT_SIGN_KEY,
    OPT_SIGNER,
    OPT_SECRET,
    OPT_KEYS,
    OPT_KEY,
    OPT_THRESHOLD,
    OPT_NEW,
    OPT_OLD,
    OPT_ADD,
    OPT_RENEW,
    OPT_ROOT_EXPIRY,
    OPT_TARGETS_EXPIRY,
    OPT_AT,
    OPT_TO,
    OPT_END,
    OPT_REMOVE,
    OPT_CHANNEL,
    OPT_FILES,
    OPT_DELTA,
    OPT_NO_CACHE,
    OPT_FOLDER,
    OPT_RECIPE,
    OPT_LOG,
    OPT_ALL,
    OPT_DRY_RUN,
    OPT_GRACE,
    OPT_RATE,
    OPT_RESTART,
    OPT_REPAIR,
    OPT_FROM,
    OPT_STEPS,
    OPT_CAPTURE,
    OPT_IMPORT,
    OPT_COUNT,
};

struct option {
    enum option_key key;
    const char *name;     /* without the dashes; NULL ends a list */
    const char *argument; /* as shown, NULL = none */
    const char *summary;
};

struct cli;

struct command {
    const char *noun;
    const char *verb;             /* NULL: the noun alone is the command */
    const char *operands;         /* as shown, "NAME FILE"; a word in [brackets] may be left out */
    const char *summary;          /* NULL: hidden, serves the shell completion and the tests */
    const struct option *options; /* NULL = none but the global ones */
    /*
     * Returns the exit status (0 = done), or -errno with the sentence that the person shall read.
     */
    int (*run)(struct cli *cli, struct cr_error *err);
};

extern const struct command commands[]; /* ends with noun NULL */
extern const struct option global_options[];

#define CLI_OPERANDS_MAX 4

struct cli {
    const struct command *command;
    const char *operands[CLI_OPERANDS_MAX]; /* borrowed from argv; NULL = left out */
    unsigned operand_count;
    const char *values[OPT_COUNT]; /* NULL = not given; "" for an option without an argument */
    unsigned threads;              /* workers of a pipeline that computes */
    unsigned disk_threads;         /* of one that also waits for the disk */
};

#define CLI_THREADS_MAX  16

#define EXIT_DAMAGED     1 /* also: any failure */
#define EXIT_USAGE       2
#define EXIT_INTERRUPTED 130

/*
 * Fill `cli` from the words of the command line. Returns 0, or -EINVAL with a sentence. The command
 * may be NULL when only --help or --version was asked for.
 */
int cli_parse(struct cli *cli, int argc, char *const *argv, struct cr_error *err);

/* How many operands the command must and may have. */
void command_operand_range(const struct command *command, unsigned *ret_min, unsigned *ret_max);

static inline bool cli_has(const struct cli *cli, enum option_key key)
{
    return cli->values[key] != NULL;
}

/* Open the store that --store or CARREL_STORE names; a stop ends its waiting. Returns 0 or -errno.
 */
int cli_store_open(const struct cli *cli, struct cr_store **ret_store, struct cr_error *err);

/* The same, and refuse one that can only be read. */
int cli_store_open_writable(const struct cli *cli, struct cr_store **ret_store,
                            struct cr_error *err);

/*
 * For the commands whose two operands are versions: open the store, then both. What was opened is
 * the caller's, also when this fails.
 */
struct cr_version;
int cli_pair_open(const struct cli *cli, struct cr_store **ret_store, struct cr_version **ret_a,
                  struct cr_version **ret_b, struct cr_error *err);

/* Closes what the functions above opened. */
void cli_store_cleanup(struct cr_store **store);

/* The --message, checked: UTF-8 without control characters. NULL when there is none. */
int cli_message(const struct cli *cli, const char **ret_message, struct cr_error *err);

/* Help texts on standard output: of everything, of a noun's commands, of one command. */
void help_print_all(void);
void help_print_noun(const char *noun);
void help_print_command(const struct command *command);
