/* SPDX-License-Identifier: MIT */
/* carrel trust sign | timestamp */
#include "image-tools/commands.h"
#include "image-tools/trust_key.h"
#include "image-tools/trust_sign.h"

#include <errno.h>

int cmd_trust_sign(struct cli *cli, struct cr_error *err)
{
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    struct sign_job job;
    if (!cli_has(cli, OPT_KEY))
        return cr_error_set(err, -EINVAL, "say with which key: --key FILE or --key pkcs11:URI");
    int r = cli_store_open_writable(cli, &store, err);
    if (r == 0)
        r = sign_job_fill(cli, store, &job, err);
    if (r < 0)
        return r;
    job.only = cli->operands[0];
    return sign_run_and_print(cli, &job, err);
}

int cmd_trust_timestamp(struct cli *cli, struct cr_error *err)
{
    CLEANUP(cli_store_cleanup) struct cr_store *store = NULL;
    struct sign_job job;
    int r = cli_store_open_writable(cli, &store, err);
    if (r == 0)
        r = sign_job_fill(cli, store, &job, err);
    if (r == 0 && job.signer == NULL)
        r = cr_error_set(err, -EINVAL,
                         "say where the signer is: --signer PATH, its socket or its folder");
    if (r < 0)
        return r;
    job.refresh = true;
    return sign_run_and_print(cli, &job, err);
}
