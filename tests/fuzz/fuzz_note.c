/* SPDX-License-Identifier: MIT */
/* Input: a note to the signer. What is accepted is written again as the same bytes. */
#include "tests/fuzz/fuzz.h"

#include "lib/base/mem.h"
#include "lib/trust/note.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct cr_note note;
    CLEANUP_BUF struct cr_buf again = CR_BUF_INIT(CR_NOTE_BYTES_MAX);
    struct cr_error err = {0};
    if (cr_note_parse(data, size, &note, &err) < 0) {
        REQUIRE(err.text[0] != '\0');
        return 0;
    }
    REQUIRE(note.count <= CR_NOTE_PARTS_MAX);
    REQUIRE(cr_note_begin(&again, note.count) == 0);
    for (uint32_t i = 0; i < note.count; i++) {
        const struct cr_note_part *part = &note.parts[i];
        REQUIRE(cr_note_find(&note, part->name) == part);
        REQUIRE(cr_note_add(&again, part->name, part->data, part->len) == 0);
    }
    REQUIRE(again.len == size && memcmp(again.data, data, size) == 0);
    return 0;
}
