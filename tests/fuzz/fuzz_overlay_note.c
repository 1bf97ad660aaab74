/* SPDX-License-Identifier: MIT */
/* Input: the note beside an overlay. What is taken is written and read as the same again. */
#include "tests/fuzz/fuzz.h"

#include "lib/base/mem.h"
#include "lib/desktop/overlay_note.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cr_overlay_note note = {.disk_bytes = 4711}, again;
    struct cr_error err = {""};
    char owner[CR_OVERLAY_OWNER_TEXT];
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(CR_OVERLAY_NOTE_BYTES_MAX);
    if (cr_overlay_note_parse("fuzz", data, size, &note, &err) < 0) {
        REQUIRE(err.text[0] != '\0' && note.disk_bytes == 4711);
        return 0;
    }
    REQUIRE(strchr(note.version, '/') == NULL && note.version[0] != '.');
    cr_overlay_owner(note.person, owner);
    REQUIRE(strchr(owner, '/') == NULL && owner[0] != '.' && strlen(owner) <= 255);
    REQUIRE(cr_overlay_note_format(&note, &text) == 0);
    REQUIRE(cr_overlay_note_parse("again", text.data, text.len, &again, &err) == 0);
    REQUIRE(strcmp(note.version, again.version) == 0 && strcmp(note.root, again.root) == 0 &&
            strcmp(note.person, again.person) == 0 && note.disk_bytes == again.disk_bytes &&
            note.made_s == again.made_s);
    return 0;
}
