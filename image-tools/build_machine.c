/* SPDX-License-Identifier: MIT */
#include "image-tools/build_machine.h"

#include "image-tools/build_storage.h"
#include "image-tools/output.h"
#include "image-tools/stop.h"
#include "lib/base/command.h"
#include "lib/base/fd.h"
#include "lib/base/libexec.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#define START_SECONDS  600 /* of the appliance: its first start on a machine builds it */
#define SETTLE_SECONDS 900
#define POLL_MS        200
#define STORAGE_TRIES  500 /* of 20 ms each */
#define WORDS_MAX      8

/* --- places ----------------------------------------------------------------------------------- */

static int folders_make(struct build_machine *machine, struct cr_error *err)
{
    int r = build_folder_make(&machine->folder, err);
    if (r < 0)
        return r;
    const char *large = build_folder_parent();
    /* A socket's path is short, and a comma would end it in an option of QEMU's. */
    const char *little = strlen(large) < 48 && strchr(large, ',') == NULL ? large : "/tmp";
    snprintf(machine->sockets, sizeof(machine->sockets), "%s/carrel-XXXXXX", little);
    if (mkdtemp(machine->sockets) == NULL) {
        machine->sockets[0] = '\0';
        return cr_error_errno(err, -errno, "cannot make a folder for sockets in '%s'", little);
    }
    char path[PATH_MAX];
    build_machine_path(machine, "messages", path);
    machine->messages_fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    return machine->messages_fd < 0 ? cr_error_errno(err, -errno, "cannot make '%s'", path) : 0;
}

void build_machine_path(const struct build_machine *machine, const char *name,
                        char out[static PATH_MAX])
{
    snprintf(out, PATH_MAX, "%.4000s/%s", machine->folder.path, name);
}

static void socket_path(const struct build_machine *machine, const char *name,
                        char out[static sizeof(((struct sockaddr_un *)NULL)->sun_path)])
{
    snprintf(out, sizeof(((struct sockaddr_un *)NULL)->sun_path), "%.80s/%s", machine->sockets,
             name);
}
#define SOCKET_PATH sizeof(((struct sockaddr_un *)NULL)->sun_path)

static void layer_path(const struct build_machine *machine, unsigned number,
                       char out[static PATH_MAX])
{
    char name[32];
    snprintf(name, sizeof(name), "layer-%u.qcow2", number);
    build_machine_path(machine, name, out);
}

/* The last line that one of the programs complained with. */
static int complain(const struct build_machine *machine, int code, const char *what,
                    struct cr_error *err)
{
    char text[512] = "";
    off_t size = lseek(machine->messages_fd, 0, SEEK_END);
    off_t from = size > (off_t)sizeof(text) - 1 ? size - (off_t)sizeof(text) + 1 : 0;
    ssize_t n = size > 0 ? pread(machine->messages_fd, text, (size_t)(size - from), from) : 0;
    text[n > 0 ? n : 0] = '\0';
    while (n > 0 && text[n - 1] == '\n')
        text[--n] = '\0';
    const char *line = strrchr(text, '\n');
    line = line != NULL ? line + 1 : text;
    return cr_error_set(err, code, "%s: %.300s", what, line[0] != '\0' ? line : "no reason given");
}

/* --- the base version ------------------------------------------------------------------------- */

static int socket_listen(const char *path, struct cr_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(fd, 16) < 0)
        return cr_error_errno(err, -errno, "cannot listen on '%s'", path);
    return TAKE_FD(fd);
}

static int server_start(struct build_machine *machine, const struct build_machine_options *options,
                        struct cr_error *err)
{
    char plugin[PATH_MAX], image[CR_REF_TEXT + 8], text[CR_REF_TEXT], path[SOCKET_PATH];
    CLEANUP_FREE char *store = NULL;
    int r = cr_libexec_find("nbdkit-carrel-plugin.so", plugin, err);
    if (r < 0)
        return cr_error_prefix(err, r, "cannot build");
    if (asprintf(&store, "store=%s", options->store->uri) < 0)
        return cr_error_errno(err, -ENOMEM, "cannot start nbdkit");
    snprintf(image, sizeof(image), "image=%s", cr_ref_format(options->version, text));
    socket_path(machine, "base", path);
    CLEANUP_CLOSE int listen_fd = socket_listen(path, err);
    if (listen_fd < 0)
        return listen_fd;
    const char *const argv[] = {"nbdkit", "--foreground", "--readonly",      plugin,
                                store,    image,          "cache-size=256M", NULL};
    const struct cr_command command = {.argv = argv,
                                       .stdout_fd = machine->messages_fd,
                                       .stderr_fd = machine->messages_fd,
                                       .listen_fd = listen_fd};
    return cr_command_start(&command, &machine->server, err);
}

/* --- the layers ------------------------------------------------------------------------------- */

static int layer_create(struct build_machine *machine, unsigned number, struct cr_error *err)
{
    char path[PATH_MAX], backing[160], base[SOCKET_PATH], size[24];
    CLEANUP_BUF struct cr_buf messages = CR_BUF_INIT(CR_TOOL_MESSAGE_BYTES_MAX);
    int status = 0;
    layer_path(machine, number, path);
    socket_path(machine, "base", base);
    snprintf(backing, sizeof(backing), "nbd+unix:///?socket=%s", base);
    snprintf(size, sizeof(size), "%" PRIu64, machine->disk_bytes);
    /* The name of the backing file only tells that there is one: the layers are put together here.
     */
    const char *const argv[] = {"qemu-img", "create", "-q",    "-u", "-f", "qcow2", "-F",
                                "raw",      "-b",     backing, "--", path, size,    NULL};
    int r = cr_command_run(argv, NULL, &messages, &status, err);
    if (r < 0)
        return r;
    return status == 0 ? 0
                       : cr_error_set(err, -EIO, "cannot make the layer '%s': %.*s", path,
                                      (int)messages.len, (const char *)messages.data);
}

static json_t *layer_node(const struct build_machine *machine, unsigned number, json_t *backing)
{
    char path[PATH_MAX], name[32];
    layer_path(machine, number, path);
    snprintf(name, sizeof(name), "layer-%u", number);
    return json_pack("{s:s, s:s, s:s, s:o, s:{s:s, s:s, s:s}}", "driver", "qcow2", "node-name",
                     name, "discard", "unmap", "backing", backing, "file", "driver", "file",
                     "filename", path, "discard", "unmap");
}

static bool child_ended(pid_t pid)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid != 0;
}

static int storage_wait(struct build_machine *machine, struct cr_error *err)
{
    char path[SOCKET_PATH];
    socket_path(machine, "control", path);
    for (int i = 0; i < STORAGE_TRIES; i++) {
        const struct timespec pause = {.tv_nsec = 20000000};
        int fd = build_storage_connect(path, err);
        if (fd >= 0) {
            machine->control_fd = fd;
            return 0;
        }
        if ((fd != -ENOENT && fd != -ECONNREFUSED) || child_ended(machine->storage))
            break;
        int r = stop_check(err);
        if (r < 0)
            return r;
        nanosleep(&pause, NULL);
    }
    return complain(machine, -EIO, "qemu-storage-daemon does not start", err);
}

static int storage_start(struct build_machine *machine, struct cr_error *err)
{
    char base[SOCKET_PATH], disk[SOCKET_PATH], control[SOCKET_PATH], monitor[256];
    socket_path(machine, "base", base);
    socket_path(machine, "disk", disk);
    socket_path(machine, "control", control);
    snprintf(monitor, sizeof(monitor), "socket,id=control,path=%s,server=on,wait=off", control);
    int r = layer_create(machine, ++machine->layers, err);
    if (r < 0)
        return r;
    CLEANUP(json_cleanup)
    json_t *version = json_pack("{s:s, s:s, s:b, s:{s:s, s:s}}", "driver", "nbd", "node-name",
                                "version", "read-only", 1, "server", "type", "unix", "path", base);
    CLEANUP(json_cleanup) json_t *layer = layer_node(machine, 1, json_string("version"));
    CLEANUP(json_cleanup)
    json_t *nbd = json_pack("{s:{s:s, s:s}}", "addr", "type", "unix", "path", disk);
    CLEANUP(json_cleanup)
    json_t *export = json_pack("{s:s, s:s, s:s, s:s, s:b}", "type", "nbd", "id", "disk",
                               "node-name", "layer-1", "name", "", "writable", 1);
    CLEANUP_FREE char *version_text = json_dumps(version, JSON_COMPACT);
    CLEANUP_FREE char *layer_text = json_dumps(layer, JSON_COMPACT);
    CLEANUP_FREE char *nbd_text = json_dumps(nbd, JSON_COMPACT);
    CLEANUP_FREE char *export_text = json_dumps(export, JSON_COMPACT);
    if (version_text == NULL || layer_text == NULL || nbd_text == NULL || export_text == NULL)
        return cr_error_errno(err, -ENOMEM, "cannot start qemu-storage-daemon");
    const char *const argv[] = {"qemu-storage-daemon",
                                "--blockdev",
                                version_text,
                                "--blockdev",
                                layer_text,
                                "--nbd-server",
                                nbd_text,
                                "--export",
                                export_text,
                                "--chardev",
                                monitor,
                                "--monitor",
                                "chardev=control",
                                NULL};
    const struct cr_command command = {.argv = argv,
                                       .stdout_fd = machine->messages_fd,
                                       .stderr_fd = machine->messages_fd,
                                       .listen_fd = -1};
    r = cr_command_start(&command, &machine->storage, err);
    return r == 0 ? storage_wait(machine, err) : r;
}

/* --- the guest -------------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Its answer, terminated; `seconds` is how long it may take. */
static int answer_wait(struct build_machine *machine, int64_t seconds, char *answer, size_t size,
                       size_t *ret_len, struct cr_error *err)
{
    int64_t end = now_ms() + seconds * 1000;
    struct pollfd heard = {.fd = machine->talk_fd, .events = POLLIN};
    while (poll(&heard, 1, POLL_MS) <= 0) {
        int r = stop_check(err);
        if (r < 0)
            return r;
        if (now_ms() > end)
            return cr_error_set(err, -ETIMEDOUT, "it took longer than %" PRId64 " minutes",
                                seconds / 60);
    }
    ssize_t n = recv(machine->talk_fd, answer, size - 1, 0);
    if (n <= 0)
        return complain(machine, -EIO, "the build machine ended", err);
    answer[n] = '\0';
    *ret_len = (size_t)n;
    return 0;
}

/* Send the words (the list ends with NULL) and wait for the answer; `result` receives its word. */
static int request(struct build_machine *machine, const char *const *words, int64_t seconds,
                   char *result, size_t result_size, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf packet = CR_BUF_INIT(CR_BUILD_PACKET_BYTES_MAX);
    char answer[CR_ERROR_BYTES + 32];
    size_t len = 0;
    int r = 0;
    for (size_t i = 0; words[i] != NULL && r == 0; i++)
        r = cr_buf_append(&packet, words[i], strlen(words[i]) + 1);
    if (r == 0 && send(machine->talk_fd, packet.data, packet.len, MSG_NOSIGNAL) < 0)
        r = -errno;
    if (r == -EPIPE || r == -ECONNRESET)
        return complain(machine, -EIO, "the build machine ended", err);
    if (r < 0)
        return cr_error_errno(err, r, "cannot tell the build machine what to do");
    r = answer_wait(machine, seconds, answer, sizeof(answer), &len, err);
    if (r < 0)
        return r;
    const char *word = answer + strnlen(answer, len);
    word = word < answer + len ? word + 1 : word;
    if (strcmp(answer, "ok") != 0)
        return cr_error_set(err, -EIO, "%s", word);
    if (result != NULL)
        snprintf(result, result_size, "%s", word);
    return 0;
}

static int guest_start(struct build_machine *machine, const struct build_machine_options *options,
                       struct cr_error *err)
{
    char program[PATH_MAX], disk[SOCKET_PATH], memory[24];
    int pair[2];
    int r = cr_libexec_find("carrel-build-guest", program, err);
    if (r < 0)
        return cr_error_prefix(err, r, "cannot build (it needs libguestfs when it is compiled)");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return cr_error_errno(err, -errno, "cannot start '%s'", program);
    machine->talk_fd = pair[0];
    CLEANUP_CLOSE int theirs = pair[1];
    const char *const argv[] = {program, NULL};
    const struct cr_command command = {.argv = argv,
                                       .stdout_fd = machine->messages_fd,
                                       .stderr_fd = machine->messages_fd,
                                       .listen_fd = theirs};
    r = cr_command_start(&command, &machine->guest, err);
    if (r < 0)
        return r;
    close(TAKE_FD(theirs)); /* so that its end is heard */
    socket_path(machine, "disk", disk);
    snprintf(memory, sizeof(memory), "%" PRIu64, (uint64_t)(options->memory_bytes / CR_MIB));
    const char *const words[] = {"start", disk, options->network ? "yes" : "no", memory, NULL};
    return request(machine, words, START_SECONDS, NULL, 0, err);
}

int build_machine_start(struct build_machine *machine, const struct build_machine_options *options,
                        struct cr_error *err)
{
    machine->disk_bytes = options->disk_bytes;
    int r = folders_make(machine, err);
    if (r == 0)
        r = server_start(machine, options, err);
    if (r == 0)
        r = storage_start(machine, err);
    return r == 0 ? guest_start(machine, options, err) : r;
}

void build_machine_stop(struct build_machine *machine)
{
    if (machine->talk_fd >= 0)
        close(machine->talk_fd);
    cr_command_stop(machine->guest);
    if (machine->control_fd >= 0)
        close(machine->control_fd);
    cr_command_stop(machine->storage);
    cr_command_stop(machine->server);
    if (machine->messages_fd >= 0)
        close(machine->messages_fd);
    if (machine->sockets[0] != '\0')
        cr_dir_remove(AT_FDCWD, machine->sockets);
    build_folder_remove(&machine->folder);
    *machine = (struct build_machine)BUILD_MACHINE_INIT;
}

int build_machine_put(struct build_machine *machine, const char *local, const char *remote,
                      unsigned mode, uint32_t uid, uint32_t gid, struct cr_error *err)
{
    char numbers[3][16];
    snprintf(numbers[0], sizeof(numbers[0]), "%u", mode);
    snprintf(numbers[1], sizeof(numbers[1]), "%" PRIu32, uid);
    snprintf(numbers[2], sizeof(numbers[2]), "%" PRIu32, gid);
    const char *const words[] = {"put", local, remote, numbers[0], numbers[1], numbers[2], NULL};
    return request(machine, words, SETTLE_SECONDS, NULL, 0, err);
}

int build_machine_run(struct build_machine *machine, const char *command, unsigned minutes,
                      int *ret_status, struct cr_error *err)
{
    char log[PATH_MAX], status[16] = "";
    build_machine_path(machine, "log", log);
    const char *const words[] = {"run", command, log, NULL};
    int r = request(machine, words, (int64_t)minutes * 60, status, sizeof(status), err);
    if (r == 0)
        *ret_status = (int)strtol(status, NULL, 10);
    return r;
}

int build_machine_layer(struct build_machine *machine, char ret_path[static PATH_MAX],
                        struct cr_error *err)
{
    const char *const settle[] = {"settle", NULL}, *const mount[] = {"mount", NULL};
    char before[32], after[32];
    int r = request(machine, settle, SETTLE_SECONDS, NULL, 0, err);
    if (r < 0)
        return r;
    snprintf(before, sizeof(before), "layer-%u", machine->layers);
    snprintf(after, sizeof(after), "layer-%u", machine->layers + 1);
    layer_path(machine, machine->layers, ret_path);
    r = layer_create(machine, machine->layers + 1, err);
    if (r == 0)
        r = build_storage_command(machine->control_fd, "blockdev-add",
                                  layer_node(machine, machine->layers + 1, json_null()), err);
    if (r == 0)
        r = build_storage_command(machine->control_fd, "blockdev-snapshot",
                                  json_pack("{s:s, s:s}", "node", before, "overlay", after), err);
    if (r < 0)
        return r;
    machine->layers++;
    return request(machine, mount, SETTLE_SECONDS, NULL, 0, err);
}
