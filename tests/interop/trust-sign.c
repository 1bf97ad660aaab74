/* SPDX-License-Identifier: MIT */
/* trust-sign KEY [SECRET] <DATA: prints the public key and the signature of DATA, in hexadecimal.
 * Status 77: this build has no tokens. */
#include "lib/base/mem.h"
#include "lib/trust/fields.h"
#include "lib/trust/signer.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    CLEANUP_SIGNER struct cr_trust_signer *signer = NULL;
    struct cr_error err = {0};
    uint8_t signature[CR_ED25519_SIGNATURE_BYTES];
    char data[65536], hex[2 * CR_ED25519_SIGNATURE_BYTES + 1];
    if (argc < 2 || argc > 3)
        return 2;
    if (strncmp(argv[1], "pkcs11:", 7) == 0 && !cr_signer_has_tokens())
        return 77;
    size_t len = fread(data, 1, sizeof(data), stdin);
    int r = cr_signer_open(argv[1], argc == 3 ? argv[2] : NULL, &signer, &err);
    if (r == 0)
        r = signer->ops->sign(signer, data, len, signature, &err);
    if (r < 0) {
        fprintf(stderr, "trust-sign: %s\n", err.text);
        return 1;
    }
    cr_hex_format(signature, sizeof(signature), hex);
    const json_t *keyval = json_object_get(signer->key.object, "keyval");
    printf("%s %s\n", json_string_value(json_object_get(keyval, "public")), hex);
    return 0;
}
