/* SPDX-License-Identifier: MIT */
#include "image-tools/output.h"

#include "image-tools/text.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/image/channel.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

void json_cleanup(json_t **json)
{
    json_decref(*json);
}

int output_json(json_t *json, struct cr_error *err)
{
    if (json == NULL || json_dumpf(json, stdout, JSON_INDENT(2)) != 0) {
        json_decref(json);
        return cr_error_set(err, -ENOMEM, "cannot print the result as JSON");
    }
    putchar('\n');
    json_decref(json);
    return 0;
}

void output_channels(const struct cr_head *head, uint64_t number, output_channel *sink,
                     void *context)
{
    CLEANUP_FREE const char **names = NULL;
    size_t count = 0;
    if (head == NULL || cr_head_channels(head, &names, &count) < 0)
        return;
    for (size_t i = 0; i < count; i++) {
        const struct cr_change *held = cr_head_channel(head, names[i], (int64_t)time(NULL));
        if (held != NULL && held->number == number)
            sink(context, names[i]);
    }
}

static void channel_json(void *context, const char *channel)
{
    json_array_append_new(context, json_string(channel));
}

static void channel_text(void *context, const char *channel)
{
    const char **before = context;
    printf("%s%s", *before, channel);
    *before = ", ";
}

json_t *output_version(const struct cr_head *head, const char *name,
                       const struct cr_version_info *v)
{
    char root[CR_ID_HEX], record[CR_ID_HEX], parent[CR_REF_TEXT], ref[CR_REF_TEXT];
    struct cr_ref self = {.number = v->number};
    snprintf(self.name, sizeof(self.name), "%s", name);
    json_t *channels = json_array();
    output_channels(head, v->number, channel_json, channels);
    return json_pack(
        "{s:s, s:s, s:I, s:s, s:I, s:I, s:I, s:I, s:s?, s:s, s:s, s:s?, s:b, s:o}", "ref",
        cr_ref_format(&self, ref), "image", name, "version", (json_int_t)v->number, "root",
        cr_id_format(&v->root, root), "disk_bytes", (json_int_t)v->disk_bytes, "data_bytes",
        (json_int_t)v->data_bytes, "stored_bytes", (json_int_t)v->stored_bytes, "created_s",
        (json_int_t)v->created_s, "parent",
        v->parent.name[0] != '\0' ? cr_ref_format(&v->parent, parent) : NULL, "message", v->message,
        "by", v->by, "record", cr_id_is_hole(&v->record) ? NULL : cr_id_format(&v->record, record),
        "pinned", (int)v->pinned, "channels", channels);
}

void output_version_text(const struct cr_head *head, const char *name,
                         const struct cr_version_info *v)
{
    char root[CR_ID_HEX], parent[CR_REF_TEXT], created[TEXT_TIME];
    char disk[CR_BYTES_TEXT], data[CR_BYTES_TEXT], stored[CR_BYTES_TEXT];
    char message[CR_MESSAGE_BYTES_MAX + 1], by[CR_WHO_BYTES_MAX + 1];
    const char *before = "  channels  ";
    printf("%s@%" PRIu64 "%s\n", name, v->number, v->pinned ? " (pinned)" : "");
    printf("  root      %s\n", cr_id_format(&v->root, root));
    printf("  disk      %s (%" PRIu64 " bytes), %s of it data\n",
           cr_bytes_format(v->disk_bytes, disk, sizeof(disk)), v->disk_bytes,
           cr_bytes_format(v->data_bytes, data, sizeof(data)));
    printf("  stored    %s were new to the store\n",
           cr_bytes_format(v->stored_bytes, stored, sizeof(stored)));
    printf("  made      %s%s%s\n", text_time(v->created_s, created), v->by[0] != '\0' ? " by " : "",
           text_clean(v->by, by, sizeof(by)));
    if (v->parent.name[0] != '\0')
        printf("  made from %s\n", cr_ref_format(&v->parent, parent));
    output_channels(head, v->number, channel_text, &before);
    if (before[0] == ',')
        putchar('\n');
    if (!cr_id_is_hole(&v->record))
        printf("  record    %s\n", cr_id_format(&v->record, root));
    if (v->message[0] != '\0')
        printf("  message   %s\n", text_clean(v->message, message, sizeof(message)));
}

json_t *output_change(const char *name, const struct cr_change *c)
{
    struct cr_ref ref = {.number = c->number};
    char text[CR_REF_TEXT];
    snprintf(ref.name, sizeof(ref.name), "%s", name);
    return json_pack("{s:s, s:s, s:s?, s:I, s:I, s:s, s:s}", "channel", c->channel, "kind",
                     c->kind == CR_CHANGE_PROMOTE ? "promote" : "rollback", "ref",
                     c->number != 0 ? cr_ref_format(&ref, text) : NULL, "set_s",
                     (json_int_t)c->set_s, "at_s", (json_int_t)c->at_s, "by", c->by, "why", c->why);
}
