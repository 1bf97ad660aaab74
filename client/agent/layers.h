/* SPDX-License-Identifier: MIT */
/*
 * Where the overlay of a session goes on when its place is full: one more qcow2 file on top of it,
 * in a folder that has room, and on top of that one if need be. They live as long as the machine.
 */
#pragma once

#include "client/agent/overlay.h"
#include "client/agent/vm.h"

#define LAYERS_MAX 8

struct layers {
    unsigned count;
    char folders[LAYERS_MAX][PATH_MAX]; /* each holds one file, OVERLAY_FILE */
    int locks[LAYERS_MAX];              /* of the folders */
};

/* The file that takes the guest's writes. */
const char *layers_top(const struct layers *layers, const struct overlay *overlay, char *out);

/* Remove what killed agents left below `place`. */
void layers_sweep(const char *place);

/*
 * Go on in a new folder below `place`, which is made if need be. Returns 0, -ENOSPC when there are
 * too many layers, or -errno.
 */
int layers_add(struct layers *layers, const struct overlay *overlay, struct vm *vm,
               const char *place, struct cr_error *err);

/*
 * The machine is gone. With `merge` what the layers hold is brought down into the overlay first, so
 * that it can be fetched; then they are removed. Returns 0, or -errno when it could not be merged:
 * the overlay alone is then not what the guest had.
 */
int layers_end(struct layers *layers, const struct overlay *overlay, bool merge,
               struct cr_error *err);
