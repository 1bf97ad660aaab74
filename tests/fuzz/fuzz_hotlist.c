/* SPDX-License-Identifier: MIT */
/*
 * Input: a hot list, or recorded boots, without the hash at the end, which is made to fit, as any
 * client can; so the parsers behind the hash are reached.
 */
#include "tests/fuzz/fuzz.h"

#include "lib/base/mem.h"
#include "lib/hotlist/boots.h"
#include "lib/image/manifest.h"

static void check_list(const struct cr_hotlist *list)
{
    REQUIRE(list->count <= CR_HOT_CHUNKS_MAX);
    for (uint32_t i = 0; i < list->count; i++)
        REQUIRE(list->chunks[i] < cr_disk_chunks(list->disk_bytes));
}

static void read_list(const struct cr_buf *bytes)
{
    CLEANUP(cr_hotlist_done) struct cr_hotlist list = {0}, merged = {0};
    CLEANUP_BUF struct cr_buf again = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    struct cr_error err = {0};
    if (cr_hotlist_parse(bytes->data, bytes->len, &list, &err) < 0) {
        REQUIRE(err.text[0] != '\0' && list.chunks == NULL);
        return;
    }
    check_list(&list);
    /* One right form; and one boot is its own merged list. */
    REQUIRE(cr_hotlist_merge(&list, 1, &merged) == 0 && merged.count == list.count);
    REQUIRE(cr_hotlist_format(&merged, &again) == 0);
    REQUIRE(again.len == bytes->len && memcmp(again.data, bytes->data, again.len) == 0);
}

static void read_boots(const struct cr_buf *bytes)
{
    CLEANUP(cr_boots_done) struct cr_boots boots = {0};
    CLEANUP(cr_hotlist_done) struct cr_hotlist merged = {0};
    CLEANUP_BUF struct cr_buf again = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    struct cr_error err = {0};
    if (cr_boots_parse(bytes->data, bytes->len, &boots, &err) < 0) {
        REQUIRE(err.text[0] != '\0' && boots.count == 0);
        return;
    }
    REQUIRE(boots.count >= 1 && boots.count <= CR_HOT_BOOTS_MAX);
    for (uint32_t i = 0; i < boots.count; i++)
        check_list(&boots.boots[i].list);
    REQUIRE(cr_boots_format(&boots, &again) == 0);
    REQUIRE(again.len == bytes->len && memcmp(again.data, bytes->data, again.len) == 0);
    REQUIRE(cr_boots_merge(&boots, &merged) == 0);
    check_list(&merged);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_SIDE_BYTES_MAX);
    struct cr_id hash;
    cr_hash(data, size, &hash);
    if (cr_buf_append(&bytes, data, size) < 0 ||
        cr_buf_append(&bytes, hash.bytes, sizeof(hash.bytes)) < 0)
        return 0;
    read_list(&bytes);
    read_boots(&bytes);
    return 0;
}
