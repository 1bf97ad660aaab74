/* SPDX-License-Identifier: MIT */
#include "lib/base/libexec.h"

#include "lib/base/mem.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* From the folder of the running program: beside it, and as build/<variant>/ is laid out. */
static const char *const beside[] = {".", "../bin", "../plugins"};

static bool found_in(const char *folder, const char *below, const char *name, char *out)
{
    int n = snprintf(out, PATH_MAX, "%s/%s/%s", folder, below, name);
    return n > 0 && n < PATH_MAX && access(out, R_OK) == 0;
}

int cr_libexec_find(const char *name, char out[static PATH_MAX], struct cr_error *err)
{
    const char *said = secure_getenv("CARREL_LIBEXEC");
    char self[PATH_MAX];
    if (said != NULL) {
        if (found_in(said, ".", name, out))
            return 0;
        return cr_error_set(err, -ENOENT, "'%s' is not in '%s', where CARREL_LIBEXEC points", name,
                            said);
    }
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    self[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash != NULL) {
        *slash = '\0';
        for (size_t i = 0; i < CR_ARRAY_LEN(beside); i++)
            if (found_in(self, beside[i], name, out))
                return 0;
    }
    if (found_in(CARREL_LIBEXEC_DIR, ".", name, out))
        return 0;
    return cr_error_set(err, -ENOENT,
                        "'%s' is not installed in '%s': run make install, or set CARREL_LIBEXEC to "
                        "its folder",
                        name, CARREL_LIBEXEC_DIR);
}
