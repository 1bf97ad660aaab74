/* SPDX-License-Identifier: MIT */
#include "lib/store/packtouch.h"

#include "lib/base/mem.h"

#include <assert.h>
#include <errno.h>

#define WAYS 4U /* records that a name may have; the one touched longest ago makes room */

struct cr_packtouch {
    struct cr_touch_record *records;
    size_t count;
    uint64_t last;    /* hash of the pack touched last */
    uint32_t touches; /* of another pack than the one before; may wrap */
};

int cr_packtouch_new(size_t records, struct cr_packtouch **ret_table)
{
    assert(records >= WAYS && (records & (records - 1)) == 0);
    CLEANUP_FREE struct cr_packtouch *table = cr_calloc(1, sizeof(*table));
    if (table == NULL)
        return -ENOMEM;
    table->records = cr_calloc(records, sizeof(*table->records));
    if (table->records == NULL)
        return -ENOMEM;
    table->count = records;
    *ret_table = TAKE_PTR(table);
    return 0;
}

void cr_packtouch_free(struct cr_packtouch *table)
{
    if (table == NULL)
        return;
    free(table->records);
    free(table);
}

struct cr_touch_record *cr_packtouch_find(struct cr_packtouch *table, const struct cr_id *name)
{
    uint64_t hash = cr_id_hash(name);
    struct cr_touch_record *set = &table->records[hash & (table->count - WAYS)], *oldest = set;
    for (struct cr_touch_record *record = set; record < set + WAYS; record++)
        if (record->hash == hash)
            return record;
    for (struct cr_touch_record *record = set; record < set + WAYS && oldest->hash != 0; record++)
        if (record->hash == 0 ||
            table->touches - record->last_touch > table->touches - oldest->last_touch)
            oldest = record;
    *oldest = (struct cr_touch_record){.hash = hash, .last_touch = table->touches};
    return oldest;
}

bool cr_packtouch_is_apart(const struct cr_packtouch *table, const struct cr_touch_record *record,
                           const struct cr_id *name, uint64_t now_ms)
{
    uint32_t others = table->touches - record->last_touch;
    bool other_now = table->last != cr_id_hash(name); /* this touch counts too */
    return record->bursts == 0 || others + other_now > CR_BURST_TOUCHES ||
           now_ms - record->last_ms >= CR_BURST_MS;
}

bool cr_packtouch_add(struct cr_packtouch *table, struct cr_touch_record *record,
                      const struct cr_id *name, uint64_t now_ms)
{
    bool apart = cr_packtouch_is_apart(table, record, name, now_ms);
    if (table->last != cr_id_hash(name)) {
        table->last = cr_id_hash(name);
        table->touches++;
    }
    if (apart) {
        record->touches = 0;
        if (record->bursts < UINT16_MAX)
            record->bursts++;
    }
    if (record->touches < UINT16_MAX)
        record->touches++;
    record->last_touch = table->touches;
    record->last_ms = now_ms;
    return apart;
}
