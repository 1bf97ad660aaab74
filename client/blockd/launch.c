/* SPDX-License-Identifier: MIT */
#include "client/blockd/launch.h"

#include "lib/base/libexec.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define PLUGIN "nbdkit-carrel-blockd-plugin.so"

/* Enough to keep a network busy; each costs memory (carrel-blockd.8). */
#define THREADS       "8"

#define ARGUMENTS_MAX (48 + CR_SERVERS_MAX)

/* A socket that a killed predecessor left is removed; one that somebody serves is not. */
static int socket_clear(const char *path, struct cr_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat st;
    if (strlen(path) > CR_SOCKET_PATH_BYTES_MAX)
        return cr_error_set(err, -ENAMETOOLONG,
                            "the socket's path '%s' is too long: at most %u bytes", path,
                            CR_SOCKET_PATH_BYTES_MAX);
    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : cr_error_errno(err, -errno, "socket '%s'", path);
    if (!S_ISSOCK(st.st_mode))
        return cr_error_set(err, -EEXIST, "'%s' is there already and is not a socket", path);
    CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return cr_error_errno(err, -errno, "socket '%s'", path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 || errno == EAGAIN)
        return cr_error_set(err, -EBUSY, "another process serves on the socket '%s'", path);
    if (unlink(path) < 0 && errno != ENOENT)
        return cr_error_errno(err, -errno, "cannot remove the old socket '%s'", path);
    return 0;
}

/* argv of nbdkit, being made. */
struct command {
    char *argv[ARGUMENTS_MAX];
    size_t count;
    bool failed;
};

static void command_add(struct command *command, const char *key, const char *value)
{
    char *text = NULL;
    if (value == NULL)
        return;
    if (command->count + 1 >= ARGUMENTS_MAX || asprintf(&text, "%s%s", key, value) < 0)
        command->failed = true;
    else
        command->argv[command->count++] = text;
}

static void command_done(struct command *command)
{
    for (size_t i = 0; i < command->count; i++)
        free(command->argv[i]);
}

static void command_fill(struct command *command, const struct options *options, const char *plugin)
{
    char stats[PATH_MAX], ready_fd[16];
    snprintf(stats, sizeof(stats), "%s/stats.json", options->cache);
    /* nbdkit may do with its standard output what it likes. */
    int ready = fcntl(STDOUT_FILENO, F_DUPFD, STDERR_FILENO + 1);
    snprintf(ready_fd, sizeof(ready_fd), "%d", ready);
    command_add(command, "", "nbdkit");
    command_add(command, "", "--foreground");
    command_add(command, "", "--readonly");
    command_add(command, "", options->verbose ? "--verbose" : NULL);
    command_add(command, "--threads=", THREADS);
    command_add(command, "--unix=", options->socket);
    command_add(command, "--pidfile=", options->pidfile);
    command_add(command, "", plugin);
    for (unsigned i = 0; i < options->server_count; i++)
        command_add(command, "server=", options->servers[i]);
    command_add(command, "image=", options->image);
    command_add(command, "cache=", options->cache);
    command_add(command, "pki=", options->pki);
    command_add(command, "trust=", options->trust);
    command_add(command, "patience=", options->patience);
    command_add(command, "deltas=", options->deltas);
    command_add(command, "hot=", options->hot);
    command_add(command, "fill-rate=", options->fill_rate);
    command_add(command, "boot-seconds=", options->boot_seconds);
    command_add(command, "boot-quiet=", options->boot_quiet);
    command_add(command, "cache-limit=", options->cache_limit);
    command_add(command, "reserve=", options->reserve);
    command_add(command, "scrub-rate=", options->scrub_rate);
    command_add(command, "peers=", options->peers);
    command_add(command, "peer-listen=", options->peer_listen);
    command_add(command, "peer-upload=", options->peer_upload);
    command_add(command, "stats=", options->stats != NULL ? options->stats : stats);
    command_add(command, "record=", options->record);
    command_add(command, "socket=", options->socket);
    command_add(command, "ready-fd=", ready >= 0 ? ready_fd : NULL);
}

int launch(const struct options *options, struct cr_error *err)
{
    char plugin[PATH_MAX];
    CLEANUP(command_done) struct command command = {.count = 0};
    int r = cr_libexec_find(PLUGIN, plugin, err);
    if (r < 0)
        return cr_error_prefix(err, r, "cannot find the plugin");
    r = socket_clear(options->socket, err);
    if (r < 0)
        return r;
    command_fill(&command, options, plugin);
    if (command.failed)
        return cr_error_errno(err, -ENOMEM, "cannot start nbdkit");
    execvp("nbdkit", command.argv);
    if (errno == ENOENT)
        return cr_error_set(err, -ENOENT, "the program 'nbdkit' is missing: install nbdkit");
    return cr_error_errno(err, -errno, "cannot start nbdkit");
}
