/* SPDX-License-Identifier: MIT */
#include "image-tools/build_files.h"

#include "lib/base/fd.h"
#include "lib/base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define BLOCK_BYTES (256 * CR_KIB)

/* --- the folder ------------------------------------------------------------------------------- */

int build_files_open(struct build_files *files, const char *folder, struct cr_error *err)
{
    if (realpath(folder, files->folder) == NULL)
        return cr_error_errno(err, -errno, "cannot open the folder '%s'", folder);
    files->fd = open(files->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return files->fd < 0 ? cr_error_errno(err, -errno, "cannot open the folder '%s'", folder) : 0;
}

void build_files_close(struct build_files *files)
{
    if (files->fd >= 0)
        close(files->fd);
    files->fd = -1;
}

/* Not even a symbolic link leads out of the folder. */
static int beneath_open(const struct build_files *files, const char *local, uint64_t flags)
{
    struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = RESOLVE_BENEATH};
    long fd = syscall(SYS_openat2, files->fd, local, &how, sizeof(how));
    return fd < 0 ? -errno : (int)fd;
}

static int file_open(const struct build_files *files, const char *local, unsigned line,
                     struct cr_error *err)
{
    struct stat st;
    CLEANUP_CLOSE int fd = beneath_open(files, local, O_RDONLY | O_NONBLOCK);
    if (fd < 0)
        return cr_error_errno(err, fd, "line %u of the recipe: cannot open '%s' in '%s'", line,
                              local, files->folder);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return cr_error_set(err, -EINVAL, "line %u of the recipe: '%s' in '%s' is no plain file",
                            line, local, files->folder);
    return TAKE_FD(fd);
}

int build_files_path(const struct build_files *files, const char *local, char out[static PATH_MAX],
                     struct cr_error *err)
{
    int n = snprintf(out, PATH_MAX, "%s/%s", files->folder, local);
    return n < PATH_MAX ? 0
                        : cr_error_set(err, -ENAMETOOLONG, "the path of '%s' is too long", local);
}

/* --- hashes ----------------------------------------------------------------------------------- */

struct hash {
    EVP_MD_CTX *context;
};

static void hash_done(struct hash *hash)
{
    EVP_MD_CTX_free(hash->context);
}

static int hash_init(struct hash *hash, struct cr_error *err)
{
    hash->context = EVP_MD_CTX_new();
    if (hash->context == NULL || EVP_DigestInit_ex(hash->context, EVP_sha256(), NULL) != 1)
        return cr_error_errno(err, -ENOMEM, "cannot hash files");
    return 0;
}

static int file_hash(const struct build_files *files, const char *local, unsigned line,
                     struct cr_id *ret_hash, struct cr_error *err)
{
    CLEANUP(hash_done) struct hash hash = {0};
    CLEANUP_FREE void *block = malloc(BLOCK_BYTES);
    CLEANUP_CLOSE int fd = file_open(files, local, line, err);
    if (fd < 0)
        return fd;
    int r = hash_init(&hash, err);
    if (r < 0 || block == NULL)
        return r < 0 ? r : cr_error_errno(err, -ENOMEM, "cannot hash files");
    ssize_t n;
    while ((n = read(fd, block, BLOCK_BYTES)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return cr_error_errno(err, -errno, "cannot read '%s/%s'", files->folder, local);
        EVP_DigestUpdate(hash.context, block, (size_t)n);
    }
    EVP_DigestFinal_ex(hash.context, ret_hash->bytes, NULL);
    return 0;
}

static int packages_hash(const struct build_files *files, const struct cr_recipe *recipe,
                         unsigned line, struct cr_id *ret_hash, struct cr_error *err)
{
    CLEANUP(build_packages_done) struct build_packages packages = {0};
    CLEANUP(hash_done) struct hash hash = {0};
    int r = build_packages_list(files, recipe->package_folder, &packages, err);
    if (r == 0)
        r = hash_init(&hash, err);
    for (size_t i = 0; i < packages.count && r == 0; i++) {
        char local[PATH_MAX];
        struct cr_id one;
        snprintf(local, sizeof(local), "%s/%s", recipe->package_folder, packages.names[i]);
        r = file_hash(files, local, line, &one, err);
        if (r < 0)
            break;
        EVP_DigestUpdate(hash.context, packages.names[i], strlen(packages.names[i]) + 1);
        EVP_DigestUpdate(hash.context, one.bytes, sizeof(one.bytes));
    }
    if (r == 0)
        EVP_DigestFinal_ex(hash.context, ret_hash->bytes, NULL);
    return r;
}

int build_files_hash(const struct build_files *files, const struct cr_recipe *recipe,
                     const struct cr_step *step, struct cr_id *ret_hash, bool *ret_any,
                     struct cr_error *err)
{
    *ret_any = true;
    if (step->local != NULL)
        return file_hash(files, step->local, step->line, ret_hash, err);
    if (step->kind == CR_STEP_PACKAGES && recipe->package_folder != NULL)
        return packages_hash(files, recipe, step->line, ret_hash, err);
    *ret_any = false;
    return 0;
}

/* --- the package folder ----------------------------------------------------------------------- */

void build_packages_done(struct build_packages *packages)
{
    for (size_t i = 0; i < packages->count; i++)
        free(packages->names[i]);
    free(packages->names);
    *packages = (struct build_packages){0};
}

static bool is_package(const char *name)
{
    size_t len = strlen(name);
    return name[0] != '.' && len > 4 && len < 256 && strcmp(name + len - 4, ".deb") == 0;
}

static int packages_add(struct build_packages *packages, const char *name)
{
    if (packages->count == CR_RECIPE_FILES_MAX)
        return -EMSGSIZE;
    if (packages->count == packages->room) {
        size_t room = packages->room ? 2 * packages->room : 64;
        char **names = reallocarray(packages->names, room, sizeof(*names));
        if (names == NULL)
            return -ENOMEM;
        packages->names = names;
        packages->room = room;
    }
    packages->names[packages->count] = strdup(name);
    if (packages->names[packages->count] == NULL)
        return -ENOMEM;
    packages->count++;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int build_packages_list(const struct build_files *files, const char *folder,
                        struct build_packages *ret_packages, struct cr_error *err)
{
    CLEANUP(build_packages_done) struct build_packages packages = {0};
    int fd = beneath_open(files, folder, O_RDONLY | O_DIRECTORY);
    CLEANUP_CLOSEDIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL)
        return cr_error_errno(err, fd < 0 ? fd : -errno, "cannot open the package folder '%s/%s'",
                              files->folder, folder);
    const struct dirent *entry;
    int r = 0;
    while ((entry = readdir(dir)) != NULL && r == 0)
        if (is_package(entry->d_name))
            r = packages_add(&packages, entry->d_name);
    if (r < 0)
        return cr_error_errno(err, r, "cannot list the package folder '%s/%s'", files->folder,
                              folder);
    if (packages.count > 1)
        qsort(packages.names, packages.count, sizeof(packages.names[0]), by_name);
    *ret_packages = packages;
    packages = (struct build_packages){0};
    return 0;
}

/* --- into a record and out of it -------------------------------------------------------------- */

static int file_keep(const struct build_files *files, const char *local, unsigned line,
                     struct cr_record_writer *writer, struct cr_error *err)
{
    char name[CR_RECORD_NAME_MAX + 1];
    CLEANUP_BUF struct cr_buf data = CR_BUF_INIT(CR_RECORD_PLAIN_BYTES_MAX);
    CLEANUP_CLOSE int fd = file_open(files, local, line, err);
    struct stat st;
    if (fd < 0)
        return fd;
    if (fstat(fd, &st) < 0)
        return cr_error_errno(err, -errno, "cannot read '%s/%s'", files->folder, local);
    if ((uint64_t)st.st_size > CR_RECORD_PLAIN_BYTES_MAX)
        return -EMSGSIZE;
    int r = cr_buf_reserve(&data, (size_t)st.st_size);
    if (r == 0 && st.st_size > 0)
        r = cr_pread_full(fd, data.data, (size_t)st.st_size, 0);
    snprintf(name, sizeof(name), CR_RECORD_FILE "%s", local);
    if (r == 0)
        r = cr_record_add(writer, name, data.data, (size_t)st.st_size);
    if (r == 0 || r == -EMSGSIZE)
        return r;
    return cr_error_errno(err, r, "cannot keep '%s/%s'", files->folder, local);
}

/* Has an earlier step used the same file? */
static bool used_before(const struct cr_recipe *recipe, unsigned index)
{
    for (unsigned i = 0; i < index; i++)
        if (recipe->steps[i].local != NULL &&
            strcmp(recipe->steps[i].local, recipe->steps[index].local) == 0)
            return true;
    return false;
}

int build_files_keep(const struct build_files *files, const struct cr_recipe *recipe,
                     struct cr_record_writer *writer, struct cr_error *err)
{
    CLEANUP(build_packages_done) struct build_packages packages = {0};
    int r = 0;
    for (unsigned i = 0; i < recipe->count && r == 0; i++)
        if (recipe->steps[i].local != NULL && !used_before(recipe, i))
            r = file_keep(files, recipe->steps[i].local, recipe->steps[i].line, writer, err);
    if (r == 0 && recipe->package_folder != NULL)
        r = build_packages_list(files, recipe->package_folder, &packages, err);
    for (size_t i = 0; i < packages.count && r == 0; i++) {
        char local[PATH_MAX];
        snprintf(local, sizeof(local), "%s/%s", recipe->package_folder, packages.names[i]);
        r = file_keep(files, local, 0, writer, err);
    }
    return r;
}

static int file_unpack(const struct cr_record_entry *entry, const char *folder, const char *local,
                       struct cr_error *err)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof(path), "%s/%s", folder, local), r = 0;
    if (n >= PATH_MAX)
        return cr_error_set(err, -ENAMETOOLONG, "the path of '%s' is too long", local);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    r = cr_dir_make(AT_FDCWD, path, 0700);
    *slash = '/';
    CLEANUP_CLOSE int fd =
        r < 0 ? r : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    r = r < 0 ? r : fd < 0 ? -errno : cr_write_full(fd, entry->data, entry->len);
    return r < 0 ? cr_error_errno(err, r, "cannot write '%s'", path) : 0;
}

int build_files_unpack(const struct cr_record *record, const struct cr_recipe *recipe,
                       const char *folder, bool *ret_whole, struct cr_error *err)
{
    char name[CR_RECORD_NAME_MAX + 1];
    int r = 0;
    *ret_whole = true;
    for (unsigned i = 0; i < recipe->count && r == 0; i++) {
        const char *local = recipe->steps[i].local;
        if (local == NULL)
            continue;
        snprintf(name, sizeof(name), CR_RECORD_FILE "%s", local);
        const struct cr_record_entry *entry = cr_record_find(record, name);
        if (entry == NULL)
            *ret_whole = false;
        else
            r = file_unpack(entry, folder, local, err);
    }
    if (recipe->package_folder == NULL || r < 0)
        return r;
    size_t found = 0;
    int len = snprintf(name, sizeof(name), CR_RECORD_FILE "%s/", recipe->package_folder);
    for (uint32_t i = 0; i < record->count && r == 0; i++) {
        const struct cr_record_entry *entry = &record->entries[i];
        if (strncmp(entry->name, name, (size_t)len) != 0)
            continue;
        const char *base = entry->name + len;
        if (strchr(base, '/') != NULL || !is_package(base))
            continue;
        r = file_unpack(entry, folder, entry->name + strlen(CR_RECORD_FILE), err);
        found++;
    }
    *ret_whole = *ret_whole && found > 0;
    return r;
}
