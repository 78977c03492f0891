/* SPDX-License-Identifier: MIT
 *
 * libcrypto is refused memory, once, at each place where it asks while it is started: it starts all
 * the same and computes what it should, or the process says why it ends.
 */
#include <openssl/crypto.h>

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto/aead.h"
#include "crypto/dh.h"
#include "crypto/internal.h"

enum { MAX_PLACES = 4096, OFTEN = 8 /* a place is tried so many times */ };

static struct place {
	const char *file;
	int line;
	unsigned num;
} places[MAX_PLACES];

static long countdown = -1;

/* Whether this is the allocation to refuse: those of places seen before do not count. */
static bool is_refused(const char *file, int line)
{
	struct place *place = places;

	while (place->file && (place->line != line || strcmp(place->file, file) != 0))
		place++;
	assert_true(place < places + MAX_PLACES - 1);
	place->file = file;
	place->line = line;
	return place->num++ < OFTEN && countdown >= 0 && countdown-- == 0;
}

static void *allocate(size_t size, const char *file, int line)
{
	if (!is_refused(file, line))
		return malloc(size);
	errno = ENOMEM;
	return NULL;
}

static void *reallocate(void *memory, size_t size, const char *file, int line)
{
	if (!is_refused(file, line))
		return realloc(memory, size);
	errno = ENOMEM;
	return NULL;
}

static void release(void *memory, const char *file, int line)
{
	(void)file;
	(void)line;
	free(memory);
}

/* RFC 7748, section 6.1: Alice's keys. */
static const uint8_t private_key[KEY_LEN] = {0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c,
	0x16, 0xc1, 0x72, 0x51, 0xb2, 0x66, 0x45, 0xdf, 0x4c, 0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a,
	0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a};
static const uint8_t public_key[KEY_LEN] = {0x85, 0x20, 0xf0, 0x09, 0x89, 0x30, 0xa7, 0x54, 0x74,
	0x8b, 0x7d, 0xdc, 0xb4, 0x3e, 0xf7, 0x5a, 0x0d, 0xbf, 0x3a, 0x0d, 0x26, 0x38, 0x1a, 0xf4,
	0xeb, 0xa4, 0xa9, 0x8e, 0xaa, 0x9b, 0x4e, 0x6a};

static bool computes(void)
{
	uint8_t key[KEY_LEN], sealed[KEY_LEN + AEAD_TAG_LEN];

	dh_public(key, private_key);
	if (memcmp(key, public_key, KEY_LEN) != 0)
		return false;
	aead_seal(sealed, key, KEY_LEN, NULL, 0, 1, private_key);
	return aead_open(key, sealed, sizeof(sealed), NULL, 0, 1, private_key) &&
	       memcmp(key, public_key, KEY_LEN) == 0;
}

enum { STARTED, SAID_WHY /* as crypto_check does */, REFUSED_NOTHING, WRONG };

static int start(long refused)
{
	int r;

	countdown = refused;
	r = crypto_init();
	if (countdown >= 0)
		return r == 0 && computes() ? REFUSED_NOTHING : WRONG;
	if (r == -ENOMEM)
		return SAID_WHY;
	return r == 0 && computes() ? STARTED : WRONG;
}

/* In a process of its own. Gives what came of it, or minus the signal that killed it. */
static int try_to_start(long refused)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL); /* cmocka's would make a result of it */
		_exit(start(refused));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void every_place(void **state)
{
	unsigned counts[WRONG + 1] = {0};
	int result = STARTED;

	(void)state;
	for (long i = 0; result != REFUSED_NOTHING; i++) {
		result = try_to_start(i);
		if (result < 0 || result == WRONG)
			fail_msg("allocation %ld: %d", i, result);

		counts[result]++;
	}
	print_message("%u allocations refused; it started after %u of them\n",
		counts[STARTED] + counts[SAID_WHY], counts[STARTED]);
	assert_true(counts[SAID_WHY] > 50);
}

static void end_on_failure(void)
{
	errno = ENOMEM; /* as after a limit on locked memory */
	(void)crypto_contexts();
	crypto_check(0);
}

/* What fails for another reason, after a lack of memory elsewhere, is a mistake of ours. */
static void an_old_errno_is_no_reason(void **state)
{
	uint8_t key[KEY_LEN];
	int status;
	pid_t pid;

	(void)state;
	countdown = -1;
	assert_int_equal(crypto_init(), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGABRT, SIG_DFL);
		end_on_failure();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	errno = ENOMEM;
	dh_public(key, private_key);
	assert_int_equal(errno, 0);
	errno = ENOMEM;
	assert_true(dh(key, private_key, public_key));
	assert_int_equal(errno, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_place), cmocka_unit_test(an_old_errno_is_no_reason)};

	if (CRYPTO_set_mem_functions(allocate, reallocate, release) != 1)
		return 1;
	return cmocka_run_group_tests_name("libcrypto out of memory", tests, NULL, NULL);
}
