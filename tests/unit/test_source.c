/* SPDX-License-Identifier: MIT */
/* Disk images of every format, opened for import: what they hold, and what is refused and how. */
#include "lib/base/command.h"
#include "lib/base/fd.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/blk/source.h"

#include <errno.h>
#include <fcntl.h>
#include <libnbd.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

#define DISK_BYTES (8 * CR_MIB)

static char folder[] = "/tmp/carrel-test-XXXXXX";

/* Run a program that must succeed. The last argument is NULL. */
static void run(const char *first, ...)
{
    const char *argv[24] = {first};
    struct cr_error err = {0};
    struct cr_buf messages = CR_BUF_INIT(4096);
    va_list list;
    va_start(list, first);
    for (size_t n = 1; n < CR_ARRAY_LEN(argv) - 1 && (argv[n] = va_arg(list, const char *)); n++)
        ;
    va_end(list);
    int status = -1;
    assert_int_equal(cr_command_run(argv, NULL, &messages, &status, &err), 0);
    if (status != 0)
        fail_msg("%s %s: %.*s", argv[0], argv[1], (int)messages.len, (char *)messages.data);
    cr_buf_done(&messages);
}

static void make_raw(const char *path)
{
    run("truncate", "-s", "8M", path, NULL);
    run("qemu-io", "-f", "raw", "-c", "write -q -P 0x55 0 1M", "-c", "write -q -P 0xaa 4M 1M", path,
        NULL);
}

static int in_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL || chdir(folder) < 0 ? -1 : (make_raw("base.raw"), 0);
}

static int leave_folder(void **state)
{
    (void)state;
    return chdir("/") < 0 ? -1 : cr_dir_remove(AT_FDCWD, folder);
}

static struct cr_source *open_good(const char *path, const struct cr_source_options *options)
{
    struct cr_source *source = NULL;
    struct cr_error err = {0};
    int r = cr_source_open(path, options, &source, &err);
    if (r != 0)
        fail_msg("%s: %s", path, err.text);
    return source;
}

/* The open fails with `code` and a sentence that holds both words; nothing is left behind. */
static void open_refused(const char *path, const struct cr_source_options *options, int code,
                         const char *word, const char *other)
{
    struct cr_source *source = NULL;
    struct cr_error err = {0};
    int r = cr_source_open(path, options, &source, &err);
    if (r != code || strstr(err.text, word) == NULL || strstr(err.text, other) == NULL)
        fail_msg("'%s' gave %d \"%s\"", path, r, err.text);
    assert_null(source);
}

static uint8_t byte_at(struct cr_source *source, uint64_t offset)
{
    uint8_t byte = 0;
    struct cr_error err = {0};
    if (cr_source_read(source, 0, &byte, 1, offset, &err) != 0)
        fail_msg("%s", err.text);
    return byte;
}

struct seen {
    uint64_t next;
    char text[512];
};

static int see(void *context, uint64_t offset, uint64_t len, enum cr_extent_kind kind)
{
    static const char *const names[] = {"data", "zero", "backing"};
    struct seen *seen = context;
    size_t used = strlen(seen->text);
    assert_int_equal(offset, seen->next);
    seen->next = offset + len;
    snprintf(seen->text + used, sizeof(seen->text) - used, "%s%s %llu", used > 0 ? ", " : "",
             names[kind], (unsigned long long)(len / CR_KIB));
    return 0;
}

/* The whole disk's extents, lengths in KiB. */
static void extents_are(struct cr_source *source, const char *expected)
{
    struct seen seen = {0};
    struct cr_error err = {0};
    int r = cr_source_extents(source, 0, 0, cr_source_size_bytes(source), see, &seen, &err);
    if (r != 0)
        fail_msg("%s", err.text);
    assert_string_equal(seen.text, expected);
}

static void every_format_reads_as_the_same_disk(void **state)
{
    (void)state;
    static const char *const formats[] = {"raw", "qcow2", "vmdk", "vhdx", "vdi"};
    for (size_t i = 0; i < CR_ARRAY_LEN(formats); i++) {
        char path[32];
        snprintf(path, sizeof(path), "disk.%s", formats[i]);
        run("qemu-img", "convert", "-f", "raw", "-O", formats[i], "base.raw", path, NULL);
        const struct cr_source_options options = {.format = i == 0 ? "raw" : NULL};
        struct cr_source *source = open_good(path, &options);
        assert_string_equal(cr_source_format(source), formats[i]);
        assert_int_equal(cr_source_size_bytes(source), DISK_BYTES);
        assert_null(cr_source_backing(source));
        assert_int_equal(byte_at(source, 0), 0x55);
        assert_int_equal(byte_at(source, CR_MIB), 0);
        assert_int_equal(byte_at(source, 5 * CR_MIB - 1), 0xaa);
        cr_source_close(source);
    }
}

static void holes_are_told_without_reading_them(void **state)
{
    (void)state;
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "base.raw", "holes.qcow2", NULL);
    struct cr_source *source = open_good("holes.qcow2", NULL);
    extents_are(source, "data 1024, zero 3072, data 1024, zero 3072");
    struct seen seen = {.next = CR_MIB / 2};
    assert_int_equal(cr_source_extents(source, 0, CR_MIB / 2, CR_MIB, see, &seen, NULL), 0);
    assert_string_equal(seen.text, "data 512, zero 512");
    cr_source_close(source);

    run("qemu-img", "create", "-q", "-f", "qcow2", "large.qcow2", "5T", NULL);
    source = open_good("large.qcow2", NULL);
    extents_are(source, "zero 5368709120");
    cr_source_close(source);
}

static void connections_read_at_the_same_time(void **state)
{
    (void)state;
    const struct cr_source_options options = {.format = "raw", .connections = 4};
    struct cr_source *source = open_good("base.raw", &options);
    assert_int_equal(cr_source_connections(source), 4);
    for (unsigned i = 0; i < 4; i++) {
        uint8_t byte = 0;
        assert_int_equal(cr_source_read(source, i, &byte, 1, 4 * CR_MIB, NULL), 0);
        assert_int_equal(byte, 0xaa);
    }
    struct cr_error err = {0};
    uint8_t two[2];
    assert_int_equal(cr_source_read(source, 0, two, 2, DISK_BYTES - 1, &err), -EINVAL);
    assert_int_equal(cr_source_read(source, 4, two, 1, 0, &err), -EINVAL);
    cr_source_close(source);
}

static void any_offset_and_length_can_be_read(void **state)
{
    (void)state;
    run("qemu-img", "convert", "-f", "raw", "-O", "vhdx", "base.raw", "odd.vhdx", NULL);
    struct cr_source *source = open_good("odd.vhdx", NULL);
    static const struct {
        uint64_t offset;
        size_t len;
    } cases[] = {{CR_MIB - 1, 2},
                 {CR_MIB - 700, 1000},
                 {CR_MIB - 512, 1024},
                 {CR_MIB - 5000, 9000},
                 {CR_MIB - 512, 513},
                 {DISK_BYTES - 1, 1},
                 {0, 0}};
    uint8_t *out = malloc(10000);
    for (size_t i = 0; i < CR_ARRAY_LEN(cases); i++) {
        memset(out, 0x77, 10000);
        assert_int_equal(cr_source_read(source, 0, out, cases[i].len, cases[i].offset, NULL), 0);
        for (size_t k = 0; k < cases[i].len; k++)
            assert_int_equal(out[k], cases[i].offset + k < CR_MIB ? 0x55 : 0);
        assert_int_equal(out[cases[i].len], 0x77);
    }
    free(out);
    cr_source_close(source);
    const struct cr_source_options options = {.format = "raw"};
    run("dd", "if=/dev/zero", "of=short.raw", "bs=12345", "count=1", "status=none", NULL);
    source = open_good("short.raw", &options);
    assert_int_equal(cr_source_size_bytes(source), 12800);
    assert_int_equal(byte_at(source, 12799), 0);
    extents_are(source, "data 12, zero 0"); /* QEMU fills the last sector up */
    cr_source_close(source);
}

static void a_closed_source_leaves_nothing(void **state)
{
    (void)state;
    const struct cr_source_options options = {.format = "raw"};
    struct cr_source *source = open_good("base.raw", &options);
    const char *socket = strchr(cr_source_uri(source), '=') + 1;
    char path[128];
    snprintf(path, sizeof(path), "%s", socket);
    assert_int_equal(access(path, F_OK), 0);
    cr_source_close(source);
    assert_int_equal(access(path, F_OK), -1);
    *strrchr(path, '/') = '\0';
    assert_int_equal(access(path, F_OK), -1);
    cr_source_close(NULL);
}

/* The server of an importer that was killed stops too: nobody answers on its socket any more. */
static void a_killed_importer_leaves_no_server(void **state)
{
    (void)state;
    int told[2];
    assert_int_equal(pipe2(told, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const struct cr_source_options options = {.format = "raw"};
        struct cr_source *source = NULL;
        if (cr_source_open("base.raw", &options, &source, NULL) == 0) {
            const char *path = cr_source_socket(source);
            if (write(told[1], path, strlen(path)) > 0)
                pause();
        }
        _exit(1);
    }
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    close(told[1]);
    assert_true(read(told[0], address.sun_path, sizeof(address.sun_path) - 1) > 0);
    close(told[0]);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    int answered = 0;
    for (int tries = 0; tries < 1000; tries++) {
        CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        answered = connect(fd, (const struct sockaddr *)&address, sizeof(address));
        if (answered < 0)
            break;
        struct pollfd ended = {.fd = fd, .events = POLLRDHUP};
        poll(&ended, 1, 10);
    }
    assert_int_equal(answered, -1);
    assert_int_equal(unlink(address.sun_path), 0);
    *strrchr(address.sun_path, '/') = '\0';
    assert_int_equal(rmdir(address.sun_path), 0);
}

static void an_image_reads_through_its_backing_file(void **state)
{
    (void)state;
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", "base.raw", "-F", "raw", "over.qcow2",
        NULL);
    run("qemu-io", "-c", "write -q -P 0x11 1M 64k", "over.qcow2", NULL);
    struct cr_source *source = open_good("over.qcow2", NULL);
    assert_string_equal(cr_source_backing(source), "base.raw");
    assert_int_equal(byte_at(source, 0), 0x55);
    assert_int_equal(byte_at(source, CR_MIB), 0x11);
    extents_are(source, "data 1088, zero 3008, data 1024, zero 3072");
    cr_source_close(source);
}

static void the_top_layer_alone_tells_what_was_written(void **state)
{
    (void)state;
    run("cp", "base.raw", "gone.raw", NULL);
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", "gone.raw", "-F", "raw", "top.qcow2",
        NULL);
    /* a part of a cluster, zeros over data and over nothing, a discard, a compressed cluster */
    run("qemu-io", "-c", "write -q -P 0x11 4k 4k", "-c", "write -q -z 4M 64k", "-c",
        "write -q -z -u 2M 64k", "-c", "discard -q 4160k 64k", "-c", "write -q -c -P 0x22 6M 64k",
        "top.qcow2", NULL);
    run("rm", "gone.raw", NULL);
    const struct cr_source_options options = {.top_layer_only = true};
    struct cr_source *source = open_good("top.qcow2", &options);
    assert_string_equal(cr_source_backing(source), "gone.raw");
    extents_are(source, "data 64, backing 1984, zero 64, backing 1984, zero 128, backing 1920, "
                        "data 64, backing 1984");
    assert_int_equal(byte_at(source, 4096), 0x11);
    assert_int_equal(byte_at(source, 8192), 0x55); /* copied from the backing file when written */
    assert_int_equal(byte_at(source, 4 * CR_MIB), 0);
    assert_int_equal(byte_at(source, 6 * CR_MIB), 0x22);
    cr_source_close(source);
    open_refused("base.raw", &options, -EINVAL, "'base.raw'", "not a qcow2 overlay");
}

static void a_backing_file_over_the_network_is_not_asked_for(void **state)
{
    (void)state;
    run("qemu-img", "create", "-q", "-u", "-f", "qcow2", "-b", "nbd+unix:///?socket=/nowhere/nbd",
        "-F", "raw", "net.qcow2", "1G", NULL);
    run("qemu-img", "check", "-q",
        "json:{\"driver\":\"qcow2\",\"backing\":null,\"file\":"
        "{\"driver\":\"file\",\"filename\":\"net.qcow2\"}}",
        NULL);
    const struct cr_source_options options = {.top_layer_only = true};
    struct cr_source *source = open_good("net.qcow2", &options);
    assert_string_equal(cr_source_backing(source), "nbd+unix:///?socket=/nowhere/nbd");
    extents_are(source, "backing 1048576");
    cr_source_close(source);
    open_refused("net.qcow2", NULL, -EUCLEAN, "'net.qcow2'", "nowhere");
}

static void a_raw_disk_that_looks_like_qcow2_is_read_as_raw_when_told_so(void **state)
{
    (void)state;
    run("qemu-img", "create", "-q", "-f", "qcow2", "inner.qcow2", "1G", NULL);
    struct stat st;
    assert_int_equal(stat("inner.qcow2", &st), 0);
    const struct cr_source_options options = {.format = "raw"};
    struct cr_source *source = open_good("inner.qcow2", &options);
    assert_string_equal(cr_source_format(source), "raw");
    assert_true(cr_source_size_bytes(source) < CR_MIB);
    assert_int_equal(byte_at(source, 0), 'Q');
    cr_source_close(source);
    const struct cr_source_options wrong = {.format = "vmdk"};
    open_refused("inner.qcow2", &wrong, -EINVAL, "'inner.qcow2'", "as vmdk");
}

static void a_missing_file_is_named(void **state)
{
    (void)state;
    open_refused("nothing.raw", NULL, -ENOENT, "'nothing.raw'", "no such file");
    open_refused("/nothing:at/all", NULL, -ENOENT, "'/nothing:at/all'", "no such file");
    open_refused(".", NULL, -EINVAL, "'.'", "neither a file nor a block device");
}

static void a_file_that_is_not_a_disk_image_is_refused(void **state)
{
    (void)state;
    const struct cr_source_options told = {.format = "raw"};
    run("cp", "/etc/passwd", "text", NULL);
    open_refused("text", NULL, -EINVAL, "'text' is not a disk image", "--format raw");
    run("truncate", "-s", "64K", "text", NULL);
    open_refused("text", NULL, -EINVAL, "'text' is not a disk image", "--format raw");
    cr_source_close(open_good("text", &told));
    run("truncate", "-s", "0", "empty", NULL);
    open_refused("empty", NULL, -EINVAL, "'empty' is not a disk image", "empty");
    run("truncate", "-s", "12345", "odd", NULL);
    open_refused("odd", NULL, -EINVAL, "'odd' is not a disk image", "--format raw");
}

static void an_empty_or_partitioned_raw_disk_needs_no_format(void **state)
{
    (void)state;
    run("truncate", "-s", "16M", "zero.raw", NULL);
    cr_source_close(open_good("zero.raw", NULL));
    run("mke2fs", "-q", "-F", "zero.raw", NULL);
    struct cr_source *source = open_good("zero.raw", NULL);
    assert_string_equal(cr_source_format(source), "raw");
    cr_source_close(source);
}

/* Cut `path` to half of its length, or by `bytes`. */
static void cut(const char *path, off_t bytes)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, bytes == 0 ? st.st_size / 2 : st.st_size - bytes), 0);
}

static void a_truncated_image_is_refused(void **state)
{
    (void)state;
    static const char *const formats[] = {"qcow2", "vmdk", "vhdx", "vdi"};
    for (size_t i = 0; i < CR_ARRAY_LEN(formats); i++) {
        run("qemu-img", "convert", "-f", "raw", "-O", formats[i], "base.raw", "cut", NULL);
        cut("cut", 0);
        open_refused("cut", NULL, -EUCLEAN, "'cut'", "truncated");
        run("rm", "cut", NULL);
    }
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "base.raw", "cut", NULL);
    cut("cut", 1);
    open_refused("cut", NULL, -EUCLEAN, "'cut' is truncated", "copy it again");
    assert_int_equal(truncate("cut", 100), 0);
    open_refused("cut", NULL, -EUCLEAN, "'cut'", "truncated");
    run("rm", "cut", NULL);
    run("qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=monolithicFlat",
        "base.raw", "flat.vmdk", NULL);
    cr_source_close(open_good("flat.vmdk", NULL));
    cut("flat-flat.vmdk", 0);
    open_refused("flat.vmdk", NULL, -EUCLEAN, "flat-flat.vmdk", "truncated");
}

static void a_whole_image_that_ends_inside_a_cluster_is_taken(void **state)
{
    (void)state;
    run("qemu-img", "create", "-q", "-f", "qcow2", "new.qcow2", "1G", NULL);
    cr_source_close(open_good("new.qcow2", NULL)); /* ends behind its first table */
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", "extended_l2=on,cluster_size=2M",
        "sub.qcow2", "1G", NULL);
    run("qemu-io", "-c", "write -q -P 1 1M 512", "sub.qcow2", NULL);
    cr_source_close(open_good("sub.qcow2", NULL));
    run("qemu-img", "convert", "-c", "-O", "qcow2", "-f", "raw", "base.raw", "small.qcow2", NULL);
    cr_source_close(open_good("small.qcow2", NULL));
    run("qemu-img", "snapshot", "-c", "one", "small.qcow2", NULL);
    cr_source_close(open_good("small.qcow2", NULL));
}

static void a_corrupted_image_is_refused(void **state)
{
    (void)state;
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "base.raw", "bad.qcow2", NULL);
    int fd = open("bad.qcow2", O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    uint8_t block[65536];
    memset(block, 0xff, sizeof(block));
    block[0] = 0x80;
    /* the second-level table: convert puts it behind header, refcounts and the first-level table */
    assert_int_equal(cr_pwrite_full(fd, block, 4096, 4 * sizeof(block)), 0);
    close(fd);
    open_refused("bad.qcow2", NULL, -EUCLEAN, "'bad.qcow2' is damaged", "qemu-img check");
}

static void a_missing_or_damaged_backing_file_is_named(void **state)
{
    (void)state;
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "base.raw", "mid.qcow2", NULL);
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", "mid.qcow2", "-F", "qcow2", "child.qcow2",
        NULL);
    cr_source_close(open_good("child.qcow2", NULL));
    cut("mid.qcow2", 0);
    open_refused("child.qcow2", NULL, -EUCLEAN, "'child.qcow2'", "mid.qcow2' is damaged");
    run("rm", "mid.qcow2", NULL);
    open_refused("child.qcow2", NULL, -ENOENT, "'child.qcow2'", "mid.qcow2', which is missing");
}

static void a_disk_beyond_the_maximum_is_refused(void **state)
{
    (void)state;
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", "cluster_size=2M", "huge.qcow2", "65T",
        NULL);
    open_refused("huge.qcow2", NULL, -EFBIG, "'huge.qcow2'", "too large");
}

static void an_encrypted_image_is_refused(void **state)
{
    (void)state;
    /* The old AES method: LUKS would time the CPU, which fails on a busy machine. */
    run("qemu-img", "create", "-q", "-f", "qcow2", "--object", "secret,id=s,data=abc", "-o",
        "encrypt.format=aes,encrypt.key-secret=s", "secret.qcow2", "1M", NULL);
    open_refused("secret.qcow2", NULL, -ENOTSUP, "'secret.qcow2' is encrypted", "decrypt");
}

static void an_image_in_use_is_refused(void **state)
{
    (void)state;
    run("qemu-img", "create", "-q", "-f", "qcow2", "used.qcow2", "1M", NULL);
    /* The server takes QEMU's lock before it answers the first client. */
    char path[64];
    snprintf(path, sizeof(path), "%s/writer", folder);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 1), 0);
    const char *const argv[] = {"qemu-nbd", "--persistent", "-f", "qcow2", "used.qcow2", NULL};
    const struct cr_command writer = {
        .argv = argv, .stdout_fd = -1, .stderr_fd = -1, .listen_fd = fd};
    pid_t pid = 0;
    assert_int_equal(cr_command_start(&writer, &pid, NULL), 0);
    struct nbd_handle *client = nbd_create();
    assert_int_equal(nbd_connect_unix(client, path), 0);
    open_refused("used.qcow2", NULL, -EBUSY, "'used.qcow2'", "virtual machine");
    nbd_close(client);
    cr_command_stop(pid);
    cr_source_close(open_good("used.qcow2", NULL));
}

static void a_program_that_is_missing_is_named(void **state)
{
    (void)state;
    struct cr_error err = {0};
    const char *const argv[] = {"carrel-no-such-program", NULL};
    int status = 0;
    assert_int_equal(cr_command_run(argv, NULL, NULL, &status, &err), -ENOENT);
    assert_non_null(strstr(err.text, "'carrel-no-such-program'"));
    assert_non_null(strstr(err.text, "not installed"));
}

static void what_a_program_prints_is_bounded(void **state)
{
    (void)state;
    struct cr_buf out = CR_BUF_INIT(1000), messages = CR_BUF_INIT(10);
    const char *const endless[] = {"yes", NULL};
    int status = -1;
    assert_int_equal(cr_command_run(endless, &out, NULL, &status, NULL), -EMSGSIZE);
    const char *const noisy[] = {"sh", "-c", "echo out; head -c 100000 /dev/zero >&2; exit 3",
                                 NULL};
    out.len = 0;
    assert_int_equal(cr_command_run(noisy, &out, &messages, &status, NULL), 0);
    assert_int_equal(status, 3);
    assert_int_equal(messages.len, 10);
    assert_memory_equal(out.data, "out\n", 4);
    cr_buf_done(&out);
    cr_buf_done(&messages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_reads_as_the_same_disk),
        cmocka_unit_test(holes_are_told_without_reading_them),
        cmocka_unit_test(connections_read_at_the_same_time),
        cmocka_unit_test(any_offset_and_length_can_be_read),
        cmocka_unit_test(a_closed_source_leaves_nothing),
        cmocka_unit_test(a_killed_importer_leaves_no_server),
        cmocka_unit_test(an_image_reads_through_its_backing_file),
        cmocka_unit_test(the_top_layer_alone_tells_what_was_written),
        cmocka_unit_test(a_backing_file_over_the_network_is_not_asked_for),
        cmocka_unit_test(a_raw_disk_that_looks_like_qcow2_is_read_as_raw_when_told_so),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(a_file_that_is_not_a_disk_image_is_refused),
        cmocka_unit_test(an_empty_or_partitioned_raw_disk_needs_no_format),
        cmocka_unit_test(a_truncated_image_is_refused),
        cmocka_unit_test(a_whole_image_that_ends_inside_a_cluster_is_taken),
        cmocka_unit_test(a_corrupted_image_is_refused),
        cmocka_unit_test(a_missing_or_damaged_backing_file_is_named),
        cmocka_unit_test(a_disk_beyond_the_maximum_is_refused),
        cmocka_unit_test(an_encrypted_image_is_refused),
        cmocka_unit_test(an_image_in_use_is_refused),
        cmocka_unit_test(a_program_that_is_missing_is_named),
        cmocka_unit_test(what_a_program_prints_is_bounded),
    };
    return cmocka_run_group_tests(tests, in_folder, leave_folder);
}
