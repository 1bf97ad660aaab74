/* SPDX-License-Identifier: MIT */
/* Canonical JSON, and what is refused before it is looked at; keys and their signatures. */
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/trust/fields.h"
#include "lib/trust/json.h"
#include "lib/trust/signer.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

/* --- canonical JSON -------------------------------------------------------------------------- */

static void canonical_json_has_one_form(void **state)
{
    (void)state;
    static const char *const vectors[][2] = {
        {"{}", "{}"},
        {"[]", "[]"},
        {" [ 1 , true , false , null ] ", "[1,true,false,null]"},
        {"{\"b\":2,\"a\":1}", "{\"a\":1,\"b\":2}"},
        /* by bytes: upper case before lower case, a prefix before what it begins */
        {"{\"a\":1,\"B\":2,\"ab\":3,\"_\":4}", "{\"B\":2,\"_\":4,\"a\":1,\"ab\":3}"},
        {"[\"a\\\"b\\\\c\\/d\"]", "[\"a\\\"b\\\\c/d\"]"},
        {"[\"\\n\\t\\u0001\\u007f\"]", "[\"\n\t\001\177\"]"},
        {"[\"\\u00e9\\u20ac\\ud83d\\ude00\"]", "[\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"]"},
        {"{\"\\u00e9\":1,\"z\":2,\"\\ud83d\\ude00\":3,\"\\uffee\":4}",
         "{\"z\":2,\"\xc3\xa9\":1,\"\xef\xbf\xae\":4,\"\xf0\x9f\x98\x80\":3}"},
        {"[9223372036854775807,-9223372036854775808,0,-1]",
         "[9223372036854775807,-9223372036854775808,0,-1]"},
        {"{\"x\":{\"z\":[],\"y\":{}}}", "{\"x\":{\"y\":{},\"z\":[]}}"},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(vectors); i++) {
        CLEANUP_JSON json_t *json = NULL;
        CLEANUP_BUF struct cr_buf out = CR_BUF_INIT(4096);
        const char *in = vectors[i][0], *expected = vectors[i][1];
        assert_int_equal(cr_json_parse(in, strlen(in), 4096, &json, NULL), 0);
        assert_int_equal(cr_json_canonical(json, &out), 0);
        assert_int_equal(out.len, strlen(expected));
        assert_memory_equal(out.data, expected, out.len);
    }
}

static void canonical_json_refuses_a_fraction(void **state)
{
    (void)state;
    CLEANUP_JSON json_t *json = json_pack("[f]", 1.5);
    CLEANUP_BUF struct cr_buf out = CR_BUF_INIT(64);
    assert_int_equal(cr_json_canonical(json, &out), -EINVAL);
}

static void what_is_no_strict_json_is_refused(void **state)
{
    (void)state;
    static const char *const texts[][2] = {
        {"", "not JSON"},
        {"{", "not JSON"},
        {"{}x", "not JSON"},
        {"[1.0]", "fraction"},
        {"[1e3]", "exponent"},
        {"[1E3]", "exponent"},
        {"[0.0]", "fraction"},
        {"[-0]", "-0"},
        {"[01]", "not JSON"},
        {"[+1]", "not JSON"},
        {"[0x10]", "not JSON"},
        {"[NaN]", "not JSON"},
        {"[9223372036854775808]", "not JSON"},
        {"[99999999999999999999999999]", "not JSON"},
        {"{\"a\":1,\"a\":1}", "not JSON: duplicate"},
        {"{\"a\":1,\"\\u0061\":2}", "not JSON: duplicate"},
        {"[\"\\u0000\"]", "not JSON"},
        {"[\"\\ud800\"]", "not JSON"},
        {"[\"\xff\"]", "not JSON"},
        {"[\"\xc0\x80\"]", "not JSON"},
        {"[\"\n\"]", "not JSON"},
        {"[1,]", "not JSON"},
        {"['a']", "not JSON"},
        {"[1] // x", "not JSON"},
        {"\"text\"", "not JSON"},
        {"7", "not JSON"},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(texts); i++) {
        json_t *json = NULL;
        struct cr_error err = {0};
        int r = cr_json_parse(texts[i][0], strlen(texts[i][0]), 4096, &json, &err);
        if (r != -EBADMSG || strstr(err.text, texts[i][1]) == NULL || json != NULL)
            fail_msg("%s: %d, %s", texts[i][0], r, err.text);
    }
}

static void numbers_within_texts_are_texts(void **state)
{
    (void)state;
    static const char text[] = "{\"1.0\":\"1e3\",\"\\\"-0\":\"\\\\\",\"x\":\"1.5]}\"}";
    CLEANUP_JSON json_t *json = NULL;
    assert_int_equal(cr_json_parse(text, strlen(text), 4096, &json, NULL), 0);
}

static void depth_size_and_number_of_values_are_bounded(void **state)
{
    (void)state;
    struct cr_error err = {0};
    CLEANUP_JSON json_t *json = NULL;
    char deep[2 * CR_TRUST_DEPTH_MAX + 3];
    memset(deep, '[', CR_TRUST_DEPTH_MAX);
    memset(deep + CR_TRUST_DEPTH_MAX, ']', CR_TRUST_DEPTH_MAX);
    assert_int_equal(cr_json_parse(deep, 2 * (size_t)CR_TRUST_DEPTH_MAX, 4096, &json, NULL), 0);
    json_decref(TAKE_PTR(json));
    memset(deep, '[', CR_TRUST_DEPTH_MAX + 1);
    memset(deep + CR_TRUST_DEPTH_MAX + 1, ']', CR_TRUST_DEPTH_MAX + 1);
    assert_int_equal(cr_json_parse(deep, 2 * (size_t)CR_TRUST_DEPTH_MAX + 2, 4096, &json, &err),
                     -EBADMSG);
    assert_non_null(strstr(err.text, "more than 32 levels"));
    assert_int_equal(cr_json_parse("[1234]", 6, 5, &json, &err), -EMSGSIZE);
    size_t len = 2 * (size_t)CR_TRUST_VALUES_MAX + 8;
    CLEANUP_FREE char *many = malloc(len);
    for (size_t i = 0; i < len; i++)
        many[i] = i % 2 ? ',' : '1';
    many[0] = '[';
    assert_int_equal(cr_json_parse(many, len, len, &json, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "more than 500000 values"));
}

/* --- Ed25519 --------------------------------------------------------------------------------- */

/* RFC 8032, section 7.1: tests 1 to 3. */
static const struct {
    const char *seed, *public, *message, *signature;
} rfc8032[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9"
     "b46bd25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f1"
     "1d8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984d"
     "c6594a7c15e9716ed28dc027beceea1ec40a"},
};

static size_t unhex(const char *hex, uint8_t *out)
{
    size_t len = strlen(hex) / 2;
    assert_int_equal(cr_hex_parse(hex, out, len), 0);
    return len;
}

static void ed25519_verifies_the_vectors_of_rfc_8032(void **state)
{
    (void)state;
    for (size_t i = 0; i < CR_ARRAY_LEN(rfc8032); i++) {
        uint8_t public[32], message[8], signature[64];
        CLEANUP(cr_key_done) struct cr_trust_key key = {0};
        unhex(rfc8032[i].public, public);
        unhex(rfc8032[i].signature, signature);
        size_t len = unhex(rfc8032[i].message, message);
        assert_int_equal(cr_key_ed25519(public, &key), 0);
        assert_true(cr_key_verifies(&key, message, len, signature, 64));
        for (size_t bit = 0; bit < 512; bit++) {
            signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_false(cr_key_verifies(&key, message, len, signature, 64));
            signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        assert_false(cr_key_verifies(&key, message, len, signature, 63));
        assert_false(cr_key_verifies(&key, message, len + 1, signature, 64));
    }
}

/* S + L instead of S (RFC 8032, section 5.1.7: S is below L) must not make a second signature. */
static void ed25519_refuses_a_malleable_signature(void **state)
{
    (void)state;
    static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,
                                      0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
                                      0,    0,    0,    0,    0,    0,    0,    0,
                                      0,    0,    0,    0,    0,    0,    0,    0x10};
    uint8_t public[32], signature[64];
    CLEANUP(cr_key_done) struct cr_trust_key key = {0};
    unhex(rfc8032[0].public, public);
    unhex(rfc8032[0].signature, signature);
    assert_int_equal(cr_key_ed25519(public, &key), 0);
    assert_true(cr_key_verifies(&key, "", 0, signature, 64));
    for (unsigned i = 0, carry = 0; i < 32; i++) {
        carry += signature[32 + i] + (unsigned)order[i];
        signature[32 + i] = (uint8_t)carry;
        carry >>= 8;
    }
    assert_false(cr_key_verifies(&key, "", 0, signature, 64));
}

/* --- keys ------------------------------------------------------------------------------------ */

static void a_key_id_is_the_hash_of_the_canonical_key(void **state)
{
    (void)state;
    uint8_t public[32];
    CLEANUP(cr_key_done) struct cr_trust_key key = {0};
    unhex(rfc8032[0].public, public);
    assert_int_equal(cr_key_ed25519(public, &key), 0);
    static const char canonical[] =
        "{\"keytype\":\"ed25519\",\"keyval\":{\"public\":"
        "\"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\"},\"scheme\":"
        "\"ed25519\"}";
    struct cr_id id;
    char hex[CR_ID_HEX];
    cr_hash(canonical, strlen(canonical), &id);
    assert_string_equal(key.keyid, cr_id_format(&id, hex));
}

static void a_key_that_is_not_as_it_should_be_is_refused(void **state)
{
    (void)state;
    static const char good[] = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    static const char *const keys[] = {
        "{}",
        "{\"keytype\":1,\"scheme\":\"ed25519\",\"keyval\":{\"public\":\"00\"}}",
        "{\"keytype\":\"ed25519\",\"scheme\":null,\"keyval\":{\"public\":\"00\"}}",
        "{\"keytype\":\"ed25519\",\"scheme\":\"ed25519\",\"keyval\":[]}",
        "{\"keytype\":\"ed25519\",\"scheme\":\"ed25519\",\"keyval\":{\"public\":7}}",
        "{\"keytype\":\"ed25519\",\"scheme\":\"ed25519\",\"keyval\":{\"public\":\"00\"}}",
        ("{\"keytype\":\"ed25519\",\"scheme\":\"ed25519\",\"keyval\":{\"public\":"
         "\"D75A980182B10AB7D"
         "54BFED3C964073A0EE172F3DAA62325AF021A68F707511A\"}}"),
        "{\"keytype\":\"ecdsa\",\"scheme\":\"ecdsa-sha2-nistp256\",\"keyval\":{\"public\":\"x\"}}",
        "{\"keytype\":\"rsa\",\"scheme\":\"rsassa-pss-sha256\",\"keyval\":{\"public\":\"x\"}}",
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(keys); i++) {
        CLEANUP_JSON json_t *json = json_loads(keys[i], 0, NULL);
        struct cr_trust_key key = {0};
        struct cr_error err = {0};
        assert_non_null(json);
        assert_int_equal(cr_key_parse(json, NULL, &key, &err), -EBADMSG);
        assert_true(err.text[0] != '\0' && key.object == NULL);
    }
    CLEANUP_JSON json_t *json = json_pack("{s:s, s:s, s:{s:s}}", "keytype", "ed25519", "scheme",
                                          "ed25519", "keyval", "public", good);
    struct cr_trust_key key;
    struct cr_error err = {0};
    assert_int_equal(cr_key_parse(json, good, &key, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "its id is not the SHA-256"));
}

static void a_key_of_an_unknown_type_is_kept_and_never_counts(void **state)
{
    (void)state;
    CLEANUP_JSON json_t *json = json_pack("{s:s, s:s, s:{s:s}}", "keytype", "sphincs", "scheme",
                                          "shake", "keyval", "public", "00");
    CLEANUP(cr_key_done) struct cr_trust_key key = {0};
    assert_int_equal(cr_key_parse(json, NULL, &key, NULL), 0);
    assert_false(cr_key_verifies(&key, "", 0, "", 0));
}

/* --- signers --------------------------------------------------------------------------------- */

static char folder[] = "/tmp/test-signer-XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    (void)state;
    return cr_dir_remove(AT_FDCWD, folder);
}

static void signs_what_verifies(const char *secret)
{
    CLEANUP_SIGNER struct cr_trust_signer *signer = NULL;
    uint8_t signature[64];
    struct cr_error err = {0};
    if (cr_signer_open(in_folder("key"), secret, &signer, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(signer->ops->sign(signer, "abc", 3, signature, &err), 0);
    assert_true(cr_key_verifies(&signer->key, "abc", 3, signature, sizeof(signature)));
    assert_false(cr_key_verifies(&signer->key, "abd", 3, signature, sizeof(signature)));
}

static void a_key_file_is_made_once_and_for_its_owner_only(void **state)
{
    (void)state;
    struct stat st;
    struct cr_error err = {0};
    struct cr_trust_signer *signer = NULL;
    assert_int_equal(cr_signer_make(in_folder("key"), NULL, &err), 0);
    assert_int_equal(stat(in_folder("key"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    signs_what_verifies(NULL);
    assert_int_equal(cr_signer_make(in_folder("key"), NULL, &err), -EEXIST);
    assert_int_equal(chmod(in_folder("key"), 0640), 0);
    assert_int_equal(cr_signer_open(in_folder("key"), NULL, &signer, &err), -EACCES);
    assert_non_null(strstr(err.text, "may be read by others"));
    assert_int_equal(unlink(in_folder("key")), 0);
}

static void an_encrypted_key_wants_its_passphrase(void **state)
{
    (void)state;
    struct cr_error err = {0};
    struct cr_trust_signer *signer = NULL;
    setenv("TEST_PASSPHRASE", "correct horse", 1);
    setenv("TEST_WRONG", "battery staple", 1);
    assert_int_equal(cr_signer_make(in_folder("key"), "env:TEST_PASSPHRASE", &err), 0);
    signs_what_verifies("env:TEST_PASSPHRASE");
    assert_int_equal(cr_signer_open(in_folder("key"), "env:TEST_WRONG", &signer, &err), -EACCES);
    assert_non_null(strstr(err.text, "the passphrase does not open the key"));
    assert_int_equal(cr_signer_open(in_folder("key"), NULL, &signer, &err), -EACCES);
    assert_non_null(strstr(err.text, "is encrypted: say where its passphrase is"));
    assert_int_equal(cr_signer_open(in_folder("key"), "env:TEST_NOT_SET", &signer, &err), -EACCES);
    assert_int_equal(cr_signer_open(in_folder("key"), "correct horse", &signer, &err), -EINVAL);
    assert_int_equal(
        cr_file_replace(AT_FDCWD, in_folder("pass"), "correct horse\nmore\n", 19, 0600), 0);
    char secret[160];
    snprintf(secret, sizeof(secret), "file:%s", in_folder("pass"));
    signs_what_verifies(secret);
    assert_int_equal(unlink(in_folder("key")), 0);
}

static void what_is_no_key_is_refused(void **state)
{
    (void)state;
    struct cr_error err = {0};
    struct cr_trust_signer *signer = NULL;
    assert_int_equal(cr_signer_open(in_folder("none"), NULL, &signer, &err), -ENOENT);
    assert_int_equal(cr_file_replace(AT_FDCWD, in_folder("junk"), "junk", 4, 0600), 0);
    assert_int_equal(cr_signer_open(in_folder("junk"), NULL, &signer, &err), -EBADMSG);
    assert_int_equal(cr_file_replace(AT_FDCWD, in_folder("void"), "", 0, 0600), 0);
    assert_int_equal(cr_signer_open(in_folder("void"), NULL, &signer, &err), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_json_has_one_form),
        cmocka_unit_test(canonical_json_refuses_a_fraction),
        cmocka_unit_test(what_is_no_strict_json_is_refused),
        cmocka_unit_test(numbers_within_texts_are_texts),
        cmocka_unit_test(depth_size_and_number_of_values_are_bounded),
        cmocka_unit_test(ed25519_verifies_the_vectors_of_rfc_8032),
        cmocka_unit_test(ed25519_refuses_a_malleable_signature),
        cmocka_unit_test(a_key_id_is_the_hash_of_the_canonical_key),
        cmocka_unit_test(a_key_that_is_not_as_it_should_be_is_refused),
        cmocka_unit_test(a_key_of_an_unknown_type_is_kept_and_never_counts),
        cmocka_unit_test(a_key_file_is_made_once_and_for_its_owner_only),
        cmocka_unit_test(an_encrypted_key_wants_its_passphrase),
        cmocka_unit_test(what_is_no_key_is_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
