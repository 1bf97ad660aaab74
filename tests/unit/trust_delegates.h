/* SPDX-License-Identifier: MIT */
/* Delegations for a repository of trust_repo.h: roles by name, and a fetch that notes what it gave.
 */
#pragma once

#include "tests/unit/trust_repo.h"

#include <stdio.h>

/* --- writing --------------------------------------------------------------------------------- */

/* "signed" of a role with the target `path` (NULL: none), whose length is `length`. */
static inline json_t *delegate_new(uint64_t version, const char *path, int length)
{
    char expires[CR_EXPIRES_TEXT];
    json_t *json = json_pack("{s:s, s:s, s:I, s:s, s:{}}", "_type", "targets", "spec_version",
                             "1.0.31", "version", (json_int_t)version, "expires",
                             cr_expires_format(REPO_LATER_S, expires), "targets");
    assert_non_null(json);
    if (path != NULL)
        assert_int_equal(
            json_object_set_new(
                json_object_get(json, "targets"), path,
                json_pack("{s:i, s:{s:s}}", "length", length, "hashes", "sha256",
                          "abababababababababababababababababababababababababababababababab")),
            0);
    return json;
}

/*
 * Let "signed" `by` delegate to `name`: key `key`, one signature. `paths` is JSON, as a member of
 * the role: "\"paths\": [\"*\"]".
 */
static inline json_t *delegate_to(json_t *by, const char *name, unsigned key, const char *paths,
                                  bool terminating)
{
    const struct cr_trust_key *signer = &key_number(key)->signer.key;
    json_t *all = json_object_get(by, "delegations");
    if (all == NULL) {
        all = json_pack("{s:{}, s:[]}", "keys", "roles");
        assert_int_equal(json_object_set_new(by, "delegations", all), 0);
    }
    assert_int_equal(json_object_set(json_object_get(all, "keys"), signer->keyid, signer->object),
                     0);
    json_t *role = json_pack("{s:s, s:[s], s:i, s:b}", "name", name, "keyids", signer->keyid,
                             "threshold", 1, "terminating", (int)terminating);
    char text[512];
    snprintf(text, sizeof(text), "{%s}", paths);
    CLEANUP_JSON json_t *what = json_loads(text, 0, NULL);
    assert_non_null(what);
    assert_int_equal(json_object_update(role, what), 0);
    assert_int_equal(json_array_append_new(json_object_get(all, "roles"), role), 0);
    return role;
}

static inline void delegate_wrap(json_t *signed_json, const unsigned *keys, size_t count,
                                 struct cr_buf *out)
{
    CLEANUP_ENVELOPE struct cr_trust_envelope envelope = {0};
    assert_int_equal(cr_envelope_new(signed_json, &envelope), 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(cr_envelope_sign(&envelope, &key_number(keys[i])->signer, NULL), 0);
    assert_int_equal(cr_envelope_format(&envelope, out), 0);
}

/* The next snapshot says that version `version` of the role is the one. */
static inline void delegate_announce(struct repo *repo, const char *name, uint64_t version)
{
    char file[64];
    snprintf(file, sizeof(file), "%s.json", name);
    if (repo->snapshot.common.json == NULL)
        repo->snapshot.common.json = json_pack("{s:{}}", "meta");
    assert_int_equal(json_object_set_new(json_object_get(repo->snapshot.common.json, "meta"), file,
                                         json_pack("{s:I}", "version", (json_int_t)version)),
                     0);
}

/* Put "N.FILE.json" signed by one key, and announce it. */
static inline void delegate_publish(struct repo *repo, const char *name, const char *file,
                                    json_t *signed_json, unsigned key)
{
    char full[40];
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_MIB);
    json_int_t version = json_integer_value(json_object_get(signed_json, "version"));
    delegate_wrap(signed_json, &key, 1, &bytes);
    snprintf(full, sizeof(full), "%lld.%s.json", (long long)version, file);
    repo_put(repo, full, bytes.data, bytes.len);
    delegate_announce(repo, name, (uint64_t)version);
}

/* --- searching ------------------------------------------------------------------------------- */

struct noted {
    struct repo *repo;
    char names[2048]; /* each fetched name and a space */
};

static inline int noted_fetch(void *context, const char *name, size_t max_bytes, struct cr_buf *out,
                              struct cr_error *err)
{
    struct noted *noted = context;
    size_t len = strlen(noted->names);
    snprintf(noted->names + len, sizeof(noted->names) - len, "%s ", name);
    return repo_fetch(noted->repo, name, max_bytes, out, err);
}

/* cr_trust_find; what it fetched is in `noted`. */
static inline int seat_find(struct seat *seat, struct noted *noted, const char *path,
                            struct cr_target *ret_target, struct cr_error *err)
{
    noted->names[0] = '\0';
    return cr_trust_find(seat->client, noted_fetch, noted, REPO_NOW_S, path, ret_target, err);
}
