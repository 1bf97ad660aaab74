/* SPDX-License-Identifier: MIT */
/* Can this machine run guests in hardware? */
#pragma once

#include <stdbool.h>

/*
 * True when the CPU shows vmx or svm, /dev/kvm opens, and a guest of a few instructions really runs
 * under it within seconds: some machines offer a /dev/kvm in which every guest hangs. When false,
 * *ret_reason says why, for a person. The probe writes a small file into `folder` and removes it.
 */
bool kvm_usable(const char *folder, const char **ret_reason);
