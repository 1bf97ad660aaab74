/* SPDX-License-Identifier: MIT */
#include "lib/blk/whole.h"

#include "lib/base/fd.h"
#include "lib/base/le.h"
#include "lib/base/mem.h"
#include "lib/blk/qemu_img.h"
#include "lib/blk/rbd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <sys/stat.h>

/* The exit status of qemu-img check. */
enum {
    CHECK_FINE = 0,
    CHECK_LEAKS = 3, /* clusters that nothing uses: a waste, no loss */
    CHECK_NONE = 63, /* the format has no check */
};

static int truncated(const char *name, uint64_t have, uint64_t want, struct cr_error *err)
{
    return cr_error_set(err, -EUCLEAN,
                        "the image '%s' is truncated: it is %" PRIu64
                        " bytes long, and its tables point to %" PRIu64 "; copy it again",
                        name, have, want);
}

static int vdi_check(const char *path, const char *name, uint64_t file_bytes, struct cr_error *err)
{
    /* u32 fields of the header: where the data begins, bytes of a block, blocks in the file. */
    enum { DATA_OFFSET = 0x158, BLOCK_BYTES = 0x178, BLOCKS = 0x184, HEAD = 0x200 };
    uint8_t head[HEAD];
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return cr_error_errno(err, -errno, "cannot open the image '%s'", name);
    int r = cr_pread_full(fd, head, sizeof(head), 0);
    if (r < 0)
        return cr_error_errno(err, r, "cannot read the image '%s'", name);
    uint64_t end = cr_get_le32(head + DATA_OFFSET) +
                   (uint64_t)cr_get_le32(head + BLOCK_BYTES) * cr_get_le32(head + BLOCKS);
    return file_bytes < end ? truncated(name, file_bytes, end, err) : 0;
}

/* A flat VMDK names plain files with the data; a short one would read as zeros. */
static int vmdk_check_flat(const json_t *info, const char *name, struct cr_error *err)
{
    const json_t *data = json_object_get(json_object_get(info, "format-specific"), "data");
    const json_t *extents = json_object_get(data, "extents"), *extent;
    size_t i;
    json_array_foreach(extents, i, extent)
    {
        const char *format = cr_json_text(extent, "format");
        const char *file = cr_json_text(extent, "filename");
        struct stat st;
        if (format == NULL || strcmp(format, "FLAT") != 0 || file == NULL)
            continue;
        if (stat(file, &st) < 0)
            return cr_error_errno(err, -errno, "cannot read '%s', a part of the image '%s'", file,
                                  name);
        uint64_t want = cr_json_u64(extent, "virtual-size");
        if (S_ISREG(st.st_mode) && (uint64_t)st.st_size < want)
            return truncated(file, (uint64_t)st.st_size, want, err);
    }
    return 0;
}

/*
 * A qcow2 file may rightly end inside its last cluster, so qemu-img check allows that. What the
 * guest's data needs is told by the map.
 */
static int qcow2_check_end(const char *spec, const char *name, uint64_t file_bytes,
                           struct cr_error *err)
{
    const char *const argv[] = {"qemu-img", "map", "--output=json", spec, NULL};
    CLEANUP_QEMU_IMG struct cr_qemu_img run = {0};
    int r = cr_qemu_img_run(&run, argv, NULL);
    if (r == -EMSGSIZE) /* a huge map: leave it at the check */
        return 0;
    CLEANUP_JSON json_t *map = r < 0 || run.status != 0 ? NULL : cr_qemu_img_json(&run);
    if (map == NULL)
        return cr_error_set(err, -EUCLEAN, "the image '%s' is damaged: %s; copy it again", name,
                            cr_qemu_img_complaint(&run));
    const json_t *entry;
    size_t i;
    json_array_foreach(map, i, entry)
    {
        bool here = json_integer_value(json_object_get(entry, "depth")) == 0;
        bool data = json_is_true(json_object_get(entry, "data"));
        const json_t *offset = json_object_get(entry, "offset");
        if (!here || !data || !json_is_integer(offset))
            continue;
        uint64_t end = cr_json_u64(entry, "offset") + cr_json_u64(entry, "length");
        if (end > file_bytes)
            return truncated(name, file_bytes, end, err);
    }
    return 0;
}

int cr_image_check_whole(const json_t *info, const char *path, const char *spec, const char *name,
                         struct cr_error *err)
{
    const char *format = cr_json_text(info, "format");
    struct stat st = {0};
    if (!cr_rbd_is(path) && stat(path, &st) < 0)
        return cr_error_errno(err, -errno, "cannot open the image '%s'", name);
    if (format == NULL || strcmp(format, "raw") == 0)
        return 0;
    uint64_t file_bytes = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : UINT64_MAX;
    if (strcmp(format, "vdi") == 0)
        return vdi_check(path, name, file_bytes, err);

    const char *const argv[] = {"qemu-img", "check", "--output=json", spec, NULL};
    CLEANUP_QEMU_IMG struct cr_qemu_img run = {0};
    int r = cr_qemu_img_run(&run, argv, err);
    if (r < 0)
        return r;
    if (run.status != CHECK_FINE && run.status != CHECK_LEAKS && run.status != CHECK_NONE)
        return cr_error_set(err, -EUCLEAN,
                            "the image '%s' is damaged or truncated (qemu-img check: %s); copy it "
                            "again, or repair the original with 'qemu-img check -r all'",
                            name, cr_qemu_img_complaint(&run));
    if (strcmp(format, "vmdk") == 0)
        return vmdk_check_flat(info, name, err);
    if (strcmp(format, "qcow2") == 0) {
        CLEANUP_JSON json_t *result = cr_qemu_img_json(&run);
        if (file_bytes < cr_json_u64(result, "image-end-offset"))
            return qcow2_check_end(spec, name, file_bytes, err);
    }
    return 0;
}
