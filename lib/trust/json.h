/* SPDX-License-Identifier: MIT */
/*
 * JSON as signed metadata uses it: read strictly, and written in the one form that is signed.
 *
 * Canonical JSON (OLPC, http://wiki.laptop.org/go/Canonical_JSON): no spaces, keys sorted by their
 * bytes, integers only, and in texts nothing is escaped but '"' and '\'. It is what signatures and
 * key ids are computed over. It is not what files hold: a line feed in a text stands in it as it
 * is, which JSON does not allow.
 */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/error.h"
#include "lib/base/mem.h"

#include <jansson.h>

/*
 * Parse all of `data`: UTF-8, no key twice in an object, no fractions and exponents, no "-0", no
 * zero byte in a text, at most CR_TRUST_DEPTH_MAX levels and CR_TRUST_VALUES_MAX values. Returns 0,
 * -ENOMEM, -EMSGSIZE for more than `max` bytes, or -EBADMSG with the reason. The caller owns
 * *ret_json.
 */
int cr_json_parse(const void *data, size_t len, size_t max, json_t **ret_json,
                  struct cr_error *err);

/*
 * Append the canonical form of `json`. Returns 0, -ENOMEM, -EMSGSIZE past the buffer's maximum, or
 * -EINVAL for a fraction.
 */
int cr_json_canonical(const json_t *json, struct cr_buf *out);

/*
 * Append `json` as a file holds it: sorted keys, no spaces, and a line feed behind it. Equal values
 * give equal bytes. Errors as cr_json_canonical.
 */
int cr_json_file(const json_t *json, struct cr_buf *out);

static inline void cr_json_cleanup(json_t **json)
{
    json_decref(*json);
}
#define CLEANUP_JSON CLEANUP(cr_json_cleanup)
