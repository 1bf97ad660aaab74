/* SPDX-License-Identifier: MIT */
/* For the parsers of this folder: one field of an object, looked at or refused by its name. */
#pragma once

#include "lib/trust/role.h"

/* An integer of at least `min`. Returns 0 or -EBADMSG. */
int cr_field_integer(const json_t *object, const char *name, int64_t min, uint64_t *ret_value,
                     struct cr_error *err);

/* An object, borrowed. Returns 0 or -EBADMSG. */
int cr_field_object(const json_t *object, const char *name, json_t **ret_value,
                    struct cr_error *err);

/* A text, borrowed. Returns 0 or -EBADMSG. */
int cr_field_text(const json_t *object, const char *name, const char **ret_value,
                  struct cr_error *err);

/* "hashes" of `object`: at least one; of those that we know the right number of digits. */
int cr_field_hashes(const json_t *object, struct cr_hashes *ret_hashes, struct cr_error *err);
json_t *cr_hashes_format(const struct cr_hashes *hashes);

/* Lower-case hexadecimal digits, exactly `len` bytes of them. Returns 0 or -EINVAL. */
int cr_hex_parse(const char *text, uint8_t *out, size_t len);
void cr_hex_format(const uint8_t *bytes, size_t len, char *out);

/* "_type", "spec_version", "version" and "expires"; keeps a reference of `signed_json`. */
int cr_common_parse(json_t *signed_json, enum cr_role role, struct cr_role_common *ret_common,
                    struct cr_error *err);
void cr_common_done(struct cr_role_common *common);

/* A copy of what was read, or an empty object, with these four fields; NULL without memory. */
json_t *cr_common_format(const struct cr_role_common *common, enum cr_role role);

/* Whether "_type" and "spec_version" are of this role. Returns 0 or -EBADMSG. */
int cr_type_check(const json_t *signed_json, enum cr_role role, struct cr_error *err);
