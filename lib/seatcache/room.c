/* SPDX-License-Identifier: MIT */
#include "lib/seatcache/room.h"

#include "lib/base/mem.h"
#include "lib/seatcache/cached.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <time.h>

/* Given out at a time, so that the disk is not asked for each chunk; as inexact are the limits. */
#define STEP_BYTES (16 * CR_MIB)

/* When there is no room the disk is looked at no more often. */
#define LOOK_MS 1000

int cr_room_init(struct cr_room *room, int disks_fd, const struct cr_id *own, uint64_t limit_bytes,
                 uint64_t reserve_bytes)
{
    *room = (struct cr_room){.limit_bytes = limit_bytes, .reserve_bytes = reserve_bytes};
    room->own = *own;
    pthread_mutex_init(&room->mutex, NULL);
    room->disks_fd = fcntl(disks_fd, F_DUPFD_CLOEXEC, 0);
    return room->disks_fd < 0 ? -errno : 0;
}

void cr_room_done(struct cr_room *room)
{
    if (room->disks_fd <= 0) /* never begun */
        return;
    close(room->disks_fd);
    room->disks_fd = -1;
    pthread_mutex_destroy(&room->mutex);
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static uint64_t above(uint64_t have, uint64_t need)
{
    return have > need ? have - need : 0;
}

/* Bytes that may be written as things are, and how many are too many already. */
static uint64_t bytes_left(const struct cr_room *room, uint64_t *ret_over)
{
    CLEANUP_FREE struct cr_cached *list = NULL;
    size_t count = 0;
    struct statvfs fs;
    uint64_t left = UINT64_MAX, used = 0;
    *ret_over = 0;
    if (room->limit_bytes > 0 && cr_cached_list(room->disks_fd, &list, &count, NULL) == 0) {
        for (size_t i = 0; i < count; i++)
            used += list[i].file_bytes;
        left = above(room->limit_bytes, used);
        *ret_over = above(used, room->limit_bytes);
    }
    if (room->reserve_bytes > 0 && fstatvfs(room->disks_fd, &fs) == 0) {
        uint64_t available = (uint64_t)fs.f_bavail * fs.f_frsize;
        uint64_t room_there = above(available, room->reserve_bytes);
        uint64_t lacking = above(room->reserve_bytes, available);
        left = room_there < left ? room_there : left;
        *ret_over = lacking > *ret_over ? lacking : *ret_over;
    }
    return left;
}

/* Look at the disk, and drop what may be dropped when there is less than a step left. */
static void grant(struct cr_room *room, const struct cr_id *source, bool own_is_complete)
{
    uint64_t over = 0, left = bytes_left(room, &over);
    uint64_t step = own_is_complete ? 0 : STEP_BYTES; /* nothing more comes */
    const struct cr_cached_want want = {
        .own = &room->own,
        .source = source,
        .own_is_complete = own_is_complete,
        .bytes = over + above(step, left),
    };
    if (want.bytes > 0 && cr_cached_drop(room->disks_fd, &want) > 0)
        left = bytes_left(room, &over);
    room->granted = left < STEP_BYTES ? left : STEP_BYTES;
    room->looked_ms = now_ms();
}

static bool is_limited(const struct cr_room *room)
{
    return room->limit_bytes > 0 || room->reserve_bytes > 0;
}

void cr_room_look(struct cr_room *room, const struct cr_id *source, bool own_is_complete)
{
    if (!is_limited(room))
        return;
    pthread_mutex_lock(&room->mutex);
    grant(room, source, own_is_complete);
    pthread_mutex_unlock(&room->mutex);
}

bool cr_room_take(struct cr_room *room, uint64_t bytes, const struct cr_id *source)
{
    if (!is_limited(room))
        return true;
    pthread_mutex_lock(&room->mutex);
    if (room->granted < bytes && (room->granted > 0 || now_ms() - room->looked_ms >= LOOK_MS))
        grant(room, source, false);
    bool granted = room->granted >= bytes;
    room->granted -= granted ? bytes : room->granted;
    pthread_mutex_unlock(&room->mutex);
    return granted;
}
