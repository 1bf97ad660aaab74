/* SPDX-License-Identifier: MIT */
#include "image-tools/published.h"

#include "image-tools/free_space.h"
#include "lib/base/num.h"

#include <errno.h>
#include <inttypes.h>

int published_name(const struct cli *cli, struct cr_ref *ret_name, struct cr_error *err)
{
    int r = cr_ref_parse(cli->operands[0], ret_name, err);
    if (r == 0 && ret_name->channel[0] != '\0')
        return cr_error_set(err, -EINVAL,
                            "'%s' names a channel: give the name '%s', a new version is added, and "
                            "`carrel image promote` moves the channel",
                            cli->operands[0], ret_name->name);
    if (r == 0 && ret_name->number != 0)
        return cr_error_set(err, -EINVAL,
                            "'%s' names a version: versions are never changed; give the name '%s' "
                            "and a new version is added",
                            cli->operands[0], ret_name->name);
    return r;
}

int published_print(const struct cli *cli, const char *name, const struct cr_version_info *info,
                    const struct cr_publish_stat *stat, const struct cr_trim_report *report,
                    struct cr_error *err)
{
    if (cli_has(cli, OPT_JSON)) {
        json_t *json = output_version(NULL, name, info);
        json_object_set_new(json, "new_chunks", json_integer((json_int_t)stat->new_chunks));
        if (report != NULL)
            json_object_set_new(json, "free_space", free_space_json(report));
        return output_json(json, err);
    }
    char root[CR_ID_HEX], disk[CR_BYTES_TEXT], data[CR_BYTES_TEXT], stored[CR_BYTES_TEXT];
    printf("%s@%" PRIu64 " %s\n", name, info->number, cr_id_format(&info->root, root));
    if (cli_has(cli, OPT_QUIET))
        return 0;
    printf("  disk %s, data %s, %s new to the store\n",
           cr_bytes_format(info->disk_bytes, disk, sizeof(disk)),
           cr_bytes_format(info->data_bytes, data, sizeof(data)),
           cr_bytes_format(info->stored_bytes, stored, sizeof(stored)));
    if (report != NULL)
        free_space_print(report);
    return 0;
}
