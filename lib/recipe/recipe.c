/* SPDX-License-Identifier: MIT */
#include "lib/recipe/recipe.h"

#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/recipe/value.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* What is being read; strings are terminated in place in the recipe's own text. */
struct parse {
    struct place at;
    struct cr_recipe *recipe;
    size_t copy;   /* from a byte of the text to its twin, which may be cut into pieces */
    unsigned room; /* for steps */
    uint32_t seen; /* a bit for each setting met so far */
};

/* --- settings --------------------------------------------------------------------------------- */

bool cr_steps_is_name(const char *name)
{
    size_t len = strlen(name), suffix = strlen(CR_STEPS_SUFFIX);
    return len >= suffix && strcmp(name + len - suffix, CR_STEPS_SUFFIX) == 0;
}

static int image_set(struct parse *p, char *value, struct cr_error *err)
{
    const size_t longest = CR_NAME_MAX - strlen(CR_STEPS_SUFFIX);
    struct cr_ref ref;
    struct cr_error why = {0};
    size_t len = strlen(value);
    if (cr_ref_parse(value, &ref, &why) < 0)
        return value_refuse(&p->at, err, "%s", why.text);
    if (ref.number != 0 || ref.channel[0] != '\0')
        return value_refuse(&p->at, err, "'%s' names a version; a recipe makes a new one of '%s'",
                            value, ref.name);
    if (len > longest)
        return value_refuse(&p->at, err, "the name '%s' is longer than %zu letters", value,
                            longest);
    if (cr_steps_is_name(value))
        return value_refuse(&p->at, err,
                            "names that end with '%s' are kept for the results of steps; choose "
                            "another one",
                            CR_STEPS_SUFFIX);
    memcpy(p->recipe->image, value, len + 1);
    return 0;
}

static int base_set(struct parse *p, char *value, struct cr_error *err)
{
    struct cr_error why = {0};
    if (cr_ref_parse(value, &p->recipe->base, &why) < 0)
        return value_refuse(&p->at, err, "%s", why.text);
    return 0;
}

static int message_set(struct parse *p, char *value, struct cr_error *err)
{
    size_t len = strlen(value);
    if (len > CR_MESSAGE_BYTES_MAX)
        return value_refuse(&p->at, err, "the message has %zu bytes; shorten it to %u", len,
                            CR_MESSAGE_BYTES_MAX);
    memcpy(p->recipe->message, value, len + 1);
    return 0;
}

static int network_set(struct parse *p, char *value, struct cr_error *err)
{
    bool yes = strcmp(value, "yes") == 0;
    if (!yes && strcmp(value, "no") != 0)
        return value_refuse(&p->at, err, "'%.64s' is no value for 'network'; use yes or no", value);
    p->recipe->network = yes;
    return 0;
}

static int memory_set(struct parse *p, char *value, struct cr_error *err)
{
    uint64_t bytes = 0;
    if (cr_bytes_parse(value, CR_RECIPE_MEMORY_MAX, &bytes) < 0 || bytes < CR_RECIPE_MEMORY_MIN ||
        bytes % CR_MIB != 0)
        return value_refuse(&p->at, err,
                            "'%.64s' is no memory size; write whole mebibytes from 512M to 64G, "
                            "such as 2G",
                            value);
    p->recipe->memory_bytes = bytes;
    return 0;
}

static int timeout_set(struct parse *p, char *value, struct cr_error *err)
{
    uint64_t minutes = 0;
    if (cr_u64_parse(value, CR_RECIPE_TIMEOUT_MINUTES_MAX, &minutes) < 0 || minutes == 0)
        return value_refuse(&p->at, err, "'%.64s' is no number of minutes; write 1 to %u", value,
                            CR_RECIPE_TIMEOUT_MINUTES_MAX);
    p->recipe->timeout_minutes = (unsigned)minutes;
    return 0;
}

static int package_folder_set(struct parse *p, char *value, struct cr_error *err)
{
    p->recipe->package_folder = value;
    return value_local_check(&p->at, value, err);
}

/* --- steps ------------------------------------------------------------------------------------ */

static int packages_take(struct parse *p, struct cr_step *step, char *value, struct cr_error *err)
{
    int r = value_packages_check(&p->at, value, err);
    if (r == 0 && step->kind == CR_STEP_PACKAGES && p->recipe->package_folder == NULL &&
        !p->recipe->network)
        return value_refuse(&p->at, err,
                            "nowhere to take packages from; put 'package-folder = FOLDER' with "
                            ".deb files, or 'network = yes', before the first step");
    return r;
}

static int file_take(struct parse *p, struct cr_step *step, char *value, struct cr_error *err)
{
    char *twin = value + p->copy;
    memcpy(twin, value, strlen(value) + 1);
    return value_file_parse(&p->at, twin, step, err);
}

static int script_take(struct parse *p, struct cr_step *step, char *value, struct cr_error *err)
{
    step->local = value;
    return value_local_check(&p->at, value, err);
}

static int run_take(struct parse *p, struct cr_step *step, char *value, struct cr_error *err)
{
    (void)p;
    (void)step;
    (void)value;
    (void)err;
    return 0;
}

static int hostname_take(struct parse *p, struct cr_step *step, char *value, struct cr_error *err)
{
    (void)step;
    return value_hostname_check(&p->at, value, err);
}

/* --- the vocabulary --------------------------------------------------------------------------- */

/* All of it; the manual page lists the same keys and a test compares them. */
static const struct setting {
    const char *name;
    int (*set)(struct parse *p, char *value, struct cr_error *err);
    const char *takes;
} settings[] = {
    {"image", image_set, "NAME"},
    {"base", base_set, "NAME | NAME@N | NAME:CHANNEL"},
    {"message", message_set, "TEXT"},
    {"network", network_set, "no | yes"},
    {"memory", memory_set, "SIZE"},
    {"timeout", timeout_set, "MINUTES"},
    {"package-folder", package_folder_set, "FOLDER"},
};
#define SETTING_IMAGE 0
#define SETTING_BASE  1

static const struct step_word {
    const char *name;
    int (*take)(struct parse *p, struct cr_step *step, char *value, struct cr_error *err);
    const char *takes;
} step_words[CR_STEP_KIND_COUNT] = {
    [CR_STEP_PACKAGES] = {"packages", packages_take, "NAME ..."},
    [CR_STEP_REMOVE] = {"remove", packages_take, "NAME ..."},
    [CR_STEP_FILE] = {"file", file_take, "LOCAL -> /PATH [mode=MODE] [owner=UID:GID]"},
    [CR_STEP_SCRIPT] = {"script", script_take, "LOCAL"},
    [CR_STEP_RUN] = {"run", run_take, "COMMAND"},
    [CR_STEP_HOSTNAME] = {"hostname", hostname_take, "NAME"},
};

const char *cr_step_key_word(enum cr_step_kind kind)
{
    return step_words[kind].name;
}

const char *cr_recipe_key(size_t index, const char **ret_takes)
{
    if (index < CR_ARRAY_LEN(settings)) {
        *ret_takes = settings[index].takes;
        return settings[index].name;
    }
    index -= CR_ARRAY_LEN(settings);
    if (index >= CR_STEP_KIND_COUNT)
        return NULL;
    *ret_takes = step_words[index].takes;
    return step_words[index].name;
}

/* --- lines ------------------------------------------------------------------------------------ */

static int key_unknown(const struct parse *p, const char *key, struct cr_error *err)
{
    char known[256] = "";
    const char *takes = NULL, *name = NULL;
    size_t used = 0;
    for (size_t i = 0; (name = cr_recipe_key(i, &takes)) != NULL; i++) {
        int n = snprintf(known + used, sizeof(known) - used, "%s%s", used ? ", " : "", name);
        used += n > 0 && used + (size_t)n < sizeof(known) ? (size_t)n : 0;
    }
    return value_refuse(&p->at, err, "unknown key '%.64s'; the keys are %s", key, known);
}

static int setting_take(struct parse *p, size_t index, char *value, struct cr_error *err)
{
    const char *name = settings[index].name;
    if (p->seen & 1U << index)
        return value_refuse(&p->at, err, "'%s' stands there a second time; remove one", name);
    if (p->recipe->count > 0)
        return value_refuse(&p->at, err,
                            "'%s' is a setting and stands behind a step; put it before the first "
                            "step",
                            name);
    p->seen |= 1U << index;
    return settings[index].set(p, value, err);
}

static int step_take(struct parse *p, enum cr_step_kind kind, char *value, struct cr_error *err)
{
    struct cr_recipe *recipe = p->recipe;
    if (recipe->count == CR_RECIPE_STEPS_MAX)
        return value_refuse(&p->at, err,
                            "a recipe has at most %u steps; put several commands into "
                            "one script",
                            CR_RECIPE_STEPS_MAX);
    if (recipe->count == p->room) {
        unsigned room = p->room ? 2 * p->room : 16;
        void *grown = reallocarray(recipe->steps, room, sizeof(*recipe->steps));
        if (grown == NULL)
            return cr_error_errno(err, -ENOMEM, "reading recipe '%s'", p->at.name);
        recipe->steps = grown;
        p->room = room;
    }
    struct cr_step *step = &recipe->steps[recipe->count];
    *step = (struct cr_step){.kind = kind, .line = p->at.line, .value = value};
    int r = step_words[kind].take(p, step, value, err);
    if (r == 0)
        recipe->count++;
    return r;
}

/* One line, terminated and changed in place. */
static int line_parse(struct parse *p, char *line, struct cr_error *err)
{
    char *text = value_trim(line);
    if (*text == '\0' || *text == '#')
        return 0;
    char *equals = strchr(text, '=');
    if (equals == NULL || equals == text)
        return value_refuse(&p->at, err, "'%.64s' is not 'key = value'", text);
    *equals = '\0';
    const char *key = value_trim(text);
    char *value = value_trim(equals + 1);
    p->at.key = key;
    if (*value == '\0')
        return value_refuse(&p->at, err, "nothing stands behind '%.64s ='", key);
    for (size_t i = 0; i < CR_ARRAY_LEN(settings); i++)
        if (strcmp(settings[i].name, key) == 0)
            return setting_take(p, i, value, err);
    for (size_t i = 0; i < CR_STEP_KIND_COUNT; i++)
        if (strcmp(step_words[i].name, key) == 0)
            return step_take(p, (enum cr_step_kind)i, value, err);
    return key_unknown(p, key, err);
}

/* What no line can tell alone. */
static int recipe_check(const struct parse *p, struct cr_error *err)
{
    static const unsigned needed[] = {SETTING_IMAGE, SETTING_BASE};
    for (size_t i = 0; i < CR_ARRAY_LEN(needed); i++)
        if ((p->seen & 1U << needed[i]) == 0)
            return cr_error_set(err, -EINVAL, "reading recipe '%s': it does not say '%s = %s'",
                                p->at.name, settings[needed[i]].name, settings[needed[i]].takes);
    if (p->recipe->count == 0)
        return cr_error_set(err, -EINVAL,
                            "reading recipe '%s': it has no step; add one, such as 'packages = "
                            "vim' or 'script = setup.sh'",
                            p->at.name);
    const struct cr_ref *base = &p->recipe->base;
    if (strcmp(base->name, p->recipe->image) == 0 && base->number == 0)
        return cr_error_set(err, -EINVAL,
                            "reading recipe '%s': the image '%s' cannot be made from its own "
                            "newest version; give the result another name",
                            p->at.name, base->name);
    return 0;
}

static int text_parse(struct parse *p, size_t len, struct cr_error *err)
{
    char *text = p->recipe->text;
    for (size_t start = 0; start < len;) {
        const char *newline = memchr(text + start, '\n', len - start);
        size_t line_len = newline != NULL ? (size_t)(newline - (text + start)) : len - start;
        p->at.line++;
        if (line_len > CR_RECIPE_LINE_BYTES_MAX)
            return value_refuse(&p->at, err,
                                "it has %zu bytes and at most %u are read; use a "
                                "script",
                                line_len, CR_RECIPE_LINE_BYTES_MAX);
        for (size_t i = 0; i < line_len; i++) {
            unsigned char c = (unsigned char)text[start + i];
            if ((c < ' ' && c != '\t' && c != '\r') || c == 0x7f)
                return value_refuse(&p->at, err, "byte 0x%02x is no text; is it a recipe?", c);
        }
        if (!value_is_utf8(text + start, line_len))
            return value_refuse(&p->at, err, "it is not UTF-8; write it in that encoding");
        text[start + line_len] = '\0';
        int r = line_parse(p, text + start, err);
        if (r < 0)
            return r;
        start += line_len + 1;
    }
    return recipe_check(p, err);
}

void cr_recipe_done(struct cr_recipe *recipe)
{
    free(recipe->steps);
    free(recipe->text);
    *recipe = (struct cr_recipe){0};
}

int cr_recipe_parse(const char *name, const void *data, size_t len, struct cr_recipe *ret_recipe,
                    struct cr_error *err)
{
    CLEANUP(cr_recipe_done)
    struct cr_recipe recipe = {.timeout_minutes = CR_RECIPE_TIMEOUT_MINUTES};
    struct parse p = {.at = {.name = name}, .recipe = &recipe};
    if (len > CR_RECIPE_BYTES_MAX)
        return cr_error_set(err, -EMSGSIZE,
                            "reading recipe '%s': it has %zu bytes and at most %" PRIu64
                            " are read; is it a recipe?",
                            name, len, (uint64_t)CR_RECIPE_BYTES_MAX);
    p.copy = len + 1;
    recipe.text = malloc(2 * (len + 1));
    if (recipe.text == NULL)
        return cr_error_errno(err, -ENOMEM, "reading recipe '%s'", name);
    if (len > 0)
        memcpy(recipe.text, data, len);
    recipe.text[len] = '\0';
    int r = text_parse(&p, len, err);
    if (r < 0)
        return r;
    *ret_recipe = recipe;
    recipe = (struct cr_recipe){0};
    return 0;
}

/* --- keys ------------------------------------------------------------------------------------- */

void cr_recipe_step_key(const struct cr_recipe *recipe, const struct cr_step *step,
                        const struct cr_id *before, const struct cr_id *content,
                        struct cr_id *ret_key)
{
    static const struct cr_id nothing;
    uint8_t data[2 * CR_ID_BYTES + 32 + CR_RECIPE_LINE_BYTES_MAX];
    const struct cr_id *used = content != NULL ? content : &nothing;
    size_t at = 0;
    memcpy(data, before->bytes, CR_ID_BYTES);
    memcpy(data + CR_ID_BYTES, used->bytes, CR_ID_BYTES);
    at = 2 * (size_t)CR_ID_BYTES;
    int n = snprintf((char *)data + at, 32, "step 1 %s %s\n", cr_step_key_word(step->kind),
                     recipe->network ? "net" : "off");
    at += n > 0 ? (size_t)n : 0;
    size_t len = strlen(step->value);
    memcpy(data + at, step->value, len);
    cr_hash(data, at + len, ret_key);
}
