/* SPDX-License-Identifier: MIT */
/* Ownership that the compiler keeps: cleanup attributes and the handing-over of what they guard. */
#pragma once

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cr_cleanup_free(void *pointer)
{
    free(*(void **)pointer);
}

static inline void cr_cleanup_close(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void cr_cleanup_fclose(FILE **file)
{
    if (*file != NULL)
        fclose(*file);
}

static inline void cr_cleanup_closedir(DIR **dir)
{
    if (*dir != NULL)
        closedir(*dir);
}

#define CLEANUP_FREE     __attribute__((cleanup(cr_cleanup_free)))
#define CLEANUP_CLOSE    __attribute__((cleanup(cr_cleanup_close)))
#define CLEANUP_FCLOSE   __attribute__((cleanup(cr_cleanup_fclose)))
#define CLEANUP_CLOSEDIR __attribute__((cleanup(cr_cleanup_closedir)))
#define CLEANUP(destroy) __attribute__((cleanup(destroy)))

/* The value of a guarded variable, which is emptied: ownership moves to whoever receives it. */
#define TAKE_PTR(pointer)                                                                          \
    ({                                                                                             \
        __typeof__(pointer) taken_ = (pointer);                                                    \
        (pointer) = NULL;                                                                          \
        taken_;                                                                                    \
    })
#define TAKE_FD(fd)                                                                                \
    ({                                                                                             \
        int taken_ = (fd);                                                                         \
        (fd) = -1;                                                                                 \
        taken_;                                                                                    \
    })

#define CR_ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

/* malloc of `count` elements of `size` bytes, zeroed; NULL on overflow or lack of memory. */
static inline void *cr_calloc(size_t count, size_t size)
{
    return calloc(count ? count : 1, size ? size : 1);
}
