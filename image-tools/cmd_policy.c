/* SPDX-License-Identifier: MIT */
/* carrel policy sign FILE OUT | lease CERT NAME[@N] OUT | key KEY | show FILE */
#include "image-tools/commands.h"
#include "image-tools/output.h"
#include "image-tools/text.h"
#include "image-tools/trust_key.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/policy/lease.h"
#include "lib/policy/policy.h"
#include "lib/store/version.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <time.h>

#define DAY_S           (24 * 3600)
#define POLICY_DAYS_MAX 3660
#define POLICY_DAYS     365
#define LEASE_DAYS      7

static int days_take(const struct cli *cli, uint64_t max, uint64_t *days, struct cr_error *err)
{
    if (cli_has(cli, OPT_DAYS) &&
        (cr_u64_parse(cli->values[OPT_DAYS], max, days) < 0 || *days == 0))
        return cr_error_set(err, -EINVAL, "option '--days': '%s' is no number from 1 to %" PRIu64,
                            cli->values[OPT_DAYS], max);
    return 0;
}

static int signer_open(const struct cli *cli, struct cr_trust_signer **ret_signer,
                       struct cr_error *err)
{
    if (!cli_has(cli, OPT_KEY))
        return cr_error_set(err, -EINVAL,
                            "say with which of the server's keys: --key KEY; `carrel trust key "
                            "FILE` makes one");
    return cr_signer_open(cli->values[OPT_KEY], trust_secret(cli), ret_signer, err);
}

static int file_read(const char *path, struct cr_buf *bytes, struct cr_error *err)
{
    int r = cr_file_read(AT_FDCWD, path, bytes);
    return r < 0 ? cr_error_errno(err, r, "reading '%s'", path) : 0;
}

/*
 * The number of the next document in the place of the file `path`. It is the time in microseconds,
 * so that there is no counter that could be lost, and rises even when the clock does not.
 */
static uint64_t next_version(const char *path)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_POLICY_BYTES_MAX);
    CLEANUP_JSON json_t *json = NULL;
    uint64_t version = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    if (cr_file_read(AT_FDCWD, path, &bytes) == 0 &&
        cr_json_parse(bytes.data, bytes.len, CR_POLICY_BYTES_MAX, &json, NULL) == 0) {
        json_int_t before =
            json_integer_value(json_object_get(json_object_get(json, "signed"), "version"));
        if (before > 0 && before < INT64_MAX && (uint64_t)before >= version)
            version = (uint64_t)before + 1;
    }
    return version;
}

static int written(const struct cli *cli, const char *what, const char *path,
                   const struct cr_buf *bytes, uint64_t version, int64_t expires_s,
                   struct cr_error *err)
{
    char until[TEXT_TIME];
    int r = cr_file_replace(AT_FDCWD, path, bytes->data, bytes->len, 0644);
    if (r < 0)
        return cr_error_errno(err, r, "writing '%s'", path);
    if (cli_has(cli, OPT_JSON))
        return output_json(json_pack("{s:s, s:I, s:I}", "file", path, "version",
                                     (json_int_t)version, "expires_s", (json_int_t)expires_s),
                           err);
    if (!cli_has(cli, OPT_QUIET))
        printf("signed the %s '%s', number %" PRIu64 ", valid until %s\n", what, path, version,
               text_time(expires_s, until));
    return 0;
}

int cmd_policy_sign(struct cli *cli, struct cr_error *err)
{
    const char *path = cli->operands[0], *out = cli->operands[1];
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(CR_POLICY_BYTES_MAX);
    CLEANUP_BUF struct cr_buf signed_ = CR_BUF_INIT(CR_POLICY_BYTES_MAX);
    CLEANUP_JSON json_t *body = NULL;
    CLEANUP_POLICY struct cr_policy policy = {0};
    CLEANUP_SIGNER struct cr_trust_signer *signer = NULL;
    uint64_t days = POLICY_DAYS;
    int64_t now_s = time(NULL);
    uint64_t version = next_version(out);
    int r = days_take(cli, POLICY_DAYS_MAX, &days, err);
    if (r == 0)
        r = file_read(path, &text, err);
    if (r < 0)
        return r;
    r = cr_json_parse(text.data, text.len, CR_POLICY_BYTES_MAX, &body, err);
    if (r == 0)
        r = cr_policy_parse(body, &policy, err);
    if (r < 0)
        return cr_error_prefix(err, r, "the policy '%s'", path);
    int64_t expires_s = now_s + (int64_t)days * DAY_S;
    r = signer_open(cli, &signer, err);
    if (r == 0)
        r = cr_signed_make(body, "policy", version, expires_s, signer, &signed_, err);
    return r < 0 ? r : written(cli, "policy", out, &signed_, version, expires_s, err);
}

static int seat_read(const char *path, struct cr_id *ret_seat, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf pem = CR_BUF_INIT(CR_PEM_BYTES_MAX);
    int r = file_read(path, &pem, err);
    if (r < 0)
        return r;
    r = cr_lease_seat(pem.data, pem.len, ret_seat);
    return r < 0 ? cr_error_set(err, r, "the file '%s' holds no certificate", path) : 0;
}

/* NAME or NAME@N as NAME@N of a version that is there. */
static int version_find(struct cli *cli, const char *text, struct cr_ref *ret_ref,
                        struct cr_error *err)
{
    CLEANUP(cr_store_cleanup) struct cr_store *store = NULL;
    struct cr_version *version = NULL;
    struct cr_ref ref;
    int r = cr_ref_parse(text, &ref, err);
    if (r == 0)
        r = cli_store_open(cli, &store, err);
    if (r == 0)
        r = cr_version_open(store, &ref, &version, err);
    if (r == 0)
        *ret_ref = *cr_version_ref(version);
    cr_version_close(version);
    return r;
}

int cmd_policy_lease(struct cli *cli, struct cr_error *err)
{
    const char *out = cli->operands[2];
    CLEANUP_BUF struct cr_buf signed_ = CR_BUF_INIT(CR_POLICY_BYTES_MAX);
    CLEANUP_SIGNER struct cr_trust_signer *signer = NULL;
    int64_t now_s = time(NULL);
    struct cr_lease lease = {.version = next_version(out), .given_s = now_s};
    uint64_t days = LEASE_DAYS;
    int r = days_take(cli, CR_POLICY_LEASE_DAYS_MAX, &days, err);
    if (r == 0)
        r = seat_read(cli->operands[0], &lease.seat, err);
    if (r == 0)
        r = version_find(cli, cli->operands[1], &lease.image, err);
    if (r == 0)
        r = signer_open(cli, &signer, err);
    lease.expires_s = now_s + (int64_t)days * DAY_S;
    if (r == 0)
        r = cr_lease_make(&lease, signer, &signed_, err);
    return r < 0 ? r : written(cli, "lease", out, &signed_, lease.version, lease.expires_s, err);
}

int cmd_policy_key(struct cli *cli, struct cr_error *err)
{
    struct cr_trust_key key = {0};
    char line[CR_SIGNED_KEY_TEXT];
    int r = trust_public_read(cli->operands[0], trust_secret(cli), &key, err);
    if (r < 0)
        return r;
    r = cr_signed_key_format(&key, line);
    cr_key_done(&key);
    if (r < 0)
        return cr_error_set(err, r,
                            "the key '%s' is no Ed25519 key; `carrel trust key FILE` makes "
                            "one",
                            cli->operands[0]);
    if (cli_has(cli, OPT_JSON))
        return output_json(json_pack("{s:s}", "key", line), err);
    puts(line);
    return 0;
}

static int keys_read(const char *path, struct cr_trust_key keys[static CR_POLICY_KEYS_MAX],
                     size_t *ret_count, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(CR_POLICY_BYTES_MAX);
    int r = file_read(path, &text, err);
    if (r < 0)
        return r;
    r = cr_signed_keys_parse(text.data, text.len, keys, ret_count, err);
    return r < 0 ? cr_error_prefix(err, r, "the keys '%s'", path) : 0;
}

static void body_print(const json_t *body)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)body, name, value)
    {
        CLEANUP_FREE char *text =
            json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);
        printf("%-12s %s\n", name, text != NULL ? text : "");
    }
}

int cmd_policy_show(struct cli *cli, struct cr_error *err)
{
    const char *path = cli->operands[0];
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_POLICY_BYTES_MAX);
    CLEANUP_JSON json_t *json = NULL;
    CLEANUP_SIGNED struct cr_signed document = {0};
    struct cr_trust_key keys[CR_POLICY_KEYS_MAX] = {0};
    size_t count = 0;
    if (!cli_has(cli, OPT_KEYS))
        return cr_error_set(err, -EINVAL,
                            "say which keys a seat trusts: --keys FILE, lines that `carrel policy "
                            "key KEY` prints");
    int r = keys_read(cli->values[OPT_KEYS], keys, &count, err);
    if (r == 0)
        r = file_read(path, &bytes, err);
    if (r == 0) {
        r = cr_json_parse(bytes.data, bytes.len, CR_POLICY_BYTES_MAX, &json, err);
        const char *type =
            json_string_value(json_object_get(json_object_get(json, "signed"), "_type"));
        bool is_lease = type != NULL && strcmp(type, "lease") == 0;
        if (r == 0)
            r = cr_signed_open(bytes.data, bytes.len, is_lease ? "lease" : "policy", keys, count,
                               &document, err);
        if (r < 0)
            cr_error_prefix(err, r, "the document '%s'", path);
    }
    for (size_t i = 0; i < count; i++)
        cr_key_done(&keys[i]);
    if (r < 0)
        return r;
    if (cli_has(cli, OPT_JSON))
        return output_json(json_incref(document.body), err);
    body_print(document.body);
    return 0;
}
