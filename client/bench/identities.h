/* SPDX-License-Identifier: MIT */
/* The certificate folders of the simulated seats (ca.pem, client.pem, client-key.pem). */
#pragma once

#include "lib/base/error.h"

#include <stdbool.h>

struct identities {
    char **folders; /* owned; of the seats, in turn. NULL = none are needed */
    unsigned count;
    bool each;      /* every seat has a certificate of its own */
    char made[512]; /* a folder of ours with certificates that live as long as this; "" = none */
};

/*
 * Find or make what `seats` seats show. `dir` is NULL; or a CA with its key, which issues one
 * certificate for each seat into a folder that identities_done removes; or one client's folder,
 * which all show; or a folder of such folders, taken in turn. Returns 0 or -errno with a sentence;
 * wants identities_done in either case.
 */
int identities_init(struct identities *identities, const char *dir, unsigned seats,
                    struct cr_error *err);
void identities_done(struct identities *identities);

/* Of seat `number`; NULL = none. Borrowed. */
const char *identities_folder(const struct identities *identities, unsigned number);
