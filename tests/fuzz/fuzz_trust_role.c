/* SPDX-License-Identifier: MIT */
/*
 * Input: a byte that chooses the role, then a file of it. Whatever is taken keeps the promises of
 * its header, and what is written of it is taken again and says the same.
 */
#include "tests/fuzz/fuzz.h"

#include "lib/base/mem.h"
#include "lib/trust/targets.h"

#include <errno.h>
#include <string.h>

static void common(const struct cr_role_common *parsed)
{
    char text[CR_EXPIRES_TEXT];
    int64_t again;
    REQUIRE(parsed->version >= 1 && parsed->version <= INT64_MAX);
    REQUIRE(cr_expires_parse(cr_expires_format(parsed->expires_s, text), &again) == 0);
    REQUIRE(again == parsed->expires_s);
}

/* The fields that a writer sets are those that were read: but for spec_version, the same object. */
static void same(const json_t *before, json_t *after)
{
    REQUIRE(json_object_set(after, "spec_version", json_object_get(before, "spec_version")) == 0);
    if (json_object_get(before, "consistent_snapshot") == NULL)
        json_object_del(after, "consistent_snapshot");
    REQUIRE(json_equal(before, after));
}

static void root(json_t *signed_json)
{
    CLEANUP(cr_root_done) struct cr_root parsed = {0};
    CLEANUP_JSON json_t *again = NULL;
    struct cr_error err = {0};
    if (cr_root_parse(signed_json, &parsed, &err) < 0) {
        REQUIRE(err.text[0] != '\0' && parsed.keys == NULL);
        return;
    }
    common(&parsed.common);
    REQUIRE(parsed.key_count <= CR_TRUST_KEYS_MAX);
    for (size_t i = 0; i < CR_ROLE_COUNT; i++) {
        REQUIRE(parsed.roles[i].threshold >= 1);
        for (uint32_t j = 0; j < parsed.roles[i].count; j++)
            REQUIRE(cr_root_key(&parsed, parsed.roles[i].keyids[j]) != NULL);
    }
    REQUIRE(cr_root_format(&parsed, &again) == 0);
    same(signed_json, again);
}

static void pointer(json_t *signed_json, enum cr_role role)
{
    CLEANUP(cr_pointer_done) struct cr_pointer parsed = {0};
    CLEANUP_JSON json_t *again = NULL;
    struct cr_error err = {0};
    int r = role == CR_ROLE_SNAPSHOT ? cr_snapshot_parse(signed_json, &parsed, &err)
                                     : cr_timestamp_parse(signed_json, &parsed, &err);
    if (r < 0) {
        REQUIRE(err.text[0] != '\0' && parsed.common.json == NULL);
        return;
    }
    common(&parsed.common);
    REQUIRE(parsed.next.version >= 1);
    REQUIRE(cr_snapshot_follows(&parsed, &parsed, NULL) == 0);
    r = role == CR_ROLE_SNAPSHOT ? cr_snapshot_format(&parsed, &again)
                                 : cr_timestamp_format(&parsed, &again);
    REQUIRE(r == 0);
}

static int look_at_version(void *context, const struct cr_trust_version *version)
{
    struct cr_trust_version again;
    REQUIRE(version->ref.number >= 1 && version->disk_bytes >= 1);
    REQUIRE(version->disk_bytes <= CR_DISK_BYTES_MAX);
    REQUIRE(cr_targets_resolve(context, &version->ref, 0, &again, NULL) == 0);
    REQUIRE(cr_id_equal(&again.root, &version->root));
    return 0;
}

static void delegations(const struct cr_delegations *parsed)
{
    char encoded[CR_TRUST_ROLE_NAME_BYTES_MAX + 1];
    REQUIRE(parsed->key_count <= CR_TRUST_KEYS_MAX && parsed->count <= CR_TRUST_DELEGATIONS_MAX);
    for (uint32_t i = 0; i < parsed->count; i++) {
        const struct cr_delegation *role = &parsed->roles[i];
        REQUIRE(cr_delegation_encode(role->name, encoded) == 0 && encoded[0] != '\0');
        REQUIRE(strchr(encoded, '/') == NULL && strlen(encoded) >= strlen(role->name));
        REQUIRE(role->keys.threshold >= 1 && role->keys.count <= parsed->key_count);
        REQUIRE(role->paths == NULL || role->prefixes == NULL);
        for (size_t j = 0; j < json_array_size(role->paths); j++) {
            const char *path = json_string_value(json_array_get(role->paths, j));
            (void)cr_delegation_covers(role, path + strlen(path) / 2);
            /* A '*' takes a '*', and everything else itself. */
            REQUIRE(cr_delegation_covers(role, path));
        }
        bool covers = cr_delegation_covers(role, "physics@1");
        REQUIRE(!covers || json_array_size(role->paths) + json_array_size(role->prefixes) > 0);
    }
}

static void targets(json_t *signed_json)
{
    static const struct cr_ref stable = {.name = "physics", .channel = "stable"};
    CLEANUP(cr_targets_done) struct cr_targets parsed = {0};
    CLEANUP_JSON json_t *again = NULL;
    struct cr_trust_version version;
    struct cr_error err = {0};
    if (cr_targets_parse(signed_json, &parsed, &err) < 0) {
        REQUIRE(err.text[0] != '\0' && parsed.common.json == NULL);
        return;
    }
    common(&parsed.common);
    delegations(&parsed.delegations);
    (void)cr_targets_each(&parsed, NULL, look_at_version, &parsed, NULL);
    if (cr_targets_resolve(&parsed, &stable, 1800000000, &version, &err) == 0)
        REQUIRE(strcmp(version.ref.name, "physics") == 0 && version.ref.number >= 1);
    else
        REQUIRE(err.text[0] != '\0');
    REQUIRE(cr_targets_format(&parsed, &again) == 0);
    same(signed_json, again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_ENVELOPE struct cr_trust_envelope envelope = {0}, again = {0};
    CLEANUP_BUF struct cr_buf file = CR_BUF_INIT(64 * CR_MIB);
    struct cr_error err = {0};
    if (size == 0)
        return 0;
    enum cr_role role = (enum cr_role)(data[0] % CR_ROLE_COUNT);
    if (cr_envelope_parse(data + 1, size - 1, role, &envelope, &err) < 0) {
        REQUIRE(err.text[0] != '\0' && envelope.json == NULL);
        return 0;
    }
    REQUIRE(envelope.signed_.len < size);
    if (role == CR_ROLE_ROOT)
        root(envelope.signed_json);
    else if (role == CR_ROLE_TARGETS)
        targets(envelope.signed_json);
    else
        pointer(envelope.signed_json, role);
    REQUIRE(cr_envelope_format(&envelope, &file) == 0);
    if (cr_envelope_parse(file.data, file.len, role, &again, NULL) == 0)
        REQUIRE(again.signed_.len == envelope.signed_.len &&
                memcmp(again.signed_.data, envelope.signed_.data, again.signed_.len) == 0);
    return 0;
}
