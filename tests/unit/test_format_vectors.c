/* SPDX-License-Identifier: MIT */
/*
 * The test vectors of lib/FORMAT.md. They were written by a second implementation
 * (tests/fixtures/format/generate.py); what it states is what our parsers must find, and what our
 * formatters write must be the same bytes. Frames only need to open: compressors may differ.
 */
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/image/head.h"
#include "lib/image/manifest.h"
#include "lib/image/pack.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <jansson.h>

#define FOLDER "tests/fixtures/format"

static json_t *facts;

static int facts_load(void **state)
{
    (void)state;
    facts = json_load_file(FOLDER "/vectors.json", 0, NULL);
    if (facts == NULL)
        print_error("run this test at the top of the source tree: no %s/vectors.json\n", FOLDER);
    return facts == NULL ? -1 : 0;
}

static int facts_drop(void **state)
{
    (void)state;
    json_decref(facts);
    return 0;
}

static struct cr_buf file_read(const char *name)
{
    struct cr_buf buf = CR_BUF_INIT(CR_MIB);
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", FOLDER, name);
    if (cr_file_read(AT_FDCWD, path, &buf) != 0)
        fail_msg("cannot read '%s'", path);
    return buf;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    assert_non_null(text);
    return text;
}

static uint64_t number_of(const json_t *object, const char *key)
{
    assert_true(json_is_integer(json_object_get(object, key)));
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

static struct cr_id id_of_text(const char *text)
{
    struct cr_id id;
    assert_int_equal(cr_id_parse(text, strlen(text), &id), 0);
    return id;
}

static struct cr_id id_of(const json_t *object, const char *key)
{
    return id_of_text(text_of(object, key));
}

static enum cr_kind kind_of(const char *name)
{
    for (int kind = 0; kind < CR_KIND_COUNT; kind++)
        if (strcmp(cr_kinds[kind].name, name) == 0)
            return (enum cr_kind)kind;
    fail_msg("no kind '%s'", name);
    return CR_KIND_COUNT;
}

/* The plain bytes of the frame in `file`, verified against the id that the vectors state. */
static struct cr_buf object_open(const json_t *object)
{
    enum cr_kind kind = kind_of(text_of(object, "kind"));
    CLEANUP_BUF struct cr_buf frame = file_read(text_of(object, "file"));
    struct cr_buf plain = CR_BUF_INIT(cr_kinds[kind].plain_max);
    struct cr_id id = id_of(object, "id");
    struct cr_error err = {0};
    assert_int_equal(cr_buf_reserve(&plain, plain.max), 0);
    if (cr_object_open(kind, &id, frame.data, frame.len, plain.data, plain.cap, &plain.len, &err) !=
        0)
        fail_msg("%s", err.text);
    return plain;
}

static const json_t *object_of_file(const char *file)
{
    size_t i;
    const json_t *object;
    json_array_foreach(json_object_get(facts, "objects"), i,
                       object) if (strcmp(text_of(object, "file"), file) == 0) return object;
    fail_msg("no object '%s'", file);
    return NULL;
}

static void every_frame_opens_to_the_object_that_it_names(void **state)
{
    (void)state;
    size_t i;
    const json_t *object;
    json_array_foreach(json_object_get(facts, "objects"), i, object)
    {
        CLEANUP_BUF struct cr_buf plain = object_open(object);
        assert_int_equal(plain.len, number_of(object, "plain_bytes"));
    }
    assert_int_equal(i, 6);
}

static void our_frames_of_the_same_objects_open_too(void **state)
{
    (void)state;
    size_t i;
    const json_t *object;
    json_array_foreach(json_object_get(facts, "objects"), i, object)
    {
        enum cr_kind kind = kind_of(text_of(object, "kind"));
        struct cr_id id = id_of(object, "id");
        CLEANUP_BUF struct cr_buf plain = object_open(object);
        CLEANUP_FREE uint8_t *frame = malloc(cr_kinds[kind].frame_max);
        CLEANUP_FREE uint8_t *again = malloc(plain.len);
        size_t frame_len = 0, len = 0;
        assert_int_equal(
            cr_frame_encode(plain.data, plain.len, frame, cr_kinds[kind].frame_max, &frame_len), 0);
        assert_int_equal(cr_object_open(kind, &id, frame, frame_len, again, plain.len, &len, NULL),
                         0);
        assert_int_equal(len, plain.len);
    }
}

static void the_manifest_has_the_stated_fields_and_is_written_the_same(void **state)
{
    (void)state;
    CLEANUP_BUF struct cr_buf bytes = file_read("manifest"), again = CR_BUF_INIT(CR_MIB);
    CLEANUP_BUF struct cr_buf opened = object_open(object_of_file("manifest.zst"));
    CLEANUP(cr_manifest_done) struct cr_manifest manifest = {0};
    const json_t *segments = json_object_get(facts, "segments");
    struct cr_id root;
    assert_int_equal(opened.len, bytes.len);
    assert_memory_equal(opened.data, bytes.data, bytes.len);
    assert_int_equal(cr_manifest_parse(bytes.data, bytes.len, &manifest, NULL), 0);
    assert_true(manifest.disk_bytes == number_of(facts, "disk_bytes"));
    assert_int_equal(manifest.segment_count, json_array_size(segments));
    for (uint32_t i = 0; i < manifest.segment_count; i++) {
        struct cr_id id = id_of_text(json_string_value(json_array_get(segments, i)));
        assert_true(cr_id_equal(&manifest.segments[i], &id));
    }
    assert_int_equal(cr_manifest_format(&manifest, &again), 0);
    assert_int_equal(again.len, bytes.len);
    assert_memory_equal(again.data, bytes.data, bytes.len);
    cr_hash(again.data, again.len, &root);
    struct cr_id stated = id_of(facts, "root");
    assert_true(cr_id_equal(&root, &stated));
}

/* The id that the vectors state for chunk `index` of the disk. */
static struct cr_id chunk_at(uint64_t index)
{
    size_t i;
    const json_t *chunk;
    json_array_foreach(json_object_get(facts, "chunks"), i,
                       chunk) if (number_of(chunk, "index") == index) return id_of(chunk, "id");
    return (struct cr_id){{0}};
}

static void the_segments_have_the_stated_ids_and_are_written_the_same(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        uint32_t index;
    } segments[] = {{"segment-0.zst", 0}, {"segment-2.zst", 2}};
    uint64_t disk_bytes = number_of(facts, "disk_bytes");
    for (size_t i = 0; i < CR_ARRAY_LEN(segments); i++) {
        CLEANUP_BUF struct cr_buf plain = object_open(object_of_file(segments[i].file));
        CLEANUP_BUF struct cr_buf again = CR_BUF_INIT(CR_MIB);
        uint32_t count = cr_segment_chunks(disk_bytes, segments[i].index);
        CLEANUP_FREE struct cr_id *ids = cr_calloc(count, sizeof(*ids));
        assert_int_equal(cr_segment_parse(plain.data, plain.len, count, ids, NULL), 0);
        for (uint32_t j = 0; j < count; j++) {
            struct cr_id id = chunk_at((uint64_t)segments[i].index * CR_SEGMENT_CHUNKS + j);
            assert_true(cr_id_equal(&ids[j], &id));
        }
        assert_int_equal(cr_segment_format(ids, count, &again), 0);
        assert_int_equal(again.len, plain.len);
        assert_memory_equal(again.data, plain.data, plain.len);
    }
}

static void the_plain_segment_beside_its_frame_is_the_same(void **state)
{
    (void)state;
    CLEANUP_BUF struct cr_buf bytes = file_read("segment-2");
    CLEANUP_BUF struct cr_buf plain = object_open(object_of_file("segment-2.zst"));
    assert_int_equal(bytes.len, plain.len);
    assert_memory_equal(bytes.data, plain.data, plain.len);
}

static void the_pack_lists_the_stated_chunks_and_is_written_the_same(void **state)
{
    (void)state;
    const json_t *stated = json_object_get(facts, "pack");
    const json_t *chunks = json_object_get(stated, "chunks");
    CLEANUP_BUF struct cr_buf bytes = file_read("pack");
    struct cr_id name = id_of(stated, "name"), again_name;
    const uint8_t *end = bytes.data + bytes.len;
    size_t len = cr_pack_footer_bytes(end - CR_PACK_TRAILER_BYTES);
    CLEANUP_FREE struct cr_pack_entry *entries = NULL;
    CLEANUP(cr_pack_done) struct cr_pack again;
    uint32_t count = 0;
    assert_int_equal(cr_pack_footer_parse(end - len, len, &name, bytes.len, &entries, &count, NULL),
                     0);
    assert_int_equal(count, json_array_size(chunks));
    cr_pack_init(&again);
    for (uint32_t i = 0; i < count; i++) {
        const json_t *chunk = json_array_get(chunks, i);
        const uint8_t *frame = bytes.data + entries[i].offset;
        static uint8_t plain[CR_CHUNK_BYTES];
        struct cr_id id = id_of(chunk, "id");
        size_t plain_len = 0;
        assert_true(cr_id_equal(&entries[i].id, &id));
        assert_int_equal(entries[i].offset, number_of(chunk, "offset"));
        assert_int_equal(entries[i].frame_len, number_of(chunk, "frame_len"));
        assert_int_equal(cr_object_open(CR_CHUNK, &id, frame, entries[i].frame_len, plain,
                                        sizeof(plain), &plain_len, NULL),
                         0);
        assert_int_equal(cr_pack_add(&again, &id, frame, entries[i].frame_len), 0);
    }
    assert_int_equal(cr_pack_finish(&again, &again_name), 0);
    assert_true(cr_id_equal(&again_name, &name));
    assert_int_equal(again.bytes.len, bytes.len);
    assert_memory_equal(again.bytes.data, bytes.data, bytes.len);
}

static void the_head_has_the_stated_versions_and_is_written_the_same(void **state)
{
    (void)state;
    const json_t *stated = json_object_get(facts, "head");
    const json_t *versions = json_object_get(stated, "versions");
    CLEANUP_BUF struct cr_buf bytes = file_read("head"), again = CR_BUF_INIT(CR_HEAD_BYTES_MAX);
    CLEANUP(cr_head_done) struct cr_head head = {0};
    assert_int_equal(cr_head_parse(bytes.data, bytes.len, text_of(stated, "name"), &head, NULL), 0);
    assert_true(head.next == number_of(stated, "next"));
    assert_int_equal(head.count, json_array_size(versions));
    for (uint32_t i = 0; i < head.count; i++) {
        const json_t *version = json_array_get(versions, i);
        const struct cr_version_info *v = &head.versions[i];
        struct cr_id root = id_of(version, "root");
        char parent[CR_REF_TEXT];
        assert_true(v->number == number_of(version, "number"));
        assert_true(cr_id_equal(&v->root, &root));
        assert_true(v->disk_bytes == number_of(version, "disk_bytes"));
        assert_true(v->data_bytes == number_of(version, "data_bytes"));
        assert_true(v->stored_bytes == number_of(version, "stored_bytes"));
        assert_true(v->created_s == (int64_t)number_of(version, "created_s"));
        assert_string_equal(cr_ref_format(&v->parent, parent), text_of(version, "parent"));
        assert_string_equal(v->message, text_of(version, "message"));
        assert_string_equal(v->by, text_of(version, "by"));
        assert_true(v->pinned == json_is_true(json_object_get(version, "pinned")));
        if (text_of(version, "record")[0] != '\0')
            root = id_of(version, "record");
        assert_true(text_of(version, "record")[0] == '\0' ? cr_id_is_hole(&v->record)
                                                          : cr_id_equal(&v->record, &root));
    }
    const json_t *changes = json_object_get(stated, "changes");
    assert_int_equal(head.change_count, json_array_size(changes));
    for (uint32_t i = 0; i < head.change_count; i++) {
        const json_t *change = json_array_get(changes, i);
        const struct cr_change *c = &head.changes[i];
        assert_string_equal(c->channel, text_of(change, "channel"));
        assert_string_equal(c->kind == CR_CHANGE_PROMOTE ? "promote" : "rollback",
                            text_of(change, "kind"));
        assert_true(c->number == number_of(change, "number"));
        assert_true(c->set_s == (int64_t)number_of(change, "set_s"));
        assert_true(c->at_s == (int64_t)number_of(change, "at_s"));
        assert_string_equal(c->by, text_of(change, "by"));
        assert_string_equal(c->why, text_of(change, "why"));
    }
    assert_int_equal(cr_head_format(&head, &again), 0);
    assert_int_equal(again.len, bytes.len);
    assert_memory_equal(again.data, bytes.data, bytes.len);
}

static void a_head_of_form_1_is_read_and_has_nothing_of_form_2(void **state)
{
    (void)state;
    CLEANUP_BUF struct cr_buf bytes = file_read("head-1");
    CLEANUP(cr_head_done) struct cr_head head = {0};
    assert_int_equal(cr_head_parse(bytes.data, bytes.len, "physics", &head, NULL), 0);
    assert_int_equal(head.count, 2);
    assert_int_equal(head.change_count, 0);
    for (uint32_t i = 0; i < head.count; i++) {
        assert_false(head.versions[i].pinned);
        assert_string_equal(head.versions[i].by, "");
        assert_true(cr_id_is_hole(&head.versions[i].record));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_frame_opens_to_the_object_that_it_names),
        cmocka_unit_test(our_frames_of_the_same_objects_open_too),
        cmocka_unit_test(the_manifest_has_the_stated_fields_and_is_written_the_same),
        cmocka_unit_test(the_segments_have_the_stated_ids_and_are_written_the_same),
        cmocka_unit_test(the_plain_segment_beside_its_frame_is_the_same),
        cmocka_unit_test(the_pack_lists_the_stated_chunks_and_is_written_the_same),
        cmocka_unit_test(the_head_has_the_stated_versions_and_is_written_the_same),
        cmocka_unit_test(a_head_of_form_1_is_read_and_has_nothing_of_form_2),
    };
    return cmocka_run_group_tests(tests, facts_load, facts_drop);
}
