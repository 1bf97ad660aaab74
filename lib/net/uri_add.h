/* SPDX-License-Identifier: MIT */
/* Settings that a program appends to the URI of a server. */
#pragma once

#include "lib/base/buf.h"

/*
 * Append "?key=value" to the URI in `uri`, or "&key=value" when it has settings already. The value
 * is any text; what a URI may not hold is written as %XX. Returns 0 or as cr_buf_append, with `uri`
 * then worth nothing.
 */
int cr_server_uri_add(struct cr_buf *uri, const char *key, const char *value);
