/* SPDX-License-Identifier: MIT */
/* carrel completion bash, and the hidden command that lists what NAME@N may be. */
#include "image-tools/commands.h"
#include "image-tools/names.h"
#include "lib/base/mem.h"
#include "lib/image/channel.h"

#include <inttypes.h>

static void print_words(const char *noun)
{
    for (const struct command *c = commands; c->noun != NULL; c++)
        if (c->summary != NULL && c->verb != NULL && strcmp(c->noun, noun) == 0)
            printf(" %s", c->verb);
}

static void print_nouns(void)
{
    const char *before = "";
    for (const struct command *c = commands; c->noun != NULL; c++) {
        if (c->summary != NULL && strcmp(c->noun, before) != 0)
            printf(" %s", c->noun);
        before = c->noun;
    }
}

static void print_option_names(const struct option *list)
{
    for (; list != NULL && list->name != NULL; list++)
        printf(" --%s", list->name);
}

/* One case line: what may follow "noun verb" besides options, one word a position. */
static void print_case(const struct command *c)
{
    printf("        '%s %s') options='", c->noun, c->verb ? c->verb : "");
    print_option_names(c->options);
    printf("'; operands='%s' ;;\n", c->operands);
}

static void print_valued(void)
{
    /* An option may stand in several lists: a shell pattern does not mind. */
    const char *separator = "";
    for (const struct option *o = global_options; o->name != NULL; o++)
        if (o->argument != NULL) {
            printf("%s--%s", separator, o->name);
            separator = "|";
        }
    for (const struct command *c = commands; c->noun != NULL; c++)
        for (const struct option *o = c->options; o != NULL && o->name != NULL; o++)
            if (o->argument != NULL)
                printf("|--%s", o->name);
}

static const char head[] =
    "# Completion of carrel for bash; printed by `carrel completion bash`.\n"
    "_carrel() {\n"
    "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
    "    local -a words=() store=()\n"
    "    local i word options='' operands='' kind='' choices=''\n"
    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "        word=${COMP_WORDS[i]}\n"
    "        case $word in\n"
    "            --store) store=(--store \"${COMP_WORDS[i+1]:-}\"); i=$((i + 1)) ;;\n";

static const char middle[] = "            -*) ;;\n"
                             "            *) words+=(\"$word\") ;;\n"
                             "        esac\n"
                             "    done\n"
                             "    COMPREPLY=()\n";

static const char refs[] =
    "    case $kind in\n"
    "        NAME*|'[NAME'*) choices=$(carrel \"${store[@]}\" internal refs 2>/dev/null) ;;\n"
    "        FORMAT) choices='raw qcow2 vmdk vhdx' ;;\n"
    "        FILE|OVERLAY|DIR|URI) mapfile -t COMPREPLY < <(compgen -f -- \"$current\"); return "
    ";;\n"
    "    esac\n"
    "    mapfile -t COMPREPLY < <(compgen -W \"$choices\" -- \"$current\")\n"
    "}\n"
    "# '@', ':' and '=' shall not split words.\n"
    "COMP_WORDBREAKS=${COMP_WORDBREAKS//[@=:]/}\n"
    "complete -o filenames -F _carrel carrel\n";

int cmd_completion_bash(struct cli *cli, struct cr_error *err)
{
    (void)cli;
    (void)err;
    fputs(head, stdout);
    printf("            ");
    print_valued();
    printf(") i=$((i + 1)) ;;\n");
    fputs(middle, stdout);
    printf("    case \"${words[0]:-} ${words[1]:-}\" in\n");
    for (const struct command *c = commands; c->noun != NULL; c++)
        if (c->summary != NULL)
            print_case(c);
    printf("    esac\n    case $previous in\n");
    printf("        --parent|--base) kind=NAME ;;\n        --format) kind=FORMAT ;;\n"
           "        --store) kind=URI ;;\n        ");
    print_valued();
    printf(") return ;;\n        *)\n"
           "            if [[ $current == -* ]]; then\n"
           "                choices=\"$options");
    print_option_names(global_options);
    printf("\"\n"
           "            elif ((${#words[@]} == 0)); then\n                choices='");
    print_nouns();
    printf(
        "'\n            elif ((${#words[@]} == 1)); then\n                case ${words[0]} in\n");
    const char *before = "";
    for (const struct command *c = commands; c->noun != NULL; c++) {
        if (c->summary != NULL && c->verb != NULL && strcmp(c->noun, before) != 0) {
            printf("                    %s) choices='", c->noun);
            print_words(c->noun);
            printf("' ;;\n");
        }
        before = c->noun;
    }
    printf("                    help) choices='");
    print_nouns();
    printf("' ;;\n                esac\n            else\n"
           "                local -a shown=($operands)\n"
           "                kind=${shown[${#words[@]}-2]:-}\n"
           "            fi ;;\n    esac\n");
    fputs(refs, stdout);
    return 0;
}

/* --- hidden: every NAME, NAME@N and NAME:CHANNEL of the store, one a line ----------------------
 */

static void channels_print(const struct cr_head *found)
{
    CLEANUP_FREE const char **channels = NULL;
    size_t count = 0;
    if (cr_head_channels(found, &channels, &count) < 0)
        return;
    for (size_t i = 0; i < count; i++)
        printf("%s:%s\n", found->name, channels[i]);
}

int cmd_internal_refs(struct cli *cli, struct cr_error *err)
{
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    CLEANUP(names_done) struct names names = {0};
    int r = cli_store_open(cli, &store, err);
    if (r == 0)
        r = names_read(store, &names, err);
    for (size_t i = 0; r == 0 && i < names.count; i++) {
        struct cr_head found = {0};
        printf("%s\n", names.items[i].text);
        if (cr_store_head_read(store, names.items[i].text, &found, NULL, NULL) < 0)
            continue;
        for (uint32_t v = 0; v < found.count; v++)
            printf("%s@%" PRIu64 "\n", names.items[i].text, found.versions[v].number);
        channels_print(&found);
        cr_head_done(&found);
    }
    return r;
}
