/* SPDX-License-Identifier: MIT */
#include "image-tools/stop.h"

#include "image-tools/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

static atomic_bool requested;
static const char *_Atomic temporary;

static void on_signal(int signal_number)
{
    (void)signal_number;
    if (!atomic_exchange(&requested, true))
        return;
    const char *path = atomic_load(&temporary);
    if (path != NULL)
        unlink(path);
    _exit(EXIT_INTERRUPTED);
}

void stop_install(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    signal(SIGPIPE, SIG_IGN); /* a reader that went away is an error of write, told like others */
}

bool stop_requested(void)
{
    return atomic_load_explicit(&requested, memory_order_relaxed);
}

int stop_check(struct cr_error *err)
{
    if (!stop_requested())
        return 0;
    return cr_error_set(err, -ECANCELED, "interrupted; nothing was changed");
}

void stop_set_temporary(const char *path)
{
    atomic_store(&temporary, path);
}
