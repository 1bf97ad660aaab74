/* SPDX-License-Identifier: MIT */
/*
 * Input: the body of the head of image "physics", without its first line, which is made to fit; so
 * the parser behind the hash is reached, in both forms. An input that has a first line is parsed as
 * it is too.
 */
#include "tests/fuzz/fuzz.h"

#include "lib/base/mem.h"
#include "lib/image/channel.h"

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
        REQUIRE(strlen(v->by) <= CR_WHO_BYTES_MAX && v->parent.channel[0] == '\0');
        before = v->number;
    }
    REQUIRE(head->change_count <= CR_CHANGES_MAX);
    for (uint32_t i = 0; i < head->change_count; i++) {
        const struct cr_change *c = &head->changes[i];
        REQUIRE(cr_channel_is_valid(c->channel) && c->number < head->next);
        REQUIRE(strlen(c->by) <= CR_WHO_BYTES_MAX && strlen(c->why) <= CR_MESSAGE_BYTES_MAX);
    }
}

/* Where the channels point, at the times that the head itself names. */
static void channels_are_consistent(const struct cr_head *head)
{
    CLEANUP_FREE const char **names = NULL;
    size_t count = 0;
    REQUIRE(cr_head_channels(head, &names, &count) == 0 && count <= head->change_count);
    for (uint32_t i = 0; i < head->change_count && i < 50; i++) {
        int64_t now_s = head->changes[i].at_s;
        for (size_t n = 0; n < count && n < 50; n++) {
            const struct cr_change *now = cr_head_channel(head, names[n], now_s);
            const struct cr_change *later = cr_head_scheduled(head, names[n], now_s);
            uint64_t number = 0;
            REQUIRE(now == NULL || (now->at_s <= now_s && strcmp(now->channel, names[n]) == 0));
            REQUIRE(later == NULL || later->at_s > now_s);
            REQUIRE(now == NULL || cr_head_needed(head, now->number, now_s) != NULL);
            if (cr_head_before(head, names[n], now_s, &number) == 0)
                REQUIRE(number != 0 && cr_head_find(head, number) != NULL);
        }
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
    REQUIRE(again.change_count == head->change_count);
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
    channels_are_consistent(&head);
    write_again(&head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char hex[CR_ID_HEX];
    struct cr_id id;
    cr_hash(data, size, &id);
    for (int form = 1; form <= 2; form++) {
        CLEANUP_BUF struct cr_buf whole = CR_BUF_INIT(size + 128);
        if (cr_buf_printf(&whole, "carrel-head %d %s\n", form, cr_id_format(&id, hex)) < 0 ||
            cr_buf_append(&whole, data, size) < 0)
            return 0;
        parse(whole.data, whole.len);
    }
    parse(data, size);
    return 0;
}
