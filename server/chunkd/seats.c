/* SPDX-License-Identifier: MIT */
#include "server/chunkd/seats.h"

#include "lib/base/fd.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/policy/folder.h"
#include "lib/spool/spool.h"
#include "lib/trust/json.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

/* Of one seat. */
static const struct cr_spool_limits kept = {.bytes = 4 * CR_MIB, .entries = 2000};

struct seats {
    char *reports; /* folder; NULL = none are taken */
    int documents_fd;
};

static int folders_open(struct seats *seats, const char *documents, const char *reports,
                        struct cr_error *err)
{
    if (documents != NULL)
        seats->documents_fd = open(documents, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (documents != NULL && seats->documents_fd < 0)
        return cr_error_errno(err, -errno, "cannot use the folder of seats '%s'", documents);
    if (reports == NULL)
        return 0;
    seats->reports = strdup(reports);
    int r = seats->reports == NULL ? -ENOMEM : cr_dir_make(AT_FDCWD, reports, 0700);
    return r < 0 ? cr_error_errno(err, r, "cannot use the folder of reports '%s'", reports) : 0;
}

int seats_new(const char *documents, const char *reports, struct seats **ret_seats,
              struct cr_error *err)
{
    struct seats *seats = cr_calloc(1, sizeof(*seats));
    if (seats == NULL)
        return cr_error_errno(err, -ENOMEM, "cannot serve seats");
    seats->documents_fd = -1;
    int r = folders_open(seats, documents, reports, err);
    if (r < 0)
        seats_free(seats);
    else
        *ret_seats = seats;
    return r;
}

void seats_free(struct seats *seats)
{
    if (seats == NULL)
        return;
    cr_cleanup_close(&seats->documents_fd);
    free(seats->reports);
    free(seats);
}

/* --- documents -------------------------------------------------------------------------------- */

int seats_document(struct seats *seats, enum seats_document document, const struct cr_id *seat,
                   struct cr_buf *text, struct cr_error *err)
{
    static const struct {
        const char *file;
        bool has_common; /* one for all seats may stand beside their folders */
    } documents[] = {
        [SEATS_POLICY] = {CR_SEAT_POLICY, true},
        [SEATS_LEASE] = {CR_SEAT_LEASE, false},
    };
    char hex[CR_ID_HEX], path[CR_ID_HEX + 32];
    if (seats->documents_fd < 0)
        return -ENOENT;
    snprintf(path, sizeof(path), "%s/%s", cr_id_format(seat, hex), documents[document].file);
    int r = cr_file_read(seats->documents_fd, path, text);
    if (r == -ENOENT && documents[document].has_common)
        r = cr_file_read(seats->documents_fd, documents[document].file, text);
    return r < 0 && r != -ENOENT ? cr_error_errno(err, r, "'%s' of the seats cannot be read", path)
                                 : r;
}

/* --- reports ---------------------------------------------------------------------------------- */

int seats_report(struct seats *seats, const struct cr_id *seat, const struct cr_buf *report,
                 struct cr_error *err)
{
    CLEANUP(cr_spool_cleanup) struct cr_spool *spool = NULL;
    CLEANUP_JSON json_t *json = NULL;
    char hex[CR_ID_HEX], folder[PATH_MAX];
    if (seats->reports == NULL)
        return cr_error_set(err, -ENOENT, "this server takes no reports");
    int r = cr_json_parse(report->data, report->len, CR_SPOOL_ENTRY_BYTES_MAX, &json, err);
    if (r == 0 && !json_is_object(json))
        r = cr_error_set(err, -EBADMSG, "it is no JSON object");
    if (r < 0)
        return cr_error_prefix(err, r == -ENOMEM ? r : -EBADMSG, "the report");
    int n = snprintf(folder, sizeof(folder), "%s/%s", seats->reports, cr_id_format(seat, hex));
    if (n < 0 || (size_t)n >= sizeof(folder))
        return cr_error_set(err, -ENAMETOOLONG, "the folder of reports has too long a name");
    r = cr_spool_open(folder, &kept, &spool, err);
    return r < 0 ? r : cr_spool_put(spool, report->data, report->len, err);
}
