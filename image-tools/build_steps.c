/* SPDX-License-Identifier: MIT */
#include "image-tools/build_steps.h"

#include "lib/base/fd.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

/* Where scripts and packages lie in the image while their step runs. */
#define PLACE "/var/cache/carrel-build"

/*
 * Package scripts must not start services in a disk that is being built: Debian's policy-rc.d says
 * so. `folder`: packages come from there alone, an index of them is made first.
 */
#define PACKAGES_BEGIN                                                                             \
    "set -e\n"                                                                                     \
    "command -v apt-get >/dev/null || { echo 'there is no apt-get in this system'; exit 127; }\n"  \
    "policy=/usr/sbin/policy-rc.d\n"                                                               \
    "if [ ! -e $policy ]; then\n"                                                                  \
    "    printf '#!/bin/sh\\nexit 101\\n' >$policy; chmod 755 $policy\n"                           \
    "    trap 'rm -f /usr/sbin/policy-rc.d' EXIT\n"                                                \
    "fi\n"                                                                                         \
    "apt() { apt-get -q -y -o APT::Sandbox::User=root -o Dpkg::Options::=--force-confold "         \
    "-o Dpkg::Use-Pty=0 \"$@\"; }\n"

#define FOLDER_INDEX                                                                               \
    "place=" PLACE "\n"                                                                            \
    "cd $place/packages\n"                                                                         \
    "for deb in *.deb; do\n"                                                                       \
    "    dpkg-deb -f \"$deb\"\n"                                                                   \
    "    printf 'Filename: ./%s\\nSize: %s\\nSHA256: %s\\n\\n' \"$deb\" "                          \
    "\"$(stat -c %s \"$deb\")\" \"$(sha256sum \"$deb\" | cut -d' ' -f1)\"\n"                       \
    "done >Packages\n"                                                                             \
    "cd /\n"

#define FOLDER_ONLY                                                                                \
    "echo \"deb [trusted=yes] file:$place/packages ./\" >$place/sources.list\n"                    \
    "mkdir -p $place/lists/partial\n"                                                              \
    "set -- -o Dir::Etc::SourceList=$place/sources.list -o Dir::Etc::SourceParts=/dev/null "       \
    "-o Dir::State::Lists=$place/lists\n"

#define FOLDER_TOO                                                                                 \
    "list=/etc/apt/sources.list.d/carrel-build.list\n"                                             \
    "trap 'rm -f /etc/apt/sources.list.d/carrel-build.list /usr/sbin/policy-rc.d' EXIT\n"          \
    "echo \"deb [trusted=yes] file:$place/packages ./\" >$list\n"                                  \
    "set --\n"

/* Run a command that is not the step itself; its failure is one of the build. */
static int command_must(struct build_machine *machine, const char *command, struct cr_error *err)
{
    int status = -1;
    int r = build_machine_run(machine, command, 30, &status, err);
    if (r == 0 && status != 0)
        return cr_error_set(err, -EIO, "'%s' failed in the image with status %d", command, status);
    return r;
}

/* Run the step's own command and take its log. */
static int command_run(struct build_machine *machine, const struct cr_recipe *recipe,
                       const char *command, struct cr_buf *log, int *ret_status,
                       struct cr_error *err)
{
    char path[PATH_MAX];
    CLEANUP_BUF struct cr_buf said = CR_BUF_INIT(CR_STEP_LOG_BYTES_MAX);
    int r = build_machine_run(machine, command, recipe->timeout_minutes, ret_status, err);
    if (r < 0)
        return r;
    build_machine_path(machine, "log", path);
    r = cr_file_read(AT_FDCWD, path, &said);
    if (r == 0 && said.len > 0)
        r = cr_buf_append(log, said.data, said.len);
    return r < 0 ? cr_error_errno(err, r, "cannot read the log '%s'", path) : 0;
}

/* --- packages --------------------------------------------------------------------------------- */

static int folder_put(struct build_machine *machine, const struct build_files *files,
                      const struct cr_recipe *recipe, struct cr_error *err)
{
    CLEANUP(build_packages_done) struct build_packages packages = {0};
    int r = build_packages_list(files, recipe->package_folder, &packages, err);
    if (r == 0 && packages.count == 0)
        return cr_error_set(err, -ENOENT, "there is no .deb file in the package folder '%s/%s'",
                            files->folder, recipe->package_folder);
    for (size_t i = 0; i < packages.count && r == 0; i++) {
        char local[PATH_MAX], path[PATH_MAX], remote[PATH_MAX];
        snprintf(local, sizeof(local), "%s/%s", recipe->package_folder, packages.names[i]);
        snprintf(remote, sizeof(remote), PLACE "/packages/%s", packages.names[i]);
        r = build_files_path(files, local, path, err);
        if (r == 0)
            r = build_machine_put(machine, path, remote, 0644, 0, 0, err);
    }
    return r;
}

static int packages_command(const struct cr_recipe *recipe, const struct cr_step *step,
                            struct cr_buf *out)
{
    bool folder = recipe->package_folder != NULL, install = step->kind == CR_STEP_PACKAGES;
    if (!install)
        return cr_buf_printf(out, PACKAGES_BEGIN "apt purge %s\n", step->value);
    return cr_buf_printf(out, PACKAGES_BEGIN "%s%sapt \"$@\" update\napt \"$@\" install %s\n%s",
                         folder ? FOLDER_INDEX : "set --\n",
                         !folder           ? ""
                         : recipe->network ? FOLDER_TOO
                                           : FOLDER_ONLY,
                         step->value,
                         recipe->network ? "apt clean\nrm -rf /var/lib/apt/lists/*\n" : "");
}

static int packages_run(struct build_machine *machine, const struct build_files *files,
                        const struct cr_recipe *recipe, const struct cr_step *step,
                        struct cr_buf *log, int *ret_status, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf command = CR_BUF_INIT(16 * CR_KIB);
    bool put = step->kind == CR_STEP_PACKAGES && recipe->package_folder != NULL;
    int r = packages_command(recipe, step, &command);
    if (r == 0)
        r = cr_buf_append(&command, "", 1);
    if (r < 0)
        return cr_error_errno(err, r, "cannot run the step");
    r = put ? folder_put(machine, files, recipe, err) : 0;
    if (r == 0)
        r = command_run(machine, recipe, (const char *)command.data, log, ret_status, err);
    if (r == 0 && put)
        r = command_must(machine, "rm -rf " PLACE, err);
    return r;
}

/* --- the others ------------------------------------------------------------------------------- */

static int file_run(struct build_machine *machine, const struct build_files *files,
                    const struct cr_step *step, struct cr_buf *log, struct cr_error *err)
{
    char path[PATH_MAX];
    int r = build_files_path(files, step->local, path, err);
    if (r == 0)
        r = build_machine_put(machine, path, step->remote, step->mode, step->uid, step->gid, err);
    if (r == 0)
        r = cr_buf_printf(log, "%s: mode %04o, owner %" PRIu32 ":%" PRIu32 "\n", step->remote,
                          step->mode, step->uid, step->gid);
    return r;
}

static int script_run(struct build_machine *machine, const struct build_files *files,
                      const struct cr_recipe *recipe, const struct cr_step *step,
                      struct cr_buf *log, int *ret_status, struct cr_error *err)
{
    char path[PATH_MAX];
    int r = build_files_path(files, step->local, path, err);
    if (r == 0)
        r = build_machine_put(machine, path, PLACE "/script", 0755, 0, 0, err);
    if (r == 0)
        r = command_run(machine, recipe, PLACE "/script", log, ret_status, err);
    return r == 0 ? command_must(machine, "rm -rf " PLACE, err) : r;
}

/* Its own name also stands in /etc/hosts, as Debian's installer does it. */
static int hostname_run(struct build_machine *machine, const struct cr_recipe *recipe,
                        const struct cr_step *step, struct cr_buf *log, int *ret_status,
                        struct cr_error *err)
{
    char command[2048];
    size_t label = strcspn(step->value, ".");
    bool domain = step->value[label] == '.';
    snprintf(command, sizeof(command),
             "set -e\nprintf '%%s\\n' '%s' >/etc/hostname\n"
             "[ -e /etc/hosts ] || printf '127.0.0.1\\tlocalhost\\n' >/etc/hosts\n"
             "sed -i '/^127\\.0\\.1\\.1[[:space:]]/d' /etc/hosts\n"
             "printf '127.0.1.1\\t%%s\\n' '%s%s%.*s' >>/etc/hosts\n",
             step->value, step->value, domain ? " " : "", domain ? (int)label : 0, step->value);
    return command_run(machine, recipe, command, log, ret_status, err);
}

int build_step_run(struct build_machine *machine, const struct build_files *files,
                   const struct cr_recipe *recipe, const struct cr_step *step, struct cr_buf *log,
                   int *ret_status, struct cr_error *err)
{
    *ret_status = 0;
    switch (step->kind) {
    case CR_STEP_PACKAGES:
    case CR_STEP_REMOVE:
        return packages_run(machine, files, recipe, step, log, ret_status, err);
    case CR_STEP_FILE:
        return file_run(machine, files, step, log, err);
    case CR_STEP_SCRIPT:
        return script_run(machine, files, recipe, step, log, ret_status, err);
    case CR_STEP_RUN:
        return command_run(machine, recipe, step->value, log, ret_status, err);
    case CR_STEP_HOSTNAME:
        return hostname_run(machine, recipe, step, log, ret_status, err);
    case CR_STEP_KIND_COUNT:
        break;
    }
    return cr_error_set(err, -EINVAL, "there is no such step");
}
