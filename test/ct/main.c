/* SPDX-License-Identifier: MIT
 *
 * Runs each operation on secrets under valgrind, and counts what memcheck complains of. A planted
 * mistake passes when it is complained of. `test/ct/run` calls this as it has to be called.
 */
#include <stdio.h>

#include "crypto/aead.h"
#include "secret.h"

static const struct ct_case *const all[] = {key_cases, text_cases, hash_cases, cipher_cases,
	handshake_cases, cookie_cases, enrol_cases,
#if defined(__x86_64__)
	model_cases,
#endif
	planted_cases};

static unsigned num_passed, num_failed;

static void run_case(const struct ct_case *c)
{
	unsigned before = VALGRIND_COUNT_ERRORS, found;

	c->run();
	found = VALGRIND_COUNT_ERRORS - before;
	if (c->leaks ? found > 0 : found == 0) {
		num_passed++;
		return;
	}
	num_failed++;
	printf("FAILED  %s: %s\n", c->name,
		c->leaks ? "the planted mistake was not found" : "depends on a secret, see above");
}

int main(void)
{
	if (!RUNNING_ON_VALGRIND || crypto_init() < 0) {
		fprintf(stderr, "to be run by test/ct/run\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		for (const struct ct_case *c = all[i]; c->name; c++)
			run_case(c);
	printf("%u passed, %u failed\n", num_passed, num_failed);
	return num_failed > 0;
}
