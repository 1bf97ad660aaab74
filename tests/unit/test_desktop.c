/* SPDX-License-Identifier: MIT */
#include "lib/desktop/desktop.h"

#include "lib/base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int parse(const char *text, struct cr_desktop *desktop, struct cr_error *err)
{
    return cr_desktop_parse("room.desktop", text, strlen(text), desktop, err);
}

/* The file is refused, nothing is set, and the sentence holds each of these words. */
static void assert_refused(const char *text, const char *word, const char *word2)
{
    struct cr_desktop desktop, untouched;
    struct cr_error err = {""};
    memset(&desktop, 0x5a, sizeof(desktop));
    untouched = desktop;
    assert_true(parse(text, &desktop, &err) < 0);
    assert_memory_equal(&desktop, &untouched, sizeof(desktop));
    assert_non_null(strstr(err.text, "'room.desktop'"));
    if (strstr(err.text, word) == NULL || strstr(err.text, word2) == NULL)
        fail_msg("no '%s' and '%s' in: %s", word, word2, err.text);
}

static void an_empty_file_is_the_default_desktop(void **state)
{
    (void)state;
    struct cr_desktop desktop, standard;
    struct cr_error err = {""};
    cr_desktop_init(&standard);
    assert_int_equal(parse("", &desktop, &err), 0);
    assert_memory_equal(&desktop, &standard, sizeof(desktop));
    assert_int_equal(desktop.memory_bytes, 2 * CR_GIB);
    assert_int_equal(desktop.cpus, 2);
    assert_int_equal(desktop.disk_bus, CR_DISK_BUS_VIRTIO);
    assert_int_equal(desktop.display, CR_DISPLAY_NONE);
    assert_int_equal(desktop.overlay, CR_OVERLAY_BOOT);
    assert_int_equal(desktop.data_disk_bytes, 0);
}

static void every_key_is_understood(void **state)
{
    (void)state;
    struct cr_desktop desktop;
    struct cr_error err = {""};
    assert_int_equal(parse("# the physics lab\r\n"
                           "\n"
                           "  memory = 512M  \n"
                           "cpus=4\n"
                           "firmware = uefi\n"
                           "disk_bus\t=\tscsi\n"
                           "nic = user\n"
                           "nic_model = e1000e\n"
                           "display = vnc\n"
                           "overlay = weekly\n"
                           "overlay_for = person\n"
                           "overlay_update = reset\n"
                           "overlay_max = 20G\n"
                           "overlay_keep_days = 14\n"
                           "data_disk = 1M\n"
                           "serial = socket:/run/x/serial\n"
                           "serial_log = /var/log/a = b.log", /* no newline at the end */
                           &desktop, &err),
                     0);
    assert_int_equal(desktop.memory_bytes, 512 * CR_MIB);
    assert_int_equal(desktop.cpus, 4);
    assert_int_equal(desktop.firmware, CR_FIRMWARE_UEFI);
    assert_int_equal(desktop.disk_bus, CR_DISK_BUS_SCSI);
    assert_int_equal(desktop.nic, CR_NIC_USER);
    assert_int_equal(desktop.nic_model, CR_NIC_MODEL_E1000E);
    assert_int_equal(desktop.display, CR_DISPLAY_VNC);
    assert_int_equal(desktop.overlay, CR_OVERLAY_WEEKLY);
    assert_int_equal(desktop.overlay_for, CR_OVERLAY_FOR_PERSON);
    assert_int_equal(desktop.overlay_update, CR_OVERLAY_RESET);
    assert_int_equal(desktop.overlay_max_bytes, 20 * CR_GIB);
    assert_int_equal(desktop.overlay_keep_days, 14);
    assert_int_equal(desktop.data_disk_bytes, CR_MIB);
    assert_int_equal(desktop.serial, CR_SERIAL_SOCKET);
    assert_string_equal(desktop.serial_path, "/run/x/serial");
    assert_string_equal(desktop.serial_log, "/var/log/a = b.log");
}

static void every_word_of_every_key_is_taken(void **state)
{
    (void)state;
    const char *takes = NULL;
    for (size_t i = 0; cr_desktop_key(i, &takes) != NULL; i++) {
        const char *key = cr_desktop_key(i, &takes);
        char words[128];
        if (strchr(takes, '|') == NULL || strcmp(key, "serial") == 0)
            continue;
        snprintf(words, sizeof(words), "%s", takes);
        char *rest = words;
        for (char *word; (word = strtok_r(rest, " |", &rest)) != NULL;) {
            char line[128];
            struct cr_desktop desktop;
            struct cr_error err = {""};
            snprintf(line, sizeof(line), "%s = %s\n", key, word);
            assert_int_equal(parse(line, &desktop, &err), 0);
        }
    }
}

static void an_unknown_key_is_named_with_its_line(void **state)
{
    (void)state;
    assert_refused("cpus = 1\n\nmemroy = 2G\n", "line 3", "unknown key 'memroy'");
    assert_refused("Memory = 2G\n", "line 1", "unknown key 'Memory'");
}

static void a_line_that_is_no_key_and_value_is_refused(void **state)
{
    (void)state;
    assert_refused("[desktop]\n", "line 1", "not 'key = value'");
    assert_refused("cpus 2\n", "line 1", "not 'key = value'");
    assert_refused("data_disk = 1\n", "line 1", "whole mebibytes");
    assert_refused("overlay_max = 65T\n", "line 1", "'65T' is no size for 'overlay_max'");
    assert_refused("overlay_keep_days = 3651\n", "line 1", "0 to 3650");
    assert_refused("= 2\n", "line 1", "not 'key = value'");
}

static void a_key_that_stands_twice_is_refused(void **state)
{
    (void)state;
    assert_refused("cpus = 1\ncpus = 1\n", "line 2", "second time");
}

static void a_value_outside_its_range_is_refused(void **state)
{
    (void)state;
    assert_refused("memory = 63M\n", "line 1", "64M");
    assert_refused("memory = 5T\n", "line 1", "4T");
    assert_refused("memory = 99999999999999999999G\n", "line 1", "memory");
    assert_refused("memory = 104857601\n", "line 1", "whole mebibytes");
    assert_refused("memory = much\n", "line 1", "'much'");
    assert_refused("memory =\n", "line 1", "memory");
    assert_refused("cpus = 0\n", "line 1", "1 to 255");
    assert_refused("cpus = 256\n", "line 1", "1 to 255");
    assert_refused("cpus = -1\n", "line 1", "'-1'");
}

static void a_word_that_is_none_of_the_choices_is_refused(void **state)
{
    (void)state;
    assert_refused("firmware = efi\n", "'efi'", "bios, uefi");
    assert_refused("disk_bus = nvme\n", "'nvme'", "virtio, sata, ide, scsi");
    assert_refused("nic = bridge\n", "'bridge'", "user, none");
    assert_refused("nic_model = ne2k\n", "'ne2k'", "rtl8139");
    assert_refused("display = sdl\n", "'sdl'", "none, vnc");
}

static void a_path_that_is_relative_or_too_long_is_refused(void **state)
{
    (void)state;
    char line[CR_DESKTOP_LINE_BYTES_MAX];
    assert_refused("serial = log.txt\n", "line 1", "absolute");
    assert_refused("serial = socket:log\n", "line 1", "absolute");
    assert_refused("serial = /a\nserial_log = x\n", "line 2", "absolute");
    memset(line, 'a', sizeof(line));
    memcpy(line, "serial = socket:/", 17);
    line[17 + CR_SOCKET_PATH_BYTES_MAX] = '\0';
    assert_refused(line, "108 bytes", "107");
    line[17 + CR_SOCKET_PATH_BYTES_MAX - 1] = '\0';
    struct cr_desktop desktop;
    assert_int_equal(parse(line, &desktop, NULL), 0);
}

static void a_log_without_a_socket_is_refused(void **state)
{
    (void)state;
    assert_refused("serial = /a\nserial_log = /b\n", "serial_log", "socket:");
    assert_refused("serial_log = /b\n", "serial_log", "socket:");
}

static void what_is_no_text_is_refused(void **state)
{
    (void)state;
    struct cr_desktop desktop;
    struct cr_error err = {""};
    assert_int_equal(cr_desktop_parse("x", "cpus = 1\n\0\n", 11, &desktop, &err), -EINVAL);
    assert_non_null(strstr(err.text, "line 2: byte 0x00"));
    assert_refused("cpus = 1\033[0m\n", "line 1", "byte 0x1b");
}

static void a_file_or_line_past_its_maximum_is_refused(void **state)
{
    (void)state;
    struct cr_desktop desktop;
    struct cr_error err = {""};
    CLEANUP_FREE char *text = malloc(CR_DESKTOP_BYTES_MAX + 1);
    memset(text, '\n', CR_DESKTOP_BYTES_MAX + 1);
    assert_int_equal(cr_desktop_parse("x", text, CR_DESKTOP_BYTES_MAX, &desktop, &err), 0);
    assert_int_equal(cr_desktop_parse("x", text, CR_DESKTOP_BYTES_MAX + 1, &desktop, &err),
                     -EMSGSIZE);
    assert_non_null(strstr(err.text, "65537 bytes"));
    memset(text, '#', CR_DESKTOP_LINE_BYTES_MAX + 1);
    assert_int_equal(cr_desktop_parse("x", text, CR_DESKTOP_LINE_BYTES_MAX, &desktop, &err), 0);
    assert_int_equal(cr_desktop_parse("x", text, CR_DESKTOP_LINE_BYTES_MAX + 1, &desktop, &err),
                     -EMSGSIZE);
    assert_non_null(strstr(err.text, "line 1"));
}

static void an_update_leaves_what_it_does_not_name(void **state)
{
    (void)state;
    static const char first[] = "memory = 4G\ncpus = 3\n", more[] = "cpus = 1\n", wrong[] = "x = 1";
    struct cr_desktop desktop;
    struct cr_error err = {""};
    assert_int_equal(parse(first, &desktop, &err), 0);
    assert_int_equal(cr_desktop_update("p", more, strlen(more), &desktop, &err), 0);
    assert_int_equal(desktop.memory_bytes, 4 * CR_GIB);
    assert_int_equal(desktop.cpus, 1);
    assert_true(cr_desktop_update("p", wrong, strlen(wrong), &desktop, &err) < 0);
    assert_int_equal(desktop.cpus, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_file_is_the_default_desktop),
        cmocka_unit_test(every_key_is_understood),
        cmocka_unit_test(an_update_leaves_what_it_does_not_name),
        cmocka_unit_test(every_word_of_every_key_is_taken),
        cmocka_unit_test(an_unknown_key_is_named_with_its_line),
        cmocka_unit_test(a_line_that_is_no_key_and_value_is_refused),
        cmocka_unit_test(a_key_that_stands_twice_is_refused),
        cmocka_unit_test(a_value_outside_its_range_is_refused),
        cmocka_unit_test(a_word_that_is_none_of_the_choices_is_refused),
        cmocka_unit_test(a_path_that_is_relative_or_too_long_is_refused),
        cmocka_unit_test(a_log_without_a_socket_is_refused),
        cmocka_unit_test(what_is_no_text_is_refused),
        cmocka_unit_test(a_file_or_line_past_its_maximum_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
