/* SPDX-License-Identifier: MIT */
/* carrel trust init | key */
#include "image-tools/commands.h"
#include "image-tools/output.h"
#include "image-tools/trust_key.h"
#include "image-tools/trust_sign.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <time.h>

#define KEYS_DIR "carrel-keys"

/* What an init is made of. */
struct setup {
    const struct cli *cli;
    const char *keys_dir, *secret;
    bool alone; /* one person: keys for root and targets are made here */
    struct cr_root root;
    char signer[PATH_MAX], root_key[PATH_MAX], targets_key[PATH_MAX];
};

static void path_in(char out[static PATH_MAX], const char *dir, const char *name)
{
    int n = snprintf(out, PATH_MAX, "%s/%s", dir, name);
    if (n >= PATH_MAX)
        out[0] = '\0'; /* opening "" says that it is none */
}

/* A key that an interrupted init has made already serves. */
static int key_make(struct setup *setup, const char *path, const char *secret, enum cr_role role,
                    struct cr_error *err)
{
    struct cr_trust_key key = {0};
    int r = cr_signer_make(path, secret, err);
    if (r == 0 || r == -EEXIST)
        r = trust_public_read(path, secret, &key, err);
    if (r == 0) {
        r = cr_root_allow(&setup->root, role, &key);
        if (r < 0)
            cr_error_errno(err, r, "the key '%s'", path);
    }
    cr_key_done(&key);
    return r;
}

static int dirs_make(struct setup *setup, struct cr_error *err)
{
    path_in(setup->signer, setup->keys_dir, "signer");
    path_in(setup->root_key, setup->keys_dir, "root.pem");
    path_in(setup->targets_key, setup->keys_dir, "targets.pem");
    int r = cr_dir_make(AT_FDCWD, setup->keys_dir, 0700);
    if (r == 0)
        r = cr_dir_make(AT_FDCWD, setup->signer, 0700);
    return r < 0 ? cr_error_errno(err, r, "the folder '%s' for keys", setup->keys_dir) : 0;
}

/* A person's key is for root and targets. */
static int person_add(void *context, const char *word, struct cr_error *err)
{
    struct setup *setup = context;
    struct cr_trust_key key = {0};
    int r = trust_public_read(word, setup->secret, &key, err);
    if (r == 0 && cr_root_key(&setup->root, key.keyid) != NULL)
        r = cr_error_set(err, -EINVAL, "the key '%s' is named twice, or under two names", word);
    if (r == 0)
        r = cr_root_allow(&setup->root, CR_ROLE_ROOT, &key);
    if (r == 0)
        r = cr_root_allow(&setup->root, CR_ROLE_TARGETS, &key);
    if (r < 0 && r != -EINVAL)
        cr_error_prefix(err, r, "option '--key'");
    cr_key_done(&key);
    return r;
}

static int people_add(struct setup *setup, struct cr_error *err)
{
    const struct cli *cli = setup->cli;
    uint64_t threshold = 1;
    if (cli_has(cli, OPT_THRESHOLD) &&
        (cr_u64_parse(cli->values[OPT_THRESHOLD], CR_TRUST_KEYS_MAX, &threshold) < 0 ||
         threshold == 0))
        return cr_error_set(err, -EINVAL, "option '--threshold': '%s' is not a number from 1 to %u",
                            cli->values[OPT_THRESHOLD], CR_TRUST_KEYS_MAX);
    if (setup->alone) {
        if (threshold != 1)
            return cr_error_set(err, -EINVAL,
                                "a threshold of %s needs as many keys: name the public keys of all "
                                "who may sign with --key KEY,KEY,...",
                                cli->values[OPT_THRESHOLD]);
        int r = key_make(setup, setup->root_key, setup->secret, CR_ROLE_ROOT, err);
        return r < 0 ? r : key_make(setup, setup->targets_key, setup->secret, CR_ROLE_TARGETS, err);
    }
    int r = trust_words(cli->values[OPT_KEY], person_add, setup, err);
    uint32_t count = setup->root.roles[CR_ROLE_ROOT].count;
    if (r == 0 && threshold > count)
        r = cr_error_set(err, -EINVAL, "option '--threshold': %s of %u keys can never sign",
                         cli->values[OPT_THRESHOLD], count);
    if (r == 0 && !cli_has(cli, OPT_THRESHOLD) && count > 1)
        r = cr_error_set(err, -EINVAL, "say how many of the %u keys must sign: --threshold K",
                         count);
    setup->root.roles[CR_ROLE_ROOT].threshold = (uint32_t)threshold;
    setup->root.roles[CR_ROLE_TARGETS].threshold = (uint32_t)threshold;
    return r;
}

static int root_make(struct setup *setup, struct cr_error *err)
{
    int64_t span_s;
    char path[PATH_MAX];
    int r = trust_span(setup->cli, OPT_ROOT_EXPIRY, CR_TRUST_ROOT_S, &span_s, err);
    if (r < 0)
        return r;
    setup->root.common.version = 1;
    setup->root.common.expires_s = time(NULL) + span_s;
    setup->root.consistent_snapshot = true;
    for (size_t role = 0; role < CR_ROLE_COUNT; role++)
        setup->root.roles[role].threshold = 1;
    r = dirs_make(setup, err);
    if (r == 0)
        r = people_add(setup, err);
    path_in(path, setup->signer, "snapshot.pem");
    if (r == 0)
        r = key_make(setup, path, NULL, CR_ROLE_SNAPSHOT, err);
    path_in(path, setup->signer, "timestamp.pem");
    return r == 0 ? key_make(setup, path, NULL, CR_ROLE_TIMESTAMP, err) : r;
}

/* --- signing at once what can be signed here ------------------------------------------------- */

struct signing {
    struct setup *setup;
    struct sign_job job;
    struct sign_result *result;
};

static int sign_with(void *context, const char *word, struct cr_error *err)
{
    struct signing *signing = context;
    struct sign_result result = {0};
    signing->job.key = trust_is_public(word) ? NULL : word;
    int r = sign_run(&signing->job, &result, err);
    if (r < 0)
        return r;
    sign_result_done(signing->result);
    *signing->result = result;
    return 0;
}

static int all_sign(struct setup *setup, struct cr_store *store, struct sign_result *result,
                    struct cr_error *err)
{
    struct signing signing = {
        .setup = setup,
        .job = {.store = store, .secret = setup->secret, .signer = setup->signer},
        .result = result,
    };
    int r =
        trust_span(setup->cli, OPT_TARGETS_EXPIRY, CR_TRUST_TARGETS_S, &signing.job.targets_s, err);
    if (r < 0)
        return r;
    if (!setup->alone)
        return trust_words(setup->cli->values[OPT_KEY], sign_with, &signing, err);
    r = sign_with(&signing, setup->root_key, err);
    return r == 0 ? sign_with(&signing, setup->targets_key, err) : r;
}

static int init_print(const struct setup *setup, const struct sign_result *result,
                      struct cr_error *err)
{
    bool published = result->outcome == CR_REPO_PUBLISHED;
    const char *dir = setup->keys_dir;
    if (cli_has(setup->cli, OPT_JSON))
        return output_json(json_pack("{s:s, s:s, s:b}", "keys", dir, "signer", setup->signer,
                                     "published", published),
                           err);
    if (cli_has(setup->cli, OPT_QUIET))
        return 0;
    if (setup->alone)
        printf("made the keys '%s/root.pem' and '%s/targets.pem': keep them off the servers, and "
               "the first in a safe\n",
               dir, dir);
    printf("made the signer's folder '%s': move it to where carrel-signer runs\n", setup->signer);
    if (published)
        printf("published: the store's versions are signed; `carrel trust seat DIR` makes what a "
               "seat needs\n");
    else
        sign_print(result, "", stdout);
    return 0;
}

static int nothing_there(struct cr_store *store, struct cr_error *err)
{
    CLEANUP(cr_repo_cleanup) struct cr_repo *repo = NULL;
    struct cr_repo_signed state;
    int r = cr_repo_open(store, &repo, err);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return r;
    cr_repo_draft_state(repo, CR_ROLE_ROOT, &state);
    if (repo->root_count > 0 || state.have >= state.need)
        return cr_error_set(err, -EEXIST,
                            "store '%.200s' has signed metadata already; `carrel trust show` shows "
                            "it, `carrel trust rotate` changes its keys",
                            store->uri);
    return 0;
}

static int draft_put(struct setup *setup, struct cr_store *store, struct cr_error *err)
{
    struct cr_repo *repo = cr_calloc(1, sizeof(*repo));
    if (repo == NULL)
        return cr_error_errno(err, -ENOMEM, "making signed metadata");
    repo->store = store;
    int r = cr_repo_draft_root(repo, &setup->root, err);
    cr_repo_close(repo);
    return r;
}

int cmd_trust_init(struct cli *cli, struct cr_error *err)
{
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    CLEANUP(sign_result_done) struct sign_result result = {0};
    struct setup setup = {
        .cli = cli,
        .keys_dir = cli_has(cli, OPT_KEYS) ? cli->values[OPT_KEYS] : KEYS_DIR,
        .secret = trust_secret(cli),
        .alone = !cli_has(cli, OPT_KEY),
    };
    int r = cli_store_open_writable(cli, &store, err);
    if (r == 0)
        r = nothing_there(store, err);
    if (r == 0)
        r = root_make(&setup, err);
    if (r == 0)
        r = draft_put(&setup, store, err);
    if (r == 0)
        r = all_sign(&setup, store, &result, err);
    if (r == 0)
        r = init_print(&setup, &result, err);
    cr_root_done(&setup.root);
    return r;
}

/* --- carrel trust key ------------------------------------------------------------------------ */

int cmd_trust_key(struct cli *cli, struct cr_error *err)
{
    const char *path = cli->operands[0];
    struct cr_trust_key key = {0};
    CLEANUP_FREE char *public_path = NULL;
    int r = cr_signer_make(path, trust_secret(cli), err);
    if (r == 0)
        r = trust_public_read(path, trust_secret(cli), &key, err);
    if (r < 0)
        return r;
    if (asprintf(&public_path, "%s.pub", path) < 0) {
        public_path = NULL;
        r = cr_error_errno(err, -ENOMEM, "the key '%s'", path);
    }
    if (r == 0)
        r = trust_public_write(public_path, &key, err);
    if (r == 0 && cli_has(cli, OPT_JSON))
        r = output_json(json_pack("{s:s, s:s, s:s}", "keyid", key.keyid, "private", path, "public",
                                  public_path),
                        err);
    else if (r == 0 && !cli_has(cli, OPT_QUIET))
        printf("%s\n  made '%s', which stays with you, and '%s', which others may have\n",
               key.keyid, path, public_path);
    cr_key_done(&key);
    return r;
}
