/* SPDX-License-Identifier: MIT */
/* carrel-sync: what overlays hold, to the server and back. The table below is its commands. */
#include "client/sync/options.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/sync/capture.h"
#include "lib/sync/private.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>

#define EXIT_USAGE       2
#define EXIT_INTERRUPTED 130

static volatile sig_atomic_t stop_requested;

/* The second signal ends the program at once, which costs nothing that was sent. */
static void stop_note(int number)
{
    (void)number;
    stop_requested = 1;
}

static int stop_check(struct cr_error *err)
{
    return stop_requested
               ? cr_error_set(err, -ECANCELED,
                              "stopped; what was sent is kept, the same command goes on from there")
               : 0;
}

/* --- commands ----------------------------------------------------------------------------------
 */

static int captured_print(const struct options *options, const struct cr_capture_result *result,
                          struct cr_error *err)
{
    const struct cr_commit_answer *version = &result->version;
    char base[CR_REF_TEXT], sent[CR_BYTES_TEXT];
    cr_ref_format(&result->base, base);
    if (!options->json) {
        printf("captured '%s@%" PRIu64 "' from '%s': %" PRIu64 " chunks were new, %s sent\n",
               version->name, version->number, base, result->sent.chunks_sent,
               cr_bytes_format(result->sent.bytes_sent, sent, sizeof(sent)));
        if (version->branch)
            fprintf(stderr,
                    "carrel-sync: note: '%s' has newer versions than the one below this overlay, "
                    "or somebody else is in charge of it: what was captured stands beside it, as "
                    "'%s'\n",
                    options->as, version->name);
        return 0;
    }
    json_t *json = json_pack("{s:s, s:I, s:b, s:s, s:I, s:I, s:I, s:I}", "image", version->name,
                             "version", (json_int_t)version->number, "branch", (int)version->branch,
                             "base", base, "overlay_bytes", (json_int_t)result->overlay_bytes,
                             "chunks_sent", (json_int_t)result->sent.chunks_sent, "chunks_there",
                             (json_int_t)result->sent.chunks_there, "bytes_sent",
                             (json_int_t)result->sent.bytes_sent);
    int r = json == NULL || json_dumpf(json, stdout, JSON_INDENT(1)) < 0 ? -EIO : 0;
    json_decref(json);
    printf("\n");
    return r < 0 ? cr_error_errno(err, r, "cannot print the result") : 0;
}

/* What all commands need: the image or overlay, and the URIs of both servers. */
struct common {
    struct cr_ref as;
    struct cr_buf server, sync_server;
};

static void common_done(struct common *common)
{
    cr_buf_done(&common->server);
    cr_buf_done(&common->sync_server);
}

static int common_take(const struct options *options, struct common *common, struct cr_error *err)
{
    cr_buf_init(&common->server, CR_URI_BYTES_MAX);
    cr_buf_init(&common->sync_server, CR_URI_BYTES_MAX);
    if (options->as == NULL)
        return cr_error_set(err, -EINVAL, "say which image or overlay with --as NAME");
    int r = cr_ref_parse(options->as, &common->as, err);
    if (r == 0 && (common->as.number != 0 || common->as.channel[0] != '\0'))
        return cr_error_set(err, -EINVAL,
                            "option '--as': '%s' names a version; versions are numbered by the "
                            "server: write '%s'",
                            options->as, common->as.name);
    if (r == 0)
        r = options_uri(options, options->server, &common->server, err);
    if (r == 0)
        r = options_uri(options, options->sync_server, &common->sync_server, err);
    return r;
}

static int command_capture(const struct options *options, struct cr_error *err)
{
    CLEANUP(common_done) struct common common = {0};
    struct cr_capture_result result;
    int r = common_take(options, &common, err);
    if (r < 0)
        return r;
    struct cr_capture capture = {
        .overlay = options->file,
        .server = (const char *)common.server.data,
        .sync_server = (const char *)common.sync_server.data,
        .name = common.as.name,
        .base = options->base,
        .message = options->message,
        .threads = (unsigned)options->threads,
        .stop = stop_check,
    };
    r = cr_capture_run(&capture, &result, err);
    return r < 0 ? r : captured_print(options, &result, err);
}

static int private_print(const struct options *options, bool push,
                         const struct cr_private_result *result, struct cr_error *err)
{
    char base[CR_REF_TEXT], sent[CR_BYTES_TEXT];
    cr_ref_format(&result->base, base);
    if (!options->json) {
        if (push)
            printf("sent '%s' as version %" PRIu64 ": %" PRIu64 " chunks on '%s', %" PRIu64
                   " were new, %s sent\n",
                   options->as, result->number, result->chunks, base, result->sent.chunks_sent,
                   cr_bytes_format(result->sent.bytes_sent, sent, sizeof(sent)));
        else
            printf("fetched '%s' version %" PRIu64 ": %" PRIu64 " chunks on '%s', into '%s'\n",
                   options->as, result->number, result->chunks, base, options->file);
        if (push && result->branch)
            fprintf(stderr,
                    "carrel-sync: note: somebody else is in charge of '%s': what was sent stands "
                    "beside it, 'carrel-sync pull --branch' fetches it\n",
                    options->as);
        return 0;
    }
    json_t *json =
        json_pack("{s:s, s:I, s:b, s:s, s:I, s:I, s:I, s:I}", "overlay", options->as, "version",
                  (json_int_t)result->number, "branch", (int)result->branch, "base", base, "chunks",
                  (json_int_t)result->chunks, "chunks_sent", (json_int_t)result->sent.chunks_sent,
                  "chunks_there", (json_int_t)result->sent.chunks_there, "bytes_sent",
                  (json_int_t)result->sent.bytes_sent);
    int r = json == NULL || json_dumpf(json, stdout, JSON_INDENT(1)) < 0 ? -EIO : 0;
    json_decref(json);
    printf("\n");
    return r < 0 ? cr_error_errno(err, r, "cannot print the result") : 0;
}

static int private_run(const struct options *options, bool push, struct cr_error *err)
{
    CLEANUP(common_done) struct common common = {0};
    struct cr_private_result result;
    int r = common_take(options, &common, err);
    if (r < 0)
        return r;
    struct cr_private what = {
        .overlay = options->file,
        .server = (const char *)common.server.data,
        .sync_server = (const char *)common.sync_server.data,
        .name = common.as.name,
        .base = options->base,
        .backing = options->backing,
        .branch = options->branch,
        .threads = (unsigned)options->threads,
        .stop = stop_check,
    };
    r = push ? cr_private_push(&what, &result, err) : cr_private_pull(&what, &result, err);
    return r < 0 ? r : private_print(options, push, &result, err);
}

static int command_push(const struct options *options, struct cr_error *err)
{
    return private_run(options, true, err);
}

static int command_pull(const struct options *options, struct cr_error *err)
{
    return private_run(options, false, err);
}

const struct command commands[] = {
    {"capture", "OVERLAY", "make a version of an image of what an overlay holds", command_capture},
    {"push", "OVERLAY", "send what an overlay holds to its owner's private store", command_push},
    {"pull", "OVERLAY", "make an overlay of what was sent, here or elsewhere", command_pull},
    {0},
};

int main(int argc, char **argv)
{
    struct options options;
    struct cr_error err = {0};
    struct sigaction stop = {.sa_handler = stop_note, .sa_flags = (int)SA_RESETHAND};
    if (options_parse(argc, argv, &options, &err) < 0) {
        fprintf(stderr, "carrel-sync: %s\n", err.text);
        return EXIT_USAGE;
    }
    if (options.help) {
        options_help();
        return 0;
    }
    if (options.version) {
        printf("carrel-sync %s\n", CARREL_VERSION);
        return 0;
    }
    signal(SIGPIPE, SIG_IGN);
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    int r = options.command->run(&options, &err);
    if (r < 0)
        fprintf(stderr, "carrel-sync: %s\n", err.text);
    return r == 0 ? 0 : r == -ECANCELED ? EXIT_INTERRUPTED : 1;
}
