/* SPDX-License-Identifier: MIT */
/*
 * librados as a table of functions, loaded when the first store in Ceph is opened: it costs 14 MB
 * and 8 ms, which a program that reads a folder should not pay, and a machine without Ceph need not
 * have it. A test puts its own functions into the table.
 */
#pragma once

#include "lib/base/error.h"

#include <rados/librados.h>

/* Every function of librados that is called, once. */
#define CR_RADOS_FUNCTIONS(X)                                                                      \
    X(create)                                                                                      \
    X(conf_read_file)                                                                              \
    X(conf_parse_env)                                                                              \
    X(conf_set)                                                                                    \
    X(connect)                                                                                     \
    X(shutdown)                                                                                    \
    X(application_list)                                                                            \
    X(application_enable)                                                                          \
    X(ioctx_create)                                                                                \
    X(ioctx_destroy)                                                                               \
    X(ioctx_set_namespace)                                                                         \
    X(ioctx_pool_requires_alignment2)                                                              \
    X(set_pool_full_try)                                                                           \
    X(stat)                                                                                        \
    X(read)                                                                                        \
    X(remove)                                                                                      \
    X(getxattr)                                                                                    \
    X(setxattr)                                                                                    \
    X(aio_create_completion2)                                                                      \
    X(aio_release)                                                                                 \
    X(aio_wait_for_complete)                                                                       \
    X(aio_get_return_value)                                                                        \
    X(aio_stat)                                                                                    \
    X(aio_getxattr)                                                                                \
    X(create_read_op)                                                                              \
    X(release_read_op)                                                                             \
    X(read_op_read)                                                                                \
    X(read_op_omap_get_vals2)                                                                      \
    X(read_op_operate)                                                                             \
    X(aio_read_op_operate)                                                                         \
    X(omap_get_next)                                                                               \
    X(omap_get_end)                                                                                \
    X(create_write_op)                                                                             \
    X(release_write_op)                                                                            \
    X(write_op_assert_exists)                                                                      \
    X(write_op_cmpxattr)                                                                           \
    X(write_op_create)                                                                             \
    X(write_op_omap_cmp)                                                                           \
    X(write_op_omap_rm_keys)                                                                       \
    X(write_op_omap_set)                                                                           \
    X(write_op_remove)                                                                             \
    X(write_op_rmxattr)                                                                            \
    X(write_op_set_alloc_hint2)                                                                    \
    X(write_op_setxattr)                                                                           \
    X(write_op_write_full)                                                                         \
    X(write_op_operate)                                                                            \
    X(aio_write_op_operate)                                                                        \
    X(nobjects_list_open)                                                                          \
    X(nobjects_list_next2)                                                                         \
    X(nobjects_list_close)                                                                         \
    X(lock_exclusive)                                                                              \
    X(unlock)                                                                                      \
    X(list_lockers)                                                                                \
    X(break_lock)                                                                                  \
    X(watch3)                                                                                      \
    X(watch_check)                                                                                 \
    X(watch_flush)                                                                                 \
    X(unwatch2)                                                                                    \
    X(notify2)                                                                                     \
    X(notify_ack)                                                                                  \
    X(buffer_free)

struct cr_rados_api {
#define CR_RADOS_MEMBER(name) __typeof__(rados_##name) *name;
    CR_RADOS_FUNCTIONS(CR_RADOS_MEMBER)
#undef CR_RADOS_MEMBER
};

/*
 * The table, loaded at the first call; never unloaded. Returns 0, or -ENOTSUP with a sentence that
 * says which package is missing.
 */
int cr_rados_api_load(const struct cr_rados_api **ret_api, struct cr_error *err);

/* From now on stores are opened with `api`; NULL = librados again. For tests. */
void cr_rados_api_replace(const struct cr_rados_api *api);
