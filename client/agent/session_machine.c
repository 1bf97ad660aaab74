/* SPDX-License-Identifier: MIT */
#include "client/agent/disk.h"
#include "client/agent/report.h"
#include "client/agent/session_state.h"
#include "lib/base/mem.h"
#include "lib/desktop/domain_xml.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define IO_FIRST_RETRY_MS 300  /* before a machine that failed to read or write tries again */
#define IO_RETRY_MS       2000 /* the same, when it was reported as paused */
#define IO_CALM_MS        1000 /* after which a machine that went on counts as running again */
#define IO_FAILURES_QUIET 2U   /* QEMU's NBD client needs two tries to connect again */
#define REBOOT_QUIET_MS   3000 /* firmware resets again on its way: still the same reboot */

/* --- its disk --------------------------------------------------------------------------------- */

/*
 * Where the complete version's file is, into session->plain; 0 or -errno, "" when it is not
 * complete. The name comes from the process that talks to the network: it must be a file of the
 * version's size inside the cache folder, on no way over links.
 */
static int plain_find(struct session *session)
{
    static const struct open_how how = {.flags = O_PATH | O_CLOEXEC,
                                        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    const char *name = session->blockd.complete;
    struct stat st;
    session->plain[0] = '\0';
    if (name[0] == '\0')
        return -ENOENT;
    CLEANUP_CLOSE int cache = open(session->options->cache, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (cache < 0)
        return -errno;
    CLEANUP_CLOSE int fd = (int)syscall(SYS_openat2, cache, name, &how, sizeof(how));
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != session->blockd.size_bytes)
        return -EINVAL;
    int n =
        snprintf(session->plain, sizeof(session->plain), "%s/%s", session->options->cache, name);
    if (n > 0 && (size_t)n < sizeof(session->plain))
        return 0;
    session->plain[0] = '\0';
    return -ENAMETOOLONG;
}

void machine_open_plain(struct session *session)
{
    struct cr_error err = {""};
    if (session->plain[0] != '\0' || session->plain_failed || session->blockd.complete[0] == '\0')
        return;
    int r = plain_find(session);
    if (r < 0)
        cr_error_errno(&err, r, "opening the complete version '%s'", session->blockd.complete);
    else
        r = disk_open_plain(session->vm, session->overlay.path, session->plain, &err);
    if (r == 0)
        return;
    session->plain_failed = true;
    session->plain[0] = '\0';
    report_warning("%s; the desktop goes on with the image service until its next start", err.text);
}

/* --- the machine ------------------------------------------------------------------------------ */

int machine_start(struct session *session, struct cr_error *err)
{
    char base[PATH_MAX];
    char name[32];
    char nvram[PATH_MAX + 16];
    CLEANUP_BUF struct cr_buf xml = CR_BUF_INIT(CR_DOMAIN_XML_BYTES_MAX);

    session->plain_failed = false;
    int r =
        overlay_base_format(session->blockd.version, session->run.nbd_socket, base, sizeof(base));
    if (r < 0)
        return cr_error_errno(err, r, "naming the base of the overlay");
    struct cr_overlay_note on = {.disk_bytes = session->blockd.size_bytes};
    memcpy(on.version, session->blockd.version, sizeof(session->blockd.version));
    memcpy(on.root, session->blockd.root, sizeof(on.root));
    r = overlay_begin(&session->overlay, &on, base, err);
    if (r < 0)
        return r;
    snprintf(nvram, sizeof(nvram), "%s/uefi-vars.fd", session->overlay.folder);
    snprintf(name, sizeof(name), "desktop-%d", vm_machine(session->vm) + 1);
    const struct cr_domain domain = {
        .desktop = &session->desktop,
        .link_down = !policy_network(session),
        .name = name,
        .kvm = session->kvm,
        .overlay = session->overlay.path,
        .overlay_lasts = cr_overlay_outlives(session->desktop.overlay),
        .data_disk = session->data_disk[0] != '\0' ? session->data_disk : NULL,
        .plain = plain_find(session) == 0 ? session->plain : NULL,
        .nbd_socket = session->run.nbd_socket,
        .nbd_export = session->blockd.version,
        .nvram = nvram,
        .vnc_socket = session->run.vnc_socket,
    };
    r = cr_domain_xml_format(&domain, &xml);
    if (r == 0)
        r = cr_buf_append(&xml, "", 1);
    if (r < 0)
        return cr_error_errno(err, r, "describing the machine");
    r = vm_start(session->vm, (const char *)xml.data, err);
    if (r == 0)
        report_state(STATE_RUNNING, NULL);
    return r;
}

/* What a reboot means: with most modes that the day's changes are gone. */
static int machine_reboot(struct session *session, struct cr_error *err)
{
    bool clean = session->options->keep == NULL &&
                 (session->desktop.overlay == CR_OVERLAY_BOOT || overlay_is_due(&session->overlay));
    if (clean)
        return machine_reset(session, "clean overlay", err);
    int64_t last_ms = session->rebooted_ms;
    session->rebooted_ms = clock_now_ms();
    if (last_ms > 0 && session->rebooted_ms - last_ms < REBOOT_QUIET_MS)
        return 0;
    report_state(STATE_REBOOTING, "same overlay");
    report_state(STATE_RUNNING, NULL);
    return 0;
}

int machine_end(struct session *session, struct cr_error *err)
{
    struct overlay *overlay = &session->overlay;
    struct cr_error lost = {""};
    int r = vm_destroy(session->vm, err);
    if (r < 0 || session->layers.count == 0)
        return r;
    bool merge = overlay->options.keep_days > 0;
    if (layers_end(&session->layers, overlay, merge, &lost) < 0) {
        /* Half of somebody's work looks like all of it: better none. */
        report_warning("%s; the overlay cannot be fetched later", lost.text);
        overlay->options.keep_days = 0;
        r = overlay_drop(overlay, err);
        overlay->options.keep_days = session->desktop.overlay_keep_days;
    }
    return r;
}

int machine_reset(struct session *session, const char *why, struct cr_error *err)
{
    report_state(STATE_REBOOTING, why);
    timer_clear(session, TIMER_IO_RETRY);
    timer_clear(session, TIMER_IO_CALM);
    session->io_failures = 0;
    session->paused = session->stalled = session->full = false;
    session->space_level = 0;
    session->scarce_ms = 0;
    int r = machine_end(session, err);
    if (r == 0)
        r = overlay_drop(&session->overlay, err);
    return r < 0 ? r : machine_start(session, err);
}

/*
 * A read or write failed and QEMU stopped the machine in the middle of it; once resumed it tries
 * the same again. What a dying blockd causes mends itself and is not worth a word.
 */
static void io_failed(struct session *session, const char *reason)
{
    if (session->stalled)
        return; /* another request of the same moment */
    session->stalled = true;
    session->io_failures++;
    session->full = strcmp(reason, "enospc") == 0;
    bool base_there = session->blockd.ready || session->plain[0] != '\0';
    bool report = session->full ? !space_ran_out(session)
                                : session->io_failures > IO_FAILURES_QUIET && base_there;
    timer_clear(session, TIMER_IO_CALM);
    timer_set(session, TIMER_IO_RETRY, report ? IO_RETRY_MS : IO_FIRST_RETRY_MS);
    if (!report || session->paused)
        return;
    session->paused = true;
    report_state(STATE_PAUSED, session->full
                                   ? "no space left for the overlay; free some in the cache's file "
                                     "system, or go back to the start with 'carrel-agent restore'"
                                   : "a read or write of the disk failed");
}

/* Its time has come to try again. */
int machine_retry(struct session *session, struct cr_error *err)
{
    if (!session->blockd.ready && session->plain[0] == '\0')
        return 0; /* its successor will say when */
    if (session->full && !space_ran_out(session)) {
        timer_set(session, TIMER_IO_RETRY, IO_RETRY_MS);
        return 0;
    }
    session->stalled = session->full = false;
    timer_set(session, TIMER_IO_CALM, IO_CALM_MS);
    return vm_resume(session->vm, err);
}

int machine_heard(struct session *session, const struct vm_event *event, struct cr_error *err)
{
    if (event->machine != vm_machine(session->vm))
        return 0; /* the last word of one that is gone */
    switch (event->kind) {
    case VM_REBOOTED:
        return session->stopping ? 0 : machine_reboot(session, err);
    case VM_POWERED:
        session_end(session, "the guest switched itself off");
        return 0;
    case VM_DIED:
        return cr_error_set(err, -EIO,
                            "running '%s': QEMU ended unexpectedly; '%s/log/qemu/desktop-%d.log' "
                            "says more",
                            session->blockd.version, session->run.libvirt, event->machine);
    case VM_ENDED:
        return cr_error_set(err, -EIO, "running '%s': the machine was ended from outside",
                            session->blockd.version);
    case VM_IO_FAILED:
        io_failed(session, event->reason);
        return 0;
    }
    return 0;
}
