/* SPDX-License-Identifier: MIT */
#include "lib/spool/spool.h"

#include "lib/base/fd.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define DIGITS     20
#define NAME_BYTES (DIGITS + 1)
#define UNFINISHED "new" /* the entry that is being put */

struct cr_spool {
    char *dir; /* for messages */
    int fd;    /* the folder; locked by who puts */
    struct cr_spool_limits limits;
};

void cr_spool_close(struct cr_spool *spool)
{
    if (spool == NULL)
        return;
    cr_cleanup_close(&spool->fd);
    free(spool->dir);
    free(spool);
}

void cr_spool_cleanup(struct cr_spool **spool)
{
    cr_spool_close(*spool);
}

int cr_spool_open(const char *dir, const struct cr_spool_limits *limits,
                  struct cr_spool **ret_spool, struct cr_error *err)
{
    CLEANUP(cr_spool_cleanup) struct cr_spool *spool = cr_calloc(1, sizeof(*spool));
    if (spool == NULL)
        return cr_error_errno(err, -ENOMEM, "opening the queue '%s'", dir);
    spool->fd = -1;
    spool->dir = strdup(dir);
    int r = spool->dir == NULL ? -ENOMEM : cr_dir_make(AT_FDCWD, dir, 0700);
    if (r == 0) {
        spool->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = spool->fd < 0 ? -errno : 0;
    }
    if (r < 0)
        return cr_error_errno(err, r, "opening the queue '%s'", dir);
    if (limits != NULL) {
        spool->limits = *limits;
        if (flock(spool->fd, LOCK_EX | LOCK_NB) < 0)
            return cr_error_set(err, errno == EWOULDBLOCK ? -EBUSY : -errno,
                                "the queue '%s' is in use by another process; stop that one", dir);
        unlinkat(spool->fd, UNFINISHED, 0); /* of one that was killed: it was never put */
    }
    *ret_spool = TAKE_PTR(spool);
    return 0;
}

static void name_format(uint64_t number, char out[static NAME_BYTES])
{
    snprintf(out, NAME_BYTES, "%0*" PRIu64, DIGITS, number);
}

/* --- what is there --------------------------------------------------------------------------- */

struct survey {
    uint64_t oldest, newest; /* numbers; 0 = there is no entry */
    uint64_t entries, bytes;
};

static int survey_take(const struct cr_spool *spool, struct survey *ret_survey)
{
    struct survey survey = {0};
    struct stat st;
    int fd = openat(spool->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP_CLOSEDIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL)
        return -errno;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        uint64_t number = 0;
        if (strlen(entry->d_name) != DIGITS ||
            cr_u64_parse(entry->d_name, INT64_MAX, &number) < 0 || number == 0 ||
            fstatat(spool->fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue; /* not ours, or taken meanwhile */
        survey.entries++;
        survey.bytes += (uint64_t)st.st_size;
        if (survey.oldest == 0 || number < survey.oldest)
            survey.oldest = number;
        if (number > survey.newest)
            survey.newest = number;
    }
    *ret_survey = survey;
    return 0;
}

static uint64_t lost_read(const struct cr_spool *spool)
{
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(32);
    uint64_t lost = 0;
    if (cr_file_read(spool->fd, "lost", &text) == 0 && cr_buf_append(&text, "", 1) == 0)
        (void)cr_u64_parse((const char *)text.data, UINT64_MAX, &lost);
    return lost;
}

int cr_spool_stat(struct cr_spool *spool, struct cr_spool_stat *ret_stat, struct cr_error *err)
{
    struct survey survey;
    int r = survey_take(spool, &survey);
    if (r < 0)
        return cr_error_errno(err, r, "reading the queue '%s'", spool->dir);
    *ret_stat = (struct cr_spool_stat){
        .entries = survey.entries, .bytes = survey.bytes, .lost = lost_read(spool)};
    return 0;
}

/* --- putting --------------------------------------------------------------------------------- */

/* Push out the oldest until `len` more bytes fit. They are counted before they go: a number that
 * is too high after a power cut is better than entries that vanish silently. */
static int room_make(struct cr_spool *spool, size_t len, struct survey *survey)
{
    char name[NAME_BYTES], text[24];
    struct stat st;
    int r = 0;
    while (
        r == 0 && survey->entries > 0 &&
        (survey->entries >= spool->limits.entries || survey->bytes + len > spool->limits.bytes)) {
        int n = snprintf(text, sizeof(text), "%" PRIu64, lost_read(spool) + 1);
        name_format(survey->oldest, name);
        if (fstatat(spool->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
            r = cr_file_replace(spool->fd, "lost", text, (size_t)n, 0600);
            if (r == 0 && unlinkat(spool->fd, name, 0) < 0 && errno != ENOENT)
                r = -errno;
        }
        uint64_t newest = survey->newest;
        if (r == 0)
            r = survey_take(spool, survey);
        survey->newest = newest; /* its number is not given again while somebody may hold it */
    }
    return r;
}

/* Written and synced under another name, then named: there is never half an entry. */
static int entry_write(const struct cr_spool *spool, uint64_t number, const void *data, size_t len)
{
    char name[NAME_BYTES];
    CLEANUP_CLOSE int fd =
        openat(spool->fd, UNFINISHED, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int r = fd < 0 ? -errno : cr_write_full(fd, data, len);
    name_format(number, name);
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    if (r == 0 && renameat(spool->fd, UNFINISHED, spool->fd, name) < 0)
        r = -errno;
    if (r < 0)
        unlinkat(spool->fd, UNFINISHED, 0);
    return r == 0 ? cr_dir_fsync(spool->fd, ".") : r;
}

int cr_spool_put(struct cr_spool *spool, const void *data, size_t len, struct cr_error *err)
{
    struct survey survey;
    if (len > CR_SPOOL_ENTRY_BYTES_MAX || len > spool->limits.bytes)
        return cr_error_set(err, -EMSGSIZE,
                            "putting %zu bytes into the queue '%s': an entry has at most %llu", len,
                            spool->dir, (unsigned long long)CR_SPOOL_ENTRY_BYTES_MAX);
    int r = survey_take(spool, &survey);
    if (r == 0)
        r = room_make(spool, len, &survey);
    if (r == 0)
        r = entry_write(spool, survey.newest + 1, data, len);
    return r < 0 ? cr_error_errno(err, r, "putting an entry into the queue '%s'", spool->dir) : 0;
}

/* --- taking ---------------------------------------------------------------------------------- */

int cr_spool_look(struct cr_spool *spool, uint64_t *ret_number, struct cr_buf *out,
                  struct cr_error *err)
{
    struct survey survey;
    char name[NAME_BYTES];
    for (;;) {
        int r = survey_take(spool, &survey);
        if (r == 0 && survey.entries == 0)
            return -ENOENT;
        name_format(survey.oldest, name);
        if (r == 0)
            r = cr_file_read(spool->fd, name, out);
        if (r == -ENOENT)
            continue; /* pushed out meanwhile */
        *ret_number = survey.oldest;
        return r < 0 ? cr_error_errno(err, r, "reading '%s' of the queue '%s'", name, spool->dir)
                     : 0;
    }
}

int cr_spool_drop(struct cr_spool *spool, uint64_t number, struct cr_error *err)
{
    char name[NAME_BYTES];
    name_format(number, name);
    if (unlinkat(spool->fd, name, 0) < 0 && errno != ENOENT)
        return cr_error_errno(err, -errno, "removing '%s' from the queue '%s'", name, spool->dir);
    return 0;
}
