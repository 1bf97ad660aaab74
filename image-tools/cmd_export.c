/* SPDX-License-Identifier: MIT */
/* carrel image export NAME[@N] FILE, or rbd:POOL/IMAGE */
#include "image-tools/commands.h"
#include "image-tools/export.h"
#include "image-tools/output.h"
#include "image-tools/stop.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/blk/rbd.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sys/stat.h>

static const char *const formats[] = {"raw", "qcow2", "vmdk", "vhdx"};

static int format_take(const struct cli *cli, const char **ret_format, struct cr_error *err)
{
    const char *format = cli_has(cli, OPT_FORMAT) ? cli->values[OPT_FORMAT] : "raw";
    for (size_t i = 0; i < CR_ARRAY_LEN(formats); i++)
        if (strcmp(formats[i], format) == 0) {
            *ret_format = formats[i];
            return 0;
        }
    return cr_error_set(err, -EINVAL, "option '--format': '%s' is none of raw, qcow2, vmdk, vhdx",
                        format);
}

/* May the file be made, or replaced? Asked before the work and, for what came meanwhile, after it.
 */
static int target_check(const struct cli *cli, const char *path, struct cr_error *err)
{
    struct stat st;
    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : cr_error_errno(err, -errno, "cannot make '%s'", path);
    if (!S_ISREG(st.st_mode))
        return cr_error_set(err, -EEXIST, "'%s' exists and is no plain file; name another", path);
    if (!cli_has(cli, OPT_FORCE))
        return cr_error_set(err, -EEXIST, "'%s' exists; name another file or add --force", path);
    return 0;
}

/*
 * The finished file takes its name. Unless --sync asks for it, nothing waits for the disk: an
 * export can be made again at will, and cp and qemu-img do not wait either.
 */
static int target_publish(const struct cli *cli, const char *partial, const char *path,
                          struct cr_error *err)
{
    char folder[PATH_MAX];
    /* A file that appeared meanwhile stays; some file systems cannot promise that. */
    unsigned flags = cli_has(cli, OPT_FORCE) ? 0 : RENAME_NOREPLACE;
    int r = renameat2(AT_FDCWD, partial, AT_FDCWD, path, flags) < 0 ? -errno : 0;
    if (r == -EINVAL) {
        r = target_check(cli, path, err);
        if (r < 0)
            return r;
        r = rename(partial, path) < 0 ? -errno : 0;
    }
    if (r < 0)
        return cr_error_errno(err, r, "cannot make '%s'", path);
    if (!cli_has(cli, OPT_SYNC))
        return 0;
    snprintf(folder, sizeof(folder), "%s", path);
    r = cr_dir_fsync(AT_FDCWD, dirname(folder));
    return r < 0 ? cr_error_errno(err, r, "cannot make '%s' durable", path) : 0;
}

static int export_to(const struct cli *cli, struct cr_store *store, struct cr_version *version,
                     const char *partial, const char *format, struct cr_error *err)
{
    CLEANUP(target_cleanup) struct target *target = NULL;
    const char *path = cli->operands[1];
    uint64_t disk_bytes = cr_version_disk_bytes(version);
    int r = strcmp(format, "raw") == 0
                ? target_raw_open(partial, path, disk_bytes, &target, err)
                : target_qemu_open(partial, path, format, disk_bytes, &target, err);
    if (r == 0)
        r = export_run(cli, store, version, target, err);
    if (r == 0)
        r = target->ops->finish(target, cli_has(cli, OPT_SYNC), err);
    return r;
}

static int export_file(const struct cli *cli, struct cr_store *store, struct cr_version *version,
                       const char *format, struct cr_error *err)
{
    const char *path = cli->operands[1];
    char partial[PATH_MAX];
    /* "./" keeps QEMU from taking what is before a colon for a protocol. */
    int need = snprintf(partial, sizeof(partial), "%s%s.partial-%d", path[0] == '/' ? "" : "./",
                        path, (int)getpid());
    if (need < 0 || (size_t)need >= sizeof(partial))
        return cr_error_errno(err, -ENAMETOOLONG, "cannot make '%s'", path);
    stop_set_temporary(partial);
    int r = export_to(cli, store, version, partial, format, err);
    if (r == 0)
        r = stop_check(err);
    if (r == 0)
        r = target_publish(cli, partial, path, err);
    if (r < 0)
        unlink(partial);
    stop_set_temporary(NULL);
    return stop_requested() && r < 0 ? stop_check(err) : r;
}

/*
 * Into a block device in Ceph. QEMU cannot rename those, so the image has its name from the start,
 * and what a failure leaves is named.
 */
static int export_rbd(const struct cli *cli, struct cr_store *store, struct cr_version *version,
                      struct cr_error *err)
{
    CLEANUP(target_cleanup) struct target *target = NULL;
    const char *uri = cli->operands[1];
    int r =
        target_rbd_open(uri, cli_has(cli, OPT_FORCE), cr_version_disk_bytes(version), &target, err);
    if (r < 0)
        return r;
    r = export_run(cli, store, version, target, err);
    if (r == 0)
        r = target->ops->finish(target, true, err);
    if (r == 0)
        r = stop_check(err);
    if (r < 0)
        return cr_error_prefix(
            err, r, "'%s' is not complete (export again with --force, or remove it)", uri);
    return 0;
}

static int export_print(const struct cli *cli, const struct cr_version *version, const char *format,
                        struct cr_error *err)
{
    char ref[CR_REF_TEXT], data[CR_BYTES_TEXT];
    const struct cr_version_info *info = cr_version_info(version);
    cr_ref_format(cr_version_ref(version), ref);
    if (cli_has(cli, OPT_JSON))
        return output_json(json_pack("{s:s, s:s, s:s, s:I, s:I}", "ref", ref, "file",
                                     cli->operands[1], "format", format, "disk_bytes",
                                     (json_int_t)info->disk_bytes, "data_bytes",
                                     (json_int_t)info->data_bytes),
                           err);
    if (!cli_has(cli, OPT_QUIET))
        printf("%s -> '%s' (%s), %s of data, every chunk verified\n", ref, cli->operands[1], format,
               cr_bytes_format(info->data_bytes, data, sizeof(data)));
    return 0;
}

int cmd_image_export(struct cli *cli, struct cr_error *err)
{
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    CLEANUP(cr_version_cleanup) struct cr_version *version = NULL;
    struct cr_ref ref;
    const char *format = NULL;
    int r = cr_ref_parse(cli->operands[0], &ref, err);
    if (r == 0)
        r = format_take(cli, &format, err);
    bool is_rbd = cr_rbd_is(cli->operands[1]);
    if (r == 0 && is_rbd && strcmp(format, "raw") != 0)
        r = cr_error_set(err, -EINVAL,
                         "option '--format': a block device in Ceph holds the disk as it is; leave "
                         "the option out");
    if (r == 0 && !is_rbd)
        r = target_check(cli, cli->operands[1], err);
    if (r == 0)
        r = cli_store_open(cli, &store, err);
    if (r == 0)
        r = cr_version_open(store, &ref, &version, err);
    if (r == 0)
        r = is_rbd ? export_rbd(cli, store, version, err)
                   : export_file(cli, store, version, format, err);
    return r < 0 ? r : export_print(cli, version, format, err);
}
