/* SPDX-License-Identifier: MIT
 *
 * What the monitor takes from the datapath without having asked: addresses, and nothing else.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "tunnel/neighbours.h"

static jmp_buf failed;

static __attribute__((__noreturn__)) void fail_with(const char *what, int error)
{
	assert_string_equal(what, "the datapath");
	longjmp(failed, -error);
}

static void wanted_addresses(void **state)
{
	static const struct {
		struct prefix prefix;
		size_t len;
		int error;
	} rows[] = {
		{{AF_INET, 32, 0, {10}}, sizeof(struct prefix), 0},
		{{AF_INET6, 128, 0, {0xfd}}, sizeof(struct prefix), 0},
		{{AF_INET, 31, 0, {10}}, sizeof(struct prefix), EPROTO},
		{{AF_INET, 128, 0, {10}}, sizeof(struct prefix), EPROTO},
		{{AF_INET6, 32, 0, {10}}, sizeof(struct prefix), EPROTO},
		{{AF_UNIX, 32, 0, {10}}, sizeof(struct prefix), EPROTO},
		{{0, 0, 0, {0}}, sizeof(struct prefix), EPROTO},
		{{AF_INET, 32, 0, {10}}, sizeof(struct prefix) - 1, EPROTO},
	};
	static struct neighbours neighbours = {.fail = fail_with};
	struct prefix address;
	int ends[2];

	(void)state;
	assert_int_equal(ipc_pair(ends), 0);
	neighbours.wanted = ends[0];
	assert_false(neighbours_next_wanted(&neighbours, &address));
	for (volatile size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int error = setjmp(failed);

		if (error == 0) {
			assert_int_equal(ipc_send(ends[1], &rows[i].prefix, rows[i].len), 0);
			assert_true(neighbours_next_wanted(&neighbours, &address));
			assert_memory_equal(&address, &rows[i].prefix, sizeof(address));
		}
		assert_int_equal(error, rows[i].error);
	}
	close(ends[1]);
	if (setjmp(failed) == 0) {
		(void)!neighbours_next_wanted(&neighbours, &address);
		fail_msg("it took the end for an address");
	}
	close(ends[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(wanted_addresses)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
