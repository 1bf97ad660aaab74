/* SPDX-License-Identifier: MIT */
#include "lib/sync/wire.h"

#include "lib/base/le.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>

/* --- have: magic, count, reserved, then ids or bits ------------------------------------------- */

static const char ask_magic[8] = "CRHAVE01", answer_magic[8] = "CRHADA01";

static int header_append(const char magic[static 8], uint32_t count, struct cr_buf *out)
{
    uint8_t header[CR_HAVE_HEADER_BYTES] = {0};
    memcpy(header, magic, 8);
    cr_put_le32(header + 8, count);
    return cr_buf_append(out, header, sizeof(header));
}

/* Checks that `len` is what `count` items of `item_bits` need, too. */
static int header_parse(const char magic[static 8], const uint8_t *data, size_t len,
                        unsigned item_bits, uint32_t *ret_count, struct cr_error *err)
{
    if (len < CR_HAVE_HEADER_BYTES || memcmp(data, magic, 8) != 0)
        return cr_error_set(err, -EBADMSG, "it does not begin with '%.8s'", magic);
    uint32_t count = cr_get_le32(data + 8);
    if (cr_get_le32(data + 12) != 0)
        return cr_error_set(err, -EBADMSG, "its reserved bytes are not zero");
    if (count == 0 || count > CR_PACK_CHUNKS_MAX)
        return cr_error_set(err, -EBADMSG, "it claims %u ids; 1 to %u are allowed", count,
                            CR_PACK_CHUNKS_MAX);
    size_t need = CR_HAVE_HEADER_BYTES + ((size_t)count * item_bits + 7) / 8;
    if (len != need)
        return cr_error_set(err, -EBADMSG, "it has %zu bytes, %u ids need %zu", len, count, need);
    *ret_count = count;
    return 0;
}

int cr_have_request_format(const struct cr_id *ids, uint32_t count, struct cr_buf *out)
{
    int r = header_append(ask_magic, count, out);
    return r < 0 ? r : cr_buf_append(out, ids, (size_t)count * sizeof(*ids));
}

int cr_have_request_parse(const void *data, size_t len, struct cr_id **ret_ids, uint32_t *ret_count,
                          struct cr_error *err)
{
    uint32_t count;
    int r = header_parse(ask_magic, data, len, 8 * CR_ID_BYTES, &count, err);
    if (r < 0)
        return r;
    CLEANUP_FREE struct cr_id *ids = cr_calloc(count, sizeof(*ids));
    if (ids == NULL)
        return cr_error_errno(err, -ENOMEM, "a question about %u ids", count);
    memcpy(ids, (const uint8_t *)data + CR_HAVE_HEADER_BYTES, count * sizeof(*ids));
    for (uint32_t i = 0; i < count; i++)
        if (cr_id_is_hole(&ids[i]))
            return cr_error_set(err, -EBADMSG, "id %u is the reserved id of a hole", i);
    *ret_ids = TAKE_PTR(ids);
    *ret_count = count;
    return 0;
}

int cr_have_answer_format(const bool *have, uint32_t count, struct cr_buf *out)
{
    int r = header_append(answer_magic, count, out);
    for (uint32_t i = 0; i < count && r == 0; i += 8) {
        uint8_t bits = 0;
        for (uint32_t n = 0; n < 8 && i + n < count; n++)
            bits |= (uint8_t)(have[i + n] << n);
        r = cr_buf_append(out, &bits, 1);
    }
    return r;
}

int cr_have_answer_parse(const void *data, size_t len, uint32_t count, bool *have,
                         struct cr_error *err)
{
    const uint8_t *bits = (const uint8_t *)data + CR_HAVE_HEADER_BYTES;
    uint32_t found;
    int r = header_parse(answer_magic, data, len, 1, &found, err);
    if (r < 0)
        return r;
    if (found != count)
        return cr_error_set(err, -EBADMSG, "it tells of %u ids, asked was for %u", found, count);
    if (count % 8 != 0 && bits[count / 8] >> count % 8 != 0)
        return cr_error_set(err, -EBADMSG, "its bits behind the last id are not zero");
    for (uint32_t i = 0; i < count; i++)
        have[i] = (bits[i / 8] >> i % 8 & 1) != 0;
    return 0;
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void json_cleanup(json_t **json)
{
    json_decref(*json);
}
#define CLEANUP_JSON __attribute__((cleanup(json_cleanup)))

static int json_append(json_t *json, struct cr_buf *out)
{
    CLEANUP_JSON json_t *owned = json;
    CLEANUP_FREE char *text =
        owned == NULL ? NULL : json_dumps(owned, JSON_COMPACT | JSON_SORT_KEYS);
    return text == NULL ? -ENOMEM : cr_buf_append(out, text, strlen(text));
}

/* An object with exactly the fields that `format` (jansson's, strict) takes. */
#define JSON_TAKE(data, len, err, format, ...)                                                     \
    ({                                                                                             \
        json_error_t error_;                                                                       \
        json_t *json_ = json_loadb((data), (len), JSON_REJECT_DUPLICATES, &error_);                \
        if (json_ != NULL && json_unpack_ex(json_, &error_, 0, format, __VA_ARGS__) < 0) {         \
            json_decref(json_);                                                                    \
            json_ = NULL;                                                                          \
        }                                                                                          \
        if (json_ == NULL)                                                                         \
            cr_error_set((err), -EBADMSG, "it is not what PROTOCOL.md tells: %.120s",              \
                         error_.text);                                                             \
        json_;                                                                                     \
    })

static int name_take(const char *text, char out[static CR_NAME_MAX + 1], struct cr_error *err)
{
    struct cr_ref ref;
    if (cr_ref_parse(text, &ref, NULL) < 0 || ref.number != 0 || ref.channel[0] != '\0')
        return cr_error_set(err, -EBADMSG, "'%.80s' is not an image name", text);
    memcpy(out, ref.name, sizeof(ref.name));
    return 0;
}

static int number_take(json_int_t number, uint64_t *ret_number, struct cr_error *err)
{
    if (number < 0)
        return cr_error_set(err, -EBADMSG, "a number of it is negative");
    *ret_number = (uint64_t)number;
    return 0;
}

int cr_claim_request_format(const struct cr_claim_request *request, struct cr_buf *out)
{
    return json_append(json_pack("{s:s}", "name", request->name), out);
}

int cr_claim_request_parse(const void *data, size_t len, struct cr_claim_request *ret_request,
                           struct cr_error *err)
{
    const char *name;
    CLEANUP_JSON json_t *json = JSON_TAKE(data, len, err, "{s:s!}", "name", &name);
    return json == NULL ? -EBADMSG : name_take(name, ret_request->name, err);
}

int cr_claim_answer_format(const struct cr_claim_answer *answer, struct cr_buf *out)
{
    return json_append(json_pack("{s:I, s:I}", "epoch", (json_int_t)answer->epoch, "newest",
                                 (json_int_t)answer->newest),
                       out);
}

int cr_claim_answer_parse(const void *data, size_t len, struct cr_claim_answer *ret_answer,
                          struct cr_error *err)
{
    json_int_t epoch = 0, newest = 0;
    CLEANUP_JSON json_t *json =
        JSON_TAKE(data, len, err, "{s:I, s:I!}", "epoch", &epoch, "newest", &newest);
    if (json == NULL)
        return -EBADMSG;
    int r = number_take(epoch, &ret_answer->epoch, err);
    return r < 0 ? r : number_take(newest, &ret_answer->newest, err);
}

int cr_commit_request_format(const struct cr_commit_request *request, struct cr_buf *out)
{
    char root[CR_ID_HEX], parent[CR_REF_TEXT] = "";
    if (request->parent.name[0] != '\0')
        cr_ref_format(&request->parent, parent);
    return json_append(json_pack("{s:s, s:I, s:I, s:s, s:s, s:s}", "name", request->name, "epoch",
                                 (json_int_t)request->epoch, "expected",
                                 (json_int_t)request->expected, "root",
                                 cr_id_format(&request->root, root), "parent", parent, "message",
                                 request->message),
                       out);
}

static int parent_take(const char *text, struct cr_ref *ret_parent, struct cr_error *err)
{
    *ret_parent = (struct cr_ref){0};
    if (text[0] == '\0')
        return 0;
    if (cr_ref_parse(text, ret_parent, NULL) < 0 || ret_parent->number == 0)
        return cr_error_set(err, -EBADMSG, "its parent '%.80s' is no version", text);
    return 0;
}

int cr_commit_request_parse(const void *data, size_t len, struct cr_commit_request *ret_request,
                            struct cr_error *err)
{
    const char *name, *root, *parent, *message;
    json_int_t epoch = 0, expected = 0;
    CLEANUP_JSON json_t *json =
        JSON_TAKE(data, len, err, "{s:s, s:I, s:I, s:s, s:s, s:s!}", "name", &name, "epoch", &epoch,
                  "expected", &expected, "root", &root, "parent", &parent, "message", &message);
    if (json == NULL)
        return -EBADMSG;
    struct cr_commit_request request = {0};
    int r = name_take(name, request.name, err);
    if (r == 0)
        r = number_take(epoch, &request.epoch, err);
    if (r == 0)
        r = number_take(expected, &request.expected, err);
    if (r == 0)
        r = parent_take(parent, &request.parent, err);
    if (r < 0)
        return r;
    if (cr_id_parse(root, strlen(root), &request.root) < 0 || cr_id_is_hole(&request.root))
        return cr_error_set(err, -EBADMSG, "its root '%.80s' is no id", root);
    if (strlen(message) > CR_MESSAGE_BYTES_MAX)
        return cr_error_set(err, -EBADMSG, "its message has more than %u bytes",
                            CR_MESSAGE_BYTES_MAX);
    snprintf(request.message, sizeof(request.message), "%s", message);
    *ret_request = request;
    return 0;
}

int cr_commit_answer_format(const struct cr_commit_answer *answer, struct cr_buf *out)
{
    return json_append(json_pack("{s:s, s:I, s:b}", "name", answer->name, "number",
                                 (json_int_t)answer->number, "branch", (int)answer->branch),
                       out);
}

int cr_commit_answer_parse(const void *data, size_t len, struct cr_commit_answer *ret_answer,
                           struct cr_error *err)
{
    const char *name;
    json_int_t number = 0;
    int branch = 0;
    CLEANUP_JSON json_t *json = JSON_TAKE(data, len, err, "{s:s, s:I, s:b!}", "name", &name,
                                          "number", &number, "branch", &branch);
    if (json == NULL)
        return -EBADMSG;
    struct cr_commit_answer answer = {.branch = branch != 0};
    int r = name_take(name, answer.name, err);
    if (r == 0)
        r = number_take(number, &answer.number, err);
    if (r == 0)
        *ret_answer = answer;
    return r;
}
