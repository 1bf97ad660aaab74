/* SPDX-License-Identifier: MIT */
/* carrel trust sign | timestamp | rotate | revoke */
#include "image-tools/commands.h"
#include "image-tools/output.h"
#include "image-tools/trust_key.h"
#include "image-tools/trust_sign.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

/* --- signing --------------------------------------------------------------------------------- */

static int job_fill(const struct cli *cli, struct cr_store *store, struct sign_job *job,
                    struct cr_error *err)
{
    *job = (struct sign_job){
        .store = store,
        .key = cli->values[OPT_KEY],
        .secret = trust_secret(cli),
        .signer = trust_signer_path(cli),
        .renew = cli_has(cli, OPT_RENEW),
    };
    int r = trust_span(cli, OPT_ROOT_EXPIRY, CR_TRUST_ROOT_S, &job->root_s, err);
    return r < 0 ? r
                 : trust_span(cli, OPT_TARGETS_EXPIRY, CR_TRUST_TARGETS_S, &job->targets_s, err);
}

static json_t *state_json(const struct sign_result *result, enum cr_role role)
{
    if (result->versions[role] == 0)
        return json_null();
    return json_pack("{s:I, s:i, s:i}", "version", (json_int_t)result->versions[role], "signatures",
                     (int)result->counts[role].have, "threshold", (int)result->counts[role].need);
}

static int result_print(const struct cli *cli, const struct sign_result *result,
                        struct cr_error *err)
{
    if (cli_has(cli, OPT_JSON))
        return output_json(json_pack("{s:O, s:o, s:o, s:b}", "news", result->news, "root",
                                     state_json(result, CR_ROLE_ROOT), "targets",
                                     state_json(result, CR_ROLE_TARGETS), "published",
                                     result->outcome == CR_REPO_PUBLISHED),
                           err);
    if (!cli_has(cli, OPT_QUIET))
        sign_print(result, "", stdout);
    return 0;
}

static int run_and_print(const struct cli *cli, const struct sign_job *job, struct cr_error *err)
{
    CLEANUP(sign_result_done) struct sign_result result = {0};
    int r = sign_run(job, &result, err);
    return r < 0 ? r : result_print(cli, &result, err);
}

int cmd_trust_sign(struct cli *cli, struct cr_error *err)
{
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    struct sign_job job;
    if (!cli_has(cli, OPT_KEY))
        return cr_error_set(err, -EINVAL, "say with which key: --key FILE or --key pkcs11:URI");
    int r = cli_store_open_writable(cli, &store, err);
    if (r == 0)
        r = job_fill(cli, store, &job, err);
    if (r < 0)
        return r;
    job.only = cli->operands[0];
    return run_and_print(cli, &job, err);
}

int cmd_trust_timestamp(struct cli *cli, struct cr_error *err)
{
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    struct sign_job job;
    int r = cli_store_open_writable(cli, &store, err);
    if (r == 0)
        r = job_fill(cli, store, &job, err);
    if (r == 0 && job.signer == NULL)
        r = cr_error_set(err, -EINVAL,
                         "say where the signer is: --signer PATH, its socket or its folder");
    if (r < 0)
        return r;
    job.refresh = true;
    return run_and_print(cli, &job, err);
}

/* --- new roots ------------------------------------------------------------------------------- */

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

/* A copy of the newest root, or of its draft, that can be changed, as the next version. */
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
    const struct cr_repo_file *from =
        repo->draft_root_file.present ? &repo->draft_root_file : &repo->roots[repo->root_count - 1];
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

static int exchange(const struct cli *cli, struct cr_root *root, struct cr_error *err)
{
    enum cr_role role = CR_ROLE_ROOT;
    struct cr_trust_key key = {0};
    const char *old = NULL;
    int r = role_parse(cli->operands[0], &role, err);
    if (r == 0 && !cli_has(cli, OPT_NEW))
        r = cr_error_set(err, -EINVAL, "name the new key: --new KEY");
    if (r == 0 && cli_has(cli, OPT_OLD))
        r = key_find(root, cli->values[OPT_OLD], &old, err);
    else if (r == 0 && root->roles[role].count == 1)
        old = root->roles[role].keyids[0];
    else if (r == 0)
        r = cr_error_set(err, -EINVAL,
                         "%s has %u keys: say with --old KEYID which one goes; `carrel trust show` "
                         "lists them",
                         cr_roles[role].name, root->roles[role].count);
    if (r == 0)
        r = trust_public_read(cli->values[OPT_NEW], NULL, &key, err);
    if (r < 0)
        return r;
    char old_id[CR_KEYID_TEXT];
    snprintf(old_id, sizeof(old_id), "%s", old);
    if (strcmp(old_id, key.keyid) == 0)
        r = cr_error_set(err, -EINVAL, "'%s' is the key that is in use", cli->values[OPT_NEW]);
    if (r == 0 && cr_root_allow(root, role, &key) < 0)
        r = cr_error_set(err, -ENOSPC, "%s cannot take another key", cr_roles[role].name);
    if (r == 0)
        r = disallow(root, role, old_id, err);
    cr_key_done(&key);
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

typedef int root_change(const struct cli *cli, struct cr_root *root, struct cr_error *err);

static int change_root(struct cli *cli, root_change *change, struct cr_error *err)
{
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    CLEANUP(cr_repo_cleanup) struct cr_repo *repo = NULL;
    struct cr_root root = {0};
    struct sign_job job;
    int r = cli_store_open_writable(cli, &store, err);
    if (r == 0)
        r = job_fill(cli, store, &job, err);
    if (r == 0)
        r = cr_repo_open(store, &repo, err);
    if (r == 0)
        r = root_copy(cli, repo, &root, err);
    if (r == 0)
        r = change(cli, &root, err);
    if (r == 0)
        r = cr_repo_draft_root(repo, &root, err);
    cr_root_done(&root);
    return r < 0 ? r : run_and_print(cli, &job, err);
}

int cmd_trust_rotate(struct cli *cli, struct cr_error *err)
{
    return change_root(cli, exchange, err);
}

int cmd_trust_revoke(struct cli *cli, struct cr_error *err)
{
    return change_root(cli, take_away, err);
}
