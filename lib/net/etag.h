/* SPDX-License-Identifier: MIT */
/* Entity tags of HTTP (RFC 9110, sections 8.8.3 and 13.1.2). */
#pragma once

#include <stdbool.h>

/*
 * Does the value of an If-None-Match header match the entity tag whose text between the quotes is
 * `tag`? Weak comparison: W/"x" matches "x"; "*" matches everything. A header that is not a list of
 * tags matches nothing from the first mistake on.
 */
bool cr_etag_matches(const char *header, const char *tag);
