/* SPDX-License-Identifier: MIT */
#include "server/chunkd/options.h"

#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/store/packcache.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stddef.h>

enum kind { TEXT, LIST, SIZE, NUMBER, FLAG };

static const struct setting {
    const char *name, *argument; /* argument NULL = a flag */
    enum kind kind;
    size_t offset; /* of the field in struct options */
    uint64_t min, max;
    const char *help;
} settings[] = {
    {"store", "URI", TEXT, offsetof(struct options, store), 0, 0,
     "the store to serve: a path, dir:PATH, or https://HOST:PORT?pki=DIR"},
    {"listen", "ADDR:PORT", LIST, offsetof(struct options, listen), 0, 0,
     "where to listen; may be given several times; port 0 takes a free one (default *:8443)"},
    {"pki", "DIR", TEXT, offsetof(struct options, pki), 0, 0,
     "folder with ca.pem, server.pem and server-key.pem; clients need a certificate of this CA"},
    {"no-tls", NULL, FLAG, offsetof(struct options, no_tls), 0, 1,
     "speak plain HTTP, on loopback addresses only"},
    {"metrics-listen", "ADDR:PORT", TEXT, offsetof(struct options, metrics_listen), 0, 0,
     "also serve /metrics and /healthz as plain HTTP on this loopback address"},
    {"cache-bytes", "SIZE", SIZE, offsetof(struct options, cache_bytes), CR_MIB, UINT64_MAX,
     "memory for chunks that were asked for lately (default 1G)"},
    {"pack-cache", "SIZE", SIZE, offsetof(struct options, pack_cache_bytes), 0, CR_TIB,
     "memory for whole packs (default 256M for a store in Ceph, none for a folder)"},
    {"pack-cache-dir", "DIR", TEXT, offsetof(struct options, pack_cache_folder), 0, 0,
     "also keep packs in this folder on a local disk, over restarts"},
    {"pack-cache-disk", "SIZE", SIZE, offsetof(struct options, pack_cache_folder_bytes),
     16 * CR_MIB, UINT64_MAX, "how much that folder may hold (default 16G)"},
    {"make-deltas", NULL, FLAG, offsetof(struct options, make_deltas), 0, 1,
     "make the deltas that clients ask for; the store must be writable"},
    {"boots", NULL, FLAG, offsetof(struct options, boots), 0, 1,
     "take the boots that seats record into hot lists; the store must be writable"},
    {"peer-subnet", "N", NUMBER, offsetof(struct options, peer_bits_4), 0, 32,
     "seats whose IPv4 addresses agree in N bits are peers (default 24)"},
    {"peer-subnet-6", "N", NUMBER, offsetof(struct options, peer_bits_6), 0, 128,
     "the same for IPv6 (default 64)"},
    {"seats", "DIR", TEXT, offsetof(struct options, seats), 0, 0,
     "hand out signed policies and leases from this folder"},
    {"reports", "DIR", TEXT, offsetof(struct options, reports), 0, 0,
     "take the reports of seats into this folder"},
    {"threads", "N", NUMBER, offsetof(struct options, threads), 1, CR_HTTP_THREADS_MAX,
     "threads that talk to clients (default: one for each CPU)"},
    {"connections", "N", NUMBER, offsetof(struct options, connections), 1, CR_HTTP_CONNECTIONS_MAX,
     "clients connected at the same time, at most (default 8192)"},
    {"drain-seconds", "N", NUMBER, offsetof(struct options, drain_s), 0, 86400,
     "how long requests under way may take after SIGTERM (default 60)"},
    {"help", NULL, FLAG, offsetof(struct options, help), 0, 1, "print this and exit"},
    {"version", NULL, FLAG, offsetof(struct options, version), 0, 1, "print the version and exit"},
};

#define SETTINGS CR_ARRAY_LEN(settings)

void options_help(void)
{
    printf("Usage: carrel-chunkd --store URI --pki DIR [OPTION ...]\n"
           "Hand out the chunks, segments, manifests and heads of a store over HTTPS.\n\n");
    for (size_t i = 0; i < SETTINGS; i++) {
        char left[64];
        snprintf(left, sizeof(left), "--%s%s%s", settings[i].name, settings[i].argument ? " " : "",
                 settings[i].argument ? settings[i].argument : "");
        printf("  %-28s %s\n", left, settings[i].help);
    }
}

static unsigned cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) < 0)
        return 1;
    unsigned count = (unsigned)CPU_COUNT(&set);
    return count < CR_HTTP_THREADS_MAX ? count : CR_HTTP_THREADS_MAX;
}

static int number_store(const struct setting *setting, const char *text, struct options *options,
                        struct cr_error *err)
{
    uint64_t value;
    bool size = setting->kind == SIZE;
    int r = size ? cr_bytes_parse(text, setting->max, &value)
                 : cr_u64_parse(text, setting->max, &value);
    if (r < 0 || value < setting->min)
        return cr_error_set(err, -EINVAL, "'--%s %.100s' is not a %s from %llu on; see --help",
                            setting->name, text, size ? "size" : "number",
                            (unsigned long long)setting->min);
    char *field = (char *)options + setting->offset;
    if (size)
        memcpy(field, &value, sizeof(value));
    else
        memcpy(field, &(unsigned){(unsigned)value}, sizeof(unsigned));
    return 0;
}

static int setting_store(const struct setting *setting, const char *text, struct options *options,
                         struct cr_error *err)
{
    char *field = (char *)options + setting->offset;
    switch (setting->kind) {
    case TEXT:
        memcpy(field, &text, sizeof(text));
        return 0;
    case FLAG:
        *(bool *)field = true;
        return 0;
    case LIST:
        if (options->listen_count == LISTEN_MAX)
            return cr_error_set(err, -EINVAL, "more than %d times '--listen'", LISTEN_MAX);
        options->listen[options->listen_count++] = text;
        return 0;
    case SIZE:
    case NUMBER:
        break;
    }
    return number_store(setting, text, options, err);
}

static int options_check(const struct options *options, struct cr_error *err)
{
    if (options->store == NULL)
        return cr_error_set(err, -EINVAL, "no store was named; say which with '--store URI'");
    if (options->pki == NULL && !options->no_tls)
        return cr_error_set(err, -EINVAL,
                            "no certificates were named; say where they are with '--pki DIR'");
    if (options->pki != NULL && options->no_tls)
        return cr_error_set(err, -EINVAL, "'--pki' and '--no-tls' exclude each other");
    return 0;
}

int options_parse(int argc, char **argv, struct options *ret_options, struct cr_error *err)
{
    struct option longs[SETTINGS + 1] = {0};
    for (size_t i = 0; i < SETTINGS; i++)
        longs[i] = (struct option){settings[i].name,
                                   settings[i].argument ? required_argument : no_argument, NULL,
                                   (int)i + 1};
    struct options options = {
        .cache_bytes = CR_GIB,
        .pack_cache_bytes = CR_PACKCACHE_USUAL,
        .pack_cache_folder_bytes = 16 * CR_GIB,
        .threads = cpu_count(),
        .connections = 8192,
        .drain_s = 60,
        .peer_bits_4 = 24,
        .peer_bits_6 = 64,
    };
    opterr = 0;
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, ":", longs, NULL)) != -1;) {
        if (c == ':')
            return cr_error_set(err, -EINVAL, "'%.100s' needs a value; see --help",
                                argv[optind - 1]);
        if (c < 1 || c > (int)SETTINGS)
            return cr_error_set(err, -EINVAL, "'%.100s' is no option; see --help",
                                argv[optind - 1]);
        int r = setting_store(&settings[c - 1], optarg, &options, err);
        if (r < 0)
            return r;
    }
    if (optind < argc)
        return cr_error_set(err, -EINVAL, "'%.100s' is no option; see --help", argv[optind]);
    if (!options.help && !options.version) {
        int r = options_check(&options, err);
        if (r < 0)
            return r;
    }
    if (options.listen_count == 0)
        options.listen[options.listen_count++] = "*:8443";
    *ret_options = options;
    return 0;
}
