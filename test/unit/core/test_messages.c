/* SPDX-License-Identifier: MIT
 *
 * Constants and layout of the protocol, each by its name in the paper or the kernel.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/ratelimiter.h"
#include "core/staged.h"
#include "core/messages.h"

static void test_constants(void **state)
{
	static const struct {
		const char *name;
		uint64_t value, expected;
	} rows[] = {
		{"REKEY_AFTER_MESSAGES", REKEY_AFTER_MESSAGES, 1152921504606846976},
		{"REJECT_AFTER_MESSAGES", REJECT_AFTER_MESSAGES, UINT64_MAX - 8128 - 1},
		{"REKEY_AFTER_TIME", REKEY_AFTER_TIME_NS, 120000000000},
		{"REJECT_AFTER_TIME", REJECT_AFTER_TIME_NS, 180000000000},
		{"REKEY_ATTEMPT_TIME", REKEY_ATTEMPT_TIME_NS, 90000000000},
		{"REKEY_TIMEOUT", REKEY_TIMEOUT_NS, 5000000000},
		{"jitter", REKEY_TIMEOUT_JITTER_MAX_NS, 333000000},
		{"KEEPALIVE_TIMEOUT", KEEPALIVE_TIMEOUT_NS, 10000000000},
		{"MAX_TIMER_HANDSHAKES", MAX_TIMER_HANDSHAKES, 18},
		{"COOKIE_SECRET_MAX_AGE", COOKIE_SECRET_MAX_AGE_NS, 120000000000},
		{"COOKIE_SECRET_LATENCY", COOKIE_SECRET_LATENCY_NS, 5000000000},
		{"INITIATIONS_PER_SECOND", SECOND_NS / INITIATION_INTERVAL_MIN_NS, 50},
		{"replay window", REPLAY_WINDOW, 8128},
		{"padding multiple", PADDING_MULTIPLE, 16},
		{"staged packets per peer", STAGED_MAX, 128},
		{"max peers", MAX_PEERS, 1048576},
		{"handshake DSCP", HANDSHAKE_TOS, 0x88},
		{"handshakes per second and source", SECOND_NS / RATELIMITER_PACKET_COST_NS, 20},
		{"burst", RATELIMITER_CAP_NS / RATELIMITER_PACKET_COST_NS, 5},
		{"initiation", sizeof(struct message_initiation), 148},
		{"response", sizeof(struct message_response), 92},
		{"cookie reply", sizeof(struct message_cookie_reply), 64},
		{"keepalive", MESSAGE_DATA_MIN, 32},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].value != rows[i].expected)
			fail_msg("%s is %llu", rows[i].name, (unsigned long long)rows[i].value);
	}
	assert_int_equal(REKEY_ATTEMPT_TIME_NS / REKEY_TIMEOUT_NS, MAX_TIMER_HANDSHAKES);
}

static void test_layout(void **state)
{
	static const struct {
		const char *name;
		size_t offset, expected;
	} rows[] = {
		{"initiation sender", offsetof(struct message_initiation, sender_index), 4},
		{"initiation ephemeral", offsetof(struct message_initiation, ephemeral), 8},
		{"initiation static", offsetof(struct message_initiation, encrypted_static), 40},
		{"timestamp", offsetof(struct message_initiation, encrypted_timestamp), 88},
		{"initiation mac1", offsetof(struct message_initiation, macs.mac1), 116},
		{"initiation mac2", offsetof(struct message_initiation, macs.mac2), 132},
		{"response sender", offsetof(struct message_response, sender_index), 4},
		{"response receiver", offsetof(struct message_response, receiver_index), 8},
		{"response ephemeral", offsetof(struct message_response, ephemeral), 12},
		{"nothing", offsetof(struct message_response, encrypted_nothing), 44},
		{"response mac1", offsetof(struct message_response, macs.mac1), 60},
		{"response mac2", offsetof(struct message_response, macs.mac2), 76},
		{"cookie receiver", offsetof(struct message_cookie_reply, receiver_index), 4},
		{"cookie nonce", offsetof(struct message_cookie_reply, nonce), 8},
		{"cookie", offsetof(struct message_cookie_reply, encrypted_cookie), 32},
		{"data receiver", offsetof(struct message_data, receiver_index), 4},
		{"data counter", offsetof(struct message_data, counter), 8},
		{"sealed packet", sizeof(struct message_data), 16},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].offset != rows[i].expected)
			fail_msg("%s is at %zu", rows[i].name, rows[i].offset);
	}
	assert_int_equal(message_handshake_len(MESSAGE_DATA), 0);
	assert_int_equal(message_handshake_len(0), 0);
	assert_int_equal(message_handshake_len(0x101), 0); /* all four bytes are the type */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_constants),
		cmocka_unit_test(test_layout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
