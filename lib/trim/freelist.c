/* SPDX-License-Identifier: MIT */
#include "lib/trim/freelist.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

static const char end_word[] = "end ";

int cr_freelist_format(const struct cr_extents *free_space, struct cr_buf *out)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < free_space->count; i++)
        r = cr_buf_printf(out, "%" PRIu64 " %" PRIu64 "\n", free_space->items[i].offset,
                          free_space->items[i].len);
    return r < 0 ? r
                 : cr_buf_printf(out, "%s%zu %" PRIu64 "\n", end_word, free_space->count,
                                 cr_extents_bytes(free_space));
}

/* What is still to be read. */
struct cursor {
    const char *at, *end;
};

/* A number without leading zeros, and behind it the character `then`. */
static bool number_take(struct cursor *cursor, char then, uint64_t *ret_value)
{
    const char *first = cursor->at;
    uint64_t value = 0;
    for (; cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9'; cursor->at++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*cursor->at - '0'), &value))
            return false;
    if (cursor->at == first || (*first == '0' && cursor->at - first > 1) ||
        cursor->at == cursor->end || *cursor->at != then)
        return false;
    cursor->at++;
    *ret_value = value;
    return true;
}

static bool pair_take(struct cursor *cursor, uint64_t *ret_first, uint64_t *ret_second)
{
    return number_take(cursor, ' ', ret_first) && number_take(cursor, '\n', ret_second);
}

static int refuse(struct cr_error *err, uint64_t line, const char *what)
{
    return cr_error_set(err, -EBADMSG,
                        "the list of its free space cannot be used: line %" PRIu64 " %s", line,
                        what);
}

int cr_freelist_parse(const char *text, size_t len, uint64_t offset, uint64_t size_bytes,
                      struct cr_extents *free_space, struct cr_error *err)
{
    struct cursor cursor = {.at = text, .end = text + len};
    uint64_t first, second, line = 1, sum = 0, behind = offset; /* behind the range before */
    for (; cursor.at < cursor.end && *cursor.at != end_word[0]; line++) {
        if (!pair_take(&cursor, &first, &second))
            return refuse(err, line, "is not two numbers");
        if (second == 0 || first < offset || first - offset > size_bytes ||
            second > size_bytes - (first - offset))
            return refuse(err, line, "is not in the partition");
        if (first < behind || (line > 1 && first == behind))
            return refuse(err, line, "does not lie behind the one before");
        int r = cr_extents_add(free_space, first, second);
        if (r < 0)
            return cr_error_errno(err, r, "its free space cannot be kept");
        behind = first + second;
        sum += second;
    }
    size_t word = sizeof(end_word) - 1;
    if ((size_t)(cursor.end - cursor.at) < word || memcmp(cursor.at, end_word, word) != 0)
        return refuse(err, line, "should be the end and is not, the list is cut off");
    cursor.at += word;
    if (!pair_take(&cursor, &first, &second) || cursor.at != cursor.end)
        return refuse(err, line, "is not a proper end");
    if (first != line - 1 || second != sum)
        return refuse(err, line, "names other sums than the list has");
    return 0;
}
