/* SPDX-License-Identifier: MIT */
/* carrel trust rotate | revoke: a new root, as a draft that collects signatures. */
#include "image-tools/commands.h"
#include "image-tools/trust_key.h"
#include "image-tools/trust_root.h"
#include "image-tools/trust_sign.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"

#include <errno.h>
#include <string.h>
#include <time.h>

static int role_parse(const char *text, enum cr_role *ret_role, struct cr_error *err)
{
    for (int i = 0; i < CR_ROLE_COUNT; i++)
        if (strcmp(cr_roles[i].name, text) == 0) {
            *ret_role = (enum cr_role)i;
            return 0;
        }
    return cr_error_set(err, -EINVAL, "'%s' is no role: root, targets, snapshot or timestamp",
                        text);
}

/* The key whose id begins so. */
static int key_find(const struct cr_root *root, const char *prefix, const char **ret_keyid,
                    struct cr_error *err)
{
    const char *found = NULL;
    for (uint32_t i = 0; i < root->key_count; i++) {
        if (strncmp(root->keys[i].keyid, prefix, strlen(prefix)) != 0)
            continue;
        if (found != NULL)
            return cr_error_set(err, -EINVAL, "more than one key begins with '%s'", prefix);
        found = root->keys[i].keyid;
    }
    if (found == NULL || prefix[0] == '\0')
        return cr_error_set(err, -ENOENT, "no key begins with '%s'; `carrel trust show` lists them",
                            prefix);
    *ret_keyid = found;
    return 0;
}

static bool has_key(const struct cr_role_keys *keys, const char *keyid)
{
    for (uint32_t i = 0; i < keys->count; i++)
        if (strcmp(keys->keyids[i], keyid) == 0)
            return true;
    return false;
}

/* A copy of the newest root, or of its draft (unless it is thrown away), that can be changed, as
 * the next version. */
static int root_copy(const struct cli *cli, struct cr_repo *repo, struct cr_root *ret_root,
                     struct cr_error *err)
{
    struct cr_repo_signed state;
    int64_t span_s;
    cr_repo_draft_state(repo, CR_ROLE_ROOT, &state);
    if (repo->root_count == 0)
        return cr_error_set(err, -EAGAIN,
                            "the first root still waits for its signatures; `carrel trust init` "
                            "begins anew with other keys");
    if (repo->draft_root_file.present && state.have >= state.need && !cli_has(cli, OPT_FORCE))
        return cr_error_set(err, -EAGAIN,
                            "a new root has all its signatures: publish it first, with `carrel "
                            "trust timestamp --signer PATH`, or give --force to throw it away");
    const struct cr_repo_file *from = repo->draft_root_file.present && !cli_has(cli, OPT_FORCE)
                                          ? &repo->draft_root_file
                                          : &repo->roots[repo->root_count - 1];
    CLEANUP_JSON json_t *json = json_deep_copy(from->envelope.signed_json);
    int r = trust_span(cli, OPT_ROOT_EXPIRY, CR_TRUST_ROOT_S, &span_s, err);
    if (r == 0)
        r = json == NULL ? cr_error_errno(err, -ENOMEM, "a new root")
                         : cr_root_parse(json, ret_root, err);
    if (r < 0)
        return r;
    ret_root->common.version = repo->root_count + 1;
    ret_root->common.expires_s = time(NULL) + span_s;
    return 0;
}

static int disallow(struct cr_root *root, enum cr_role role, const char *keyid,
                    struct cr_error *err)
{
    char id[CR_KEYID_TEXT];
    snprintf(id, sizeof(id), "%s", keyid); /* it may be freed with the key */
    int r = cr_root_disallow(root, role, id);
    if (r < 0)
        return cr_error_set(err, r, "the key '%s' is none of %s", id, cr_roles[role].name);
    if (root->roles[role].count < root->roles[role].threshold)
        return cr_error_set(err, -EINVAL,
                            "without the key '%.16s...' %s has %u keys and needs %u signatures: "
                            "put another in its place with `carrel trust rotate %s --new KEY "
                            "--old %.16s`",
                            id, cr_roles[role].name, root->roles[role].count,
                            root->roles[role].threshold, cr_roles[role].name, id);
    return 0;
}

/* One role and one new key of what `carrel trust rotate` was told. */
struct exchange {
    const struct cli *cli;
    struct cr_root *root;
    enum cr_role role;
};

static int old_find(const struct exchange *exchange, const char **ret_keyid, struct cr_error *err)
{
    const struct cli *cli = exchange->cli;
    const struct cr_role_keys *keys = &exchange->root->roles[exchange->role];
    if (cli_has(cli, OPT_OLD))
        return key_find(exchange->root, cli->values[OPT_OLD], ret_keyid, err);
    if (keys->count != 1)
        return cr_error_set(err, -EINVAL,
                            "%s has %u keys: say with --old KEYID which one goes, or with --add "
                            "that all stay; `carrel trust show` lists them",
                            cr_roles[exchange->role].name, keys->count);
    *ret_keyid = keys->keyids[0];
    return 0;
}

static int key_exchange(const struct exchange *exchange, const char *word, struct cr_error *err)
{
    enum cr_role role = exchange->role;
    struct cr_trust_key key = {0};
    const char *old = NULL;
    char old_id[CR_KEYID_TEXT] = "";
    bool add = cli_has(exchange->cli, OPT_ADD);
    int r = add ? 0 : old_find(exchange, &old, err);
    if (r == 0)
        r = trust_public_read(word, NULL, &key, err);
    if (r < 0)
        return r;
    if (old != NULL)
        snprintf(old_id, sizeof(old_id), "%s", old);
    if (has_key(&exchange->root->roles[role], key.keyid))
        r = cr_error_set(err, -EINVAL, "'%s' is a key of %s already", word, cr_roles[role].name);
    if (r == 0 && cr_root_allow(exchange->root, role, &key) < 0)
        r = cr_error_set(err, -ENOSPC, "%s cannot take another key", cr_roles[role].name);
    if (r == 0 && !add)
        r = disallow(exchange->root, role, old_id, err);
    cr_key_done(&key);
    return r;
}

static int threshold_set(const struct cli *cli, struct cr_root *root, enum cr_role role,
                         struct cr_error *err)
{
    uint64_t threshold = 0;
    if (!cli_has(cli, OPT_THRESHOLD))
        return 0;
    if (cr_u64_parse(cli->values[OPT_THRESHOLD], root->roles[role].count, &threshold) < 0 ||
        threshold == 0)
        return cr_error_set(err, -EINVAL,
                            "option '--threshold': '%s' is not a number from 1 to the %u keys that "
                            "%s has then",
                            cli->values[OPT_THRESHOLD], root->roles[role].count,
                            cr_roles[role].name);
    root->roles[role].threshold = (uint32_t)threshold;
    return 0;
}

/* The next of "a,b" in `rest`, cut off; NULL at the end. */
static char *next_word(char **rest)
{
    return *rest == NULL ? NULL : strsep(rest, ",");
}

/* The first role gets the first key, and so on; one key alone is for all roles. */
static int exchange(const struct cli *cli, struct cr_root *root, struct cr_error *err)
{
    if (!cli_has(cli, OPT_NEW))
        return cr_error_set(err, -EINVAL, "name the new key: --new KEY");
    if (cli_has(cli, OPT_ADD) && cli_has(cli, OPT_OLD))
        return cr_error_set(err, -EINVAL,
                            "with --add every key stays: leave out either --add or --old");
    CLEANUP_FREE char *roles = strdup(cli->operands[0]);
    CLEANUP_FREE char *keys = strdup(cli->values[OPT_NEW]);
    struct exchange one = {.cli = cli, .root = root};
    char *role_rest = roles, *key_rest = keys, *role_word, *key = NULL;
    int r = roles == NULL || keys == NULL ? cr_error_errno(err, -ENOMEM, "a new root") : 0;
    while (r == 0 && (role_word = next_word(&role_rest)) != NULL) {
        char *word = next_word(&key_rest);
        if (word == NULL && strchr(cli->values[OPT_NEW], ',') != NULL)
            return cr_error_set(err, -EINVAL,
                                "there is no new key for '%s': name one for each role", role_word);
        key = word == NULL ? key : word;
        r = role_parse(role_word, &one.role, err);
        if (r == 0)
            r = key_exchange(&one, key, err);
        if (r == 0)
            r = threshold_set(cli, root, one.role, err);
    }
    if (r == 0 && key_rest != NULL)
        r = cr_error_set(err, -EINVAL, "there is no role for the new key '%s'", key_rest);
    return r;
}

static int take_away(const struct cli *cli, struct cr_root *root, struct cr_error *err)
{
    const char *found = NULL;
    char keyid[CR_KEYID_TEXT];
    int r = key_find(root, cli->operands[0], &found, err);
    if (r < 0)
        return r;
    snprintf(keyid, sizeof(keyid), "%s", found);
    for (int role = 0; role < CR_ROLE_COUNT && r == 0; role++)
        for (uint32_t i = 0; i < root->roles[role].count && r == 0; i++)
            if (strcmp(root->roles[role].keyids[i], keyid) == 0)
                r = disallow(root, (enum cr_role)role, keyid, err);
    return r;
}

int trust_root_change(struct cli *cli, struct cr_store *store, trust_root_changer *change,
                      const char *signer, struct cr_error *err)
{
    CLEANUP(cr_repo_cleanup) struct cr_repo *repo = NULL;
    struct cr_root root = {0};
    struct sign_job job;
    int r = sign_job_fill(cli, store, &job, err);
    if (signer != NULL)
        job.signer = signer;
    if (r == 0)
        r = cr_repo_open(store, &repo, err);
    if (r == 0)
        r = root_copy(cli, repo, &root, err);
    if (r == 0)
        r = change(cli, &root, err);
    if (r == 0)
        r = cr_repo_draft_root(repo, &root, err);
    cr_root_done(&root);
    return r < 0 ? r : sign_run_and_print(cli, &job, err);
}

static int root_change_in_store(struct cli *cli, trust_root_changer *change, struct cr_error *err)
{
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    int r = cli_store_open_writable(cli, &store, err);
    return r < 0 ? r : trust_root_change(cli, store, change, NULL, err);
}

int cmd_trust_rotate(struct cli *cli, struct cr_error *err)
{
    return root_change_in_store(cli, exchange, err);
}

int cmd_trust_revoke(struct cli *cli, struct cr_error *err)
{
    return root_change_in_store(cli, take_away, err);
}
