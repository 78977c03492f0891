/* SPDX-License-Identifier: MIT
 *
 * The handshake's messages as functions: a known transcript, wrong states, low-order points, and
 * timestamps.
 */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/cookie.h"
#include "core/keyring.h"
#include "core/noise.h"
#include "crypto/dh.h"
#include "low_order.h"
#include "transcript.h"

enum { PEER = 1, OTHER, NOBODY, INDEX_I = 0x11223344, INDEX_R = 0x55667788 };

struct side {
	struct keyring *keyring;
	struct noise_keys keys;
	uint8_t public_key[KEY_LEN], remote[KEY_LEN];
	struct handshake handshake;
	struct noise_initiation seen; /* last */
	bool guesses;
	uint32_t guess;
	unsigned num_asked; /* how often the long-term keys were, since the last initiation */
};

static void count_and_mix(
	void *ctx, enum noise_secret secret, struct noise_mix *mixes, unsigned num)
{
	struct side *side = ctx;

	side->num_asked++;
	keyring_mix(side->keyring, secret, mixes, num);
}

static int crypto_setup(void **state)
{
	(void)state;
	return crypto_init();
}

static void side_init(struct side *side, const uint8_t private_key[KEY_LEN],
	const uint8_t remote_private[KEY_LEN])
{
	*side = (struct side){.keyring = keyring_new()};
	side->keys = (struct noise_keys){count_and_mix, side};
	keyring_set_private_key(side->keyring, remote_private, side->remote);
	keyring_set_private_key(side->keyring, private_key, side->public_key);
	assert_int_equal(keyring_add_peer(side->keyring, PEER, side->remote), 0);
	assert_int_equal(keyring_set_psk(side->keyring, PEER, psk), 0);
}

static void sides_init(struct side *i, struct side *r)
{
	side_init(i, initiator_private, responder_private);
	side_init(r, responder_private, initiator_private);
}

static void sides_free(struct side *i, struct side *r)
{
	keyring_free(i->keyring);
	keyring_free(r->keyring);
}

static void clamped(uint8_t ret_private[KEY_LEN], const uint8_t private_key[KEY_LEN])
{
	memcpy(ret_private, private_key, KEY_LEN);
	dh_clamp(ret_private);
}

static void create_initiation(struct side *i, struct message_initiation *ret_message)
{
	static const struct noise_prepared wiped;
	struct noise_prepared prepared;
	uint8_t ephemeral[KEY_LEN];

	clamped(ephemeral, initiator_ephemeral);
	assert_int_equal(noise_prepare_initiation(
				 &prepared, &i->keys, PEER, i->public_key, i->remote, ephemeral),
		0);
	noise_create_initiation(&i->handshake, &prepared, timestamp, INDEX_I, ret_message);
	assert_memory_equal(&prepared, &wiped, sizeof(wiped));
}

static enum drop consume_initiation(
	struct side *r, const struct message_initiation *message, uint64_t now_ns)
{
	struct noise_initiation *seen = &r->seen;

	*seen = (struct noise_initiation){
		.message = message, .peer_id = PEER, .has_guess = r->guesses, .guess = r->guess};
	clamped(seen->ephemeral_private, responder_ephemeral);
	r->num_asked = 0;
	noise_open_initiations(seen, 1, &r->keys, r->public_key);
	if (seen->drop == DROP_NONE)
		assert_memory_equal(seen->remote_static, r->remote, KEY_LEN);
	noise_prove_initiations(seen, 1, &r->keys);
	if (seen->drop != DROP_NONE)
		return seen->drop;
	return noise_consume_initiation(&r->handshake, seen, now_ns);
}

static void create_response(struct side *r, struct message_response *ret_message)
{
	assert_int_equal(
		noise_create_response(&r->handshake, &r->keys, &r->seen, INDEX_R, ret_message), 0);
}

static void check_data(const uint8_t key[KEY_LEN], uint32_t index, const uint8_t *expected)
{
	uint8_t data[sizeof(data_to_responder)];
	const struct message_data header = {le32(MESSAGE_DATA), le32(index), le64(0)};

	memcpy(data, &header, sizeof(header));
	aead_seal(data + sizeof(header), packet, sizeof(packet), NULL, 0, 0, key);
	assert_memory_equal(data, expected, sizeof(data));
}

/* What goes over the wire is the same whatever the responder guesses; a right guess asks once. */
static void test_known_transcript(void **state)
{
	static const struct {
		bool guesses;
		uint32_t guess;
		unsigned num_asked;
	} rows[] = {{false, PEER, 3}, {true, PEER, 1}, {true, OTHER, 3}, {true, NOBODY, 3}};
	struct side i, r;
	struct message_initiation initiation_made;
	struct message_response response_made;
	struct cookie_maker no_cookie = {0};
	uint8_t keys[4][KEY_LEN];

	(void)state;
	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		sides_init(&i, &r);
		assert_int_equal(keyring_add_peer(r.keyring, OTHER, dh_base_point), 0);
		r.guesses = rows[n].guesses;
		r.guess = rows[n].guess;
		create_initiation(&i, &initiation_made);
		cookie_add_macs(&no_cookie, i.remote, &initiation_made, sizeof(initiation_made), 0);
		assert_memory_equal(&initiation_made, initiation, sizeof(initiation));
		assert_int_equal(consume_initiation(&r, &initiation_made, 1), DROP_NONE);
		assert_memory_equal(r.handshake.latest_timestamp, timestamp, TAI64N_LEN);
		create_response(&r, &response_made);
		assert_int_equal(r.num_asked, rows[n].num_asked);
		cookie_add_macs(&no_cookie, r.remote, &response_made, sizeof(response_made), 0);
		assert_memory_equal(&response_made, response, sizeof(response));
		assert_int_equal(
			noise_consume_response(&i.handshake, &response_made, &i.keys, PEER),
			DROP_NONE);
		assert_true(noise_begin_session(&i.handshake, keys[0], keys[1]));
		assert_false(noise_begin_session(&r.handshake, keys[2], keys[3]));
		assert_memory_equal(keys[0], keys[3], KEY_LEN);
		assert_memory_equal(keys[1], keys[2], KEY_LEN);
		check_data(keys[0], INDEX_R, data_to_responder);
		check_data(keys[2], INDEX_I, data_to_initiator);
		sides_free(&i, &r);
	}
}

/* Nothing secret stays in a handshake slot once the session has begun. */
static void test_session_wipes_handshake(void **state)
{
	struct side i, r;
	struct message_initiation initiation_made;
	struct message_response response_made;
	uint8_t keys[2][KEY_LEN];
	struct handshake expected = {0};

	(void)state;
	sides_init(&i, &r);
	create_initiation(&i, &initiation_made);
	assert_int_equal(consume_initiation(&r, &initiation_made, 5), DROP_NONE);
	create_response(&r, &response_made);
	noise_begin_session(&r.handshake, keys[0], keys[1]);
	memcpy(expected.latest_timestamp, timestamp, TAI64N_LEN); /* these guard against replays */
	expected.last_initiation_consumption_ns = 5;
	assert_memory_equal(&r.handshake, &expected, sizeof(expected));
	assert_int_equal(consume_initiation(&r, &initiation_made, SECOND_NS), DROP_OLD_TIMESTAMP);
	sides_free(&i, &r);
}

/* A refused message leaves the handshake as it was. */
static void check_refusal_changes_nothing(bool guesses)
{
	struct side i, r;
	struct message_initiation initiation_made;
	struct message_response response_made;
	struct handshake before;

	sides_init(&i, &r);
	r.guesses = guesses;
	r.guess = PEER;
	create_initiation(&i, &initiation_made);
	before = r.handshake;
	initiation_made.encrypted_timestamp[3] ^= 1;
	assert_int_equal(consume_initiation(&r, &initiation_made, 1), DROP_BAD_HANDSHAKE);
	initiation_made.encrypted_timestamp[3] ^= 1;
	initiation_made.encrypted_static[3] ^= 1;
	assert_int_equal(consume_initiation(&r, &initiation_made, 1), DROP_BAD_HANDSHAKE);
	initiation_made.encrypted_static[3] ^= 1;
	assert_memory_equal(&r.handshake, &before, sizeof(before));
	assert_int_equal(consume_initiation(&r, &initiation_made, 1), DROP_NONE);
	create_response(&r, &response_made);
	before = i.handshake;
	response_made.encrypted_nothing[0] ^= 1;
	assert_int_equal(noise_consume_response(&i.handshake, &response_made, &i.keys, PEER),
		DROP_BAD_HANDSHAKE);
	response_made.encrypted_nothing[0] ^= 1;
	assert_memory_equal(&i.handshake, &before, sizeof(before));
	assert_int_equal(
		noise_consume_response(&i.handshake, &response_made, &i.keys, PEER), DROP_NONE);
	sides_free(&i, &r);
}

static void test_refusal_changes_nothing(void **state)
{
	(void)state;
	check_refusal_changes_nothing(false);
	check_refusal_changes_nothing(true);
}

static void test_response_needs_created_initiation(void **state)
{
	static const enum handshake_state wrong[] = {HANDSHAKE_NONE, HANDSHAKE_CONSUMED_INITIATION,
		HANDSHAKE_CREATED_RESPONSE, HANDSHAKE_CONSUMED_RESPONSE};
	struct side i, r;
	struct message_initiation initiation_made;
	struct message_response response_made;

	(void)state;
	sides_init(&i, &r);
	create_initiation(&i, &initiation_made);
	assert_int_equal(consume_initiation(&r, &initiation_made, 1), DROP_NONE);
	create_response(&r, &response_made);
	for (size_t n = 0; n < ARRAY_SIZE(wrong); n++) {
		i.handshake.state = wrong[n];
		assert_int_equal(
			noise_consume_response(&i.handshake, &response_made, &i.keys, PEER),
			DROP_BAD_HANDSHAKE);
	}
	i.handshake.state = HANDSHAKE_CREATED_INITIATION;
	assert_int_equal(
		noise_consume_response(&i.handshake, &response_made, &i.keys, PEER), DROP_NONE);
	sides_free(&i, &r);
}

static void test_low_order_peer_gets_no_initiation(void **state)
{
	struct side i, r;
	uint8_t ephemeral[KEY_LEN];

	(void)state;
	sides_init(&i, &r);
	clamped(ephemeral, initiator_ephemeral);
	for (size_t n = 0; n < ARRAY_SIZE(low_order); n++) {
		const struct noise_prepared before = {.key = {1}};
		struct noise_prepared prepared = before;

		assert_int_equal(keyring_add_peer(i.keyring, PEER, low_order[n]), 0);
		assert_int_equal(noise_prepare_initiation(&prepared, &i.keys, PEER, i.public_key,
					 low_order[n], ephemeral),
			-EKEYREJECTED);
		assert_memory_equal(&prepared, &before, sizeof(before));
	}
	sides_free(&i, &r);
}

static void check_low_order_ephemeral_is_refused(bool guesses)
{
	struct side i, r;
	struct message_initiation initiation_made;
	struct message_response response_made;

	sides_init(&i, &r);
	r.guesses = guesses;
	r.guess = PEER;
	create_initiation(&i, &initiation_made);
	assert_int_equal(consume_initiation(&r, &initiation_made, 1), DROP_NONE);
	create_response(&r, &response_made);
	for (size_t n = 0; n < ARRAY_SIZE(low_order); n++) {
		memcpy(initiation_made.ephemeral, low_order[n], KEY_LEN);
		assert_int_equal(
			consume_initiation(&r, &initiation_made, SECOND_NS), DROP_BAD_HANDSHAKE);
		memcpy(response_made.ephemeral, low_order[n], KEY_LEN);
		assert_int_equal(
			noise_consume_response(&i.handshake, &response_made, &i.keys, PEER),
			DROP_BAD_HANDSHAKE);
	}
	sides_free(&i, &r);
}

static void test_low_order_ephemeral_is_refused(void **state)
{
	(void)state;
	check_low_order_ephemeral_is_refused(false);
	check_low_order_ephemeral_is_refused(true);
}

/* Both sides of a psk of zeros, which the responder does not ask the vault about. */
static void check_without_psk(bool guesses)
{
	static const uint8_t zeros[KEY_LEN];
	struct side i, r;
	struct message_initiation initiation_made;
	struct message_response response_made;
	uint8_t keys[4][KEY_LEN];

	sides_init(&i, &r);
	r.guesses = guesses;
	r.guess = PEER;
	for (unsigned other = 0; other < 2; other++) {
		assert_int_equal(keyring_set_psk(r.keyring, PEER, zeros), 0);
		assert_int_equal(keyring_set_psk(i.keyring, PEER, other ? psk : zeros), 0);
		memset(r.handshake.latest_timestamp, 0, TAI64N_LEN);
		create_initiation(&i, &initiation_made);
		assert_int_equal(consume_initiation(&r, &initiation_made, (other + 1) * SECOND_NS),
			DROP_NONE);
		create_response(&r, &response_made);
		assert_int_equal(
			noise_consume_response(&i.handshake, &response_made, &i.keys, PEER),
			other ? DROP_BAD_HANDSHAKE : DROP_NONE);
	}
	i.handshake.state = HANDSHAKE_NONE;
	assert_int_equal(keyring_set_psk(i.keyring, PEER, zeros), 0);
	memset(r.handshake.latest_timestamp, 0, TAI64N_LEN);
	create_initiation(&i, &initiation_made);
	assert_int_equal(consume_initiation(&r, &initiation_made, 3 * SECOND_NS), DROP_NONE);
	create_response(&r, &response_made);
	assert_int_equal(
		noise_consume_response(&i.handshake, &response_made, &i.keys, PEER), DROP_NONE);
	noise_begin_session(&i.handshake, keys[0], keys[1]);
	noise_begin_session(&r.handshake, keys[2], keys[3]);
	assert_memory_equal(keys[0], keys[3], KEY_LEN);
	assert_memory_equal(keys[1], keys[2], KEY_LEN);
	sides_free(&i, &r);
}

static void test_without_psk(void **state)
{
	(void)state;
	check_without_psk(false);
	check_without_psk(true);
}

/* Every mix of good and bad ones in a row: each fares as it would alone. */
static void test_several_initiations(void **state)
{
	struct message_initiation good, bad_static, bad_timestamp;
	const struct message_initiation *const kinds[] = {&good, &bad_static, &bad_timestamp};
	struct side i, r;

	(void)state;
	sides_init(&i, &r);
	create_initiation(&i, &good);
	bad_static = bad_timestamp = good;
	bad_static.encrypted_static[0] ^= 1;
	bad_timestamp.encrypted_timestamp[0] ^= 1;
	for (unsigned pattern = 0; pattern < 4 * 4 * 4 * 4; pattern++) {
		struct noise_initiation seen[NOISE_MIXES_MAX] = {0};

		for (unsigned n = 0; n < NOISE_MIXES_MAX; n++) {
			unsigned kind = pattern >> 2 * (n % 4) & 3; /* the fourth: dropped before */

			seen[n].message = kinds[kind % 3];
			seen[n].peer_id = PEER;
			seen[n].drop = kind == 3 ? DROP_RATE_LIMITED : DROP_NONE;
		}
		noise_open_initiations(seen, NOISE_MIXES_MAX, &r.keys, r.public_key);
		noise_prove_initiations(seen, NOISE_MIXES_MAX, &r.keys);
		for (unsigned n = 0; n < NOISE_MIXES_MAX; n++) {
			unsigned kind = pattern >> 2 * (n % 4) & 3;

			assert_int_equal(seen[n].drop, kind == 0   ? DROP_NONE
						       : kind == 3 ? DROP_RATE_LIMITED
								   : DROP_BAD_HANDSHAKE);
			if (kind != 0)
				continue;
			assert_memory_equal(seen[n].remote_static, r.remote, KEY_LEN);
			assert_memory_equal(seen[n].timestamp, timestamp, TAI64N_LEN);
			assert_true(seen[n].has_psk);
		}
	}
	sides_free(&i, &r);
}

static void test_timestamp_is_whitened(void **state)
{
	static const struct {
		uint64_t wall_ns;
		uint64_t seconds;
		uint32_t ns;
	} rows[] = {
		{0, 0x400000000000000a, 1 << 24}, /* greater than "none yet" */
		{1700000000 * SECOND_NS, 0x400000006553f10a, 0},
		{1700000000 * SECOND_NS + (1 << 24) - 1, 0x400000006553f10a, 0},
		{1700000000 * SECOND_NS + (1 << 24), 0x400000006553f10a, 1 << 24},
		{1700000000 * SECOND_NS + 999999999, 0x400000006553f10a, 0x3b000000},
	};
	uint8_t made[TAI64N_LEN];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t last_ns = 0;

		noise_timestamp(made, rows[i].wall_ns, &last_ns);
		if (load_be32(made) != rows[i].seconds >> 32 ||
			load_be32(made + 4) != (uint32_t)rows[i].seconds ||
			load_be32(made + 8) != rows[i].ns)
			fail_msg("row %zu: %08x %08x", i, load_be32(made + 4), load_be32(made + 8));
	}
}

/* Whatever the wall clock does, each timestamp is greater than the one before, and whitened. */
static void test_timestamp_grows(void **state)
{
	static const int64_t steps_ns[] = {0, 0, 1, 1000, -1, -5000000000, 0, 16777216, 999999999,
		-3600000000000, 0, 7200000000000, 0, -1};
	uint8_t previous[TAI64N_LEN] = {0}, made[TAI64N_LEN];
	uint64_t wall_ns = 1700000000 * SECOND_NS, last_ns = 0;

	(void)state;
	for (unsigned i = 0; i < 100 * ARRAY_SIZE(steps_ns); i++) {
		wall_ns += (uint64_t)steps_ns[i % ARRAY_SIZE(steps_ns)];
		noise_timestamp(made, wall_ns, &last_ns);
		assert_true(memcmp(made, previous, TAI64N_LEN) > 0);
		assert_int_equal(load_be32(made + 8) & 0xffffff, 0);
		assert_true(load_be32(made + 8) < SECOND_NS);
		memcpy(previous, made, TAI64N_LEN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_transcript),
		cmocka_unit_test(test_session_wipes_handshake),
		cmocka_unit_test(test_refusal_changes_nothing),
		cmocka_unit_test(test_response_needs_created_initiation),
		cmocka_unit_test(test_low_order_peer_gets_no_initiation),
		cmocka_unit_test(test_low_order_ephemeral_is_refused),
		cmocka_unit_test(test_without_psk),
		cmocka_unit_test(test_several_initiations),
		cmocka_unit_test(test_timestamp_is_whitened),
		cmocka_unit_test(test_timestamp_grows),
	};

	return cmocka_run_group_tests(tests, crypto_setup, NULL);
}
