/* SPDX-License-Identifier: MIT */
#include "image-tools/build.h"

#include "image-tools/build_record.h"
#include "image-tools/build_steps.h"
#include "image-tools/text.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/store/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <time.h>

#define LINES_SHOWN     10            /* of the log of a step that failed */
#define LOG_TOTAL_BYTES (8 * CR_MIB)  /* of all steps, in the record */
#define LOG_LEAST_BYTES (16 * CR_KIB) /* of one step, however many there are */

void build_done(struct build *build)
{
    cr_buf_done(&build->text);
    cr_recipe_done(&build->recipe);
    build_files_close(&build->files);
    cr_version_cleanup(&build->base);
    cr_version_cleanup(&build->current);
    free(TAKE_PTR(build->keys));
    cr_buf_done(&build->log);
}

static void remark(const struct build *build, unsigned index, const char *what)
{
    const struct cr_step *step = &build->recipe.steps[index];
    char line[256];
    if (!cli_has(build->cli, OPT_QUIET))
        fprintf(stderr, "step %u/%u  %-8s %s = %s\n", index + 1, build->recipe.count, what,
                cr_step_key_word(step->kind), text_clean(step->value, line, sizeof(line)));
}

/* --- keys and cache --------------------------------------------------------------------------- */

static int step_key(const struct build *build, unsigned index, struct cr_id *ret_key,
                    struct cr_error *err)
{
    const struct cr_step *step = &build->recipe.steps[index];
    struct cr_id content;
    bool any = false;
    int r = build_files_hash(&build->files, &build->recipe, step, &content, &any, err);
    if (r < 0)
        return r;
    const struct cr_id *before =
        index > 0 ? &build->keys[index - 1] : &cr_version_info(build->base)->root;
    cr_recipe_step_key(&build->recipe, step, before, any ? &content : NULL, ret_key);
    return 0;
}

static int keys_make(struct build *build, struct cr_error *err)
{
    build->keys = cr_calloc(build->recipe.count, sizeof(build->keys[0]));
    if (build->keys == NULL)
        return cr_error_errno(err, -ENOMEM, "cannot build");
    int r = 0;
    for (unsigned i = 0; i < build->recipe.count && r == 0; i++)
        r = step_key(build, i, &build->keys[i], err);
    return r;
}

/* --- logs ------------------------------------------------------------------------------------- */

/* Put a step's heading and the end of its log behind what is there. */
static int log_add(struct build *build, unsigned index, const struct cr_buf *said,
                   struct cr_error *err)
{
    const struct cr_step *step = &build->recipe.steps[index];
    size_t most = LOG_TOTAL_BYTES / build->recipe.count;
    most = most < LOG_LEAST_BYTES ? (size_t)LOG_LEAST_BYTES : most;
    size_t from = said->len > most ? said->len - most : 0;
    int r =
        cr_buf_printf(&build->log, "--- step %u/%u, line %u: %s = %s\n", index + 1,
                      build->recipe.count, step->line, cr_step_key_word(step->kind), step->value);
    if (r == 0 && from > 0)
        r = cr_buf_printf(&build->log, "(%zu bytes before this were not kept)\n", from);
    if (r == 0 && said->len > 0)
        r = cr_buf_append(&build->log, said->data + from, said->len - from);
    if (r == 0 && said->len > 0 && said->data[said->len - 1] != '\n')
        r = cr_buf_append(&build->log, "\n", 1);
    return r < 0 ? cr_error_errno(err, r, "cannot keep the log") : 0;
}

static int logs_of_cached(struct build *build, struct cr_error *err)
{
    int r = 0;
    for (unsigned i = 0; i < build->cached && r == 0; i++) {
        CLEANUP_BUF struct cr_buf said = CR_BUF_INIT(2 * CR_STEP_LOG_BYTES_MAX);
        remark(build, i, "cached");
        r = build_cache_log(build->store, &build->recipe, &build->keys[i], &said, err);
        if (r == 0)
            r = log_add(build, i, &said, err);
    }
    return r;
}

/* The last lines for the person, all of it for who wants to know; `ret_path` is "" on failure. */
static void log_show(const struct build *build, const struct cr_buf *said,
                     char ret_path[static PATH_MAX])
{
    const char *parent = getenv("TMPDIR");
    size_t from = said->len, lines = 0;
    while (from > 0 && (said->data[from - 1] != '\n' || from == said->len || ++lines < LINES_SHOWN))
        from--;
    for (size_t at = from; at < said->len && !cli_has(build->cli, OPT_QUIET);) {
        const uint8_t *newline = memchr(said->data + at, '\n', said->len - at);
        size_t len = newline != NULL ? (size_t)(newline - (said->data + at)) : said->len - at;
        char line[512], shown[512];
        snprintf(line, sizeof(line), "%.*s", (int)(len < 500 ? len : 500), said->data + at);
        fprintf(stderr, "  | %s\n", text_clean(line, shown, sizeof(shown)));
        at += len + 1;
    }
    int n = snprintf(ret_path, PATH_MAX, "%s/carrel-build-%s-XXXXXX.log",
                     parent != NULL ? parent : "/var/tmp", build->recipe.image);
    CLEANUP_CLOSE int fd = n < PATH_MAX ? mkstemps(ret_path, 4) : -1;
    if (fd < 0 || cr_write_full(fd, build->log.data, build->log.len) < 0)
        ret_path[0] = '\0';
}

static int step_failed(struct build *build, unsigned index, const struct cr_buf *said,
                       const char *why, int code, struct cr_error *err)
{
    const struct cr_step *step = &build->recipe.steps[index];
    char path[PATH_MAX], line[128];
    log_add(build, index, said, NULL);
    log_show(build, said, path);
    return cr_error_set(
        err, code, "building '%s': step %u (line %u, '%s = %s') failed: %.300s%s%.256s%s",
        build->recipe.image, index + 1, step->line, cr_step_key_word(step->kind),
        text_clean(step->value, line, sizeof(line)), why,
        path[0] != '\0' ? "; all logs are in '" : "", path, path[0] != '\0' ? "'" : "");
}

/* --- steps ------------------------------------------------------------------------------------ */

/* What the step used is still what its key was made of. */
static int files_unchanged(const struct build *build, unsigned index, struct cr_error *err)
{
    struct cr_id key;
    int r = step_key(build, index, &key, err);
    if (r == 0 && !cr_id_equal(&key, &build->keys[index]))
        return cr_error_set(err, -EBUSY,
                            "building '%s': the files of step %u were changed while it ran; run "
                            "the command again",
                            build->recipe.image, index + 1);
    return r;
}

static int step_run(struct build *build, struct build_machine *machine, unsigned index,
                    struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf said = CR_BUF_INIT(2 * CR_STEP_LOG_BYTES_MAX);
    const struct cr_step *step = &build->recipe.steps[index];
    struct cr_error why = {0};
    char layer[PATH_MAX];
    int status = 0;
    remark(build, index, "runs");
    int r = build_step_run(machine, &build->files, &build->recipe, step, &said, &status, &why);
    if (r == 0 && status != 0) {
        snprintf(why.text, sizeof(why.text), "it ended with status %d", status);
        r = -EIO;
    }
    if (r == 0)
        r = build_machine_layer(machine, layer, &why);
    if (r == -ECANCELED)
        return cr_error_set(err, r, "%s", why.text);
    if (r < 0)
        return step_failed(build, index, &said, why.text, r, err);
    r = files_unchanged(build, index, err);
    if (r == 0)
        r = log_add(build, index, &said, err);
    if (r < 0)
        return r;
    CLEANUP(cr_version_cleanup) struct cr_version *next = NULL;
    struct build_cache_result result = {.step = step,
                                        .key = &build->keys[index],
                                        .layer = layer,
                                        .before = build->current ? build->current : build->base,
                                        .base = cr_version_ref(build->base),
                                        .log = &said};
    r = build_cache_put(build->cli, build->store, &build->recipe, &result, &next, err);
    if (r < 0)
        return r;
    cr_version_close(build->current);
    build->current = TAKE_PTR(next);
    build->stored_bytes += cr_version_info(build->current)->stored_bytes;
    return 0;
}

static int steps_run(struct build *build, struct cr_error *err)
{
    CLEANUP(build_machine_stop) struct build_machine machine = BUILD_MACHINE_INIT;
    struct cr_version *start = build->current ? build->current : build->base;
    struct build_machine_options options = {.store = build->store,
                                            .version = cr_version_ref(start),
                                            .disk_bytes = cr_version_disk_bytes(build->base),
                                            .network = build->recipe.network,
                                            .memory_bytes = build->recipe.memory_bytes};
    if (!cli_has(build->cli, OPT_QUIET))
        fprintf(stderr, "starting the build machine\n");
    int r = build_machine_start(&machine, &options, err);
    if (r < 0)
        return cr_error_prefix(err, r, "building '%s'", build->recipe.image);
    for (unsigned i = build->cached; i < build->recipe.count && r == 0; i++)
        r = step_run(build, &machine, i, err);
    return r;
}

/* --- the version ------------------------------------------------------------------------------ */

/* Is the newest version of the image what has just been made? */
static int newest_compare(struct build *build, bool *ret_same, struct cr_error *err)
{
    CLEANUP(cr_head_done) struct cr_head head = {0};
    *ret_same = false;
    int r = cr_store_head_read(build->store, build->recipe.image, &head, NULL, err);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return r;
    const struct cr_version_info *newest = cr_head_find(&head, 0);
    if (newest != NULL && !cr_id_is_hole(&newest->record) &&
        cr_id_equal(&newest->root, &cr_version_info(build->current)->root)) {
        *ret_same = true;
        build->info = *newest;
    }
    return 0;
}

static const char *message_make(const struct build *build, char *out, size_t size)
{
    char base[CR_REF_TEXT];
    if (build->message != NULL)
        return build->message;
    cr_ref_format(cr_version_ref(build->base), base);
    if (build->before != NULL && strcmp(build->before, base) == 0)
        snprintf(out, size, "update: recipe again on %s", base);
    else if (build->before != NULL)
        snprintf(out, size, "update: recipe from %s to %s", build->before, base);
    else if (build->recipe.message[0] != '\0')
        return build->recipe.message;
    else
        snprintf(out, size, "recipe on %s", base);
    return out;
}

static int version_publish(struct build *build, struct cr_error *err)
{
    struct build_record_parts parts = {.recipe = &build->recipe,
                                       .text = &build->text,
                                       .files = &build->files,
                                       .origin = build->origin,
                                       .base = cr_version_ref(build->base),
                                       .base_root = &cr_version_info(build->base)->root,
                                       .log = &build->log};
    struct cr_publish *publish = NULL;
    struct cr_publish_stat stat;
    struct cr_id record;
    char text[2 * CR_REF_TEXT + 64];
    /* Begun first: what a record hangs on is safe from the collector only while the image is
     * locked. */
    int r = cr_publish_begin(build->store, build->recipe.image,
                             cr_version_disk_bytes(build->current), build->current, &publish, err);
    if (r < 0)
        return r;
    r = build_record_make(build->store, &parts, &record, &build->with_files, err);
    if (r < 0) {
        cr_publish_abort(publish);
        return r;
    }
    struct cr_publish_note note = {.parent = cr_version_ref(build->base),
                                   .message = message_make(build, text, sizeof(text)),
                                   .record = &record,
                                   .stored_before = build->stored_bytes};
    return cr_publish_commit(publish, &note, &build->info, &stat, err);
}

int build_run(struct build *build, struct cr_error *err)
{
    bool same = false;
    int r = cr_version_open(build->store, &build->recipe.base, &build->base, err);
    if (r < 0)
        return cr_error_prefix(err, r, "building '%s': the base", build->recipe.image);
    r = keys_make(build, err);
    if (r == 0 && !build->no_cache)
        r = build_cache_find(build->store, &build->recipe, build->keys, &build->cached,
                             &build->current, err);
    if (r == 0)
        r = logs_of_cached(build, err);
    if (r == 0 && build->cached < build->recipe.count)
        r = steps_run(build, err);
    if (r == 0)
        r = newest_compare(build, &same, err);
    if (r < 0)
        return r;
    build->made = !same || build->force;
    if (build->made)
        r = version_publish(build, err);
    struct cr_error ignored;
    if (r == 0 && build->cached < build->recipe.count)
        build_cache_prune(build->store, &build->recipe, build->keys, &ignored);
    return r;
}
