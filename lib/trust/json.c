/* SPDX-License-Identifier: MIT */
#include "lib/trust/json.h"

#include "lib/base/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

/* --- reading --------------------------------------------------------------------------------- */

/*
 * jansson takes fractions, "-0" and 2,048 levels, and makes 100 bytes of "[]". So the text is
 * looked at before: only where texts and numbers begin and end, everything else is left to jansson.
 */
struct scan {
    const char *at, *end;
    uint32_t depth, values;
};

static void skip_text(struct scan *scan)
{
    for (scan->at++; scan->at < scan->end && *scan->at != '"'; scan->at++)
        if (*scan->at == '\\')
            scan->at++;
}

static int look_at_number(struct scan *scan, struct cr_error *err)
{
    const char *start = scan->at;
    bool whole = true;
    while (scan->at + 1 < scan->end && scan->at[1] != '\0' &&
           strchr("0123456789+-.eE", scan->at[1]) != NULL) {
        scan->at++;
        whole &= strchr(".eE+", *scan->at) == NULL;
    }
    if (!whole)
        return cr_error_set(err, -EBADMSG, "it has a number with a fraction or an exponent");
    if (scan->at > start && start[0] == '-' && start[1] == '0')
        return cr_error_set(err, -EBADMSG, "it has a number that is written \"-0\"");
    return 0;
}

static int look_at(struct scan *scan, struct cr_error *err)
{
    int r = 0;
    switch (*scan->at) {
    case '"':
        skip_text(scan);
        break;
    case '{':
    case '[':
        scan->values++;
        if (++scan->depth > CR_TRUST_DEPTH_MAX)
            r = cr_error_set(err, -EBADMSG, "it has more than %u levels", CR_TRUST_DEPTH_MAX);
        break;
    case '}':
    case ']':
        scan->depth -= scan->depth > 0;
        break;
    case ',':
        scan->values++;
        break;
    case '-':
    case '0' ... '9':
        r = look_at_number(scan, err);
        break;
    default:
        break;
    }
    if (r == 0 && scan->values > CR_TRUST_VALUES_MAX)
        r = cr_error_set(err, -EBADMSG, "it has more than %u values", CR_TRUST_VALUES_MAX);
    return r;
}

int cr_json_parse(const void *data, size_t len, size_t max, json_t **ret_json, struct cr_error *err)
{
    if (len > max)
        return cr_error_set(err, -EMSGSIZE, "it has more than %zu bytes", max);
    /* A copy with a zero behind it: the search through a number stops there at the latest. */
    CLEANUP_FREE char *text = malloc(len + 1);
    if (text == NULL)
        return cr_error_errno(err, -ENOMEM, "metadata");
    memcpy(text, data, len);
    text[len] = '\0';
    for (struct scan scan = {.at = text, .end = text + len}; scan.at < scan.end; scan.at++) {
        int r = look_at(&scan, err);
        if (r < 0)
            return r;
    }
    json_error_t why;
    json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    if (json == NULL && json_error_code(&why) == json_error_out_of_memory)
        return cr_error_errno(err, -ENOMEM, "metadata");
    if (json == NULL)
        return cr_error_set(err, -EBADMSG, "it is not JSON: %s", why.text);
    *ret_json = json;
    return 0;
}

/* --- writing --------------------------------------------------------------------------------- */

static int put_text(struct cr_buf *out, const char *text, size_t len)
{
    int r = cr_buf_append(out, "\"", 1);
    for (size_t done = 0; r == 0 && done < len;) {
        size_t run = 0;
        while (done + run < len && text[done + run] != '"' && text[done + run] != '\\')
            run++;
        r = cr_buf_append(out, text + done, run);
        done += run;
        if (r == 0 && done < len) {
            const char escaped[2] = {'\\', text[done++]};
            r = cr_buf_append(out, escaped, 2);
        }
    }
    return r < 0 ? r : cr_buf_append(out, "\"", 1);
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int put_object(struct cr_buf *out, const json_t *json)
{
    size_t count = json_object_size(json), n = 0;
    CLEANUP_FREE const char **keys = cr_calloc(count, sizeof(*keys));
    if (keys == NULL)
        return -ENOMEM;
    const char *key;
    json_t *value;
    /* jansson's iterators take no const; nothing is changed. */
    json_object_foreach((json_t *)(uintptr_t)json, key, value) keys[n++] = key;
    qsort(keys, n, sizeof(*keys), compare_keys);
    int r = cr_buf_append(out, "{", 1);
    for (size_t i = 0; r == 0 && i < n; i++) {
        if (i > 0)
            r = cr_buf_append(out, ",", 1);
        if (r == 0)
            r = put_text(out, keys[i], strlen(keys[i]));
        if (r == 0)
            r = cr_buf_append(out, ":", 1);
        if (r == 0)
            r = cr_json_canonical(json_object_get(json, keys[i]), out);
    }
    return r < 0 ? r : cr_buf_append(out, "}", 1);
}

static int put_array(struct cr_buf *out, const json_t *json)
{
    int r = cr_buf_append(out, "[", 1);
    for (size_t i = 0; r == 0 && i < json_array_size(json); i++) {
        if (i > 0)
            r = cr_buf_append(out, ",", 1);
        if (r == 0)
            r = cr_json_canonical(json_array_get(json, i), out);
    }
    return r < 0 ? r : cr_buf_append(out, "]", 1);
}

int cr_json_canonical(const json_t *json, struct cr_buf *out)
{
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        return put_object(out, json);
    case JSON_ARRAY:
        return put_array(out, json);
    case JSON_STRING:
        return put_text(out, json_string_value(json), json_string_length(json));
    case JSON_INTEGER:
        return cr_buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(json));
    case JSON_TRUE:
        return cr_buf_append(out, "true", 4);
    case JSON_FALSE:
        return cr_buf_append(out, "false", 5);
    case JSON_NULL:
        return cr_buf_append(out, "null", 4);
    case JSON_REAL:
    default:
        return -EINVAL;
    }
}

int cr_json_file(const json_t *json, struct cr_buf *out)
{
    CLEANUP_FREE char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    if (text == NULL)
        return -ENOMEM;
    int r = cr_buf_append(out, text, strlen(text));
    return r < 0 ? r : cr_buf_append(out, "\n", 1);
}
