/* SPDX-License-Identifier: MIT */
#include "client/bench/options.h"

#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/net/uri.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#define THINK_MAX 1000.0
#define RATE_MAX  (1000ULL * 1000 * 1000 * 1000)

/* Takes the text behind an option; false = it is none. */
typedef bool option_store(struct options *options, const char *text);

static bool server_store(struct options *options, const char *text)
{
    if (options->server_count == CR_SERVERS_MAX)
        return false;
    options->servers[options->server_count++] = text;
    return true;
}

static bool seats_store(struct options *options, const char *text)
{
    uint64_t value;
    if (cr_u64_parse(text, CR_STORM_SEATS_MAX, &value) < 0 || value == 0)
        return false;
    options->seats = (unsigned)value;
    return true;
}

static bool trace_store(struct options *options, const char *text)
{
    options->trace = text;
    return true;
}

static bool image_store(struct options *options, const char *text)
{
    options->image = text;
    return true;
}

static bool pki_store(struct options *options, const char *text)
{
    options->pki = text;
    return true;
}

/* "1gbit", as tc(8) writes rates. */
static bool link_store(struct options *options, const char *text)
{
    static const struct {
        const char *unit;
        uint64_t bits;
    } units[] = {{"bit", 1}, {"kbit", 1000}, {"mbit", 1000000}, {"gbit", 1000000000}};
    uint64_t value;
    if (cr_u64_take(&text, RATE_MAX, &value) < 0 || value == 0)
        return false;
    for (size_t i = 0; i < CR_ARRAY_LEN(units); i++) {
        if (strcasecmp(text, units[i].unit) != 0 || value > RATE_MAX / units[i].bits)
            continue;
        options->link_bits_s = value * units[i].bits;
        return true;
    }
    return false;
}

static bool think_store(struct options *options, const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value) || value < 0 || value > THINK_MAX)
        return false;
    options->think = value;
    return true;
}

static bool verify_store(struct options *options, const char *text)
{
    options->verify = strcmp(text, "once") == 0 ? VERIFY_ONCE : VERIFY_FULL;
    return strcmp(text, "once") == 0 || strcmp(text, "full") == 0;
}

static bool patience_store(struct options *options, const char *text)
{
    uint64_t value;
    if (cr_u64_parse(text, CR_PATIENCE_S_MAX, &value) < 0)
        return false;
    options->patience_s = (unsigned)value;
    return true;
}

static bool peers_store(struct options *options, const char *text)
{
    (void)text;
    return options->peers = true;
}

static bool json_store(struct options *options, const char *text)
{
    (void)text;
    return options->json = true;
}

static bool help_store(struct options *options, const char *text)
{
    (void)text;
    return options->help = true;
}

static bool version_store(struct options *options, const char *text)
{
    (void)text;
    return options->version = true;
}

static const struct setting {
    const char *name, *argument; /* argument NULL = a flag */
    option_store *store;
    const char *is; /* what the argument must be */
    const char *help;
} settings[] = {
    {"server", "URL", server_store, "one of so many servers",
     "the image server; given several times, seats use the quickest, as blockd does"},
    {"image", "NAME[@N]", image_store, "an image", "the version that was recorded"},
    {"trace", "FILE", trace_store, "a file", "the recorded boot (carrel-blockd --record)"},
    {"seats", "N", seats_store, "a number from 1 to 2000", "how many seats start at once"},
    {"pki", "DIR", pki_store, "a folder",
     "a CA with its key, which each seat gets a certificate of, or certificates that are there"},
    {"link", "RATE", link_store, "a rate like 1gbit or 100mbit",
     "the servers' line, shared by all seats (default: as fast as it goes)"},
    {"think", "FACTOR", think_store, "a factor from 0 to 1000",
     "how much of the recorded pauses between reads is kept (default 0)"},
    {"verify", "full|once", verify_store, "'full' or 'once'",
     "who decompresses and hashes a chunk: each seat, or the first that gets it (default full)"},
    {"patience", "SECONDS", patience_store, "a number up to 86400",
     "how long a server that is away is waited for (default 600)"},
    {"peers", NULL, peers_store, NULL, "the seats take chunks from each other, too"},
    {"json", NULL, json_store, NULL, "print one JSON object"},
    {"help", NULL, help_store, NULL, "print this and exit"},
    {"version", NULL, version_store, NULL, "print the version and exit"},
};

#define SETTINGS CR_ARRAY_LEN(settings)

void options_help(void)
{
    printf("Usage: carrel-bench storm --seats N --trace FILE --server URL --image NAME[@N] "
           "[OPTION ...]\n"
           "Replay a recorded boot for N seats at once against a real server, and measure.\n\n");
    for (size_t i = 0; i < SETTINGS; i++) {
        char left[64];
        snprintf(left, sizeof(left), "--%s%s%s", settings[i].name, settings[i].argument ? " " : "",
                 settings[i].argument ? settings[i].argument : "");
        printf("  %-22s %s\n", left, settings[i].help);
    }
}

static int options_check(const struct options *options, struct cr_error *err)
{
    if (options->seats == 0)
        return cr_error_set(err, -EINVAL, "how many seats? Say '--seats N'");
    if (options->trace == NULL)
        return cr_error_set(err, -EINVAL, "which boot? Name a recorded one with '--trace FILE'");
    if (options->server_count == 0)
        return cr_error_set(err, -EINVAL, "which server? Name it with '--server URL'");
    if (options->image == NULL)
        return cr_error_set(err, -EINVAL, "which image? Name it with '--image NAME@N'");
    return 0;
}

int options_parse(int argc, char **argv, struct options *ret_options, struct cr_error *err)
{
    struct option longs[SETTINGS + 1] = {0};
    for (size_t i = 0; i < SETTINGS; i++)
        longs[i] = (struct option){settings[i].name,
                                   settings[i].argument ? required_argument : no_argument, NULL,
                                   (int)i + 1};
    struct options options = {.patience_s = 600};
    opterr = 0;
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, ":", longs, NULL)) != -1;) {
        if (c == ':')
            return cr_error_set(err, -EINVAL, "'%.100s' needs a value; see carrel-bench --help",
                                argv[optind - 1]);
        if (c < 1 || c > (int)SETTINGS)
            return cr_error_set(err, -EINVAL, "'%.100s' is no option; see carrel-bench --help",
                                argv[optind - 1]);
        const struct setting *setting = &settings[c - 1];
        if (!setting->store(&options, optarg))
            return cr_error_set(err, -EINVAL, "'--%s %.100s' is not %s; see carrel-bench --help",
                                setting->name, optarg, setting->is);
    }
    if (optind < argc)
        return cr_error_set(err, -EINVAL, "'%.100s' is no option; see carrel-bench --help",
                            argv[optind]);
    if (!options.help && !options.version) {
        int r = options_check(&options, err);
        if (r < 0)
            return r;
    }
    *ret_options = options;
    return 0;
}
