/* SPDX-License-Identifier: MIT */
#include "lib/base/mem.h"
#include "lib/blk/rbd.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define LIMIT ":client_mount_timeout=30"

static void names_become_qemus(void **state)
{
    (void)state;
    static const struct {
        const char *ours, *qemus;
    } names[] = {
        {"rbd:pool/image", "rbd:pool/image" LIMIT},
        {"rbd:pool/space/image", "rbd:pool/space/image" LIMIT},
        {"rbd:pool/image?id=lab", "rbd:pool/image:id=lab" LIMIT},
        {"rbd:p/i?conf=/etc/ceph/x.conf&id=lab",
         "rbd:p/i:conf=\\/etc\\/ceph\\/x.conf:id=lab" LIMIT},
        {"rbd:p:q/a@b\\c=d", "rbd:p\\:q/a\\@b\\\\c\\=d" LIMIT},
        {"rbd:p/i?conf=a:id=admin", "rbd:p/i:conf=a\\:id\\=admin" LIMIT},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(names); i++) {
        CLEANUP_FREE char *spec = NULL;
        struct cr_error err = {0};
        if (cr_rbd_spec(names[i].ours, &spec, &err) < 0)
            fail_msg("%s", err.text);
        assert_string_equal(spec, names[i].qemus);
    }
}

static void other_texts_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "rbd",
        "rbd:",
        "rbd:pool",
        "rbd:pool/",
        "rbd:/image",
        "rbd:a//b",
        "rbd:a/b/c/d",
        "rbd:a/b?",
        "rbd:a/b?conf=",
        "rbd:a/b?x=1",
        "rbd:a/b?id=1&",
        "rbd:a/b\n",
        "rbd:a/b?id=1&&id=2",
        "file:a/b",
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(texts); i++) {
        char *spec = NULL;
        struct cr_error err = {0};
        assert_int_equal(cr_rbd_spec(texts[i], &spec, &err), -EINVAL);
        assert_non_null(strstr(err.text, "rbd:POOL/IMAGE"));
        assert_null(spec);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_become_qemus),
        cmocka_unit_test(other_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
