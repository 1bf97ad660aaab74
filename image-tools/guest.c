/* SPDX-License-Identifier: MIT */
#include "image-tools/guest.h"

#include "image-tools/stop.h"
#include "lib/base/command.h"
#include "lib/base/libexec.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* nbdkit on a unix socket in a folder of our own. */
struct served {
    char folder[80], socket[100];
    pid_t pid;
};

static void served_done(struct served *served)
{
    cr_command_stop(served->pid);
    if (served->folder[0] != '\0') {
        unlink(served->socket);
        rmdir(served->folder);
    }
}

/* It listens before nbdkit runs, so that nobody waits for the socket to appear. */
static int socket_make(struct served *served, struct cr_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *parent = getenv("TMPDIR");
    if (parent == NULL || strlen(parent) > 60)
        parent = "/tmp";
    snprintf(served->folder, sizeof(served->folder), "%s/carrel-XXXXXX", parent);
    if (mkdtemp(served->folder) == NULL) {
        served->folder[0] = '\0';
        return cr_error_errno(err, -errno, "cannot make a folder for a socket in '%s'", parent);
    }
    snprintf(served->socket, sizeof(served->socket), "%s/nbd", served->folder);
    memcpy(address.sun_path, served->socket, strlen(served->socket) + 1);
    CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(fd, 16) < 0)
        return cr_error_errno(err, -errno, "cannot listen on '%s'", served->socket);
    return TAKE_FD(fd);
}

static int serve(const struct cr_store *store, const struct cr_version *version,
                 struct served *served, struct cr_error *err)
{
    char plugin[PATH_MAX], ref[CR_REF_TEXT], image[CR_REF_TEXT + 8];
    char uri[CR_URI_BYTES_MAX + 8];
    if (cr_libexec_find("nbdkit-carrel-plugin.so", plugin, NULL) < 0)
        snprintf(plugin, sizeof(plugin), "carrel"); /* where nbdkit looks for plugins */
    snprintf(uri, sizeof(uri), "store=%s", store->uri);
    snprintf(image, sizeof(image), "image=%s", cr_ref_format(cr_version_ref(version), ref));
    CLEANUP_CLOSE int fd = socket_make(served, err);
    if (fd < 0)
        return fd;
    const char *const argv[] = {
        "nbdkit", "--foreground", "--exit-with-parent", "--readonly", plugin,
        uri,      image,          "cache-size=128M",    NULL};
    const struct cr_command command = {
        .argv = argv, .stdout_fd = -1, .stderr_fd = -1, .listen_fd = fd};
    return cr_command_start(&command, &served->pid, err);
}

static int list(const char *socket, struct cr_filelist *ret_list, struct cr_error *err)
{
    char program[PATH_MAX];
    CLEANUP_BUF struct cr_buf out = CR_BUF_INIT(CR_FILE_LIST_BYTES_MAX);
    CLEANUP_BUF struct cr_buf said = CR_BUF_INIT(CR_TOOL_MESSAGE_BYTES_MAX);
    int status = 0, r = cr_libexec_find("carrel-guest-files", program, err);
    if (r == 0) {
        const char *const argv[] = {program, socket, NULL};
        r = cr_command_run_until(argv, stop_requested, &out, &said, &status, err);
    }
    if (r < 0)
        return r;
    if (status == 0)
        return cr_filelist_parse(out.data, out.len, ret_list, err);
    char clause[300] = "";
    if (said.len > 0 && cr_buf_append(&said, "", 1) == 0)
        snprintf(clause, sizeof(clause), ": %s", (const char *)said.data);
    clause[strcspn(clause, "\n")] = '\0';
    return cr_error_set(err, -EIO, "carrel-guest-files ended with status %d%s", status, clause);
}

int guest_files(const struct cr_store *store, const struct cr_version *version,
                struct cr_filelist *ret_list, struct cr_error *err)
{
    CLEANUP(served_done) struct served served = {.pid = 0};
    struct cr_error why = {0};
    char ref[CR_REF_TEXT];
    int r = serve(store, version, &served, &why);
    if (r == 0)
        r = list(served.socket, ret_list, &why);
    if (r == -ECANCELED && stop_check(err) < 0)
        return r;
    return r < 0 ? cr_error_set(err, r, "listing the files of '%s': %s",
                                cr_ref_format(cr_version_ref(version), ref), why.text)
                 : 0;
}
