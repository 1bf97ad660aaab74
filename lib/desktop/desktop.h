/* SPDX-License-Identifier: MIT */
/*
 * The desktop file: the virtual hardware of a desktop as lines of `key = value`.
 *
 * Bytes in, a plain structure out: no file is opened here and nothing is allocated.
 * carrel-agent(1) describes the keys for people.
 */
#pragma once

#include "lib/base/error.h"
#include "lib/base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum cr_desktop_firmware {
    CR_FIRMWARE_BIOS,
    CR_FIRMWARE_UEFI,
};

enum cr_desktop_disk_bus {
    CR_DISK_BUS_VIRTIO,
    CR_DISK_BUS_SATA,
    CR_DISK_BUS_IDE,
    CR_DISK_BUS_SCSI, /* virtio-scsi */
};

enum cr_desktop_nic {
    CR_NIC_USER, /* QEMU's own NAT, no privileges and no neighbours */
    CR_NIC_NONE,
};

enum cr_desktop_nic_model {
    CR_NIC_MODEL_VIRTIO,
    CR_NIC_MODEL_E1000E,
    CR_NIC_MODEL_E1000,
    CR_NIC_MODEL_RTL8139,
};

enum cr_desktop_display {
    CR_DISPLAY_NONE,
    CR_DISPLAY_VNC, /* on a unix socket in the run folder */
};

enum cr_desktop_serial {
    CR_SERIAL_NONE,
    CR_SERIAL_FILE,   /* output is appended to a file */
    CR_SERIAL_SOCKET, /* a unix socket that one may type into */
};

/* When what the guest wrote is thrown away. */
enum cr_overlay_mode {
    CR_OVERLAY_BOOT,    /* at every boot of the guest */
    CR_OVERLAY_LOGOUT,  /* when the person leaves, or the session ends */
    CR_OVERLAY_DAILY,   /* at the first boot of a day, ... */
    CR_OVERLAY_WEEKLY,  /* ... of a week, which begins on Monday, ... */
    CR_OVERLAY_MONTHLY, /* ... of a month; in local time */
    CR_OVERLAY_KEEP,    /* never */
};

/* Whose overlay it is, where it outlives a session. */
enum cr_overlay_for {
    CR_OVERLAY_FOR_SEAT,
    CR_OVERLAY_FOR_PERSON,
};

/* What becomes of an overlay that outlived a session, once there is a newer version. */
enum cr_overlay_update {
    CR_OVERLAY_STAY,  /* it goes on, on the version that it was made on */
    CR_OVERLAY_RESET, /* it is thrown away; the new version starts */
};

struct cr_desktop {
    uint64_t memory_bytes;
    unsigned cpus;
    enum cr_desktop_firmware firmware;
    enum cr_desktop_disk_bus disk_bus;
    enum cr_desktop_nic nic;
    enum cr_desktop_nic_model nic_model;
    enum cr_desktop_display display;
    enum cr_desktop_serial serial;
    enum cr_overlay_mode overlay;
    enum cr_overlay_for overlay_for;
    enum cr_overlay_update overlay_update;
    uint64_t overlay_max_bytes; /* in the cache's file system; 0 = as much as there is */
    unsigned overlay_keep_days; /* one that was thrown away can be fetched for so long */
    uint64_t data_disk_bytes;   /* of a second disk that is never thrown away; 0 = none */
    char serial_path[CR_DESKTOP_PATH_BYTES_MAX + 1]; /* "" with CR_SERIAL_NONE */
    char serial_log[CR_DESKTOP_PATH_BYTES_MAX + 1];  /* what the socket says, too; "" = nowhere */
};

/* What a desktop is when its file says nothing: 2 GiB, 2 CPUs, BIOS, virtio, user network. */
void cr_desktop_init(struct cr_desktop *desktop);

/*
 * Parse `len` bytes of a desktop file. `name` is what messages call it. Keys that do not stand
 * there keep their default; *ret_desktop is set only on success. Returns 0, -EMSGSIZE when the file
 * or a value is too long, or -EINVAL; the sentence names the line.
 */
int cr_desktop_parse(const char *name, const void *data, size_t len, struct cr_desktop *ret_desktop,
                     struct cr_error *err);

/* Overlays of this mode outlive their session. */
bool cr_overlay_outlives(enum cr_overlay_mode mode);

/*
 * Must an overlay that was made at local time `made` be thrown away at `now`? For the modes that
 * outlive a session; false too when the clock went backwards.
 */
bool cr_overlay_is_due(enum cr_overlay_mode mode, const struct tm *made, const struct tm *now);

/* The same, but keys that do not stand there are left as they are in *ret_desktop. */
int cr_desktop_update(const char *name, const void *data, size_t len,
                      struct cr_desktop *ret_desktop, struct cr_error *err);

/* Key number `index` of the table ("memory", ...) and what it takes; NULL past the last. */
const char *cr_desktop_key(size_t index, const char **ret_takes);
