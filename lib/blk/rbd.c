/* SPDX-License-Identifier: MIT */
#include "lib/blk/rbd.h"

#include "lib/base/buf.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <string.h>

#define SCHEME    "rbd:"
#define PARTS_MAX 3U /* pool, namespace, image */

bool cr_rbd_is(const char *text)
{
    return strncmp(text, SCHEME, strlen(SCHEME)) == 0;
}

static int bad(const char *text, const char *what, struct cr_error *err)
{
    return cr_error_set(err, -EINVAL,
                        "'%.200s' %s; write rbd:POOL/IMAGE or "
                        "rbd:POOL/IMAGE?conf=FILE&id=NAME",
                        text, what);
}

/* Append with a backslash before each character that has a meaning in QEMU's syntax. */
static int escape(struct cr_buf *out, const char *text, size_t len)
{
    int r = 0;
    for (size_t i = 0; i < len && r == 0; i++) {
        if (strchr(":@/=\\", text[i]) != NULL)
            r = cr_buf_append(out, "\\", 1);
        if (r == 0)
            r = cr_buf_append(out, &text[i], 1);
    }
    return r;
}

/* POOL[/NAMESPACE]/IMAGE. Returns 0, -EINVAL without a sentence, or as cr_buf_append. */
static int parts_add(struct cr_buf *out, const char *text, size_t len)
{
    unsigned parts = 0;
    int r = 0;
    for (size_t at = 0, next; at <= len && r == 0; at = next + 1) {
        const char *slash = memchr(text + at, '/', len - at);
        next = slash == NULL ? len : (size_t)(slash - text);
        if (next == at || ++parts > PARTS_MAX)
            return -EINVAL;
        if (parts > 1)
            r = cr_buf_append(out, "/", 1);
        if (r == 0)
            r = escape(out, text + at, next - at);
    }
    return r < 0 ? r : parts < 2 ? -EINVAL : 0;
}

/* conf=FILE or id=NAME. */
static int setting_add(struct cr_buf *out, const char *text, size_t len)
{
    static const char *const keys[] = {"conf=", "id="};
    for (size_t i = 0; i < CR_ARRAY_LEN(keys); i++) {
        size_t key = strlen(keys[i]);
        if (len <= key || strncmp(text, keys[i], key) != 0)
            continue;
        int r = cr_buf_append(out, ":", 1);
        if (r == 0)
            r = cr_buf_append(out, keys[i], key);
        return r < 0 ? r : escape(out, text + key, len - key);
    }
    return -EINVAL;
}

int cr_rbd_spec(const char *text, char **ret_spec, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf out = CR_BUF_INIT(2 * CR_URI_BYTES_MAX + 64);
    if (!cr_rbd_is(text) || strlen(text) >= CR_URI_BYTES_MAX)
        return bad(text, "is no block device in Ceph", err);
    for (const char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return bad("rbd:...", "holds a control character", err);
    const char *names = text + strlen(SCHEME), *question = strchr(names, '?');
    size_t len = question == NULL ? strlen(names) : (size_t)(question - names);
    int r = cr_buf_append(&out, SCHEME, strlen(SCHEME));
    if (r == 0)
        r = parts_add(&out, names, len);
    if (r == -EINVAL)
        return bad(text, "names no pool and image", err);
    for (const char *at = question; at != NULL && r == 0; at = strchr(at + 1, '&'))
        r = setting_add(&out, at + 1, strcspn(at + 1, "&"));
    if (r == -EINVAL)
        return bad(text, "has another setting than conf=FILE and id=NAME", err);
    if (r == 0)
        r = cr_buf_printf(&out, ":client_mount_timeout=30");
    if (r == 0)
        r = cr_buf_append(&out, "", 1);
    if (r < 0)
        return cr_error_errno(err, r, "naming '%.200s' to QEMU", text);
    *ret_spec = (char *)TAKE_PTR(out.data);
    return 0;
}
