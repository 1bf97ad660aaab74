/* SPDX-License-Identifier: MIT */
/*
 * The figures in FORMAT.md and PROTOCOL.md are those of the code. A table row that begins with
 * | `CR_NAME` | 65,536 | is compared; a name that is not in the list below must be added to it.
 */
#include "lib/base/fd.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/image/object.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define LIMIT(name)                                                                                \
    {                                                                                              \
#name, name                                                                                \
    }

static const struct limit {
    const char *name;
    uint64_t value;
} limits[] = {
    LIMIT(CR_ID_BYTES),
    LIMIT(CR_CHUNK_BYTES),
    LIMIT(CR_CHUNK_FRAME_MAX),
    LIMIT(CR_SEGMENT_CHUNKS),
    LIMIT(CR_OBJECT_HEADER),
    LIMIT(CR_MANIFEST_HEADER),
    LIMIT(CR_DISK_BYTES_MAX),
    LIMIT(CR_SEGMENTS_MAX),
    LIMIT(CR_MAP_HEADER),
    LIMIT(CR_MAP_PAGE_BYTES),
    LIMIT(CR_PACK_TARGET_BYTES),
    LIMIT(CR_PACK_BYTES_MAX),
    LIMIT(CR_PACK_CHUNKS_MAX),
    LIMIT(CR_NAME_MAX),
    LIMIT(CR_HEAD_BYTES_MAX),
    LIMIT(CR_HEAD_VERSIONS_MAX),
    LIMIT(CR_MESSAGE_BYTES_MAX),
    LIMIT(CR_CHANNEL_MAX),
    LIMIT(CR_WHO_BYTES_MAX),
    LIMIT(CR_CHANGES_MAX),
    LIMIT(CR_CHANGES_KEPT),
    LIMIT(CR_DELTA_GROUP_CHUNKS_MAX),
    LIMIT(CR_DELTA_PREFIX_CHUNKS_MAX),
    LIMIT(CR_DELTA_LITERALS_MAX),
    LIMIT(CR_DELTA_INSTRUCTION_BYTES_MAX),
    LIMIT(CR_IMAGES_MAX),
    LIMIT(CR_GENERATIONS_MAX),
    LIMIT(CR_RADOS_NAME_MAX),
    LIMIT(CR_SIDE_BYTES_MAX),
    LIMIT(CR_TRUST_ROOTS_MAX),
    LIMIT(CR_NOTE_PARTS_MAX),
    LIMIT(CR_NOTE_NAME_BYTES_MAX),
    LIMIT(CR_NOTE_BYTES_MAX),
    LIMIT(CR_TRUST_ROOT_BYTES_MAX),
    LIMIT(CR_TRUST_TARGETS_BYTES_MAX),
    LIMIT(CR_TRUST_SNAPSHOT_BYTES_MAX),
    LIMIT(CR_TRUST_TIMESTAMP_BYTES_MAX),
    LIMIT(CR_TRUST_DEPTH_MAX),
    LIMIT(CR_TRUST_VALUES_MAX),
    LIMIT(CR_TRUST_KEYS_MAX),
    LIMIT(CR_TRUST_KEY_BYTES_MAX),
    LIMIT(CR_TRUST_SIGNATURES_MAX),
    LIMIT(CR_TRUST_SIGNATURE_BYTES_MAX),
    LIMIT(CR_TRUST_DELEGATIONS_MAX),
    LIMIT(CR_TRUST_VISITS_MAX),
    LIMIT(CR_TRUST_ROLE_NAME_BYTES_MAX),
    LIMIT(CR_TRUST_ROTATIONS_MAX),
    LIMIT(CR_BATCH_IDS_MAX),
    LIMIT(CR_HOT_CHUNKS_MAX),
    LIMIT(CR_HOT_BYTES_MAX),
    LIMIT(CR_HOT_BOOTS_MAX),
    LIMIT(CR_HOT_ANCESTORS_MAX),
    LIMIT(CR_URI_BYTES_MAX),
    LIMIT(CR_HTTP_HEAD_BYTES_MAX),
    LIMIT(CR_HTTP_HEADERS_MAX),
    LIMIT(CR_HTTP_SENTENCE_MAX),
    LIMIT(CR_IMAGE_LIST_BYTES_MAX),
    LIMIT(CR_HOST_BYTES_MAX),
    LIMIT(CR_PEERS_MAX),
    LIMIT(CR_PEER_IDS_MAX),
    LIMIT(CR_PEER_TICKET_BYTES),
    LIMIT(CR_PEER_ANSWER_MAX),
    LIMIT(CR_TRACKER_SEATS_MAX),
    LIMIT(CR_TRACKER_SHARE_MAX),
};

static const struct limit *limit_find(const char *name, size_t len)
{
    for (size_t i = 0; i < CR_ARRAY_LEN(limits); i++)
        if (strlen(limits[i].name) == len && memcmp(limits[i].name, name, len) == 0)
            return &limits[i];
    return NULL;
}

/* The number at `text`, with commas between its digits. */
static uint64_t number_parse(const char *text)
{
    char digits[32];
    size_t n = 0;
    uint64_t value = 0;
    for (; n + 1 < sizeof(digits) && ((*text >= '0' && *text <= '9') || *text == ','); text++)
        if (*text != ',')
            digits[n++] = *text;
    digits[n] = '\0';
    if (cr_u64_parse(digits, UINT64_MAX, &value) < 0)
        fail_msg("no number at '%.20s'", text);
    return value;
}

/* Compare one line with the list; 1 when it quotes a limit. */
static unsigned line_check(const char *path, const char *line)
{
    static const char start[] = "| `CR_", middle[] = "` | ";
    if (strncmp(line, start, strlen(start)) != 0)
        return 0;
    const char *name = line + 3, *end = strchr(name, '`');
    if (end == NULL || strncmp(end, middle, strlen(middle)) != 0)
        fail_msg("%s: '%.60s': write | `CR_NAME` | value |", path, line);
    const struct limit *limit = limit_find(name, (size_t)(end - name));
    if (limit == NULL)
        fail_msg("%s quotes '%.*s': add it to the list in tests/unit/test_limits.c", path,
                 (int)(end - name), name);
    uint64_t value = number_parse(end + strlen(middle));
    if (value != limit->value)
        fail_msg("%s says %llu for %s, limits.h says %llu", path, (unsigned long long)value,
                 limit->name, (unsigned long long)limit->value);
    return 1;
}

static unsigned paper_check(const char *path)
{
    CLEANUP_BUF struct cr_buf buf = CR_BUF_INIT(CR_MIB);
    unsigned quoted = 0;
    int r = cr_file_read(AT_FDCWD, path, &buf);
    if (r == 0)
        r = cr_buf_append(&buf, "", 1);
    if (r < 0)
        fail_msg("cannot read '%s': %s; run this at the top of the source tree", path,
                 strerror(-r));
    char *rest = (char *)buf.data;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;)
        quoted += line_check(path, line);
    return quoted;
}

static void format_md_quotes_the_limits_of_the_code(void **state)
{
    (void)state;
    assert_true(paper_check("lib/FORMAT.md") >= 16);
    assert_true(paper_check("lib/seatcache/FORMAT.md") >= 2);
}

static void protocol_md_quotes_the_limits_of_the_code(void **state)
{
    (void)state;
    if (access("lib/PROTOCOL.md", F_OK) != 0)
        skip();
    assert_true(paper_check("lib/PROTOCOL.md") >= 1);
}

static void derived_limits_agree(void **state)
{
    (void)state;
    assert_true(CR_DISK_BYTES_MAX ==
                (uint64_t)CR_SEGMENTS_MAX * CR_SEGMENT_CHUNKS * (uint64_t)CR_CHUNK_BYTES);
    assert_int_equal(cr_kinds[CR_SEGMENT].plain_max, 131088);
    assert_int_equal(cr_kinds[CR_MANIFEST].plain_max, 8388640);
    assert_true(CR_PACK_BYTES_MAX <= UINT32_MAX); /* offsets in packs have 32 bits */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(format_md_quotes_the_limits_of_the_code),
        cmocka_unit_test(protocol_md_quotes_the_limits_of_the_code),
        cmocka_unit_test(derived_limits_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
