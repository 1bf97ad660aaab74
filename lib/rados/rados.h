/* SPDX-License-Identifier: MIT */
/* Stores in Ceph: "rados:POOL[/NAMESPACE][?conf=FILE&id=NAME&meta=POOL]". */
#pragma once

/*
 * Make the scheme `rados` known to cr_store_open and cr_store_init. Call at program start, before
 * threads. Where Carrel was built without librados' headers the scheme only says so.
 */
void cr_rados_register(void);
