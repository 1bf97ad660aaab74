/* SPDX-License-Identifier: MIT */
/* Results as JSON (--json) and as columns for people. */
#pragma once

#include "image-tools/cli.h"

#include <jansson.h>

void json_cleanup(json_t **json);

/* Print `json` on standard output and drop the reference. NULL (no memory) is -ENOMEM. */
int output_json(json_t *json, struct cr_error *err);

/*
 * A version as an object: ref, image, version, root, disk_bytes, data_bytes, stored_bytes,
 * created_s, parent (null = nothing), message, by, record (null = none), pinned, and channels, the
 * names of those that point at it now: none when `head` is NULL. NULL without memory.
 */
json_t *output_version(const struct cr_head *head, const char *name,
                       const struct cr_version_info *info);

/* The channels that point at version `number` now, each name given to `sink` in turn. */
typedef void output_channel(void *context, const char *channel);
void output_channels(const struct cr_head *head, uint64_t number, output_channel *sink,
                     void *context);

/* The same for people, several lines. */
void output_version_text(const struct cr_head *head, const char *name,
                         const struct cr_version_info *info);

/*
 * A change of a channel as an object: channel, kind, ref (null = the channel ends), set_s, at_s,
 * by, why.
 */
json_t *output_change(const char *name, const struct cr_change *change);
