/* SPDX-License-Identifier: MIT */
/*
 * Records which chunks the guest reads first, in their order, from its first read until its boot is
 * over, and sends that to the server, which makes hot lists of it (lib/hotlist). Only what is asked
 * for counts, not what is fetched ahead.
 *
 * The boot is over when nothing new was touched for `quiet_s`, or `max_s` after the first read.
 * What touches more chunks than a hot list holds is no boot and is not sent; neither is one that
 * was stopped before.
 */
#pragma once

#include "lib/seatcache/seatdisk.h"

struct boot;

struct boot_options {
    struct cr_store *server;  /* several; the boot is sent there; borrowed until stop */
    struct cr_seatdisk *disk; /* borrowed until stop */
    unsigned max_s, quiet_s;
};

/* Start to record. Returns 0 or -errno. */
int boot_start(const struct boot_options *options, struct boot **ret_boot);

/* Interrupt the server first. Takes NULL. */
void boot_stop(struct boot *boot);

/* The guest reads. Takes NULL. Thread-safe. */
void boot_touch(struct boot *boot, uint64_t offset, uint32_t len);

/* Chunks of the boot that the server has taken; 0 = none was sent. Takes NULL. */
uint64_t boot_sent(const struct boot *boot);
