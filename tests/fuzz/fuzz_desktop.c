/* SPDX-License-Identifier: MIT */
/* Input: a desktop file. What is taken must make XML, whatever its paths hold. */
#include "tests/fuzz/fuzz.h"

#include "lib/base/mem.h"
#include "lib/desktop/domain_xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cr_desktop desktop = {.cpus = 4711};
    struct cr_error err = {""};
    CLEANUP_BUF struct cr_buf xml = CR_BUF_INIT(CR_DOMAIN_XML_BYTES_MAX);
    if (cr_desktop_parse("fuzz", data, size, &desktop, &err) < 0) {
        REQUIRE(err.text[0] != '\0' && desktop.cpus == 4711);
        return 0;
    }
    REQUIRE(desktop.cpus >= 1 && desktop.cpus <= CR_DESKTOP_CPUS_MAX);
    REQUIRE(desktop.memory_bytes >= CR_DESKTOP_MEMORY_MIN &&
            desktop.memory_bytes <= CR_DESKTOP_MEMORY_MAX);
    REQUIRE(desktop.serial != CR_SERIAL_SOCKET ||
            strlen(desktop.serial_path) <= CR_SOCKET_PATH_BYTES_MAX);
    REQUIRE((desktop.serial == CR_SERIAL_NONE) || desktop.serial_path[0] == '/');
    const struct cr_domain domain = {
        .desktop = &desktop,
        .name = "fuzz",
        .overlay = "/o",
        .nbd_socket = "/s",
        .nbd_export = "e@1",
        .nvram = "/n",
        .vnc_socket = "/v",
    };
    REQUIRE(cr_domain_xml_format(&domain, &xml) == 0 && xml.len > 0);
    return 0;
}
