/* SPDX-License-Identifier: MIT */
#include "image-tools/output.h"

#include "image-tools/text.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"

#include <errno.h>
#include <inttypes.h>

void json_cleanup(json_t **json)
{
    json_decref(*json);
}

int output_json(json_t *json, struct cr_error *err)
{
    if (json == NULL || json_dumpf(json, stdout, JSON_INDENT(2)) != 0) {
        json_decref(json);
        return cr_error_set(err, -ENOMEM, "cannot print the result as JSON");
    }
    putchar('\n');
    json_decref(json);
    return 0;
}

json_t *output_version(const char *name, const struct cr_version_info *v)
{
    char root[CR_ID_HEX], parent[CR_REF_TEXT], ref[CR_REF_TEXT];
    struct cr_ref self = {.number = v->number};
    snprintf(self.name, sizeof(self.name), "%s", name);
    return json_pack("{s:s, s:s, s:I, s:s, s:I, s:I, s:I, s:I, s:s?, s:s}", "ref",
                     cr_ref_format(&self, ref), "image", name, "version", (json_int_t)v->number,
                     "root", cr_id_format(&v->root, root), "disk_bytes", (json_int_t)v->disk_bytes,
                     "data_bytes", (json_int_t)v->data_bytes, "stored_bytes",
                     (json_int_t)v->stored_bytes, "created_s", (json_int_t)v->created_s, "parent",
                     v->parent.name[0] != '\0' ? cr_ref_format(&v->parent, parent) : NULL,
                     "message", v->message);
}

void output_version_text(const char *name, const struct cr_version_info *v)
{
    char root[CR_ID_HEX], parent[CR_REF_TEXT], created[TEXT_TIME];
    char disk[CR_BYTES_TEXT], data[CR_BYTES_TEXT], stored[CR_BYTES_TEXT];
    char message[CR_MESSAGE_BYTES_MAX + 1];
    printf("%s@%" PRIu64 "\n", name, v->number);
    printf("  root      %s\n", cr_id_format(&v->root, root));
    printf("  disk      %s (%" PRIu64 " bytes), %s of it data\n",
           cr_bytes_format(v->disk_bytes, disk, sizeof(disk)), v->disk_bytes,
           cr_bytes_format(v->data_bytes, data, sizeof(data)));
    printf("  stored    %s were new to the store\n",
           cr_bytes_format(v->stored_bytes, stored, sizeof(stored)));
    printf("  made      %s\n", text_time(v->created_s, created));
    if (v->parent.name[0] != '\0')
        printf("  made from %s\n", cr_ref_format(&v->parent, parent));
    if (v->message[0] != '\0')
        printf("  message   %s\n", text_clean(v->message, message, sizeof(message)));
}
