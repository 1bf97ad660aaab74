/* SPDX-License-Identifier: MIT */
/*
 * The disk of the running machine, a tree of QEMU's block nodes that is changed under the guest:
 *
 *      guest ── overlay (qcow2) ── NBD socket of blockd           at first
 *      guest ── overlay (qcow2) ── flat file of the version       once that is complete
 *      guest ── layer (qcow2) ── overlay (qcow2) ── ...           where the overlay had no room
 *
 * libvirt knows only the first shape; nothing else is asked of it about disks.
 */
#pragma once

#include "client/agent/vm.h"

/*
 * Put the flat file `plain`, which holds the same bytes as the present base, below the qcow2 file
 * `overlay`, while the guest runs. QEMU lets requests under way end, exchanges the nodes, goes on;
 * the connection to blockd is closed. On failure the machine runs on as before.
 */
int disk_open_plain(struct vm *vm, const char *overlay, const char *plain, struct cr_error *err);

/*
 * Put the new, empty qcow2 file `layer` on top of the qcow2 file `overlay` and of the `count`
 * layers that this machine got before: from here on what the guest writes goes there. The machine
 * may stand still for lack of space. On failure nothing has changed.
 */
int disk_add_layer(struct vm *vm, const char *overlay, unsigned count, const char *layer,
                   struct cr_error *err);
