/* SPDX-License-Identifier: MIT */
/* carrel image build RECIPE | update NAME */
#include "image-tools/build.h"
#include "image-tools/build_folder.h"
#include "image-tools/build_record.h"
#include "image-tools/commands.h"
#include "image-tools/output.h"
#include "image-tools/publish_sign.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

/* --- results ---------------------------------------------------------------------------------- */

static json_t *steps_json(const struct build *build)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < build->recipe.count; i++) {
        const struct cr_step *step = &build->recipe.steps[i];
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:i, s:b}", "key", cr_step_key_word(step->kind), "value",
                            step->value, "line", (int)step->line, "cached", i < build->cached));
    }
    return list;
}

static int build_print(const struct build *build, struct cr_error *err)
{
    const char *name = build->recipe.image;
    char base[CR_REF_TEXT], root[CR_ID_HEX], stored[CR_BYTES_TEXT], data[CR_BYTES_TEXT];
    cr_ref_format(cr_version_ref(build->base), base);
    if (cli_has(build->cli, OPT_JSON)) {
        json_t *json = output_version(NULL, name, &build->info);
        json_object_set_new(json, "made", json_boolean(build->made));
        json_object_set_new(json, "base", json_string(base));
        json_object_set_new(json, "steps", steps_json(build));
        return output_json(json, err);
    }
    printf("%s@%" PRIu64 " %s\n", name, build->info.number, cr_id_format(&build->info.root, root));
    if (cli_has(build->cli, OPT_QUIET))
        return 0;
    if (!build->made) {
        printf("  nothing to do: it is what the recipe makes of %s\n", base);
        return 0;
    }
    printf("  made from %s, %u of %u steps were cached\n", base, build->cached,
           build->recipe.count);
    printf("  data %s, %s new to the store\n",
           cr_bytes_format(build->info.data_bytes, data, sizeof(data)),
           cr_bytes_format(build->info.stored_bytes, stored, sizeof(stored)));
    if (!build->with_files)
        printf("  the recipe's files are too large for the store: keep the folder '%s' for `carrel "
               "image update %s`, or name it with --folder\n",
               build->origin, name);
    return 0;
}

/* The result, and its signature where the store has signed metadata. */
static int build_finish(const struct build *build, struct cr_error *err)
{
    int r = build_print(build, err);
    return r == 0 && build->made ? publish_sign(build->cli, build->store, err) : r;
}

static int options_take(struct build *build, struct cr_error *err)
{
    build->no_cache = cli_has(build->cli, OPT_NO_CACHE);
    build->force = cli_has(build->cli, OPT_FORCE);
    return cli_message(build->cli, &build->message, err);
}

/* --- build ------------------------------------------------------------------------------------ */

int cmd_image_build(struct cli *cli, struct cr_error *err)
{
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    CLEANUP(build_done) struct build build = BUILD_INIT;
    const char *path = cli->operands[0];
    char folder[PATH_MAX];
    build.cli = cli;
    int r = options_take(&build, err);
    if (r < 0)
        return r;
    r = cr_file_read(AT_FDCWD, path, &build.text);
    if (r < 0)
        return cr_error_errno(err, r, "cannot read the recipe '%s'", path);
    r = cr_recipe_parse(path, build.text.data, build.text.len, &build.recipe, err);
    if (r < 0)
        return r;
    const char *slash = strrchr(path, '/');
    int len = slash == NULL ? 1 : (int)(slash - path) + 1;
    if (snprintf(folder, sizeof(folder), "%.*s", len, slash == NULL ? "." : path) >= PATH_MAX)
        return cr_error_errno(err, -ENAMETOOLONG, "cannot open the recipe '%s'", path);
    r = build_files_open(&build.files, folder, err);
    if (r == 0)
        r = cli_store_open_writable(cli, &store, err);
    if (r < 0)
        return r;
    build.store = store;
    build.origin = build.files.folder;
    r = build_run(&build, err);
    return r < 0 ? r : build_finish(&build, err);
}

/* --- update ----------------------------------------------------------------------------------- */

struct update {
    struct cr_record record;
    char *origin;                 /* the recorded folder */
    char *before;                 /* NAME@N of the recorded base */
    struct build_folder unpacked; /* with the recorded files */
};

static void update_done(struct update *update)
{
    cr_record_done(&update->record);
    free(TAKE_PTR(update->origin));
    free(TAKE_PTR(update->before));
    build_folder_remove(&update->unpacked);
}

/* The record of the newest version; with --force of the newest one that has a record. */
static int record_find(const struct build *build, const char *name, struct cr_record *ret_record,
                       struct cr_error *err)
{
    CLEANUP(cr_head_done) struct cr_head head = {0};
    int r = cr_store_head_read(build->store, name, &head, NULL, err);
    if (r < 0)
        return r;
    const struct cr_version_info *newest = cr_head_find(&head, 0), *found = NULL;
    for (uint32_t i = head.count; i > 0 && found == NULL; i--)
        if (!cr_id_is_hole(&head.versions[i - 1].record))
            found = &head.versions[i - 1];
    if (found == NULL)
        return cr_error_set(err, -ENOENT,
                            "cannot update '%s': no version of it was made by a recipe; `carrel "
                            "image build RECIPE` makes one",
                            name);
    if (found != newest && !build->force)
        return cr_error_set(
            err, -EEXIST,
            "cannot update '%s': the newest version made by a recipe is '%s@%" PRIu64
            "', and what was committed after it would be missing in the new one; "
            "add --force if that is what you want",
            name, name, found->number);
    r = build_record_read(build->store, found, ret_record, err);
    return r < 0 ? cr_error_prefix(err, r, "cannot update '%s'", name) : 0;
}

static int record_take(struct build *build, struct update *update, const char *name,
                       struct cr_error *err)
{
    const struct cr_record_entry *text = cr_record_find(&update->record, CR_RECORD_RECIPE);
    char what[CR_NAME_MAX + 32];
    if (text == NULL)
        return cr_error_set(err, -ENOENT, "cannot update '%s': its record holds no recipe", name);
    snprintf(what, sizeof(what), "of %s", name);
    int r = cr_buf_append(&build->text, text->data, text->len);
    if (r < 0)
        return cr_error_errno(err, r, "cannot read the recipe of '%s'", name);
    r = cr_recipe_parse(what, text->data, text->len, &build->recipe, err);
    if (r == 0)
        r = build_record_text(&update->record, CR_RECORD_FOLDER, &update->origin, err);
    if (r == 0)
        r = build_record_text(&update->record, CR_RECORD_BASE, &update->before, err);
    if (r < 0)
        return r;
    update->before[strcspn(update->before, " ")] = '\0';
    if (strcmp(build->recipe.image, name) != 0)
        return cr_error_set(err, -EINVAL, "cannot update '%s': its recipe is that of '%s'", name,
                            build->recipe.image);
    return 0;
}

/* Where the local files are: --folder, the record, or the folder of the last build. */
static int files_find(struct build *build, struct update *update, struct cr_error *err)
{
    const char *said = build->cli->values[OPT_FOLDER];
    bool whole = false;
    if (said != NULL) {
        int r = build_files_open(&build->files, said, err);
        build->origin = build->files.folder;
        return r;
    }
    int r = build_folder_make(&update->unpacked, err);
    if (r < 0)
        return r;
    r = build_files_unpack(&update->record, &build->recipe, update->unpacked.path, &whole, err);
    if (r < 0)
        return r;
    if (whole)
        return build_files_open(&build->files, update->unpacked.path, err);
    if (build_files_open(&build->files, update->origin, NULL) < 0)
        return cr_error_set(err, -ENOENT,
                            "cannot update '%s': the recipe's files were too large for the store "
                            "and the folder '%.200s' is gone; name the one that holds them: "
                            "--folder FOLDER",
                            build->recipe.image, update->origin);
    return 0;
}

int cmd_image_update(struct cli *cli, struct cr_error *err)
{
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    CLEANUP(update_done) struct update update = {.unpacked = BUILD_FOLDER_INIT};
    CLEANUP(build_done) struct build build = BUILD_INIT;
    struct cr_ref name;
    build.cli = cli;
    int r = options_take(&build, err);
    if (r == 0)
        r = cr_ref_parse(cli->operands[0], &name, err);
    if (r < 0)
        return r;
    if (name.number != 0 || name.channel[0] != '\0')
        return cr_error_set(err, -EINVAL,
                            "'%s' names a version; an update makes a new one: give the name '%s'",
                            cli->operands[0], name.name);
    r = cli_store_open_writable(cli, &store, err);
    if (r < 0)
        return r;
    build.store = store;
    r = record_find(&build, name.name, &update.record, err);
    if (r == 0)
        r = record_take(&build, &update, name.name, err);
    if (r < 0)
        return r;
    build.origin = update.origin;
    build.before = update.before;
    r = files_find(&build, &update, err);
    if (r == 0)
        r = build_run(&build, err);
    return r < 0 ? r : build_finish(&build, err);
}
