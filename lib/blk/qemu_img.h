/* SPDX-License-Identifier: MIT */
/* One run of qemu-img: what it printed, what it complained about, how it ended. */
#pragma once

#include "lib/base/buf.h"
#include "lib/base/error.h"

#include <jansson.h>
#include <stdint.h>

struct cr_qemu_img {
    struct cr_buf out;      /* standard output, at most CR_TOOL_OUTPUT_BYTES_MAX */
    struct cr_buf messages; /* the beginning of standard error */
    int status;             /* exit status */
};

/* Run `argv` ("qemu-img", ..., NULL). Returns 0 however it ended, or -errno when it could not run.
 */
int cr_qemu_img_run(struct cr_qemu_img *run, const char *const *argv, struct cr_error *err);
void cr_qemu_img_done(struct cr_qemu_img *run);

/* The first line that it complained with, without the program's name. Borrowed from `run`. */
const char *cr_qemu_img_complaint(struct cr_qemu_img *run);

/* Its output as JSON, a new reference; NULL when it is none. */
json_t *cr_qemu_img_json(const struct cr_qemu_img *run);

/* Members of a JSON object: NULL or 0 when they are absent, of another type, or negative. */
const char *cr_json_text(const json_t *object, const char *key);
uint64_t cr_json_u64(const json_t *object, const char *key);

static inline void cr_json_cleanup(json_t **json)
{
    json_decref(*json);
}
#define CLEANUP_JSON     __attribute__((cleanup(cr_json_cleanup)))
#define CLEANUP_QEMU_IMG __attribute__((cleanup(cr_qemu_img_done)))
