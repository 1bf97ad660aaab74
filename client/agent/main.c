/* SPDX-License-Identifier: MIT */
/* carrel-agent: runs a desktop on this seat. The tables below are what --help prints. */
#include "client/agent/capture.h"
#include "client/agent/control.h"
#include "client/agent/report.h"
#include "client/agent/rundir.h"
#include "client/agent/seat.h"
#include "client/agent/session.h"
#include "client/agent/shelf.h"
#include "client/agent/tool.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"
#include "lib/desktop/overlay_note.h"
#include "lib/image/head.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <string.h>

enum option_id {
    OPTION_SERVER = 256,
    OPTION_IMAGE,
    OPTION_CACHE,
    OPTION_PKI,
    OPTION_TRUST,
    OPTION_DELTAS,
    OPTION_SEAT,
    OPTION_POLICY_KEYS,
    OPTION_DESKTOP,
    OPTION_RUN_DIR,
    OPTION_BLOCKD,
    OPTION_COURIER,
    OPTION_OVERLAY_KEEP,
    OPTION_OVERLAY_KEEP_DAYS,
    OPTION_OVERLAY_SPILL,
    OPTION_PERSON,
    OPTION_DATA_DISK,
    OPTION_JSON,
    OPTION_HELP,
    OPTION_VERSION,
};

static const struct option_text {
    enum option_id id;
    const char *name;
    const char *takes; /* NULL: nothing */
    const char *help;
} option_texts[] = {
    {OPTION_SERVER, "server", "URL", "an image server, https://HOST:PORT; repeatable"},
    {OPTION_IMAGE, "image", "NAME[@N]",
     "the image; NAME alone the newest, NAME:CHANNEL by channel"},
    {OPTION_CACHE, "cache", "DIR", "the cache folder; overlays live in it, too"},
    {OPTION_PKI, "pki", "DIR", "ca.pem, client.pem and client-key.pem for the server"},
    {OPTION_TRUST, "trust", "DIR", "signed metadata: start only versions that are in it"},
    {OPTION_DELTAS, "deltas", "yes|no", "take chunks from older versions in the cache (yes)"},
    {OPTION_SEAT, "seat", "DIR", "the seat's folder: policy and lease in, reports out"},
    {OPTION_POLICY_KEYS, "policy-keys", "FILE", "the server's keys (DIR/keys of --seat)"},
    {OPTION_DESKTOP, "desktop", "FILE", "the virtual hardware, lines of key = value"},
    {OPTION_RUN_DIR, "run-dir", "DIR", "sockets and state (/run/carrel, or below XDG_RUNTIME_DIR)"},
    {OPTION_BLOCKD, "blockd", "PATH", "the program carrel-blockd"},
    {OPTION_COURIER, "courier", "PATH", "the program carrel-courier"},
    {OPTION_OVERLAY_KEEP, "overlay-keep", "FILE", "keep what the guest writes, as qcow2, in FILE"},
    {OPTION_OVERLAY_KEEP_DAYS, "overlay-keep-days", "N",
     "overlays that were thrown away can be fetched N days"},
    {OPTION_OVERLAY_SPILL, "overlay-spill", "DIR", "where overlays go on when the cache is full"},
    {OPTION_PERSON, "person", "NAME", "who sits at the desktop"},
    {OPTION_DATA_DISK, "data-disk", "FILE|SIZE", "a second disk that is never thrown away"},
    {OPTION_JSON, "json", NULL, "report states as JSON objects, one a line"},
    {OPTION_HELP, "help", NULL, "print this and end"},
    {OPTION_VERSION, "version", NULL, "print the version and end"},
};

struct arguments {
    struct session_options session;
    struct seat_options seat;
    const char *desktop;
    const char *keep_days;
    char **operands; /* what follows the command */
    int operand_count;
    const struct command *command;
    bool json, help, version;
};

static int run(struct arguments *arguments, struct cr_error *err);
static int ask(struct arguments *arguments, struct cr_error *err);
static int overlays(struct arguments *arguments, struct cr_error *err);

/* What can be done. Those that ask are about a session that runs. */
static const struct command {
    const char *name;
    int (*act)(struct arguments *arguments, struct cr_error *err);
    const char *help;
} commands[] = {
    {"run", run, "run a desktop until it ends"},
    {"status", ask, "tell about the desktop that runs"},
    {"restore", ask, "take the running desktop back to its start"},
    {"stop", ask, "stop the running desktop"},
    {"logout", ask, "tell it that the person left"},
    {"overlays", overlays, "ls | export ID FILE: the overlays that can be fetched"},
    {"capture", NULL, "--as NAME OVERLAY: a new version of an image, by carrel-sync(1)"},
};

static void help_print(void)
{
    printf("usage: carrel-agent run --server URL --image NAME[@N] --cache DIR [options]\n"
           "       carrel-agent status|restore|stop|logout [--run-dir DIR] [--json]\n"
           "       carrel-agent overlays ls|export --cache DIR [--json]\n"
           "       carrel-agent capture --as NAME [--cache DIR] [options] OVERLAY\n\n"
           "Start a desktop on a clean, throw-away overlay of an image; end with SIGTERM.\n\n"
           "Commands:\n");
    for (size_t i = 0; i < CR_ARRAY_LEN(commands); i++)
        printf("  %-22s %s\n", commands[i].name, commands[i].help);
    printf("\nOptions:\n");
    for (size_t i = 0; i < CR_ARRAY_LEN(option_texts); i++) {
        const struct option_text *text = &option_texts[i];
        char left[64];
        snprintf(left, sizeof(left), "--%s%s%s", text->name, text->takes ? " " : "",
                 text->takes ? text->takes : "");
        printf("  %-22s %s\n", left, text->help);
    }
    printf("\nKeys of a desktop file:\n");
    const char *takes = NULL;
    for (size_t i = 0; cr_desktop_key(i, &takes) != NULL; i++)
        printf("  %-22s %s\n", cr_desktop_key(i, &takes), takes);
}

static int usage_error(const char *text)
{
    fprintf(stderr, "carrel-agent: %s; see carrel-agent --help\n", text);
    return 2;
}

static int fail(const struct cr_error *err)
{
    fprintf(stderr, "carrel-agent: %s\n", err->text);
    return 1;
}

static int desktop_read(const char *path, struct cr_desktop *ret_desktop, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf bytes = CR_BUF_INIT(CR_DESKTOP_BYTES_MAX);
    int r = cr_file_read(AT_FDCWD, path, &bytes);
    if (r == -EMSGSIZE)
        return cr_error_set(err, r,
                            "reading desktop file '%s': it is larger than %llu bytes; is it a "
                            "desktop file?",
                            path, CR_DESKTOP_BYTES_MAX);
    if (r < 0)
        return cr_error_errno(err, r, "reading desktop file '%s'", path);
    return cr_desktop_parse(path, bytes.data, bytes.len, ret_desktop, err);
}

/* False: there are too many. */
static bool server_add(struct session_options *session, const char *server)
{
    size_t at = 0;
    if (session->server == NULL) {
        session->server = server;
        return true;
    }
    while (at < CR_ARRAY_LEN(session->other_servers) && session->other_servers[at] != NULL)
        at++;
    if (at == CR_ARRAY_LEN(session->other_servers))
        return false;
    session->other_servers[at] = server;
    return true;
}

/* Returns 0, or the exit status of a usage error. */
static int arguments_parse(int argc, char **argv, struct arguments *arguments)
{
    struct option long_options[CR_ARRAY_LEN(option_texts) + 1] = {0};
    for (size_t i = 0; i < CR_ARRAY_LEN(option_texts); i++) {
        long_options[i].name = option_texts[i].name;
        long_options[i].has_arg = option_texts[i].takes ? required_argument : no_argument;
        long_options[i].val = option_texts[i].id;
    }
    opterr = 0;
    for (int id; (id = getopt_long(argc, argv, ":", long_options, NULL)) != -1;) {
        char text[256];
        switch (id) {
        case OPTION_SERVER:
            if (!server_add(&arguments->session, optarg))
                return usage_error("too many times --server");
            break;
        case OPTION_IMAGE:
            arguments->session.image = optarg;
            break;
        case OPTION_CACHE:
            arguments->session.cache = optarg;
            break;
        case OPTION_PKI:
            arguments->session.pki = optarg;
            break;
        case OPTION_TRUST:
            arguments->session.trust = optarg;
            break;
        case OPTION_DELTAS:
            arguments->session.deltas = optarg;
            break;
        case OPTION_SEAT:
            arguments->seat.dir = optarg;
            break;
        case OPTION_POLICY_KEYS:
            arguments->seat.keys = optarg;
            break;
        case OPTION_DESKTOP:
            arguments->desktop = optarg;
            break;
        case OPTION_RUN_DIR:
            arguments->session.run_dir = optarg;
            break;
        case OPTION_BLOCKD:
            arguments->session.blockd = optarg;
            break;
        case OPTION_COURIER:
            arguments->seat.courier = optarg;
            break;
        case OPTION_OVERLAY_KEEP:
            arguments->session.keep = optarg;
            break;
        case OPTION_OVERLAY_KEEP_DAYS:
            arguments->keep_days = optarg;
            break;
        case OPTION_OVERLAY_SPILL:
            arguments->session.overlay_spill = optarg;
            break;
        case OPTION_PERSON:
            arguments->session.person = optarg;
            break;
        case OPTION_DATA_DISK:
            arguments->session.data_disk = optarg;
            break;
        case OPTION_JSON:
            arguments->json = true;
            break;
        case OPTION_HELP:
            arguments->help = true;
            break;
        case OPTION_VERSION:
            arguments->version = true;
            break;
        default:
            snprintf(text, sizeof(text), "option '%.100s' %s", argv[optind - 1],
                     id == ':' ? "needs a value" : "is unknown");
            return usage_error(text);
        }
    }
    return 0;
}

/* "run, status or stop" */
static const char *commands_list(char *out, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < CR_ARRAY_LEN(commands); i++) {
        const char *before = i == 0 ? "" : i + 1 == CR_ARRAY_LEN(commands) ? " or " : ", ";
        int n = snprintf(out + used, size - used, "%s'%s'", before, commands[i].name);
        used += n > 0 && used + (size_t)n < size ? (size_t)n : 0;
    }
    return out;
}

static bool overlays_arguments_right(const struct arguments *arguments)
{
    const char *word = arguments->operand_count > 0 ? arguments->operands[0] : "";
    return (strcmp(word, "ls") == 0 && arguments->operand_count == 1) ||
           (strcmp(word, "export") == 0 && arguments->operand_count == 3);
}

/* Find the command and see that what it needs is there. Returns 0 or the exit status. */
static int arguments_check(int argc, char **argv, struct arguments *arguments)
{
    char text[512];
    char known[256];
    commands_list(known, sizeof(known));
    if (optind >= argc) {
        snprintf(text, sizeof(text), "no command; it is one of %s", known);
        return usage_error(text);
    }
    for (size_t i = 0; i < CR_ARRAY_LEN(commands); i++)
        if (strcmp(argv[optind], commands[i].name) == 0)
            arguments->command = &commands[i];
    if (arguments->command == NULL) {
        snprintf(text, sizeof(text), "unknown command '%.100s'; it is one of %s", argv[optind],
                 known);
        return usage_error(text);
    }
    arguments->operands = argv + optind + 1;
    arguments->operand_count = argc - optind - 1;
    if (arguments->command->act == overlays) {
        if (!overlays_arguments_right(arguments))
            return usage_error("'overlays' takes 'ls' or 'export ID FILE'");
        return arguments->session.cache != NULL
                   ? 0
                   : usage_error("no cache folder; name it with --cache DIR");
    }
    if (optind + 1 < argc) {
        snprintf(text, sizeof(text), "'%s' takes no '%.100s'", argv[optind], argv[optind + 1]);
        return usage_error(text);
    }
    if (arguments->command->act != run)
        return 0;
    if (arguments->session.server == NULL)
        return usage_error("no server; name it with --server URL");
    if (arguments->session.image == NULL)
        return usage_error("no image; name it with --image NAME[@N]");
    if (arguments->session.cache == NULL)
        return usage_error("no cache folder; name it with --cache DIR");
    if (arguments->session.deltas != NULL && strcmp(arguments->session.deltas, "yes") != 0 &&
        strcmp(arguments->session.deltas, "no") != 0)
        return usage_error("--deltas is neither 'yes' nor 'no'");
    return 0;
}

/* An absolute form of the path, which libvirt and QEMU need; its last part need not exist yet. */
static int path_absolute(const char *path, char *out, size_t size, struct cr_error *err)
{
    char here[PATH_MAX] = "";
    if (path[0] != '/' && getcwd(here, sizeof(here)) == NULL)
        return cr_error_errno(err, -errno, "finding the current folder");
    int n = snprintf(out, size, "%s%s%s", here, path[0] != '/' ? "/" : "", path);
    return n < 0 || (size_t)n >= size
               ? cr_error_set(err, -ENAMETOOLONG, "using '%s': the path is too long", path)
               : 0;
}

/* Who it is for, and for how long; what the desktop file says holds where nothing was given. */
static int person_check(struct arguments *arguments, struct cr_error *err)
{
    struct session_options *session = &arguments->session;
    uint64_t days = session->desktop.overlay_keep_days;
    if (arguments->keep_days != NULL &&
        cr_u64_parse(arguments->keep_days, CR_OVERLAY_KEEP_DAYS_MAX, &days) < 0)
        return cr_error_set(err, -EINVAL,
                            "'--overlay-keep-days %.64s' is no number of days; write 0 to %u",
                            arguments->keep_days, CR_OVERLAY_KEEP_DAYS_MAX);
    session->desktop.overlay_keep_days = (unsigned)days;
    if (session->person != NULL && !cr_person_is_valid(session->person))
        return cr_error_set(err, -EINVAL,
                            "'--person' takes a name of 1 to %u bytes without control characters",
                            CR_PERSON_BYTES_MAX);
    if (session->person == NULL && session->desktop.overlay_for == CR_OVERLAY_FOR_PERSON &&
        cr_overlay_outlives(session->desktop.overlay))
        return cr_error_set(err, -EINVAL,
                            "the desktop file keeps an overlay for each person ('overlay_for = "
                            "person'); say who it is with --person NAME");
    if (session->person == NULL)
        session->person = "";
    return 0;
}

/* What of the seat was not said; the buffers have PATH_MAX bytes. */
static int seat_options_fill(struct arguments *arguments, char *keys, char *courier,
                             struct cr_error *err)
{
    struct seat_options *seat = &arguments->seat;
    seat->server = arguments->session.server;
    seat->pki = arguments->session.pki;
    if (seat->courier == NULL)
        seat->courier = tool_beside("carrel-courier", courier, PATH_MAX);
    if (seat->keys == NULL) {
        int n = snprintf(keys, PATH_MAX, "%s/keys", seat->dir);
        if (n < 0 || n >= PATH_MAX)
            return cr_error_set(err, -ENAMETOOLONG, "using '%s': the path is too long", seat->dir);
        seat->keys = keys;
    }
    arguments->session.seat = seat;
    return 0;
}

static int run(struct arguments *arguments, struct cr_error *err)
{
    struct session_options *session = &arguments->session;
    struct cr_ref ref;
    sigset_t signals;
    char blockd[PATH_MAX], cache[PATH_MAX], keep[PATH_MAX], keys[PATH_MAX], courier[PATH_MAX];
    char spill[PATH_MAX];

    cr_desktop_init(&session->desktop);
    int r = cr_ref_parse(session->image, &ref, err);
    if (r == 0 && arguments->desktop != NULL)
        r = desktop_read(arguments->desktop, &session->desktop, err);
    if (r == 0)
        r = path_absolute(session->cache, cache, sizeof(cache), err);
    if (r == 0 && session->keep != NULL)
        r = path_absolute(session->keep, keep, sizeof(keep), err);
    if (r == 0 && session->overlay_spill != NULL)
        r = path_absolute(session->overlay_spill, spill, sizeof(spill), err);
    if (r == 0)
        r = person_check(arguments, err);
    if (r < 0)
        return r;
    session->cache = cache;
    session->keep = session->keep != NULL ? keep : NULL;
    session->overlay_spill = session->overlay_spill != NULL ? spill : NULL;
    if (session->blockd == NULL)
        session->blockd = tool_beside("carrel-blockd", blockd, sizeof(blockd));
    if (arguments->seat.dir != NULL)
        r = seat_options_fill(arguments, keys, courier, err);
    if (r < 0)
        return r;

    /* Before any thread is made, so that all of them leave the signals to the session. */
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    report_use_json(arguments->json);
    return session_run(session, err);
}

/* One JSON object, or a line for each of its members. */
static void answer_print(json_t *answer, bool as_json)
{
    const char *key = NULL;
    json_t *value = NULL;
    if (as_json) {
        json_dumpf(answer, stdout, JSON_COMPACT);
        putchar('\n');
        return;
    }
    json_object_foreach(answer, key, value)
    {
        if (json_is_string(value))
            printf("%s: %s\n", key, json_string_value(value));
        else if (json_is_integer(value))
            printf("%s: %lld\n", key, (long long)json_integer_value(value));
    }
}

/* Ask the session that runs, print what it says. */
static int ask(struct arguments *arguments, struct cr_error *err)
{
    json_t *answer = NULL;
    CLEANUP_CLOSE int fd = rundir_connect(arguments->session.run_dir, err);
    if (fd < 0)
        return fd;
    int r = control_ask(fd, arguments->command->name, &answer, err);
    if (r < 0)
        return r;
    const char *refusal = json_string_value(json_object_get(answer, "error"));
    if (refusal != NULL)
        r = cr_error_set(err, -EIO, "%s", refusal);
    else
        answer_print(answer, arguments->json);
    json_decref(answer);
    return r;
}

static int overlays(struct arguments *arguments, struct cr_error *err)
{
    const char *cache = arguments->session.cache;
    return arguments->operand_count == 1
               ? shelf_list(cache, arguments->json, err)
               : shelf_export(cache, arguments->operands[1], arguments->operands[2], err);
}

int main(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct cr_error err = {""};

    if (argc > 1 && strcmp(argv[1], "capture") == 0)
        return capture_run(argc - 2, argv + 2, &err) < 0 ? fail(&err) : 0;
    int status = arguments_parse(argc, argv, &arguments);
    if (status != 0)
        return status;
    if (arguments.help) {
        help_print();
        return 0;
    }
    if (arguments.version) {
        printf("carrel-agent %s\n", CARREL_VERSION);
        return 0;
    }
    status = arguments_check(argc, argv, &arguments);
    if (status != 0)
        return status;
    if (arguments.command->act == NULL)
        return usage_error("the word 'capture' stands before all options");
    return arguments.command->act(&arguments, &err) < 0 ? fail(&err) : 0;
}
