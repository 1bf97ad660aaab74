/* SPDX-License-Identifier: MIT */
/*
 * The block service of a seat: one version of an image as an NBD disk on a unix socket, whose bytes
 * come from the server and stay in the cache folder. Started by carrel-blockd (main.c), in the
 * foreground: threads are made here before nbdkit serves, and it must not fork after that.
 *
 *      QEMU ── nbdkit ── plugin.c ── lib/seatcache ──┬── cache folder
 *                                                    └── lib/net ── servers
 *
 * What goes wrong is told on stderr under the name of the launcher, which is what people started.
 */
#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include "client/blockd/record.h"
#include "client/blockd/seat.h"
#include "client/blockd/stats.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/blk/lookup.h"
#include "lib/net/https.h"
#include "lib/net/uri.h"
#include "lib/seatcache/chunkfile.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

/* A client that keeps to this keeps the memory limit (carrel-blockd.8). */
#define REQUEST_BYTES_MAX    (2U * 1024 * 1024)

#define PATIENCE_S_DEFAULT   600U

#define BOOT_S_DEFAULT       300U
#define BOOT_QUIET_S_DEFAULT 60U
#define BOOT_S_MAX           3600U

/* A room of sixty fills at the rate of one line of 1 Gbit/s. */
#define FILL_RATE_DEFAULT (2 * CR_MIB)

/* A version of 40 GiB in three hours. */
#define SCRUB_RATE_DEFAULT (4 * CR_MIB)

static struct {
    char *servers[CR_SERVERS_MAX]; /* owned */
    unsigned server_count;
    char *pki, *cache, *trust, *stats, *record, *socket, *peer_listen; /* owned */
    bool image_given, no_deltas, no_hot, peers;
    struct cr_ref image;
    uint64_t patience_s, boot_s, boot_quiet_s;
    uint64_t fill_rate_bytes;
    uint64_t cache_limit_bytes, reserve_bytes, scrub_rate_bytes;
    uint64_t peer_upload_bytes;
    uint64_t ready_fd; /* UINT64_MAX: nobody waits */
} config = {.patience_s = PATIENCE_S_DEFAULT,
            .boot_s = BOOT_S_DEFAULT,
            .boot_quiet_s = BOOT_QUIET_S_DEFAULT,
            .fill_rate_bytes = FILL_RATE_DEFAULT,
            .scrub_rate_bytes = SCRUB_RATE_DEFAULT,
            .ready_fd = UINT64_MAX};

static struct seat seat;

static void say(const char *sentence)
{
    fprintf(stderr, "carrel-blockd: %s\n", sentence);
}

/* --- settings ------------------------------------------------------------------------------ */

static const struct {
    const char *key;
    char **text;
    bool is_path; /* made absolute */
} texts[] = {
    {"pki", &config.pki, true},
    {"cache", &config.cache, true},
    {"trust", &config.trust, true},
    {"stats", &config.stats, true},
    {"record", &config.record, true},
    {"socket", &config.socket, true},
    {"peer-listen", &config.peer_listen, false},
};

static const struct {
    const char *key;
    uint64_t *number;
    uint64_t max;
    bool is_size; /* "2M" */
} numbers[] = {
    {"patience", &config.patience_s, CR_PATIENCE_S_MAX, false},
    {"boot-seconds", &config.boot_s, BOOT_S_MAX, false},
    {"boot-quiet", &config.boot_quiet_s, BOOT_S_MAX, false},
    {"fill-rate", &config.fill_rate_bytes, CR_TIB, true},
    {"cache-limit", &config.cache_limit_bytes, UINT64_MAX, true},
    {"reserve", &config.reserve_bytes, UINT64_MAX, true},
    {"scrub-rate", &config.scrub_rate_bytes, CR_TIB, true},
    {"peer-upload", &config.peer_upload_bytes, CR_TIB, true},
    {"ready-fd", &config.ready_fd, INT32_MAX, false},
};

static const struct {
    const char *key;
    bool *field;
    bool of_no; /* it is set by "no", otherwise by "yes" */
} switches[] = {
    {"deltas", &config.no_deltas, true},
    {"hot", &config.no_hot, true},
    {"peers", &config.peers, false},
};

static int server_add(const char *uri)
{
    if (config.server_count == CR_SERVERS_MAX) {
        nbdkit_error("more than %u times server=", CR_SERVERS_MAX);
        return -1;
    }
    config.servers[config.server_count] = strdup(uri);
    return config.servers[config.server_count] != NULL ? (config.server_count++, 0) : -1;
}

static int plugin_config(const char *key, const char *value)
{
    struct cr_error err = {0};
    if (strcmp(key, "server") == 0)
        return server_add(value);
    for (size_t i = 0; i < CR_ARRAY_LEN(texts); i++) {
        if (strcmp(key, texts[i].key) != 0)
            continue;
        free(*texts[i].text);
        *texts[i].text = texts[i].is_path ? nbdkit_absolute_path(value) : strdup(value);
        return *texts[i].text != NULL ? 0 : -1;
    }
    for (size_t i = 0; i < CR_ARRAY_LEN(numbers); i++) {
        if (strcmp(key, numbers[i].key) != 0)
            continue;
        if ((numbers[i].is_size ? cr_bytes_parse : cr_u64_parse)(value, numbers[i].max,
                                                                 numbers[i].number) == 0)
            return 0;
        nbdkit_error("%s=%s is not a number up to %" PRIu64, key, value, numbers[i].max);
        return -1;
    }
    if (strcmp(key, "image") == 0) {
        config.image_given = cr_ref_parse(value, &config.image, &err) == 0;
        if (!config.image_given)
            say(err.text);
        return config.image_given ? 0 : -1;
    }
    for (size_t i = 0; i < CR_ARRAY_LEN(switches); i++) {
        if (strcmp(key, switches[i].key) != 0)
            continue;
        int yes_or_no = nbdkit_parse_bool(value);
        *switches[i].field = (yes_or_no == 0) == switches[i].of_no;
        return yes_or_no < 0 ? -1 : 0;
    }
    nbdkit_error("there is no parameter '%s'", key);
    return -1;
}

static int plugin_config_complete(void)
{
    if (config.server_count > 0 && config.cache != NULL && config.image_given)
        return 0;
    nbdkit_error("server=URL, image=NAME[@N] and cache=DIR are needed; start carrel-blockd rather "
                 "than this plugin");
    return -1;
}

#define CONFIG_HELP                                                                                \
    "server=URL       (required) https://HOST:PORT of an image server; may be repeated.\n"         \
    "image=NAME[@N]   (required) The version; without @N the newest at start.\n"                   \
    "cache=DIR        (required) The folder that keeps what was read.\n"                           \
    "pki=DIR          Certificates.\n"                                                             \
    "patience=SECONDS How long a server that is away is waited for (default 600).\n"               \
    "trust=DIR        Signed metadata: only versions in it are served.\n"                          \
    "deltas=BOOL      Take chunks from older versions in the cache, by deltas too (default "       \
    "yes).\n"                                                                                      \
    "hot=BOOL         Fetch ahead along the hot list (default yes).\n"                             \
    "fill-rate=BYTES  Fetch the rest at so many a second; 0 = do not (default 2M).\n"              \
    "cache-limit=BYTES  Keep at most so much of all versions; 0 = no limit (default 0).\n"         \
    "reserve=BYTES    Leave so much of the cache's disk free (default 0).\n"                       \
    "scrub-rate=BYTES Read the cache again at so many a second; 0 = do not (default 4M).\n"        \
    "boot-seconds=N   Record the boot for so long at most; 0 = do not (default 300).\n"            \
    "boot-quiet=N     It is over when nothing new was read for so long (default 60).\n"            \
    "peers=BOOL       Take chunks from other seats, and serve them (default no).\n"                \
    "peer-listen=ADDR:PORT Where they are served (default *:0).\n"                                 \
    "peer-upload=BYTES At most so many a second; 0 = no limit (default 0).\n"                      \
    "stats=FILE       Written at the end.\n"                                                       \
    "record=FILE      Every read is written there.\n"                                              \
    "ready-fd=N       Told when the disk is served.\n"                                             \
    "socket=PATH      Removed at the end."

/* --- the end: a signal must not wait for a server that is away ------------------------------ */

static const int end_signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
static struct sigaction end_before[CR_ARRAY_LEN(end_signals)];
static int end_event = -1;

/* Wake the watcher, then let nbdkit do what it does. */
static void on_end(int signal)
{
    int saved_errno = errno;
    uint64_t one = 1;
    if (write(end_event, &one, sizeof(one)) < 0)
        one = 0; /* the counter is full: it is awake already */
    for (size_t i = 0; i < CR_ARRAY_LEN(end_signals); i++)
        if (end_signals[i] == signal && end_before[i].sa_handler != SIG_DFL &&
            end_before[i].sa_handler != SIG_IGN)
            end_before[i].sa_handler(signal);
    errno = saved_errno;
}

static void *watch_end(void *unused)
{
    uint64_t count;
    while (read(end_event, &count, sizeof(count)) < 0 && errno == EINTR)
        ;
    seat_interrupt(&seat);
    return unused;
}

static pthread_t watcher;
static bool watched;

static int watch_start(void)
{
    struct sigaction action = {.sa_handler = on_end, .sa_flags = SA_RESTART};
    end_event = eventfd(0, EFD_CLOEXEC);
    if (end_event < 0)
        return -errno;
    int r = pthread_create(&watcher, NULL, watch_end, NULL);
    if (r != 0)
        return -r;
    watched = true;
    for (size_t i = 0; i < CR_ARRAY_LEN(end_signals); i++)
        sigaction(end_signals[i], &action, &end_before[i]);
    return 0;
}

/* From here on the seat is nobody's but the caller's. */
static void watch_stop(void)
{
    uint64_t one = 1;
    if (!watched)
        return;
    watched = false;
    if (write(end_event, &one, sizeof(one)) < 0)
        one = 0; /* the counter is full: it is awake already */
    pthread_join(watcher, NULL);
}

/* --- from start to end ----------------------------------------------------------------------- */

/*
 * The memory limit: one arena for each thread would cost more than the plugin itself, and buffers
 * of requests shall go back to the kernel instead of tearing holes into the heap.
 */
static void plugin_load(void)
{
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_MMAP_THRESHOLD, 128 * 1024);
    cr_https_register();
}

/* The seat is open: its disk may be asked by other threads. */
static atomic_bool opened;

/* Whoever listens may have the version's file opened without us. Telling it twice does no harm. */
static void complete_tell(void *unused)
{
    char name[CR_CHUNKFILE_NAME];
    (void)unused;
    if (config.ready_fd == UINT64_MAX || !atomic_load(&opened) || !cr_seatdisk_complete(seat.disk))
        return; /* announce() asks again */
    const struct cr_id *root = &cr_version_info(cr_seatdisk_version(seat.disk))->root;
    if (dprintf((int)config.ready_fd, "complete disks/%s\n", cr_chunkfile_name(root, name)) < 0)
        say("nobody listens to what is said on standard output");
}

/* Does the map say that all is there? Then wait the moment until that is known for sure. */
static void completeness_find(void)
{
    struct cr_seatdisk_stat stat;
    cr_seatdisk_stat(seat.disk, &stat);
    if (stat.data_chunks != 0 && stat.present_chunks == stat.data_chunks &&
        cr_seatdisk_sync(seat.disk) < 0)
        say("the cache folder's map cannot be brought up to date");
    atomic_store(&opened, true);
    complete_tell(NULL);
}

static int announce(struct cr_error *err)
{
    char ref[CR_REF_TEXT], root[CR_ID_HEX];
    const struct cr_version *version = cr_seatdisk_version(seat.disk);
    if (config.ready_fd == UINT64_MAX)
        return 0;
    completeness_find();
    int n = dprintf((int)config.ready_fd, "ready %s %" PRIu64 " %s\n",
                    cr_ref_format(cr_version_ref(version), ref), cr_version_disk_bytes(version),
                    cr_id_format(&cr_version_info(version)->root, root));
    return n < 0 ? cr_error_errno(err, -errno, "cannot say that the disk is ready") : 0;
}

static void plugin_end(void)
{
    if (seat.disk != NULL && config.stats != NULL && stats_write(&seat, config.stats) < 0)
        say("the statistics cannot be written");
    if (record_close() < 0)
        say("the reads cannot all be recorded");
    watch_stop();
    seat_close(&seat);
    if (config.socket != NULL)
        unlink(config.socket);
}

static int plugin_after_fork(void)
{
    struct cr_error err = {0};
    struct seat_settings settings = {
        .servers = (const char *const *)config.servers,
        .server_count = config.server_count,
        .pki = config.pki,
        .cache = config.cache,
        .trust = config.trust,
        .image = config.image,
        .patience_s = (unsigned)config.patience_s,
        .no_deltas = config.no_deltas,
        .no_hot = config.no_hot,
        .fill_rate_bytes = config.fill_rate_bytes,
        .limit_bytes = config.cache_limit_bytes,
        .reserve_bytes = config.reserve_bytes,
        .scrub_bytes_s = config.scrub_rate_bytes,
        .boot_max_s = (unsigned)config.boot_s,
        .boot_quiet_s = (unsigned)config.boot_quiet_s,
        .peer_listen = !config.peers        ? NULL
                       : config.peer_listen ? config.peer_listen
                                            : "*:0",
        .peer_upload_bytes = config.peer_upload_bytes,
        .warn = say,
        .completed = complete_tell,
    };
    int r = watch_start();
    if (r < 0)
        cr_error_errno(&err, r, "cannot start");
    if (r == 0)
        r = seat_open(&seat, &settings, &err);
    if (r == 0 && config.record != NULL)
        r = record_open(config.record, &err);
    if (r == 0)
        r = announce(&err);
    if (r == 0)
        return 0;
    say(err.text);
    plugin_end();
    return -1;
}

static void plugin_unload(void)
{
    plugin_end();
    for (size_t i = 0; i < CR_ARRAY_LEN(texts); i++)
        free(TAKE_PTR(*texts[i].text));
    while (config.server_count > 0)
        free(config.servers[--config.server_count]);
}

/* --- connections and requests ---------------------------------------------------------------- */

static void *plugin_open(int readonly)
{
    (void)readonly;
    return NBDKIT_HANDLE_NOT_NEEDED;
}

static const char *plugin_export_description(void *opaque)
{
    (void)opaque;
    char text[CR_REF_TEXT];
    return nbdkit_strdup_intern(
        cr_ref_format(cr_version_ref(cr_seatdisk_version(seat.disk)), text));
}

static int64_t plugin_get_size(void *opaque)
{
    (void)opaque;
    return (int64_t)cr_version_disk_bytes(cr_seatdisk_version(seat.disk));
}

static int plugin_block_size(void *opaque, uint32_t *minimum, uint32_t *preferred,
                             uint32_t *maximum)
{
    (void)opaque;
    *minimum = 1;
    *preferred = CR_CHUNK_BYTES;
    *maximum = REQUEST_BYTES_MAX;
    return 0;
}

static int yes(void *opaque)
{
    (void)opaque;
    return 1;
}

static int plugin_can_cache(void *opaque)
{
    (void)opaque;
    return NBDKIT_CACHE_NATIVE;
}

static int request_failed(int result, const struct cr_error *err)
{
    if (result != -ECANCELED) /* we are being stopped */
        say(err->text);
    nbdkit_set_error(result == -ENOMEM ? ENOMEM : EIO);
    return -1;
}

static int plugin_pread(void *opaque, void *data, uint32_t len, uint64_t offset, uint32_t flags)
{
    (void)opaque, (void)flags;
    struct cr_error err;
    record_read(offset, len);
    boot_touch(seat.boot, offset, len);
    int r = cr_seatdisk_read(seat.disk, data, len, offset, &err);
    return r < 0 ? request_failed(r, &err) : 0;
}

static int plugin_cache(void *opaque, uint32_t len, uint64_t offset, uint32_t flags)
{
    (void)opaque, (void)flags;
    struct cr_error err;
    int r = cr_seatdisk_prefetch(seat.disk, len, offset, &err);
    return r < 0 ? request_failed(r, &err) : 0;
}

static int plugin_extents(void *opaque, uint32_t len, uint64_t offset, uint32_t flags,
                          struct nbdkit_extents *extents)
{
    (void)opaque;
    struct cr_error err;
    uint64_t left = len, bytes = 0;
    bool hole = false;
    do {
        int r = cr_lookup_extent(cr_seatdisk_version(seat.disk), offset, left, &bytes, &hole, &err);
        if (r < 0)
            return request_failed(r, &err);
        uint32_t type = hole ? NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO : 0;
        if (nbdkit_add_extent(extents, offset, bytes, type) < 0)
            return -1;
        offset += bytes;
        left -= bytes;
    } while (left > 0 && !(flags & NBDKIT_FLAG_REQ_ONE));
    return 0;
}

static struct nbdkit_plugin plugin = {
    .name = "carrel-blockd",
    .longname = "Carrel block service of a seat",
    .version = CARREL_VERSION,
    .description = "One version of an image, from a server and a local cache, read-only.",
    .load = plugin_load,
    .config = plugin_config,
    .config_complete = plugin_config_complete,
    .config_help = CONFIG_HELP,
    .after_fork = plugin_after_fork,
    .unload = plugin_unload,
    .export_description = plugin_export_description,
    .open = plugin_open,
    .get_size = plugin_get_size,
    .block_size = plugin_block_size,
    .can_multi_conn = yes,
    .can_extents = yes,
    .can_cache = plugin_can_cache,
    .pread = plugin_pread,
    .cache = plugin_cache,
    .extents = plugin_extents,
};

struct nbdkit_plugin *plugin_init(void);
NBDKIT_REGISTER_PLUGIN(plugin)
