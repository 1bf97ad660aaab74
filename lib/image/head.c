/* SPDX-License-Identifier: MIT */
/* The versions of a head and the changes of its channels, in memory. */
#include "lib/image/head.h"

#include "lib/base/mem.h"

#include <errno.h>

void cr_head_done(struct cr_head *head)
{
    free(head->versions);
    free(head->changes);
    *head = (struct cr_head){0};
}

const struct cr_version_info *cr_head_find(const struct cr_head *head, uint64_t number)
{
    if (number == 0)
        return head->count > 0 ? &head->versions[head->count - 1] : NULL;
    for (uint32_t i = 0; i < head->count; i++)
        if (head->versions[i].number == number)
            return &head->versions[i];
    return NULL;
}

int cr_head_add(struct cr_head *head, const struct cr_version_info *info, uint64_t *ret_number)
{
    if (head->count >= CR_HEAD_VERSIONS_MAX || head->next >= INT64_MAX)
        return -ENOSPC;
    struct cr_version_info *versions =
        realloc(head->versions, (head->count + 1) * sizeof(*versions));
    if (versions == NULL)
        return -ENOMEM;
    head->versions = versions;
    if (head->next == 0)
        head->next = 1;
    versions[head->count] = *info;
    versions[head->count].number = head->next;
    *ret_number = head->next;
    head->count++;
    head->next++;
    return 0;
}

int cr_head_remove(struct cr_head *head, uint64_t number)
{
    for (uint32_t i = 0; i < head->count; i++) {
        if (head->versions[i].number != number)
            continue;
        memmove(&head->versions[i], &head->versions[i + 1],
                (head->count - i - 1) * sizeof(head->versions[0]));
        head->count--;
        return 0;
    }
    return -ENOENT;
}

int cr_head_pin(struct cr_head *head, uint64_t number, bool pinned)
{
    for (uint32_t i = 0; i < head->count; i++) {
        if (head->versions[i].number != number)
            continue;
        head->versions[i].pinned = pinned;
        return 0;
    }
    return -ENOENT;
}

int cr_head_change(struct cr_head *head, const struct cr_change *change)
{
    if (change->number != 0 && cr_head_find(head, change->number) == NULL)
        return -ENOENT;
    if (head->change_count >= CR_CHANGES_MAX)
        return -ENOSPC;
    struct cr_change *changes = realloc(head->changes, (head->change_count + 1) * sizeof(*changes));
    if (changes == NULL)
        return -ENOMEM;
    head->changes = changes;
    changes[head->change_count++] = *change;
    return 0;
}
