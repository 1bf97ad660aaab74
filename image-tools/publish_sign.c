/* SPDX-License-Identifier: MIT */
#include "image-tools/publish_sign.h"

#include "image-tools/trust_key.h"
#include "image-tools/trust_sign.h"
#include "lib/base/mem.h"
#include "lib/store/side.h"

#include <errno.h>

/* NULL: nobody here signs. */
static const char *key_of(const struct cli *cli)
{
    const char *key =
        cli_has(cli, OPT_SIGN_KEY) ? cli->values[OPT_SIGN_KEY] : getenv("CARREL_TARGETS_KEY");
    return key != NULL && key[0] != '\0' ? key : NULL;
}

int publish_sign(const struct cli *cli, struct cr_store *store, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf root = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    CLEANUP(sign_result_done) struct sign_result result = {0};
    const struct sign_job job = {
        .store = store,
        .key = key_of(cli),
        .secret = trust_secret(cli),
        .signer = trust_signer_path(cli),
        .root_s = CR_TRUST_ROOT_S,
        .targets_s = CR_TRUST_TARGETS_S,
    };
    int r = cr_store_side_read(store, CR_SPACE_TRUST, "1.root.json", &root, err);
    if (r == -ENOENT)
        return 0;
    if (r == 0 && job.key == NULL) {
        if (!cli_has(cli, OPT_QUIET))
            fprintf(stderr, "carrel: this waits for a signature, seats do not see it before: "
                            "carrel trust sign --key KEY\n");
        return 0;
    }
    if (r == 0)
        r = sign_run(&job, &result, err);
    if (r < 0)
        return cr_error_prefix(err, r, "the change is stored and waits for a signature");
    if (!cli_has(cli, OPT_QUIET))
        sign_print(&result, "  ", cli_has(cli, OPT_JSON) ? stderr : stdout);
    return 0;
}
