/* SPDX-License-Identifier: MIT
 *
 * The door without its process: who is heard, who is asked for a cookie, and what is bounded.
 */
#include "overlay/door/guests.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/keyring.h"

static struct keyring *keyring;
static struct guests *guests;
static uint8_t hub_key[KEY_LEN];
static uint64_t now_ns;
static uint8_t counter;

static const struct endpoint somebody = {
	.family = AF_INET, .port = 1000, .addr = {192, 0, 2, 1}, .local = {192, 0, 2, 9}};

static int start(void **state)
{
	struct noise_keys keys = {.mix = keyring_mix};
	const uint8_t private_key[KEY_LEN] = {1}, random[16] = {2};

	(void)state;
	keyring = keyring_new();
	if (!keyring || crypto_init() < 0)
		return -1;
	keyring_set_private_key(keyring, private_key, hub_key);
	keys.ctx = keyring;
	guests = guests_new(hub_key, &keys, random);
	now_ns = 1000 * SECOND_NS;
	return guests ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	guests_free(guests);
	keyring_free(keyring);
	return 0;
}

static struct message_enrol create_request(struct enrol_initiator *initiator)
{
	const uint8_t node_private[KEY_LEN] = {3};
	struct enrol_request request = {.version = ENROL_VERSION, .network = "robots"};
	struct message_enrol message;
	uint8_t random[36] = {4, ++counter};

	assert_int_equal(enrol_create_request(initiator, node_private, hub_key, &request, random,
				 now_ns, &message),
		0);
	return message;
}

static struct guest_result take(const void *datagram, size_t len, const struct endpoint *source)
{
	struct guest_result result;
	uint8_t random[64];

	memset(random, ++counter, sizeof(random));
	guests_take(guests, datagram, len, source, random, now_ns, &result);
	return result;
}

static struct guest_result knock(const struct endpoint *source)
{
	struct enrol_initiator initiator = {0};
	const struct message_enrol message = create_request(&initiator);

	return take(&message, sizeof(message), source);
}

static void test_strangers(void **state)
{
	struct enrol_initiator initiator = {0};
	const struct message_enrol good = create_request(&initiator);
	struct message_enrol bad;
	struct cookie_maker maker = {0};
	uint8_t longer[sizeof(good) + 1] = {0};

	(void)state;
	for (size_t i = 0; i < offsetof(struct message_enrol, mac2); i++) {
		bad = good;
		((uint8_t *)&bad)[i] ^= 1;
		assert_int_equal(take(&bad, sizeof(bad), &somebody).step, GUEST_IGNORE);
	}
	memcpy(longer, &good, sizeof(good));
	cookie_add_macs(&maker, hub_key, longer, sizeof(longer), now_ns);
	assert_int_equal(take(longer, sizeof(longer), &somebody).step, GUEST_IGNORE);
	for (size_t len = 0; len < sizeof(good); len++)
		assert_int_equal(take(&good, len, &somebody).step, GUEST_IGNORE);
	assert_int_equal(take(&good, sizeof(good), &somebody).step, GUEST_ASK);
}

static void test_verdicts(void **state)
{
	struct door_verdict verdict = {
		.answer = {.version = ENROL_VERSION, .state = ENROL_PENDING, .name = "robot"}};
	struct enrol_initiator initiator = {0};
	const struct message_enrol request = create_request(&initiator);
	struct guest_result asked = take(&request, sizeof(request), &somebody);
	const uint8_t random[80] = {5};
	struct message_enrol response;
	struct enrol_answer answer;
	struct endpoint to;

	(void)state;
	assert_int_equal(asked.step, GUEST_ASK);
	assert_int_not_equal(asked.question.number, 0);
	assert_string_equal(asked.question.request.network, "robots");
	/* one that nobody waits for */
	assert_false(guests_judge(guests, &verdict, random, &response, &to));
	verdict.number = asked.question.number + GUESTS_MAX;
	assert_false(guests_judge(guests, &verdict, random, &response, &to));
	verdict.number = asked.question.number;
	assert_true(guests_judge(guests, &verdict, random, &response, &to));
	assert_memory_equal(&to, &somebody, sizeof(to));
	assert_int_equal(
		enrol_consume_response(&initiator, &response, sizeof(response), now_ns, &answer),
		0);
	assert_string_equal(answer.name, "robot");
	/* a second one */
	assert_false(guests_judge(guests, &verdict, random, &response, &to));
	/* refused: silence */
	verdict.number = knock(&somebody).question.number;
	verdict.is_refused = true;
	assert_false(guests_judge(guests, &verdict, random, &response, &to));
	verdict.is_refused = false;
	assert_false(guests_judge(guests, &verdict, random, &response, &to));
	assert_false(guests_expire(guests, now_ns));
	/* too late */
	verdict.number = knock(&somebody).question.number;
	assert_true(guests_expire(guests, now_ns + GUEST_PATIENCE_NS - 1));
	assert_false(guests_expire(guests, now_ns + GUEST_PATIENCE_NS));
	assert_false(guests_judge(guests, &verdict, random, &response, &to));
	/* the hub was not asked */
	verdict.number = knock(&somebody).question.number;
	guests_forget(guests, verdict.number);
	guests_forget(guests, verdict.number);
	assert_false(guests_judge(guests, &verdict, random, &response, &to));
}

static void test_load(void **state)
{
	struct enrol_initiator initiator = {0};
	struct message_enrol request;
	struct guest_result result;
	struct enrol_answer answer;
	unsigned num = 0;

	(void)state;
	for (unsigned i = 0; i < GUESTS_CROWD; i++) {
		now_ns += 2 * GUEST_COST_NS; /* the crowd, not the rate */
		assert_int_equal(knock(&somebody).step, GUEST_ASK);
	}
	request = create_request(&initiator);
	result = take(&request, sizeof(request), &somebody);
	assert_int_equal(result.step, GUEST_COOKIE);
	assert_int_equal(enrol_consume_response(&initiator, &result.cookie, sizeof(result.cookie),
				 now_ns, &answer),
		-EAGAIN);
	/* with a cookie it gets in, but not as often as it likes; from elsewhere not at all */
	for (unsigned i = 0; i < 20; i++) {
		const struct endpoint elsewhere = {
			.family = AF_INET, .port = 1000, .addr = {192, 0, 2, 2}};

		request = create_request(&initiator);
		num += take(&request, sizeof(request), &somebody).step == GUEST_ASK;
		assert_int_equal(take(&request, sizeof(request), &elsewhere).step, GUEST_COOKIE);
	}
	assert_int_equal(num, 5);
}

/* Knock, and again with the cookie, if that is what comes. */
static enum guest_step knock_with_cookie(const struct endpoint *source, unsigned *num_cookies)
{
	struct enrol_initiator initiator = {0};
	struct message_enrol request = create_request(&initiator);
	struct guest_result result = take(&request, sizeof(request), source);
	struct enrol_answer answer;

	if (result.step != GUEST_COOKIE)
		return result.step;
	++*num_cookies;
	assert_int_equal(enrol_consume_response(&initiator, &result.cookie, sizeof(result.cookie),
				 now_ns, &answer),
		-EAGAIN);
	request = create_request(&initiator);
	return take(&request, sizeof(request), source).step;
}

/* A flood that has cookies of many addresses. */
static void test_bounds(void **state)
{
	unsigned num_asked = 0, num_cookies = 0;

	(void)state;
	for (unsigned i = 0; i < 4000; i++) {
		struct endpoint source = {.family = AF_INET, .port = 1000};

		store_be32(source.addr, 0x0a000000 + i);
		num_asked += knock_with_cookie(&source, &num_cookies) == GUEST_ASK;
	}
	assert_int_equal(num_asked, GUESTS_MAX);
	assert_true(num_cookies > GUESTS_MAX / 2 && num_cookies <= 16 * GUEST_COOKIE_BURST);
	/* the flood is out of cookies, others are not */
	assert_int_equal(knock(&(struct endpoint){.family = AF_INET, .port = 1, .addr = {10}}).step,
		GUEST_IGNORE);
	assert_int_equal(knock(&somebody).step, GUEST_COOKIE);
	assert_int_equal(
		knock(&(struct endpoint){.family = AF_INET6, .port = 1}).step, GUEST_COOKIE);
	/* however long ago that was, there is no room */
	now_ns += GUEST_PATIENCE_NS - 1;
	assert_true(guests_expire(guests, now_ns));
	assert_int_equal(knock_with_cookie(&somebody, &num_cookies), GUEST_IGNORE);
	/* those who waited go, others come */
	now_ns++;
	assert_false(guests_expire(guests, now_ns));
	assert_int_equal(knock(&somebody).step, GUEST_ASK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_strangers, start, stop),
		cmocka_unit_test_setup_teardown(test_verdicts, start, stop),
		cmocka_unit_test_setup_teardown(test_load, start, stop),
		cmocka_unit_test_setup_teardown(test_bounds, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
