/* SPDX-License-Identifier: MIT */
/*
 * An account that libvirt insists on and never uses here.
 *
 * Opened by root, libvirt's QEMU driver looks up the account it was built for ("libvirt-qemu" in
 * Debian) before it reads the settings, which say root (vm.c), and refuses to open when it is
 * missing. Only the package libvirt-daemon-system makes that account, together with a daemon, a
 * network and firewall rules that a seat must not have. So this program answers the two look-ups
 * itself: what the system does not know under that name is taken to be root.
 */
#include <dlfcn.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>

#define ACCOUNT "libvirt-qemu"

typedef int passwd_lookup(const char *, struct passwd *, char *, size_t, struct passwd **);
typedef int group_lookup(const char *, struct group *, char *, size_t, struct group **);

/* The C library's function of that name, which ours stands in front of. */
static void *next_function(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

int getpwnam_r(const char *name, struct passwd *entry, char *buffer, size_t size,
               struct passwd **result)
{
    passwd_lookup *next = (passwd_lookup *)next_function("getpwnam_r");
    if (next == NULL)
        return ENOSYS;
    int r = next(name, entry, buffer, size, result);
    if (*result == NULL && strcmp(name, ACCOUNT) == 0 && r != ERANGE)
        r = next("root", entry, buffer, size, result);
    return r;
}

int getgrnam_r(const char *name, struct group *entry, char *buffer, size_t size,
               struct group **result)
{
    group_lookup *next = (group_lookup *)next_function("getgrnam_r");
    if (next == NULL)
        return ENOSYS;
    int r = next(name, entry, buffer, size, result);
    if (*result == NULL && strcmp(name, ACCOUNT) == 0 && r != ERANGE)
        r = next("root", entry, buffer, size, result);
    return r;
}
