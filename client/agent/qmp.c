/* SPDX-License-Identifier: MIT */
#include "client/agent/qmp.h"

#include "lib/base/mem.h"

#include <errno.h>

int qmp_ask(struct vm *vm, const char *command, json_t *arguments, const char *what,
            json_t **ret_return, struct cr_error *err)
{
    CLEANUP_JSON json_t *request = json_pack("{s:s, s:o}", "execute", command, "arguments",
                                             arguments != NULL ? arguments : json_null());
    CLEANUP_FREE char *text = arguments != NULL ? json_dumps(request, JSON_COMPACT) : NULL;
    CLEANUP_FREE char *answer = NULL;
    if (text == NULL)
        return cr_error_errno(err, -ENOMEM, "%s", what);
    int r = vm_ask(vm, text, &answer, err);
    if (r < 0)
        return cr_error_prefix(err, r, "%s", what);
    CLEANUP_JSON json_t *json = json_loads(answer, 0, NULL);
    json_t *result = json_object_get(json, "return");
    if (result == NULL) {
        const char *reason =
            json_string_value(json_object_get(json_object_get(json, "error"), "desc"));
        return cr_error_set(err, -EIO, "%s: QEMU refused '%s': %s", what, command,
                            reason != NULL ? reason : "no reason given");
    }
    if (ret_return != NULL)
        *ret_return = json_incref(result);
    return 0;
}
