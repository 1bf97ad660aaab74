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

#include <stddef.h>
#include <stdint.h>

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

struct cr_desktop {
    uint64_t memory_bytes;
    unsigned cpus;
    enum cr_desktop_firmware firmware;
    enum cr_desktop_disk_bus disk_bus;
    enum cr_desktop_nic nic;
    enum cr_desktop_nic_model nic_model;
    enum cr_desktop_display display;
    enum cr_desktop_serial serial;
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

/* Key number `index` of the table ("memory", ...) and what it takes; NULL past the last. */
const char *cr_desktop_key(size_t index, const char **ret_takes);
