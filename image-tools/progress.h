/* SPDX-License-Identifier: MIT */
/*
 * How far a long job is, on standard error: a bar with rate and time left when that is a terminal,
 * a plain line every few seconds when not. A quick job shows nothing, nor does --quiet, nor --json
 * away from a terminal.
 */
#pragma once

#include "image-tools/cli.h"

struct progress;

/*
 * Begin to show `what` ("importing 'debian'"; copied), `total` bytes in all. Returns NULL when
 * nothing shall be shown or nothing can be: every function here takes NULL.
 */
struct progress *progress_new(const struct cli *cli, const char *what, uint64_t total_bytes);

/* So many bytes more are done. Thread-safe. */
void progress_add(struct progress *progress, uint64_t bytes);

/* The same, for those who know it as a pointer only. */
void progress_told(void *progress, uint64_t bytes);

/* Wipe the bar and free. */
void progress_free(struct progress *progress);
void progress_cleanup(struct progress **progress);
