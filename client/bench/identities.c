/* SPDX-License-Identifier: MIT */
#include "client/bench/identities.h"

#include "lib/base/fd.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/pki/cert.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* A storm is over by then; so is what a killed one left behind. */
#define VALID_S      (24 * 3600)
#define CLOCK_SKEW_S 3600

static int no_memory(struct cr_error *err)
{
    return cr_error_errno(err, -ENOMEM, "prepare the seats' certificates");
}

static int folder_add(struct identities *identities, const char *dir, const char *name)
{
    char *path = NULL;
    char **more = reallocarray(identities->folders, identities->count + 1, sizeof(*more));
    if (more == NULL)
        return -ENOMEM;
    identities->folders = more;
    if (asprintf(&path, "%s%s%s", dir, name[0] != '\0' ? "/" : "", name) < 0)
        return -ENOMEM;
    identities->folders[identities->count++] = path;
    return 0;
}

static bool holds(const char *dir, const char *name)
{
    CLEANUP_FREE char *path = NULL;
    return asprintf(&path, "%s/%s", dir, name) >= 0 && access(path, F_OK) == 0;
}

/* --- made of a CA ----------------------------------------------------------------------------- */

static int pem_read(const char *dir, const char *name, struct cr_buf *pem, struct cr_error *err)
{
    CLEANUP_FREE char *path = NULL;
    if (asprintf(&path, "%s/%s", dir, name) < 0)
        return no_memory(err);
    int r = cr_file_read(AT_FDCWD, path, pem);
    return r < 0 ? cr_error_errno(err, r, "read '%s'", path) : 0;
}

/* Not durable: it is needed as long as we run. */
static int pem_write(const char *dir, const char *name, const struct cr_buf *pem)
{
    CLEANUP_FREE char *path = NULL;
    if (asprintf(&path, "%s/%s", dir, name) < 0)
        return -ENOMEM;
    CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd < 0 ? -errno : cr_write_full(fd, pem->data, pem->len);
}

static int seat_write(const char *folder, const struct cr_buf *ca_pem, const struct cr_cert *cert)
{
    CLEANUP_BUF struct cr_buf pem = CR_BUF_INIT(CR_PEM_BYTES_MAX);
    CLEANUP_BUF struct cr_buf key = CR_BUF_INIT(CR_PEM_BYTES_MAX);
    if (mkdir(folder, 0700) < 0)
        return -errno;
    int r = cr_cert_write(cert, &pem);
    if (r == 0)
        r = cr_cert_key_write(cert, &key);
    if (r == 0)
        r = pem_write(folder, "ca.pem", ca_pem);
    if (r == 0)
        r = pem_write(folder, "client.pem", &pem);
    if (r == 0)
        r = pem_write(folder, "client-key.pem", &key);
    if (key.data != NULL)
        explicit_bzero(key.data, key.len);
    return r;
}

static int seat_issue(struct identities *identities, unsigned number, const struct cr_cert *ca,
                      const struct cr_buf *ca_pem, struct cr_error *err)
{
    CLEANUP(cr_cert_done) struct cr_cert cert = {0};
    char name[32];
    int64_t now_s = time(NULL), end_s = now_s + VALID_S;
    snprintf(name, sizeof(name), "storm-seat-%u", number + 1);
    struct cr_cert_spec spec = {
        .common_name = name,
        .basic_constraints = "critical,CA:FALSE",
        .key_usage = "critical,digitalSignature",
        .extended_key_usage = "clientAuth",
        .validity = {.not_before_s = now_s - CLOCK_SKEW_S,
                     .not_after_s =
                         end_s < cr_cert_not_after_s(ca) ? end_s : cr_cert_not_after_s(ca)},
    };
    int r = cr_cert_make(&spec, ca, &cert, err);
    if (r < 0)
        return r;
    if (folder_add(identities, identities->made, name) < 0)
        return no_memory(err);
    const char *folder = identities->folders[identities->count - 1];
    r = seat_write(folder, ca_pem, &cert);
    return r < 0 ? cr_error_errno(err, r, "write a certificate into '%s'", folder) : 0;
}

static int made_of_ca(struct identities *identities, const char *dir, unsigned seats,
                      struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf ca_pem = CR_BUF_INIT(CR_PEM_BYTES_MAX);
    CLEANUP_BUF struct cr_buf key_pem = CR_BUF_INIT(CR_PEM_BYTES_MAX);
    CLEANUP(cr_cert_done) struct cr_cert ca = {0};
    const char *above = getenv("TMPDIR");
    char made[sizeof(identities->made)];
    int r = pem_read(dir, "ca.pem", &ca_pem, err);
    if (r == 0)
        r = pem_read(dir, "ca-key.pem", &key_pem, err);
    if (r == 0)
        r = cr_cert_read(&ca_pem, &key_pem, &ca, err);
    if (key_pem.data != NULL)
        explicit_bzero(key_pem.data, key_pem.len);
    if (r < 0)
        return cr_error_prefix(err, r, "the CA in '%s'", dir);
    int n = snprintf(made, sizeof(made), "%s/carrel-storm-XXXXXX", above != NULL ? above : "/tmp");
    if (n < 0 || (size_t)n >= sizeof(made))
        return cr_error_set(err, -ENAMETOOLONG, "the name of the folder in TMPDIR is too long");
    if (mkdtemp(made) == NULL)
        return cr_error_errno(err, -errno, "make a folder for the seats' certificates in '%s'",
                              above != NULL ? above : "/tmp");
    memcpy(identities->made, made, sizeof(made));
    for (unsigned i = 0; r == 0 && i < seats; i++)
        r = seat_issue(identities, i, &ca, &ca_pem, err);
    return r;
}

/* --- found ------------------------------------------------------------------------------------ */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int found_below(struct identities *identities, const char *dir, struct cr_error *err)
{
    CLEANUP_CLOSEDIR DIR *folder = opendir(dir);
    if (folder == NULL)
        return cr_error_errno(err, -errno, "read the folder '%s'", dir);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        CLEANUP_FREE char *path = NULL;
        if (entry->d_name[0] == '.')
            continue;
        if (asprintf(&path, "%s/%s", dir, entry->d_name) < 0)
            return no_memory(err);
        if (holds(path, "client.pem") && folder_add(identities, path, "") < 0)
            return no_memory(err);
    }
    if (identities->count == 0)
        return cr_error_set(err, -ENOENT,
                            "'%s' holds neither a CA with its key nor certificates of clients; "
                            "make them with 'carrel pki'",
                            dir);
    qsort(identities->folders, identities->count, sizeof(*identities->folders), by_name);
    return 0;
}

int identities_init(struct identities *identities, const char *dir, unsigned seats,
                    struct cr_error *err)
{
    int r;
    *identities = (struct identities){0};
    if (dir == NULL)
        return 0;
    if (holds(dir, "ca-key.pem"))
        r = made_of_ca(identities, dir, seats, err);
    else if (holds(dir, "client.pem"))
        r = folder_add(identities, dir, "") < 0 ? no_memory(err) : 0;
    else
        r = found_below(identities, dir, err);
    identities->each = identities->count >= seats;
    return r;
}

void identities_done(struct identities *identities)
{
    for (unsigned i = 0; i < identities->count; i++)
        free(identities->folders[i]);
    free(identities->folders);
    if (identities->made[0] != '\0')
        cr_dir_remove(AT_FDCWD, identities->made);
    *identities = (struct identities){0};
}

const char *identities_folder(const struct identities *identities, unsigned number)
{
    return identities->count == 0 ? NULL : identities->folders[number % identities->count];
}
