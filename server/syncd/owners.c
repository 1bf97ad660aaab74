/* SPDX-License-Identifier: MIT */
#include "server/syncd/owners.h"

#include "lib/base/fd.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#define OPEN_MAX_OWNERS 256U /* stores that are open at the same time */
#define CHECK_NAME      "server-key-check"
#define KEY_TEXT        (2 * CR_SEAL_KEY_BYTES)

struct owners {
    char *dir;
    uint8_t key[CR_SEAL_KEY_BYTES];
    pthread_mutex_t mutex; /* over all below, and over the making of an owner */
    struct owner *open[OPEN_MAX_OWNERS];
    uint64_t uses;
};

/* --- the server's key --------------------------------------------------------------------------
 */

/* 64 digits and a newline: SHA-256 has as many bytes as the key. */
static int key_read(const char *path, uint8_t out[static CR_SEAL_KEY_BYTES], struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(KEY_TEXT + 1);
    struct cr_id key;
    int r = cr_file_read(AT_FDCWD, path, &text);
    if (r == -ENOENT)
        return r;
    if (r == 0 && (text.len != KEY_TEXT + 1 || text.data[KEY_TEXT] != '\n' ||
                   cr_id_parse((const char *)text.data, KEY_TEXT, &key) < 0))
        r = -EBADMSG;
    if (text.data != NULL)
        explicit_bzero(text.data, text.len);
    if (r < 0)
        return cr_error_set(err, r, "the key file '%s' does not hold 64 hexadecimal digits", path);
    memcpy(out, key.bytes, CR_SEAL_KEY_BYTES);
    explicit_bzero(&key, sizeof(key));
    return 0;
}

static int key_make(const char *path, uint8_t out[static CR_SEAL_KEY_BYTES], struct cr_error *err)
{
    char text[CR_ID_HEX + 1];
    struct cr_id key;
    if (RAND_bytes(key.bytes, sizeof(key.bytes)) != 1)
        return cr_error_set(err, -EIO, "making the key file '%s': no random numbers", path);
    memcpy(out, key.bytes, CR_SEAL_KEY_BYTES);
    cr_id_format(&key, text);
    text[KEY_TEXT] = '\n';
    int r = cr_file_replace(AT_FDCWD, path, text, KEY_TEXT + 1, 0600);
    explicit_bzero(text, sizeof(text));
    explicit_bzero(&key, sizeof(key));
    return r < 0 ? cr_error_errno(err, r, "making the key file '%s'", path) : 0;
}

/*
 * The folder says which key it was made with, so that another one is noticed before it makes the
 * owners strangers. Returns 0, -ENOENT (a new folder), or another -errno.
 */
static int check_read(const char *path, const char *want, const char *key_file,
                      struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(CR_SEAL_NAME);
    int r = cr_file_read(AT_FDCWD, path, &text);
    if (r == -ENOENT)
        return r;
    if (r < 0 && r != -EMSGSIZE)
        return cr_error_errno(err, r, "reading '%s'", path);
    if (text.len != CR_SEAL_NAME - 1 || memcmp(text.data, want, text.len) != 0)
        return cr_error_set(err, -EKEYREJECTED,
                            "the key in '%s' is not the one that '%s' goes with: bring that one "
                            "back from your backup",
                            key_file, path);
    return 0;
}

/* Read the server's key, or make it for a new folder. */
static int key_open(struct owners *owners, const char *key_file, struct cr_error *err)
{
    char path[PATH_MAX], check[CR_SEAL_NAME];
    int n = snprintf(path, sizeof(path), "%s/" CHECK_NAME, owners->dir);
    if (n < 0 || (size_t)n >= sizeof(path))
        return cr_error_errno(err, -ENAMETOOLONG, "opening private overlays");
    bool used = access(path, F_OK) == 0;
    int r = key_read(key_file, owners->key, err);
    if (r == -ENOENT && used)
        return cr_error_set(err, -ENOKEY,
                            "the key file '%s' is gone, and '%s' holds what only it opens: bring "
                            "it back from your backup",
                            key_file, owners->dir);
    if (r == -ENOENT)
        r = key_make(key_file, owners->key, err);
    if (r == 0 && (r = cr_seal_name(owners->key, "carrel check 1", "", check)) < 0)
        return cr_error_errno(err, r, "opening private overlays");
    if (r < 0)
        return r;
    r = check_read(path, check, key_file, err);
    if (r != -ENOENT)
        return r;
    r = cr_file_replace(AT_FDCWD, path, check, CR_SEAL_NAME - 1, 0644);
    return r < 0 ? cr_error_errno(err, r, "writing '%s'", path) : 0;
}

int owners_new(const char *dir, const char *key_file, struct owners **ret_owners,
               struct cr_error *err)
{
    struct owners *owners = cr_calloc(1, sizeof(*owners));
    if (owners == NULL)
        return cr_error_errno(err, -ENOMEM, "opening private overlays");
    pthread_mutex_init(&owners->mutex, NULL);
    owners->dir = strdup(dir);
    int r = owners->dir == NULL ? cr_error_errno(err, -ENOMEM, "opening private overlays")
                                : key_open(owners, key_file, err);
    if (r < 0) {
        owners_free(owners);
        return r;
    }
    *ret_owners = owners;
    return 0;
}

static void owner_free(struct owner *owner)
{
    if (owner == NULL)
        return;
    cr_store_close(owner->store);
    explicit_bzero(&owner->keys, sizeof(owner->keys));
    free(owner);
}

void owners_free(struct owners *owners)
{
    if (owners == NULL)
        return;
    for (size_t i = 0; i < OPEN_MAX_OWNERS; i++)
        owner_free(owners->open[i]);
    explicit_bzero(owners->key, sizeof(owners->key));
    pthread_mutex_destroy(&owners->mutex);
    free(owners->dir);
    free(owners);
}

/* --- one owner ---------------------------------------------------------------------------------
 */

/* Durable before anything is sealed with them. */
static int keys_make(const struct owners *owners, const char *path, struct owner *owner,
                     struct cr_error *err)
{
    uint8_t wrapped[CR_WRAP_BYTES];
    int r = cr_owner_keys_make(&owner->keys);
    if (r == 0)
        r = cr_owner_keys_wrap(owners->key, owner->space, &owner->keys, wrapped);
    if (r == 0)
        r = cr_file_replace(AT_FDCWD, path, wrapped, sizeof(wrapped), 0600);
    return r < 0 ? cr_error_errno(err, r, "making the keys of an owner") : 0;
}

static int keys_load(const struct owners *owners, const char *path, struct owner *owner,
                     struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf wrapped = CR_BUF_INIT(CR_WRAP_BYTES);
    struct cr_error why = {0};
    int r = cr_file_read(AT_FDCWD, path, &wrapped);
    if (r == -ENOENT)
        return keys_make(owners, path, owner, err);
    if (r < 0)
        return cr_error_errno(err, r, "reading the keys of owner '%s'", owner->space);
    r = cr_owner_keys_unwrap(owners->key, owner->space, wrapped.data, wrapped.len, &owner->keys,
                             &why);
    return r < 0 ? cr_error_set(err, r, "the file of keys of owner '%s' cannot be used: %s",
                                owner->space, why.text)
                 : 0;
}

static int owner_open(struct owners *owners, struct owner *owner, struct cr_error *err)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof(path), "%s/%s", owners->dir, owner->space);
    if (n < 0 || (size_t)n + sizeof("/store") > sizeof(path))
        return cr_error_errno(err, -ENAMETOOLONG, "opening the private store of an owner");
    int r = mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
    if (r == 0)
        r = cr_dir_fsync(AT_FDCWD, owners->dir);
    if (r < 0)
        return cr_error_errno(err, r, "making the folder of an owner in '%s'", owners->dir);
    snprintf(path + n, sizeof(path) - (size_t)n, "/key");
    r = keys_load(owners, path, owner, err);
    snprintf(path + n, sizeof(path) - (size_t)n, "/store");
    if (r == 0 && access(path, F_OK) < 0)
        r = cr_store_init(path, err);
    return r < 0 ? r : cr_store_open(path, &owner->store, err);
}

/* A free place, or that of the owner who was away longest; NULL = all are in use. */
static struct owner **place_find(struct owners *owners)
{
    struct owner **best = NULL;
    for (size_t i = 0; i < OPEN_MAX_OWNERS; i++) {
        struct owner **place = &owners->open[i];
        if (*place == NULL)
            return place;
        if ((*place)->users == 0 && (best == NULL || (*place)->last_use < (*best)->last_use))
            best = place;
    }
    return best;
}

static int take_locked(struct owners *owners, const char *space, struct owner **ret_owner,
                       struct cr_error *err)
{
    for (size_t i = 0; i < OPEN_MAX_OWNERS; i++)
        if (owners->open[i] != NULL && strcmp(owners->open[i]->space, space) == 0) {
            *ret_owner = owners->open[i];
            return 0;
        }
    struct owner **place = place_find(owners);
    if (place == NULL)
        return cr_error_set(err, -EBUSY, "too many owners are being served; try again");
    struct owner *owner = cr_calloc(1, sizeof(*owner));
    if (owner == NULL)
        return cr_error_errno(err, -ENOMEM, "opening the private store of an owner");
    snprintf(owner->space, sizeof(owner->space), "%s", space);
    int r = owner_open(owners, owner, err);
    if (r < 0) {
        owner_free(owner);
        return r;
    }
    owner_free(*place);
    *place = owner;
    *ret_owner = owner;
    return 0;
}

int owners_take(struct owners *owners, const char *name, struct owner **ret_owner,
                struct cr_error *err)
{
    char space[CR_SEAL_NAME];
    int r = cr_seal_name(owners->key, "carrel owner 1", name, space);
    if (r < 0)
        return cr_error_errno(err, r, "opening the private store of an owner");
    pthread_mutex_lock(&owners->mutex);
    r = take_locked(owners, space, ret_owner, err);
    if (r == 0) {
        (*ret_owner)->users++;
        (*ret_owner)->last_use = ++owners->uses;
    }
    pthread_mutex_unlock(&owners->mutex);
    return r;
}

void owners_give(struct owners *owners, struct owner *owner)
{
    if (owner == NULL)
        return;
    pthread_mutex_lock(&owners->mutex);
    owner->users--;
    pthread_mutex_unlock(&owners->mutex);
}
