/* SPDX-License-Identifier: MIT */
#include "lib/base/who.h"

#include "lib/base/text.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const char *cr_who(char out[static CR_WHO_BYTES_MAX + 1])
{
    const char *said = getenv("CARREL_BY");
    char text[CR_WHO_BYTES_MAX + 1], host[65] = "", room[4096];
    struct passwd entry, *found = NULL;
    if (said != NULL && said[0] != '\0')
        return cr_text_clean(said, out, CR_WHO_BYTES_MAX + 1);
    if (gethostname(host, sizeof(host) - 1) < 0)
        snprintf(host, sizeof(host), "localhost");
    if (getpwuid_r(geteuid(), &entry, room, sizeof(room), &found) == 0 && found != NULL)
        snprintf(text, sizeof(text), "%.60s@%.64s", found->pw_name, host);
    else
        snprintf(text, sizeof(text), "uid %u@%.64s", (unsigned)geteuid(), host);
    return cr_text_clean(text, out, CR_WHO_BYTES_MAX + 1);
}
