/* SPDX-License-Identifier: MIT */
#include "lib/pki/pki.h"

#include "lib/base/fd.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/pki/cert.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

/* --- a folder that appears whole or not at all ------------------------------------------------ */

struct folder {
    char path[PATH_MAX];      /* where it shall be */
    char temporary[PATH_MAX]; /* "" = not made, or renamed */
};

static void folder_done(struct folder *folder)
{
    if (folder->temporary[0] != '\0')
        cr_dir_remove(AT_FDCWD, folder->temporary);
}

/* Is there nothing, or an empty folder? */
static int folder_vacant(const char *path, struct cr_error *err)
{
    CLEANUP_CLOSEDIR DIR *dir = opendir(path);
    if (dir == NULL)
        return errno == ENOENT ? 0
                               : cr_error_errno(err, -errno, "cannot use the folder '%s'", path);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            return cr_error_set(err, -EEXIST,
                                "'%s' holds something already, and keys are never replaced; move "
                                "it away or name another folder",
                                path);
    return 0;
}

static int folder_make(struct folder *folder, const char *path, struct cr_error *err)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    int n = snprintf(folder->path, sizeof(folder->path), "%.*s", (int)len, path);
    char temporary[PATH_MAX];
    int t = snprintf(temporary, sizeof(temporary), "%.*s.new-%d", (int)len, path, (int)getpid());
    if (n < 0 || t < 0 || (size_t)t >= sizeof(temporary))
        return cr_error_errno(err, -ENAMETOOLONG, "cannot make the folder '%s'", path);
    int r = folder_vacant(folder->path, err);
    if (r < 0)
        return r;
    if (mkdir(temporary, 0755) < 0)
        return cr_error_errno(err, -errno, "cannot make the folder '%s'", folder->path);
    memcpy(folder->temporary, temporary, sizeof(temporary));
    return 0;
}

static int folder_file(const struct folder *folder, const char *name, const struct cr_buf *content,
                       mode_t mode, struct cr_error *err)
{
    CLEANUP_FREE char *path = NULL;
    if (asprintf(&path, "%s/%s", folder->temporary, name) < 0)
        return cr_error_errno(err, -ENOMEM, "cannot write '%s'", name);
    int r = cr_file_replace(AT_FDCWD, path, content->data, content->len, mode);
    return r < 0 ? cr_error_errno(err, r, "cannot write '%s/%s'", folder->path, name) : 0;
}

static int folder_link(const struct folder *folder, const char *name, const char *target,
                       struct cr_error *err)
{
    CLEANUP_FREE char *path = NULL;
    if (asprintf(&path, "%s/%s", folder->temporary, name) < 0)
        return cr_error_errno(err, -ENOMEM, "cannot write '%s'", name);
    return symlink(target, path) < 0
               ? cr_error_errno(err, -errno, "cannot write '%s/%s'", folder->path, name)
               : 0;
}

static int folder_publish(struct folder *folder, struct cr_error *err)
{
    char above[PATH_MAX + 4];
    int r = cr_dir_fsync(AT_FDCWD, folder->temporary);
    if (r == 0 && rename(folder->temporary, folder->path) < 0)
        r = -errno;
    if (r == -ENOTEMPTY || r == -EEXIST)
        return folder_vacant(folder->path, err);
    if (r == 0) {
        folder->temporary[0] = '\0';
        snprintf(above, sizeof(above), "%s/..", folder->path);
        r = cr_dir_fsync(AT_FDCWD, above);
    }
    return r < 0 ? cr_error_errno(err, r, "cannot make the folder '%s'", folder->path) : 0;
}

/* Certificate and key of `cert` under these names. */
static int folder_cert(const struct folder *folder, const struct cr_cert *cert,
                       const char *cert_name, const char *key_name, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf cert_pem = CR_BUF_INIT(CR_PEM_BYTES_MAX);
    CLEANUP_BUF struct cr_buf key_pem = CR_BUF_INIT(CR_PEM_BYTES_MAX);
    int r = cr_cert_write(cert, &cert_pem);
    if (r == 0 && key_name != NULL)
        r = cr_cert_key_write(cert, &key_pem);
    if (r < 0)
        return cr_error_errno(err, r, "cannot write '%s/%s'", folder->path, cert_name);
    r = folder_file(folder, cert_name, &cert_pem, 0644, err);
    if (r == 0 && key_name != NULL)
        r = folder_file(folder, key_name, &key_pem, 0600, err);
    if (key_pem.len > 0)
        explicit_bzero(key_pem.data, key_pem.len);
    return r;
}

/* --- the CA ----------------------------------------------------------------------------------- */

int cr_pki_ca_make(const char *dir, const struct cr_pki_validity *validity, struct cr_error *err)
{
    static const struct cr_cert_spec spec = {.common_name = "Carrel site CA",
                                             .basic_constraints = "critical,CA:TRUE,pathlen:0",
                                             .key_usage = "critical,keyCertSign,cRLSign"};
    CLEANUP(folder_done) struct folder folder = {0};
    CLEANUP(cr_cert_done) struct cr_cert ca = {0};
    struct cr_cert_spec dated = spec;
    dated.validity = *validity;
    int r = folder_make(&folder, dir, err);
    if (r == 0)
        r = cr_cert_make(&dated, NULL, &ca, err);
    if (r == 0)
        r = folder_cert(&folder, &ca, "ca.pem", "ca-key.pem", err);
    return r < 0 ? r : folder_publish(&folder, err);
}

static int ca_file(const char *dir, const char *name, struct cr_buf *out, struct cr_error *err)
{
    CLEANUP_FREE char *path = NULL;
    if (asprintf(&path, "%s/%s", dir, name) < 0)
        return cr_error_errno(err, -ENOMEM, "cannot read '%s'", name);
    int r = cr_file_read(AT_FDCWD, path, out);
    if (r == -ENOENT)
        return cr_error_set(
            err, r, "there is no CA in '%s': '%s' is missing; `carrel pki init %s` makes one", dir,
            name, dir);
    return r < 0 ? cr_error_errno(err, r, "cannot read '%s'", path) : 0;
}

static int ca_load(const char *dir, struct cr_cert *ret_ca, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf cert_pem = CR_BUF_INIT(CR_PEM_BYTES_MAX);
    CLEANUP_BUF struct cr_buf key_pem = CR_BUF_INIT(CR_PEM_BYTES_MAX);
    int r = ca_file(dir, "ca.pem", &cert_pem, err);
    if (r == 0)
        r = ca_file(dir, "ca-key.pem", &key_pem, err);
    if (r < 0)
        return r;
    r = cr_cert_read(&cert_pem, &key_pem, ret_ca, err);
    if (key_pem.len > 0)
        explicit_bzero(key_pem.data, key_pem.len);
    return r < 0 ? cr_error_prefix(err, r, "the CA in '%s' cannot be used", dir) : 0;
}

/* --- those who get a certificate -------------------------------------------------------------- */

/* Make, sign and write the certificate of a `role` ("server", "client") to `path`. */
static int issue(const char *dir, const char *path, const char *role, struct cr_cert_spec *spec,
                 struct cr_pki_issued *ret_issued, struct cr_error *err)
{
    CLEANUP(folder_done) struct folder folder = {0};
    CLEANUP(cr_cert_done) struct cr_cert ca = {0};
    CLEANUP(cr_cert_done) struct cr_cert cert = {0};
    char cert_name[32], key_name[32], nbd_name[32];
    int r = ca_load(dir, &ca, err);
    if (r < 0)
        return r;
    if (spec->validity.not_after_s > cr_cert_not_after_s(&ca))
        spec->validity.not_after_s = cr_cert_not_after_s(&ca);
    spec->basic_constraints = "critical,CA:FALSE";
    spec->key_usage = "critical,digitalSignature";
    snprintf(cert_name, sizeof(cert_name), "%s.pem", role);
    snprintf(key_name, sizeof(key_name), "%s-key.pem", role);
    snprintf(nbd_name, sizeof(nbd_name), "%s-cert.pem", role);
    r = folder_make(&folder, path, err);
    if (r == 0)
        r = cr_cert_make(spec, &ca, &cert, err);
    if (r == 0)
        r = folder_cert(&folder, &ca, "ca.pem", NULL, err);
    if (r == 0)
        r = folder_cert(&folder, &cert, cert_name, key_name, err);
    if (r == 0)
        r = folder_link(&folder, "ca-cert.pem", "ca.pem", err);
    if (r == 0)
        r = folder_link(&folder, nbd_name, cert_name, err);
    if (r == 0)
        r = folder_publish(&folder, err);
    if (r < 0)
        return r;
    snprintf(ret_issued->folder, sizeof(ret_issued->folder), "%s", folder.path);
    ret_issued->not_after_s = spec->validity.not_after_s;
    return 0;
}

/* "IP:" or "DNS:", for a name that is one of them; NULL otherwise. */
static const char *name_kind(const char *name)
{
    uint8_t address[16];
    size_t len = strlen(name), label = 0;
    if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1)
        return "IP:";
    if (len == 0 || len > CR_HOST_BYTES_MAX || name[len - 1] == '.')
        return NULL;
    for (size_t i = 0; i < len; i++) {
        if (name[i] == '.' ? label == 0 : !isalnum((unsigned char)name[i]) && name[i] != '-')
            return NULL;
        label = name[i] == '.' ? 0 : label + 1;
        if (label > 63)
            return NULL;
    }
    return "DNS:";
}

int cr_pki_server_issue(const char *dir, const char *const *names, size_t count,
                        const struct cr_pki_validity *validity, struct cr_pki_issued *ret_issued,
                        struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf list =
        CR_BUF_INIT(CR_CERT_NAMES_MAX * (CR_HOST_BYTES_MAX + sizeof(",DNS:")) + 1);
    CLEANUP_FREE char *path = NULL;
    if (count == 0 || count > CR_CERT_NAMES_MAX)
        return cr_error_set(err, -EINVAL, "a server's certificate holds 1 to %u names, not %zu",
                            CR_CERT_NAMES_MAX, count);
    for (size_t i = 0; i < count; i++) {
        const char *kind = name_kind(names[i]);
        if (kind == NULL)
            return cr_error_set(err, -EINVAL,
                                "'%.253s' is neither a DNS name nor an IP address; separate "
                                "several by commas only",
                                names[i]);
        int r = cr_buf_printf(&list, "%s%s%s", i > 0 ? "," : "", kind, names[i]);
        if (r < 0)
            return cr_error_errno(err, r, "cannot issue a certificate");
    }
    if (asprintf(&path, "%s/server", dir) < 0)
        return cr_error_errno(err, -ENOMEM, "cannot issue a certificate");
    struct cr_cert_spec spec = {.common_name =
                                    strlen(names[0]) <= CR_CLIENT_NAME_MAX ? names[0] : "server",
                                .extended_key_usage = "serverAuth",
                                .alternative_names = (const char *)list.data,
                                .validity = *validity};
    return issue(dir, path, "server", &spec, ret_issued, err);
}

bool cr_pki_client_name_valid(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > CR_CLIENT_NAME_MAX || !isalnum((unsigned char)name[0]))
        return false;
    for (size_t i = 1; i < len; i++)
        if (!isalnum((unsigned char)name[i]) && strchr("._-", name[i]) == NULL)
            return false;
    return true;
}

int cr_pki_client_issue(const char *dir, const char *name, bool may_capture,
                        const struct cr_pki_validity *validity, struct cr_pki_issued *ret_issued,
                        struct cr_error *err)
{
    CLEANUP_FREE char *path = NULL, *above = NULL;
    if (!cr_pki_client_name_valid(name))
        return cr_error_set(err, -EINVAL,
                            "'%.100s' is not a client's name: use 1 to %u letters, digits, '.', "
                            "'_', '-', a letter or digit first",
                            name, CR_CLIENT_NAME_MAX);
    if (asprintf(&above, "%s/clients", dir) < 0 || asprintf(&path, "%s/%s", above, name) < 0)
        return cr_error_errno(err, -ENOMEM, "cannot issue a certificate");
    struct cr_cert ca = {0}; /* without a CA no folder is left behind */
    int r = ca_load(dir, &ca, err);
    cr_cert_done(&ca);
    if (r < 0)
        return r;
    r = cr_dir_make(AT_FDCWD, above, 0755);
    if (r < 0)
        return cr_error_errno(err, r, "cannot make the folder '%s'", above);
    struct cr_cert_spec spec = {.common_name = name,
                                .organizational_unit = may_capture ? CR_CLIENT_CAPTURES : NULL,
                                .extended_key_usage = "clientAuth",
                                .validity = *validity};
    return issue(dir, path, "client", &spec, ret_issued, err);
}
