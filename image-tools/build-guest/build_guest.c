/* SPDX-License-Identifier: MIT */
/*
 * carrel-build-guest: does in the disk of a build what `carrel image build` asks for.
 *
 * On file descriptor 3, a SOCK_SEQPACKET socket, come requests, one a packet: words, each with a
 * terminating zero. The answer to each is "ok" with words, or "failed" and a sentence.
 *
 *      start SOCKET NETWORK MEMORY_MIB         NETWORK: yes, no
 *      put LOCAL /REMOTE MODE UID GID          decimal numbers
 *      run COMMAND LOGFILE                     answer: the exit status; LOGFILE is written anew
 *      settle                                  the disk is whole and still afterwards
 *      mount                                   goes on after settle
 *
 * It ends when the socket does.
 */
#include "image-tools/build-guest/guest.h"
#include "lib/base/fd.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#define SOCKET_FD    3
#define WORDS_MAX    8
#define PACKET_BYTES ((size_t)CR_BUILD_PACKET_BYTES_MAX)

static int do_start(struct guest *guest, const char *const *words, char *answer,
                    struct cr_error *err)
{
    uint64_t memory = 0;
    (void)answer;
    if (cr_u64_parse(words[2], CR_RECIPE_MEMORY_MAX / CR_MIB, &memory) < 0)
        return cr_error_set(err, -EINVAL, "'%s' is no memory size", words[2]);
    struct guest_options options = {
        .socket = words[0], .network = strcmp(words[1], "yes") == 0, .memory_mib = (int)memory};
    return guest_start(guest, &options, err);
}

static int do_put(struct guest *guest, const char *const *words, char *answer, struct cr_error *err)
{
    uint64_t mode = 0, uid = 0, gid = 0;
    (void)answer;
    if (cr_u64_parse(words[2], 07777, &mode) < 0 || cr_u64_parse(words[3], INT32_MAX, &uid) < 0 ||
        cr_u64_parse(words[4], INT32_MAX, &gid) < 0)
        return cr_error_set(err, -EINVAL, "'%s' cannot have this mode or owner", words[1]);
    return guest_put(guest, words[0], words[1], (unsigned)mode, (uint32_t)uid, (uint32_t)gid, err);
}

static int do_run(struct guest *guest, const char *const *words, char *answer, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf log = CR_BUF_INIT(CR_STEP_LOG_BYTES_MAX);
    int status = -1;
    int r = guest_run(guest, words[0], &log, &status, err);
    if (r < 0)
        return r;
    CLEANUP_CLOSE int fd = open(words[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    r = fd < 0 ? -errno : cr_write_full(fd, log.data, log.len);
    if (r < 0)
        return cr_error_errno(err, r, "cannot write the log '%s'", words[1]);
    snprintf(answer, 16, "%d", status);
    return 0;
}

static int do_settle(struct guest *guest, const char *const *words, char *answer,
                     struct cr_error *err)
{
    (void)words;
    (void)answer;
    return guest_settle(guest, err);
}

static int do_mount(struct guest *guest, const char *const *words, char *answer,
                    struct cr_error *err)
{
    (void)words;
    (void)answer;
    return guest_mount(guest, err);
}

static const struct request {
    const char *name;
    unsigned words; /* behind the name */
    int (*run)(struct guest *guest, const char *const *words, char *answer, struct cr_error *err);
} requests[] = {
    {"start", 3, do_start},   {"put", 5, do_put},     {"run", 2, do_run},
    {"settle", 0, do_settle}, {"mount", 0, do_mount},
};

static int request_run(struct guest *guest, const char *const *words, unsigned count, char *answer,
                       struct cr_error *err)
{
    for (size_t i = 0; i < CR_ARRAY_LEN(requests); i++) {
        if (count == 0 || strcmp(requests[i].name, words[0]) != 0)
            continue;
        if (count != requests[i].words + 1 || (i > 0 && guest->handle == NULL) ||
            (i == 0 && guest->handle != NULL))
            break;
        return requests[i].run(guest, words + 1, answer, err);
    }
    return cr_error_set(err, -EPROTO, "'%.64s' is no request here", count > 0 ? words[0] : "");
}

/* The words of a packet; its last byte must be a zero. */
static unsigned words_split(char *packet, size_t len, const char *words[WORDS_MAX])
{
    unsigned count = 0;
    if (len == 0 || packet[len - 1] != '\0')
        return 0;
    for (size_t at = 0; at < len && count < WORDS_MAX; at += strlen(packet + at) + 1)
        words[count++] = packet + at;
    return count;
}

int main(void)
{
    CLEANUP_FREE char *packet = malloc(PACKET_BYTES);
    struct guest guest = {0};
    ssize_t n;
    /* Handed over in the way of socket activation, which is no business of those below. */
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_PID");
    if (packet == NULL || fcntl(SOCKET_FD, F_SETFD, FD_CLOEXEC) < 0) {
        fprintf(stderr, "carrel-build-guest: started by `carrel image build` only\n");
        return EXIT_FAILURE;
    }
    while ((n = recv(SOCKET_FD, packet, PACKET_BYTES, 0)) > 0 || (n < 0 && errno == EINTR)) {
        const char *words[WORDS_MAX];
        char answer[16] = "", reply[CR_ERROR_BYTES + 16];
        struct cr_error err = {0};
        if (n < 0)
            continue;
        int r = request_run(&guest, words, words_split(packet, (size_t)n, words), answer, &err);
        int len = snprintf(reply, sizeof(reply), "%s%c%s", r < 0 ? "failed" : "ok", 0,
                           r < 0 ? err.text : answer);
        if (send(SOCKET_FD, reply, (size_t)len + 1, MSG_NOSIGNAL) < 0)
            break;
    }
    guest_stop(&guest);
    return EXIT_SUCCESS;
}
