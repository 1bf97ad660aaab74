/* SPDX-License-Identifier: MIT */
#include "lib/blk/qemu_img.h"

#include "lib/base/command.h"
#include "lib/base/limits.h"

#include <string.h>

int cr_qemu_img_run(struct cr_qemu_img *run, const char *const *argv, struct cr_error *err)
{
    cr_buf_init(&run->out, CR_TOOL_OUTPUT_BYTES_MAX);
    cr_buf_init(&run->messages, CR_TOOL_MESSAGE_BYTES_MAX);
    return cr_command_run(argv, &run->out, &run->messages, &run->status, err);
}

void cr_qemu_img_done(struct cr_qemu_img *run)
{
    cr_buf_done(&run->out);
    cr_buf_done(&run->messages);
}

const char *cr_qemu_img_complaint(struct cr_qemu_img *run)
{
    static const char prefix[] = "qemu-img: ", none[] = "no reason given";
    if (run->messages.len == 0)
        return none;
    if (run->messages.len == run->messages.max)
        run->messages.len--;
    if (cr_buf_append(&run->messages, "", 1) < 0)
        return none;
    char *text = (char *)run->messages.data;
    text[strcspn(text, "\n")] = '\0';
    if (strncmp(text, prefix, sizeof(prefix) - 1) == 0)
        text += sizeof(prefix) - 1;
    return *text != '\0' ? text : none;
}

json_t *cr_qemu_img_json(const struct cr_qemu_img *run)
{
    return json_loadb((const char *)run->out.data, run->out.len, JSON_REJECT_DUPLICATES, NULL);
}

const char *cr_json_text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

uint64_t cr_json_u64(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));
    return value > 0 ? (uint64_t)value : 0;
}
