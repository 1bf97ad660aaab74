/* SPDX-License-Identifier: MIT */
/* What several commands take from the command line. */
#include "image-tools/cli.h"

#include "image-tools/stop.h"
#include "image-tools/text.h"
#include "lib/store/version.h"

#include <errno.h>

int cli_store_open(const struct cli *cli, struct cr_store **ret_store, struct cr_error *err)
{
    const char *uri = cli->values[OPT_STORE];
    if (uri == NULL)
        uri = getenv("CARREL_STORE");
    if (uri == NULL || uri[0] == '\0')
        return cr_error_set(err, -EINVAL, "no store is named: add --store URI or set CARREL_STORE");
    int r = cr_store_open(uri, ret_store, err);
    if (r == 0)
        stop_set_store(*ret_store);
    return r;
}

void cli_store_cleanup(struct cr_store **store)
{
    stop_set_store(NULL);
    cr_store_close(*store);
}

int cli_store_open_writable(const struct cli *cli, struct cr_store **ret_store,
                            struct cr_error *err)
{
    struct cr_store *store;
    int r = cli_store_open(cli, &store, err);
    if (r < 0)
        return r;
    r = cr_store_writable(store, err);
    if (r < 0) {
        cli_store_cleanup(&store);
        return r;
    }
    *ret_store = store;
    return 0;
}

int cli_pair_open(const struct cli *cli, struct cr_store **ret_store, struct cr_version **ret_a,
                  struct cr_version **ret_b, struct cr_error *err)
{
    struct cr_ref a, b;
    int r = cr_ref_parse(cli->operands[0], &a, err);
    if (r == 0)
        r = cr_ref_parse(cli->operands[1], &b, err);
    if (r == 0)
        r = cli_store_open(cli, ret_store, err);
    if (r == 0)
        r = cr_version_open(*ret_store, &a, ret_a, err);
    return r < 0 ? r : cr_version_open(*ret_store, &b, ret_b, err);
}

int cli_message(const struct cli *cli, const char **ret_message, struct cr_error *err)
{
    const char *message = cli->values[OPT_MESSAGE];
    if (message != NULL && strlen(message) > CR_MESSAGE_BYTES_MAX)
        return cr_error_set(err, -EINVAL, "the message has %zu bytes; shorten it to %u",
                            strlen(message), CR_MESSAGE_BYTES_MAX);
    if (message != NULL && !text_is_plain(message))
        return cr_error_set(err, -EINVAL,
                            "the message holds control characters or is not UTF-8; write one line "
                            "of plain text");
    *ret_message = message;
    return 0;
}
