/* SPDX-License-Identifier: MIT */
#include "lib/blk/inspect.h"

#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/blk/qemu_img.h"
#include "lib/blk/rawdisk.h"
#include "lib/blk/rbd.h"
#include "lib/blk/whole.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* What the person sees of the image, and how QEMU is asked about it. */
struct subject {
    const char *path;   /* absolute, so that QEMU never takes it for a protocol; or "rbd:..." */
    const char *name;   /* as the person wrote it */
    const char *format; /* as the person said, or NULL */
};

/* What qemu-img complains about when it cannot open the image, turned into a sentence of ours. */
static int open_error(struct cr_qemu_img *run, const struct subject *image, struct cr_error *err)
{
    const char *why = cr_qemu_img_complaint(run);
    if (cr_rbd_is(image->path))
        return cr_error_set(err, strstr(why, "No such file") != NULL ? -ENOENT : -EIO,
                            "cannot read the image '%s': %s", image->name, why);
    if (strstr(why, " lock") != NULL)
        return cr_error_set(err, -EBUSY,
                            "cannot read the image '%s': another program writes to it, such as a "
                            "running virtual machine; shut that down first",
                            image->name);
    if (strstr(why, "Permission denied") != NULL)
        return cr_error_set(err, -EACCES, "cannot read the image '%s': permission denied",
                            image->name);
    if (image->format != NULL)
        return cr_error_set(err, -EINVAL,
                            "cannot read '%s' as %s: %s; without --format the format is found out",
                            image->name, image->format, why);
    return cr_error_set(err, -EUCLEAN,
                        "cannot read the image '%s': %s; if it is damaged or truncated, copy it "
                        "again",
                        image->name, why);
}

/* Run qemu-img info. The JSON is an object, or with `chain` an array of the image and its
 * ancestors. */
static int info_get(const struct subject *image, const char *format, bool chain, json_t **ret_info,
                    struct cr_error *err)
{
    const char *argv[10] = {"qemu-img", "info", "--output=json"};
    size_t n = 3;
    if (chain)
        argv[n++] = "--backing-chain";
    if (format != NULL) {
        argv[n++] = "-f";
        argv[n++] = format;
    }
    argv[n++] = image->path;
    CLEANUP_QEMU_IMG struct cr_qemu_img run = {0};
    int r = cr_qemu_img_run(&run, argv, err);
    if (r < 0)
        return r;
    if (run.status != 0)
        return open_error(&run, image, err);
    CLEANUP_JSON json_t *info = cr_qemu_img_json(&run);
    if (chain ? !json_is_array(info) || json_array_size(info) == 0 : !json_is_object(info))
        return cr_error_set(err, -EPROTO,
                            "cannot read what qemu-img says about the image '%s'; is the package "
                            "qemu-utils of a supported version?",
                            image->name);
    *ret_info = TAKE_PTR(info);
    return 0;
}

/* Refuse what is not a file, or is empty. */
static int file_check(const struct subject *image, struct cr_error *err)
{
    struct stat st;
    if (cr_rbd_is(image->path))
        return 0;
    CLEANUP_CLOSE int fd = open(image->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return cr_error_set(err, -ENOENT, "cannot open the image '%s': there is no such file",
                            image->name);
    if (fd < 0 || fstat(fd, &st) < 0)
        return cr_error_errno(err, -errno, "cannot open the image '%s'", image->name);
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        return cr_error_set(err, -EINVAL,
                            "'%s' is not a disk image: it is neither a file nor a block device",
                            image->name);
    if (S_ISREG(st.st_mode) && st.st_size == 0)
        return cr_error_set(err, -EINVAL, "'%s' is not a disk image: the file is empty",
                            image->name);
    return 0;
}

/* QEMU takes whatever it does not know for a raw disk: look for signs that it is one. */
static int raw_check(const struct subject *image, struct cr_error *err)
{
    CLEANUP_CLOSE int fd = open(image->path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return cr_error_errno(err, -errno, "cannot open the image '%s'", image->name);
    if (!S_ISREG(st.st_mode))
        return 0;
    int r = cr_raw_disk_probe(fd, (uint64_t)st.st_size);
    if (r < 0)
        return cr_error_errno(err, r, "cannot read the image '%s'", image->name);
    if (r == 0)
        return cr_error_set(err, -EINVAL,
                            "'%s' is not a disk image: it has no known header, partition table or "
                            "file system; if it is a raw disk all the same, say so with "
                            "--format raw",
                            image->name);
    return 0;
}

static int size_check(const struct subject *image, const json_t *info, struct cr_error *err)
{
    uint64_t size = cr_json_u64(info, "virtual-size");
    char size_text[CR_BYTES_TEXT], max_text[CR_BYTES_TEXT];
    if (size == 0)
        return cr_error_set(err, -EINVAL, "'%s' is not a disk image: its disk has no size",
                            image->name);
    if (size > CR_DISK_BYTES_MAX)
        return cr_error_set(err, -EFBIG,
                            "the disk in '%s' is too large: %s; at most %s can be imported",
                            image->name, cr_bytes_format(size, size_text, sizeof(size_text)),
                            cr_bytes_format(CR_DISK_BYTES_MAX, max_text, sizeof(max_text)));
    return 0;
}

/* What cannot be read without a secret that nobody gave us. */
static int secret_check(const struct subject *image, const json_t *info, struct cr_error *err)
{
    if (!json_is_true(json_object_get(info, "encrypted")))
        return 0;
    return cr_error_set(err, -ENOTSUP,
                        "the image '%s' is encrypted: decrypt it first, with 'qemu-img convert'",
                        image->name);
}

/* The files that the image is made of besides itself: there, and whole. */
static int chain_check(const struct subject *image, const json_t *info, struct cr_error *err)
{
    const char *backing = cr_json_text(info, "backing-filename");
    const char *backing_path = cr_json_text(info, "full-backing-filename");
    CLEANUP_JSON json_t *chain = NULL;
    struct cr_error why = {0};
    int r = info_get(image, cr_json_text(info, "format"), true, &chain, &why);
    if (r < 0 && r != -EBUSY && backing_path != NULL && backing_path[0] == '/' &&
        access(backing_path, F_OK) < 0)
        return cr_error_set(err, -ENOENT,
                            "the image '%s' needs its backing file '%s', which is missing: put it "
                            "there, or name another with 'qemu-img rebase -u'",
                            image->name, backing_path);
    if (r < 0)
        return cr_error_set(err, r, "the image '%s' needs its backing file '%s': %s", image->name,
                            backing, why.text);
    for (size_t i = 1; i < json_array_size(chain); i++) {
        const json_t *layer = json_array_get(chain, i);
        const char *file = cr_json_text(layer, "filename");
        r = secret_check(image, layer, err);
        if (r == 0 && file != NULL && file[0] == '/') /* else it is not a local file */
            r = cr_image_check_whole(layer, file, file, file, err);
        if (r < 0)
            return cr_error_prefix(err, r, "the image '%s' needs its backing file", image->name);
    }
    return 0;
}

/* How QEMU opens a qcow2 file without its backing file. */
static char *spec_top_layer(const char *path)
{
    CLEANUP_JSON json_t *spec = json_pack("{s:s, s:{s:s, s:s}, s:n}", "driver", "qcow2", "file",
                                          "driver", "file", "filename", path, "backing");
    CLEANUP_FREE char *text = spec == NULL ? NULL : json_dumps(spec, JSON_COMPACT);
    char *result = NULL;
    if (text == NULL || asprintf(&result, "json:%s", text) < 0)
        return NULL;
    return result;
}

static int info_fill(struct cr_image_info *into, const char *path, const json_t *info,
                     bool top_layer_only)
{
    const char *backing = cr_json_text(info, "backing-filename");
    into->size_bytes = cr_json_u64(info, "virtual-size");
    into->format = strdup(cr_json_text(info, "format"));
    into->backing = backing == NULL ? NULL : strdup(backing);
    into->spec = top_layer_only ? spec_top_layer(path) : strdup(path);
    bool complete =
        into->format != NULL && into->spec != NULL && (into->backing != NULL || backing == NULL);
    return complete ? 0 : -ENOMEM;
}

void cr_image_info_done(struct cr_image_info *info)
{
    free(info->format);
    free(info->backing);
    free(info->spec);
    *info = (struct cr_image_info){0};
}

int cr_image_inspect(const char *path, const char *name, const char *format, bool top_layer_only,
                     struct cr_image_info *ret_info, struct cr_error *err)
{
    const struct subject image = {.path = path, .name = name, .format = format};
    CLEANUP_JSON json_t *info = NULL;
    CLEANUP(cr_image_info_done) struct cr_image_info result = {0};
    int r = file_check(&image, err);
    if (r == 0)
        r = info_get(&image, format, false, &info, err);
    if (r < 0)
        return r;
    const char *found = cr_json_text(info, "format");
    if (found == NULL)
        return cr_error_set(err, -EPROTO, "qemu-img does not tell the format of '%s'", name);
    if (top_layer_only && strcmp(found, "qcow2") != 0)
        return cr_error_set(err, -EINVAL,
                            "'%s' is not a qcow2 overlay (it is %s): import it as a whole image",
                            name, found);
    if (format == NULL && strcmp(found, "raw") == 0 && !cr_rbd_is(path))
        r = raw_check(&image, err);
    if (r == 0)
        r = size_check(&image, info, err);
    if (r == 0)
        r = secret_check(&image, info, err);
    if (r < 0)
        return r;
    r = info_fill(&result, path, info, top_layer_only);
    if (r < 0)
        return cr_error_errno(err, r, "cannot open the image '%s'", name);
    if (!top_layer_only && result.backing != NULL)
        r = chain_check(&image, info, err);
    if (r == 0)
        r = cr_image_check_whole(info, path, result.spec, name, err);
    if (r < 0)
        return r;
    *ret_info = result;
    result = (struct cr_image_info){0};
    return 0;
}
