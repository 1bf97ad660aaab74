/* SPDX-License-Identifier: MIT */
#include "client/agent/vm.h"

#include "lib/base/fd.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

struct vm {
    virConnectPtr connection;
    virDomainPtr domain; /* NULL when no machine runs */
    int machine;
    int events[2]; /* struct vm_event travels through this pipe */
    int callbacks[3];
    int tick; /* a libvirt timer that ends the thread's loop */
    pthread_t thread;
    bool thread_runs;
    atomic_bool stop;
};

/*
 * Settings of the embedded driver. Without virtlogd, QEMU writes its log files itself; the seat's
 * own account runs QEMU, whose files belong to it already; what a seat has no need of is off.
 */
static const char settings[] = "stdio_handler = \"file\"\n"
                               "security_driver = \"none\"\n"
                               "dynamic_ownership = 0\n"
                               "remember_owner = 0\n"
                               "namespaces = []\n"
                               "cgroup_controllers = []\n"
                               "max_core = 0\n";
static const char settings_root[] = "user = \"root\"\n"
                                    "group = \"root\"\n";

/* libvirt's own sentence for the last failure, after ours. */
static int vm_error(struct cr_error *err, int code, const char *what)
{
    const char *message = virGetLastErrorMessage();
    return cr_error_set(err, code, "%s: %s", what, message != NULL ? message : "no reason given");
}

static void errors_ignore(void *data, virErrorPtr error)
{
    (void)data;
    (void)error;
}

/* --- events: from libvirt's thread into the pipe ---------------------------------------------- */

static void event_send(struct vm *vm, virDomainPtr domain, enum vm_event_kind kind,
                       const char *reason)
{
    struct vm_event event = {.kind = kind};
    const char *name = virDomainGetName(domain);
    const char *dash = name != NULL ? strrchr(name, '-') : NULL;
    event.machine = dash != NULL ? (int)strtol(dash + 1, NULL, 10) : 0;
    snprintf(event.reason, sizeof(event.reason), "%s", reason);
    /* Smaller than PIPE_BUF, so whole or not at all; the session empties the pipe at once. */
    if (write(vm->events[1], &event, sizeof(event)) != (ssize_t)sizeof(event))
        return;
}

static int lifecycle_heard(virConnectPtr connection, virDomainPtr domain, int event, int detail,
                           void *data)
{
    (void)connection;
    if (event != VIR_DOMAIN_EVENT_STOPPED)
        return 0;
    enum vm_event_kind kind = detail == VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN    ? VM_POWERED
                              : detail == VIR_DOMAIN_EVENT_STOPPED_DESTROYED ? VM_ENDED
                                                                             : VM_DIED;
    event_send(data, domain, kind, "");
    return 0;
}

static void reboot_heard(virConnectPtr connection, virDomainPtr domain, void *data)
{
    (void)connection;
    event_send(data, domain, VM_REBOOTED, "");
}

static void io_error_heard(virConnectPtr connection, virDomainPtr domain, const char *path,
                           const char *device, int action, const char *reason, void *data)
{
    (void)connection;
    (void)path;
    (void)device;
    if (action == VIR_DOMAIN_EVENT_IO_ERROR_PAUSE)
        event_send(data, domain, VM_IO_FAILED, reason != NULL ? reason : "");
}

static void *loop_run(void *data)
{
    struct vm *vm = data;
    while (!atomic_load(&vm->stop))
        if (virEventRunDefaultImpl() < 0)
            break;
    return NULL;
}

static void tick_heard(int timer, void *data)
{
    (void)timer;
    (void)data;
}

static int events_start(struct vm *vm, struct cr_error *err)
{
    if (pipe2(vm->events, O_CLOEXEC | O_NONBLOCK) < 0)
        return cr_error_errno(err, -errno, "making a pipe");
    if (virInitialize() < 0 || virEventRegisterDefaultImpl() < 0)
        return vm_error(err, -EIO, "starting libvirt");
    virSetErrorFunc(NULL, errors_ignore);
    vm->tick = virEventAddTimeout(-1, tick_heard, NULL, NULL);
    int r = pthread_create(&vm->thread, NULL, loop_run, vm);
    if (r != 0)
        return cr_error_errno(err, -r, "starting a thread");
    vm->thread_runs = true;
    return 0;
}

static int events_subscribe(struct vm *vm, struct cr_error *err)
{
    /* libvirt takes every kind of callback through this one type. */
    const struct {
        int id;
        virConnectDomainEventGenericCallback callback;
    } wanted[] = {
        {VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(lifecycle_heard)},
        {VIR_DOMAIN_EVENT_ID_REBOOT, VIR_DOMAIN_EVENT_CALLBACK(reboot_heard)},
        {VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON, VIR_DOMAIN_EVENT_CALLBACK(io_error_heard)},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(wanted); i++) {
        vm->callbacks[i] = virConnectDomainEventRegisterAny(vm->connection, NULL, wanted[i].id,
                                                            wanted[i].callback, vm, NULL);
        if (vm->callbacks[i] < 0)
            return vm_error(err, -EIO, "listening to libvirt");
    }
    return 0;
}

int vm_event_fd(const struct vm *vm)
{
    return vm->events[0];
}

bool vm_next(struct vm *vm, struct vm_event *ret_event)
{
    return read(vm->events[0], ret_event, sizeof(*ret_event)) == (ssize_t)sizeof(*ret_event);
}

/* --- open and close --------------------------------------------------------------------------- */

static int settings_write(const char *root, struct cr_error *err)
{
    char path[PATH_MAX];
    CLEANUP_BUF struct cr_buf text = CR_BUF_INIT(4096);
    int r = cr_buf_printf(&text, "%s%s", settings, geteuid() == 0 ? settings_root : "");
    snprintf(path, sizeof(path), "%s/etc", root);
    if (r == 0)
        r = cr_dir_make(AT_FDCWD, path, 0700);
    snprintf(path, sizeof(path), "%s/etc/qemu.conf", root);
    if (r == 0)
        r = cr_file_replace(AT_FDCWD, path, text.data, text.len, 0600);
    return r < 0 ? cr_error_errno(err, r, "writing libvirt's settings '%s'", path) : 0;
}

/* virDomainDestroy, for a machine that may end by itself at the same moment. */
static int domain_destroy(virDomainPtr domain, const char *what, struct cr_error *err)
{
    if (virDomainDestroy(domain) == 0)
        return 0;
    int code = virGetLastErrorCode();
    return code == VIR_ERR_NO_DOMAIN || code == VIR_ERR_OPERATION_INVALID
               ? 0
               : vm_error(err, -EIO, what);
}

/* Machines of an agent that was killed: their overlays are never used again, so they just end. */
static int leftovers_destroy(struct vm *vm, unsigned *ret_count, struct cr_error *err)
{
    virDomainPtr *domains = NULL;
    int count = virConnectListAllDomains(vm->connection, &domains, 0);
    int r = 0;
    if (count < 0)
        return vm_error(err, -EIO, "looking for machines that were left running");
    for (int i = 0; i < count; i++) {
        if (r == 0)
            r = domain_destroy(domains[i], "ending a machine that was left running", err);
        virDomainFree(domains[i]);
    }
    free(domains);
    *ret_count = (unsigned)count;
    return r;
}

static int connection_open(struct vm *vm, const char *root, struct cr_error *err)
{
    CLEANUP_BUF struct cr_buf uri = CR_BUF_INIT(PATH_MAX * 3 + 64);
    int r = cr_buf_printf(&uri, "qemu:///embed?root=");
    for (const char *p = root; *p != '\0' && r == 0; p++)
        r = cr_buf_printf(&uri, strchr("%&;?#+ ", *p) != NULL ? "%%%02X" : "%c", *p);
    if (r == 0)
        r = cr_buf_append(&uri, "", 1);
    if (r < 0)
        return cr_error_errno(err, r, "opening libvirt");
    vm->connection = virConnectOpen((const char *)uri.data);
    if (vm->connection == NULL)
        return vm_error(err, -ENODEV,
                        "opening libvirt's embedded QEMU driver (install "
                        "libvirt-daemon-driver-qemu)");
    return 0;
}

int vm_open(const char *root, struct vm **ret_vm, unsigned *ret_leftovers, struct cr_error *err)
{
    char path[PATH_MAX + 32];
    struct vm *vm = cr_calloc(1, sizeof(*vm));
    if (vm == NULL)
        return cr_error_errno(err, -ENOMEM, "opening libvirt");
    vm->events[0] = vm->events[1] = -1;
    vm->tick = -1;
    for (size_t i = 0; i < CR_ARRAY_LEN(vm->callbacks); i++)
        vm->callbacks[i] = -1;
    /* What libvirt itself logs belongs beside its state, not on our stderr. */
    snprintf(path, sizeof(path), "3:file:%s/libvirt.log", root);
    setenv("LIBVIRT_LOG_OUTPUTS", path, 0);
    int r = settings_write(root, err);
    if (r == 0)
        r = events_start(vm, err);
    if (r == 0)
        r = connection_open(vm, root, err);
    if (r == 0)
        r = leftovers_destroy(vm, ret_leftovers, err);
    if (r == 0)
        r = events_subscribe(vm, err);
    if (r < 0) {
        vm_free(vm);
        return r;
    }
    *ret_vm = vm;
    return 0;
}

void vm_free(struct vm *vm)
{
    if (vm == NULL)
        return;
    vm_destroy(vm, NULL);
    for (size_t i = 0; i < CR_ARRAY_LEN(vm->callbacks); i++)
        if (vm->callbacks[i] >= 0)
            virConnectDomainEventDeregisterAny(vm->connection, vm->callbacks[i]);
    if (vm->connection != NULL)
        virConnectClose(vm->connection);
    if (vm->thread_runs) {
        atomic_store(&vm->stop, true);
        virEventUpdateTimeout(vm->tick, 0);
        pthread_join(vm->thread, NULL);
    }
    if (vm->tick >= 0)
        virEventRemoveTimeout(vm->tick);
    for (int i = 0; i < 2; i++)
        if (vm->events[i] >= 0)
            close(vm->events[i]);
    free(vm);
}

/* --- the machine ------------------------------------------------------------------------------ */

int vm_start(struct vm *vm, const char *xml, struct cr_error *err)
{
    vm->machine++;
    vm->domain = virDomainCreateXML(vm->connection, xml, 0);
    if (vm->domain == NULL)
        return vm_error(err, -EIO, "starting the machine");
    return 0;
}

int vm_machine(const struct vm *vm)
{
    return vm->machine;
}

int vm_destroy(struct vm *vm, struct cr_error *err)
{
    if (vm->domain == NULL)
        return 0;
    int r = domain_destroy(vm->domain, "ending the machine", err);
    virDomainFree(vm->domain);
    vm->domain = NULL;
    return r;
}

int vm_press_power(struct vm *vm, struct cr_error *err)
{
    if (vm->domain == NULL || virDomainShutdown(vm->domain) < 0)
        return vm_error(err, -EIO, "asking the guest to switch off");
    return 0;
}

int vm_resume(struct vm *vm, struct cr_error *err)
{
    if (vm->domain == NULL || virDomainResume(vm->domain) < 0)
        return vm_error(err, -EIO, "letting the machine go on");
    return 0;
}

int vm_ask(struct vm *vm, const char *request, char **ret_answer, struct cr_error *err)
{
    if (vm->domain == NULL || virDomainQemuMonitorCommand(vm->domain, request, ret_answer, 0) < 0)
        return vm_error(err, -EIO, "asking QEMU");
    return 0;
}
