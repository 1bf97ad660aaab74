/* SPDX-License-Identifier: MIT */
/*
 * Errors that a person will read.
 *
 * Functions return 0 or a negative errno for the program, and put one sentence into a caller-owned
 * struct cr_error for the person: the operation, the object in single quotes, what was found, what
 * to do next. A library only fills the sentence in; the program prints it, once, at its edge.
 */
#pragma once

#include <stdarg.h>

#define CR_ERROR_BYTES 768

struct cr_error {
    char text[CR_ERROR_BYTES]; /* always terminated; "" when nothing went wrong */
};

/*
 * Fill *err (which may be NULL) and hand `code` back, so that a failing function can say
 * `return cr_error_set(err, -ENOENT, "...")`. The sentence is cut when it is too long.
 */
int cr_error_set(struct cr_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As cr_error_set; appends ": " and strerror(-code). */
int cr_error_errno(struct cr_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Put "what: " in front of the sentence that *err holds. Returns `code`. */
int cr_error_prefix(struct cr_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
