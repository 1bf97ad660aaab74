/* SPDX-License-Identifier: MIT */
/* What each kind of step does in the image. */
#pragma once

#include "image-tools/build_files.h"
#include "image-tools/build_machine.h"

/*
 * Do one step. *ret_status is the exit status of its command, 0 where it has none; what it said is
 * appended to `log`.
 */
int build_step_run(struct build_machine *machine, const struct build_files *files,
                   const struct cr_recipe *recipe, const struct cr_step *step, struct cr_buf *log,
                   int *ret_status, struct cr_error *err);
