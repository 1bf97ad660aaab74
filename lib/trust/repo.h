/* SPDX-License-Identifier: MIT */
/*
 * The repository: signed metadata in a store's CR_SPACE_TRUST, and how it grows.
 *
 *   N.root.json  N.targets.json  N.snapshot.json  timestamp.json      what clients read
 *   draft.root.json  draft.targets.json                               what collects signatures
 *
 *      heads ── draft ── people sign ── enough? ──▶ cr_repo_publish ──▶ clients
 *                                                        │  ▲
 *                                                        ▼  │ snapshot, timestamp
 *                                                      the signer (carrel-signer)
 *
 * A numbered file is never changed: it is made by a compare-and-set that expects none. The drafts
 * are what can be lost: whoever signs takes up the draft that is there, or makes one anew.
 */
#pragma once

#include "lib/store/store.h"
#include "lib/trust/targets.h"

/* How long what is made anew is valid, in seconds. */
#define CR_TRUST_ROOT_S      (365LL * 24 * 3600)
#define CR_TRUST_TARGETS_S   (90LL * 24 * 3600)
#define CR_TRUST_SNAPSHOT_S  (7LL * 24 * 3600)
#define CR_TRUST_TIMESTAMP_S (24LL * 3600)

/* One file of the repository that was read, or is being made. */
struct cr_repo_file {
    bool present;
    struct cr_buf bytes; /* as stored */
    struct cr_id hash;   /* of them: what a compare-and-set expects */
    struct cr_trust_envelope envelope;
};

struct cr_repo {
    struct cr_store *store;                        /* borrowed */
    struct cr_repo_file roots[CR_TRUST_ROOTS_MAX]; /* [i] = version i + 1; the chain holds */
    uint32_t root_count;                           /* 0: only a draft */
    struct cr_root root;                           /* the newest; empty without one */
    struct cr_repo_file targets_file;              /* the newest that clients know */
    struct cr_targets targets;
    uint64_t targets_next;       /* the number of the next targets */
    struct cr_pointer timestamp; /* version 0: none; its signature is not looked at */
    struct cr_id timestamp_hash;
    struct cr_pointer snapshot; /* likewise */
    struct cr_repo_file draft_root_file, draft_targets_file;
    struct cr_root draft_root;
    struct cr_targets draft_targets;
};

/*
 * Read it all. Returns 0, -ENOENT when the store has no signed metadata (nor a draft of a root),
 * -EBADMSG or -EKEYREJECTED with the file that is wrong. The repository wants cr_repo_close.
 */
int cr_repo_open(struct cr_store *store, struct cr_repo **ret_repo, struct cr_error *err);
void cr_repo_close(struct cr_repo *repo);
void cr_repo_cleanup(struct cr_repo **repo);

/* The root that decides about new signatures: the draft's, or else the newest. Borrowed. */
const struct cr_root *cr_repo_deciding_root(const struct cr_repo *repo);

/* --- drafts ---------------------------------------------------------------------------------- */

/* Store a root as draft, with no signatures, over another draft. The draft is read again. */
int cr_repo_draft_root(struct cr_repo *repo, const struct cr_root *root, struct cr_error *err);

/* Told of each difference of the new targets, for people: "+ physics@3 ID". */
typedef int cr_repo_news(void *context, const char *line);

struct cr_repo_draft {
    int64_t now_s, expires_s;
    const struct cr_ref *only; /* new versions to take; without any: all */
    size_t only_count;
    bool (*hidden)(const char *name); /* images that are never signed; NULL: none */
    cr_repo_news *news;               /* may be NULL */
    void *context;
};

/*
 * What the heads of the store say now as targets, beside those that are published: each new version
 * is verified as far as its manifest. `ret_changes` = how many differences there are. -EEXIST when
 * a head says otherwise of a version that is signed. The caller owns *ret_targets.
 */
int cr_repo_targets_from_heads(struct cr_repo *repo, const struct cr_repo_draft *draft,
                               struct cr_targets *ret_targets, unsigned *ret_changes,
                               struct cr_error *err);

/*
 * What is new in the draft of targets that is stored, beside those that are published, to
 * draft->news; its manifests are verified as above.
 */
int cr_repo_draft_news(struct cr_repo *repo, const struct cr_repo_draft *draft,
                       unsigned *ret_changes, struct cr_error *err);

/* Tell of each difference to draft->news; `ret_changes` = how many there are. */
int cr_repo_compare(const struct cr_targets *before, const struct cr_targets *after,
                    const struct cr_repo_draft *draft, unsigned *ret_changes);

/* Store targets as draft, with no signatures, over another draft. */
int cr_repo_draft_targets(struct cr_repo *repo, const struct cr_targets *targets,
                          struct cr_error *err);

/* --- signatures ------------------------------------------------------------------------------- */

struct cr_repo_signed {
    uint32_t have, need; /* signatures of the deciding root's keys */
};

/* How many have signed the draft of `role` (root or targets). For a root: the lesser of what the
 * old and the new root ask for is decisive, so `have` < `need` until both are content. */
void cr_repo_draft_state(const struct cr_repo *repo, enum cr_role role,
                         struct cr_repo_signed *ret_signed);

/* Whether `keyid` may sign the draft of `role`, and whether it has. */
bool cr_repo_may_sign(const struct cr_repo *repo, enum cr_role role, const char *keyid);
bool cr_repo_has_signed(const struct cr_repo *repo, enum cr_role role, const char *keyid);

/*
 * Sign the draft of `role` and store it. Returns 0, -EACCES when the key is none of the role's,
 * -EAGAIN when somebody else has changed the draft meanwhile, or what the signer returned.
 */
int cr_repo_sign(struct cr_repo *repo, enum cr_role role, struct cr_trust_signer *signer,
                 struct cr_error *err);

/* Whether a draft has all its signatures and nothing else keeps it from being published. */
bool cr_repo_is_ready(const struct cr_repo *repo);

/* --- publishing ------------------------------------------------------------------------------- */

/* Bring a note to the signer and its answer back, appended. */
typedef int cr_repo_courier(void *context, const struct cr_buf *note, struct cr_buf *answer,
                            struct cr_error *err);

enum cr_repo_outcome {
    CR_REPO_NOTHING,   /* there was nothing to publish yet: signatures are missing */
    CR_REPO_HELD,      /* the root has its signatures, but targets that it accepts are missing */
    CR_REPO_PUBLISHED, /* clients see it */
};

/*
 * Publish the drafts that have enough signatures, or, with `refresh`, only a new timestamp when
 * there are none: targets, root, snapshot, and the timestamp last by compare-and-set; the signer
 * is asked before the root, so that none is published under which it could not sign. Stopped at
 * any point it can be called again. Returns 0, -EAGAIN when another was
 * faster, or -errno with a sentence.
 */
int cr_repo_publish(struct cr_repo *repo, bool refresh, cr_repo_courier *courier, void *context,
                    enum cr_repo_outcome *ret_outcome, struct cr_error *err);
