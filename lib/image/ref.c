/* SPDX-License-Identifier: MIT */
/* What a person writes for an image, one of its versions, or where one of its channels points. */
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/image/head.h"

#include <errno.h>
#include <inttypes.h>

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool name_is_valid(const char *name, size_t len, size_t max)
{
    if (len == 0 || len > max || !name_char(name[0]))
        return false;
    for (size_t i = 1; i < len; i++)
        if (!name_char(name[i]) && strchr("._-", name[i]) == NULL)
            return false;
    return true;
}

/* Digits alone are refused, so that nobody takes "physics:7" for version 7. */
bool cr_channel_is_valid(const char *channel)
{
    return name_is_valid(channel, strlen(channel), CR_CHANNEL_MAX) &&
           channel[strspn(channel, "0123456789")] != '\0';
}

int cr_ref_parse(const char *text, struct cr_ref *ret_ref, struct cr_error *err)
{
    struct cr_ref ref = {0};
    size_t len = strcspn(text, "@:");
    const char *behind = text[len] == '\0' ? NULL : text + len + 1;
    if (!name_is_valid(text, len, CR_NAME_MAX))
        return cr_error_set(err, -EINVAL,
                            "'%.100s' is not an image name: use 1 to %u letters, digits, '.', '_', "
                            "'-', a letter or digit first",
                            text, CR_NAME_MAX);
    if (text[len] == '@' && (cr_u64_parse(behind, INT64_MAX, &ref.number) < 0 || ref.number == 0))
        return cr_error_set(err, -EINVAL,
                            "'%.100s' does not name a version: write NAME@N with N from 1", text);
    if (text[len] == ':') {
        if (!cr_channel_is_valid(behind))
            return cr_error_set(err, -EINVAL,
                                "'%.100s' does not name a channel: write NAME:CHANNEL, 1 to %u "
                                "letters, digits, '.', '_', '-', a letter or digit first, not "
                                "digits alone",
                                text, CR_CHANNEL_MAX);
        snprintf(ref.channel, sizeof(ref.channel), "%s", behind);
    }
    memcpy(ref.name, text, len);
    *ret_ref = ref;
    return 0;
}

const char *cr_ref_format(const struct cr_ref *ref, char out[static CR_REF_TEXT])
{
    if (ref->number != 0)
        snprintf(out, CR_REF_TEXT, "%s@%" PRIu64, ref->name, ref->number);
    else if (ref->channel[0] != '\0')
        snprintf(out, CR_REF_TEXT, "%s:%s", ref->name, ref->channel);
    else
        snprintf(out, CR_REF_TEXT, "%s", ref->name);
    return out;
}
