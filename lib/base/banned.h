/* SPDX-License-Identifier: MIT */
/*
 * Functions that this code never calls. The Makefile puts this header in front of every source
 * file; a call becomes a compile error that names the function.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CR_BANNED(function) carrel_bans_the_function_##function

#undef strcpy
#define strcpy(...) CR_BANNED(strcpy)
#undef strcat
#define strcat(...) CR_BANNED(strcat)
#undef strncpy
#define strncpy(...) CR_BANNED(strncpy)
#undef strncat
#define strncat(...) CR_BANNED(strncat)
#undef sprintf
#define sprintf(...) CR_BANNED(sprintf)
#undef vsprintf
#define vsprintf(...) CR_BANNED(vsprintf)
#undef strtok
#define strtok(...) CR_BANNED(strtok)
#undef atoi
#define atoi(...) CR_BANNED(atoi)
#undef atol
#define atol(...) CR_BANNED(atol)
#undef mktemp
#define mktemp(...) CR_BANNED(mktemp)
#undef system
#define system(...) CR_BANNED(system)
