/* SPDX-License-Identifier: MIT */
/* Input: a list of files, as carrel-guest-files prints it. */
#include "tests/fuzz/fuzz.h"

#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/base/text.h"
#include "lib/guest/filelist.h"

static int never(void *context, const struct cr_file *before, const struct cr_file *after)
{
    (void)context, (void)before, (void)after;
    REQUIRE(!"a list differs from itself");
    return 0;
}

static int count(void *context, const struct cr_file *before, const struct cr_file *after)
{
    size_t *counted = context;
    REQUIRE((before == NULL) != (after == NULL));
    ++*counted;
    return 0;
}

static void look(const struct cr_file *file)
{
    char path[64];
    REQUIRE(file->path[0] == '/' && strlen(file->path) <= CR_FILE_PATH_BYTES_MAX);
    REQUIRE(strchr("fdlcbps", file->kind) != NULL && file->fs[0] != '\0');
    REQUIRE(cr_text_is_plain(file->fs));
    REQUIRE(cr_text_is_plain(cr_text_escape(file->path, path, sizeof(path))));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(cr_filelist_done) struct cr_filelist list = {0};
    const struct cr_filelist nothing = {0};
    struct cr_error err = {0};
    size_t counted = 0;
    if (cr_filelist_parse(data, size, &list, &err) < 0) {
        REQUIRE(err.text[0] != '\0' && list.text == NULL);
        return 0;
    }
    for (size_t i = 0; i < list.count; i++)
        look(&list.files[i]);
    REQUIRE(cr_filelist_compare(&list, &list, never, NULL) == 0);
    REQUIRE(cr_filelist_compare(&nothing, &list, count, &counted) == 0);
    REQUIRE(cr_filelist_compare(&list, &nothing, count, &counted) == 0);
    REQUIRE(counted == 2 * list.count);
    return 0;
}
