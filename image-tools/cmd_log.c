/* SPDX-License-Identifier: MIT */
/* carrel image log NAME: newest first, with lines that lead to what each was made from; or the
 * history of a channel */
#include "image-tools/commands.h"
#include "image-tools/output.h"
#include "image-tools/text.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"

#include <errno.h>
#include <inttypes.h>

/*
 * The drawing: each column is a line that leads down to the version it waits for. A version stands
 * in the first column that waits for it (or in a new one), the others that wait for it end there.
 */
#define LOG_COLUMNS_MAX 32

struct graph {
    uint64_t waits[LOG_COLUMNS_MAX]; /* number of a version; 0 = the column is free */
    unsigned columns;
};

/* The column of version `number`; LOG_COLUMNS_MAX when there are too many branches to draw. */
static unsigned graph_place(struct graph *graph, uint64_t number)
{
    for (unsigned i = 0; i < graph->columns; i++)
        if (graph->waits[i] == number)
            return i;
    for (unsigned i = 0; i < graph->columns; i++)
        if (graph->waits[i] == 0)
            return i;
    return graph->columns < LOG_COLUMNS_MAX ? graph->columns++ : LOG_COLUMNS_MAX;
}

/* Two characters a column; the column `mark` gets a star. */
static void graph_draw(const struct graph *graph, unsigned mark)
{
    for (unsigned i = 0; i < graph->columns; i++)
        printf("%c ", i == mark ? '*' : graph->waits[i] != 0 ? '|' : ' ');
}

/* The columns right of `column` that wait for the same version join it: "|/", "|_/", "|_|/" ... */
static void graph_join(struct graph *graph, unsigned column)
{
    uint64_t number = graph->waits[column];
    for (unsigned i = column + 1; i < graph->columns; i++) {
        if (graph->waits[i] != number)
            continue;
        graph->waits[i] = 0;
        for (unsigned k = 0; k < graph->columns; k++) {
            bool line = graph->waits[k] != 0, crossed = k >= column && k < i;
            char below = k == i - 1 ? '/' : crossed ? '_' : ' ';
            printf("%c%c", line ? '|' : k > column && k < i ? '_' : ' ', below);
        }
        putchar('\n');
    }
    while (graph->columns > 0 && graph->waits[graph->columns - 1] == 0)
        graph->columns--;
}

static void channel_label(void *context, const char *channel)
{
    (void)context;
    printf("  [%s]", channel);
}

/* Who made it, what from, and what points at it. */
static void log_notes(const struct cr_head *head, const struct cr_version_info *v)
{
    char parent[CR_REF_TEXT], by[CR_WHO_BYTES_MAX + 1], message[CR_MESSAGE_BYTES_MAX + 1];
    bool removed = strcmp(v->parent.name, head->name) == 0 && v->parent.number != 0 &&
                   cr_head_find(head, v->parent.number) == NULL;
    if (v->parent.name[0] != '\0')
        printf("  from %s%s", cr_ref_format(&v->parent, parent), removed ? " (removed)" : "");
    if (v->by[0] != '\0')
        printf("  by %s", text_clean(v->by, by, sizeof(by)));
    output_channels(head, v->number, channel_label, NULL);
    if (v->pinned)
        printf("  [pinned]");
    if (v->message[0] != '\0')
        printf("  %s", text_clean(v->message, message, sizeof(message)));
    putchar('\n');
}

static void log_line(struct graph *graph, const struct cr_head *head,
                     const struct cr_version_info *v)
{
    char ref[CR_REF_TEXT], made[TEXT_TIME], data[CR_BYTES_TEXT], stored[CR_BYTES_TEXT];
    struct cr_ref self = {.number = v->number};
    snprintf(self.name, sizeof(self.name), "%s", head->name);

    unsigned column = graph_place(graph, v->number);
    if (column < LOG_COLUMNS_MAX) {
        graph->waits[column] = v->number;
        graph_join(graph, column);
    }
    graph_draw(graph, column);
    printf("%s  %s  data %s, %s new", cr_ref_format(&self, ref), text_time(v->created_s, made),
           cr_bytes_format(v->data_bytes, data, sizeof(data)),
           cr_bytes_format(v->stored_bytes, stored, sizeof(stored)));
    bool same = strcmp(v->parent.name, head->name) == 0;
    bool drawn = same && cr_head_find(head, v->parent.number) != NULL;
    log_notes(head, v);
    if (column < LOG_COLUMNS_MAX)
        graph->waits[column] = drawn && v->parent.number < v->number ? v->parent.number : 0;
}

/* --- the history of a channel ----------------------------------------------------------------- */

static void change_line(const struct cr_head *head, const struct cr_change *c)
{
    char set[TEXT_TIME], at[TEXT_TIME], by[CR_WHO_BYTES_MAX + 1], why[CR_MESSAGE_BYTES_MAX + 1];
    printf("%s  %s  ", text_time(c->set_s, set),
           c->kind == CR_CHANGE_PROMOTE ? "promote " : "rollback");
    if (c->number == 0)
        printf("ends");
    else
        printf("%s@%" PRIu64 "%s", head->name, c->number,
               cr_head_find(head, c->number) == NULL ? " (removed)" : "");
    if (c->at_s != c->set_s)
        printf("  from %s", text_time(c->at_s, at));
    if (c->by[0] != '\0')
        printf("  by %s", text_clean(c->by, by, sizeof(by)));
    printf("%s%s\n", c->why[0] != '\0' ? "  " : "", text_clean(c->why, why, sizeof(why)));
}

static int history(const struct cli *cli, const struct cr_head *head, const char *channel,
                   struct cr_error *err)
{
    CLEANUP(json_cleanup) json_t *list = json_array();
    bool any = false;
    for (uint32_t i = head->change_count; i > 0; i--) {
        const struct cr_change *c = &head->changes[i - 1];
        if (strcmp(c->channel, channel) != 0)
            continue;
        any = true;
        if (cli_has(cli, OPT_JSON))
            json_array_append_new(list, output_change(head->name, c));
        else
            change_line(head, c);
    }
    if (!any)
        return cr_error_set(err, -ENOENT,
                            "image '%s' never had a channel '%.60s'; `carrel image channels %s` "
                            "lists what there is",
                            head->name, channel, head->name);
    if (!cli_has(cli, OPT_JSON) && head->change_count >= CR_CHANGES_KEPT)
        printf("older changes may have been let go: of all channels the newest %u are kept\n",
               CR_CHANGES_KEPT);
    return cli_has(cli, OPT_JSON) ? output_json(TAKE_PTR(list), err) : 0;
}

int cmd_image_log(struct cli *cli, struct cr_error *err)
{
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    CLEANUP(cr_head_done) struct cr_head head = {0};
    struct cr_ref ref;
    int r = cr_ref_parse(cli->operands[0], &ref, err);
    if (r == 0)
        r = cli_store_open(cli, &store, err);
    if (r == 0)
        r = cr_store_head_read(store, ref.name, &head, NULL, err);
    if (r < 0)
        return r;
    if (ref.channel[0] != '\0' || cli_has(cli, OPT_CHANNEL))
        return history(cli, &head, ref.channel[0] != '\0' ? ref.channel : cli->values[OPT_CHANNEL],
                       err);
    if (cli_has(cli, OPT_JSON)) {
        json_t *list = json_array();
        for (uint32_t i = head.count; i > 0; i--)
            json_array_append_new(list, output_version(&head, ref.name, &head.versions[i - 1]));
        return output_json(list, err);
    }
    struct graph graph = {0};
    for (uint32_t i = head.count; i > 0; i--)
        log_line(&graph, &head, &head.versions[i - 1]);
    return 0;
}
