/* SPDX-License-Identifier: MIT */
/*
 * Input: the body of the head of image "physics", without its first line, which is made to fit; so
 * the parser behind the hash is reached. An input that has a first line is parsed as it is too.
 */
#include "tests/fuzz/fuzz.h"

#include "lib/base/mem.h"
#include "lib/image/head.h"

#include <errno.h>

static void is_as_promised(const struct cr_head *head)
{
    uint64_t before = 0;
    REQUIRE(strcmp(head->name, "physics") == 0 && head->next >= 1 && head->next <= INT64_MAX);
    REQUIRE(head->count <= CR_HEAD_VERSIONS_MAX);
    for (uint32_t i = 0; i < head->count; i++) {
        const struct cr_version_info *v = &head->versions[i];
        REQUIRE(v->number > before && v->number < head->next);
        REQUIRE(v->disk_bytes > 0 && v->disk_bytes <= CR_DISK_BYTES_MAX);
        REQUIRE(strlen(v->message) <= CR_MESSAGE_BYTES_MAX);
        before = v->number;
    }
}

/* What was parsed is written, and what was written is parsed and written the same. */
static void write_again(const struct cr_head *head)
{
    CLEANUP_BUF struct cr_buf first = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    CLEANUP_BUF struct cr_buf second = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    CLEANUP(cr_head_done) struct cr_head again = {0};
    int r = cr_head_format(head, &first);
    if (r == -EMSGSIZE)
        return; /* written without spaces it was smaller */
    REQUIRE(r == 0);
    REQUIRE(cr_head_parse(first.data, first.len, "physics", &again, NULL) == 0);
    REQUIRE(again.next == head->next && again.count == head->count);
    REQUIRE(cr_head_format(&again, &second) == 0);
    REQUIRE(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
}

static void parse(const void *data, size_t size)
{
    CLEANUP(cr_head_done) struct cr_head head = {0};
    struct cr_error err = {0};
    if (cr_head_parse(data, size, "physics", &head, &err) < 0) {
        REQUIRE(err.text[0] != '\0' && head.versions == NULL);
        return;
    }
    is_as_promised(&head);
    write_again(&head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_BUF struct cr_buf whole = CR_BUF_INIT(size + 128);
    char hex[CR_ID_HEX];
    struct cr_id id;
    cr_hash(data, size, &id);
    if (cr_buf_printf(&whole, "carrel-head 1 %s\n", cr_id_format(&id, hex)) < 0 ||
        cr_buf_append(&whole, data, size) < 0)
        return 0;
    parse(whole.data, whole.len);
    parse(data, size);
    return 0;
}
