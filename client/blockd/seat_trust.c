/* SPDX-License-Identifier: MIT */
#include "client/blockd/seat_trust.h"

#include "lib/base/mem.h"
#include "lib/trust/client.h"
#include "lib/trust/store_fetch.h"

#include <errno.h>
#include <time.h>

static void client_cleanup(struct cr_trust_client **client)
{
    cr_trust_client_free(*client);
}

/* What went wrong with the news, and what that means. */
static void warn(const struct seat_settings *settings, const struct cr_trust_state *state,
                 const struct cr_error *why)
{
    char text[CR_ERROR_BYTES + sizeof(state->warning) + 64];
    snprintf(text, sizeof(text), "warning: signed metadata is not up to date: %s%s%s", why->text,
             state->warning[0] != '\0' ? "; " : "", state->warning);
    settings->warn(text);
}

int seat_trust_resolve(const struct seat_settings *settings, struct cr_store *store,
                       struct cr_version_info *ret_info, struct cr_ref *ret_ref,
                       struct cr_error *err)
{
    CLEANUP(client_cleanup) struct cr_trust_client *client = NULL;
    struct cr_error why = {0};
    struct cr_trust_state state;
    struct cr_trust_version version;
    int64_t now_s = time(NULL);
    int r = cr_trust_client_open(settings->trust, &client, err);
    if (r < 0)
        return r;
    int refreshed = cr_trust_refresh(client, cr_trust_store_fetch, store, now_s, &why);
    cr_trust_client_state(client, now_s, &state);
    if (refreshed == -ECANCELED || (refreshed < 0 && state.health == CR_TRUST_EMPTY))
        return cr_error_set(err, refreshed, "nothing can be trusted: %s", why.text);
    if (refreshed < 0)
        warn(settings, &state, &why);
    r = cr_trust_resolve(client, &settings->image, now_s, &version, err);
    if (r < 0)
        return r;
    *ret_ref = version.ref;
    *ret_info = (struct cr_version_info){
        .number = version.ref.number,
        .root = version.root,
        .disk_bytes = version.disk_bytes,
        .created_s = version.created_s,
        .parent = version.parent,
    };
    return 0;
}
