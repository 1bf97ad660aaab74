/* SPDX-License-Identifier: MIT */
#include "lib/policy/lease.h"

#include "lib/base/mem.h"
#include "lib/trust/fields.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

int cr_lease_seat(const void *pem, size_t len, struct cr_id *ret_seat)
{
    struct cr_id seat = {0};
    unsigned digest_len = 0;
    BIO *bio = len > INT_MAX ? NULL : BIO_new_mem_buf(pem, (int)len);
    X509 *x509 = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);
    bool good = x509 != NULL && X509_digest(x509, EVP_sha256(), seat.bytes, &digest_len) == 1 &&
                digest_len == sizeof(seat.bytes);
    X509_free(x509);
    BIO_free(bio);
    ERR_clear_error();
    if (good)
        *ret_seat = seat;
    return good ? 0 : -EBADMSG;
}

static int id_take(const json_t *body, const char *name, struct cr_id *ret_id, struct cr_error *err)
{
    const char *text = "";
    int r = cr_field_text(body, name, &text, err);
    if (r == 0 && cr_hex_parse(text, ret_id->bytes, sizeof(ret_id->bytes)) < 0)
        r = cr_error_set(err, -EBADMSG, "its field '%s' is no hash of 64 digits", name);
    return r;
}

int cr_lease_open(const void *data, size_t len, const struct cr_trust_key *keys, size_t key_count,
                  struct cr_lease *ret_lease, struct cr_error *err)
{
    CLEANUP_SIGNED struct cr_signed document = {0};
    struct cr_lease lease = {0};
    const char *given = "", *image = "";
    int r = cr_signed_open(data, len, "lease", keys, key_count, &document, err);
    if (r == 0)
        r = id_take(document.body, "seat", &lease.seat, err);
    if (r == 0)
        r = cr_field_text(document.body, "image", &image, err);
    if (r == 0 && (cr_ref_parse(image, &lease.image, NULL) < 0 || lease.image.number == 0))
        r = cr_error_set(err, -EBADMSG, "its field 'image' is no NAME@N");
    if (r == 0)
        r = cr_field_text(document.body, "given", &given, err);
    if (r == 0 && cr_expires_parse(given, &lease.given_s) < 0)
        r = cr_error_set(err, -EBADMSG,
                         "its field 'given' is no time such as 2030-01-31T12:00:00Z");
    lease.version = document.version;
    lease.expires_s = document.expires_s;
    if (r == 0 && lease.given_s >= lease.expires_s)
        r = cr_error_set(err, -EBADMSG, "it ends before it was given");
    if (r == 0)
        *ret_lease = lease;
    return r;
}

int cr_lease_make(const struct cr_lease *lease, struct cr_trust_signer *signer, struct cr_buf *out,
                  struct cr_error *err)
{
    char seat[CR_ID_HEX], image[CR_REF_TEXT], given[CR_EXPIRES_TEXT];
    CLEANUP_JSON json_t *body = json_pack(
        "{s:s, s:s, s:s}", "seat", cr_id_format(&lease->seat, seat), "image",
        cr_ref_format(&lease->image, image), "given", cr_expires_format(lease->given_s, given));
    if (body == NULL)
        return cr_error_errno(err, -ENOMEM, "signing a lease");
    return cr_signed_make(body, "lease", lease->version, lease->expires_s, signer, out, err);
}

int cr_lease_check(const struct cr_lease *lease, const struct cr_id *seat,
                   const struct cr_ref *image, int64_t now_s, struct cr_error *err)
{
    char until[CR_EXPIRES_TEXT], text[CR_REF_TEXT];
    if (!cr_id_equal(&lease->seat, seat))
        return cr_error_set(err, -EACCES,
                            "the lease was given to another seat; connect this one to its server "
                            "once");
    if (strcmp(lease->image.name, image->name) != 0 || lease->image.number != image->number)
        return cr_error_set(err, -EACCES,
                            "the lease is for '%s'; connect this seat to its server once",
                            cr_ref_format(&lease->image, text));
    if (now_s >= lease->expires_s)
        return cr_error_set(err, -EKEYEXPIRED,
                            "the lease to start without a server ended at %s; connect this seat to "
                            "its server once",
                            cr_expires_format(lease->expires_s, until));
    return 0;
}

int64_t cr_lease_clock(int64_t clock_s, int64_t seen_s, bool *ret_set_back)
{
    *ret_set_back = clock_s + CR_LEASE_CLOCK_SLACK_S < seen_s;
    return clock_s > seen_s ? clock_s : seen_s;
}
