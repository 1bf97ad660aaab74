/* SPDX-License-Identifier: MIT */
#include "lib/seatcache/mapfile.h"

#include "lib/base/fd.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

const char *cr_mapfile_name(const struct cr_id *root, char out[static CR_MAPFILE_NAME])
{
    char hex[CR_ID_HEX];
    snprintf(out, CR_MAPFILE_NAME, "%s.map", cr_id_format(root, hex));
    return out;
}

/* Both slots, as far as the file has them; what is behind them is not read. */
static int slots_read(int fd, size_t slot_bytes, uint8_t **ret_data, size_t *ret_len)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    size_t len = 2 * slot_bytes;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    if ((uint64_t)st.st_size < len)
        len = (size_t)st.st_size;
    CLEANUP_FREE uint8_t *data = malloc(len + 1);
    if (data == NULL)
        return -ENOMEM;
    int r = cr_pread_full(fd, data, len, 0);
    if (r < 0)
        return r;
    *ret_data = TAKE_PTR(data);
    *ret_len = len;
    return 0;
}

static int map_read(int fd, const struct cr_id *root, uint64_t disk_bytes, struct cr_map *ret_map,
                    uint8_t *bits, unsigned *ret_slot)
{
    CLEANUP_FREE uint8_t *data = NULL;
    size_t len = 0;
    const uint8_t *found = NULL;
    int r = slots_read(fd, cr_map_slot_bytes(disk_bytes), &data, &len);
    if (r == 0)
        r = cr_map_pick(data, len, root, disk_bytes, ret_map, &found, ret_slot);
    if (r == 0 && bits != NULL)
        memcpy(bits, found, cr_map_bits_bytes(disk_bytes));
    return r;
}

int cr_mapfile_look(int dir_fd, const char *name, const struct cr_id *root, uint64_t disk_bytes,
                    struct cr_map *ret_map, uint8_t *bits)
{
    unsigned slot = 0;
    CLEANUP_CLOSE int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || map_read(fd, root, disk_bytes, ret_map, bits, &slot) < 0)
        return -ENOENT;
    return 0;
}

int cr_mapfile_open(struct cr_mapfile *file, int dir_fd, const char *name, const struct cr_id *root,
                    uint64_t disk_bytes, struct cr_map *ret_map, uint8_t *bits,
                    struct cr_error *err)
{
    unsigned slot = 1;
    *file = (struct cr_mapfile){.fd = -1, .slot_bytes = cr_map_slot_bytes(disk_bytes)};
    *ret_map =
        (struct cr_map){.root = *root, .disk_bytes = disk_bytes, .data_chunks = CR_MAP_UNKNOWN};
    memset(bits, 0, cr_map_bits_bytes(disk_bytes));
    file->slot = malloc(file->slot_bytes);
    if (file->slot == NULL)
        return cr_error_errno(err, -ENOMEM, "cannot open the map '%s'", name);
    file->fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file->fd < 0)
        return cr_error_errno(err, -errno, "cannot open the map '%s'", name);
    (void)map_read(file->fd, root, disk_bytes, ret_map, bits, &slot);
    file->generation = ret_map->generation;
    file->next_slot = 1 - slot;
    if (file->generation == 0)
        (void)cr_dir_fsync(dir_fd, "."); /* its name, and that of the disk, before what it says */
    return 0;
}

void cr_mapfile_done(struct cr_mapfile *file)
{
    cr_cleanup_close(&file->fd);
    file->fd = -1;
    free(TAKE_PTR(file->slot));
}

int cr_mapfile_write(struct cr_mapfile *file, const struct cr_map *map, const uint8_t *bits)
{
    struct cr_map next = *map;
    next.generation = file->generation + 1;
    cr_map_format(&next, bits, file->slot);
    int r = cr_pwrite_full(file->fd, file->slot, file->slot_bytes,
                           file->next_slot * (uint64_t)file->slot_bytes);
    if (r == 0 && fdatasync(file->fd) < 0)
        r = -errno;
    if (r < 0)
        return r;
    file->generation = next.generation;
    file->next_slot = 1 - file->next_slot;
    return 0;
}

int cr_mapfile_forget(int dir_fd, const char *name)
{
    if (unlinkat(dir_fd, name, 0) < 0)
        return errno == ENOENT ? 0 : -errno;
    return cr_dir_fsync(dir_fd, ".");
}
