/* SPDX-License-Identifier: MIT
 *
 * What tests must know of the build and of the machine they are for.
 */
#ifndef ADIT_TEST_MACHINE_H
#define ADIT_TEST_MACHINE_H

#include <sys/syscall.h>

/* A sanitizer needs system calls and memory that a sandbox would not let it have. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* 32-bit machines map by pages. */
#ifdef SYS_mmap2
#define MMAP_CALL SYS_mmap2
#else
#define MMAP_CALL SYS_mmap
#endif

#endif
