/* SPDX-License-Identifier: MIT */
#include "lib/image/head.h"

#include "lib/base/mem.h"
#include "lib/base/num.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>

#define HEAD_FIRST_LINE "carrel-head 1 "
#define HEAD_HEADER_LEN (sizeof(HEAD_FIRST_LINE) - 1 + 2 * CR_ID_BYTES + 1)

/* --- references ------------------------------------------------------------------------------ */

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool name_is_valid(const char *name, size_t len)
{
    if (len == 0 || len > CR_NAME_MAX || !name_char(name[0]))
        return false;
    for (size_t i = 1; i < len; i++)
        if (!name_char(name[i]) && strchr("._-", name[i]) == NULL)
            return false;
    return true;
}

int cr_ref_parse(const char *text, struct cr_ref *ret_ref, struct cr_error *err)
{
    struct cr_ref ref = {0};
    const char *at = strchr(text, '@');
    size_t len = at == NULL ? strlen(text) : (size_t)(at - text);
    if (!name_is_valid(text, len))
        return cr_error_set(err, -EINVAL,
                            "'%.100s' is not an image name: use 1 to %u letters, digits, '.', '_', "
                            "'-', a letter or digit first",
                            text, CR_NAME_MAX);
    if (at != NULL && (cr_u64_parse(at + 1, INT64_MAX, &ref.number) < 0 || ref.number == 0))
        return cr_error_set(err, -EINVAL,
                            "'%.100s' does not name a version: write NAME@N with N from 1", text);
    memcpy(ref.name, text, len);
    *ret_ref = ref;
    return 0;
}

const char *cr_ref_format(const struct cr_ref *ref, char out[static CR_REF_TEXT])
{
    if (ref->number == 0)
        snprintf(out, CR_REF_TEXT, "%s", ref->name);
    else
        snprintf(out, CR_REF_TEXT, "%s@%" PRIu64, ref->name, ref->number);
    return out;
}

/* --- versions -------------------------------------------------------------------------------- */

void cr_head_done(struct cr_head *head)
{
    free(head->versions);
    *head = (struct cr_head){0};
}

const struct cr_version_info *cr_head_find(const struct cr_head *head, uint64_t number)
{
    if (number == 0)
        return head->count > 0 ? &head->versions[head->count - 1] : NULL;
    for (uint32_t i = 0; i < head->count; i++)
        if (head->versions[i].number == number)
            return &head->versions[i];
    return NULL;
}

int cr_head_add(struct cr_head *head, const struct cr_version_info *info, uint64_t *ret_number)
{
    if (head->count >= CR_HEAD_VERSIONS_MAX || head->next >= INT64_MAX)
        return -ENOSPC;
    struct cr_version_info *versions =
        realloc(head->versions, (head->count + 1) * sizeof(*versions));
    if (versions == NULL)
        return -ENOMEM;
    head->versions = versions;
    if (head->next == 0)
        head->next = 1;
    versions[head->count] = *info;
    versions[head->count].number = head->next;
    *ret_number = head->next;
    head->count++;
    head->next++;
    return 0;
}

int cr_head_remove(struct cr_head *head, uint64_t number)
{
    for (uint32_t i = 0; i < head->count; i++) {
        if (head->versions[i].number != number)
            continue;
        memmove(&head->versions[i], &head->versions[i + 1],
                (head->count - i - 1) * sizeof(head->versions[0]));
        head->count--;
        return 0;
    }
    return -ENOENT;
}

/* --- JSON ------------------------------------------------------------------------------------ */

static void json_cleanup(json_t **json)
{
    json_decref(*json);
}

static json_t *version_to_json(const struct cr_version_info *v)
{
    char root[CR_ID_HEX], parent[CR_REF_TEXT];
    return json_pack("{s:I, s:s, s:I, s:I, s:I, s:I, s:s, s:s}", "number", (json_int_t)v->number,
                     "root", cr_id_format(&v->root, root), "disk_bytes", (json_int_t)v->disk_bytes,
                     "data_bytes", (json_int_t)v->data_bytes, "stored_bytes",
                     (json_int_t)v->stored_bytes, "created_s", (json_int_t)v->created_s, "parent",
                     cr_ref_format(&v->parent, parent), "message", v->message);
}

static int version_from_json(json_t *json, struct cr_version_info *ret_version)
{
    json_int_t number, disk_bytes, data_bytes, stored_bytes, created_s;
    const char *root, *parent, *message;
    struct cr_version_info v = {0};
    if (json_unpack(json, "{s:I, s:s, s:I, s:I, s:I, s:I, s:s, s:s !}", "number", &number, "root",
                    &root, "disk_bytes", &disk_bytes, "data_bytes", &data_bytes, "stored_bytes",
                    &stored_bytes, "created_s", &created_s, "parent", &parent, "message",
                    &message) != 0)
        return -EBADMSG;
    if (number < 1 || disk_bytes < 1 || (uint64_t)disk_bytes > CR_DISK_BYTES_MAX ||
        data_bytes < 0 || (uint64_t)data_bytes > CR_DISK_BYTES_MAX || stored_bytes < 0 ||
        cr_id_parse(root, strlen(root), &v.root) < 0 || strlen(message) > CR_MESSAGE_BYTES_MAX)
        return -EBADMSG;
    if (parent[0] != '\0' && cr_ref_parse(parent, &v.parent, NULL) < 0)
        return -EBADMSG;
    v.number = (uint64_t)number;
    v.disk_bytes = (uint64_t)disk_bytes;
    v.data_bytes = (uint64_t)data_bytes;
    v.stored_bytes = (uint64_t)stored_bytes;
    v.created_s = created_s;
    memcpy(v.message, message, strlen(message) + 1);
    *ret_version = v;
    return 0;
}

static int head_from_json(json_t *json, const char *name, struct cr_head *head,
                          struct cr_error *err)
{
    const char *found;
    json_int_t next;
    json_t *versions;
    if (json_unpack(json, "{s:s, s:I, s:o !}", "name", &found, "next", &next, "versions",
                    &versions) != 0 ||
        !json_is_array(versions) || next < 1)
        return cr_error_set(err, -EBADMSG,
                            "its name, next or versions field is missing or wrong, "
                            "or another stands beside them");
    if (strcmp(found, name) != 0)
        return cr_error_set(err, -EBADMSG, "it is the head of '%.64s'", found);
    if (json_array_size(versions) > CR_HEAD_VERSIONS_MAX)
        return cr_error_set(err, -EBADMSG, "it lists more than %u versions", CR_HEAD_VERSIONS_MAX);
    head->versions = cr_calloc(json_array_size(versions), sizeof(*head->versions));
    if (head->versions == NULL)
        return cr_error_errno(err, -ENOMEM, "a head");
    snprintf(head->name, sizeof(head->name), "%s", name);
    head->next = (uint64_t)next;
    uint64_t before = 0;
    for (size_t i = 0; i < json_array_size(versions); i++) {
        struct cr_version_info *v = &head->versions[i];
        if (version_from_json(json_array_get(versions, i), v) < 0 || v->number <= before ||
            v->number >= head->next)
            return cr_error_set(err, -EBADMSG, "entry %zu of its versions is wrong", i + 1);
        before = v->number;
        head->count++;
    }
    return 0;
}

int cr_head_parse(const void *data, size_t len, const char *name, struct cr_head *ret_head,
                  struct cr_error *err)
{
    const char *text = data;
    struct cr_id written, found;
    if (len > CR_HEAD_BYTES_MAX)
        return cr_error_set(err, -EBADMSG, "it has more than %llu bytes", CR_HEAD_BYTES_MAX);
    if (len < HEAD_HEADER_LEN || memcmp(text, HEAD_FIRST_LINE, sizeof(HEAD_FIRST_LINE) - 1) != 0 ||
        cr_id_parse(text + sizeof(HEAD_FIRST_LINE) - 1, 2 * CR_ID_BYTES, &written) < 0 ||
        text[HEAD_HEADER_LEN - 1] != '\n')
        return cr_error_set(err, -EBADMSG, "its first line is not \"carrel-head 1 SHA256\"");
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
    int r = head_from_json(json, name, &head, err);
    if (r < 0) {
        cr_head_done(&head);
        return r;
    }
    *ret_head = head;
    return 0;
}

int cr_head_format(const struct cr_head *head, struct cr_buf *out)
{
    CLEANUP(json_cleanup) json_t *versions = json_array();
    for (uint32_t i = 0; i < head->count; i++)
        if (json_array_append_new(versions, version_to_json(&head->versions[i])) != 0)
            return -EINVAL; /* the message is not UTF-8 */
    CLEANUP(json_cleanup)
    json_t *json = json_pack("{s:s, s:I, s:O}", "name", head->name, "next",
                             (json_int_t)(head->next ? head->next : 1), "versions", versions);
    if (json == NULL)
        return -ENOMEM;
    CLEANUP_FREE char *text = json_dumps(json, JSON_INDENT(1) | JSON_SORT_KEYS);
    if (text == NULL)
        return -ENOMEM;
    struct cr_id id;
    char hex[CR_ID_HEX];
    cr_hash(text, strlen(text), &id);
    int r = cr_buf_printf(out, "%s%s\n", HEAD_FIRST_LINE, cr_id_format(&id, hex));
    return r < 0 ? r : cr_buf_append(out, text, strlen(text));
}
