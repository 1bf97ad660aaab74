/* SPDX-License-Identifier: MIT */
/*
 * Room for what the guest writes. It is watched, and told when it gets short; when it gets very
 * short, or QEMU has stopped the machine for the lack of it, room is made:
 *
 *      1. old versions leave the cache: they can be fetched again
 *      2. the overlay goes on in another place (--overlay-spill): nothing is lost
 *      3. overlays on the shelf go, the oldest first: somebody might have wanted one
 *
 * and the machine goes on. When nothing helps it stands still, says so with the way out, and goes
 * on by itself as soon as there is room.
 */
#include "client/agent/report.h"
#include "client/agent/session_state.h"
#include "client/agent/shelf.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/seatcache/cached.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define WATCH_MS        1000
#define SHORT_PERCENT   80U            /* full: told */
#define SCARCE_PERCENT  95U            /* full: room is made */
#define SCARCE_PAUSE_MS 30000          /* before that is tried again while the machine runs */
#define GO_ON_BYTES     (2 * CR_MIB)   /* free, that are worth letting a machine go on for */
#define DROP_BYTES      (512 * CR_MIB) /* asked of the cache at a time */

/* What the file system of `path` has left for us, 0 when it cannot be asked. */
static uint64_t free_bytes(const char *path)
{
    struct statvfs fs;
    return statvfs(path, &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : 0;
}

static uint64_t taken_bytes(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

void space_look(const struct session *session, struct space *ret_space)
{
    char path[PATH_MAX];
    const char *top = layers_top(&session->layers, &session->overlay, path);
    uint64_t max = session->layers.count == 0 ? session->desktop.overlay_max_bytes : 0;
    struct space space = {.taken = taken_bytes(top), .left = free_bytes(top)};
    /* A guest that wrote all of its disk wants no more. */
    uint64_t whole = session->blockd.size_bytes;
    uint64_t wanted = whole > space.taken ? whole - space.taken : 0;
    uint64_t allowed = max > space.taken ? max - space.taken : 0;
    space.limited = max > 0 && allowed < space.left;
    if (space.limited)
        space.left = allowed;
    uint64_t total = space.taken + space.left;
    space.percent = total > 0 ? (unsigned)((double)space.taken * 100 / (double)total) : 100;
    if (space.left >= wanted)
        space.percent = 0;
    *ret_space = space;
}

/* Is there room where the writes go? */
static bool space_lets_go_on(const struct session *session)
{
    char path[PATH_MAX];
    return free_bytes(layers_top(&session->layers, &session->overlay, path)) >= GO_ON_BYTES;
}

/* --- making room ------------------------------------------------------------------------------ */

static bool versions_drop(const struct session *session)
{
    static const struct cr_cached_want want = {.bytes = DROP_BYTES};
    char path[PATH_MAX];
    if (shelf_path(path, session->options->cache, "disks", "", NULL) < 0)
        return false;
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && cr_cached_drop(fd, &want) > 0;
}

/*
 * Go on elsewhere: where the spill folder is, or back in the cache when that has room again. An
 * overlay that outlives its session stays where it is, for its next session must find all of it.
 */
static bool place_change(struct session *session)
{
    const char *spill = session->options->overlay_spill;
    char top[PATH_MAX];
    struct cr_error err = {""};
    struct stat here, there;
    if (spill == NULL || session->options->keep != NULL ||
        cr_overlay_outlives(session->desktop.overlay) ||
        stat(layers_top(&session->layers, &session->overlay, top), &here) < 0)
        return false;
    const char *const places[] = {spill, session->overlay.folder};
    for (size_t i = 0; i < CR_ARRAY_LEN(places); i++) {
        if (stat(places[i], &there) < 0 || here.st_dev == there.st_dev ||
            free_bytes(places[i]) < GO_ON_BYTES)
            continue;
        if (layers_add(&session->layers, &session->overlay, session->vm, places[i], &err) == 0)
            return true;
        report_warning("%s", err.text);
    }
    return false;
}

/* Steps 1 to 3 of above, as far as needed. */
static bool room_make(struct session *session)
{
    bool removed = true;
    if (versions_drop(session) && space_lets_go_on(session))
        return true;
    if (place_change(session))
        return true;
    while (removed && !space_lets_go_on(session)) {
        struct cr_error err = {""};
        if (shelf_drop_oldest(session->options->cache, &removed, &err) < 0) {
            report_warning("%s", err.text);
            return false;
        }
        if (removed && !space_lets_go_on(session) && place_change(session))
            return true;
    }
    return space_lets_go_on(session);
}

/* --- watching --------------------------------------------------------------------------------- */

static void short_tell(const struct space *space)
{
    char left[CR_BYTES_TEXT], detail[128];
    cr_bytes_format(space->left, left, sizeof(left));
    snprintf(detail, sizeof(detail), "the overlay is %u %% full, %s left; save your work elsewhere",
             space->percent, left);
    report_state(STATE_RUNNING, detail);
}

static unsigned level_of(const struct space *space)
{
    return space->percent >= SCARCE_PERCENT ? 2 : space->percent >= SHORT_PERCENT ? 1 : 0;
}

void space_watch(struct session *session)
{
    struct space space;
    int64_t now = clock_now_ms();
    timer_set(session, TIMER_SPACE, WATCH_MS);
    if (session->overlay.lock_fd < 0 || session->stalled || session->paused || session->stopping)
        return;
    space_look(session, &space);
    if (level_of(&space) == 2 && now >= session->scarce_ms) {
        session->scarce_ms = now + SCARCE_PAUSE_MS;
        /* Its own limit is no reason to take something away from others. */
        if (space.limited)
            place_change(session);
        else
            room_make(session);
        space_look(session, &space);
    }
    unsigned level = level_of(&space);
    if (level > session->space_level)
        short_tell(&space);
    else if (level == 0 && session->space_level > 0)
        report_state(STATE_RUNNING, NULL);
    session->space_level = level;
}

bool space_ran_out(struct session *session)
{
    return space_lets_go_on(session) || room_make(session);
}
