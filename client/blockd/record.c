/* SPDX-License-Identifier: MIT */
#include "client/blockd/record.h"

#include "lib/base/mem.h"
#include "lib/blk/trace.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <time.h>

static struct {
    pthread_mutex_t mutex; /* also keeps the times in order */
    FILE *file;            /* NULL = nothing is recorded */
    uint64_t began_us;
} record = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int record_open(const char *path, struct cr_error *err)
{
    record.file = fopen(path, "we");
    if (record.file == NULL)
        return cr_error_errno(err, -errno, "cannot record to '%s'", path);
    /* A process that is killed leaves whole lines. */
    setlinebuf(record.file);
    record.began_us = now_us();
    return 0;
}

void record_read(uint64_t offset, uint32_t len)
{
    char line[CR_TRACE_LINE];
    if (record.file == NULL)
        return;
    pthread_mutex_lock(&record.mutex);
    struct cr_trace_read read = {.at_us = now_us() - record.began_us, .offset = offset, .len = len};
    fputs(cr_trace_line(&read, line), record.file); /* record_close tells of a failure */
    pthread_mutex_unlock(&record.mutex);
}

int record_close(void)
{
    FILE *file = TAKE_PTR(record.file);
    if (file == NULL)
        return 0;
    bool failed = ferror(file) != 0;
    return fclose(file) == EOF || failed ? -EIO : 0;
}
