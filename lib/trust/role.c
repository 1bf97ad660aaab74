/* SPDX-License-Identifier: MIT */
#include "lib/trust/role.h"

#include "lib/base/mem.h"
#include "lib/trust/fields.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/sha.h>
#include <string.h>
#include <time.h>

const struct cr_role_info cr_roles[CR_ROLE_COUNT] = {
    [CR_ROLE_ROOT] = {"root", CR_TRUST_ROOT_BYTES_MAX},
    [CR_ROLE_TARGETS] = {"targets", CR_TRUST_TARGETS_BYTES_MAX},
    [CR_ROLE_SNAPSHOT] = {"snapshot", CR_TRUST_SNAPSHOT_BYTES_MAX},
    [CR_ROLE_TIMESTAMP] = {"timestamp", CR_TRUST_TIMESTAMP_BYTES_MAX},
};

/* --- times ----------------------------------------------------------------------------------- */

/* The number of `count` digits, which were looked at before. */
static int digits(const char *text, int count)
{
    int value = 0;
    for (int i = 0; i < count; i++)
        value = 10 * value + (text[i] - '0');
    return value;
}

int cr_expires_parse(const char *text, int64_t *ret_s)
{
    static const char form[] = "0000-00-00T00:00:00Z";
    if (strlen(text) != sizeof(form) - 1)
        return -EINVAL;
    for (size_t i = 0; i < sizeof(form) - 1; i++)
        if (form[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
            return -EINVAL;
    char again[CR_EXPIRES_TEXT];
    int year = digits(text, 4);
    if (year < 1970)
        return -EINVAL;
    struct tm tm = {
        .tm_year = year - 1900,
        .tm_mon = digits(text + 5, 2) - 1,
        .tm_mday = digits(text + 8, 2),
        .tm_hour = digits(text + 11, 2),
        .tm_min = digits(text + 14, 2),
        .tm_sec = digits(text + 17, 2),
    };
    int64_t when = timegm(&tm);
    /* timegm takes the 31st of February for a day in March. */
    if (strcmp(cr_expires_format(when, again), text) != 0)
        return -EINVAL;
    *ret_s = when;
    return 0;
}

const char *cr_expires_format(int64_t expires_s, char out[static CR_EXPIRES_TEXT])
{
    static const int64_t last = 253402300799; /* 9999-12-31T23:59:59Z */
    struct tm tm;
    time_t when = expires_s < 0 ? 0 : expires_s > last ? last : expires_s;
    gmtime_r(&when, &tm);
    strftime(out, CR_EXPIRES_TEXT, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return out;
}

/* --- fields ---------------------------------------------------------------------------------- */

int cr_field_integer(const json_t *object, const char *name, int64_t min, uint64_t *ret_value,
                     struct cr_error *err)
{
    const json_t *value = json_object_get(object, name);
    if (!json_is_integer(value) || json_integer_value(value) < min)
        return cr_error_set(
            err, -EBADMSG, "its field '%s' is missing or no whole number from %" PRId64, name, min);
    *ret_value = (uint64_t)json_integer_value(value);
    return 0;
}

int cr_field_object(const json_t *object, const char *name, json_t **ret_value,
                    struct cr_error *err)
{
    json_t *value = json_object_get(object, name);
    if (!json_is_object(value))
        return cr_error_set(err, -EBADMSG, "its field '%s' is missing or no object", name);
    *ret_value = value;
    return 0;
}

int cr_field_text(const json_t *object, const char *name, const char **ret_value,
                  struct cr_error *err)
{
    const json_t *value = json_object_get(object, name);
    if (!json_is_string(value))
        return cr_error_set(err, -EBADMSG, "its field '%s' is missing or no text", name);
    *ret_value = json_string_value(value);
    return 0;
}

/* --- hashes ---------------------------------------------------------------------------------- */

static int take_hash(const json_t *hashes, const char *name, uint8_t *out, size_t len, bool *has)
{
    const json_t *value = json_object_get(hashes, name);
    *has = value != NULL;
    if (value == NULL)
        return 0;
    return json_is_string(value) ? cr_hex_parse(json_string_value(value), out, len) : -EINVAL;
}

int cr_field_hashes(const json_t *object, struct cr_hashes *ret_hashes, struct cr_error *err)
{
    json_t *json = NULL, *value;
    struct cr_hashes hashes = {0};
    int r = cr_field_object(object, "hashes", &json, err);
    if (r < 0)
        return r;
    if (json_object_size(json) == 0)
        return cr_error_set(err, -EBADMSG, "its field 'hashes' is empty");
    const char *name;
    json_object_foreach(json, name, value)
    {
        if (!json_is_string(value))
            return cr_error_set(err, -EBADMSG, "its hash '%.32s' is no text", name);
    }
    if (take_hash(json, "sha256", hashes.sha256, sizeof(hashes.sha256), &hashes.has_sha256) < 0)
        return cr_error_set(err, -EBADMSG, "its hash 'sha256' is not 64 lower-case digits");
    if (take_hash(json, "sha512", hashes.sha512, sizeof(hashes.sha512), &hashes.has_sha512) < 0)
        return cr_error_set(err, -EBADMSG, "its hash 'sha512' is not 128 lower-case digits");
    *ret_hashes = hashes;
    return 0;
}

json_t *cr_hashes_format(const struct cr_hashes *hashes)
{
    char hex[2 * sizeof(hashes->sha512) + 1];
    json_t *json = json_object();
    if (hashes->has_sha256) {
        cr_hex_format(hashes->sha256, sizeof(hashes->sha256), hex);
        json_object_set_new(json, "sha256", json_string(hex));
    }
    if (hashes->has_sha512) {
        cr_hex_format(hashes->sha512, sizeof(hashes->sha512), hex);
        json_object_set_new(json, "sha512", json_string(hex));
    }
    return json;
}

int cr_hashes_check(const struct cr_hashes *hashes, const void *data, size_t len)
{
    uint8_t found[64];
    if (hashes->has_sha256) {
        SHA256(data, len, found);
        if (memcmp(found, hashes->sha256, sizeof(hashes->sha256)) != 0)
            return -EBADMSG;
    }
    if (hashes->has_sha512) {
        SHA512(data, len, found);
        if (memcmp(found, hashes->sha512, sizeof(hashes->sha512)) != 0)
            return -EBADMSG;
    }
    return 0;
}

/* --- what every role has --------------------------------------------------------------------- */

/* "1.0.31", or "1.0" of the first writers: a number that is not 1 in front changes the rules. */
static bool spec_is_known(const char *text)
{
    unsigned dots = 0;
    if (strncmp(text, "1.", 2) != 0 || strlen(text) > 16)
        return false;
    for (const char *c = text; *c != '\0'; c++) {
        bool dot = *c == '.';
        if ((!dot && (*c < '0' || *c > '9')) || (dot && (c[1] == '.' || c[1] == '\0')))
            return false;
        dots += dot;
    }
    return dots == 1 || dots == 2;
}

int cr_type_check(const json_t *signed_json, enum cr_role role, struct cr_error *err)
{
    const char *type = "", *spec = "";
    int r = cr_field_text(signed_json, "_type", &type, err);
    if (r == 0)
        r = cr_field_text(signed_json, "spec_version", &spec, err);
    if (r < 0)
        return r;
    if (strcmp(type, cr_roles[role].name) != 0)
        return cr_error_set(err, -EBADMSG, "its '_type' is '%.32s', not '%s'", type,
                            cr_roles[role].name);
    if (!spec_is_known(spec))
        return cr_error_set(err, -EBADMSG,
                            "its 'spec_version' is '%.32s', and only 1.x is known here", spec);
    return 0;
}

int cr_common_parse(json_t *signed_json, enum cr_role role, struct cr_role_common *ret_common,
                    struct cr_error *err)
{
    struct cr_role_common common = {0};
    const char *expires = "";
    int r = cr_type_check(signed_json, role, err);
    if (r == 0)
        r = cr_field_integer(signed_json, "version", 1, &common.version, err);
    if (r == 0)
        r = cr_field_text(signed_json, "expires", &expires, err);
    if (r < 0)
        return r;
    if (cr_expires_parse(expires, &common.expires_s) < 0)
        return cr_error_set(err, -EBADMSG,
                            "its field 'expires' is no time such as 2030-01-31T12:00:00Z");
    common.json = json_incref(signed_json);
    *ret_common = common;
    return 0;
}

void cr_common_done(struct cr_role_common *common)
{
    json_decref(common->json);
    *common = (struct cr_role_common){0};
}

json_t *cr_common_format(const struct cr_role_common *common, enum cr_role role)
{
    char expires[CR_EXPIRES_TEXT];
    json_t *json = common->json == NULL ? json_object() : json_copy(common->json);
    CLEANUP_JSON json_t *fields =
        json_pack("{s:s, s:s, s:I, s:s}", "_type", cr_roles[role].name, "spec_version",
                  CR_TRUST_SPEC_VERSION, "version", (json_int_t)common->version, "expires",
                  cr_expires_format(common->expires_s, expires));
    if (json == NULL || fields == NULL || json_object_update(json, fields) != 0) {
        json_decref(json);
        return NULL;
    }
    return json;
}
