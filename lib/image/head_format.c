/* SPDX-License-Identifier: MIT */
/* A head as bytes: the line that protects it, then JSON (FORMAT.md, "Head"). */
#include "lib/base/mem.h"
#include "lib/image/head.h"

#include <errno.h>
#include <jansson.h>

/* What is written is form 2; form 1 (no channels, pins, publishers) is still read. */
#define HEAD_MAGIC      "carrel-head "
#define HEAD_MAGIC_LEN  (sizeof(HEAD_MAGIC) - 1)
#define HEAD_DIGEST     (HEAD_MAGIC_LEN + 2) /* the form's digit and a space */
#define HEAD_HEADER_LEN (HEAD_DIGEST + 2 * CR_ID_BYTES + 1)

static const char *const kinds[] = {
    [CR_CHANGE_PROMOTE] = "promote", [CR_CHANGE_ROLLBACK] = "rollback"};

static void json_cleanup(json_t **json)
{
    json_decref(*json);
}

/* --- writing --------------------------------------------------------------------------------- */

static json_t *version_to_json(const struct cr_version_info *v)
{
    char root[CR_ID_HEX], record[CR_ID_HEX], parent[CR_REF_TEXT];
    return json_pack("{s:I, s:s, s:I, s:I, s:I, s:I, s:s, s:s, s:s, s:s, s:b}", "number",
                     (json_int_t)v->number, "root", cr_id_format(&v->root, root), "disk_bytes",
                     (json_int_t)v->disk_bytes, "data_bytes", (json_int_t)v->data_bytes,
                     "stored_bytes", (json_int_t)v->stored_bytes, "created_s",
                     (json_int_t)v->created_s, "parent", cr_ref_format(&v->parent, parent),
                     "message", v->message, "by", v->by, "record",
                     cr_id_is_hole(&v->record) ? "" : cr_id_format(&v->record, record), "pinned",
                     (int)v->pinned);
}

static json_t *change_to_json(const struct cr_change *c)
{
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:s, s:s}", "channel", c->channel, "kind",
                     kinds[c->kind], "number", (json_int_t)c->number, "set_s", (json_int_t)c->set_s,
                     "at_s", (json_int_t)c->at_s, "by", c->by, "why", c->why);
}

int cr_head_format(const struct cr_head *head, struct cr_buf *out)
{
    CLEANUP(json_cleanup) json_t *versions = json_array();
    CLEANUP(json_cleanup) json_t *changes = json_array();
    for (uint32_t i = 0; i < head->count; i++)
        if (json_array_append_new(versions, version_to_json(&head->versions[i])) != 0)
            return -EINVAL; /* a text is not UTF-8 */
    for (uint32_t i = 0; i < head->change_count; i++)
        if (json_array_append_new(changes, change_to_json(&head->changes[i])) != 0)
            return -EINVAL;
    CLEANUP(json_cleanup)
    json_t *json = json_pack("{s:s, s:I, s:O, s:O}", "name", head->name, "next",
                             (json_int_t)(head->next ? head->next : 1), "versions", versions,
                             "changes", changes);
    if (json == NULL)
        return -ENOMEM;
    CLEANUP_FREE char *text = json_dumps(json, JSON_INDENT(1) | JSON_SORT_KEYS);
    if (text == NULL)
        return -ENOMEM;
    struct cr_id id;
    char hex[CR_ID_HEX];
    cr_hash(text, strlen(text), &id);
    int r = cr_buf_printf(out, "%s2 %s\n", HEAD_MAGIC, cr_id_format(&id, hex));
    return r < 0 ? r : cr_buf_append(out, text, strlen(text));
}

/* --- reading --------------------------------------------------------------------------------- */

/* What form 2 says of a version on top of form 1. */
static int version_additions(json_t *json, struct cr_version_info *v)
{
    const char *by, *record;
    int pinned;
    if (json_object_size(json) != 11 ||
        json_unpack(json, "{s:s, s:s, s:b}", "by", &by, "record", &record, "pinned", &pinned) != 0)
        return -EBADMSG;
    if (strlen(by) > CR_WHO_BYTES_MAX)
        return -EBADMSG;
    if (record[0] != '\0' &&
        (cr_id_parse(record, strlen(record), &v->record) < 0 || cr_id_is_hole(&v->record)))
        return -EBADMSG;
    snprintf(v->by, sizeof(v->by), "%s", by);
    v->pinned = pinned != 0;
    return 0;
}

static int version_from_json(json_t *json, int form, struct cr_version_info *ret_version)
{
    json_int_t number, disk_bytes, data_bytes, stored_bytes, created_s;
    const char *root, *parent, *message;
    struct cr_version_info v = {0};
    if (json_unpack(json, "{s:I, s:s, s:I, s:I, s:I, s:I, s:s, s:s}", "number", &number, "root",
                    &root, "disk_bytes", &disk_bytes, "data_bytes", &data_bytes, "stored_bytes",
                    &stored_bytes, "created_s", &created_s, "parent", &parent, "message",
                    &message) != 0)
        return -EBADMSG;
    if (number < 1 || disk_bytes < 1 || (uint64_t)disk_bytes > CR_DISK_BYTES_MAX ||
        data_bytes < 0 || (uint64_t)data_bytes > CR_DISK_BYTES_MAX || stored_bytes < 0 ||
        cr_id_parse(root, strlen(root), &v.root) < 0 || strlen(message) > CR_MESSAGE_BYTES_MAX)
        return -EBADMSG;
    if (parent[0] != '\0' &&
        (cr_ref_parse(parent, &v.parent, NULL) < 0 || v.parent.channel[0] != '\0'))
        return -EBADMSG;
    v.number = (uint64_t)number;
    v.disk_bytes = (uint64_t)disk_bytes;
    v.data_bytes = (uint64_t)data_bytes;
    v.stored_bytes = (uint64_t)stored_bytes;
    v.created_s = created_s;
    memcpy(v.message, message, strlen(message) + 1);
    if (form == 1 ? json_object_size(json) != 8 : version_additions(json, &v) < 0)
        return -EBADMSG;
    *ret_version = v;
    return 0;
}

static int change_from_json(json_t *json, uint64_t next, struct cr_change *ret_change)
{
    json_int_t number, set_s, at_s;
    const char *channel, *kind, *by, *why;
    struct cr_change c = {0};
    if (json_unpack(json, "{s:s, s:s, s:I, s:I, s:I, s:s, s:s !}", "channel", &channel, "kind",
                    &kind, "number", &number, "set_s", &set_s, "at_s", &at_s, "by", &by, "why",
                    &why) != 0)
        return -EBADMSG;
    bool rollback = strcmp(kind, kinds[CR_CHANGE_ROLLBACK]) == 0;
    if ((!rollback && strcmp(kind, kinds[CR_CHANGE_PROMOTE]) != 0) ||
        !cr_channel_is_valid(channel) || number < 0 || (uint64_t)number >= next ||
        strlen(by) > CR_WHO_BYTES_MAX || strlen(why) > CR_MESSAGE_BYTES_MAX)
        return -EBADMSG;
    c.kind = rollback ? CR_CHANGE_ROLLBACK : CR_CHANGE_PROMOTE;
    c.number = (uint64_t)number;
    c.set_s = set_s;
    c.at_s = at_s;
    snprintf(c.channel, sizeof(c.channel), "%s", channel);
    snprintf(c.by, sizeof(c.by), "%s", by);
    snprintf(c.why, sizeof(c.why), "%s", why);
    *ret_change = c;
    return 0;
}

static int versions_from_json(json_t *versions, int form, struct cr_head *head,
                              struct cr_error *err)
{
    if (json_array_size(versions) > CR_HEAD_VERSIONS_MAX)
        return cr_error_set(err, -EBADMSG, "it lists more than %u versions", CR_HEAD_VERSIONS_MAX);
    head->versions = cr_calloc(json_array_size(versions), sizeof(*head->versions));
    if (head->versions == NULL)
        return cr_error_errno(err, -ENOMEM, "a head");
    uint64_t before = 0;
    for (size_t i = 0; i < json_array_size(versions); i++) {
        struct cr_version_info *v = &head->versions[i];
        if (version_from_json(json_array_get(versions, i), form, v) < 0 || v->number <= before ||
            v->number >= head->next)
            return cr_error_set(err, -EBADMSG, "entry %zu of its versions is wrong", i + 1);
        before = v->number;
        head->count++;
    }
    return 0;
}

static int changes_from_json(json_t *changes, struct cr_head *head, struct cr_error *err)
{
    if (json_array_size(changes) > CR_CHANGES_MAX)
        return cr_error_set(err, -EBADMSG, "it lists more than %u changes", CR_CHANGES_MAX);
    head->changes = cr_calloc(json_array_size(changes), sizeof(*head->changes));
    if (head->changes == NULL)
        return cr_error_errno(err, -ENOMEM, "a head");
    for (size_t i = 0; i < json_array_size(changes); i++) {
        if (change_from_json(json_array_get(changes, i), head->next, &head->changes[i]) < 0)
            return cr_error_set(err, -EBADMSG, "entry %zu of its changes is wrong", i + 1);
        head->change_count++;
    }
    return 0;
}

static int head_from_json(json_t *json, int form, const char *name, struct cr_head *head,
                          struct cr_error *err)
{
    const char *found;
    json_int_t next;
    json_t *versions, *changes = NULL;
    if (json_unpack(json, "{s:s, s:I, s:o, s?o !}", "name", &found, "next", &next, "versions",
                    &versions, "changes", &changes) != 0 ||
        !json_is_array(versions) || next < 1 ||
        (form == 1 ? changes != NULL : !json_is_array(changes)))
        return cr_error_set(err, -EBADMSG,
                            "its name, next, versions%s field is missing or wrong, "
                            "or another stands beside them",
                            form == 1 ? "" : " or changes");
    if (strcmp(found, name) != 0)
        return cr_error_set(err, -EBADMSG, "it is the head of '%.64s'", found);
    snprintf(head->name, sizeof(head->name), "%s", name);
    head->next = (uint64_t)next;
    int r = versions_from_json(versions, form, head, err);
    return r == 0 && form == 2 ? changes_from_json(changes, head, err) : r;
}

/* The form that the first line says; 0 when the line is wrong. */
static int first_line(const char *text, size_t len, struct cr_id *ret_written)
{
    if (len < HEAD_HEADER_LEN || memcmp(text, HEAD_MAGIC, HEAD_MAGIC_LEN) != 0 ||
        (text[HEAD_MAGIC_LEN] != '1' && text[HEAD_MAGIC_LEN] != '2') ||
        text[HEAD_MAGIC_LEN + 1] != ' ' ||
        cr_id_parse(text + HEAD_DIGEST, 2 * CR_ID_BYTES, ret_written) < 0 ||
        text[HEAD_HEADER_LEN - 1] != '\n')
        return 0;
    return text[HEAD_MAGIC_LEN] - '0';
}

int cr_head_parse(const void *data, size_t len, const char *name, struct cr_head *ret_head,
                  struct cr_error *err)
{
    const char *text = data;
    struct cr_id written = {0}, found;
    if (len > CR_HEAD_BYTES_MAX)
        return cr_error_set(err, -EBADMSG, "it has more than %llu bytes", CR_HEAD_BYTES_MAX);
    int form = first_line(text, len, &written);
    if (form == 0)
        return cr_error_set(err, -EBADMSG,
                            "its first line is not \"carrel-head 2 SHA256\" (nor 1 as before)");
    cr_hash(text + HEAD_HEADER_LEN, len - HEAD_HEADER_LEN, &found);
    if (!cr_id_equal(&written, &found))
        return cr_error_set(err, -EBADMSG, "its bytes do not hash to what its first line says");
    json_error_t why;
    CLEANUP(json_cleanup)
    json_t *json =
        json_loadb(text + HEAD_HEADER_LEN, len - HEAD_HEADER_LEN, JSON_REJECT_DUPLICATES, &why);
    if (json == NULL)
        return cr_error_set(err, -EBADMSG, "it is not JSON: %s", why.text);
    struct cr_head head = {0};
    int r = head_from_json(json, form, name, &head, err);
    if (r < 0) {
        cr_head_done(&head);
        return r;
    }
    *ret_head = head;
    return 0;
}
