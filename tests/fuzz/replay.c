/* SPDX-License-Identifier: MIT */
/* Stands in for the fuzzer's main: runs the target once for each file named, or in each folder. */
#include "lib/base/buf.h"
#include "lib/base/fd.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path, unsigned *count)
{
    CLEANUP_BUF struct cr_buf buf = CR_BUF_INIT(64 * CR_MIB);
    int r = cr_file_read(AT_FDCWD, path, &buf);
    if (r < 0)
        return r;
    /* A copy of exactly this size, so that the sanitizer sees one byte too far. */
    CLEANUP_FREE uint8_t *exact = malloc(buf.len ? buf.len : 1);
    if (exact == NULL)
        return -ENOMEM;
    if (buf.len > 0)
        memcpy(exact, buf.data, buf.len);
    LLVMFuzzerTestOneInput(exact, buf.len);
    (*count)++;
    return 0;
}

int main(int argc, char **argv)
{
    unsigned count = 0;
    for (int i = 1; i < argc; i++) {
        CLEANUP_CLOSEDIR DIR *dir = opendir(argv[i]);
        if (dir == NULL) {
            int r = replay(argv[i], &count);
            if (r < 0) {
                fprintf(stderr, "replay: '%s': %s\n", argv[i], strerror(-r));
                return 1;
            }
            continue;
        }
        for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
            char path[PATH_MAX];
            if (entry->d_name[0] == '.')
                continue;
            snprintf(path, sizeof(path), "%s/%s", argv[i], entry->d_name);
            if (replay(path, &count) < 0)
                return 1;
        }
    }
    printf("%u inputs replayed\n", count);
    return count > 0 ? 0 : 1;
}
