/* SPDX-License-Identifier: MIT */
#include "lib/peer/ticket.h"

#include "lib/base/le.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>

static const char magic[8] = "CRTICK01";

enum { AT_EXPIRES = 8, AT_ASKER = 16, AT_PEER = 48, AT_ROOT = 80, AT_SIGNATURE = 112 };

#define SIGNATURE_BYTES (CR_PEER_TICKET_BYTES - AT_SIGNATURE)

/* No ticket is good for longer than this, whoever signed it. */
#define AHEAD_S_MAX (2 * CR_TICKET_VALID_S)

struct cr_ticket_signer {
    EVP_PKEY *key;
    uint8_t public[CR_TICKET_KEY_BYTES];
};

static void context_cleanup(EVP_MD_CTX **context)
{
    EVP_MD_CTX_free(*context);
}

static void key_cleanup(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

int cr_ticket_signer_new(struct cr_ticket_signer **ret_signer)
{
    struct cr_ticket_signer *signer = cr_calloc(1, sizeof(*signer));
    size_t len = sizeof(signer->public);
    if (signer == NULL)
        return -ENOMEM;
    signer->key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    if (signer->key == NULL ||
        EVP_PKEY_get_raw_public_key(signer->key, signer->public, &len) != 1) {
        ERR_clear_error();
        cr_ticket_signer_free(signer);
        return -ENOMEM;
    }
    *ret_signer = signer;
    return 0;
}

void cr_ticket_signer_free(struct cr_ticket_signer *signer)
{
    if (signer == NULL)
        return;
    EVP_PKEY_free(signer->key);
    free(signer);
}

const uint8_t *cr_ticket_signer_key(const struct cr_ticket_signer *signer)
{
    return signer->public;
}

int cr_ticket_sign(const struct cr_ticket_signer *signer, const struct cr_ticket *ticket,
                   uint8_t out[static CR_PEER_TICKET_BYTES])
{
    CLEANUP(context_cleanup) EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t len = SIGNATURE_BYTES;
    memcpy(out, magic, sizeof(magic));
    cr_put_le64(out + AT_EXPIRES, ticket->expires_s);
    memcpy(out + AT_ASKER, &ticket->asker, CR_ID_BYTES);
    memcpy(out + AT_PEER, &ticket->peer, CR_ID_BYTES);
    memcpy(out + AT_ROOT, &ticket->root, CR_ID_BYTES);
    if (context == NULL || EVP_DigestSignInit(context, NULL, NULL, NULL, signer->key) != 1 ||
        EVP_DigestSign(context, out + AT_SIGNATURE, &len, out, AT_SIGNATURE) != 1) {
        ERR_clear_error();
        return -ENOMEM;
    }
    return 0;
}

static bool is_signed(const uint8_t *ticket, const uint8_t key_bytes[static CR_TICKET_KEY_BYTES])
{
    CLEANUP(context_cleanup) EVP_MD_CTX *context = EVP_MD_CTX_new();
    CLEANUP(key_cleanup)
    EVP_PKEY *key =
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key_bytes, CR_TICKET_KEY_BYTES);
    bool right = context != NULL && key != NULL &&
                 EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
                 EVP_DigestVerify(context, ticket + AT_SIGNATURE, SIGNATURE_BYTES, ticket,
                                  AT_SIGNATURE) == 1;
    ERR_clear_error();
    return right;
}

static bool id_at(const uint8_t *ticket, size_t at, const struct cr_id *wanted)
{
    return memcmp(ticket + at, wanted, CR_ID_BYTES) == 0;
}

int cr_ticket_check(const void *data, size_t len, const uint8_t (*keys)[CR_TICKET_KEY_BYTES],
                    size_t key_count, const struct cr_ticket *wanted, uint64_t now_s,
                    struct cr_error *err)
{
    const uint8_t *ticket = data;
    bool right = false;
    if (len != CR_PEER_TICKET_BYTES || memcmp(ticket, magic, sizeof(magic)) != 0)
        return cr_error_set(err, -EBADMSG, "this is no ticket");
    for (size_t i = 0; i < key_count && !right; i++)
        right = is_signed(ticket, keys[i]);
    if (!right)
        return cr_error_set(err, -EBADMSG, "no server that is known here has signed the ticket");
    if (!id_at(ticket, AT_ASKER, &wanted->asker))
        return cr_error_set(err, -EACCES, "the ticket belongs to another seat");
    if (!id_at(ticket, AT_PEER, &wanted->peer))
        return cr_error_set(err, -EACCES, "the ticket is for another peer");
    if (!id_at(ticket, AT_ROOT, &wanted->root))
        return cr_error_set(err, -EACCES, "the ticket is for another version");
    uint64_t expires_s = cr_get_le64(ticket + AT_EXPIRES);
    if (expires_s <= now_s || expires_s - now_s > AHEAD_S_MAX)
        return cr_error_set(err, -EKEYEXPIRED, "the ticket has expired");
    return 0;
}
