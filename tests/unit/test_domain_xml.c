/* SPDX-License-Identifier: MIT */
#include "lib/desktop/domain_xml.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct cr_desktop desktop;
static struct cr_domain domain;
static struct cr_buf xml;

static int setup(void **state)
{
    (void)state;
    cr_desktop_init(&desktop);
    domain = (struct cr_domain){
        .desktop = &desktop,
        .name = "desktop-1",
        .overlay = "/c/overlay.qcow2",
        .nbd_socket = "/r/nbd.sock",
        .nbd_export = "physics@7",
        .nvram = "/c/vars.fd",
        .vnc_socket = "/r/vnc.sock",
    };
    cr_buf_init(&xml, CR_DOMAIN_XML_BYTES_MAX);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cr_buf_done(&xml);
    return 0;
}

/* The text that the domain makes. */
static const char *made(void)
{
    cr_buf_done(&xml);
    assert_int_equal(cr_domain_xml_format(&domain, &xml), 0);
    assert_int_equal(cr_buf_append(&xml, "", 1), 0);
    return (const char *)xml.data;
}

static void assert_has(const char *text)
{
    if (strstr(made(), text) == NULL)
        fail_msg("no '%s' in:\n%s", text, (const char *)xml.data);
}

static void assert_has_not(const char *text)
{
    if (strstr(made(), text) != NULL)
        fail_msg("'%s' in:\n%s", text, (const char *)xml.data);
}

static void the_whole_chain_is_described(void **state)
{
    (void)state;
    assert_has("<source file='/c/overlay.qcow2'/>");
    assert_has("<source protocol='nbd' name='physics@7'>");
    assert_has("<host transport='unix' socket='/r/nbd.sock'/>");
    assert_has("cache='unsafe'");
    assert_has_not("carrel-data");
    domain.overlay_lasts = true;
    domain.data_disk = "/d/anna.qcow2";
    assert_has_not("cache='unsafe'");
    assert_has("<source file='/d/anna.qcow2'/>");
    assert_has("<target dev='vdb' bus='virtio'/>");
    assert_has("<serial>carrel-data</serial>");
    domain.plain = "/c/disks/1&2.disk";
    assert_has("<backingStore type='file'>");
    assert_has("<source file='/c/disks/1&#38;2.disk'/>");
    assert_has_not("nbd");
    assert_has("<backingStore/>");
}

static void a_failed_read_or_write_stops_the_machine(void **state)
{
    (void)state;
    assert_has("error_policy='stop' rerror_policy='stop'");
}

static void memory_and_cpus_are_as_asked(void **state)
{
    (void)state;
    desktop.memory_bytes = 3 * CR_GIB;
    desktop.cpus = 6;
    assert_has("<memory unit='b'>3221225472</memory>");
    assert_has("<vcpu>6</vcpu>");
    assert_has("cores='6'");
}

static void the_accelerator_is_as_asked(void **state)
{
    (void)state;
    assert_has("<domain type='qemu'>");
    assert_has("<cpu mode='maximum'>");
    domain.kvm = true;
    assert_has("<domain type='kvm'>");
    assert_has("<cpu mode='host-passthrough'>");
}

static void each_disk_bus_has_its_device_and_machine(void **state)
{
    (void)state;
    assert_has("<target dev='vda' bus='virtio'/>");
    assert_has("machine='q35'");
    desktop.disk_bus = CR_DISK_BUS_SATA;
    assert_has("<target dev='sda' bus='sata'/>");
    desktop.disk_bus = CR_DISK_BUS_SCSI;
    assert_has("<target dev='sda' bus='scsi'/>");
    assert_has("model='virtio-scsi'");
    desktop.disk_bus = CR_DISK_BUS_IDE;
    assert_has("<target dev='hda' bus='ide'/>");
    assert_has("machine='pc'");
}

static void uefi_has_a_copy_of_the_variables(void **state)
{
    (void)state;
    assert_has_not("nvram");
    desktop.firmware = CR_FIRMWARE_UEFI;
    assert_has("OVMF_CODE_4M.fd</loader>");
    assert_has("OVMF_VARS_4M.fd'>/c/vars.fd</nvram>");
}

static void a_network_card_is_there_unless_refused(void **state)
{
    (void)state;
    desktop.nic_model = CR_NIC_MODEL_RTL8139;
    assert_has("<interface type='user'>");
    assert_has("<model type='rtl8139'/>");
    desktop.nic = CR_NIC_NONE;
    assert_has_not("interface");
}

static void a_display_is_a_vnc_socket_or_nothing(void **state)
{
    (void)state;
    assert_has_not("graphics");
    desktop.display = CR_DISPLAY_VNC;
    assert_has("<graphics type='vnc' socket='/r/vnc.sock'/>");
}

static void a_serial_line_is_a_file_or_a_socket_with_a_log(void **state)
{
    (void)state;
    assert_has_not("<serial");
    desktop.serial = CR_SERIAL_FILE;
    snprintf(desktop.serial_path, sizeof(desktop.serial_path), "/l/serial");
    assert_has("<serial type='file'>\n      <source path='/l/serial' append='on'/>");
    desktop.serial = CR_SERIAL_SOCKET;
    assert_has("<source mode='bind' path='/l/serial'/>");
    assert_has_not("<log");
    snprintf(desktop.serial_log, sizeof(desktop.serial_log), "/l/log");
    assert_has("<log file='/l/log' append='on'/>");
}

static void a_path_cannot_break_out_of_its_attribute(void **state)
{
    (void)state;
    domain.overlay = "/c/a'/><evil b=\"&\xc3\xa9";
    assert_has("file='/c/a&#39;/&#62;&#60;evil b=&#34;&#38;\xc3\xa9'/>");
    desktop.firmware = CR_FIRMWARE_UEFI;
    domain.nvram = "/c/</nvram>";
    assert_has(">/c/&#60;/nvram&#62;</nvram>");
}

static void a_buffer_that_is_too_small_is_said(void **state)
{
    (void)state;
    cr_buf_init(&xml, 100);
    assert_int_equal(cr_domain_xml_format(&domain, &xml), -EMSGSIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_whole_chain_is_described, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_read_or_write_stops_the_machine, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_and_cpus_are_as_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(the_accelerator_is_as_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(each_disk_bus_has_its_device_and_machine, setup, teardown),
        cmocka_unit_test_setup_teardown(uefi_has_a_copy_of_the_variables, setup, teardown),
        cmocka_unit_test_setup_teardown(a_network_card_is_there_unless_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_display_is_a_vnc_socket_or_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_serial_line_is_a_file_or_a_socket_with_a_log, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_path_cannot_break_out_of_its_attribute, setup, teardown),
        cmocka_unit_test_setup_teardown(a_buffer_that_is_too_small_is_said, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
