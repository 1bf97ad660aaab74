/* SPDX-License-Identifier: MIT */
/* What seats and carrel-syncd say to each other, and what a seat notes: one form, no other. */
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/sync/note.h"
#include "lib/sync/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void questions_about_chunks(void **state)
{
    struct cr_id ids[11];
    bool have[11] = {true, false, true, [8] = true, [10] = true}, got[11];
    CLEANUP_BUF struct cr_buf ask = CR_BUF_INIT(CR_HAVE_REQUEST_MAX);
    CLEANUP_BUF struct cr_buf answer = CR_BUF_INIT(CR_HAVE_ANSWER_MAX);
    CLEANUP_FREE struct cr_id *parsed = NULL;
    struct cr_error err;
    uint32_t count = 0;
    (void)state;
    memset(ids, 7, sizeof(ids));
    assert_int_equal(cr_have_request_format(ids, 11, &ask), 0);
    assert_int_equal(cr_have_request_parse(ask.data, ask.len, &parsed, &count, &err), 0);
    assert_int_equal(count, 11);
    assert_memory_equal(parsed, ids, sizeof(ids));
    assert_int_equal(cr_have_answer_format(have, 11, &answer), 0);
    assert_int_equal(answer.len, CR_HAVE_HEADER_BYTES + 2);
    assert_int_equal(cr_have_answer_parse(answer.data, answer.len, 11, got, &err), 0);
    assert_memory_equal(got, have, sizeof(have));

    assert_int_equal(cr_have_answer_parse(answer.data, answer.len, 12, got, &err), -EBADMSG);
    answer.data[answer.len - 1] |= 0x08; /* a bit of nobody */
    assert_int_equal(cr_have_answer_parse(answer.data, answer.len, 11, got, &err), -EBADMSG);
    for (size_t len = 0; len < ask.len; len++)
        assert_int_equal(cr_have_request_parse(ask.data, len, &parsed, &count, &err), -EBADMSG);
    memset(ask.data + CR_HAVE_HEADER_BYTES, 0, CR_ID_BYTES); /* a hole */
    assert_int_equal(cr_have_request_parse(ask.data, ask.len, &parsed, &count, &err), -EBADMSG);
    memset(ask.data + 8, 0xff, 4);
    assert_int_equal(cr_have_request_parse(ask.data, ask.len, &parsed, &count, &err), -EBADMSG);
}

static void commits(void **state)
{
    struct cr_commit_request request = {
        .name = "physics", .epoch = 4, .expected = 9, .root = {{1, 2}}, .message = "a \"b\" \\"};
    struct cr_commit_request got;
    struct cr_commit_answer answer = {.name = "physics.pc-1", .number = 3, .branch = true}, said;
    struct cr_error err;
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(4096);
    (void)state;
    memcpy(request.parent.name, "physics", 8);
    request.parent.number = 7;
    assert_int_equal(cr_commit_request_format(&request, &text), 0);
    assert_int_equal(cr_commit_request_parse(text.data, text.len, &got, &err), 0);
    assert_string_equal(got.name, "physics");
    assert_string_equal(got.message, request.message);
    assert_int_equal(got.epoch, 4);
    assert_int_equal(got.expected, 9);
    assert_int_equal(got.parent.number, 7);
    assert_true(cr_id_equal(&got.root, &request.root));
    for (size_t len = 0; len < text.len; len++)
        assert_int_equal(cr_commit_request_parse(text.data, len, &got, &err), -EBADMSG);
    text.len = 0;
    assert_int_equal(cr_commit_answer_format(&answer, &text), 0);
    assert_int_equal(cr_commit_answer_parse(text.data, text.len, &said, &err), 0);
    assert_string_equal(said.name, answer.name);
    assert_int_equal(said.number, 3);
    assert_true(said.branch);
}

static void commits_that_are_none(void **state)
{
#define ROOT "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
    static const char *const bad[] = {
        "[]",
        "{}",
        "{\"name\":\"a\",\"epoch\":-1,\"expected\":0,\"root\":\"" ROOT
        "\",\"parent\":\"\",\"message\":\"\"}",
        "{\"name\":\"a@1\",\"epoch\":1,\"expected\":0,\"root\":\"" ROOT
        "\",\"parent\":\"\",\"message\":\"\"}",
        "{\"name\":\"a\",\"epoch\":1,\"expected\":0,\"root\":\"" ROOT
        "\",\"parent\":\"a\",\"message\":\"\"}",
        "{\"name\":\"a\",\"epoch\":1,\"expected\":0,\"root\":\"00\",\"parent\":\"\",\"message\":"
        "\"\"}",
        "{\"name\":\"a\",\"epoch\":1,\"expected\":0,\"root\":\"" ROOT
        "\",\"parent\":\"\",\"message\":\"\",\"more\":1}",
        "{\"name\":\"a\",\"name\":\"a\",\"epoch\":1,\"expected\":0,\"root\":\"" ROOT
        "\",\"parent\":\"\",\"message\":\"\"}",
    };
    struct cr_commit_request got;
    (void)state;
    for (size_t i = 0; i < CR_ARRAY_LEN(bad); i++) {
        struct cr_error err = {0};
        assert_int_equal(cr_commit_request_parse(bad[i], strlen(bad[i]), &got, &err), -EBADMSG);
        assert_true(err.text[0] != '\0');
    }
}

static void claims(void **state)
{
    struct cr_claim_request request = {.name = "physics"}, got;
    struct cr_claim_answer answer = {.epoch = 3, .newest = 8}, said;
    struct cr_error err;
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(4096);
    (void)state;
    assert_int_equal(cr_claim_request_format(&request, &text), 0);
    assert_int_equal(cr_claim_request_parse(text.data, text.len, &got, &err), 0);
    assert_string_equal(got.name, "physics");
    text.len = 0;
    assert_int_equal(cr_claim_answer_format(&answer, &text), 0);
    assert_int_equal(cr_claim_answer_parse(text.data, text.len, &said, &err), 0);
    assert_int_equal(said.epoch, 3);
    assert_int_equal(said.newest, 8);
}

static void notes(void **state)
{
    struct cr_sync_note note = {.name = "physics", .epoch = 2, .newest = 5}, got;
    struct cr_error err = {0};
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(4096);
    char folder[] = "/tmp/carrel-note-XXXXXX", path[64];
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/overlay.sync", folder);
    assert_int_equal(cr_sync_note_read(path, &got, &err), -ENOENT);
    for (unsigned round = 0; round < 2; round++) {
        assert_int_equal(cr_sync_note_write(path, &note, &err), 0);
        assert_int_equal(cr_sync_note_read(path, &got, &err), 0);
        assert_memory_equal(&got, &note, sizeof(note));
        memcpy(note.last.name, "physics.pc-1", 13);
        note.last.number = 6;
    }
    assert_int_equal(cr_sync_note_format(&got, &text), 0);
    for (size_t len = 0; len < text.len; len++)
        assert_int_equal(cr_sync_note_parse(text.data, len, &got, &err), -EBADMSG);
    assert_int_equal(cr_file_replace(AT_FDCWD, path, "x", 1, 0600), 0);
    assert_int_equal(cr_sync_note_read(path, &got, &err), -EBADMSG);
    assert_non_null(strstr(err.text, path));
    cr_dir_remove(AT_FDCWD, folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(questions_about_chunks),
        cmocka_unit_test(commits),
        cmocka_unit_test(commits_that_are_none),
        cmocka_unit_test(claims),
        cmocka_unit_test(notes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
