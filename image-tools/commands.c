/* SPDX-License-Identifier: MIT */
/* The table of commands. Parsing, --help, the shell completion and a test of the manual read it. */
#include "image-tools/commands.h"
#include "image-tools/publish_sign.h"

#include <stddef.h>

const struct option global_options[] = {
    {OPT_STORE, "store", "URI",
     "the store: a folder, rados:POOL/NAME or https://HOST:PORT (default: $CARREL_STORE)"},
    {OPT_JSON, "json", NULL, "print the result as JSON"},
    {OPT_QUIET, "quiet", NULL, "show no progress and no remarks"},
    {OPT_THREADS, "threads", "N", "work with N threads (default: as many as keep all CPUs busy)"},
    {OPT_HELP, "help", NULL, "print help and exit"},
    {OPT_VERSION, "version", NULL, "print the version of the program and exit"},
    {0},
};

static const struct option store_copy_options[] = {
    {OPT_MIRROR, "mirror", NULL, "also remove what FROM no longer has"},
    {0},
};

static const struct option import_options[] = {
    {OPT_PARENT, "parent", "NAME@N", "record that it was made from this version"},
    {OPT_MESSAGE, "message", "TEXT", "say what is new in this version"},
    {OPT_NO_TRIM, "no-trim", NULL, "keep the free space of file systems as it is"},
    {OPT_FORMAT, "format", "FORMAT",
     "QEMU's name of the file's format (default: found by probing)"},
    PUBLISH_SIGN_OPTIONS,
    {0},
};

static const struct option commit_options[] = {
    {OPT_BASE, "base", "NAME@N", "the version below the overlay (default: what the overlay says)"},
    {OPT_MESSAGE, "message", "TEXT", "say what is new in this version"},
    PUBLISH_SIGN_OPTIONS,
    {0},
};

static const struct option build_options[] = {
    {OPT_MESSAGE, "message", "TEXT", "say what is new in this version"},
    {OPT_NO_CACHE, "no-cache", NULL, "run all steps, also those whose result is there"},
    {OPT_FORCE, "force", NULL, "make a version even if nothing changed"},
    PUBLISH_SIGN_OPTIONS,
    {0},
};

static const struct option update_options[] = {
    {OPT_MESSAGE, "message", "TEXT", "say what is new in this version"},
    {OPT_FOLDER, "folder", "FOLDER", "where the recipe's files are (default: in the store)"},
    {OPT_NO_CACHE, "no-cache", NULL, "run all steps, also those whose result is there"},
    {OPT_FORCE, "force", NULL,
     "make a version even if nothing changed, or if the newest was not made by a recipe"},
    PUBLISH_SIGN_OPTIONS,
    {0},
};

static const struct option ls_options[] = {
    {OPT_ALL, "all", NULL, "list the results of build steps, too"},
    {0},
};

static const struct option show_options[] = {
    {OPT_RECIPE, "recipe", NULL, "print the recipe that it was made by"},
    {OPT_LOG, "log", NULL, "print what the steps of its build said"},
    {0},
};

static const struct option export_options[] = {
    {OPT_FORMAT, "format", "FORMAT", "raw, qcow2, vmdk or vhdx (default: raw)"},
    {OPT_FORCE, "force", NULL, "replace FILE if it exists"},
    {OPT_SYNC, "sync", NULL, "return only when FILE is safe from a power cut"},
    {0},
};

static const struct option log_options[] = {
    {OPT_CHANNEL, "channel", "CHANNEL", "show who changed this channel, when and why"},
    {0},
};

static const struct option diff_options[] = {
    {OPT_FILES, "files", NULL, "list the files that were added, removed and changed"},
    {OPT_DELTA, "delta", NULL, "make the delta if there is none yet, to tell its bytes"},
    {0},
};

static const struct option hot_options[] = {
    {OPT_IMPORT, "import", "TRACE", "make it of the reads that carrel-blockd --record wrote"},
    {0},
};

static const struct option promote_options[] = {
    {OPT_AT, "at", "DATE", "from this moment on, not at once"},
    {OPT_MESSAGE, "message", "TEXT", "say why"},
    PUBLISH_SIGN_OPTIONS,
    {0},
};

static const struct option rollback_options[] = {
    {OPT_TO, "to", "N", "to version N (default: where the channel pointed before)"},
    {OPT_END, "end", NULL, "let the channel end: it points nowhere"},
    {OPT_MESSAGE, "message", "TEXT", "say why"},
    PUBLISH_SIGN_OPTIONS,
    {0},
};

static const struct option pin_options[] = {
    {OPT_REMOVE, "remove", NULL, "take the pin away"},
    {0},
};

static const struct option rm_options[] = {
    {OPT_STEPS, "steps", NULL, "also remove the results of the image's build steps"},
    PUBLISH_SIGN_OPTIONS,
    {0},
};

static const struct option pki_init_options[] = {
    {OPT_DAYS, "days", "N", "how long the certificate is valid (default: 3650)"},
    {OPT_NOT_BEFORE, "not-before", "DATE", "valid from (default: yesterday)"},
    {OPT_NOT_AFTER, "not-after", "DATE", "valid until, instead of --days"},
    {0},
};

static const struct option pki_issue_options[] = {
    {OPT_SERVER, "server", "NAME[,NAME]", "for a server with these DNS names and IP addresses"},
    {OPT_CLIENT, "client", "NAME", "for a client, such as a seat"},
    {OPT_CAPTURE, "capture", NULL, "the client may publish images through carrel-syncd"},
    {OPT_DAYS, "days", "N", "how long the certificate is valid (default: 825)"},
    {OPT_NOT_BEFORE, "not-before", "DATE", "valid from (default: yesterday)"},
    {OPT_NOT_AFTER, "not-after", "DATE", "valid until, instead of --days"},
    {0},
};

#define TRUST_SECRET                                                                               \
    {                                                                                              \
        OPT_SECRET, "secret", "SECRET",                                                            \
            "where passphrase or PIN is: file:PATH or env:NAME (default: $CARREL_KEY_SECRET)"      \
    }
#define TRUST_SIGNER                                                                               \
    {                                                                                              \
        OPT_SIGNER, "signer", "PATH", "socket or folder of the signer (default: $CARREL_SIGNER)"   \
    }

static const struct option trust_init_options[] = {
    {OPT_KEYS, "keys", "DIR", "where the keys are put (default: carrel-keys)"},
    {OPT_KEY, "key", "KEY[,KEY]", "the keys of the people who may sign, instead of new ones"},
    {OPT_THRESHOLD, "threshold", "K", "how many of them must sign"},
    TRUST_SECRET,
    {OPT_ROOT_EXPIRY, "root-expiry", "SPAN", "how long the root is valid (default: 365d)"},
    {OPT_TARGETS_EXPIRY, "targets-expiry", "SPAN", "how long targets are valid (default: 90d)"},
    {0},
};

static const struct option trust_key_options[] = {TRUST_SECRET, {0}};

static const struct option trust_sign_options[] = {
    {OPT_KEY, "key", "KEY", "a key's file or pkcs11: URI"},
    TRUST_SECRET,
    TRUST_SIGNER,
    {OPT_RENEW, "renew", NULL, "sign anew although nothing changed, to be valid for longer"},
    {OPT_ROOT_EXPIRY, "root-expiry", "SPAN", "how long a renewed root is valid (default: 365d)"},
    {OPT_TARGETS_EXPIRY, "targets-expiry", "SPAN", "how long targets are valid (default: 90d)"},
    {0},
};

static const struct option trust_timestamp_options[] = {TRUST_SIGNER, {0}};

static const struct option trust_rotate_options[] = {
    {OPT_NEW, "new", "KEY[,KEY]", "the key that comes: its public half, or what `sign` takes"},
    {OPT_OLD, "old", "KEYID", "the key that goes, when the role has several"},
    {OPT_ADD, "add", NULL, "no key goes: the new one comes beside those that are there"},
    {OPT_THRESHOLD, "threshold", "K", "how many keys of the role must sign from then on"},
    {OPT_KEY, "key", "KEY", "sign the new root at once with this key of root"},
    TRUST_SECRET,
    TRUST_SIGNER,
    {OPT_FORCE, "force", NULL, "throw away the draft of a new root that is there"},
    {OPT_ROOT_EXPIRY, "root-expiry", "SPAN", "how long the new root is valid (default: 365d)"},
    {0},
};

static const struct option trust_revoke_options[] = {
    {OPT_KEY, "key", "KEY", "sign the new root at once with this key of root"},
    TRUST_SECRET,
    TRUST_SIGNER,
    {OPT_FORCE, "force", NULL, "throw away the draft of a new root that is there"},
    {OPT_ROOT_EXPIRY, "root-expiry", "SPAN", "how long the new root is valid (default: 365d)"},
    {0},
};

static const struct option trust_signer_options[] = {
    {OPT_KEY, "key", "KEY", "sign the new root at once with this key of root"},
    TRUST_SECRET,
    {OPT_FORCE, "force", NULL, "throw away the draft of a new root that is there"},
    {OPT_ROOT_EXPIRY, "root-expiry", "SPAN", "how long the new root is valid (default: 365d)"},
    {0},
};

static const struct option policy_sign_options[] = {
    {OPT_KEY, "key", "KEY", "the server's key: a file or pkcs11: URI"},
    TRUST_SECRET,
    {OPT_DAYS, "days", "N", "how long the policy is valid (default: 365)"},
    {0},
};

static const struct option policy_lease_options[] = {
    {OPT_KEY, "key", "KEY", "the server's key: a file or pkcs11: URI"},
    TRUST_SECRET,
    {OPT_DAYS, "days", "N", "how long the seat may start without a server (default: 7)"},
    {0},
};

static const struct option policy_show_options[] = {
    {OPT_KEYS, "keys", "FILE", "the keys that a seat trusts, lines of `carrel policy key`"},
    {0},
};

static const struct option gc_options[] = {
    {OPT_DRY_RUN, "dry-run", NULL, "tell what would be done, change nothing"},
    {OPT_GRACE, "grace", "SPAN", "how long what is condemned stays, such as 7d (default: 24h)"},
    {0},
};

static const struct option scrub_options[] = {
    {OPT_RATE, "rate", "BYTES", "read at most so much a second, such as 50M"},
    {OPT_RESTART, "restart", NULL, "begin anew, not where the last run stopped"},
    {OPT_REPAIR, "repair", NULL, "write what is damaged again from what is whole"},
    {OPT_FROM, "from", "URI", "with --repair: another store to take from"},
    {0},
};

const struct command commands[] = {
    {"store", "init", "URI", "make an empty store", NULL, cmd_store_init},
    {"store", "stat", "", "show what a store holds", NULL, cmd_store_stat},
    {"store", "gc", "", "collect what no version needs any more", gc_options, cmd_store_gc},
    {"store", "scrub", "", "read and verify all that a store holds", scrub_options,
     cmd_store_scrub},
    {"store", "copy", "FROM TO", "copy all images of a store into another", store_copy_options,
     cmd_store_copy},
    {"image", "import", "NAME FILE", "make a new version from a disk image", import_options,
     cmd_image_import},
    {"image", "commit", "NAME OVERLAY", "make a new version from a qcow2 overlay of an older one",
     commit_options, cmd_image_commit},
    {"image", "build", "RECIPE", "make a new version as a recipe says", build_options,
     cmd_image_build},
    {"image", "update", "NAME", "run the recipe of an image again, on what its base is now",
     update_options, cmd_image_update},
    {"image", "ls", "", "list the images", ls_options, cmd_image_ls},
    {"image", "show", "NAME[@N]", "show one version", show_options, cmd_image_show},
    {"image", "log", "NAME", "show the versions of an image and what each was made from",
     log_options, cmd_image_log},
    {"image", "diff", "NAME@A NAME@B", "tell how two versions differ", diff_options,
     cmd_image_diff},
    {"image", "delta", "NAME@A NAME@B", "make the delta that seats with A fetch to get B", NULL,
     cmd_image_delta},
    {"image", "hot", "NAME[@N]", "tell what seats fetch ahead of a boot", hot_options,
     cmd_image_hot},
    {"image", "verify", "NAME[@N]", "read all of a version and list what is damaged", NULL,
     cmd_image_verify},
    {"image", "export", "NAME[@N] FILE", "write a version to a disk image", export_options,
     cmd_image_export},
    {"image", "rm", "NAME[@N]", "remove a version", rm_options, cmd_image_rm},
    {"image", "promote", "NAME@N CHANNEL", "let a channel point at a version", promote_options,
     cmd_image_promote},
    {"image", "rollback", "NAME:CHANNEL", "let a channel point where it did before",
     rollback_options, cmd_image_rollback},
    {"image", "pin", "NAME@N", "keep a version from being removed", pin_options, cmd_image_pin},
    {"image", "channels", "NAME", "list the channels of an image and what is scheduled", NULL,
     cmd_image_channels},
    {"pki", "init", "DIR", "make the certification authority of a site", pki_init_options,
     cmd_pki_init},
    {"pki", "issue", "DIR", "issue a certificate to a server or a client", pki_issue_options,
     cmd_pki_issue},
    {"trust", "init", "", "let the versions of a store be signed", trust_init_options,
     cmd_trust_init},
    {"trust", "key", "FILE", "make a person's key pair, FILE and FILE.pub", trust_key_options,
     cmd_trust_key},
    {"trust", "sign", "[NAME@N,...]", "sign what is new in the store, and publish it",
     trust_sign_options, cmd_trust_sign},
    {"trust", "timestamp", "", "publish what has its signatures, with a new timestamp",
     trust_timestamp_options, cmd_trust_timestamp},
    {"trust", "rotate", "ROLE[,ROLE]", "put new keys in the place of old ones",
     trust_rotate_options, cmd_trust_rotate},
    {"trust", "revoke", "KEYID", "take a key from all roles", trust_revoke_options,
     cmd_trust_revoke},
    {"trust", "signer", "DIR", "make a new signer's folder in the place of a lost one",
     trust_signer_options, cmd_trust_signer},
    {"trust", "show", "", "show roles, keys, and what waits for a signature", NULL, cmd_trust_show},
    {"trust", "seat", "DIR", "make the folder by which a seat knows what to trust", NULL,
     cmd_trust_seat},
    {"trust", "verify", "DIR [NAME]", "verify the store's metadata as a seat does", NULL,
     cmd_trust_verify},
    {"policy", "sign", "FILE OUT", "sign what seats shall be", policy_sign_options,
     cmd_policy_sign},
    {"policy", "lease", "CERT NAME[@N] OUT", "let a seat start a version without a server",
     policy_lease_options, cmd_policy_lease},
    {"policy", "key", "KEY", "print the line by which seats know a key", trust_key_options,
     cmd_policy_key},
    {"policy", "show", "FILE", "verify a policy or lease as a seat does, and show it",
     policy_show_options, cmd_policy_show},
    {"completion", "bash", "", "print the completion for bash", NULL, cmd_completion_bash},
    {"help", NULL, "[NOUN] [VERB]", "print help", NULL, cmd_help},
    {"internal", "commands", "", NULL, NULL, cmd_internal_commands},
    {"internal", "refs", "", NULL, NULL, cmd_internal_refs},
    {0},
};
