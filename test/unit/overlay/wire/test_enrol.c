/* SPDX-License-Identifier: MIT
 *
 * Enrolment: a transcript another implementation made, every byte tampered with, wrong keys,
 * replays, low-order points, cookies, and content that must not get through.
 */
#include "overlay/wire/enrol.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/keyring.h"
#include "crypto/dh.h"

static struct keyring *keyring; /* the hub's */
static const struct noise_keys *hub_keys;
static uint8_t hub_private[KEY_LEN], hub_key[KEY_LEN];
static uint8_t node_private[KEY_LEN], node_key[KEY_LEN];
static uint8_t mac1_key[KEY_LEN];

static int start(void **state)
{
	static struct noise_keys keys = {.mix = keyring_mix};

	(void)state;
	memset(hub_private, 1, KEY_LEN);
	memset(node_private, 2, KEY_LEN);
	dh_public(node_key, node_private);
	keyring = keyring_new();
	if (!keyring || crypto_init() < 0)
		return -1;
	keys.ctx = keyring;
	hub_keys = &keys;
	keyring_set_private_key(keyring, hub_private, hub_key);
	cookie_mac1_key(mac1_key, hub_key);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	keyring_free(keyring);
	return 0;
}

static struct enrol_request some_request(void)
{
	struct enrol_request request = {.version = ENROL_VERSION,
		.network = "robots",
		.hostname = "robot-1",
		.agent_version = "0.1.0"};

	memset(request.join_key, 5, KEY_LEN);
	return request;
}

static struct enrol_answer some_answer(void)
{
	struct enrol_answer answer = {.version = ENROL_VERSION,
		.state = ENROL_ACTIVE,
		.node_id = 7,
		.hub_port = 51820,
		.api_port = 51820,
		.name = "robot-1",
		.address4 = {.family = AF_INET, .cidr = 16, .addr = {100, 64, 0, 7}},
		.address6 = {.family = AF_INET6, .cidr = 64, .addr = {0xfd, [15] = 7}},
		.hub_address4 = {.family = AF_INET, .cidr = 32, .addr = {100, 64, 0, 1}},
		.hub_address6 = {.family = AF_INET6, .cidr = 128, .addr = {0xfd, [15] = 1}}};

	memset(answer.hub_key, 6, KEY_LEN);
	return answer;
}

static struct message_enrol create_request(
	struct enrol_initiator *initiator, const struct enrol_request *request, uint64_t now_ns)
{
	struct message_enrol message;
	uint8_t random[36];

	memset(random, 3, sizeof(random));
	assert_int_equal(enrol_create_request(initiator, node_private, hub_key, request, random,
				 now_ns, &message),
		0);
	return message;
}

static struct message_enrol create_response(
	const struct enrol_responder *responder, const struct enrol_answer *answer)
{
	struct message_enrol message;
	uint8_t random[80];

	memset(random, 4, sizeof(random));
	assert_int_equal(enrol_create_response(responder, answer, random, &message), 0);
	return message;
}

/* What the door does with a request. */
static int open_request(struct enrol_responder *responder, struct enrol_request *request,
	const struct message_enrol *message)
{
	if (load_le32(&message->type) != ENROL_TYPE_REQUEST ||
		!cookie_mac1_is_valid(mac1_key, message, sizeof(*message)))
		return -EACCES;
	return enrol_open_request(responder, request, message, hub_keys, hub_key);
}

/* A request as the hub opens it, and its initiator. */
static void exchange(struct enrol_initiator *initiator, struct enrol_responder *responder)
{
	const struct enrol_request request = some_request();
	const struct message_enrol message = create_request(initiator, &request, 1);
	struct enrol_request opened;

	assert_int_equal(open_request(responder, &opened, &message), 0);
	assert_memory_equal(&opened, &request, sizeof(request));
	assert_memory_equal(responder->node_key, node_key, KEY_LEN);
}

static void test_transcript(void **state)
{
	/* transcript.py */
	static const uint8_t expected_request[HASH_LEN] = {0x69, 0xca, 0x5f, 0x68, 0xae, 0xaf, 0x87,
		0xfe, 0x08, 0xe0, 0x74, 0xc5, 0xc6, 0xc2, 0x6a, 0x70, 0x3c, 0xec, 0x62, 0x2b, 0xba,
		0x09, 0xa8, 0x8f, 0x61, 0x86, 0x0c, 0xe4, 0xac, 0x02, 0x04, 0x99};
	static const uint8_t expected_response[HASH_LEN] = {0x56, 0xe0, 0x23, 0xf9, 0xf6, 0x27,
		0x1b, 0xd8, 0x47, 0xe5, 0xe1, 0xe1, 0xe3, 0x19, 0xfd, 0xf6, 0x5e, 0xde, 0x90, 0x8c,
		0x22, 0xc9, 0x24, 0x05, 0x17, 0xe2, 0x89, 0x85, 0xf8, 0xb7, 0x21, 0xc8};
	const struct enrol_request request = some_request();
	const struct enrol_answer answer = some_answer();
	struct enrol_initiator initiator = {0};
	struct enrol_responder responder;
	struct enrol_request opened;
	struct enrol_answer received;
	struct message_enrol message = create_request(&initiator, &request, 1);
	uint8_t found[HASH_LEN];

	(void)state;
	hash(found, &message, sizeof(message), NULL, 0);
	assert_memory_equal(found, expected_request, HASH_LEN);
	assert_int_equal(open_request(&responder, &opened, &message), 0);
	assert_memory_equal(&opened, &request, sizeof(request));
	message = create_response(&responder, &answer);
	hash(found, &message, sizeof(message), NULL, 0);
	assert_memory_equal(found, expected_response, HASH_LEN);
	assert_int_equal(
		enrol_consume_response(&initiator, &message, sizeof(message), 2, &received), 0);
	assert_memory_equal(&received, &answer, sizeof(answer));
}

static void test_tampered_request(void **state)
{
	const struct enrol_request request = some_request();
	struct enrol_initiator initiator = {0};
	struct enrol_responder responder;
	struct enrol_request opened = {.flags = 77};
	const struct message_enrol good = create_request(&initiator, &request, 1);

	(void)state;
	for (size_t i = 0; i < offsetof(struct message_enrol, mac2); i++) {
		struct message_enrol bad = good;

		((uint8_t *)&bad)[i] ^= 0x40;
		assert_int_equal(open_request(&responder, &opened, &bad), -EACCES);
		/* past the macs, whose key is public: only the sender's index is its own affair */
		if (i >= offsetof(struct message_enrol, ephemeral) &&
			i < offsetof(struct message_enrol, mac1))
			assert_int_equal(
				enrol_open_request(&responder, &opened, &bad, hub_keys, hub_key),
				-EBADMSG);
	}
	assert_int_equal(opened.flags, 77);
}

static void test_tampered_response(void **state)
{
	const struct enrol_answer answer = some_answer();
	struct enrol_initiator initiator = {0};
	struct enrol_responder responder;
	struct enrol_answer received = {.node_id = 99};
	struct message_enrol good, bad;

	(void)state;
	exchange(&initiator, &responder);
	good = create_response(&responder, &answer);
	for (size_t i = 0; i < sizeof(good); i++) {
		struct cookie_maker maker = {0};

		bad = good;
		((uint8_t *)&bad)[i] ^= 1;
		assert_int_equal(
			enrol_consume_response(&initiator, &bad, sizeof(bad), 2, &received),
			-EBADMSG);
		/* by somebody who knows the node's key */
		if (i >= offsetof(struct message_enrol, encrypted_static) &&
			i < offsetof(struct message_enrol, encrypted_payload))
			continue;
		cookie_add_macs(&maker, node_key, &bad, sizeof(bad), 0);
		if (i < offsetof(struct message_enrol, mac1))
			assert_int_equal(
				enrol_consume_response(&initiator, &bad, sizeof(bad), 2, &received),
				-EBADMSG);
	}
	for (size_t len = 0; len < sizeof(good); len++)
		assert_int_equal(
			enrol_consume_response(&initiator, &good, len, 2, &received), -EBADMSG);
	assert_int_equal(received.node_id, 99);
	assert_int_equal(enrol_consume_response(&initiator, &good, sizeof(good), 2, &received), 0);
}

static void test_wrong_keys(void **state)
{
	const struct enrol_request request = some_request();
	const struct enrol_answer answer = some_answer();
	struct enrol_initiator initiator = {0}, other = {0};
	struct enrol_responder responder;
	struct enrol_request opened;
	struct enrol_answer received;
	struct message_enrol message, response;
	uint8_t random[36] = {9};

	(void)state;
	/* for another hub */
	assert_int_equal(enrol_create_request(
				 &initiator, node_private, node_key, &request, random, 1, &message),
		0);
	assert_int_equal(open_request(&responder, &opened, &message), -EACCES);
	assert_int_equal(
		enrol_open_request(&responder, &opened, &message, hub_keys, hub_key), -EBADMSG);
	/* the answer to another request, also of the same node */
	exchange(&initiator, &responder);
	response = create_response(&responder, &answer);
	assert_int_equal(
		enrol_create_request(&other, node_private, hub_key, &request, random, 1, &message),
		0);
	response.index = le32(other.index);
	assert_int_equal(enrol_consume_response(&other, &response, sizeof(response), 2, &received),
		-EBADMSG);
	memset(&other, 0, sizeof(other));
	assert_int_equal(enrol_consume_response(&other, &response, sizeof(response), 2, &received),
		-EBADMSG);
}

/* A request that is sent again by somebody is answered, but the answer says nothing to him; nor
 * does an old answer fit a new request. */
static void test_replays(void **state)
{
	const struct enrol_request request = some_request();
	const struct enrol_answer answer = some_answer();
	struct enrol_initiator initiator = {0};
	struct enrol_responder responder;
	struct enrol_request opened;
	struct enrol_answer received;
	struct message_enrol message, response;
	uint8_t random[36] = {9};

	(void)state;
	message = create_request(&initiator, &request, 1);
	assert_int_equal(open_request(&responder, &opened, &message), 0);
	assert_int_equal(open_request(&responder, &opened, &message), 0);
	response = create_response(&responder, &answer);
	for (int i = 0; i < 2; i++)
		assert_int_equal(enrol_consume_response(
					 &initiator, &response, sizeof(response), 2, &received),
			0);
	store_le32(random + KEY_LEN, initiator.index);
	assert_int_equal(enrol_create_request(
				 &initiator, node_private, hub_key, &request, random, 1, &message),
		0);
	assert_int_equal(
		enrol_consume_response(&initiator, &response, sizeof(response), 2, &received),
		-EBADMSG);
}

static void test_low_order_points(void **state)
{
	static const uint8_t points[][KEY_LEN] = {{0}, {1},
		{0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f,
			0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62,
			0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00}};
	const struct enrol_request request = some_request();
	const struct enrol_answer answer = some_answer();
	uint8_t random[80] = {9};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
		struct enrol_initiator initiator = {0};
		struct enrol_responder responder;
		struct enrol_request opened;
		struct message_enrol message;

		assert_int_equal(enrol_create_request(&initiator, node_private, points[i], &request,
					 random, 1, &message),
			-EKEYREJECTED);
		assert_true(bytes_are_zero(&initiator, sizeof(initiator)));
		message = create_request(&initiator, &request, 1);
		memcpy(message.ephemeral, points[i], KEY_LEN);
		assert_int_equal(
			enrol_open_request(&responder, &opened, &message, hub_keys, hub_key),
			-EBADMSG);
		exchange(&initiator, &responder);
		memcpy(responder.remote_ephemeral, points[i], KEY_LEN);
		assert_int_equal(enrol_create_response(&responder, &answer, random, &message),
			-EKEYREJECTED);
		exchange(&initiator, &responder);
		memcpy(responder.node_key, points[i], KEY_LEN);
		assert_int_equal(enrol_create_response(&responder, &answer, random, &message),
			-EKEYREJECTED);
	}
}

static void test_cookie(void **state)
{
	const struct endpoint source = {.family = AF_INET, .port = 9, .addr = {192, 0, 2, 1}};
	const struct endpoint elsewhere = {.family = AF_INET, .port = 9, .addr = {192, 0, 2, 2}};
	const struct enrol_request request = some_request();
	const uint64_t now_ns = 5 * SECOND_NS;
	const uint8_t secret[KEY_LEN] = {8}, nonce[XAEAD_NONCE_LEN] = {7};
	struct enrol_initiator initiator = {0};
	struct message_cookie_reply reply, bad;
	struct cookie_checker checker = {0};
	struct enrol_answer received;
	struct message_enrol message = create_request(&initiator, &request, now_ns);

	(void)state;
	cookie_checker_set_public_key(&checker, hub_key);
	cookie_checker_set_secret(&checker, secret, now_ns);
	assert_false(cookie_mac2_is_valid(&checker, &source, &message, sizeof(message)));
	enrol_create_cookie(&checker, &source, &message, nonce, &reply);
	assert_int_equal(load_le32(&reply.type), ENROL_TYPE_COOKIE);
	for (size_t i = 0; i < sizeof(reply); i++) {
		bad = reply;
		((uint8_t *)&bad)[i] ^= 1;
		assert_int_equal(
			enrol_consume_response(&initiator, &bad, sizeof(bad), now_ns, &received),
			-EBADMSG);
	}
	assert_int_equal(
		enrol_consume_response(&initiator, &reply, sizeof(reply), now_ns, &received),
		-EAGAIN);
	/* one cookie a request */
	assert_int_equal(
		enrol_consume_response(&initiator, &reply, sizeof(reply), now_ns, &received),
		-EBADMSG);
	message = create_request(&initiator, &request, now_ns + SECOND_NS);
	assert_true(cookie_mac2_is_valid(&checker, &source, &message, sizeof(message)));
	assert_false(cookie_mac2_is_valid(&checker, &elsewhere, &message, sizeof(message)));
	message = create_request(&initiator, &request, now_ns + COOKIE_SECRET_MAX_AGE_NS);
	assert_true(bytes_are_zero(message.mac2, MAC_LEN));
}

/* Content that a node may make up, and that must not reach the store or a terminal. */
static void test_bad_requests(void **state)
{
	static const struct {
		size_t offset;
		uint8_t value;
	} cases[] = {
		{offsetof(struct enrol_request, version), 2},
		{offsetof(struct enrol_request, flags), 1},
		{offsetof(struct enrol_request, reserved), 1},
		{offsetof(struct enrol_request, network), 'R'},
		{offsetof(struct enrol_request, network), 0},
		{offsetof(struct enrol_request, network) + 8, 'x'}, /* behind the end */
		{offsetof(struct enrol_request, hostname) + 2, '\n'},
		{offsetof(struct enrol_request, hostname) + 2, 0x9b},
		{offsetof(struct enrol_request, hostname) + NODE_NAME_MAX, 'x'},
		{offsetof(struct enrol_request, agent_version), 0x1b},
		{offsetof(struct enrol_request, agent_version) + ENROL_AGENT_VERSION_MAX, 'x'},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct enrol_request request = some_request(), opened;
		struct enrol_initiator initiator = {0};
		struct enrol_responder responder;
		struct message_enrol message;

		((uint8_t *)&request)[cases[i].offset] = cases[i].value;
		message = create_request(&initiator, &request, 1);
		assert_int_equal(open_request(&responder, &opened, &message), -EBADMSG);
	}
}

/* Of a number of the answer, whatever the machine's byte order. */
#define LOW_BYTE(field)                         \
	(offsetof(struct enrol_answer, field) + \
		(BYTE_ORDER == BIG_ENDIAN ? sizeof(((struct enrol_answer *)0)->field) - 1 : 0))

static void test_answers(void **state)
{
	static const struct {
		size_t offset;
		uint8_t value;
		bool is_good;
	} cases[] = {
		{LOW_BYTE(version), 2, false}, {LOW_BYTE(state), 0, false},
		{LOW_BYTE(state), 4, false}, {offsetof(struct enrol_answer, name), '-', false},
		{offsetof(struct enrol_answer, name), 0x1b, false},
		{offsetof(struct enrol_answer, name) + NODE_NAME_MAX, 'x', false},
		{LOW_BYTE(address4.family), AF_INET6, false},
		{offsetof(struct enrol_answer, address4.cidr), 33, false},
		{offsetof(struct enrol_answer, address6.cidr), 129, false},
		{offsetof(struct enrol_answer, hub_address4.cidr), 24, false},
		{LOW_BYTE(hub_address6.family), AF_INET, false},
		{offsetof(struct enrol_answer, reserved), 1, false},
		{offsetof(struct enrol_answer, address4.cidr), 0, false},
		{offsetof(struct enrol_answer, address4.cidr), 9, false},
		{offsetof(struct enrol_answer, address4.cidr), 10, true},
		{offsetof(struct enrol_answer, address4.cidr), 30, false}, /* not the hub's */
		{offsetof(struct enrol_answer, address6.cidr), 0, false},
		{offsetof(struct enrol_answer, address4.addr), 127, false},
		{offsetof(struct enrol_answer, address4.addr), 224, false},
		{offsetof(struct enrol_answer, address6.addr), 0xff, false},
		{offsetof(struct enrol_answer, hub_address4.addr) + 1, 65, false},
		{offsetof(struct enrol_answer, address4.addr) + 3, 1, false}, /* the hub's */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct enrol_answer answer = some_answer(), received;
		struct enrol_initiator initiator = {0};
		struct enrol_responder responder;
		struct message_enrol message;

		((uint8_t *)&answer)[cases[i].offset] = cases[i].value;
		exchange(&initiator, &responder);
		message = create_response(&responder, &answer);
		assert_int_equal(
			enrol_consume_response(&initiator, &message, sizeof(message), 2, &received),
			cases[i].is_good ? 0 : -EBADMSG);
	}
	{ /* there are no addresses yet */
		struct enrol_answer answer = {
			.version = ENROL_VERSION, .state = ENROL_PENDING, .name = "robot-1"};
		struct enrol_answer received;
		struct enrol_initiator initiator = {0};
		struct enrol_responder responder;
		struct message_enrol message;

		exchange(&initiator, &responder);
		message = create_response(&responder, &answer);
		assert_int_equal(
			enrol_consume_response(&initiator, &message, sizeof(message), 2, &received),
			0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transcript),
		cmocka_unit_test(test_tampered_request),
		cmocka_unit_test(test_tampered_response),
		cmocka_unit_test(test_wrong_keys),
		cmocka_unit_test(test_replays),
		cmocka_unit_test(test_low_order_points),
		cmocka_unit_test(test_cookie),
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_answers),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
