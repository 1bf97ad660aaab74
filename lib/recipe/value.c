/* SPDX-License-Identifier: MIT */
#include "lib/recipe/value.h"

#include "lib/base/mem.h"
#include "lib/base/num.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define ARROW "->"

int value_refuse(const struct place *at, struct cr_error *err, const char *format, ...)
{
    char sentence[CR_ERROR_BYTES];
    va_list list;
    va_start(list, format);
    vsnprintf(sentence, sizeof(sentence), format, list);
    va_end(list);
    return cr_error_set(err, -EINVAL, "reading recipe '%s', line %u: %s", at->name, at->line,
                        sentence);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

char *value_trim(char *text)
{
    while (is_blank(*text))
        text++;
    size_t len = strlen(text);
    while (len > 0 && is_blank(text[len - 1]))
        len--;
    text[len] = '\0';
    return text;
}

bool value_is_utf8(const char *text, size_t len)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)text, *end = p + len;
    while (p < end) {
        unsigned more = *p < 0x80 ? 0 : *p < 0xe0 ? 1 : *p < 0xf0 ? 2 : 3;
        if ((*p >= 0x80 && *p < 0xc0) || *p >= 0xf8 || (size_t)(end - p) <= more)
            return false;
        uint32_t code = more == 0 ? *p : *p & (0x3fU >> more);
        p++;
        for (unsigned i = 0; i < more; i++, p++) {
            if ((*p & 0xc0) != 0x80)
                return false;
            code = code << 6 | (*p & 0x3fU);
        }
        if (code < least[more] || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff)
            return false;
    }
    return true;
}

/* Does a component of the path equal "." or "..", or is it empty? */
static bool path_wanders(const char *path)
{
    while (true) {
        size_t len = strcspn(path, "/");
        if (len == 0 || (len == 1 && path[0] == '.') ||
            (len == 2 && path[0] == '.' && path[1] == '.'))
            return true;
        if (path[len] == '\0')
            return false;
        path += len + 1;
    }
}

int value_local_check(const struct place *at, const char *value, struct cr_error *err)
{
    if (value[0] == '/' || path_wanders(value))
        return value_refuse(at, err,
                            "'%.200s' leads out of the recipe's folder; put the file there and "
                            "write its path below it, without '.', '..' and '//'",
                            value);
    if (strlen(value) > CR_RECIPE_PATH_BYTES_MAX)
        return value_refuse(at, err, "the path has %zu bytes and at most %u fit", strlen(value),
                            CR_RECIPE_PATH_BYTES_MAX);
    return 0;
}

int value_packages_check(const struct place *at, const char *value, struct cr_error *err)
{
    const char *p = value;
    while (*p != '\0') {
        size_t len = strcspn(p, " \t");
        for (size_t i = 0; i < len; i++)
            if (!isascii((unsigned char)p[i]) ||
                (!isalnum((unsigned char)p[i]) && (i == 0 || strchr("+.:~=_-", p[i]) == NULL)))
                return value_refuse(at, err,
                                    "'%.*s' is no name of a package; write names separated by "
                                    "blanks",
                                    (int)(len > 64 ? 64 : len), p);
        p += len;
        p += strspn(p, " \t");
    }
    return 0;
}

int value_hostname_check(const struct place *at, const char *value, struct cr_error *err)
{
    size_t len = strlen(value), label = 0;
    bool good = len <= CR_HOST_BYTES_MAX && value[0] != '-' && value[len - 1] != '-';
    for (size_t i = 0; i < len && good; i++) {
        if (value[i] == '.')
            good = label > 0 && i + 1 < len && value[i - 1] != '-' && value[i + 1] != '-';
        else
            good = isascii((unsigned char)value[i]) &&
                   (isalnum((unsigned char)value[i]) || value[i] == '-');
        label = value[i] == '.' ? 0 : label + 1;
        good = good && label <= 63;
    }
    return good ? 0
                : value_refuse(at, err, "'%.64s' is no host name; use letters, digits, '-' and '.'",
                               value);
}

/* --- file ------------------------------------------------------------------------------------- */

static bool octal_parse(const char *text, unsigned *ret_mode)
{
    unsigned mode = 0;
    size_t len = strlen(text);
    if (len < 3 || len > 5)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '7')
            return false;
        mode = mode * 8 + (unsigned)(text[i] - '0');
    }
    *ret_mode = mode;
    return mode <= 07777;
}

static bool owner_parse(char *text, struct cr_step *step)
{
    uint64_t uid = 0, gid = 0;
    char *colon = strchr(text, ':');
    if (colon == NULL)
        return false;
    *colon = '\0';
    bool good = cr_u64_parse(text, UINT32_MAX - 1, &uid) == 0 &&
                cr_u64_parse(colon + 1, UINT32_MAX - 1, &gid) == 0;
    *colon = ':';
    step->uid = (uint32_t)uid;
    step->gid = (uint32_t)gid;
    return good;
}

/* Take "mode=" and "owner=" off the end of `text`, each once. */
static int file_options_take(const struct place *at, char *text, struct cr_step *step,
                             struct cr_error *err)
{
    bool mode = false, owner = false;
    while (true) {
        char *word = text + strlen(text);
        while (word > text && !is_blank(word[-1]))
            word--;
        bool is_mode = strncmp(word, "mode=", 5) == 0, is_owner = strncmp(word, "owner=", 6) == 0;
        if (word == text || (!is_mode && !is_owner))
            return 0;
        if ((is_mode && mode) || (is_owner && owner))
            return value_refuse(at, err, "'%.64s' is said twice", word);
        if (is_mode && !octal_parse(word + 5, &step->mode))
            return value_refuse(at, err, "'%.64s' is no mode; write octal digits, such as 0644",
                                word);
        if (is_owner && !owner_parse(word + 6, step))
            return value_refuse(at, err, "'%.64s' is no owner; write numbers, such as 1000:1000",
                                word);
        mode = mode || is_mode;
        owner = owner || is_owner;
        *word = '\0';
        value_trim(text);
    }
}

int value_file_parse(const struct place *at, char *value, struct cr_step *step,
                     struct cr_error *err)
{
    char *arrow = strstr(value, ARROW);
    while (arrow != NULL && (arrow == value || !is_blank(arrow[-1]) || !is_blank(arrow[2])))
        arrow = strstr(arrow + 1, ARROW);
    if (arrow == NULL)
        return value_refuse(at, err, "'%.200s' is not 'LOCAL -> /PATH'", value);
    *arrow = '\0';
    char *local = value_trim(value), *remote = value_trim(arrow + strlen(ARROW));
    step->mode = 0644;
    int r = file_options_take(at, remote, step, err);
    if (r == 0)
        r = value_local_check(at, local, err);
    if (r < 0)
        return r;
    if (remote[0] != '/' || path_wanders(remote + 1))
        return value_refuse(at, err,
                            "'%.200s' is no path of a file in the image; write it from '/' on, "
                            "without '.', '..' and '//'",
                            remote);
    if (strlen(remote) > CR_RECIPE_PATH_BYTES_MAX)
        return value_refuse(at, err, "the path has %zu bytes and at most %u fit", strlen(remote),
                            CR_RECIPE_PATH_BYTES_MAX);
    step->local = local;
    step->remote = remote;
    return 0;
}
