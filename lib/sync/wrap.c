/* SPDX-License-Identifier: MIT */
#include "lib/sync/wrap.h"

#include <errno.h>
#include <openssl/rand.h>
#include <string.h>

#define MAGIC_LEN 8U
#define SEAL_AT   MAGIC_LEN
#define KEYS_AT   (SEAL_AT + CR_SEAL_SIV_BYTES + CR_SEAL_TAG_BYTES)

static const uint8_t magic[MAGIC_LEN] = {'C', 'R', 'O', 'W', 'N', 'E', 'R', '1'};

_Static_assert(KEYS_AT + 2 * CR_SEAL_KEY_BYTES == CR_WRAP_BYTES, "nothing more");

int cr_owner_keys_make(struct cr_owner_keys *ret_keys)
{
    return RAND_bytes(ret_keys->id, sizeof(ret_keys->id)) == 1 &&
                   RAND_bytes(ret_keys->data, sizeof(ret_keys->data)) == 1
               ? 0
               : -EIO;
}

/* Two keys of the server's one, so that each serves one purpose. */
static int wrapping_keys(const uint8_t server_key[static CR_SEAL_KEY_BYTES],
                         struct cr_owner_keys *ret)
{
    int r = cr_seal_mac(server_key, "carrel wrap id 1", NULL, 0, ret->id);
    return r < 0 ? r : cr_seal_mac(server_key, "carrel wrap data 1", NULL, 0, ret->data);
}

int cr_owner_keys_wrap(const uint8_t server_key[static CR_SEAL_KEY_BYTES], const char *space,
                       const struct cr_owner_keys *keys, uint8_t out[static CR_WRAP_BYTES])
{
    struct cr_owner_keys wrapping;
    struct cr_seal seal;
    uint8_t plain[2 * CR_SEAL_KEY_BYTES];
    memcpy(plain, keys->id, CR_SEAL_KEY_BYTES);
    memcpy(plain + CR_SEAL_KEY_BYTES, keys->data, CR_SEAL_KEY_BYTES);
    int r = wrapping_keys(server_key, &wrapping);
    if (r == 0)
        r = cr_seal(&wrapping, space, strlen(space), plain, sizeof(plain), out + KEYS_AT, &seal);
    explicit_bzero(plain, sizeof(plain));
    explicit_bzero(&wrapping, sizeof(wrapping));
    if (r < 0)
        return r;
    memcpy(out, magic, MAGIC_LEN);
    memcpy(out + SEAL_AT, seal.siv, CR_SEAL_SIV_BYTES);
    memcpy(out + SEAL_AT + CR_SEAL_SIV_BYTES, seal.tag, CR_SEAL_TAG_BYTES);
    return 0;
}

int cr_owner_keys_unwrap(const uint8_t server_key[static CR_SEAL_KEY_BYTES], const char *space,
                         const void *data, size_t len, struct cr_owner_keys *ret_keys,
                         struct cr_error *err)
{
    const uint8_t *in = data;
    struct cr_owner_keys wrapping;
    struct cr_seal seal;
    uint8_t plain[2 * CR_SEAL_KEY_BYTES];
    if (len != CR_WRAP_BYTES || memcmp(in, magic, MAGIC_LEN) != 0)
        return cr_error_set(err, -EBADMSG, "it does not hold the keys of an owner");
    memcpy(seal.siv, in + SEAL_AT, CR_SEAL_SIV_BYTES);
    memcpy(seal.tag, in + SEAL_AT + CR_SEAL_SIV_BYTES, CR_SEAL_TAG_BYTES);
    int r = wrapping_keys(server_key, &wrapping);
    if (r == 0)
        r = cr_seal_open(&wrapping, space, strlen(space), &seal, in + KEYS_AT, sizeof(plain),
                         plain);
    explicit_bzero(&wrapping, sizeof(wrapping));
    if (r < 0)
        return cr_error_set(err, -EBADMSG,
                            "it was wrapped by another key of the server or for another owner, or "
                            "is damaged");
    memcpy(ret_keys->id, plain, CR_SEAL_KEY_BYTES);
    memcpy(ret_keys->data, plain + CR_SEAL_KEY_BYTES, CR_SEAL_KEY_BYTES);
    explicit_bzero(plain, sizeof(plain));
    return 0;
}
