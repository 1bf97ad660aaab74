/* SPDX-License-Identifier: MIT */
#include "server/chunkd/options.h"

#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/store/packcache.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>

#define FIELD(name) offsetof(struct options, name)

static const struct cr_option table[] = {
    {"store", "URI", CR_OPTION_TEXT, FIELD(store), 0, 0, false,
     "the store to serve: a path, dir:PATH, or https://HOST:PORT?pki=DIR"},
    {"listen", "ADDR:PORT", CR_OPTION_LIST, FIELD(listen), 0, 0, false,
     "where to listen; may be given several times; port 0 takes a free one (default *:8443)"},
    {"pki", "DIR", CR_OPTION_TEXT, FIELD(pki), 0, 0, false,
     "folder with ca.pem, server.pem and server-key.pem; clients need a certificate of this CA"},
    {"no-tls", NULL, CR_OPTION_FLAG, FIELD(no_tls), 0, 1, false,
     "speak plain HTTP, on loopback addresses only"},
    {"metrics-listen", "ADDR:PORT", CR_OPTION_TEXT, FIELD(metrics_listen), 0, 0, false,
     "also serve /metrics and /healthz as plain HTTP on this loopback address"},
    {"cache-bytes", "SIZE", CR_OPTION_SIZE, FIELD(cache_bytes), CR_MIB, UINT64_MAX, false,
     "memory for chunks that were asked for lately (default 1G)"},
    {"pack-cache", "SIZE", CR_OPTION_SIZE, FIELD(pack_cache_bytes), 0, CR_TIB, false,
     "memory for whole packs (default 256M for a store in Ceph, none for a folder)"},
    {"pack-cache-dir", "DIR", CR_OPTION_TEXT, FIELD(pack_cache_folder), 0, 0, false,
     "also keep packs in this folder on a local disk, over restarts"},
    {"pack-cache-disk", "SIZE", CR_OPTION_SIZE, FIELD(pack_cache_folder_bytes), 16 * CR_MIB,
     UINT64_MAX, false, "how much that folder may hold (default 16G)"},
    {"make-deltas", NULL, CR_OPTION_FLAG, FIELD(make_deltas), 0, 1, false,
     "make the deltas that clients ask for; the store must be writable"},
    {"boots", NULL, CR_OPTION_FLAG, FIELD(boots), 0, 1, false,
     "take the boots that seats record into hot lists; the store must be writable"},
    {"peer-subnet", "N", CR_OPTION_NUMBER, FIELD(peer_bits_4), 0, 32, false,
     "seats whose IPv4 addresses agree in N bits are peers (default 24)"},
    {"peer-subnet-6", "N", CR_OPTION_NUMBER, FIELD(peer_bits_6), 0, 128, false,
     "the same for IPv6 (default 64)"},
    {"seats", "DIR", CR_OPTION_TEXT, FIELD(seats), 0, 0, false,
     "hand out signed policies and leases from this folder"},
    {"reports", "DIR", CR_OPTION_TEXT, FIELD(reports), 0, 0, false,
     "take the reports of seats into this folder"},
    {"threads", "N", CR_OPTION_NUMBER, FIELD(threads), 1, CR_HTTP_THREADS_MAX, false,
     "threads that talk to clients (default: one for each CPU)"},
    {"connections", "N", CR_OPTION_NUMBER, FIELD(connections), 1, CR_HTTP_CONNECTIONS_MAX, false,
     "clients connected at the same time, at most (default 8192)"},
    {"drain-seconds", "N", CR_OPTION_NUMBER, FIELD(drain_s), 0, 86400, false,
     "how long requests under way may take after SIGTERM (default 60)"},
    {"help", NULL, CR_OPTION_FLAG, FIELD(help), 0, 1, false, "print this and exit"},
    {"version", NULL, CR_OPTION_FLAG, FIELD(version), 0, 1, false, "print the version and exit"},
    {0},
};

void options_help(void)
{
    printf("Usage: carrel-chunkd --store URI --pki DIR [OPTION ...]\n"
           "Hand out the chunks, segments, manifests and heads of a store over HTTPS.\n\n");
    cr_options_help(table);
}

static unsigned cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) < 0)
        return 1;
    unsigned count = (unsigned)CPU_COUNT(&set);
    return count < CR_HTTP_THREADS_MAX ? count : CR_HTTP_THREADS_MAX;
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
    int operand = argc;
    int r = cr_options_parse(table, argc, argv, &options, &operand, err);
    if (r == 0 && operand < argc)
        r = cr_error_set(err, -EINVAL, "'%.100s' is no option; see --help", argv[operand]);
    if (r == 0 && !options.help && !options.version)
        r = options_check(&options, err);
    if (r < 0)
        return r;
    if (options.listen.count == 0)
        options.listen.texts[options.listen.count++] = "*:8443";
    *ret_options = options;
    return 0;
}
