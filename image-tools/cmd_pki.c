/* SPDX-License-Identifier: MIT */
/* carrel pki init DIR | issue DIR --server NAMES | issue DIR --client NAME */
#include "image-tools/commands.h"
#include "image-tools/output.h"
#include "image-tools/text.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/pki/pki.h"

#include <errno.h>
#include <time.h>

#define DAY_S           (24 * 3600)
#define DAYS_MAX        36500
#define CA_DAYS         3650
#define CERT_DAYS       825
#define SERVER_TEXT_MAX (CR_CERT_NAMES_MAX * (CR_HOST_BYTES_MAX + 1))

/* "2026-05-20" or "2026-05-20T16:08:00Z", both UTC. */
static int date_take(const struct cli *cli, enum option_key key, const char *option, int64_t *s,
                     struct cr_error *err)
{
    if (!cli_has(cli, key))
        return 0;
    static const char *const forms[] = {"%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"};
    for (size_t i = 0; i < CR_ARRAY_LEN(forms); i++) {
        struct tm tm = {0};
        const char *end = strptime(cli->values[key], forms[i], &tm);
        if (end != NULL && *end == '\0') {
            *s = timegm(&tm);
            return 0;
        }
    }
    return cr_error_set(err, -EINVAL,
                        "option '--%s': '%s' is no date; write 2026-05-20 or 2026-05-20T16:08:00Z",
                        option, cli->values[key]);
}

/* Yesterday, because not every clock of a lab is right. */
static int validity_take(const struct cli *cli, uint64_t days, struct cr_pki_validity *v,
                         struct cr_error *err)
{
    int64_t now = time(NULL);
    if (cli_has(cli, OPT_DAYS) && cli_has(cli, OPT_NOT_AFTER))
        return cr_error_set(err, -EINVAL, "give either --days or --not-after");
    if (cli_has(cli, OPT_DAYS) && cr_u64_parse(cli->values[OPT_DAYS], DAYS_MAX, &days) < 0)
        return cr_error_set(err, -EINVAL, "option '--days': '%s' is not a number up to %d",
                            cli->values[OPT_DAYS], DAYS_MAX);
    v->not_before_s = now - DAY_S;
    v->not_after_s = now + (int64_t)days * DAY_S;
    int r = date_take(cli, OPT_NOT_BEFORE, "not-before", &v->not_before_s, err);
    if (r == 0)
        r = date_take(cli, OPT_NOT_AFTER, "not-after", &v->not_after_s, err);
    if (r == 0 && v->not_after_s <= v->not_before_s)
        return cr_error_set(err, -EINVAL, "the certificate would end before it begins");
    return r;
}

int cmd_pki_init(struct cli *cli, struct cr_error *err)
{
    const char *dir = cli->operands[0];
    struct cr_pki_validity validity;
    char until[TEXT_TIME];
    int r = validity_take(cli, CA_DAYS, &validity, err);
    if (r == 0)
        r = cr_pki_ca_make(dir, &validity, err);
    if (r < 0)
        return r;
    if (cli_has(cli, OPT_JSON))
        return output_json(
            json_pack("{s:s, s:I}", "folder", dir, "not_after_s", (json_int_t)validity.not_after_s),
            err);
    if (!cli_has(cli, OPT_QUIET))
        printf("made a CA in '%s', valid until %s; who has '%s/ca-key.pem' can issue certificates, "
               "so keep it off the servers\n",
               dir, text_time(validity.not_after_s, until), dir);
    return 0;
}

/* Cut "a,b,c" into names. */
static int server_issue(const struct cli *cli, const struct cr_pki_validity *validity,
                        struct cr_pki_issued *ret_issued, struct cr_error *err)
{
    const char *names[CR_CERT_NAMES_MAX], *text = cli->values[OPT_SERVER];
    size_t count = 0;
    if (strlen(text) > SERVER_TEXT_MAX)
        return cr_error_set(err, -EINVAL, "option '--server': at most %u names", CR_CERT_NAMES_MAX);
    CLEANUP_FREE char *copy = strdup(text);
    if (copy == NULL)
        return cr_error_errno(err, -ENOMEM, "cannot issue a certificate");
    for (char *rest = copy, *name; (name = strsep(&rest, ",")) != NULL;) {
        if (count == CR_ARRAY_LEN(names))
            return cr_error_set(err, -EINVAL, "option '--server': at most %u names",
                                CR_CERT_NAMES_MAX);
        names[count++] = name;
    }
    return cr_pki_server_issue(cli->operands[0], names, count, validity, ret_issued, err);
}

int cmd_pki_issue(struct cli *cli, struct cr_error *err)
{
    struct cr_pki_validity validity;
    struct cr_pki_issued issued;
    char until[TEXT_TIME];
    bool server = cli_has(cli, OPT_SERVER);
    if (server == cli_has(cli, OPT_CLIENT))
        return cr_error_set(err, -EINVAL, "say for whom: --server NAME[,NAME] or --client NAME");
    if (server && cli_has(cli, OPT_CAPTURE))
        return cr_error_set(err, -EINVAL, "option '--capture' is for clients: add --client NAME");
    int r = validity_take(cli, CERT_DAYS, &validity, err);
    if (r == 0)
        r = server ? server_issue(cli, &validity, &issued, err)
                   : cr_pki_client_issue(cli->operands[0], cli->values[OPT_CLIENT],
                                         cli_has(cli, OPT_CAPTURE), &validity, &issued, err);
    if (r < 0)
        return r;
    if (cli_has(cli, OPT_JSON))
        return output_json(json_pack("{s:s, s:I}", "folder", issued.folder, "not_after_s",
                                     (json_int_t)issued.not_after_s),
                           err);
    if (!cli_has(cli, OPT_QUIET))
        printf("issued a certificate to the %s '%s', valid until %s: copy '%s' to it\n",
               server ? "server" : "client", cli->values[server ? OPT_SERVER : OPT_CLIENT],
               text_time(issued.not_after_s, until), issued.folder);
    return 0;
}
