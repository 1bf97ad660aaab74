/* SPDX-License-Identifier: MIT */
/* carrel trust show | seat | verify */
#include "image-tools/commands.h"
#include "image-tools/output.h"
#include "image-tools/text.h"
#include "image-tools/trust_key.h"
#include "lib/base/mem.h"
#include "lib/recipe/recipe.h"
#include "lib/trust/client.h"
#include "lib/trust/repo.h"
#include "lib/trust/store_fetch.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

/* --- show ------------------------------------------------------------------------------------ */

static int news_take(void *context, const char *line)
{
    return json_array_append_new(context, json_string(line)) == 0 ? 0 : -ENOMEM;
}

static json_t *roles_json(const struct cr_root *root)
{
    json_t *roles = json_object();
    for (int role = 0; role < CR_ROLE_COUNT; role++) {
        const struct cr_role_keys *keys = &root->roles[role];
        json_t *ids = json_array();
        for (uint32_t i = 0; i < keys->count; i++)
            json_array_append_new(ids, json_string(keys->keyids[i]));
        json_object_set_new(
            roles, cr_roles[role].name,
            json_pack("{s:i, s:o}", "threshold", (int)keys->threshold, "keyids", ids));
    }
    return roles;
}

static json_t *version_json(uint64_t version, int64_t expires_s)
{
    if (version == 0)
        return json_null();
    return json_pack("{s:I, s:I}", "version", (json_int_t)version, "expires_s",
                     (json_int_t)expires_s);
}

static json_t *draft_json(const struct cr_repo *repo, enum cr_role role)
{
    struct cr_repo_signed state;
    const struct cr_role_common *common =
        role == CR_ROLE_ROOT ? &repo->draft_root.common : &repo->draft_targets.common;
    bool present =
        role == CR_ROLE_ROOT ? repo->draft_root_file.present : repo->draft_targets_file.present;
    cr_repo_draft_state(repo, role, &state);
    if (!present)
        return json_null();
    return json_pack("{s:I, s:i, s:i}", "version", (json_int_t)common->version, "signatures",
                     (int)state.have, "threshold", (int)state.need);
}

static void role_print(const struct cr_root *root, enum cr_role role, uint64_t version,
                       int64_t expires_s)
{
    char until[TEXT_TIME];
    const struct cr_role_keys *keys = &root->roles[role];
    printf("%s", cr_roles[role].name);
    if (version > 0)
        printf(" %" PRIu64 ", %s %s", version, expires_s > time(NULL) ? "until" : "expired at",
               text_time(expires_s, until));
    printf("\n  %u of %u keys must sign\n", keys->threshold, keys->count);
    for (uint32_t i = 0; i < keys->count; i++)
        printf("  key %s\n", keys->keyids[i]);
}

static void draft_print(const struct cr_repo *repo, enum cr_role role)
{
    CLEANUP_JSON json_t *draft = draft_json(repo, role);
    if (!json_is_object(draft))
        return;
    printf("a draft of %s %" JSON_INTEGER_FORMAT " has %" JSON_INTEGER_FORMAT
           " of %" JSON_INTEGER_FORMAT " signatures\n",
           cr_roles[role].name, json_integer_value(json_object_get(draft, "version")),
           json_integer_value(json_object_get(draft, "signatures")),
           json_integer_value(json_object_get(draft, "threshold")));
}

static void repo_print(const struct cr_repo *repo, const json_t *waiting)
{
    const struct cr_root *root = repo->root_count > 0 ? &repo->root : &repo->draft_root;
    size_t i;
    const json_t *line;
    role_print(root, CR_ROLE_ROOT, repo->root_count, root->common.expires_s);
    role_print(root, CR_ROLE_TARGETS, repo->targets.common.version, repo->targets.common.expires_s);
    role_print(root, CR_ROLE_SNAPSHOT, repo->snapshot.common.version,
               repo->snapshot.common.expires_s);
    role_print(root, CR_ROLE_TIMESTAMP, repo->timestamp.common.version,
               repo->timestamp.common.expires_s);
    draft_print(repo, CR_ROLE_ROOT);
    draft_print(repo, CR_ROLE_TARGETS);
    if (json_array_size(waiting) > 0)
        printf("not signed yet:\n");
    json_array_foreach(waiting, i, line)
    {
        printf("  %s\n", json_string_value(line));
    }
}

int cmd_trust_show(struct cli *cli, struct cr_error *err)
{
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    CLEANUP(cr_repo_cleanup) struct cr_repo *repo = NULL;
    CLEANUP_JSON json_t *waiting = json_array();
    struct cr_repo_draft draft = {
        .now_s = time(NULL), .hidden = cr_steps_is_name, .news = news_take, .context = waiting};
    struct cr_targets targets = {0};
    unsigned changes = 0;
    int r = cli_store_open(cli, &store, err);
    if (r == 0)
        r = cr_repo_open(store, &repo, err);
    if (r == 0)
        r = cr_repo_targets_from_heads(repo, &draft, &targets, &changes, err);
    if (r < 0)
        return r;
    cr_targets_done(&targets);
    if (!cli_has(cli, OPT_JSON)) {
        repo_print(repo, waiting);
        return 0;
    }
    const struct cr_root *root = repo->root_count > 0 ? &repo->root : &repo->draft_root;
    return output_json(
        json_pack("{s:o, s:o, s:o, s:o, s:{s:o, s:o}, s:O}", "roles", roles_json(root), "root",
                  version_json(repo->root_count, root->common.expires_s), "targets",
                  version_json(repo->targets.common.version, repo->targets.common.expires_s),
                  "timestamp",
                  version_json(repo->timestamp.common.version, repo->timestamp.common.expires_s),
                  "drafts", "root", draft_json(repo, CR_ROLE_ROOT), "targets",
                  draft_json(repo, CR_ROLE_TARGETS), "waiting", waiting),
        err);
}

/* --- seat ------------------------------------------------------------------------------------ */

int cmd_trust_seat(struct cli *cli, struct cr_error *err)
{
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    CLEANUP(cr_repo_cleanup) struct cr_repo *repo = NULL;
    const char *dir = cli->operands[0];
    int r = cli_store_open(cli, &store, err);
    if (r == 0)
        r = cr_repo_open(store, &repo, err);
    if (r == 0 && repo->root_count == 0)
        r = cr_error_set(err, -EAGAIN, "the first root still waits for its signatures");
    if (r < 0)
        return r;
    const struct cr_repo_file *root = &repo->roots[repo->root_count - 1];
    r = cr_trust_client_init(dir, root->bytes.data, root->bytes.len, err);
    if (r < 0)
        return r;
    if (cli_has(cli, OPT_JSON))
        return output_json(json_pack("{s:s, s:i}", "folder", dir, "root", (int)repo->root_count),
                           err);
    if (!cli_has(cli, OPT_QUIET))
        printf("made '%s' with root %" PRIu32 ": copy it to the seats, on a way that you trust\n",
               dir, repo->root_count);
    return 0;
}

/* --- verify ---------------------------------------------------------------------------------- */

static const char *const healths[CR_TRUST_HEALTH_COUNT] = {
    [CR_TRUST_EMPTY] = "empty",
    [CR_TRUST_INTERRUPTED] = "interrupted",
    [CR_TRUST_EXPIRED] = "expired",
    [CR_TRUST_CURRENT] = "current",
};

static int verified_print(const struct cli *cli, const struct cr_trust_state *state,
                          const struct cr_trust_version *version, struct cr_error *err)
{
    char ref[CR_REF_TEXT], root[CR_ID_HEX];
    bool named = version->ref.name[0] != '\0';
    if (cli_has(cli, OPT_JSON))
        return output_json(
            json_pack("{s:s, s:I, s:I, s:I, s:I, s:s?, s:s?, s:s}", "health",
                      healths[state->health], "root", (json_int_t)state->versions[CR_ROLE_ROOT],
                      "targets", (json_int_t)state->versions[CR_ROLE_TARGETS], "snapshot",
                      (json_int_t)state->versions[CR_ROLE_SNAPSHOT], "timestamp",
                      (json_int_t)state->versions[CR_ROLE_TIMESTAMP], "ref",
                      named ? cr_ref_format(&version->ref, ref) : NULL, "version_root",
                      named ? cr_id_format(&version->root, root) : NULL, "warning", state->warning),
            err);
    if (named)
        printf("%s %s\n", cr_ref_format(&version->ref, ref), cr_id_format(&version->root, root));
    if (!cli_has(cli, OPT_QUIET))
        printf("%s: root %" PRIu64 ", targets %" PRIu64 ", snapshot %" PRIu64 ", timestamp %" PRIu64
               "\n",
               healths[state->health], state->versions[CR_ROLE_ROOT],
               state->versions[CR_ROLE_TARGETS], state->versions[CR_ROLE_SNAPSHOT],
               state->versions[CR_ROLE_TIMESTAMP]);
    return 0;
}

int cmd_trust_verify(struct cli *cli, struct cr_error *err)
{
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    struct cr_trust_client *client = NULL;
    struct cr_trust_state state;
    struct cr_trust_version version = {0};
    struct cr_ref ref;
    int64_t now_s = time(NULL);
    int r = cli->operands[1] != NULL ? cr_ref_parse(cli->operands[1], &ref, err) : 0;
    if (r == 0)
        r = cli_store_open(cli, &store, err);
    if (r == 0)
        r = cr_trust_client_open(cli->operands[0], &client, err);
    if (r == 0)
        r = cr_trust_refresh(client, cr_trust_store_fetch, store, now_s, err);
    if (r == 0 && cli->operands[1] != NULL)
        r = cr_trust_resolve(client, &ref, now_s, &version, err);
    if (r == 0) {
        cr_trust_client_state(client, now_s, &state);
        r = verified_print(cli, &state, &version, err);
    }
    cr_trust_client_free(client);
    return r;
}
