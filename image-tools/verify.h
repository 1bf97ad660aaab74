/* SPDX-License-Identifier: MIT */
/*
 * Verify: read every segment and every chunk of a version once, whoever stored it, and list what is
 * damaged or missing.
 */
#pragma once

#include "image-tools/progress.h"
#include "lib/store/version.h"

/* One damaged or missing object, or pack. */
struct verify_damage {
    const char *kind;       /* "manifest", "segment", "chunk", "pack" */
    char name[CR_ID_HEX];   /* of the object */
    uint64_t offset;        /* of the disk, bytes: the first place where it is used */
    uint64_t disk_bytes;    /* that cannot be read because of it, wherever they are */
    struct cr_error reason; /* a sentence that names it */
};

struct verify_report {
    struct verify_damage *damages; /* owned */
    size_t count, room;
    uint64_t segments, chunks; /* different ones that were read */
    uint64_t frame_bytes;      /* of the chunks, as stored */
};

void verify_report_done(struct verify_report *report);

/* Add a damage. Returns 0 or -ENOMEM. */
int verify_report_add(struct verify_report *report, const struct verify_damage *damage);

/*
 * Read all of `version`. Damage is no error, it goes to the report; 0 or -errno (a server that does
 * not answer, a stop).
 */
int verify_run(const struct cli *cli, struct cr_store *store, struct cr_version *version,
               struct verify_report *report, struct cr_error *err);
