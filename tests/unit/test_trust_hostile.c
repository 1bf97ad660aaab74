/* SPDX-License-Identifier: MIT */
/*
 * Hostile metadata, generated: the tree of each role's file is walked, and at every node every
 * mutation is tried, signed again by the right keys, so that no signature is what refuses it. All
 * are refused with a reason, and the role's trusted version stays; what the specification allows
 * stands in the table `allowed`, by name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/trust_delegates.h"

#include <fnmatch.h>

/* --- mutations ------------------------------------------------------------------------------- */

enum { MISSING = 100, REPEATED };

/* Raw JSON that takes the place of a value; `but` = the type that is left alone. */
static const struct mutation {
    const char *name;
    const char *text; /* NULL: see `fill`, or the special ones */
    int but;          /* a json_type, or -1 */
    char fill;        /* a huge value: 'A' a text, '1' an array, '[' levels, '9' digits */
    int special;
} mutations[] = {
    {"null", "null", JSON_NULL, 0, 0},
    {"true", "true", JSON_TRUE, 0, 0},
    {"false", "false", JSON_FALSE, 0, 0},
    {"number", "7", JSON_INTEGER, 0, 0},
    {"zero", "0", -1, 0, 0},
    {"negative", "-1", -1, 0, 0},
    {"fraction", "1.5", -1, 0, 0},
    {"whole fraction", "1.0", -1, 0, 0},
    {"exponent", "1e3", -1, 0, 0},
    {"minus zero", "-0", -1, 0, 0},
    {"leading zero", "01", -1, 0, 0},
    {"text", "\"x\"", JSON_STRING, 0, 0},
    {"number as text", "\"1\"", JSON_STRING, 0, 0},
    {"empty text", "\"\"", -1, 0, 0},
    {"zero byte", "\"\\u0000\"", -1, 0, 0},
    {"no UTF-8", "\"\xff\"", -1, 0, 0},
    {"array", "[]", -1, 0, 0},
    {"object", "{}", -1, 0, 0},
    {"huge number", NULL, -1, '9', 0},
    {"huge text", NULL, -1, 'A', 0},
    {"huge array", NULL, -1, '1', 0},
    {"deep", NULL, -1, '[', 0},
    {"missing", NULL, -1, 0, MISSING},
    {"repeated", NULL, -1, 0, REPEATED},
};

static void put(struct cr_buf *out, const char *text)
{
    assert_int_equal(cr_buf_append(out, text, strlen(text)), 0);
}

static void put_huge(struct cr_buf *out, char fill)
{
    enum { BYTES = 5000, LEVELS = 5000 };
    CLEANUP_FREE char *taken = cr_calloc(1, 2 * BYTES + 8);
    assert_non_null(taken);
    if (fill == '9') {
        memset(taken, '9', 400);
    } else if (fill == 'A') {
        memset(taken, 'A', BYTES);
        taken[0] = taken[BYTES - 1] = '"';
    } else if (fill == '[') {
        memset(taken, '[', LEVELS);
        memset(taken + LEVELS, ']', LEVELS);
    } else {
        for (size_t i = 0; i < BYTES; i++)
            taken[2 * i] = ',', taken[2 * i + 1] = '1';
        taken[0] = '[';
        taken[2 * BYTES] = ']';
    }
    put(out, taken);
}

/* Write `json`; the value `at` is replaced as `mutation` says. */
static void emit(const json_t *json, const json_t *at, const struct mutation *mutation,
                 struct cr_buf *out);

static void emit_member(const char *key, const json_t *value, const json_t *at,
                        const struct mutation *mutation, struct cr_buf *out, bool *first)
{
    int times = value != at                     ? 1
                : mutation->special == MISSING  ? 0
                : mutation->special == REPEATED ? 2
                                                : 1;
    for (int i = 0; i < times; i++) {
        put(out, *first ? "" : ",");
        *first = false;
        if (key != NULL) {
            CLEANUP_JSON json_t *name = json_string(key);
            CLEANUP_FREE char *text = json_dumps(name, JSON_ENCODE_ANY);
            put(out, text);
            put(out, ":");
        }
        emit(value, value == at && times == 2 ? NULL : at, mutation, out);
    }
}

static void emit(const json_t *json, const json_t *at, const struct mutation *mutation,
                 struct cr_buf *out)
{
    const char *key;
    json_t *value;
    bool first = true;
    if (json == at && mutation->text != NULL) {
        put(out, mutation->text);
    } else if (json == at && mutation->fill != 0) {
        put_huge(out, mutation->fill);
    } else if (json_is_object(json)) {
        put(out, "{");
        json_object_foreach((json_t *)(uintptr_t)json, key, value)
            emit_member(key, value, at, mutation, out, &first);
        put(out, "}");
    } else if (json_is_array(json)) {
        put(out, "[");
        for (size_t i = 0; i < json_array_size(json); i++)
            emit_member(NULL, json_array_get(json, i), at, mutation, out, &first);
        put(out, "]");
    } else {
        CLEANUP_FREE char *text = json_dumps(json, JSON_ENCODE_ANY);
        put(out, text);
    }
}

/* --- what is allowed ------------------------------------------------------------------------- */

/*
 * The mutations after which the file is still as the specification, or FORMAT.md, allows it.
 * "later" = this role is taken, and a later one refused for it.
 */
static struct allowed {
    const char *role, *path, *mutation; /* patterns of fnmatch(3) */
    bool later;
    unsigned used;
} allowed[] = {
    /* Without it, file names have no numbers: then there is no such file. */
    {"root", "/signed/consistent_snapshot", "missing", true, 0},
    {"root", "/signed/consistent_snapshot", "false", true, 0},
    /* A role without enough keys can sign nothing: the root is good, what it should sign is not. */
    {"root", "/signed/roles/[!r]*/keyids", "array", true, 0},
    {"root", "/signed/roles/[!r]*/keyids/0", "missing", true, 0},
    /* Length and hashes are optional. */
    {"timestamp", "/signed/meta/snapshot.json/length", "missing", false, 0},
    {"timestamp", "/signed/meta/snapshot.json/hashes", "missing", false, 0},
    {"snapshot", "/signed/meta/targets.json/length", "missing", false, 0},
    {"snapshot", "/signed/meta/targets.json/hashes", "missing", false, 0},
    /* Versions and channels may be fewer than before. */
    {"targets", "/signed/targets", "object", false, 0},
    {"targets", "/signed/targets/physics@[12]", "missing", false, 0},
    {"targets", "/signed/carrel", "missing", false, 0},
    {"targets", "/signed/carrel/channels", "object", false, 0},
    {"targets", "/signed/carrel/channels/physics", "missing", false, 0},
    {"targets", "/signed/carrel/channels/physics", "array", false, 0},
    {"targets", "/signed/carrel/channels/physics/?", "missing", false, 0},
    {"targets", "/signed/carrel/channels/physics/?", "repeated", false, 0},
    /* A file that is no version of an image; cr_targets_version refuses it. */
    {"targets", "/signed/targets/physics@[12]/custom", "missing", false, 0},
    {"targets", "/signed/targets/physics@[12]/custom", "object", false, 0},
    {"targets", "/signed/targets/physics@[12]/custom/carrel", "missing", false, 0},
    /* Any time may be; nothing may be a version's parent; number 0 ends a channel. */
    {"targets", "/signed/targets/*/created_s", "zero", false, 0},
    {"targets", "/signed/targets/*/created_s", "negative", false, 0},
    {"targets", "/signed/targets/*/parent", "empty text", false, 0},
    {"targets", "/signed/carrel/channels/physics/?/*_s", "zero", false, 0},
    {"targets", "/signed/carrel/channels/physics/?/*_s", "negative", false, 0},
    {"targets", "/signed/carrel/channels/physics/?/number", "zero", false, 0},
    /* Delegations may be fewer than before, to roles that may speak of less, or never end it. */
    {"targets", "/signed/delegations", "missing", false, 0},
    {"targets", "/signed/delegations/roles", "array", false, 0},
    {"targets", "/signed/delegations/roles/?", "missing", false, 0},
    {"targets", "/signed/delegations/roles/?/keyids", "array", false, 0},
    {"targets", "/signed/delegations/roles/?/keyids/?", "missing", false, 0},
    {"targets", "/signed/delegations/roles/?/terminating", "true", false, 0},
    {"targets", "/signed/delegations/roles/?/terminating", "false", false, 0},
    {"targets", "/signed/delegations/roles/?/path*s", "missing", false, 0},
    {"targets", "/signed/delegations/roles/?/path*s", "array", false, 0},
    {"targets", "/signed/delegations/roles/?/pat*/?", "missing", false, 0},
    {"targets", "/signed/delegations/roles/?/pat*/?", "repeated", false, 0},
    {"targets", "/signed/delegations/roles/0/paths/?", "*text", false, 0},
    /* What a delegated role says of a target may be nothing: then it is not found. */
    {"delegate", "/signed/targets", "object", true, 0},
    {"delegate", "/signed/targets/lab", "missing", true, 0},
    {"delegate", "/signed/targets/lab/length", "zero", false, 0},
};

static struct allowed *find_allowed(const char *role, const char *path, const char *mutation)
{
    for (size_t i = 0; i < CR_ARRAY_LEN(allowed); i++)
        if (strcmp(allowed[i].role, role) == 0 && fnmatch(allowed[i].path, path, 0) == 0 &&
            fnmatch(allowed[i].mutation, mutation, 0) == 0)
            return &allowed[i];
    return NULL;
}

/* --- the attack ------------------------------------------------------------------------------ */

struct attack {
    struct repo repo;
    struct seat seat;
    const char *what; /* the role in `allowed` */
    bool delegated;   /* the role "lab", to which the targets delegate */
    enum cr_role role;
    const char *file; /* its name on the server */
    json_t *good;     /* what is mutated: owned */
    unsigned tried, taken;
};

#define LAB_KEY 8

/* Two delegated roles; the first one, which speaks of "lab", exists. */
static void set_up_delegations(struct repo *repo, json_t *by, uint64_t version)
{
    CLEANUP_JSON json_t *lab = delegate_new(version, "lab", 5);
    json_object_del(by, "delegations");
    delegate_to(by, "lab", LAB_KEY, "\"paths\": [\"l?b\", \"*/*\"]", false);
    delegate_to(by, "bin", LAB_KEY + 1, "\"path_hash_prefixes\": [\"0a\"]", true);
    delegate_publish(repo, "lab", "lab", lab, LAB_KEY);
}

/* The seat looks for what the delegated role says. */
static int find_lab(struct attack *attack, struct cr_error *err)
{
    struct cr_target target;
    return cr_trust_find(attack->seat.client, repo_fetch, &attack->repo, REPO_NOW_S, "lab", &target,
                         err);
}

/* The version of the role that the seat holds. */
static uint64_t kept_version(const struct attack *attack)
{
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_MIB);
    CLEANUP_JSON json_t *json = NULL;
    char path[128];
    if (!attack->delegated)
        return seat_state(&attack->seat).versions[attack->role];
    snprintf(path, sizeof(path), "%s/delegate-lab.json", attack->seat.dir);
    if (cr_file_read(AT_FDCWD, path, &bytes) == 0)
        json = json_loadb((const char *)bytes.data, bytes.len, 0, NULL);
    return (uint64_t)json_integer_value(
        json_object_get(json_object_get(json, "signed"), "version"));
}

/* What a seat knows of each role before, and what the server offers: everything one higher. */
static void set_up(struct attack *attack)
{
    static const struct cr_change changes[] = {
        {.channel = "testing", .number = 1, .set_s = 5, .at_s = 5},
        {.channel = "stable", .kind = CR_CHANGE_ROLLBACK, .number = 2, .set_s = 6, .at_s = 9},
    };
    struct repo *repo = &attack->repo;
    repo_init(repo);
    seat_init(&attack->seat, repo);
    if (attack->delegated) {
        repo->snapshot.common.version = repo->timestamp.common.version = 0;
        repo->targets.common.version = 0;
        set_up_delegations(repo, repo->targets.common.json, 1);
        repo_publish(repo);
    }
    assert_int_equal(seat_refresh(&attack->seat, repo, NULL), 0);
    if (attack->delegated)
        assert_int_equal(find_lab(attack, NULL), 0);
    struct cr_trust_version second = {
        .ref = {.name = "physics", .number = 2},
        .root.bytes = {2},
        .disk_bytes = 1 << 20,
        .created_s = 77,
        .parent = {.name = "physics", .number = 1},
    };
    assert_int_equal(cr_targets_add(&repo->targets, &second), 0);
    assert_int_equal(cr_targets_changes_set(&repo->targets, "physics", changes, 2), 0);
    if (attack->role == CR_ROLE_TARGETS)
        set_up_delegations(repo, repo->targets.common.json, 2);
    repo_next_root(repo);
    repo_publish(repo);
    /* Numbers only, so that what is mutated is not refused for its hash. */
    if (attack->role == CR_ROLE_TARGETS || attack->role == CR_ROLE_SNAPSHOT) {
        repo->timestamp.next = (struct cr_meta_file){.version = 2};
        repo_publish_timestamp(repo);
    }
    if (attack->role == CR_ROLE_TARGETS) {
        repo->snapshot.next = (struct cr_meta_file){.version = 2};
        repo_publish_snapshot(repo);
        repo->timestamp.next = (struct cr_meta_file){.version = 2};
        repo_publish_timestamp(repo);
    }
}

static void tear_down(struct attack *attack)
{
    seat_done(&attack->seat);
    repo_done(&attack->repo);
}

/* The mutated file: what is in "signed" is signed again where it can be read at all. False when the
 * mutation changes nothing. */
static bool mutated_file(struct attack *attack, const json_t *at, const struct mutation *mutation,
                         bool sign, struct cr_buf *out)
{
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(CR_MIB);
    emit(attack->good, at, mutation, &text);
    CLEANUP_JSON json_t *whole = NULL;
    (void)cr_json_parse(text.data, text.len, text.len, &whole, NULL);
    json_t *signed_json = json_object_get(whole, "signed");
    bool was_read = json_is_object(signed_json) &&
                    !json_equal(signed_json, json_object_get(attack->good, "signed"));
    CLEANUP_ENVELOPE struct cr_trust_envelope probe = {0};
    if (sign && was_read && attack->delegated && cr_envelope_new(signed_json, &probe) == 0)
        delegate_wrap(signed_json, &(const unsigned){LAB_KEY}, 1, out);
    else if (sign && was_read && cr_envelope_new(signed_json, &probe) == 0)
        repo_wrap(&attack->repo, attack->role, signed_json, out);
    else
        assert_int_equal(cr_buf_append(out, text.data, text.len), 0);
    return whole == NULL || mutation->special == REPEATED || !json_equal(whole, attack->good);
}

static void blame(const struct attack *attack, const char *path, const struct mutation *mutation,
                  int r, const char *what, const char *text)
{
    fail_msg("%s of the %s, %s: %s (%d, %s)", path, attack->what, mutation->name, what, r, text);
}

static bool code_is_a_refusal(int r)
{
    return r == -EBADMSG || r == -EKEYREJECTED || r == -EMSGSIZE || r == -ESTALE;
}

static void try_one(struct attack *attack, const char *path, const json_t *at,
                    const struct mutation *mutation, bool sign)
{
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_MIB);
    struct cr_error err = {0};
    if (!mutated_file(attack, at, mutation, sign, &bytes))
        return;
    repo_put(&attack->repo, attack->file, bytes.data, bytes.len);
    int r = seat_refresh(&attack->seat, &attack->repo, &err);
    if (r == 0 && attack->delegated)
        r = find_lab(attack, &err);
    uint64_t kept = kept_version(attack);
    struct allowed *may = sign ? find_allowed(attack->what, path, mutation->name) : NULL;
    attack->tried++;
    if (may == NULL) {
        if (!code_is_a_refusal(r) || strstr(err.text, "refused '") == NULL ||
            strstr(err.text, attack->file) == NULL)
            blame(attack, path, mutation, r, "not refused for its reason", err.text);
        if (kept != 1)
            blame(attack, path, mutation, r, "the role went on", err.text);
        return;
    }
    if (kept != 2 || (r == 0) == may->later)
        blame(attack, path, mutation, r, "not taken as the table says", err.text);
    may->used++;
    attack->taken++;
    tear_down(attack);
    set_up(attack);
}

static void walk(struct attack *attack, const char *path, const json_t *at)
{
    const char *key;
    char below[512];
    json_t *value;
    for (size_t i = 0; i < CR_ARRAY_LEN(mutations); i++) {
        const struct mutation *m = &mutations[i];
        if ((int)json_typeof(at) == m->but || (at == attack->good && m->special != 0))
            continue;
        try_one(attack, path, at, m, true);
        if (m->fill == 0)
            try_one(attack, path, at, m, false);
    }
    json_object_foreach((json_t *)(uintptr_t)at, key, value)
    {
        snprintf(below, sizeof(below), "%s/%s", path, key);
        walk(attack, below, value);
    }
    for (size_t i = 0; i < json_array_size(at); i++) {
        snprintf(below, sizeof(below), "%s/%zu", path, i);
        walk(attack, below, json_array_get(at, i));
    }
}

static void attack_role(const char *what, enum cr_role role, const char *file)
{
    struct attack attack = {
        .what = what, .delegated = strcmp(what, "delegate") == 0, .role = role, .file = file};
    set_up(&attack);
    const struct cr_buf *good = repo_file(&attack.repo, file);
    attack.good = json_loadb((const char *)good->data, good->len, 0, NULL);
    assert_non_null(attack.good);
    walk(&attack, "", attack.good);
    printf("# %s: %u tried, %u allowed\n", file, attack.tried, attack.taken);
    assert_true(attack.tried > 400);
    json_decref(attack.good);
    tear_down(&attack);
    for (size_t i = 0; i < CR_ARRAY_LEN(allowed); i++)
        if (strcmp(allowed[i].role, what) == 0 && allowed[i].used == 0)
            fail_msg("allowed, but never met: %s %s %s", allowed[i].role, allowed[i].path,
                     allowed[i].mutation);
}

static void every_field_of_the_root(void **state)
{
    (void)state;
    attack_role("root", CR_ROLE_ROOT, "2.root.json");
}

static void every_field_of_the_timestamp(void **state)
{
    (void)state;
    attack_role("timestamp", CR_ROLE_TIMESTAMP, "timestamp.json");
}

static void every_field_of_the_snapshot(void **state)
{
    (void)state;
    attack_role("snapshot", CR_ROLE_SNAPSHOT, "2.snapshot.json");
}

static void every_field_of_the_targets(void **state)
{
    (void)state;
    attack_role("targets", CR_ROLE_TARGETS, "2.targets.json");
}

static void every_field_of_a_delegated_role(void **state)
{
    (void)state;
    attack_role("delegate", CR_ROLE_TARGETS, "2.lab.json");
}

/* --- values of the right type and the wrong meaning ------------------------------------------ */

static const struct wrong {
    enum cr_role role;
    const char *path, *value; /* of "signed"; the value is JSON */
    int code;
    const char *reason;
} wrongs[] = {
    {CR_ROLE_ROOT, "_type", "\"targets\"", -EBADMSG, "its '_type' is 'targets', not 'root'"},
    {CR_ROLE_TIMESTAMP, "_type", "\"snapshot\"", -EBADMSG, "not 'timestamp'"},
    {CR_ROLE_SNAPSHOT, "_type", "\"timestamp\"", -EBADMSG, "not 'snapshot'"},
    {CR_ROLE_TARGETS, "_type", "\"Targets\"", -EBADMSG, "not 'targets'"},
    {CR_ROLE_ROOT, "spec_version", "\"2.0.0\"", -EBADMSG, "its 'spec_version' is '2.0.0'"},
    {CR_ROLE_ROOT, "spec_version", "\"1\"", -EBADMSG, "its 'spec_version' is '1'"},
    {CR_ROLE_ROOT, "spec_version", "\"1.\"", -EBADMSG, "its 'spec_version' is '1.'"},
    {CR_ROLE_ROOT, "spec_version", "\"1.0.x\"", -EBADMSG, "its 'spec_version' is '1.0.x'"},
    {CR_ROLE_ROOT, "spec_version", "\"10.0\"", -EBADMSG, "its 'spec_version' is '10.0'"},
    {CR_ROLE_TIMESTAMP, "spec_version", "\"0.9\"", -EBADMSG, "its 'spec_version' is '0.9'"},
    {CR_ROLE_ROOT, "version", "1", -ESTALE, "it is version 1, and version 2 was announced"},
    {CR_ROLE_ROOT, "version", "3", -EBADMSG, "it is version 3, and version 2 was announced"},
    {CR_ROLE_ROOT, "version", "9223372036854775807", -EBADMSG, "version 2 was announced"},
    {CR_ROLE_SNAPSHOT, "version", "1", -ESTALE, "it is version 1, and version 2 was announced"},
    {CR_ROLE_SNAPSHOT, "version", "3", -EBADMSG, "version 2 was announced"},
    {CR_ROLE_TARGETS, "version", "1", -ESTALE, "it is version 1, and version 2 was announced"},
    {CR_ROLE_TARGETS, "version", "3", -EBADMSG, "version 2 was announced"},
    {CR_ROLE_TIMESTAMP, "expires", "\"2027-01-15T08:00:00Z\"", -EKEYEXPIRED, "it expired at"},
    {CR_ROLE_SNAPSHOT, "expires", "\"1970-01-01T00:00:00Z\"", -EKEYEXPIRED, "it expired at"},
    {CR_ROLE_TARGETS, "expires", "\"2020-02-29T00:00:00Z\"", -EKEYEXPIRED, "it expired at"},
    {CR_ROLE_TARGETS, "expires", "\"2031-02-29T00:00:00Z\"", -EBADMSG, "'expires' is no time"},
    {CR_ROLE_TARGETS, "expires", "\"2031-13-01T00:00:00Z\"", -EBADMSG, "'expires' is no time"},
    {CR_ROLE_TARGETS, "expires", "\"2031-01-01T24:00:00Z\"", -EBADMSG, "'expires' is no time"},
    {CR_ROLE_TARGETS, "expires", "\"2031-01-01T00:00:60Z\"", -EBADMSG, "'expires' is no time"},
    {CR_ROLE_TARGETS, "expires", "\"2031-01-01T00:00:00+02:00\"", -EBADMSG, "is no time"},
    {CR_ROLE_TARGETS, "expires", "\"2031-01-01 00:00:00Z\"", -EBADMSG, "'expires' is no time"},
    {CR_ROLE_TARGETS, "expires", "\"2031-01-01T00:00:00.5Z\"", -EBADMSG, "'expires' is no time"},
    {CR_ROLE_TARGETS, "expires", "\"+031-01-01T00:00:00Z\"", -EBADMSG, "'expires' is no time"},
    {CR_ROLE_ROOT, "roles.targets.threshold", "2147483648", -EBADMSG, "is too large"},
    {CR_ROLE_TIMESTAMP, "meta", "{\"snapshot.json\":{\"version\":2},\"x\":{\"version\":1}}",
     -EBADMSG, "it names more than the file 'snapshot.json'"},
    {CR_ROLE_TIMESTAMP, "meta", "{\"targets.json\":{\"version\":2}}", -EBADMSG,
     "'snapshot.json' is missing"},
    {CR_ROLE_SNAPSHOT, "meta", "{\"root.json\":{\"version\":2}}", -EBADMSG,
     "'targets.json' is missing"},
    {CR_ROLE_SNAPSHOT, "meta", "{\"targets.json\":{\"version\":2},\"x\":{}}", -EBADMSG,
     "the entry of 'x'"},
    {CR_ROLE_TIMESTAMP, "meta", "{\"snapshot.json\":{\"version\":2,\"hashes\":{\"md5\":\"ab\"}}}",
     -EBADMSG, "no hash of a kind that is known"},
    {CR_ROLE_TARGETS, "targets",
     "{\"physics@1\":{\"length\":99,\"hashes\":{\"sha256\":"
     "\"0000000000000000000000000000000000000000000000000000000000000000\"},"
     "\"custom\":{\"carrel\":{\"parent\":\"\",\"disk_bytes\":512,\"created_s\":0}}}}",
     -EBADMSG, "its length of 99 is not that of the manifest of a disk of 512 bytes"},
    {CR_ROLE_TARGETS, "targets",
     "{\"physics@1\":{\"length\":64,\"hashes\":{\"sha512\":\"00\"},"
     "\"custom\":{\"carrel\":{\"parent\":\"\",\"disk_bytes\":512,\"created_s\":0}}}}",
     -EBADMSG, "its hash 'sha512' is not 128 lower-case digits"},
    {CR_ROLE_TARGETS, "carrel.channels", "{\"../x\":[]}", -EBADMSG, "which is no image"},
    {CR_ROLE_TARGETS, "delegations", "[]", -EBADMSG, "'delegations'"},
    {CR_ROLE_TARGETS, "delegations.roles", "[{\"name\":\"root\"}]", -EBADMSG,
     "its name 'root' is that of a top-level role"},
    {CR_ROLE_TARGETS, "delegations.roles",
     "[{\"name\":\"a\",\"paths\":[],\"path_hash_prefixes\":[]}]", -EBADMSG, "it has both 'paths'"},
    {CR_ROLE_TARGETS, "delegations.roles", "[{\"name\":\"a\",\"path_hash_prefixes\":[\"0A\"]}]",
     -EBADMSG, "its prefix 1 is not"},
    {CR_ROLE_TARGETS, "delegations.roles",
     "[{\"name\":\"a\",\"terminating\":true,\"threshold\":1,\"keyids\":[]},"
     "{\"name\":\"a\",\"terminating\":true,\"threshold\":1,\"keyids\":[]}]",
     -EBADMSG, "role 2: its name 'a' stands there before"},
    {CR_ROLE_TARGETS, "delegations.roles",
     "[{\"name\":\"a\",\"terminating\":true,\"threshold\":1,\"keyids\":[\"00\"]}]", -EBADMSG,
     "its key id 1 names no key"},
    {CR_ROLE_TARGETS, "delegations.roles",
     "[{\"name\":\"a\",\"terminating\":true,\"threshold\":2147483648,\"keyids\":[]}]", -EBADMSG,
     "is too large"},
};

static void set_path(json_t *json, const char *path, const char *value)
{
    char name[64];
    for (const char *dot; (dot = strchr(path, '.')) != NULL; path = dot + 1) {
        snprintf(name, sizeof(name), "%.*s", (int)(dot - path), path);
        json = json_object_get(json, name);
        assert_non_null(json);
    }
    json_t *new_ = json_loads(value, JSON_DECODE_ANY, NULL);
    assert_non_null(new_);
    assert_int_equal(json_object_set_new(json, path, new_), 0);
}

static void a_value_of_the_right_type_and_the_wrong_meaning(void **state)
{
    (void)state;
    static const char *const files[] = {"2.root.json", "2.targets.json", "2.snapshot.json",
                                        "timestamp.json"};
    for (size_t i = 0; i < CR_ARRAY_LEN(wrongs); i++) {
        const struct wrong *wrong = &wrongs[i];
        struct attack attack = {.role = wrong->role, .file = files[wrong->role]};
        CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_MIB);
        struct cr_error err = {0};
        set_up(&attack);
        const struct cr_buf *good = repo_file(&attack.repo, attack.file);
        CLEANUP_JSON json_t *json = json_loadb((const char *)good->data, good->len, 0, NULL);
        set_path(json_object_get(json, "signed"), wrong->path, wrong->value);
        repo_wrap(&attack.repo, attack.role, json_object_get(json, "signed"), &bytes);
        repo_put(&attack.repo, attack.file, bytes.data, bytes.len);
        int r = seat_refresh(&attack.seat, &attack.repo, &err);
        if (r != wrong->code || strstr(err.text, wrong->reason) == NULL ||
            strstr(err.text, attack.file) == NULL)
            fail_msg("%s = %s: %d, %s", wrong->path, wrong->value, r, err.text);
        assert_int_equal(seat_state(&attack.seat).versions[wrong->role], 1);
        tear_down(&attack);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_of_the_root),
        cmocka_unit_test(every_field_of_the_timestamp),
        cmocka_unit_test(every_field_of_the_snapshot),
        cmocka_unit_test(every_field_of_the_targets),
        cmocka_unit_test(every_field_of_a_delegated_role),
        cmocka_unit_test(a_value_of_the_right_type_and_the_wrong_meaning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
