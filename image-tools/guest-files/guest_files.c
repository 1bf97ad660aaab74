/* SPDX-License-Identifier: MIT */
/* The files of a disk's file systems, listed by libguestfs (guestfs(3)). */
#include "lib/base/limits.h"
#include "lib/base/mem.h"

#include <guestfs.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Folders that are still to be read. */
struct folders {
    char **paths;
    size_t count, room;
};

static void strings_free(char **strings)
{
    for (size_t i = 0; strings != NULL && strings[i] != NULL; i++)
        free(strings[i]);
    free(strings);
}

static void strings_cleanup(char ***strings)
{
    strings_free(*strings);
}

static void stats_cleanup(struct guestfs_statns_list **list)
{
    if (*list != NULL)
        guestfs_free_statns_list(*list);
}

static int clause(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why != NULL ? why : "unknown reason");
    return -1;
}

/* Takes `path`. */
static int folders_push(struct folders *folders, char *path)
{
    if (path == NULL)
        return -1;
    if (folders->count == folders->room) {
        size_t room = folders->room ? 2 * folders->room : 256;
        char **paths = reallocarray(folders->paths, room, sizeof(*paths));
        if (paths == NULL) {
            free(path);
            return -1;
        }
        folders->paths = paths;
        folders->room = room;
    }
    folders->paths[folders->count++] = path;
    return 0;
}

static char kind_of(int64_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return 'f';
    case S_IFDIR:
        return 'd';
    case S_IFLNK:
        return 'l';
    case S_IFCHR:
        return 'c';
    case S_IFBLK:
        return 'b';
    case S_IFIFO:
        return 'p';
    default:
        return 's';
    }
}

static int entry_print(struct folders *folders, const char *folder, const char *name,
                       const struct guestfs_statns *st)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, name) < 0)
        return -1;
    if (strlen(path) > CR_FILE_PATH_BYTES_MAX) {
        free(path);
        return clause(folder, "its paths are too long");
    }
    char kind = kind_of(st->st_mode);
    printf("%c %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %s%c", kind,
           st->st_mode & 07777, st->st_uid, st->st_gid, st->st_size, st->st_mtime_sec,
           st->st_mtime_nsec, path, 0);
    if (kind == 'd')
        return folders_push(folders, path);
    free(path);
    return 0;
}

static int folder_list(guestfs_h *g, struct folders *folders, const char *folder, uint64_t *count)
{
    CLEANUP(strings_cleanup) char **names = guestfs_ls(g, folder);
    if (names == NULL)
        return clause("reading a folder", guestfs_last_error(g));
    CLEANUP(stats_cleanup)
    struct guestfs_statns_list *stats = guestfs_lstatnslist(g, folder, names);
    if (stats == NULL)
        return clause("reading a folder", guestfs_last_error(g));
    for (uint32_t i = 0; i < stats->len && names[i] != NULL; i++) {
        if (stats->val[i].st_ino == -1)
            continue; /* listed, and then not there: a damaged folder */
        if (entry_print(folders, folder, names[i], &stats->val[i]) < 0)
            return -1;
        ++*count;
    }
    return 0;
}

static int filesystem_walk(guestfs_h *g, uint64_t *count)
{
    struct folders folders = {0};
    int r = folders_push(&folders, strdup("/"));
    while (r == 0 && folders.count > 0) {
        char *folder = folders.paths[--folders.count];
        r = folder_list(g, &folders, folder, count);
        free(folder);
    }
    while (folders.count > 0)
        free(folders.paths[--folders.count]);
    free(folders.paths);
    return r;
}

static int filesystem_list(guestfs_h *g, const char *device, const char *type, uint64_t *count)
{
    const char *name = strncmp(device, "/dev/", 5) == 0 ? device + 5 : device;
    bool has_files = strcmp(type, "swap") != 0 && strcmp(type, "unknown") != 0 && type[0] != '\0';
    if (!has_files || guestfs_mount_ro(g, device, "/") < 0) {
        printf("unread %s %s%c", name, type[0] != '\0' ? type : "unknown", 0);
        return 0;
    }
    printf("fs %s %s%c", name, type, 0);
    int r = filesystem_walk(g, count);
    if (r == 0 && guestfs_umount_all(g) < 0)
        r = clause("unmounting", guestfs_last_error(g));
    return r;
}

static int disk_list(guestfs_h *g, const char *socket)
{
    char server[256];
    snprintf(server, sizeof(server), "unix:%s", socket);
    char *const servers[] = {server, NULL};
    uint64_t count = 0;
    if (guestfs_add_drive_opts(g, "", GUESTFS_ADD_DRIVE_OPTS_READONLY, 1,
                               GUESTFS_ADD_DRIVE_OPTS_FORMAT, "raw",
                               GUESTFS_ADD_DRIVE_OPTS_PROTOCOL, "nbd",
                               GUESTFS_ADD_DRIVE_OPTS_SERVER, servers, -1) < 0 ||
        guestfs_launch(g) < 0)
        return clause("starting libguestfs' virtual machine", guestfs_last_error(g));
    CLEANUP(strings_cleanup) char **found = guestfs_list_filesystems(g);
    if (found == NULL)
        return clause("looking for file systems", guestfs_last_error(g));
    for (size_t i = 0; found[i] != NULL && found[i + 1] != NULL; i += 2)
        if (filesystem_list(g, found[i], found[i + 1], &count) < 0)
            return -1;
    printf("end %" PRIu64 "%c", count, 0);
    return fflush(stdout) == 0 ? 0 : clause("writing the list", "the reader is gone");
}

/* --- start ------------------------------------------------------------------------------------ */

/* Some machines offer a /dev/kvm in which guests hang; their processor tells of no virtualisation.
 */
static bool cpu_virtualises(void)
{
    FILE *file = fopen("/proc/cpuinfo", "re");
    char *line = NULL;
    size_t size = 0;
    bool found = false;
    while (file != NULL && !found && getline(&line, &size, file) > 0)
        found = strncmp(line, "flags", 5) == 0 &&
                (strstr(line, " vmx") != NULL || strstr(line, " svm") != NULL);
    free(line);
    if (file != NULL)
        fclose(file);
    return found;
}

int main(int argc, char **argv)
{
    if (argc != 2 || strlen(argv[1]) > CR_SOCKET_PATH_BYTES_MAX) {
        fputs("usage: carrel-guest-files SOCKET\n", stderr);
        return 2;
    }
    setenv("LIBGUESTFS_BACKEND", "direct", 0);
    if (!cpu_virtualises() || access("/dev/kvm", R_OK | W_OK) < 0)
        setenv("LIBGUESTFS_BACKEND_SETTINGS", "force_tcg", 0);
    guestfs_h *g = guestfs_create();
    if (g == NULL)
        return 1;
    guestfs_set_error_handler(g, NULL, NULL);
    int r = disk_list(g, argv[1]);
    guestfs_close(g);
    return r < 0 ? 1 : 0;
}
