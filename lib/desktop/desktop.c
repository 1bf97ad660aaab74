/* SPDX-License-Identifier: MIT */
#include "lib/desktop/desktop.h"

#include "lib/base/mem.h"
#include "lib/base/num.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

/* Where a message is about. */
struct place {
    const char *name;
    unsigned line;
    const char *key;
};

struct word {
    const char *text;
    int value;
};

static const struct word firmware_words[] = {
    {"bios", CR_FIRMWARE_BIOS}, {"uefi", CR_FIRMWARE_UEFI}, {NULL, 0}};
static const struct word disk_bus_words[] = {{"virtio", CR_DISK_BUS_VIRTIO},
                                             {"sata", CR_DISK_BUS_SATA},
                                             {"ide", CR_DISK_BUS_IDE},
                                             {"scsi", CR_DISK_BUS_SCSI},
                                             {NULL, 0}};
static const struct word nic_words[] = {{"user", CR_NIC_USER}, {"none", CR_NIC_NONE}, {NULL, 0}};
static const struct word nic_model_words[] = {{"virtio", CR_NIC_MODEL_VIRTIO},
                                              {"e1000e", CR_NIC_MODEL_E1000E},
                                              {"e1000", CR_NIC_MODEL_E1000},
                                              {"rtl8139", CR_NIC_MODEL_RTL8139},
                                              {NULL, 0}};
static const struct word display_words[] = {
    {"none", CR_DISPLAY_NONE}, {"vnc", CR_DISPLAY_VNC}, {NULL, 0}};

static const struct word overlay_words[] = {{"boot", CR_OVERLAY_BOOT},
                                            {"logout", CR_OVERLAY_LOGOUT},
                                            {"daily", CR_OVERLAY_DAILY},
                                            {"weekly", CR_OVERLAY_WEEKLY},
                                            {"monthly", CR_OVERLAY_MONTHLY},
                                            {"keep", CR_OVERLAY_KEEP},
                                            {NULL, 0}};
static const struct word overlay_for_words[] = {
    {"seat", CR_OVERLAY_FOR_SEAT}, {"person", CR_OVERLAY_FOR_PERSON}, {NULL, 0}};
static const struct word overlay_update_words[] = {
    {"stay", CR_OVERLAY_STAY}, {"reset", CR_OVERLAY_RESET}, {NULL, 0}};

static int word_parse(const struct place *at, const struct word *words, const char *value,
                      int *ret_value, struct cr_error *err)
{
    char known[128] = "";
    size_t used = 0;
    for (const struct word *w = words; w->text != NULL; w++) {
        if (strcmp(w->text, value) == 0) {
            *ret_value = w->value;
            return 0;
        }
        int n = snprintf(known + used, sizeof(known) - used, "%s%s", used ? ", " : "", w->text);
        used += n > 0 && used + (size_t)n < sizeof(known) ? (size_t)n : 0;
    }
    return cr_error_set(err, -EINVAL,
                        "reading desktop file '%s', line %u: '%s' is no value for '%s'; use one of "
                        "%s",
                        at->name, at->line, value, at->key, known);
}

/* An absolute path of at most `max` bytes. */
static int path_parse(const struct place *at, const char *value, size_t max, char *out,
                      struct cr_error *err)
{
    size_t len = strlen(value);
    if (value[0] != '/')
        return cr_error_set(err, -EINVAL,
                            "reading desktop file '%s', line %u: '%s' for '%s' is not an absolute "
                            "path; write it from '/' on",
                            at->name, at->line, value, at->key);
    if (len > max)
        return cr_error_set(err, -EMSGSIZE,
                            "reading desktop file '%s', line %u: the path for '%s' has %zu bytes "
                            "and at most %zu fit; choose a shorter one",
                            at->name, at->line, at->key, len, max);
    memcpy(out, value, len + 1);
    return 0;
}

static int memory_set(const struct place *at, const char *value, struct cr_desktop *desktop,
                      struct cr_error *err)
{
    uint64_t bytes = 0;
    int r = cr_bytes_parse(value, CR_DESKTOP_MEMORY_MAX, &bytes);
    if (r == 0 && (bytes < CR_DESKTOP_MEMORY_MIN || bytes % CR_MIB != 0))
        r = -ERANGE;
    if (r < 0)
        return cr_error_set(err, -EINVAL,
                            "reading desktop file '%s', line %u: '%s' is no memory size; write "
                            "whole mebibytes from 64M to 4T, such as 2G",
                            at->name, at->line, value);
    desktop->memory_bytes = bytes;
    return 0;
}

static int cpus_set(const struct place *at, const char *value, struct cr_desktop *desktop,
                    struct cr_error *err)
{
    uint64_t cpus = 0;
    if (cr_u64_parse(value, CR_DESKTOP_CPUS_MAX, &cpus) < 0 || cpus == 0)
        return cr_error_set(err, -EINVAL,
                            "reading desktop file '%s', line %u: '%s' is no number of CPUs; write "
                            "1 to %u",
                            at->name, at->line, value, CR_DESKTOP_CPUS_MAX);
    desktop->cpus = (unsigned)cpus;
    return 0;
}

/* A setter for each key that takes one of a few words. */
#define WORD_SETTER(field, type)                                                                   \
    static int field##_set(const struct place *at, const char *value, struct cr_desktop *desktop,  \
                           struct cr_error *err)                                                   \
    {                                                                                              \
        int chosen = 0;                                                                            \
        int r = word_parse(at, field##_words, value, &chosen, err);                                \
        if (r == 0)                                                                                \
            desktop->field = (type)chosen;                                                         \
        return r;                                                                                  \
    }

WORD_SETTER(firmware, enum cr_desktop_firmware)
WORD_SETTER(disk_bus, enum cr_desktop_disk_bus)
WORD_SETTER(nic, enum cr_desktop_nic)
WORD_SETTER(nic_model, enum cr_desktop_nic_model)
WORD_SETTER(display, enum cr_desktop_display)
WORD_SETTER(overlay, enum cr_overlay_mode)
WORD_SETTER(overlay_for, enum cr_overlay_for)
WORD_SETTER(overlay_update, enum cr_overlay_update)

/* A size of a disk, or "none". */
static int size_parse(const struct place *at, const char *value, uint64_t *ret_bytes,
                      struct cr_error *err)
{
    uint64_t bytes = 0;
    bool none = strcmp(value, "none") == 0;
    int r = none ? 0 : cr_bytes_parse(value, CR_DISK_BYTES_MAX, &bytes);
    if (r < 0 || (!none && (bytes < CR_MIB || bytes % CR_MIB != 0)))
        return cr_error_set(err, -EINVAL,
                            "reading desktop file '%s', line %u: '%s' is no size for '%s'; write "
                            "'none' or whole mebibytes from 1M to 64T",
                            at->name, at->line, value, at->key);
    *ret_bytes = bytes;
    return 0;
}

static int overlay_max_set(const struct place *at, const char *value, struct cr_desktop *desktop,
                           struct cr_error *err)
{
    return size_parse(at, value, &desktop->overlay_max_bytes, err);
}

static int data_disk_set(const struct place *at, const char *value, struct cr_desktop *desktop,
                         struct cr_error *err)
{
    return size_parse(at, value, &desktop->data_disk_bytes, err);
}

static int overlay_keep_days_set(const struct place *at, const char *value,
                                 struct cr_desktop *desktop, struct cr_error *err)
{
    uint64_t days = 0;
    if (cr_u64_parse(value, CR_OVERLAY_KEEP_DAYS_MAX, &days) < 0)
        return cr_error_set(err, -EINVAL,
                            "reading desktop file '%s', line %u: '%s' is no number of days; write "
                            "0 to %u",
                            at->name, at->line, value, CR_OVERLAY_KEEP_DAYS_MAX);
    desktop->overlay_keep_days = (unsigned)days;
    return 0;
}

static int serial_set(const struct place *at, const char *value, struct cr_desktop *desktop,
                      struct cr_error *err)
{
    static const char prefix[] = "socket:";
    if (strcmp(value, "none") == 0) {
        desktop->serial = CR_SERIAL_NONE;
        return 0;
    }
    bool is_socket = strncmp(value, prefix, strlen(prefix)) == 0;
    desktop->serial = is_socket ? CR_SERIAL_SOCKET : CR_SERIAL_FILE;
    return path_parse(at, is_socket ? value + strlen(prefix) : value,
                      is_socket ? CR_SOCKET_PATH_BYTES_MAX : CR_DESKTOP_PATH_BYTES_MAX,
                      desktop->serial_path, err);
}

static int serial_log_set(const struct place *at, const char *value, struct cr_desktop *desktop,
                          struct cr_error *err)
{
    return path_parse(at, value, CR_DESKTOP_PATH_BYTES_MAX, desktop->serial_log, err);
}

/* The file's whole vocabulary; the manual page lists the same keys and a test compares them. */
static const struct key {
    const char *name;
    int (*set)(const struct place *at, const char *value, struct cr_desktop *desktop,
               struct cr_error *err);
    const char *takes;
} keys[] = {
    {"memory", memory_set, "a size, such as 2G"},
    {"cpus", cpus_set, "a number"},
    {"firmware", firmware_set, "bios | uefi"},
    {"disk_bus", disk_bus_set, "virtio | sata | ide | scsi"},
    {"nic", nic_set, "user | none"},
    {"nic_model", nic_model_set, "virtio | e1000e | e1000 | rtl8139"},
    {"display", display_set, "none | vnc"},
    {"serial", serial_set, "none | PATH | socket:PATH"},
    {"serial_log", serial_log_set, "PATH"},
    {"overlay", overlay_set, "boot | logout | daily | weekly | monthly | keep"},
    {"overlay_for", overlay_for_set, "seat | person"},
    {"overlay_update", overlay_update_set, "stay | reset"},
    {"overlay_max", overlay_max_set, "a size, or none"},
    {"overlay_keep_days", overlay_keep_days_set, "a number"},
    {"data_disk", data_disk_set, "a size, or none"},
};

const char *cr_desktop_key(size_t index, const char **ret_takes)
{
    if (index >= CR_ARRAY_LEN(keys))
        return NULL;
    *ret_takes = keys[index].takes;
    return keys[index].name;
}

void cr_desktop_init(struct cr_desktop *desktop)
{
    *desktop = (struct cr_desktop){
        .memory_bytes = 2 * CR_GIB,
        .cpus = 2,
        .firmware = CR_FIRMWARE_BIOS,
        .disk_bus = CR_DISK_BUS_VIRTIO,
        .nic = CR_NIC_USER,
        .nic_model = CR_NIC_MODEL_VIRTIO,
        .display = CR_DISPLAY_NONE,
        .serial = CR_SERIAL_NONE,
    };
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Cut blanks off both ends of `text`, in place. */
static char *text_trim(char *text)
{
    while (is_blank(*text))
        text++;
    size_t len = strlen(text);
    while (len > 0 && is_blank(text[len - 1]))
        len--;
    text[len] = '\0';
    return text;
}

static int key_unknown(const struct place *at, struct cr_error *err)
{
    char known[256] = "";
    size_t used = 0;
    for (size_t i = 0; i < CR_ARRAY_LEN(keys); i++) {
        int n =
            snprintf(known + used, sizeof(known) - used, "%s%s", used ? ", " : "", keys[i].name);
        used += n > 0 && used + (size_t)n < sizeof(known) ? (size_t)n : 0;
    }
    return cr_error_set(err, -EINVAL,
                        "reading desktop file '%s', line %u: unknown key '%.64s'; the keys are %s",
                        at->name, at->line, at->key, known);
}

/* One line, terminated and changed in place. `seen` has a bit for each key met so far. */
static int line_parse(struct place *at, char *line, uint32_t *seen, struct cr_desktop *desktop,
                      struct cr_error *err)
{
    char *text = text_trim(line);
    if (*text == '\0' || *text == '#')
        return 0;
    char *equals = strchr(text, '=');
    if (equals == NULL || equals == text)
        return cr_error_set(err, -EINVAL,
                            "reading desktop file '%s', line %u: '%.64s' is not 'key = value'",
                            at->name, at->line, text);
    *equals = '\0';
    at->key = text_trim(text);
    const char *value = text_trim(equals + 1);
    for (size_t i = 0; i < CR_ARRAY_LEN(keys); i++) {
        if (strcmp(keys[i].name, at->key) != 0)
            continue;
        if (*seen & 1U << i)
            return cr_error_set(err, -EINVAL,
                                "reading desktop file '%s', line %u: '%s' stands there a second "
                                "time; remove one",
                                at->name, at->line, at->key);
        *seen |= 1U << i;
        return keys[i].set(at, value, desktop, err);
    }
    return key_unknown(at, err);
}

/* What no line can tell alone. */
static int desktop_check(const char *name, const struct cr_desktop *desktop, struct cr_error *err)
{
    if (desktop->serial_log[0] != '\0' && desktop->serial != CR_SERIAL_SOCKET)
        return cr_error_set(err, -EINVAL,
                            "reading desktop file '%s': 'serial_log' needs 'serial = socket:PATH'; "
                            "with a plain path the file is the log already",
                            name);
    return 0;
}

int cr_desktop_parse(const char *name, const void *data, size_t len, struct cr_desktop *ret_desktop,
                     struct cr_error *err)
{
    struct cr_desktop desktop;
    cr_desktop_init(&desktop);
    int r = cr_desktop_update(name, data, len, &desktop, err);
    if (r == 0)
        *ret_desktop = desktop;
    return r;
}

int cr_desktop_update(const char *name, const void *data, size_t len,
                      struct cr_desktop *ret_desktop, struct cr_error *err)
{
    struct cr_desktop desktop = *ret_desktop;
    struct place at = {.name = name};
    uint32_t seen = 0;
    const char *bytes = data;

    if (len > CR_DESKTOP_BYTES_MAX)
        return cr_error_set(err, -EMSGSIZE,
                            "reading desktop file '%s': it has %zu bytes and at most %" PRIu64
                            " are read; is it a desktop file?",
                            name, len, (uint64_t)CR_DESKTOP_BYTES_MAX);
    for (size_t start = 0; start < len;) {
        const char *newline = memchr(bytes + start, '\n', len - start);
        size_t line_len = newline != NULL ? (size_t)(newline - (bytes + start)) : len - start;
        char line[CR_DESKTOP_LINE_BYTES_MAX + 1];
        at.line++;
        if (line_len > CR_DESKTOP_LINE_BYTES_MAX)
            return cr_error_set(err, -EMSGSIZE,
                                "reading desktop file '%s', line %u: it has %zu bytes and at most "
                                "%u are read; is it a desktop file?",
                                name, at.line, line_len, CR_DESKTOP_LINE_BYTES_MAX);
        for (size_t i = 0; i < line_len; i++) {
            unsigned char c = (unsigned char)bytes[start + i];
            if ((c < ' ' && !is_blank((char)c)) || c == 0x7f)
                return cr_error_set(err, -EINVAL,
                                    "reading desktop file '%s', line %u: byte 0x%02x is no text; "
                                    "is it a desktop file?",
                                    name, at.line, c);
        }
        memcpy(line, bytes + start, line_len);
        line[line_len] = '\0';
        int r = line_parse(&at, line, &seen, &desktop, err);
        if (r < 0)
            return r;
        start += line_len + 1;
    }
    int r = desktop_check(name, &desktop, err);
    if (r < 0)
        return r;
    *ret_desktop = desktop;
    return 0;
}
