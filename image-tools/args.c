/* SPDX-License-Identifier: MIT */
/* Words of the command line -> struct cli, as the table of commands says. */
#include "image-tools/cli.h"

#include "lib/base/mem.h"
#include "lib/base/num.h"

#include <errno.h>
#include <sched.h>

/* --- looking things up ------------------------------------------------------------------------ */

static bool noun_exists(const char *noun)
{
    for (const struct command *c = commands; c->noun != NULL; c++)
        if (strcmp(c->noun, noun) == 0)
            return true;
    return false;
}

static const struct command *command_find(const char *noun, const char *verb)
{
    for (const struct command *c = commands; c->noun != NULL; c++) {
        if (strcmp(c->noun, noun) != 0)
            continue;
        if (c->verb == NULL || (verb != NULL && strcmp(c->verb, verb) == 0))
            return c;
    }
    return NULL;
}

static const struct option *option_in(const struct option *list, const char *name, size_t len)
{
    for (; list != NULL && list->name != NULL; list++)
        if (strlen(list->name) == len && strncmp(list->name, name, len) == 0)
            return list;
    return NULL;
}

/* An option that some command has, although not this one. */
static bool option_exists(const char *name, size_t len)
{
    for (const struct command *c = commands; c->noun != NULL; c++)
        if (option_in(c->options, name, len) != NULL)
            return true;
    return false;
}

void command_operand_range(const struct command *command, unsigned *ret_min, unsigned *ret_max)
{
    unsigned min = 0, max = 0;
    const char *p = command->operands;
    while (*p != '\0') {
        max++;
        if (*p != '[')
            min++;
        p += strcspn(p, " ");
        p += strspn(p, " ");
    }
    *ret_min = min;
    *ret_max = max;
}

/* --- one pass over the words ------------------------------------------------------------------ */

struct words {
    int argc, next;
    char *const *argv;
    const char *plain[CLI_OPERANDS_MAX + 2]; /* noun, verb, operands */
    unsigned plain_count;
};

/*
 * Which command is meant must be known before the options are read, because an option's argument
 * looks like any word. Global options may stand in front of it, so these are skipped here.
 */
static const struct command *command_ahead(const struct words *words, const char **ret_noun)
{
    const char *found[2] = {NULL, NULL};
    unsigned count = 0;
    for (int i = 1; i < words->argc && count < 2; i++) {
        const char *word = words->argv[i];
        if (strncmp(word, "--", 2) == 0 && word[2] != '\0') {
            const struct option *option = option_in(global_options, word + 2, strlen(word + 2));
            if (option != NULL && option->argument != NULL)
                i++;
            continue;
        }
        found[count++] = word;
    }
    *ret_noun = found[0];
    return found[0] == NULL ? NULL : command_find(found[0], found[1]);
}

static int option_take(struct cli *cli, struct words *words, const char *word, struct cr_error *err)
{
    const char *name = word + 2, *value = strchr(name, '=');
    size_t len = value == NULL ? strlen(name) : (size_t)(value - name);
    const struct option *option = option_in(global_options, name, len);
    if (option == NULL && cli->command != NULL)
        option = option_in(cli->command->options, name, len);
    if (option == NULL && cli->command != NULL && option_exists(name, len))
        return cr_error_set(
            err, -EINVAL, "`carrel %s %s` has no option '--%.*s'; see `carrel %s %s --help`",
            cli->command->noun, cli->command->verb ? cli->command->verb : "", (int)len, name,
            cli->command->noun, cli->command->verb ? cli->command->verb : "");
    if (option == NULL)
        return cr_error_set(err, -EINVAL, "there is no option '--%.*s'; see `carrel help`",
                            (int)len, name);
    if (option->argument == NULL) {
        if (value != NULL)
            return cr_error_set(err, -EINVAL, "option '--%s' takes no value", option->name);
        cli->values[option->key] = "";
        return 0;
    }
    if (value != NULL)
        value++;
    else if (words->next < words->argc)
        value = words->argv[words->next++];
    else
        return cr_error_set(err, -EINVAL, "option '--%s' needs a value: --%s %s", option->name,
                            option->name, option->argument);
    if (cli->values[option->key] != NULL)
        return cr_error_set(err, -EINVAL, "option '--%s' is given twice", option->name);
    cli->values[option->key] = value;
    return 0;
}

static int words_take(struct cli *cli, struct words *words, struct cr_error *err)
{
    bool options_end = false;
    while (words->next < words->argc) {
        const char *word = words->argv[words->next++];
        if (!options_end && strcmp(word, "--") == 0) {
            options_end = true;
        } else if (!options_end && (strcmp(word, "-h") == 0)) {
            cli->values[OPT_HELP] = "";
        } else if (!options_end && strncmp(word, "--", 2) == 0) {
            int r = option_take(cli, words, word, err);
            if (r < 0)
                return r;
        } else if (!options_end && word[0] == '-' && word[1] != '\0') {
            return cr_error_set(err, -EINVAL,
                                "there is no option '%s'; options begin with two dashes, a file "
                                "whose name begins with '-' is written './%s'",
                                word, word);
        } else if (words->plain_count < CR_ARRAY_LEN(words->plain)) {
            words->plain[words->plain_count++] = word;
        } else {
            return cr_error_set(err, -EINVAL, "'%s' is one word too many; see `carrel help`", word);
        }
    }
    return 0;
}

/* --- checks ----------------------------------------------------------------------------------- */

static unsigned usable_cpus(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) < 0)
        return 1;
    int count = CPU_COUNT(&set);
    return count < 1 ? 1 : count > CLI_THREADS_MAX ? CLI_THREADS_MAX : (unsigned)count;
}

static int threads_take(struct cli *cli, struct cr_error *err)
{
    uint64_t threads;
    cli->threads = usable_cpus();
    cli->disk_threads = 2 * cli->threads < CLI_THREADS_MAX ? 2 * cli->threads : CLI_THREADS_MAX;
    if (!cli_has(cli, OPT_THREADS))
        return 0;
    if (cr_u64_parse(cli->values[OPT_THREADS], CLI_THREADS_MAX, &threads) < 0 || threads == 0)
        return cr_error_set(err, -EINVAL, "option '--threads': '%s' is not a number from 1 to %d",
                            cli->values[OPT_THREADS], CLI_THREADS_MAX);
    cli->threads = cli->disk_threads = (unsigned)threads;
    return 0;
}

static int command_missing(const char *noun, const struct words *words, struct cr_error *err)
{
    if (noun == NULL)
        return cr_error_set(err, -EINVAL, "say what to do; `carrel help` lists the commands");
    if (!noun_exists(noun))
        return cr_error_set(err, -EINVAL, "there is no command '%s'; `carrel help` lists them",
                            noun);
    if (words->plain_count < 2)
        return cr_error_set(err, -EINVAL, "`carrel %s` needs a verb; `carrel help %s` lists them",
                            noun, noun);
    return cr_error_set(err, -EINVAL,
                        "there is no command '%s %s'; `carrel help %s` lists what there is", noun,
                        words->plain[1], noun);
}

static int operands_take(struct cli *cli, const struct words *words, struct cr_error *err)
{
    const struct command *command = cli->command;
    const char *verb = command->verb ? command->verb : "", *space = command->verb ? " " : "";
    unsigned skip = command->verb == NULL ? 1 : 2, min, max;
    unsigned given = words->plain_count - skip;
    command_operand_range(command, &min, &max);
    if (given > max)
        return cr_error_set(err, -EINVAL, "'%s' is one word too many; write: carrel %s%s%s %s",
                            words->plain[skip + max], command->noun, space, verb,
                            command->operands);
    if (given < min)
        return cr_error_set(err, -EINVAL, "something is missing; write: carrel %s%s%s %s",
                            command->noun, space, verb, command->operands);
    for (unsigned i = 0; i < given; i++)
        cli->operands[i] = words->plain[skip + i];
    cli->operand_count = given;
    return 0;
}

int cli_parse(struct cli *cli, int argc, char *const *argv, struct cr_error *err)
{
    struct words words = {.argc = argc, .next = 1, .argv = argv};
    const char *noun = NULL;
    *cli = (struct cli){0};
    cli->command = command_ahead(&words, &noun);
    int r = words_take(cli, &words, err);
    if (r < 0)
        return r;
    if (cli_has(cli, OPT_HELP) || cli_has(cli, OPT_VERSION)) {
        /* `carrel image --help`: the operand tells main which noun. */
        cli->operands[0] = words.plain_count > 0 ? words.plain[0] : NULL;
        return noun != NULL && !noun_exists(noun) ? command_missing(noun, &words, err) : 0;
    }
    if (cli->command == NULL)
        return command_missing(noun, &words, err);
    r = threads_take(cli, err);
    return r < 0 ? r : operands_take(cli, &words, err);
}
