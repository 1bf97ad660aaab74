/* SPDX-License-Identifier: MIT */
/*
 * A repository in memory for the tests of lib/trust: fixed keys (the seed of key i is 32 bytes of
 * i + 1), signed files by name, and the fetch that a client is given.
 */
#pragma once

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/trust/client.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define REPO_NOW_S   1800000000LL /* 2027-01-15 */
#define REPO_LATER_S (REPO_NOW_S + 86400)
#define REPO_FILES   96

/* --- keys ------------------------------------------------------------------------------------ */

struct seed_signer {
    struct cr_trust_signer signer;
    EVP_PKEY *pkey;
};

static inline int seed_sign(struct cr_trust_signer *signer, const void *data, size_t len,
                            uint8_t ret_signature[static CR_ED25519_SIGNATURE_BYTES],
                            struct cr_error *err)
{
    (void)err;
    size_t size = CR_ED25519_SIGNATURE_BYTES;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY *pkey = ((struct seed_signer *)signer)->pkey;
    int good = EVP_DigestSignInit(context, NULL, NULL, NULL, pkey) == 1 &&
               EVP_DigestSign(context, ret_signature, &size, data, len) == 1;
    EVP_MD_CTX_free(context);
    return good ? 0 : -EIO;
}

static const struct cr_signer_ops seed_ops = {.sign = seed_sign};

static inline struct seed_signer *key_number(unsigned i)
{
    static struct seed_signer keys[16];
    assert_true(i < CR_ARRAY_LEN(keys));
    if (keys[i].pkey == NULL) {
        uint8_t seed[32], public[32];
        size_t len = sizeof(public);
        memset(seed, (int)i + 1, sizeof(seed));
        keys[i].pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed));
        assert_int_equal(EVP_PKEY_get_raw_public_key(keys[i].pkey, public, &len), 1);
        assert_int_equal(cr_key_ed25519(public, &keys[i].signer.key), 0);
        keys[i].signer.ops = &seed_ops;
    }
    return &keys[i];
}

/* --- files ----------------------------------------------------------------------------------- */

struct repo_file {
    char name[40];
    struct cr_buf bytes;
};

struct repo {
    struct repo_file files[REPO_FILES];
    size_t count;
    struct cr_root root;
    struct cr_targets targets;
    struct cr_pointer snapshot, timestamp;
    unsigned signers[CR_ROLE_COUNT][4]; /* numbers of the keys that sign, plus one; 0 ends */
    unsigned fetched;
    char last[40]; /* the name that was fetched last */
};

static inline struct cr_buf *repo_file(struct repo *repo, const char *name)
{
    for (size_t i = 0; i < repo->count; i++)
        if (strcmp(repo->files[i].name, name) == 0)
            return &repo->files[i].bytes;
    assert_true(repo->count < REPO_FILES);
    struct repo_file *file = &repo->files[repo->count++];
    snprintf(file->name, sizeof(file->name), "%s", name);
    cr_buf_init(&file->bytes, 64 * CR_MIB);
    return &file->bytes;
}

static inline void repo_put(struct repo *repo, const char *name, const void *data, size_t len)
{
    struct cr_buf *file = repo_file(repo, name);
    cr_buf_done(file);
    assert_int_equal(cr_buf_append(file, data, len), 0);
}

static inline void repo_remove(struct repo *repo, const char *name)
{
    cr_buf_done(repo_file(repo, name));
}

static inline int repo_fetch(void *context, const char *name, size_t max_bytes, struct cr_buf *out,
                             struct cr_error *err)
{
    (void)max_bytes, (void)err;
    struct repo *repo = context;
    repo->fetched++;
    snprintf(repo->last, sizeof(repo->last), "%s", name);
    const struct cr_buf *file = repo_file(repo, name);
    return file->len == 0 ? -ENOENT : cr_buf_append(out, file->data, file->len);
}

/* --- signing --------------------------------------------------------------------------------- */

/* The file of `role` around `signed_json`, signed by the role's keys. */
static inline void repo_wrap(struct repo *repo, enum cr_role role, json_t *signed_json,
                             struct cr_buf *out)
{
    CLEANUP_ENVELOPE struct cr_trust_envelope envelope = {0};
    assert_int_equal(cr_envelope_new(signed_json, &envelope), 0);
    for (size_t i = 0; i < 4 && repo->signers[role][i] > 0; i++)
        assert_int_equal(
            cr_envelope_sign(&envelope, &key_number(repo->signers[role][i] - 1)->signer, NULL), 0);
    assert_int_equal(cr_envelope_format(&envelope, out), 0);
}

/* Put "N.ROLE.json" (the timestamp: "timestamp.json"). */
static inline void repo_sign(struct repo *repo, enum cr_role role, uint64_t version,
                             json_t *signed_json)
{
    char name[40];
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(64 * CR_MIB);
    repo_wrap(repo, role, signed_json, &bytes);
    if (role == CR_ROLE_TIMESTAMP)
        snprintf(name, sizeof(name), "timestamp.json");
    else
        snprintf(name, sizeof(name), "%llu.%s.json", (unsigned long long)version,
                 cr_roles[role].name);
    repo_put(repo, name, bytes.data, bytes.len);
}

static inline void repo_publish_root(struct repo *repo)
{
    CLEANUP_JSON json_t *json = NULL;
    assert_int_equal(cr_root_format(&repo->root, &json), 0);
    repo_sign(repo, CR_ROLE_ROOT, repo->root.common.version, json);
}

static inline void repo_point(struct repo *repo, struct cr_pointer *pointer, const char *name,
                              uint64_t version)
{
    const struct cr_buf *file = repo_file(repo, name);
    cr_meta_file_of(version, file->data, file->len, &pointer->next);
}

static inline void repo_publish_timestamp(struct repo *repo)
{
    CLEANUP_JSON json_t *json = NULL;
    assert_int_equal(cr_timestamp_format(&repo->timestamp, &json), 0);
    repo_sign(repo, CR_ROLE_TIMESTAMP, 0, json);
}

static inline void repo_publish_snapshot(struct repo *repo)
{
    CLEANUP_JSON json_t *json = NULL;
    char name[40];
    assert_int_equal(cr_snapshot_format(&repo->snapshot, &json), 0);
    repo_sign(repo, CR_ROLE_SNAPSHOT, repo->snapshot.common.version, json);
    snprintf(name, sizeof(name), "%llu.snapshot.json",
             (unsigned long long)repo->snapshot.common.version);
    repo_point(repo, &repo->timestamp, name, repo->snapshot.common.version);
}

static inline void repo_publish_targets(struct repo *repo)
{
    CLEANUP_JSON json_t *json = NULL;
    char name[40];
    assert_int_equal(cr_targets_format(&repo->targets, &json), 0);
    repo_sign(repo, CR_ROLE_TARGETS, repo->targets.common.version, json);
    snprintf(name, sizeof(name), "%llu.targets.json",
             (unsigned long long)repo->targets.common.version);
    repo_point(repo, &repo->snapshot, name, repo->targets.common.version);
}

/* Everything below the root once more, each with the next version. */
static inline void repo_publish(struct repo *repo)
{
    repo->targets.common.version++;
    repo->snapshot.common.version++;
    repo->timestamp.common.version++;
    repo_publish_targets(repo);
    repo_publish_snapshot(repo);
    repo_publish_timestamp(repo);
}

/* Version `number` of image "physics": 1 GiB, root 32 bytes of `number`. */
static inline void repo_add_version(struct repo *repo, uint64_t number)
{
    struct cr_trust_version version = {
        .ref = {.name = "physics", .number = number},
        .disk_bytes = 1 << 30,
        .created_s = REPO_NOW_S,
    };
    memset(version.root.bytes, (int)number, sizeof(version.root.bytes));
    assert_int_equal(cr_targets_add(&repo->targets, &version), 0);
}

/* Key 0 for the root, 1 for targets, 2 and 3 for snapshot and timestamp: physics@1 is published. */
static inline void repo_init(struct repo *repo)
{
    memset(repo, 0, sizeof(*repo));
    for (int role = 0; role < CR_ROLE_COUNT; role++) {
        repo->signers[role][0] = (unsigned)role + 1;
        repo->root.roles[role].threshold = 1;
        assert_int_equal(
            cr_root_allow(&repo->root, (enum cr_role)role, &key_number((unsigned)role)->signer.key),
            0);
    }
    repo->root.consistent_snapshot = true;
    repo->root.common.version = 1;
    assert_int_equal(cr_targets_new(&repo->targets), 0);
    repo->targets.common.version = 0;
    repo->root.common.expires_s = repo->targets.common.expires_s = REPO_LATER_S;
    repo->snapshot.common.expires_s = repo->timestamp.common.expires_s = REPO_LATER_S;
    repo_add_version(repo, 1);
    repo_publish_root(repo);
    repo_publish(repo);
}

static inline void repo_done(struct repo *repo)
{
    for (size_t i = 0; i < repo->count; i++)
        cr_buf_done(&repo->files[i].bytes);
    cr_root_done(&repo->root);
    cr_targets_done(&repo->targets);
    cr_pointer_done(&repo->snapshot);
    cr_pointer_done(&repo->timestamp);
}

/* The next root, signed by the keys of `signers` as they are. */
static inline void repo_next_root(struct repo *repo)
{
    repo->root.common.version++;
    repo_publish_root(repo);
}

/* Key `new_` in place of key `old` of `role`. */
static inline void repo_rotate(struct repo *repo, enum cr_role role, unsigned old, unsigned new_)
{
    assert_int_equal(cr_root_disallow(&repo->root, role, key_number(old)->signer.key.keyid), 0);
    assert_int_equal(cr_root_allow(&repo->root, role, &key_number(new_)->signer.key), 0);
    repo->signers[role][0] = new_ + 1;
}

/* --- a seat ---------------------------------------------------------------------------------- */

struct seat {
    char dir[64];
    struct cr_trust_client *client;
};

static inline void seat_init(struct seat *seat, struct repo *repo)
{
    /* In memory where there is such a folder: thousands of refreshes sync each of their files. */
    snprintf(seat->dir, sizeof(seat->dir), "%s/test-trust-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(seat->dir));
    const struct cr_buf *root = repo_file(repo, "1.root.json");
    struct cr_error err = {0};
    if (cr_trust_client_init(seat->dir, root->data, root->len, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(cr_trust_client_open(seat->dir, &seat->client, NULL), 0);
}

static inline void seat_restart(struct seat *seat)
{
    cr_trust_client_free(seat->client);
    seat->client = NULL;
    assert_int_equal(cr_trust_client_open(seat->dir, &seat->client, NULL), 0);
}

static inline int seat_refresh(struct seat *seat, struct repo *repo, struct cr_error *err)
{
    return cr_trust_refresh(seat->client, repo_fetch, repo, REPO_NOW_S, err);
}

static inline struct cr_trust_state seat_state(const struct seat *seat)
{
    struct cr_trust_state state;
    cr_trust_client_state(seat->client, REPO_NOW_S, &state);
    return state;
}

static inline void seat_done(struct seat *seat)
{
    cr_trust_client_free(seat->client);
    assert_int_equal(cr_dir_remove(AT_FDCWD, seat->dir), 0);
}
