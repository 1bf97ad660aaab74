/* SPDX-License-Identifier: MIT */
#include "lib/desktop/domain_xml.h"

#include "lib/base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* Debian's UEFI firmware; the guest writes into its own copy of the second file. */
#define OVMF_CODE "/usr/share/OVMF/OVMF_CODE_4M.fd"
#define OVMF_VARS "/usr/share/OVMF/OVMF_VARS_4M.fd"

/* A card with the same address at every start is the same card to the guest; nobody else sees it.
 */
#define NIC_ADDRESS "52:54:00:ca:22:e1"

/* Appends that remember the first failure, so that the text below reads as one piece. */
struct writer {
    struct cr_buf *out;
    int failed;
};

#define EMIT(writer, ...)                                                                          \
    do {                                                                                           \
        if ((writer)->failed == 0)                                                                 \
            (writer)->failed = cr_buf_printf((writer)->out, __VA_ARGS__);                          \
    } while (0)

/* Text with what XML would misread escaped. */
static void text_emit(struct writer *w, const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (strchr("&<>'\"", *p) != NULL)
            EMIT(w, "&#%d;", *p);
        else
            EMIT(w, "%c", *p);
    }
}

static void attribute_emit(struct writer *w, const char *name, const char *value)
{
    EMIT(w, " %s='", name);
    text_emit(w, value);
    EMIT(w, "'");
}

static const struct bus {
    const char *libvirt;
    const char *device;
    const char *second;  /* of the data disk */
    const char *machine; /* q35 has no IDE */
} buses[] = {
    [CR_DISK_BUS_VIRTIO] = {"virtio", "vda", "vdb", "q35"},
    [CR_DISK_BUS_SATA] = {"sata", "sda", "sdb", "q35"},
    [CR_DISK_BUS_IDE] = {"ide", "hda", "hdb", "pc"},
    [CR_DISK_BUS_SCSI] = {"scsi", "sda", "sdb", "q35"},
};

static const char *const nic_models[] = {
    [CR_NIC_MODEL_VIRTIO] = "virtio",
    [CR_NIC_MODEL_E1000E] = "e1000e",
    [CR_NIC_MODEL_E1000] = "e1000",
    [CR_NIC_MODEL_RTL8139] = "rtl8139",
};

static void machine_emit(struct writer *w, const struct cr_domain *domain)
{
    const struct cr_desktop *desktop = domain->desktop;
    EMIT(w, "<domain type='%s'>\n  <name>%s</name>\n", domain->kvm ? "kvm" : "qemu", domain->name);
    EMIT(w, "  <memory unit='b'>%" PRIu64 "</memory>\n", desktop->memory_bytes);
    EMIT(w, "  <vcpu>%u</vcpu>\n", desktop->cpus);
    EMIT(w, "  <os>\n    <type arch='x86_64' machine='%s'>hvm</type>\n",
         buses[desktop->disk_bus].machine);
    if (desktop->firmware == CR_FIRMWARE_UEFI) {
        EMIT(w, "    <loader readonly='yes' type='pflash'>" OVMF_CODE "</loader>\n");
        EMIT(w, "    <nvram template='" OVMF_VARS "'>");
        text_emit(w, domain->nvram);
        EMIT(w, "</nvram>\n");
    }
    EMIT(w, "    <boot dev='hd'/>\n  </os>\n");
    EMIT(w, "  <features><acpi/><apic/></features>\n");
    EMIT(w, "  <cpu mode='%s'>\n", domain->kvm ? "host-passthrough" : "maximum");
    EMIT(w, "    <topology sockets='1' cores='%u' threads='1'/>\n  </cpu>\n", desktop->cpus);
    /* The agent hears of a reboot and makes the machine anew; a crash ends the session. */
    EMIT(w, "  <clock offset='utc'/>\n  <on_poweroff>destroy</on_poweroff>\n");
    EMIT(w, "  <on_reboot>restart</on_reboot>\n  <on_crash>destroy</on_crash>\n");
}

/* What the overlay stands on. */
static void base_emit(struct writer *w, const struct cr_domain *domain)
{
    EMIT(w, "      <backingStore type='%s'>\n        <format type='raw'/>\n",
         domain->plain != NULL ? "file" : "network");
    if (domain->plain != NULL) {
        EMIT(w, "        <source");
        attribute_emit(w, "file", domain->plain);
        EMIT(w, "/>\n");
    } else {
        EMIT(w, "        <source protocol='nbd'");
        attribute_emit(w, "name", domain->nbd_export);
        EMIT(w, ">\n          <host transport='unix'");
        attribute_emit(w, "socket", domain->nbd_socket);
        EMIT(w, "/>\n        </source>\n");
    }
    EMIT(w, "        <backingStore/>\n      </backingStore>\n");
}

static void disk_emit(struct writer *w, const struct cr_domain *domain)
{
    const struct bus *bus = &buses[domain->desktop->disk_bus];
    /*
     * An overlay that lives for one session would only lose time by being flushed. A read or write
     * that fails, because the base's server died or the cache is full, stops the machine instead of
     * reaching the guest; the agent lets it try again.
     */
    EMIT(w, "    <disk type='file' device='disk'>\n");
    EMIT(w,
         "      <driver name='qemu' type='qcow2' cache='%s' discard='unmap' "
         "error_policy='stop' rerror_policy='stop'/>\n      <source",
         domain->overlay_lasts ? "writeback" : "unsafe");
    attribute_emit(w, "file", domain->overlay);
    EMIT(w, "/>\n");
    base_emit(w, domain);
    EMIT(w, "      <target dev='%s' bus='%s'/>\n    </disk>\n", bus->device, bus->libvirt);
    if (domain->desktop->disk_bus == CR_DISK_BUS_SCSI)
        EMIT(w, "    <controller type='scsi' index='0' model='virtio-scsi'/>\n");
}

/* The data disk, on the same bus: the guest has the driver already. */
static void data_disk_emit(struct writer *w, const struct cr_domain *domain)
{
    const struct bus *bus = &buses[domain->desktop->disk_bus];
    if (domain->data_disk == NULL)
        return;
    EMIT(w, "    <disk type='file' device='disk'>\n");
    EMIT(w, "      <driver name='qemu' type='qcow2' cache='writeback' discard='unmap' "
            "error_policy='stop' rerror_policy='stop'/>\n      <source");
    attribute_emit(w, "file", domain->data_disk);
    EMIT(w, "/>\n      <backingStore/>\n");
    EMIT(w, "      <target dev='%s' bus='%s'/>\n", bus->second, bus->libvirt);
    EMIT(w, "      <serial>" CR_DATA_DISK_SERIAL "</serial>\n    </disk>\n");
}

static void serial_emit(struct writer *w, const struct cr_desktop *desktop)
{
    if (desktop->serial == CR_SERIAL_NONE)
        return;
    if (desktop->serial == CR_SERIAL_FILE) {
        EMIT(w, "    <serial type='file'>\n      <source");
        attribute_emit(w, "path", desktop->serial_path);
        EMIT(w, " append='on'/>\n");
    } else {
        EMIT(w, "    <serial type='unix'>\n      <source mode='bind'");
        attribute_emit(w, "path", desktop->serial_path);
        EMIT(w, "/>\n");
        if (desktop->serial_log[0] != '\0') {
            EMIT(w, "      <log");
            attribute_emit(w, "file", desktop->serial_log);
            EMIT(w, " append='on'/>\n");
        }
    }
    EMIT(w, "      <target port='0'/>\n    </serial>\n");
}

static void display_emit(struct writer *w, const struct cr_domain *domain)
{
    if (domain->desktop->display == CR_DISPLAY_NONE) {
        EMIT(w, "    <controller type='usb' model='none'/>\n");
        EMIT(w, "    <video><model type='none'/></video>\n");
        return;
    }
    EMIT(w, "    <controller type='usb' model='qemu-xhci'/>\n");
    EMIT(w, "    <input type='tablet' bus='usb'/>\n");
    EMIT(w, "    <graphics type='vnc'");
    attribute_emit(w, "socket", domain->vnc_socket);
    EMIT(w, "/>\n    <video><model type='vga'/></video>\n");
}

int cr_domain_xml_format(const struct cr_domain *domain, struct cr_buf *out)
{
    struct writer w = {.out = out};
    const struct cr_desktop *desktop = domain->desktop;

    machine_emit(&w, domain);
    EMIT(&w, "  <devices>\n");
    disk_emit(&w, domain);
    data_disk_emit(&w, domain);
    if (desktop->nic == CR_NIC_USER)
        EMIT(&w,
             "    <interface type='user'>\n      <mac address='" NIC_ADDRESS "'/>\n"
             "      <model type='%s'/>\n%s    </interface>\n",
             nic_models[desktop->nic_model],
             domain->link_down ? "      <link state='down'/>\n" : "");
    serial_emit(&w, desktop);
    display_emit(&w, domain);
    EMIT(&w, "    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>\n");
    EMIT(&w, "    <memballoon model='none'/>\n  </devices>\n</domain>\n");
    return w.failed;
}
