/* SPDX-License-Identifier: MIT */
/*
 * Requests to QEMU's own monitor (QMP), for what libvirt has no call: docs/interop/qmp-spec of QEMU
 * says the form.
 */
#pragma once

#include "client/agent/vm.h"
#include "lib/trust/json.h"

/*
 * One request; takes the reference to `arguments`, NULL where the JSON could not be made. `what`
 * begins the sentence of a failure. *ret_return, when it is wanted, is the caller's. Returns 0,
 * -EIO with QEMU's reason, -ENOMEM, or as vm_ask.
 */
int qmp_ask(struct vm *vm, const char *command, json_t *arguments, const char *what,
            json_t **ret_return, struct cr_error *err);
