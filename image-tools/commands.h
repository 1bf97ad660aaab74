/* SPDX-License-Identifier: MIT */
/* What each command does: the functions that the table in commands.c names. */
#pragma once

#include "image-tools/cli.h"

int cmd_store_init(struct cli *cli, struct cr_error *err);
int cmd_store_stat(struct cli *cli, struct cr_error *err);
int cmd_store_copy(struct cli *cli, struct cr_error *err);
int cmd_store_gc(struct cli *cli, struct cr_error *err);
int cmd_store_scrub(struct cli *cli, struct cr_error *err);

int cmd_image_import(struct cli *cli, struct cr_error *err);
int cmd_image_commit(struct cli *cli, struct cr_error *err);
int cmd_image_build(struct cli *cli, struct cr_error *err);
int cmd_image_update(struct cli *cli, struct cr_error *err);
int cmd_image_ls(struct cli *cli, struct cr_error *err);
int cmd_image_show(struct cli *cli, struct cr_error *err);
int cmd_image_log(struct cli *cli, struct cr_error *err);
int cmd_image_diff(struct cli *cli, struct cr_error *err);
int cmd_image_delta(struct cli *cli, struct cr_error *err);
int cmd_image_hot(struct cli *cli, struct cr_error *err);
int cmd_image_verify(struct cli *cli, struct cr_error *err);
int cmd_image_export(struct cli *cli, struct cr_error *err);
int cmd_image_rm(struct cli *cli, struct cr_error *err);
int cmd_image_promote(struct cli *cli, struct cr_error *err);
int cmd_image_rollback(struct cli *cli, struct cr_error *err);
int cmd_image_pin(struct cli *cli, struct cr_error *err);
int cmd_image_channels(struct cli *cli, struct cr_error *err);

int cmd_pki_init(struct cli *cli, struct cr_error *err);
int cmd_pki_issue(struct cli *cli, struct cr_error *err);

int cmd_trust_init(struct cli *cli, struct cr_error *err);
int cmd_trust_key(struct cli *cli, struct cr_error *err);
int cmd_trust_sign(struct cli *cli, struct cr_error *err);
int cmd_trust_timestamp(struct cli *cli, struct cr_error *err);
int cmd_trust_rotate(struct cli *cli, struct cr_error *err);
int cmd_trust_revoke(struct cli *cli, struct cr_error *err);
int cmd_trust_signer(struct cli *cli, struct cr_error *err);
int cmd_trust_show(struct cli *cli, struct cr_error *err);
int cmd_trust_seat(struct cli *cli, struct cr_error *err);
int cmd_trust_verify(struct cli *cli, struct cr_error *err);

int cmd_policy_sign(struct cli *cli, struct cr_error *err);
int cmd_policy_lease(struct cli *cli, struct cr_error *err);
int cmd_policy_key(struct cli *cli, struct cr_error *err);
int cmd_policy_show(struct cli *cli, struct cr_error *err);
int cmd_completion_bash(struct cli *cli, struct cr_error *err);
int cmd_help(struct cli *cli, struct cr_error *err);

int cmd_internal_commands(struct cli *cli, struct cr_error *err);
int cmd_internal_refs(struct cli *cli, struct cr_error *err);
