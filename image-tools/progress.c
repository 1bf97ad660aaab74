/* SPDX-License-Identifier: MIT */
#include "image-tools/progress.h"

#include "lib/base/mem.h"
#include "lib/base/num.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <time.h>

enum { BAR_FIRST_MS = 400, BAR_EVERY_MS = 200, LINE_EVERY_MS = 5000, RATE_SAMPLES = 16 };

struct progress {
    char what[128];
    uint64_t total;
    _Atomic uint64_t done;
    bool terminal, shown;
    int64_t start_ms;
    /* The last moments that were shown, to tell the rate of now and not of the whole run. */
    struct {
        int64_t ms;
        uint64_t done;
    } samples[RATE_SAMPLES];
    unsigned sample_count;
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    bool ending;
    pthread_t thread;
};

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Bytes a second over the last samples. */
static double rate_now(struct progress *p, int64_t ms, uint64_t done)
{
    unsigned newest = p->sample_count % RATE_SAMPLES;
    int64_t from_ms = p->start_ms;
    uint64_t from_done = 0;
    if (p->sample_count >= RATE_SAMPLES) { /* the slot to be filled holds the oldest */
        from_ms = p->samples[newest].ms;
        from_done = p->samples[newest].done;
    }
    p->samples[newest].ms = ms;
    p->samples[newest].done = done;
    p->sample_count++;
    return ms > from_ms ? (double)(done - from_done) * 1000.0 / (double)(ms - from_ms) : 0;
}

static void time_left(double rate, uint64_t left, char *out, size_t size)
{
    uint64_t s = rate > 0 ? (uint64_t)((double)left / rate + 0.5) : 0;
    if (rate <= 0 || s > 100 * 3600)
        snprintf(out, size, "time left unknown");
    else if (s >= 3600)
        snprintf(out, size, "%" PRIu64 ":%02u:%02u left", s / 3600, (unsigned)(s / 60 % 60),
                 (unsigned)(s % 60));
    else
        snprintf(out, size, "%u:%02u left", (unsigned)(s / 60), (unsigned)(s % 60));
}

static unsigned terminal_columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

static void show(struct progress *p)
{
    int64_t ms = now_ms();
    uint64_t done = atomic_load(&p->done);
    if (done > p->total)
        done = p->total;
    unsigned percent = p->total ? (unsigned)((double)done * 100.0 / (double)p->total) : 100;
    double rate = rate_now(p, ms, done);
    char a[CR_BYTES_TEXT], b[CR_BYTES_TEXT], c[CR_BYTES_TEXT], left[40], text[256], bar[64] = "";
    time_left(rate, p->total - done, left, sizeof(left));
    snprintf(text, sizeof(text), "%3u %%  %s of %s  %s/s  %s", percent,
             cr_bytes_format(done, a, sizeof(a)), cr_bytes_format(p->total, b, sizeof(b)),
             cr_bytes_format((uint64_t)rate, c, sizeof(c)), left);
    p->shown = true;
    if (!p->terminal) {
        fprintf(stderr, "%s:%s%s\n", p->what, percent < 100 ? "" : " ", text);
        return;
    }
    unsigned columns = terminal_columns(), used = (unsigned)(strlen(p->what) + strlen(text)) + 6;
    unsigned width = columns > used + 8 ? columns - used : 0;
    if (width > sizeof(bar) - 1)
        width = sizeof(bar) - 1;
    unsigned filled =
        p->total ? (unsigned)((double)width * (double)done / (double)p->total) : width;
    for (unsigned i = 0; i < width; i++)
        bar[i] = i < filled ? '#' : '.';
    if (width > 0)
        fprintf(stderr, "\r%s [%s] %s\033[K", p->what, bar, text);
    else
        fprintf(stderr, "\r%.*s\033[K", (int)columns - 1, text);
    fflush(stderr);
}

static void *ticker(void *argument)
{
    struct progress *p = argument;
    int64_t next = p->start_ms + (p->terminal ? BAR_FIRST_MS : LINE_EVERY_MS);
    pthread_mutex_lock(&p->mutex);
    while (!p->ending) {
        struct timespec until = {.tv_sec = next / 1000, .tv_nsec = next % 1000 * 1000000};
        if (pthread_cond_timedwait(&p->ended, &p->mutex, &until) != ETIMEDOUT)
            continue;
        show(p);
        next = now_ms() + (p->terminal ? BAR_EVERY_MS : LINE_EVERY_MS);
    }
    pthread_mutex_unlock(&p->mutex);
    return NULL;
}

struct progress *progress_new(const struct cli *cli, const char *what, uint64_t total_bytes)
{
    bool terminal = isatty(STDERR_FILENO);
    if (cli_has(cli, OPT_QUIET) || (cli_has(cli, OPT_JSON) && !terminal))
        return NULL;
    struct progress *p = cr_calloc(1, sizeof(*p));
    if (p == NULL)
        return NULL;
    snprintf(p->what, sizeof(p->what), "%s", what);
    p->total = total_bytes;
    p->terminal = terminal;
    p->start_ms = now_ms();
    pthread_mutex_init(&p->mutex, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&p->ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&p->thread, NULL, ticker, p);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r != 0) {
        free(p);
        return NULL;
    }
    return p;
}

void progress_add(struct progress *progress, uint64_t bytes)
{
    if (progress != NULL)
        atomic_fetch_add_explicit(&progress->done, bytes, memory_order_relaxed);
}

void progress_told(void *progress, uint64_t bytes)
{
    progress_add(progress, bytes);
}

void progress_free(struct progress *p)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->mutex);
    p->ending = true;
    pthread_cond_signal(&p->ended);
    pthread_mutex_unlock(&p->mutex);
    pthread_join(p->thread, NULL);
    if (p->terminal && p->shown) {
        fprintf(stderr, "\r\033[K");
        fflush(stderr);
    }
    pthread_cond_destroy(&p->ended);
    pthread_mutex_destroy(&p->mutex);
    free(p);
}

void progress_cleanup(struct progress **progress)
{
    progress_free(*progress);
}
