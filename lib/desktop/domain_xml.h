/* SPDX-License-Identifier: MIT */
/* A desktop as libvirt's domain XML. Text out; libvirt itself is not called here. */
#pragma once

#include "lib/base/buf.h"
#include "lib/desktop/desktop.h"

#include <stdbool.h>

/* More XML than any desktop makes. */
#define CR_DOMAIN_XML_BYTES_MAX (64 * CR_KIB)

/* By which a guest finds its data disk, as in /dev/disk/by-id. */
#define CR_DATA_DISK_SERIAL "carrel-data"

/* One session of a desktop. Everything is borrowed for the call; paths are absolute. */
struct cr_domain {
    const struct cr_desktop *desktop;
    const char *name;       /* the domain's name */
    bool kvm;               /* false: software emulation */
    bool link_down;         /* the network card has no cable in it */
    const char *overlay;    /* the qcow2 file that takes the writes */
    bool overlay_lasts;     /* it is used again after a power cut; false: flushing it is a waste */
    const char *data_disk;  /* a second disk, qcow2; NULL: none */
    const char *plain;      /* its base as a flat file; NULL: it is served by NBD */
    const char *nbd_socket; /* where that is, ... */
    const char *nbd_export; /* ... and as what: NAME@N */
    const char *nvram;      /* the session's copy of the UEFI variables; only with UEFI */
    const char *vnc_socket; /* only with CR_DISPLAY_VNC */
};

/* Append the XML to `out`. Returns 0, -EMSGSIZE past the buffer's maximum, or -ENOMEM. */
int cr_domain_xml_format(const struct cr_domain *domain, struct cr_buf *out);
