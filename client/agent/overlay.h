/* SPDX-License-Identifier: MIT */
/*
 * The overlay of a session, below the cache folder:
 *
 *      overlays/XXXXXX/                 thrown away with its session, or sooner
 *      overlays-kept/OWNER/NAME@N/      outlives its session; OWNER is the seat or a person
 *      overlays-last/XXXXXX/            was thrown away, can be fetched some days (shelf.h)
 *
 * In each stand overlay.qcow2, a note of what it was made on and for whom, and the UEFI variables.
 * A session holds a lock on its folder while it lives. A folder of overlays/ that nobody locks was
 * left by an agent that was killed; the next start clears it away. An overlay is booted on the
 * version with the number and root that its note names, and on nothing else.
 *
 * Every folder comes and goes by one rename, so a power cut leaves it in one place or the other; it
 * gets its lasting name only once all in it is durable.
 */
#pragma once

#include "lib/base/error.h"
#include "lib/desktop/desktop.h"
#include "lib/desktop/overlay_note.h"

#include <limits.h>
#include <stdint.h>

#define OVERLAY_FILE "overlay.qcow2"
#define OVERLAY_NOTE "note"

/* What is asked for; strings are borrowed and outlive the overlay. */
struct overlay_options {
    const char *cache;
    const char *image;  /* NAME, NAME@N or NAME:CHANNEL, as the session was told */
    const char *person; /* "" = the seat's */
    const char *keep;   /* --overlay-keep: the file that it becomes in the end; NULL: none */
    enum cr_overlay_mode mode;
    enum cr_overlay_update update;
    unsigned keep_days; /* for how long one that was thrown away can be fetched */
};

struct overlay {
    struct overlay_options options;
    int lock_fd;                 /* -1 when there is no folder */
    char folder[PATH_MAX];       /* with the overlay and the UEFI variables */
    char path[PATH_MAX];         /* the qcow2 file */
    struct cr_overlay_note note; /* where there is a folder */
    unsigned swept;              /* folders of killed sessions that were cleared away */
};

/*
 * Clear away what killed sessions left, and what was kept long enough; then look for an overlay
 * that this session is to go on with, unless its time is over. Returns 0, -EBUSY when another
 * session uses it, or -errno.
 */
int overlay_open(const struct overlay_options *options, struct overlay *ret_overlay,
                 struct cr_error *err);

/* The version that must be started, for an overlay of it was found; NULL: as was asked. */
const char *overlay_version(const struct overlay *overlay);

/*
 * Have an overlay on the version that `base` names (version, root, disk_bytes): the one that was
 * found, or a new, empty one whose header names the base `uri`. Returns 0, -ESTALE when what was
 * found was made on something else, or -errno.
 */
int overlay_begin(struct overlay *overlay, const struct cr_overlay_note *base, const char *uri,
                  struct cr_error *err);

/* Is its time over? */
bool overlay_is_due(const struct overlay *overlay);

/* No machine uses it any more: throw it away. What follows is overlay_begin or overlay_close. */
int overlay_drop(struct overlay *overlay, struct cr_error *err);

/*
 * The session is over: the overlay moves to its keeping place if there is one (made durable), stays
 * if it outlives the session, or is thrown away. Takes one that was never opened.
 */
int overlay_close(struct overlay *overlay, struct cr_error *err);

/*
 * nbd+unix:///EXPORT?socket=SOCKET, with what a URI would misread encoded, into `out`. Returns 0 or
 * -ENAMETOOLONG.
 */
int overlay_base_format(const char *export, const char *socket, char *out, size_t out_size);
