/* SPDX-License-Identifier: MIT */
#include "image-tools/publish_sign.h"

#include "lib/base/mem.h"
#include "lib/store/side.h"

#include <errno.h>

int publish_sign(const struct cli *cli, struct cr_store *store, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf root = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    int r = cr_store_side_read(store, CR_SPACE_TRUST, "1.root.json", &root, err);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return cr_error_prefix(err, r, "the change stands, but whether it must be signed");
    if (!cli_has(cli, OPT_QUIET))
        fprintf(stderr, "carrel: seats will see this when it is signed: carrel trust sign "
                        "--key KEY\n");
    return 0;
}
