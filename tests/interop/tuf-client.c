/* SPDX-License-Identifier: MIT */
/*
 * lib/trust as the command line that conformance suites of The Update Framework drive:
 *
 *   tuf-client --metadata-dir DIR init ROOT
 *   tuf-client --metadata-dir DIR --metadata-url URL refresh
 *   tuf-client --metadata-dir DIR --metadata-url URL --target-name PATH... --target-base-url URL
 *              --target-dir DIR download
 *
 * The public suite, github.com/theupdateframework/tuf-conformance, takes it as its --entrypoint.
 * --days-in-future N moves the clock.
 * Targets are kept under their percent-encoded paths. Exit status 0 or 1; what went wrong is one
 * line on standard error.
 */
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/trust/client.h"
#include "lib/trust/fields.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <time.h>

#define TARGETS_MAX      64
#define TARGET_BYTES_MAX (64 * CR_MIB)

struct arguments {
    const char *metadata_dir, *metadata_url, *target_dir, *target_base_url;
    const char *targets[TARGETS_MAX];
    size_t target_count;
    int64_t now_s;
};

/* --- HTTP ------------------------------------------------------------------------------------ */

struct download {
    struct cr_buf *out;
    int result;
};

static size_t take(char *data, size_t size, size_t count, void *context)
{
    struct download *download = context;
    download->result = cr_buf_append(download->out, data, size * count);
    return download->result == 0 ? size * count : 0;
}

/* GET into `out`, no more than it takes. Returns 0, -ENOENT, -EMSGSIZE or -EIO. */
static int get(const char *url, struct cr_buf *out, struct cr_error *err)
{
    struct download download = {.out = out};
    long status = 0;
    CURL *curl = curl_easy_init();
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &download);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 60L);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    if (download.result < 0)
        return download.result;
    if (status == 404 || status == 403)
        return -ENOENT;
    return code == CURLE_OK ? 0
                            : cr_error_set(err, -EIO, "'%s': %s", url, curl_easy_strerror(code));
}

static int fetch(void *context, const char *name, size_t max_bytes, struct cr_buf *out,
                 struct cr_error *err)
{
    (void)max_bytes; /* the maximum of `out` */
    const struct arguments *arguments = context;
    char url[4096];
    size_t len = strlen(arguments->metadata_url);
    const char *slash = len > 0 && arguments->metadata_url[len - 1] == '/' ? "" : "/";
    snprintf(url, sizeof(url), "%s%s%s", arguments->metadata_url, slash, name);
    return get(url, out, err);
}

/* --- targets --------------------------------------------------------------------------------- */

/* Percent-encode (RFC 3986) all but unreserved characters and those of `keep`. */
static void encode(const char *text, const char *keep, char *out, size_t size)
{
    size_t n = 0;
    for (; *text != '\0' && n + 4 < size; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     strchr("-._~", c) != NULL || strchr(keep, c) != NULL;
        n += (size_t)snprintf(out + n, size - n, plain ? "%c" : "%%%02X", c);
    }
    out[n] = '\0';
}

/* "BASE/folder/HASH.name", or without the hash where the root wants none. */
static void target_url(const struct arguments *arguments, const struct cr_root *root,
                       const char *path, const struct cr_target *target, char *out, size_t size)
{
    char hash[2 * 64 + 2] = "", folder[2048], name[2048];
    const char *slash = strrchr(path, '/');
    char upto[1024];
    snprintf(upto, sizeof(upto), "%.*s", slash == NULL ? 0 : (int)(slash - path) + 1, path);
    encode(upto, "/", folder, sizeof(folder));
    encode(slash == NULL ? path : slash + 1, "", name, sizeof(name));
    if (root->consistent_snapshot && target->hashes.has_sha256)
        cr_hex_format(target->hashes.sha256, 32, hash);
    else if (root->consistent_snapshot)
        cr_hex_format(target->hashes.sha512, 64, hash);
    size_t len = strlen(arguments->target_base_url);
    bool ends = len > 0 && arguments->target_base_url[len - 1] == '/';
    snprintf(out, size, "%s%s%s%s%s%s", arguments->target_base_url, ends ? "" : "/", folder, hash,
             hash[0] == '\0' ? "" : ".", name);
}

static bool is_right(const struct cr_target *target, const struct cr_buf *bytes)
{
    return bytes->len == target->length &&
           cr_hashes_check(&target->hashes, bytes->data, bytes->len) == 0;
}

static int download_target(struct arguments *arguments, const struct cr_trust_client *client,
                           const char *path, struct cr_error *err)
{
    struct cr_target target;
    char url[8192], name[4096], file[8192];
    int r = cr_trust_find(client, fetch, arguments, arguments->now_s, path, &target, err);
    if (r < 0)
        return r;
    if (!target.hashes.has_sha256 && !target.hashes.has_sha512)
        return cr_error_set(err, -EBADMSG, "'%s' has no hash of a known kind", path);
    if (target.length > TARGET_BYTES_MAX)
        return cr_error_set(err, -EMSGSIZE, "'%s' is too long", path);
    encode(path, "", name, sizeof(name));
    snprintf(file, sizeof(file), "%s/%s", arguments->target_dir, name);
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(target.length);
    if (cr_file_read(AT_FDCWD, file, &bytes) == 0 && is_right(&target, &bytes))
        return 0;
    cr_buf_done(&bytes);
    target_url(arguments, cr_trust_client_root(client), path, &target, url, sizeof(url));
    r = get(url, &bytes, err);
    if (r < 0)
        return cr_error_prefix(err, r, "'%s' (%s)", path, strerror(-r));
    if (!is_right(&target, &bytes))
        return cr_error_set(err, -EBADMSG, "'%s' is not what was signed", path);
    r = cr_file_replace(AT_FDCWD, file, bytes.data, bytes.len, 0644);
    return r < 0 ? cr_error_errno(err, r, "writing '%s'", file) : 0;
}

/* --- commands -------------------------------------------------------------------------------- */

static int init(const struct arguments *arguments, const char *root, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_TRUST_ROOT_BYTES_MAX);
    int r = cr_file_read(AT_FDCWD, root, &bytes);
    if (r < 0)
        return cr_error_errno(err, r, "reading '%s'", root);
    return cr_trust_client_init(arguments->metadata_dir, bytes.data, bytes.len, err);
}

static void client_cleanup(struct cr_trust_client **client)
{
    cr_trust_client_free(*client);
}

static int refresh(struct arguments *arguments, struct cr_error *err)
{
    CLEANUP(client_cleanup) struct cr_trust_client *client = NULL;
    int r = cr_trust_client_open(arguments->metadata_dir, &client, err);
    if (r == 0)
        r = cr_trust_refresh(client, fetch, arguments, arguments->now_s, err);
    for (size_t i = 0; r == 0 && i < arguments->target_count; i++)
        r = download_target(arguments, client, arguments->targets[i], err);
    return r;
}

static int run(struct arguments *arguments, int count, char **words, struct cr_error *err)
{
    bool url = arguments->metadata_url != NULL;
    if (arguments->metadata_dir == NULL || count == 0)
        return cr_error_set(err, -EINVAL, "give --metadata-dir and a command");
    if (strcmp(words[0], "init") == 0 && count == 2)
        return init(arguments, words[1], err);
    if (strcmp(words[0], "refresh") == 0 && count == 1 && url && arguments->target_count == 0)
        return refresh(arguments, err);
    if (strcmp(words[0], "download") == 0 && count == 1 && url && arguments->target_count > 0 &&
        arguments->target_dir != NULL && arguments->target_base_url != NULL)
        return refresh(arguments, err);
    return cr_error_set(err, -EINVAL, "'%s' is no command, or an option is missing", words[0]);
}

static int parse(int argc, char **argv, struct arguments *arguments, struct cr_error *err)
{
    static const struct option options[] = {
        {"metadata-dir", required_argument, NULL, 'm'},
        {"metadata-url", required_argument, NULL, 'u'},
        {"target-name", required_argument, NULL, 'n'},
        {"target-dir", required_argument, NULL, 'd'},
        {"target-base-url", required_argument, NULL, 'b'},
        {"days-in-future", required_argument, NULL, 'f'},
        {NULL, 0, NULL, 0},
    };
    uint64_t days = 0;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'm')
            arguments->metadata_dir = optarg;
        else if (c == 'u')
            arguments->metadata_url = optarg;
        else if (c == 'd')
            arguments->target_dir = optarg;
        else if (c == 'b')
            arguments->target_base_url = optarg;
        else if (c == 'n' && arguments->target_count < TARGETS_MAX)
            arguments->targets[arguments->target_count++] = optarg;
        else if (c != 'f' || cr_u64_parse(optarg, 100000, &days) < 0)
            return cr_error_set(err, -EINVAL, "an option is wrong");
    }
    arguments->now_s += (int64_t)days * 86400;
    return 0;
}

int main(int argc, char **argv)
{
    struct cr_error err = {0};
    struct arguments arguments = {.now_s = time(NULL)};
    curl_global_init(CURL_GLOBAL_DEFAULT);
    int r = parse(argc, argv, &arguments, &err);
    if (r == 0)
        r = run(&arguments, argc - optind, argv + optind, &err);
    if (r < 0)
        fprintf(stderr, "tuf-client: %s\n", err.text);
    curl_global_cleanup();
    return r < 0 ? 1 : 0;
}
