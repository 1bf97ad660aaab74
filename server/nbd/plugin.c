/* SPDX-License-Identifier: MIT */
/*
 * A version of an image as an NBD export: nbdkit speaks the protocol (and TLS, and its filters),
 * this plugin answers reads from the store.
 *
 *      NBD client ── nbdkit ── filters ── plugin.c ── lib/blk/disk.c ── cache ── store
 */
#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/net/https.h"
#include "lib/net/uri_add.h"
#include "lib/rados/rados.h"
#include "server/nbd/exports.h"

#include <errno.h>
#include <inttypes.h>

#define THREAD_MODEL        NBDKIT_THREAD_MODEL_PARALLEL

#define CACHE_BYTES_DEFAULT (512 * CR_MIB)
#define CACHE_BYTES_MIN     (1 * CR_MIB)

static struct {
    char *store; /* URI */
    char *pki;   /* folder, absolute */
    bool image_given;
    struct cr_ref image;
    uint64_t cache_bytes;
    struct cr_packcache_options packs;
    char *packs_folder; /* absolute; NULL = none */
} config = {
    .cache_bytes = CACHE_BYTES_DEFAULT,
    .packs = {.memory_bytes = CR_PACKCACHE_USUAL, .folder_bytes = 16 * CR_GIB},
};

static struct exports exports;
static struct nbd_export *fixed; /* what image= names, open from start to end */

struct handle {
    struct nbd_export *export;
    bool immutable; /* every connection that asks for this name gets this version */
};

/* --- settings ------------------------------------------------------------------------ */

/* nbdkit changes to the root folder when it goes into the background. */
static char *absolute_store(const char *uri)
{
    size_t scheme = strspn(uri, "abcdefghijklmnopqrstuvwxyz");
    char *path = NULL, *result = NULL;
    if (scheme > 0 && uri[scheme] == ':' && strncmp(uri, "dir:", 4) != 0)
        return strdup(uri);
    path = nbdkit_absolute_path(strncmp(uri, "dir:", 4) == 0 ? uri + 4 : uri);
    if (path != NULL && asprintf(&result, "dir:%s", path) < 0)
        result = NULL;
    free(path);
    return result;
}

static int set_text(char **setting, char *value)
{
    free(*setting);
    *setting = value;
    return value != NULL ? 0 : -1;
}

static int set_image(const char *value)
{
    struct cr_error err = {0};
    if (cr_ref_parse(value, &config.image, &err) < 0) {
        nbdkit_error("image=%s: %s", value, err.text);
        return -1;
    }
    config.image_given = true;
    return 0;
}

static int set_cache_size(const char *value)
{
    if (cr_bytes_parse(value, SIZE_MAX / 2, &config.cache_bytes) < 0 ||
        config.cache_bytes < CACHE_BYTES_MIN) {
        nbdkit_error("cache-size=%s is not a size of at least 1M; say for example cache-size=4G",
                     value);
        return -1;
    }
    return 0;
}

static int set_size(const char *key, const char *value, uint64_t min, uint64_t *ret_bytes)
{
    if (cr_bytes_parse(value, SIZE_MAX / 2, ret_bytes) == 0 && *ret_bytes >= min)
        return 0;
    nbdkit_error("%s=%s is not a size of at least %llu bytes; say for example %s=1G", key, value,
                 (unsigned long long)min, key);
    return -1;
}

static int plugin_config(const char *key, const char *value)
{
    if (strcmp(key, "store") == 0)
        return set_text(&config.store, absolute_store(value));
    if (strcmp(key, "pki") == 0)
        return set_text(&config.pki, nbdkit_absolute_path(value));
    if (strcmp(key, "image") == 0)
        return set_image(value);
    if (strcmp(key, "cache-size") == 0)
        return set_cache_size(value);
    if (strcmp(key, "pack-cache") == 0)
        return set_size(key, value, 0, &config.packs.memory_bytes);
    if (strcmp(key, "pack-cache-disk") == 0)
        return set_size(key, value, 16 * CR_MIB, &config.packs.folder_bytes);
    if (strcmp(key, "pack-cache-dir") == 0)
        return set_text(&config.packs_folder, nbdkit_absolute_path(value));
    nbdkit_error("there is no parameter '%s'; there are store=, image=, cache-size=, pack-cache=, "
                 "pack-cache-dir=, pack-cache-disk= and pki=",
                 key);
    return -1;
}

static int plugin_config_complete(void)
{
    if (config.store == NULL) {
        nbdkit_error("say where the images are: store=URI, for example store=/srv/carrel");
        return -1;
    }
    return 0;
}

#define CONFIG_HELP                                                                                \
    "store=URI       (required) The store: a folder, dir:PATH, or https://HOST:PORT.\n"            \
    "image=NAME[@N]  The version to serve; without @N the newest at start. Without\n"              \
    "                image= the client's export name says which.\n"                                \
    "cache-size=SIZE Memory for chunks (default 512M).\n"                                          \
    "pack-cache=SIZE Memory for whole packs (default 256M for a store in Ceph).\n"                 \
    "pack-cache-dir=DIR   Also keep packs in this folder.\n"                                       \
    "pack-cache-disk=SIZE How much that folder may hold (default 16G).\n"                          \
    "pki=DIR         Certificates for an https store."

static void plugin_dump(void)
{
    printf("carrel_version=%s\n", CARREL_VERSION);
    printf("carrel_chunk_bytes=%u\n", CR_CHUNK_BYTES);
}

/* --- from start to end --------------------------------------------------------------- */

static int fail(const struct cr_error *err)
{
    nbdkit_error("%s", err->text);
    return -1;
}

static bool store_is_remote(void)
{
    return strncmp(config.store, "http", 4) == 0;
}

/* Its threads do not survive nbdkit's going into the background. */
static bool store_has_threads(void)
{
    return store_is_remote() || strncmp(config.store, "rados:", 6) == 0;
}

static void close_all(void)
{
    if (fixed != NULL)
        export_put(&exports, TAKE_PTR(fixed));
    exports_close(&exports);
}

/* The URI of the store with what stands beside it. */
static int store_uri(struct cr_buf *uri, struct cr_error *err)
{
    int r = cr_buf_append(uri, config.store, strlen(config.store));
    if (r == 0 && config.pki != NULL && store_is_remote())
        r = cr_server_uri_add(uri, "pki", config.pki);
    if (r == 0)
        r = cr_buf_append(uri, "", 1);
    return r < 0 ? cr_error_errno(err, r, "store '%.200s'", config.store) : 0;
}

/* Open the store and the version; from here on image= means the one that was found. */
static int open_all(void)
{
    CLEANUP_BUF struct cr_buf uri = CR_BUF_INIT(CR_URI_BYTES_MAX);
    struct cr_error err = {0};
    config.packs.folder = config.packs_folder;
    int r = store_uri(&uri, &err);
    if (r == 0)
        r = exports_open(&exports, (const char *)uri.data, config.cache_bytes, &config.packs, &err);
    if (r == 0 && config.image_given)
        r = export_get(&exports, &config.image, &fixed, &err);
    if (r < 0)
        return fail(&err);
    if (config.image_given)
        config.image = *cr_version_ref(cr_disk_version(fixed->disk));
    return 0;
}

/* What is wrong shall be told before nbdkit goes into the background; threads do not survive that.
 */
static int plugin_get_ready(void)
{
    int r = open_all();
    if (r == 0 && store_has_threads())
        close_all();
    return r;
}

static int plugin_after_fork(void)
{
    return exports.store == NULL ? open_all() : 0;
}

static void plugin_load(void)
{
    cr_https_register();
    cr_rados_register();
}

static void plugin_unload(void)
{
    close_all();
    free(config.store);
    free(config.pki);
    free(config.packs_folder);
}

/* --- connections --------------------------------------------------------------------- */

struct only_name {
    unsigned count;
    char name[CR_NAME_MAX + 1];
};

static int take_only_name(void *context, const char *name)
{
    struct only_name *only = context;
    only->count++;
    snprintf(only->name, sizeof(only->name), "%s", name);
    return 0;
}

static const char *plugin_default_export(int readonly, int is_tls)
{
    (void)readonly, (void)is_tls;
    char text[CR_REF_TEXT];
    struct only_name only = {0};
    if (config.image_given)
        return nbdkit_strdup_intern(cr_ref_format(&config.image, text));
    if (exports.store->ops->heads_list(exports.store, take_only_name, &only, NULL) < 0 ||
        only.count != 1)
        return "";
    return nbdkit_strdup_intern(only.name);
}

static int add_export(void *context, const char *name)
{
    return nbdkit_add_export(context, name, "the newest version");
}

static int plugin_list_exports(int readonly, int is_tls, struct nbdkit_exports *list)
{
    (void)readonly, (void)is_tls;
    struct cr_error err = {0};
    if (config.image_given)
        return nbdkit_use_default_export(list);
    int r = exports.store->ops->heads_list(exports.store, add_export, list, &err);
    return r < 0 ? fail(&err) : 0;
}

/* The version that a connection wants. */
static int wanted(struct cr_ref *ret_ref, struct cr_error *err)
{
    const char *name = nbdkit_export_name();
    if (config.image_given) {
        *ret_ref = config.image;
        return 0;
    }
    if (name == NULL || name[0] == '\0')
        return cr_error_set(err, -ENOENT,
                            "the client did not say which image; an export name NAME or NAME@N "
                            "does, or nbdkit's parameter image=");
    return cr_ref_parse(name, ret_ref, err);
}

static void *plugin_open(int readonly)
{
    (void)readonly;
    struct cr_ref ref;
    struct cr_error err = {0};
    CLEANUP_FREE struct handle *handle = calloc(1, sizeof(*handle));
    if (handle == NULL || wanted(&ref, &err) < 0 ||
        export_get(&exports, &ref, &handle->export, &err) < 0) {
        nbdkit_error("%s", handle == NULL ? "out of memory" : err.text);
        return NULL;
    }
    handle->immutable = ref.number != 0;
    return TAKE_PTR(handle);
}

static void plugin_close(void *opaque)
{
    struct handle *handle = opaque;
    export_put(&exports, handle->export);
    free(handle);
}

static struct cr_version *version_of(void *opaque)
{
    struct handle *handle = opaque;
    return cr_disk_version(handle->export->disk);
}

static const char *plugin_export_description(void *opaque)
{
    char text[CR_REF_TEXT];
    return nbdkit_strdup_intern(cr_ref_format(cr_version_ref(version_of(opaque)), text));
}

static int64_t plugin_get_size(void *opaque)
{
    return (int64_t)cr_version_disk_bytes(version_of(opaque));
}

static int plugin_block_size(void *opaque, uint32_t *minimum, uint32_t *preferred,
                             uint32_t *maximum)
{
    (void)opaque;
    *minimum = 1;
    *preferred = CR_CHUNK_BYTES;
    *maximum = 0xffffffff;
    return 0;
}

/* A name without a number may mean another version by the next connection. */
static int plugin_can_multi_conn(void *opaque)
{
    struct handle *handle = opaque;
    return handle->immutable;
}

static int plugin_can_extents(void *opaque)
{
    (void)opaque;
    return 1;
}

static int plugin_can_cache(void *opaque)
{
    (void)opaque;
    return NBDKIT_CACHE_NATIVE;
}

/* --- requests ------------------------------------------------------------------------ */

static int request_failed(int result, const struct cr_error *err)
{
    nbdkit_error("%s", err->text);
    nbdkit_set_error(result == -ENOMEM ? ENOMEM : EIO);
    return -1;
}

static int plugin_pread(void *opaque, void *data, uint32_t len, uint64_t offset, uint32_t flags)
{
    (void)flags;
    struct handle *handle = opaque;
    struct cr_error err;
    int r = cr_disk_read(handle->export->disk, data, len, offset, &err);
    return r < 0 ? request_failed(r, &err) : 0;
}

static int plugin_cache(void *opaque, uint32_t len, uint64_t offset, uint32_t flags)
{
    (void)flags;
    struct handle *handle = opaque;
    struct cr_error err;
    int r = cr_disk_prefetch(handle->export->disk, len, offset, &err);
    return r < 0 ? request_failed(r, &err) : 0;
}

static int plugin_extents(void *opaque, uint32_t len, uint64_t offset, uint32_t flags,
                          struct nbdkit_extents *extents)
{
    struct handle *handle = opaque;
    struct cr_error err;
    uint64_t left = len, bytes = 0;
    bool hole = false;
    do {
        int r = cr_disk_extent(handle->export->disk, offset, left, &bytes, &hole, &err);
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
    .name = "carrel",
    .longname = "Carrel image version",
    .version = CARREL_VERSION,
    .description = "Serve one version of an image of a Carrel store, read-only.",
    .load = plugin_load,
    .config = plugin_config,
    .config_complete = plugin_config_complete,
    .config_help = CONFIG_HELP,
    .magic_config_key = "image",
    .dump_plugin = plugin_dump,
    .get_ready = plugin_get_ready,
    .after_fork = plugin_after_fork,
    .unload = plugin_unload,
    .list_exports = plugin_list_exports,
    .default_export = plugin_default_export,
    .export_description = plugin_export_description,
    .open = plugin_open,
    .close = plugin_close,
    .get_size = plugin_get_size,
    .block_size = plugin_block_size,
    .can_multi_conn = plugin_can_multi_conn,
    .can_extents = plugin_can_extents,
    .can_cache = plugin_can_cache,
    .pread = plugin_pread,
    .cache = plugin_cache,
    .extents = plugin_extents,
};

struct nbdkit_plugin *plugin_init(void);
NBDKIT_REGISTER_PLUGIN(plugin)
