/* SPDX-License-Identifier: MIT */
#include "image-tools/trust_sign.h"

#include "image-tools/output.h"
#include "image-tools/trust_courier.h"
#include "image-tools/trust_key.h"
#include "lib/base/mem.h"
#include "lib/recipe/recipe.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

#define ONLY_MAX 64

struct run {
    const struct sign_job *job;
    struct sign_result *result;
    struct cr_repo *repo;
    struct cr_trust_signer *signer;
    int64_t now_s;
    struct cr_ref only[ONLY_MAX];
    struct cr_repo_draft draft;
};

void sign_result_done(struct sign_result *result)
{
    json_decref(result->news);
    *result = (struct sign_result){0};
}

static int news_take(void *context, const char *line)
{
    return json_array_append_new(context, json_string(line)) == 0 ? 0 : -ENOMEM;
}

/* --- the root ------------------------------------------------------------------------------------
 */

/* The same root, valid for longer. */
static int root_renew(struct run *run, struct cr_error *err)
{
    CLEANUP_JSON json_t *json =
        json_deep_copy(run->repo->roots[run->repo->root_count - 1].envelope.signed_json);
    struct cr_root root = {0};
    int r = json == NULL ? -ENOMEM : cr_root_parse(json, &root, err);
    if (r < 0)
        return r;
    root.common.version++;
    root.common.expires_s = run->now_s + run->job->root_s;
    r = cr_repo_draft_root(run->repo, &root, err);
    cr_root_done(&root);
    return r;
}

static int root_sign(struct run *run, struct cr_error *err)
{
    struct cr_repo *repo = run->repo;
    const char *keyid = run->signer->key.keyid;
    if (!cr_repo_may_sign(repo, CR_ROLE_ROOT, keyid))
        return 0;
    if (!repo->draft_root_file.present && run->job->renew) {
        int r = root_renew(run, err);
        if (r < 0)
            return r;
    }
    if (!repo->draft_root_file.present || cr_repo_has_signed(repo, CR_ROLE_ROOT, keyid))
        return 0;
    run->result->signed_roles[CR_ROLE_ROOT] = true;
    return cr_repo_sign(repo, CR_ROLE_ROOT, run->signer, err);
}

/* --- the targets ---------------------------------------------------------------------------------
 */

/* Nothing that clients can use for much longer is published. */
static bool is_needed(const struct run *run)
{
    const struct cr_repo *repo = run->repo;
    return !repo->targets_file.present ||
           cr_trust_verify(&repo->targets_file.envelope, cr_repo_deciding_root(repo),
                           CR_ROLE_TARGETS, NULL) < 0 ||
           repo->targets.common.expires_s < run->now_s + run->job->targets_s / 2;
}

/* A draft anew from the heads, unless the one that is there says the same already. */
static int targets_draft(struct run *run, struct cr_error *err)
{
    struct cr_repo *repo = run->repo;
    struct cr_targets targets = {0};
    unsigned changes = 0, others = 0;
    int r = cr_repo_targets_from_heads(repo, &run->draft, &targets, &changes, err);
    if (r < 0)
        return r;
    struct cr_repo_draft silent = {.now_s = run->now_s};
    bool same = false;
    if (repo->draft_targets_file.present && repo->draft_targets.common.expires_s > run->now_s) {
        r = cr_repo_compare(&repo->draft_targets, &targets, &silent, &others);
        same = others == 0;
    }
    if (r == 0 && !same && (changes > 0 || run->job->renew || is_needed(run)))
        r = cr_repo_draft_targets(repo, &targets, err);
    cr_targets_done(&targets);
    return r;
}

static int targets_sign(struct run *run, struct cr_error *err)
{
    struct cr_repo *repo = run->repo;
    const char *keyid = run->signer->key.keyid;
    unsigned changes = 0;
    int r = 0;
    if (!cr_repo_may_sign(repo, CR_ROLE_TARGETS, keyid))
        return 0;
    bool stale = repo->draft_targets.common.expires_s <= run->now_s; /* true without a draft */
    if (stale || cr_repo_has_signed(repo, CR_ROLE_TARGETS, keyid)) {
        run->draft.news = NULL;
        r = targets_draft(run, err);
    }
    if (r < 0 || !repo->draft_targets_file.present ||
        cr_repo_has_signed(repo, CR_ROLE_TARGETS, keyid))
        return r;
    run->draft.news = news_take;
    r = cr_repo_draft_news(repo, &run->draft, &changes, err);
    if (r == 0)
        r = cr_repo_sign(repo, CR_ROLE_TARGETS, run->signer, err);
    run->result->signed_roles[CR_ROLE_TARGETS] = r == 0;
    return r;
}

/* --- all of it -----------------------------------------------------------------------------------
 */

static int only_take(void *context, const char *word, struct cr_error *err)
{
    struct run *run = context;
    if (run->draft.only_count == ONLY_MAX)
        return cr_error_set(err, -EINVAL, "at most %d versions can be named", ONLY_MAX);
    struct cr_ref *ref = &run->only[run->draft.only_count++];
    int r = cr_ref_parse(word, ref, err);
    if (r == 0 && ref->channel[0] != '\0')
        return cr_error_set(err, -EINVAL, "'%s' names a channel; name versions, NAME@N", word);
    return r;
}

static int all_sign(struct run *run, struct cr_error *err)
{
    const char *keyid;
    if (run->job->key == NULL)
        return 0;
    int r = cr_signer_open(run->job->key, run->job->secret, &run->signer, err);
    if (r < 0)
        return r;
    keyid = run->signer->key.keyid;
    if (!cr_repo_may_sign(run->repo, CR_ROLE_ROOT, keyid) &&
        !cr_repo_may_sign(run->repo, CR_ROLE_TARGETS, keyid))
        return cr_error_set(err, -EACCES,
                            "the key '%.16s...' may sign neither root nor targets: it is unknown "
                            "or revoked; `carrel trust show` lists those that may",
                            keyid);
    r = root_sign(run, err);
    return r == 0 ? targets_sign(run, err) : r;
}

static void counts_note(struct run *run)
{
    struct sign_result *result = run->result;
    const struct cr_repo *repo = run->repo;
    cr_repo_draft_state(repo, CR_ROLE_ROOT, &result->counts[CR_ROLE_ROOT]);
    cr_repo_draft_state(repo, CR_ROLE_TARGETS, &result->counts[CR_ROLE_TARGETS]);
    result->versions[CR_ROLE_ROOT] =
        repo->draft_root_file.present ? repo->draft_root.common.version : 0;
    result->versions[CR_ROLE_TARGETS] =
        repo->draft_targets_file.present ? repo->draft_targets.common.version : 0;
}

static int publish(struct run *run, struct cr_error *err)
{
    struct trust_courier way = {.path = run->job->signer};
    if (way.path == NULL) {
        run->result->waits_for_signer = cr_repo_is_ready(run->repo);
        return 0;
    }
    return cr_repo_publish(run->repo, run->job->refresh, trust_courier, &way, &run->result->outcome,
                           err);
}

int sign_run(const struct sign_job *job, struct sign_result *ret_result, struct cr_error *err)
{
    CLEANUP(cr_repo_cleanup) struct cr_repo *repo = NULL;
    CLEANUP(sign_result_done) struct sign_result result = {.news = json_array()};
    struct run run = {.job = job, .result = &result, .now_s = time(NULL)};
    if (result.news == NULL)
        return cr_error_errno(err, -ENOMEM, "signing");
    run.draft = (struct cr_repo_draft){.now_s = run.now_s,
                                       .expires_s = run.now_s + job->targets_s,
                                       .only = run.only,
                                       .hidden = cr_steps_is_name,
                                       .context = result.news};
    int r = job->only == NULL ? 0 : trust_words(job->only, only_take, &run, err);
    if (r == 0)
        r = cr_repo_open(job->store, &repo, err);
    run.repo = repo;
    if (r == 0)
        r = all_sign(&run, err);
    cr_signer_close(run.signer);
    if (r < 0)
        return r;
    counts_note(&run);
    r = publish(&run, err);
    if (r < 0)
        return r;
    *ret_result = result;
    result.news = NULL;
    return 0;
}

/* --- telling it
 * ------------------------------------------------------------------------------------ */

static void role_print(const struct sign_result *result, enum cr_role role, const char *prefix,
                       FILE *out)
{
    const struct cr_repo_signed *count = &result->counts[role];
    if (result->versions[role] == 0)
        return;
    fprintf(out, "%s%s %" PRIu64 " has %" PRIu32 " of %" PRIu32 " signatures\n", prefix,
            cr_roles[role].name, result->versions[role], count->have, count->need);
}

void sign_print(const struct sign_result *result, const char *prefix, FILE *out)
{
    size_t i;
    json_t *line;
    json_array_foreach(result->news, i, line)
    {
        fprintf(out, "%s%s\n", prefix, json_string_value(line));
    }
    role_print(result, CR_ROLE_ROOT, prefix, out);
    role_print(result, CR_ROLE_TARGETS, prefix, out);
    if (result->outcome == CR_REPO_PUBLISHED)
        fprintf(out, "%spublished: seats see it with their next refresh\n", prefix);
    else if (result->outcome == CR_REPO_HELD)
        fprintf(out,
                "%sthe root waits for targets that are signed with its keys: carrel trust sign "
                "--key KEY\n",
                prefix);
    else if (result->waits_for_signer)
        fprintf(out, "%sto publish it: carrel trust timestamp --signer PATH\n", prefix);
    else if (result->versions[CR_ROLE_ROOT] != 0 || result->versions[CR_ROLE_TARGETS] != 0)
        fprintf(out, "%swaits for more signatures: carrel trust sign --key KEY\n", prefix);
    else
        fprintf(out, "%snothing waits for a signature\n", prefix);
}

/* --- of a command line ------------------------------------------------------------------------ */

int sign_job_fill(const struct cli *cli, struct cr_store *store, struct sign_job *job,
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

int sign_run_and_print(const struct cli *cli, const struct sign_job *job, struct cr_error *err)
{
    CLEANUP(sign_result_done) struct sign_result result = {0};
    int r = sign_run(job, &result, err);
    return r < 0 ? r : result_print(cli, &result, err);
}
