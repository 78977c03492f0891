/* SPDX-License-Identifier: MIT
 *
 * Keys that are done with are gone: after each way in which a session can end, no byte of this
 * process's memory (both tunnels, heap, stacks, what was freed) has them. Includes the transport to
 * learn session keys.
 */
#include "pair.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/transport_internal.h"
#include "crypto/aead.h"
#include "machine.h"

/* What is looked for is kept in a form in which it is not found itself. */
struct needle {
	uint64_t words[KEY_LEN / 8];
};

/* volatile, or hide_key takes keys through vector registers, where they stay; on arm64 every
 * function with variable arguments, like sscanf below, saves those on the stack. */
static const volatile uint64_t mask = UINT64_C(0xa5c3965a3c69f00f);

static struct needle hide_key(const uint8_t key[KEY_LEN])
{
	struct needle needle;

	for (size_t i = 0; i < ARRAY_SIZE(needle.words); i++)
		needle.words[i] = load_le64(key + 8 * i) ^ mask;
	return needle;
}

/* How often any eight bytes of a key are in a mapping. */
static unsigned count_in(const uint8_t *start, const uint8_t *end, const struct needle *needle)
{
	unsigned num = 0;

	for (const uint8_t *p = start; p + 8 <= end; p++) {
		const uint64_t word = load_le64(p);
		uint64_t hidden;

		if (word == 0) {
			p += 7; /* most of it is that */
			continue;
		}
		hidden = word ^ mask;
		for (size_t i = 0; i < ARRAY_SIZE(needle->words); i++)
			num += hidden == needle->words[i];
	}
	return num;
}

static unsigned count(const struct needle *needle)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned num = 0;
	char line[512];

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		uintptr_t start, end;
		char access[5];

		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &start, &end, access) == 3 &&
			access[1] == 'w')
			num += count_in((const uint8_t *)start, (const uint8_t *)end, needle);
	}
	fclose(maps);
	return num;
}

/* The keys of a's session. */
struct session {
	struct needle sending, receiving;
};

static struct session session_of_a(void)
{
	const struct transport_peer *peer = table_get(&a->transport->peers, a->peer_id);
	const struct keypair *keypair = peer->keypairs.current;

	assert_non_null(keypair);
	return (struct session){hide_key(keypair->sending_key), hide_key(keypair->receiving_key)};
}

static void assert_there(const struct session *session)
{
	assert_true(count(&session->sending) > 0);
	assert_true(count(&session->receiving) > 0);
}

static void assert_gone(const struct session *session)
{
	assert_int_equal(count(&session->sending), 0);
	assert_int_equal(count(&session->receiving), 0);
}

/* As libcrypto processes packets where there is no vector kernel: it keeps the last key. */
static void use_libcrypto(const struct node *node)
{
	const struct transport_peer *peer = table_get(&node->transport->peers, node->peer_id);
	uint8_t packet[1024 + AEAD_TAG_LEN] = {0};

	aead_seal(packet, packet, 1024, NULL, 0, 1, peer->keypairs.current->sending_key);
	assert_false(aead_open(
		packet, packet, sizeof(packet), NULL, 0, 2, peer->keypairs.current->receiving_key));
}

static struct session begin(void)
{
	struct session session;

	pair_handshake();
	assert_session();
	use_libcrypto(a);
	session = session_of_a();
	assert_there(&session);
	return session;
}

static void rekey(void)
{
	pair_advance(REKEY_AFTER_TIME_NS);
	assert_session();
	assert_session();
}

static void test_a_session_replaced_twice(void **state)
{
	struct session old = begin(), young;

	(void)state;
	rekey();
	assert_there(&old); /* for what is still under way */
	young = session_of_a();
	rekey();
	assert_gone(&old);
	assert_there(&young);
}

static void test_a_session_that_is_not_used(void **state)
{
	struct session session = begin();

	(void)state;
	pair_advance(3 * REJECT_AFTER_TIME_NS - SECOND_NS);
	assert_there(&session);
	pair_advance(2 * SECOND_NS);
	assert_gone(&session);
}

static void test_an_interface_that_goes_down(void **state)
{
	struct session session = begin();

	(void)state;
	node_set_up(a, false);
	assert_there(&session); /* b has it */
	node_set_up(b, false);
	assert_gone(&session);
}

static void test_a_peer_that_is_removed(void **state)
{
	struct session session = begin();

	(void)state;
	transport_remove_peer(a->transport, a->peer_id);
	transport_remove_peer(b->transport, b->peer_id);
	device_remove_peer(a->device, a->peer_id);
	device_remove_peer(b->device, b->peer_id);
	assert_gone(&session);
}

static void test_a_machine_that_slept(void **state)
{
	struct session session = begin();

	(void)state;
	device_forget_sessions(a->device);
	device_forget_sessions(b->device);
	assert_gone(&session);
}

static void test_long_term_keys_that_are_replaced(void **state)
{
	const uint8_t none[KEY_LEN] = {0};
	struct needle private_key = hide_key(a->private_key);

	(void)state;
	pair_handshake();
	wipe(a->private_key, KEY_LEN); /* the test's own */
	assert_true(count(&private_key) > 0);
	node_set_private_key(a, none);
	assert_int_equal(count(&private_key), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		pair_test(test_a_session_replaced_twice),
		pair_test(test_a_session_that_is_not_used),
		pair_test(test_an_interface_that_goes_down),
		pair_test(test_a_peer_that_is_removed),
		pair_test(test_a_machine_that_slept),
		pair_test(test_long_term_keys_that_are_replaced),
	};

	if (SANITIZED)
		return 77; /* meson's "skipped": their memory is too large to look at */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
