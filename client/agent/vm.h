/* SPDX-License-Identifier: MIT */
/*
 * The machine, through libvirt's embedded driver: no daemon, all of its state below one folder.
 *
 * libvirt's events arrive in a thread of their own; here they become struct vm_event in a pipe that
 * the session polls. All other calls belong to the session's thread.
 */
#pragma once

#include "lib/base/error.h"

#include <stdbool.h>

struct vm;

enum vm_event_kind {
    VM_REBOOTED,  /* the guest asked for a reboot; it is in its firmware again by now */
    VM_POWERED,   /* the guest switched itself off; the machine is gone */
    VM_DIED,      /* QEMU crashed, or the guest did */
    VM_ENDED,     /* the machine is gone because we said so */
    VM_IO_FAILED, /* a read or write failed and the machine stands still */
};

struct vm_event {
    enum vm_event_kind kind;
    int machine;     /* which vm_start it is about: the value of vm_machine() at that time */
    char reason[64]; /* of VM_IO_FAILED: "enospc", "eio", or "" */
};

/*
 * Open the embedded driver on the folder `root`, which is made if need be, with its settings.
 * Machines that a killed agent left running there are destroyed; *ret_leftovers counts them.
 */
int vm_open(const char *root, struct vm **ret_vm, unsigned *ret_leftovers, struct cr_error *err);

/* Destroys the machine, closes. Takes NULL. */
void vm_free(struct vm *vm);

/* Readable when vm_next has something to give. */
int vm_event_fd(const struct vm *vm);

/* The next event, false when there is none. */
bool vm_next(struct vm *vm, struct vm_event *ret_event);

/* Start a machine from domain XML; one at a time. It vanishes when it ends. */
int vm_start(struct vm *vm, const char *xml, struct cr_error *err);

/* The number of the machine that was started last, from 1. */
int vm_machine(const struct vm *vm);

/* End the machine at once; nothing happens when none runs. */
int vm_destroy(struct vm *vm, struct cr_error *err);

/* Press its power button. */
int vm_press_power(struct vm *vm, struct cr_error *err);

/* Let it go on after VM_IO_FAILED. */
int vm_resume(struct vm *vm, struct cr_error *err);

/*
 * Send a request of QEMU's machine protocol (QMP, qemu-qmp-ref(7)) as JSON. *ret_answer is the JSON
 * of the whole answer, the caller's to free; a refusal stands in its member "error".
 */
int vm_ask(struct vm *vm, const char *request, char **ret_answer, struct cr_error *err);
