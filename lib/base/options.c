/* SPDX-License-Identifier: MIT */
#include "lib/base/options.h"

#include "lib/base/mem.h"
#include "lib/base/num.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>

static const struct {
    const char *is_no, *such_as;
    int (*parse)(const char *text, uint64_t max, uint64_t *ret_value);
} amounts[] = {
    [CR_OPTION_SIZE] = {"size", "20M", cr_bytes_parse},
    [CR_OPTION_NUMBER] = {"number", "7", cr_u64_parse},
    [CR_OPTION_SPAN] = {"span of time", "90s or 7d", cr_span_parse},
};

static int amount_store(const struct cr_option *option, const char *text, uint64_t *field,
                        struct cr_error *err)
{
    uint64_t value = 0;
    if (amounts[option->kind].parse(text, option->max, &value) < 0 || value < option->min)
        return cr_error_set(err, -EINVAL,
                            "'--%s %.100s' is not a %s from %" PRIu64 " to %" PRIu64 "; write %s",
                            option->name, text, amounts[option->kind].is_no, option->min,
                            option->max, amounts[option->kind].such_as);
    *field = value;
    return 0;
}

static int option_store(const struct cr_option *option, const char *text, void *options,
                        struct cr_error *err)
{
    char *field = (char *)options + option->offset;
    struct cr_option_list *list = (struct cr_option_list *)(void *)field;
    switch (option->kind) {
    case CR_OPTION_TEXT:
        memcpy(field, &text, sizeof(text));
        return 0;
    case CR_OPTION_FLAG:
        *(bool *)field = true;
        return 0;
    case CR_OPTION_LIST:
        if (list->count == CR_OPTION_LIST_MAX)
            return cr_error_set(err, -EINVAL, "more than %u times '--%s'", CR_OPTION_LIST_MAX,
                                option->name);
        list->texts[list->count++] = text;
        return 0;
    case CR_OPTION_SIZE:
    case CR_OPTION_NUMBER:
    case CR_OPTION_SPAN:
        break;
    }
    return amount_store(option, text, (uint64_t *)(void *)field, err);
}

static size_t table_len(const struct cr_option *table)
{
    size_t len = 0;
    while (table[len].name != NULL)
        len++;
    return len;
}

int cr_options_parse(const struct cr_option *table, int argc, char **argv, void *options,
                     int *ret_operand, struct cr_error *err)
{
    size_t len = table_len(table);
    CLEANUP_FREE struct option *longs = cr_calloc(len + 1, sizeof(*longs));
    if (longs == NULL)
        return cr_error_errno(err, -ENOMEM, "reading the command line");
    for (size_t i = 0; i < len; i++)
        longs[i] = (struct option){
            table[i].name, table[i].argument ? required_argument : no_argument, NULL, (int)i + 1};
    opterr = 0;
    optind = 0; /* begin anew, whatever was parsed before */
    for (int c; (c = getopt_long(argc, argv, ":", longs, NULL)) != -1;) {
        if (c == ':')
            return cr_error_set(err, -EINVAL, "'%.100s' needs a value; see --help",
                                argv[optind - 1]);
        if (c < 1 || c > (int)len)
            return cr_error_set(err, -EINVAL, "'%.100s' is no option; see --help",
                                argv[optind - 1]);
        int r = option_store(&table[c - 1], optarg, options, err);
        if (r < 0)
            return r;
    }
    *ret_operand = optind;
    return 0;
}

int cr_options_check(const struct cr_option *table, const void *options, struct cr_error *err)
{
    for (const struct cr_option *option = table; option->name != NULL; option++) {
        const char *field = (const char *)options + option->offset;
        const char *text = NULL;
        if (!option->needed)
            continue;
        memcpy(&text, field, sizeof(text)); /* a list begins with its first text */
        if (text == NULL)
            return cr_error_set(err, -EINVAL, "'--%s %s' is missing: %s", option->name,
                                option->argument, option->help);
    }
    return 0;
}

void cr_options_help(const struct cr_option *table)
{
    for (const struct cr_option *option = table; option->name != NULL; option++) {
        char left[64];
        snprintf(left, sizeof(left), "--%s%s%s", option->name, option->argument ? " " : "",
                 option->argument ? option->argument : "");
        printf("  %-26s %s\n", left, option->help);
    }
}
