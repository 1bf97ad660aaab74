/* SPDX-License-Identifier: MIT */
#include "image-tools/build_storage.h"

#include "image-tools/output.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define LINE_BYTES_MAX (256 * CR_KIB)

/* One line of the monitor as JSON. Byte by byte: a line is short and there are few. */
static int line_read(int fd, json_t **ret_json, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf line = CR_BUF_INIT(LINE_BYTES_MAX);
    char c = '\0';
    while (c != '\n') {
        ssize_t n = read(fd, &c, 1);
        if (n < 0 && errno == EINTR)
            continue;
        int r = n < 0 ? -errno : n == 0 ? -ECONNRESET : cr_buf_append(&line, &c, 1);
        if (r < 0)
            return cr_error_errno(err, r, "cannot hear qemu-storage-daemon");
    }
    *ret_json = json_loadb((const char *)line.data, line.len, 0, NULL);
    return *ret_json != NULL
               ? 0
               : cr_error_set(err, -EPROTO,
                              "qemu-storage-daemon answers something that is no JSON");
}

int build_storage_connect(const char *socket_path, struct cr_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(socket_path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, socket_path, strlen(socket_path) + 1);
    CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return -errno;
    CLEANUP(json_cleanup) json_t *greeting = NULL;
    int r = line_read(fd, &greeting, err);
    if (r == 0)
        r = build_storage_command(fd, "qmp_capabilities", NULL, err);
    return r < 0 ? r : TAKE_FD(fd);
}

int build_storage_command(int fd, const char *command, json_t *arguments, struct cr_error *err)
{
    CLEANUP(json_cleanup)
    json_t *request = json_pack("{s:s, s:o*}", "execute", command, "arguments", arguments);
    CLEANUP_FREE char *text = request == NULL ? NULL : json_dumps(request, JSON_COMPACT);
    if (text == NULL)
        return cr_error_errno(err, -ENOMEM, "cannot ask qemu-storage-daemon");
    int r = cr_write_full(fd, text, strlen(text));
    if (r == 0)
        r = cr_write_full(fd, "\n", 1);
    if (r < 0)
        return cr_error_errno(err, r, "cannot ask qemu-storage-daemon");
    while (true) {
        CLEANUP(json_cleanup) json_t *answer = NULL;
        r = line_read(fd, &answer, err);
        if (r < 0)
            return r;
        const json_t *failure = json_object_get(answer, "error");
        if (failure != NULL) {
            const char *reason = json_string_value(json_object_get(failure, "desc"));
            return cr_error_set(err, -EIO, "qemu-storage-daemon refuses '%s': %.300s", command,
                                reason != NULL ? reason : "no reason given");
        }
        if (json_object_get(answer, "return") != NULL)
            return 0; /* everything else is an event */
    }
}
