/* SPDX-License-Identifier: MIT
 *
 * What the monitor takes from the other processes: answers in range, and unasked nothing but
 * addresses from the datapath.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "tunnel/neighbours.h"

static jmp_buf failed;
static const char *blamed = "the datapath";

static __attribute__((__noreturn__)) void fail_with(const char *what, int error)
{
	assert_string_equal(what, blamed);
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

/* Who has three sockets to neighbours, and their ends of them. */
static void make_pairs(struct neighbours *neighbours, int theirs[3])
{
	int ends[2], *const ours[] = {
			     &neighbours->vault, &neighbours->engine, &neighbours->datapath};

	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(ipc_pair(ends), 0);
		*ours[i] = ends[0];
		theirs[i] = ends[1];
	}
}

static void nobody_speaks_unasked(void **state)
{
	static const char *const names[] = {"the vault", "the engine", "the datapath"};
	static const size_t sizes[] = {1, 4, 36, 692, 5000};
	static struct neighbours neighbours = {.fail = fail_with};
	static uint8_t message[5000];
	int theirs[3];

	(void)state;
	make_pairs(&neighbours, theirs);
	neighbours_refuse_unasked(&neighbours);
	for (volatile size_t i = 0; i < ARRAY_SIZE(names) * ARRAY_SIZE(sizes); i++) {
		const size_t who = i / ARRAY_SIZE(sizes);
		int error = setjmp(failed);

		blamed = names[who];
		if (error == 0) {
			assert_int_equal(
				ipc_send(theirs[who], message, sizes[i % ARRAY_SIZE(sizes)]), 0);
			neighbours_refuse_unasked(&neighbours);
		}
		assert_int_equal(error, EPROTO);
	}
	close(theirs[0]);
	blamed = names[0];
	if (setjmp(failed) == 0) {
		neighbours_refuse_unasked(&neighbours);
		fail_msg("it did not see the end");
	}
	blamed = "the datapath";
}

/* An error of the vault's is an errno, whatever it says. */
static void vault_errors(void **state)
{
	static const struct {
		int32_t said;
		int error;
	} rows[] = {{-ENOMEM, ENOMEM}, {-4095, 4095}, {-4096, EPROTO}, {1, EPROTO},
		{INT32_MAX, EPROTO}, {INT32_MIN, EPROTO}};
	static struct neighbours neighbours = {.fail = fail_with};
	uint8_t key[KEY_LEN];
	int theirs[3];

	(void)state;
	make_pairs(&neighbours, theirs);
	blamed = "the vault";
	for (volatile size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int error = setjmp(failed);

		if (error == 0) {
			const struct vault_reply reply = {.error = rows[i].said};

			assert_int_equal(ipc_send(theirs[0], &reply, sizeof(reply)), 0);
			neighbours_ask_vault(&neighbours, VAULT_GET_PRIVATE_KEY, 0, NULL, key);
		}
		assert_int_equal(error, rows[i].error);
	}
	blamed = "the datapath";
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(wanted_addresses),
		cmocka_unit_test(nobody_speaks_unasked), cmocka_unit_test(vault_errors)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
