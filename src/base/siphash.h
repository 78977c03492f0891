/* SPDX-License-Identifier: MIT
 *
 * SipHash-2-4 (Aumasson, Bernstein 2012): the keyed hash of every table whose keys a stranger
 * may choose.
 */
#ifndef ADIT_BASE_SIPHASH_H
#define ADIT_BASE_SIPHASH_H

#include "base/bytes.h"

enum { SIPHASH_KEY_LEN = 16 };

/* The 64-bit SipHash-2-4 of len bytes under key. */
uint64_t siphash(const uint8_t key[SIPHASH_KEY_LEN], const void *data, size_t len);

#endif
