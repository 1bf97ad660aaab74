/* SPDX-License-Identifier: MIT */
#include "lib/sync/capture.h"

#include "lib/base/mem.h"
#include "lib/blk/backing.h"
#include "lib/ingest/ingest.h"
#include "lib/net/https.h"
#include "lib/sync/note.h"

#include <errno.h>
#include <limits.h>

/* What one capture has open. */
struct run {
    const struct cr_capture *capture;
    struct cr_source *source;
    struct cr_store *reader, *up;
    struct cr_version *base;
    struct cr_sync_note note;
    char note_path[PATH_MAX];
};

static void run_done(struct run *run)
{
    cr_version_close(run->base);
    cr_store_close(run->up);
    cr_store_close(run->reader);
    cr_source_close(run->source);
}

static int base_find(const struct run *run, struct cr_ref *ret_base, struct cr_error *err)
{
    const struct cr_capture *capture = run->capture;
    const char *backing = cr_source_backing(run->source);
    char text[CR_REF_TEXT];
    if (backing == NULL)
        return cr_error_set(err, -EINVAL,
                            "'%s' is not an overlay: it has no backing file; `carrel image import` "
                            "makes a version of a whole disk",
                            capture->overlay);
    bool told = cr_backing_ref(backing, ret_base), said = capture->base.name[0] != '\0';
    if (!told && !said)
        return cr_error_set(err, -EINVAL,
                            "the backing file '%.200s' of overlay '%s' does not say which version "
                            "it is; add --base NAME@N",
                            backing, capture->overlay);
    if (told && said &&
        (ret_base->number != capture->base.number ||
         strcmp(ret_base->name, capture->base.name) != 0))
        return cr_error_set(err, -EINVAL,
                            "overlay '%s' was made from '%s', not from what --base says; leave "
                            "--base out",
                            capture->overlay, cr_ref_format(ret_base, text));
    if (!told)
        *ret_base = capture->base;
    return 0;
}

static int run_open(struct run *run, struct cr_error *err)
{
    const struct cr_capture *capture = run->capture;
    struct cr_source_options options = {
        .format = "qcow2", .top_layer_only = true, .connections = capture->threads};
    struct cr_ref base;
    int n = snprintf(run->note_path, sizeof(run->note_path), "%s.capture", capture->overlay);
    if (n < 0 || (size_t)n >= sizeof(run->note_path))
        return cr_error_errno(err, -ENAMETOOLONG, "capturing '%.200s'", capture->overlay);
    int r = cr_source_open(capture->overlay, &options, &run->source, err);
    if (r == 0)
        r = base_find(run, &base, err);
    if (r == 0)
        r = cr_https_open(capture->server, &run->reader, err);
    if (r == 0)
        r = cr_upstore_open(capture->sync_server, CR_UPSTORE_CAPTURES, run->reader, &run->up, err);
    if (r == 0)
        r = cr_version_open(run->reader, &base, &run->base, err);
    return r;
}

/*
 * Take charge of the image, once for this overlay: a capture that was stopped goes on under the
 * claim that it had. What we follow is the version below the overlay, whatever was published since.
 */
static int claim(struct run *run, struct cr_error *err)
{
    const char *name = run->capture->name;
    const struct cr_ref *base = cr_version_ref(run->base);
    struct cr_claim_answer answer;
    int r = cr_sync_note_read(run->note_path, &run->note, NULL);
    if (r == 0 && strcmp(run->note.name, name) == 0)
        return 0;
    if (r < 0 && r != -ENOENT && r != -EBADMSG)
        return cr_error_errno(err, r, "reading '%s'", run->note_path);
    r = cr_upstore_claim(run->up, name, &answer, err);
    if (r < 0)
        return r;
    run->note = (struct cr_sync_note){
        .epoch = answer.epoch,
        .newest = strcmp(base->name, name) == 0 ? base->number : answer.newest,
    };
    snprintf(run->note.name, sizeof(run->note.name), "%s", name);
    return cr_sync_note_write(run->note_path, &run->note, err);
}

/* What the last sync sent is there; that it was removed since is no failure. */
static int last_know(struct run *run, struct cr_error *err)
{
    CLEANUP(cr_version_cleanup) struct cr_version *last = NULL;
    if (run->note.last.name[0] == '\0' ||
        cr_version_open(run->reader, &run->note.last, &last, NULL) < 0)
        return 0;
    return cr_upstore_know(run->up, last, err);
}

/* Send what differs; *ret_root is what all of it makes. */
static int content_send(struct run *run, struct cr_id *ret_root, uint64_t *ret_bytes,
                        struct cr_error *err)
{
    CLEANUP(cr_ingest_done)
    struct cr_ingest ingest = {
        .source = run->source, .store = run->reader, .base = run->base, .stop = run->capture->stop};
    struct cr_version_info info;
    int r = cr_publish_begin(run->up, run->capture->name, cr_source_size_bytes(run->source),
                             run->base, &ingest.publish, err);
    if (r < 0)
        return r;
    r = cr_ingest_scan(&ingest, err);
    *ret_bytes = cr_extents_bytes(&ingest.data);
    if (r == 0)
        r = cr_ingest_run(&ingest, run->capture->threads, err);
    if (r < 0) {
        cr_publish_abort(ingest.publish);
        return r;
    }
    r = cr_publish_content(ingest.publish, NULL, &info, err);
    if (r == 0)
        *ret_root = info.root;
    return r;
}

static int send_and_commit(struct run *run, struct cr_capture_result *result, struct cr_error *err)
{
    struct cr_commit_request request = {.epoch = run->note.epoch,
                                        .expected = run->note.newest,
                                        .parent = *cr_version_ref(run->base)};
    snprintf(request.name, sizeof(request.name), "%s", run->capture->name);
    snprintf(request.message, sizeof(request.message), "%s",
             run->capture->message != NULL ? run->capture->message : "");
    int r = content_send(run, &request.root, &result->overlay_bytes, err);
    return r < 0 ? r : cr_upstore_commit(run->up, &request, &result->version, err);
}

int cr_capture_run(const struct cr_capture *capture, struct cr_capture_result *ret_result,
                   struct cr_error *err)
{
    CLEANUP(run_done) struct run run = {.capture = capture};
    struct cr_capture_result result = {0};
    int r = run_open(&run, err);
    if (r == 0)
        r = claim(&run, err);
    if (r == 0)
        r = last_know(&run, err);
    if (r == 0)
        r = send_and_commit(&run, &result, err);
    if (r == -ESTALE) { /* a collector took something that was there when we asked */
        cr_upstore_forget(run.up);
        r = send_and_commit(&run, &result, err);
    }
    if (r < 0)
        return r;
    snprintf(run.note.last.name, sizeof(run.note.last.name), "%s", result.version.name);
    run.note.last.number = result.version.number;
    if (!result.version.branch)
        run.note.newest = result.version.number;
    r = cr_sync_note_write(run.note_path, &run.note, err);
    if (r < 0)
        return r;
    result.base = *cr_version_ref(run.base);
    cr_upstore_stat(run.up, &result.sent);
    *ret_result = result;
    return 0;
}
