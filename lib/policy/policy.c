/* SPDX-License-Identifier: MIT */
#include "lib/policy/policy.h"

#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/trust/fields.h"

#include <errno.h>
#include <string.h>

#define FILL_BYTES_S_DEFAULT (8 * CR_MIB)
#define HEARTBEAT_S_DEFAULT  60U

void cr_policy_done(struct cr_policy *policy)
{
    cr_buf_done(&policy->desktop);
    *policy = (struct cr_policy){0};
}

/* --- values ---------------------------------------------------------------------------------- */

static int number_take(const json_t *value, uint64_t min, uint64_t max, uint32_t *ret_number,
                       struct cr_error *err)
{
    if (!json_is_integer(value) || json_integer_value(value) < (json_int_t)min ||
        json_integer_value(value) > (json_int_t)max)
        return cr_error_set(err, -EBADMSG, "it is no whole number from %llu to %llu",
                            (unsigned long long)min, (unsigned long long)max);
    *ret_number = (uint32_t)json_integer_value(value);
    return 0;
}

static int text_take(const json_t *value, const char **ret_text, struct cr_error *err)
{
    if (!json_is_string(value))
        return cr_error_set(err, -EBADMSG, "it is no text");
    *ret_text = json_string_value(value);
    return 0;
}

static int name_set(const json_t *value, struct cr_policy *policy, struct cr_error *err)
{
    struct cr_ref ref;
    const char *text = "";
    int r = text_take(value, &text, err);
    if (r == 0 && (cr_ref_parse(text, &ref, err) < 0 || ref.number != 0 || ref.channel[0] != '\0'))
        r = cr_error_set(err, -EBADMSG, "'%.80s' is no name like that of an image", text);
    if (r == 0)
        memcpy(policy->name, ref.name, sizeof(policy->name));
    return r;
}

static int image_set(const json_t *value, struct cr_policy *policy, struct cr_error *err)
{
    struct cr_ref ref;
    const char *text = "";
    int r = text_take(value, &text, err);
    if (r == 0 && cr_ref_parse(text, &ref, err) < 0)
        r = -EBADMSG;
    if (r == 0)
        cr_ref_format(&ref, policy->image);
    return r;
}

/* {"memory": "4G"} becomes the line "memory = 4G", so that there is one parser of a desktop. */
static int desktop_set(const json_t *value, struct cr_policy *policy, struct cr_error *err)
{
    struct cr_desktop parsed;
    const char *key;
    json_t *each;
    int r = 0;
    if (!json_is_object(value))
        return cr_error_set(err, -EBADMSG, "it is no object of texts");
    json_object_foreach((json_t *)(uintptr_t)value, key, each)
    {
        const char *text = json_string_value(each);
        if (text == NULL || strpbrk(text, "\r\n") != NULL || strpbrk(key, "\r\n=#") != NULL)
            return cr_error_set(err, -EBADMSG, "'%.64s' is no key with a text of one line", key);
        r = cr_buf_printf(&policy->desktop, "%s = %s\n", key, text);
        if (r < 0)
            return cr_error_errno(err, r, "its desktop");
    }
    r = cr_desktop_parse("policy", policy->desktop.data, policy->desktop.len, &parsed, err);
    return r < 0 ? -EBADMSG : 0;
}

static int word_take(const json_t *value, const char *const words[], int *ret_index,
                     struct cr_error *err)
{
    const char *text = "";
    int r = text_take(value, &text, err);
    if (r < 0)
        return r;
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(text, words[i]) == 0) {
            *ret_index = i;
            return 0;
        }
    }
    return cr_error_set(err, -EBADMSG, "'%.64s' is none of its words", text);
}

static int network_set(const json_t *value, struct cr_policy *policy, struct cr_error *err)
{
    static const char *const words[] = {"off", "on", NULL};
    int word = 0;
    int r = word_take(value, words, &word, err);
    if (r == 0)
        policy->network = word == 1;
    return r;
}

static int fill_rate_set(const json_t *value, struct cr_policy *policy, struct cr_error *err)
{
    const char *text = "";
    int r = text_take(value, &text, err);
    if (r == 0 && cr_bytes_parse(text, CR_GIB * 128, &policy->fill_bytes_s) < 0)
        r = cr_error_set(err, -EBADMSG, "'%.64s' is no number of bytes a second such as '20M'",
                         text);
    return r;
}

static int lease_days_set(const json_t *value, struct cr_policy *policy, struct cr_error *err)
{
    return number_take(value, 0, CR_POLICY_LEASE_DAYS_MAX, &policy->lease_days, err);
}

static int heartbeat_set(const json_t *value, struct cr_policy *policy, struct cr_error *err)
{
    return number_take(value, 5, 24 * 60 * 60, &policy->heartbeat_s, err);
}

static int idle_set(const json_t *value, struct cr_policy *policy, struct cr_error *err)
{
    static const char *const words[] = {"nothing", "restore", "poweroff", NULL};
    int word = 0;
    int r = word_take(json_object_get(value, "do"), words, &word, err);
    if (r == 0)
        r = number_take(json_object_get(value, "after_minutes"), 1, 7 * 24 * 60,
                        &policy->idle_minutes, err);
    if (r == 0 && json_object_size(value) != 2)
        r = cr_error_set(err, -EBADMSG, "it has more than 'do' and 'after_minutes'");
    if (r == 0)
        policy->idle = (enum cr_idle_action)word;
    return r;
}

/* "18:30" */
static int power_off_set(const json_t *value, struct cr_policy *policy, struct cr_error *err)
{
    const char *text = "";
    uint64_t hour = 0, minute = 0;
    int r = text_take(value, &text, err);
    if (r < 0)
        return r;
    const char *rest = text;
    if (strlen(text) != 5 || text[2] != ':' || cr_u64_take(&rest, 23, &hour) < 0 ||
        rest != text + 2 || (rest++, cr_u64_take(&rest, 59, &minute) < 0) || rest != text + 5)
        return cr_error_set(err, -EBADMSG, "'%.16s' is no time of the day such as '18:30'", text);
    policy->power_off = true;
    policy->power_off_minute = (uint32_t)(60 * hour + minute);
    return 0;
}

static int usb_rule_take(const json_t *value, struct cr_usb_rule *ret_rule, struct cr_error *err)
{
    struct cr_usb_rule rule = {
        .class_code = CR_USB_ANY, .vendor = CR_USB_ANY, .product = CR_USB_ANY};
    struct {
        const char *name;
        uint32_t max;
        uint32_t *number;
    } const fields[] = {{"class", 255, &rule.class_code},
                        {"vendor", 65535, &rule.vendor},
                        {"product", 65535, &rule.product}};
    const json_t *allow = json_object_get(value, "allow");
    size_t known = 1;
    if (!json_is_boolean(allow))
        return cr_error_set(err, -EBADMSG, "its 'allow' is missing or neither true nor false");
    rule.allow = json_is_true(allow);
    for (size_t i = 0; i < CR_ARRAY_LEN(fields); i++) {
        const json_t *field = json_object_get(value, fields[i].name);
        int r = field == NULL ? 0 : number_take(field, 0, fields[i].max, fields[i].number, err);
        if (r < 0)
            return cr_error_prefix(err, r, "'%s'", fields[i].name);
        known += field != NULL;
    }
    if (json_object_size(value) != known)
        return cr_error_set(err, -EBADMSG,
                            "it has more than 'allow', 'class', 'vendor' and 'product'");
    *ret_rule = rule;
    return 0;
}

static int usb_set(const json_t *value, struct cr_policy *policy, struct cr_error *err)
{
    if (!json_is_array(value) || json_array_size(value) > CR_POLICY_USB_RULES_MAX)
        return cr_error_set(err, -EBADMSG, "it is no array of at most %u rules",
                            CR_POLICY_USB_RULES_MAX);
    for (size_t i = 0; i < json_array_size(value); i++) {
        int r = usb_rule_take(json_array_get(value, i), &policy->usb[i], err);
        if (r < 0)
            return cr_error_prefix(err, r, "rule %zu", i + 1);
    }
    policy->usb_count = (uint32_t)json_array_size(value);
    return 0;
}

/* --- the table ------------------------------------------------------------------------------- */

static bool text_equal(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static bool name_equal(const struct cr_policy *a, const struct cr_policy *b)
{
    return text_equal(a->name, b->name);
}

static bool image_equal(const struct cr_policy *a, const struct cr_policy *b)
{
    return text_equal(a->image, b->image);
}

static bool desktop_equal(const struct cr_policy *a, const struct cr_policy *b)
{
    return a->desktop.len == b->desktop.len &&
           (a->desktop.len == 0 || memcmp(a->desktop.data, b->desktop.data, a->desktop.len) == 0);
}

static bool usb_equal(const struct cr_policy *a, const struct cr_policy *b)
{
    for (uint32_t i = 0; i < a->usb_count && i < b->usb_count; i++) {
        const struct cr_usb_rule *x = &a->usb[i], *y = &b->usb[i];
        if (x->allow != y->allow || x->class_code != y->class_code || x->vendor != y->vendor ||
            x->product != y->product)
            return false;
    }
    return a->usb_count == b->usb_count;
}

static bool idle_equal(const struct cr_policy *a, const struct cr_policy *b)
{
    return a->idle == b->idle && a->idle_minutes == b->idle_minutes;
}

static bool power_off_equal(const struct cr_policy *a, const struct cr_policy *b)
{
    return a->power_off == b->power_off && a->power_off_minute == b->power_off_minute;
}

#define NUMBER_EQUAL(field)                                                                        \
    static bool field##_equal(const struct cr_policy *a, const struct cr_policy *b)                \
    {                                                                                              \
        return a->field == b->field;                                                               \
    }
NUMBER_EQUAL(network)
NUMBER_EQUAL(fill_bytes_s)
NUMBER_EQUAL(lease_days)
NUMBER_EQUAL(heartbeat_s)

static const struct key {
    struct cr_policy_key face;
    int (*set)(const json_t *value, struct cr_policy *policy, struct cr_error *err);
    bool (*equal)(const struct cr_policy *a, const struct cr_policy *b);
} keys[] = {
    {{"name", CR_EFFECT_LIVE, "a name for people"}, name_set, name_equal},
    {{"image", CR_EFFECT_NEXT_START, "NAME, NAME@N or NAME:CHANNEL"}, image_set, image_equal},
    {{"desktop", CR_EFFECT_NEXT_START, "the keys of a desktop file, as texts"},
     desktop_set,
     desktop_equal},
    {{"network", CR_EFFECT_LIVE, "on | off"}, network_set, network_equal},
    {{"fill_rate", CR_EFFECT_NEXT_START, "bytes a second, such as 20M"},
     fill_rate_set,
     fill_bytes_s_equal},
    {{"lease_days", CR_EFFECT_LIVE, "a number"}, lease_days_set, lease_days_equal},
    {{"heartbeat", CR_EFFECT_LIVE, "seconds"}, heartbeat_set, heartbeat_s_equal},
    {{"idle", CR_EFFECT_LIVE, "{do: nothing | restore | poweroff, after_minutes: a number}"},
     idle_set,
     idle_equal},
    {{"power_off", CR_EFFECT_LIVE, "HH:MM, local time"}, power_off_set, power_off_equal},
    {{"usb", CR_EFFECT_LIVE, "rules {allow, class, vendor, product}"}, usb_set, usb_equal},
};

const struct cr_policy_key *cr_policy_key(size_t index)
{
    return index < CR_ARRAY_LEN(keys) ? &keys[index].face : NULL;
}

bool cr_policy_key_equal(size_t index, const struct cr_policy *a, const struct cr_policy *b)
{
    return keys[index].equal(a, b);
}

/* --- the whole ------------------------------------------------------------------------------- */

static void policy_init(struct cr_policy *policy)
{
    *policy = (struct cr_policy){
        .network = true,
        .fill_bytes_s = FILL_BYTES_S_DEFAULT,
        .heartbeat_s = HEARTBEAT_S_DEFAULT,
    };
    cr_buf_init(&policy->desktop, CR_DESKTOP_BYTES_MAX);
}

/* The fields of the envelope stand in the same object. */
static bool is_of_the_envelope(const char *name)
{
    return strcmp(name, "_type") == 0 || strcmp(name, "version") == 0 ||
           strcmp(name, "expires") == 0;
}

static int member_take(const char *name, const json_t *value, struct cr_policy *policy,
                       struct cr_error *err)
{
    if (is_of_the_envelope(name))
        return 0;
    for (size_t i = 0; i < CR_ARRAY_LEN(keys); i++) {
        if (strcmp(name, keys[i].face.name) != 0)
            continue;
        int r = keys[i].set(value, policy, err);
        return r < 0 ? cr_error_prefix(err, r, "its key '%s'", name) : 0;
    }
    return cr_error_set(err, -EBADMSG,
                        "its key '%.64s' is not known here; bring this seat's Carrel up to date, "
                        "or take the key out",
                        name);
}

int cr_policy_parse(json_t *body, struct cr_policy *ret_policy, struct cr_error *err)
{
    CLEANUP_POLICY struct cr_policy policy;
    const char *name;
    json_t *value;
    policy_init(&policy);
    if (!json_is_object(body))
        return cr_error_set(err, -EBADMSG, "it is no JSON object");
    json_object_foreach(body, name, value)
    {
        int r = member_take(name, value, &policy, err);
        if (r < 0)
            return r;
    }
    *ret_policy = policy;
    policy_init(&policy);
    return 0;
}

int cr_policy_open(const void *data, size_t len, const struct cr_trust_key *trusted,
                   size_t key_count, struct cr_policy *ret_policy, struct cr_error *err)
{
    CLEANUP_SIGNED struct cr_signed document = {0};
    int r = cr_signed_open(data, len, "policy", trusted, key_count, &document, err);
    if (r == 0)
        r = cr_policy_parse(document.body, ret_policy, err);
    if (r < 0)
        return r;
    ret_policy->version = document.version;
    ret_policy->expires_s = document.expires_s;
    return 0;
}

bool cr_policy_usb_allows(const struct cr_policy *policy, uint32_t class_code, uint32_t vendor,
                          uint32_t product)
{
    for (uint32_t i = 0; i < policy->usb_count; i++) {
        const struct cr_usb_rule *rule = &policy->usb[i];
        if ((rule->class_code == CR_USB_ANY || rule->class_code == class_code) &&
            (rule->vendor == CR_USB_ANY || rule->vendor == vendor) &&
            (rule->product == CR_USB_ANY || rule->product == product))
            return rule->allow;
    }
    return false;
}
