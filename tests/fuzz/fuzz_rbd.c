/* SPDX-License-Identifier: MIT */
/* Input: what a person could write for a block device in Ceph. */
#include "tests/fuzz/fuzz.h"

#include "lib/base/mem.h"
#include "lib/blk/rbd.h"

#include <string.h>

/* Take one name as QEMU does: up to the first of `ends` that has no backslash before it. */
static const char *take(const char *at, const char *ends, char *out)
{
    for (; *at != '\0' && strchr(ends, *at) == NULL; at++) {
        if (*at == '\\')
            at++;
        REQUIRE(*at != '\0');
        *out++ = *at;
    }
    *out = '\0';
    return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_FREE char *text = malloc(size + 1), *part = malloc(size + 64), *spec = NULL;
    struct cr_error err = {0};
    if (text == NULL || part == NULL)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    if (cr_rbd_spec(text, &spec, &err) < 0) {
        REQUIRE(err.text[0] != '\0' && spec == NULL);
        return 0;
    }
    /* Read back, it is the same names, one after the other, and the same settings. */
    REQUIRE(cr_rbd_is(text) && cr_rbd_is(spec));
    const char *want = text + 4, *at = spec + 4;
    for (;;) {
        at = take(at, "/:", part);
        size_t len = strlen(part);
        REQUIRE(len > 0 && strncmp(want, part, len) == 0);
        want += len;
        if (*at != '/')
            break;
        REQUIRE(*want == '/');
        at++;
        want++;
    }
    while (*want != '\0') {
        REQUIRE((*want == '?' || *want == '&') && *at == ':');
        at = take(at + 1, ":", part);
        size_t len = strlen(part);
        REQUIRE(strncmp(want + 1, part, len) == 0);
        want += 1 + len;
    }
    REQUIRE(strcmp(at, ":client_mount_timeout=30") == 0);
    return 0;
}
