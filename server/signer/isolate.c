/* SPDX-License-Identifier: MIT */
#include "server/signer/isolate.h"

#include "lib/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

static void map_write(const char *path, const char *text)
{
    CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && write(fd, text, strlen(text)) < 0)
        return; /* without a map files are still reached by the old ids; only their names look odd
                 */
}

/* Without privileges a network namespace comes with a user namespace, in which we stay who we are.
 */
static int unshare_as_user(void)
{
    char map[64];
    unsigned uid = geteuid(), gid = getegid();
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
        return -errno;
    snprintf(map, sizeof(map), "%u %u 1", uid, uid);
    map_write("/proc/self/uid_map", map);
    map_write("/proc/self/setgroups", "deny");
    snprintf(map, sizeof(map), "%u %u 1", gid, gid);
    map_write("/proc/self/gid_map", map);
    return 0;
}

/* Somebody else may have put us where there is nothing but the loopback. */
static bool has_network(void)
{
    struct if_nameindex *all = if_nameindex();
    bool found = all == NULL;
    for (struct if_nameindex *i = all; i != NULL && i->if_index != 0; i++)
        found |= strcmp(i->if_name, "lo") != 0;
    if_freenameindex(all);
    return found;
}

static int network_drop(struct cr_error *err)
{
    if (unshare(CLONE_NEWNET) == 0)
        return 0;
    int r = unshare_as_user();
    if (r == 0 || !has_network())
        return 0;
    return cr_error_errno(err, r,
                          "the network cannot be given up; start the signer where it has none "
                          "(PrivateNetwork=yes), or allow user namespaces");
}

static int root_drop(const char *state_dir, struct cr_error *err)
{
    struct stat st;
    if (geteuid() != 0)
        return 0;
    if (stat(state_dir, &st) < 0)
        return cr_error_errno(err, -errno, "the signer's folder '%s'", state_dir);
    if (st.st_uid == 0)
        return 0; /* its keys are root's: nothing would be gained */
    if (setgroups(0, NULL) < 0 || setresgid(st.st_gid, st.st_gid, st.st_gid) < 0 ||
        setresuid(st.st_uid, st.st_uid, st.st_uid) < 0)
        return cr_error_errno(err, -errno, "becoming the owner of '%s'", state_dir);
    return 0;
}

int isolate(const char *state_dir, struct cr_error *err)
{
    const struct rlimit none = {0};
    int r = network_drop(err);
    if (r == 0)
        r = root_drop(state_dir, err);
    if (r < 0)
        return r;
    if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return cr_error_errno(err, -errno, "giving up privileges");
    return 0;
}
