/* SPDX-License-Identifier: MIT */
/*
 * Free space of real file systems, made without root. Each trial does what an import does: it
 * zeroes in a copy of the disk what was found free, and then asks the file systems' own tools
 * whether they are whole, every file still reads the same, and the stale content is gone.
 */
#include "lib/base/buf.h"
#include "lib/base/command.h"
#include "lib/base/fd.h"
#include "lib/base/limits.h"
#include "lib/base/mem.h"
#include "lib/blk/source.h"
#include "lib/trim/trim.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static char folder[] = "/tmp/carrel-test-XXXXXX";

/* What the scripts below share. STALE marks what a trimmed image must not hold. */
static const char functions[] =
    "set -eu\n"
    "export PATH=$PATH:/usr/sbin:/sbin MKE2FS_SKIP_PROGRESS=1\n"
    "stale() { yes STALE-CONTENT | head -c 2M; }\n"
    "stale_at() { stale | dd of=$1 bs=1M seek=$2 conv=notrunc status=none; }\n"
    "put() { dd if=$1 of=$2 bs=1M seek=$3 conv=notrunc,sparse status=none; }\n"
    "get() { dd if=$1 of=$2 bs=1M skip=$3 count=$4 conv=sparse status=none; }\n"
    /* ext: a tree is copied in, then one of its files is deleted */
    "make_ext() { f=$1; s=$2; shift 2; rm -f $f; truncate -s $s $f\n"
    "  mke2fs -q -F \"$@\" -d tree $f 2>&1\n"
    "  debugfs -w -R 'rm stale' $f >/dev/null 2>&1; grep -qaF STALE-CON $f; }\n"
    "check_ext() { e2fsck -fn $1 >check.log 2>&1 || { cat check.log; exit 1; }\n"
    "  rm -rf dump; mkdir dump; debugfs -R 'rdump / dump' $1 >/dev/null 2>&1\n"
    "  rmdir dump/lost+found; diff -r dump kept; ! grep -qaF STALE-CON $1; }\n"
    /* xfs, ntfs: made over stale content */
    "make_xfs() { rm -f $1; truncate -s 64M $1; for m in 9 20 40 58; do stale_at $1 $m; done\n"
    "  printf '/\\n0 0\\nd--755 0 0\\n' >proto\n"
    "  for n in numbers random; do echo \"$n ---644 0 0 kept/$n\" >>proto; done\n"
    "  echo '$' >>proto; mkfs.xfs --unsupported -q -K -f -p proto $1\n"
    /* such a small one is good enough for a test only, hence the flag */
    "  grep -qaF STALE-CON $1; }\n"
    "xfs_cat() { xfs_db -r -f -c \"path /$2\" -c bmap $1 | while read -r _ _ off _ _ where _ len "
    "_\n"
    "  do ag=${where#(}; ag=${ag%%/*}; b=${where#*/}; b=${b%)}\n"
    "  dd if=$1 of=out bs=4096 seek=$off skip=$((ag * ab + b)) count=$len conv=notrunc "
    "status=none\n"
    "  done; }\n"
    "check_xfs() { xfs_repair -n -f $1 >check.log 2>&1 || { cat check.log; exit 1; }\n"
    "  ab=$(xfs_db -r -f -c 'sb 0' -c 'print agblocks' $1 | sed 's/.*= //')\n"
    "  for n in numbers random; do rm -f out; xfs_cat $1 $n\n"
    "  truncate -s $(stat -c %s kept/$n) out; cmp out kept/$n; done; ! grep -qaF STALE-CON $1; }\n"
    "make_ntfs() { rm -f $1; truncate -s 48M $1; for m in 30 40; do stale_at $1 $m; done\n"
    "  mkntfs -F -Q -q $1 2>/dev/null; for n in numbers random; do ntfscp $1 kept/$n $n\n"
    "  done; grep -qaF STALE-CON $1; }\n"
    "check_ntfs() { ntfsfix -n $1; for n in numbers random; do ntfscat $1 $n | cmp - kept/$n\n"
    "  done; ! grep -qaF STALE-CON $1; }\n";

static void sh(const char *script)
{
    CLEANUP_FREE char *text = NULL;
    assert_true(asprintf(&text, "%s%s", functions, script) > 0);
    const char *const argv[] = {"bash", "-c", text, NULL};
    struct cr_buf messages = CR_BUF_INIT(4096), out = CR_BUF_INIT(CR_MIB);
    struct cr_error err = {0};
    int status = -1;
    int r = cr_command_run(argv, &out, &messages, &status, &err);
    if (r != 0 || status != 0)
        fail_msg("%s: %s, status %d: %.*s%.*s", script, err.text, status, (int)out.len,
                 (char *)out.data, (int)messages.len, (char *)messages.data);
    cr_buf_done(&messages);
    cr_buf_done(&out);
}

static int in_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL || chdir(folder) < 0)
        return -1;
    sh("mkdir kept; seq 1 200000 >kept/numbers; head -c 3000001 /dev/urandom >kept/random\n"
       "mkdir kept/many; for i in $(seq 200); do echo $i >kept/many/$i; done\n"
       "cp -r kept tree; stale >tree/stale");
    return 0;
}

static int leave_folder(void **state)
{
    (void)state;
    return chdir("/") < 0 ? -1 : cr_dir_remove(AT_FDCWD, folder);
}

/* Can a disk be shown as a file here? */
static bool have_fuse(void)
{
    return access("/dev/fuse", R_OK | W_OK) == 0;
}

/* Look for free space in `path`; its bytes and times must stay as they are. */
static void find(const char *path, bool as_raw, struct cr_extents *free_space,
                 struct cr_trim_report *report)
{
    char script[256];
    snprintf(script, sizeof(script),
             "openssl dgst -sha256 %s >sum; stat -c '%%y %%z %%s' %s >times", path, path);
    sh(script);
    struct cr_source *source = NULL;
    struct cr_error err = {0};
    if (cr_source_open(path, NULL, &source, &err) != 0)
        fail_msg("%s", err.text);
    const struct cr_trim_disk disk = {.raw_path = as_raw ? path : NULL,
                                      .nbd_socket = cr_source_socket(source),
                                      .size_bytes = cr_source_size_bytes(source)};
    if (cr_trim_find(&disk, free_space, report, &err) != 0)
        fail_msg("%s", err.text);
    cr_source_close(source);
    snprintf(script, sizeof(script),
             "openssl dgst -sha256 %s | cmp - sum; stat -c '%%y %%z %%s' %s | cmp - times", path,
             path);
    sh(script);
}

static void print_report(const struct cr_trim_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        const struct cr_trim_found *f = &report->items[i];
        print_message("  partition %u, %s, %llu MiB at %llu MiB: %llu MiB free%s%s\n", f->partition,
                      f->type, (unsigned long long)(f->size_bytes / CR_MIB),
                      (unsigned long long)(f->offset / CR_MIB),
                      (unsigned long long)(f->free_bytes / CR_MIB),
                      f->not_trimmed[0] != '\0' ? "; not trimmed: " : "", f->not_trimmed);
    }
}

/* Find the free space of the raw disk `path` and zero it in the copy "trimmed". */
static void trim_copy(const char *path, bool as_raw, struct cr_trim_report *report)
{
    CLEANUP_EXTENTS struct cr_extents free_space = {0};
    find(path, as_raw, &free_space, report);
    print_report(report);
    char script[128];
    snprintf(script, sizeof(script), "qemu-img convert -O raw %s trimmed", path);
    sh(script);
    CLEANUP_CLOSE int fd = open("trimmed", O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    for (size_t i = 0; i < free_space.count; i++)
        assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                   (off_t)free_space.items[i].offset,
                                   (off_t)free_space.items[i].len),
                         0);
}

static void trimmed_is(const struct cr_trim_found *found, const char *type, uint64_t offset)
{
    assert_string_equal(found->not_trimmed, "");
    assert_string_equal(found->type, type);
    assert_int_equal(found->offset, offset);
    assert_true(found->free_bytes > 0 && found->free_bytes < found->size_bytes);
}

static void every_kind_of_ext_is_trimmed_and_keeps_its_files(void **state)
{
    (void)state;
    static const struct {
        const char *options, *type;
    } kinds[] = {
        {"64M -t ext2 -b 1024", "ext2"},
        {"64M -t ext3", "ext3"},
        {"64M -t ext4 -b 4096", "ext4"},
        {"64M -t ext4 -b 1024 -O ^metadata_csum,uninit_bg -J size=4", "ext4"},
        {"64M -t ext4 -O ^has_journal", "ext4"},
        {"80M -t ext4 -b 4096 -O bigalloc -C 65536", "ext4"},
        {"67109888 -t ext4 -b 1024 -O bigalloc -C 16384", "ext4"},
        {"64M -t ext4 -b 2048 -O sparse_super2,meta_bg,^resize_inode", "ext4"},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(kinds); i++) {
        char script[256];
        snprintf(script, sizeof(script), "make_ext disk %s", kinds[i].options);
        sh(script);
        struct cr_trim_report report = {0};
        trim_copy("disk", true, &report);
        assert_int_equal(report.count, 1);
        assert_int_equal(report.items[0].partition, 0);
        trimmed_is(&report.items[0], kinds[i].type, 0);
        sh("check_ext trimmed");
        cr_trim_report_done(&report);
    }
}

static void a_gpt_disk_with_all_three_is_trimmed(void **state)
{
    (void)state;
    if (!have_fuse())
        skip();
    sh("make_ext e 100M -t ext4 -b 1024; make_xfs x; make_ntfs n\n"
       "rm -f disk; truncate -s 220M disk\n"
       "printf 'label: gpt\\nsize=1M,type=21686148-6449-6E6F-744E-656564454649\\nsize=100M\\n"
       "size=64M\\nsize=48M\\n' | sfdisk -q disk\n"
       "put e disk 2; put x disk 102; put n disk 166");
    for (int as_raw = 1; as_raw >= 0; as_raw--) { /* and as QEMU shows it */
        struct cr_trim_report report = {0};
        if (as_raw == 0)
            sh("qemu-img convert -O qcow2 disk disk.qcow2");
        trim_copy(as_raw ? "disk" : "disk.qcow2", as_raw, &report);
        assert_int_equal(report.count, 3);
        trimmed_is(&report.items[0], "ext4", 2 * CR_MIB);
        trimmed_is(&report.items[1], "xfs", 102 * CR_MIB);
        trimmed_is(&report.items[2], "ntfs", 166 * CR_MIB);
        assert_int_equal(report.items[2].partition, 4);
        sh("get trimmed e 2 100; check_ext e; get trimmed x 102 64; check_xfs x\n"
           "get trimmed n 166 48; check_ntfs n; rm -f e x n");
        cr_trim_report_done(&report);
    }
}

static void an_mbr_disk_with_a_logical_partition_is_trimmed(void **state)
{
    (void)state;
    sh("make_ext e 64M -t ext4; make_ntfs n; rm -f disk; truncate -s 160M disk\n"
       "printf 'label: dos\\nsize=48M,type=7\\ntype=5\\nstart=51M,size=64M\\nsize=8M\\n' | sfdisk "
       "-q disk\n"
       "put n disk 1; put e disk 51");
    struct cr_trim_report report = {0};
    trim_copy("disk", true, &report);
    assert_int_equal(report.count, 2);
    trimmed_is(&report.items[0], "ntfs", CR_MIB);
    trimmed_is(&report.items[1], "ext4", 51 * CR_MIB);
    assert_int_equal(report.items[1].partition, 5);
    sh("get trimmed e 51 64; check_ext e; get trimmed n 1 48; check_ntfs n");
    cr_trim_report_done(&report);
}

/* Nothing of the single file system in "disk" is trimmed, and the report says `why`. */
static void not_trimmed(const char *why)
{
    CLEANUP_EXTENTS struct cr_extents free_space = {0};
    struct cr_trim_report report = {0};
    find("disk", true, &free_space, &report);
    print_report(&report);
    assert_int_equal(report.count, 1);
    assert_int_equal(report.items[0].free_bytes, 0);
    assert_int_equal(free_space.count, 0);
    if (strstr(report.items[0].not_trimmed, why) == NULL)
        fail_msg("'%s' does not say '%s'", report.items[0].not_trimmed, why);
    cr_trim_report_done(&report);
}

static void an_ext_that_was_not_shut_down_cleanly_is_not_trimmed(void **state)
{
    (void)state;
    sh("make_ext disk 64M -t ext4; debugfs -w -R 'feature needs_recovery' disk");
    not_trimmed("journal needs recovery");
    sh("make_ext disk 64M -t ext2; debugfs -w -R 'ssv state 0' disk");
    not_trimmed("not shut down cleanly");
    sh("make_ext disk 64M -t ext4; debugfs -w -R 'ssv state 3' disk");
    not_trimmed("holds errors");
}

static void a_damaged_ext_is_not_trimmed(void **state)
{
    (void)state;
    sh("make_ext disk 64M -t ext4 -b 4096\n"
       "b=$(dumpe2fs disk 2>/dev/null | sed -n 's/.*Block bitmap at \\([0-9]*\\).*/\\1/p' | head "
       "-n 1)\n"
       "head -c 100 /dev/zero | dd of=disk bs=1 seek=$((b * 4096 + 10)) conv=notrunc "
       "status=none");
    not_trimmed("block bitmap");
    sh("make_ext disk 64M -t ext2 -b 4096\n" /* without checksums the counts tell */
       "b=$(dumpe2fs disk 2>/dev/null | sed -n 's/.*Block bitmap at \\([0-9]*\\).*/\\1/p' | head "
       "-n 1)\n"
       "head -c 100 /dev/zero | dd of=disk bs=1 seek=$((b * 4096 + 10)) conv=notrunc status=none");
    not_trimmed("free blocks");
    sh("make_ext disk 64M -t ext4; truncate -s 40M disk");
    not_trimmed("larger than its partition");
}

static void a_dirty_or_hibernated_ntfs_is_not_trimmed(void **state)
{
    (void)state;
    sh("make_ntfs disk; ntfsfix disk"); /* which asks Windows for a check */
    not_trimmed("run chkdsk");
    sh("make_ntfs disk; { printf 'hibr'; head -c 8188 /dev/zero; } >hiberfil.sys\n"
       "ntfscp disk hiberfil.sys hiberfil.sys");
    not_trimmed("fast startup");
    sh("make_ntfs disk; truncate -s 40M disk");
    not_trimmed("");
}

/*
 * Windows' log begins with two equal restart pages, which tell whether a client (NTFS) still uses
 * it. This writes such pages with the given flags (2 = the volume is clean).
 */
static const char write_log[] =
    "make_ntfs disk\n"
    "lcn=$(ntfscluster -I 2 disk | awk '$1 == 0 && NF == 3 {print $2}')\n"
    "python3 - $lcn %d <<'END'\n"
    "import struct, sys\n"
    "size = 2097152\n"
    "head = struct.pack('<4sHHQIIHhh', b'RSTR', 0x1e, 9, 0, 4096, 4096, 0x30, 1, 1)\n"
    "area = struct.pack('<QHHHHIHHqIHHII', 99, 1, 0xffff, 0, int(sys.argv[2]),\n"
    "                   67 - size.bit_length(), 0x30 + 160, 0x30, size, 0, 0x30, 0x40, 1, 0)\n"
    "client = struct.pack('<QQHHH6sI', 99, 99, 0xffff, 0xffff, 0, b'', 8)\n"
    "client += 'NTFS'.encode('utf-16le').ljust(128, b'\\0')\n"
    "page = bytearray(head.ljust(0x30, b'\\0') + area + client).ljust(4096, b'\\0')\n"
    "page[0x1e:0x20] = b'\\1\\0'\n"
    "for sector in range(8):\n"
    "    page[sector * 512 + 510:sector * 512 + 512] = b'\\1\\0'\n"
    "with open('disk', 'r+b') as disk:\n"
    "    disk.seek(int(sys.argv[1]) * 4096)\n"
    "    disk.write(page + page)\n"
    "END";

static void an_ntfs_with_an_unfinished_log_is_not_trimmed(void **state)
{
    (void)state;
    char script[sizeof(write_log) + 16];
    snprintf(script, sizeof(script), write_log, 0);
    sh(script);
    not_trimmed("its log");
    snprintf(script, sizeof(script), write_log, 2);
    sh(script);
    struct cr_trim_report report = {0};
    trim_copy("disk", true, &report);
    assert_int_equal(report.count, 1);
    trimmed_is(&report.items[0], "ntfs", 0);
    sh("check_ntfs trimmed");
    cr_trim_report_done(&report);
}

static void without_the_reader_of_ntfs_the_reason_is_told(void **state)
{
    (void)state;
    sh("make_ntfs disk; rm -rf readers; mkdir readers");
    assert_int_equal(setenv("CARREL_LIBEXEC", "readers", 1), 0);
    not_trimmed("NTFS cannot be read: 'carrel-ntfs-free' is not in 'readers'");
    assert_int_equal(unsetenv("CARREL_LIBEXEC"), 0);
}

/* Readers that a hostile NTFS took over, so to speak, and what the report says then. */
static const struct {
    const char *script, *why;
} readers[] = {
    {"exit 0", "the list is cut off"},
    {"echo 0 4096", "the list is cut off"},
    {"printf '0 4096\\n0 4096\\nend 2 8192\\n'", "line 2 does not lie behind"},
    {"printf '50331648 4096\\nend 1 4096\\n'", "line 1 is not in the partition"},
    {"printf '0 4096\\nend 1 8192\\n'", "line 2 names other sums"},
    {"printf '0 4096\\nend 1 4096\\n'; exit 1", "failed on it (exit status 1)"},
    {"printf '0 4096\\nend 1 4096\\n'; exit 2", "failed on it (exit status 2)"},
    {"kill -SEGV $$", "failed on it (exit status 139)"},
    {"printf 'it is \\033[31mred\\nand more\\n' >&2; exit 1", "it is ?[31mred"},
    {"yes '0 4096'", "too many pieces"},
};

static void an_ntfs_whose_reader_is_wrong_is_not_trimmed(void **state)
{
    (void)state;
    sh("make_ntfs disk; rm -rf readers; mkdir readers");
    assert_int_equal(setenv("CARREL_LIBEXEC", "readers", 1), 0);
    for (size_t i = 0; i < CR_ARRAY_LEN(readers); i++) {
        char script[512];
        snprintf(script, sizeof(script),
                 "cat >readers/carrel-ntfs-free <<'END'\n#!/bin/sh\n%s\nEND\n"
                 "chmod +x readers/carrel-ntfs-free",
                 readers[i].script);
        sh(script);
        not_trimmed(readers[i].why);
    }
    assert_int_equal(unsetenv("CARREL_LIBEXEC"), 0);
}

static void a_dirty_or_damaged_xfs_is_not_trimmed(void **state)
{
    (void)state;
    if (!have_fuse())
        skip();
    /* The only record of a new log says "unmounted" (bit 0x20 in the flags of its first operation).
     */
    sh("make_xfs disk; field() { xfs_db -r -f -c 'sb 0' -c \"print $1\" disk | sed 's/.*= //'; }\n"
       "s=$(field logstart); g=$(field agblklog); a=$(field agblocks)\n"
       "b=$(((s >> g) * a + (s & ((1 << g) - 1))))\n"
       "printf '\\0' | dd of=disk bs=1 seek=$((b * 4096 + 512 + 9)) conv=notrunc status=none");
    not_trimmed("not shut down cleanly");
    sh("make_xfs disk; b=$(xfs_db -r -f -c 'agf 0' -c 'print bnoroot' disk | sed 's/.*= //')\n"
       "printf 'x' | dd of=disk bs=1 seek=$((b * 4096 + 60)) conv=notrunc status=none");
    not_trimmed("damaged");
}

static void what_is_not_known_is_taken_whole(void **state)
{
    (void)state;
    sh("rm -f disk; truncate -s 64M disk; mkfs.vfat -F 32 disk >/dev/null");
    not_trimmed("taken whole");
    CLEANUP_EXTENTS struct cr_extents free_space = {0};
    struct cr_trim_report report = {0};
    sh("rm -f disk; truncate -s 64M disk");
    find("disk", true, &free_space, &report);
    assert_int_equal(report.count, 0);
    assert_int_equal(free_space.count, 0);
    sh("printf 'label: gpt\\nsize=20M\\n' | sfdisk -q disk");
    find("disk", true, &free_space, &report);
    assert_int_equal(report.count, 0);
    cr_trim_report_done(&report);
}

static void overlapping_partitions_are_not_trimmed(void **state)
{
    (void)state;
    sh("make_ext e 64M -t ext4; rm -f disk; truncate -s 100M disk\n"
       "printf 'label: dos\\nstart=1M,size=64M\\nstart=80M,size=8M\\n' | sfdisk -q disk; put e "
       "disk 1\n"
       /* the second entry of the table now begins inside the first */
       "printf '\\0\\140\\0\\0' | dd of=disk bs=1 seek=$((446 + 16 + 8)) conv=notrunc status=none");
    not_trimmed("overlaps another partition");
}

static void without_fuse_the_reason_is_told(void **state)
{
    (void)state;
    CLEANUP_EXTENTS struct cr_extents free_space = {0};
    struct cr_trim_report report = {0};
    struct cr_error err = {0};
    const struct cr_trim_disk disk = {.nbd_socket = "/nowhere/nbd", .size_bytes = CR_MIB};
    assert_true(cr_trim_find(&disk, &free_space, &report, &err) < 0);
    assert_non_null(strstr(err.text, "cannot look for free space: the disk cannot be shown"));
    assert_null(report.items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_ext_is_trimmed_and_keeps_its_files),
        cmocka_unit_test(a_gpt_disk_with_all_three_is_trimmed),
        cmocka_unit_test(an_mbr_disk_with_a_logical_partition_is_trimmed),
        cmocka_unit_test(an_ext_that_was_not_shut_down_cleanly_is_not_trimmed),
        cmocka_unit_test(a_damaged_ext_is_not_trimmed),
        cmocka_unit_test(a_dirty_or_hibernated_ntfs_is_not_trimmed),
        cmocka_unit_test(an_ntfs_with_an_unfinished_log_is_not_trimmed),
        cmocka_unit_test(without_the_reader_of_ntfs_the_reason_is_told),
        cmocka_unit_test(an_ntfs_whose_reader_is_wrong_is_not_trimmed),
        cmocka_unit_test(a_dirty_or_damaged_xfs_is_not_trimmed),
        cmocka_unit_test(what_is_not_known_is_taken_whole),
        cmocka_unit_test(overlapping_partitions_are_not_trimmed),
        cmocka_unit_test(without_fuse_the_reason_is_told),
    };
    return cmocka_run_group_tests(tests, in_folder, leave_folder);
}
