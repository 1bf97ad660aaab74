/* SPDX-License-Identifier: MIT */
/* tuf-canonical <JSON: the canonical form that lib/trust signs. */
#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/trust/json.h"

#include <stdio.h>

int main(void)
{
    char data[65536];
    CLEANUP_JSON json_t *json = NULL;
    CLEANUP_BUF struct cr_buf out = CR_BUF_INIT(sizeof(data));
    struct cr_error err = {0};
    size_t len = fread(data, 1, sizeof(data), stdin);
    if (cr_json_parse(data, len, sizeof(data), &json, &err) < 0 ||
        cr_json_canonical(json, &out) < 0) {
        fprintf(stderr, "tuf-canonical: %s\n", err.text);
        return 1;
    }
    return fwrite(out.data, 1, out.len, stdout) == out.len ? 0 : 1;
}
