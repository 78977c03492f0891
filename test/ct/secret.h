/* SPDX-License-Identifier: MIT
 *
 * Secrets as valgrind's memcheck sees them: bytes that were never set. It complains of each branch
 * and each address that depends on one, through whatever arithmetic, and lets data pass.
 */
#ifndef ADIT_TEST_CT_SECRET_H
#define ADIT_TEST_CT_SECRET_H

#include <valgrind/memcheck.h>

#include "base/bytes.h"

/* From here on it is a secret, and all that is computed from it. */
static inline void secret(void *p, size_t len)
{
	(void)VALGRIND_MAKE_MEM_UNDEFINED(p, len);
}

/* It is one no longer. Say at each call what makes it public. */
static inline void publish(const void *p, size_t len)
{
	(void)VALGRIND_MAKE_MEM_DEFINED(p, len);
}

/* len secret bytes which are the same in each run. */
static inline void secret_bytes(void *ret, size_t len, uint8_t seed)
{
	uint8_t *bytes = ret;

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(seed + 37 * i);
	secret(ret, len);
}

struct ct_case {
	const char *name;
	void (*run)(void);
	bool leaks; /* a planted mistake: memcheck must complain */
};

/* The cases of each file, and a nameless one behind the last. */
extern const struct ct_case key_cases[], text_cases[], cipher_cases[], hash_cases[],
	handshake_cases[], cookie_cases[], enrol_cases[], model_cases[], planted_cases[];

#endif
