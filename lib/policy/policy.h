/* SPDX-License-Identifier: MIT */
/*
 * A policy: what the server wants a seat to be. The body of a signed document of type "policy".
 *
 * Each key of the table in policy.c is optional; what is not there keeps its default. A key that
 * is not in the table is refused, not skipped: a seat that silently leaves out "network": "off"
 * would hold an exam with an open network. So the server must not send a key before the seats know
 * it, and cr_policy_key says which those are.
 */
#pragma once

#include "lib/desktop/desktop.h"
#include "lib/image/head.h"
#include "lib/policy/signed.h"

#include <stdbool.h>

/* One rule for USB devices of the PC; CR_USB_ANY matches all. The first that matches decides. */
#define CR_USB_ANY UINT32_MAX
struct cr_usb_rule {
    bool allow;
    uint32_t class_code;      /* of the device or one of its interfaces, 0 .. 255 */
    uint32_t vendor, product; /* 0 .. 65535 */
};

enum cr_idle_action { CR_IDLE_NOTHING, CR_IDLE_RESTORE, CR_IDLE_POWEROFF };

struct cr_policy {
    uint64_t version;
    int64_t expires_s;
    char name[CR_NAME_MAX + 1]; /* for people: "room-12" */
    char image[CR_REF_TEXT];    /* NAME, NAME@N or NAME:CHANNEL; "" = as the seat was told */
    struct cr_buf desktop;      /* a desktop file (desktop.h); empty = as the seat was told */
    bool network;               /* the guest's network card has a link */
    uint64_t fill_bytes_s;      /* at which a seat that has nothing to do fetches the rest */
    uint32_t lease_days;        /* a seat may start so long without a server; 0 = not at all */
    uint32_t heartbeat_s;       /* between two reports of a seat that runs */
    enum cr_idle_action idle;   /* what happens when nobody ... */
    uint32_t idle_minutes;      /* ... did anything for so long; 0 = never */
    uint32_t power_off_minute;  /* of the day, local time, at which machines end */
    bool power_off;             /* whether they do */
    struct cr_usb_rule usb[CR_POLICY_USB_RULES_MAX];
    uint32_t usb_count; /* without any rule, no device goes into the guest */
};

void cr_policy_done(struct cr_policy *policy);
#define CLEANUP_POLICY CLEANUP(cr_policy_done)

/*
 * Read a signed policy. The desktop in it was parsed once and is right. Returns 0 or as
 * cr_signed_open; -EBADMSG also for a key that is not known and for a value that is wrong, with the
 * key in the sentence. *ret_policy is set only on success and wants cr_policy_done.
 */
int cr_policy_open(const void *data, size_t len, const struct cr_trust_key *keys, size_t key_count,
                   struct cr_policy *ret_policy, struct cr_error *err);

/* The same for a body without signature, which an administrator writes; as cr_policy_open. */
int cr_policy_parse(json_t *body, struct cr_policy *ret_policy, struct cr_error *err);

/* When a change of a key takes effect at a seat that is running. */
enum cr_policy_effect { CR_EFFECT_LIVE, CR_EFFECT_NEXT_START };

struct cr_policy_key {
    const char *name;
    enum cr_policy_effect effect;
    const char *takes; /* for people */
};

/* Key number `index` of the table; NULL past the last. */
const struct cr_policy_key *cr_policy_key(size_t index);

/* Whether key number `index` says the same in both. */
bool cr_policy_key_equal(size_t index, const struct cr_policy *a, const struct cr_policy *b);

/* Whether a device may go into the guest. */
bool cr_policy_usb_allows(const struct cr_policy *policy, uint32_t class_code, uint32_t vendor,
                          uint32_t product);
