/* SPDX-License-Identifier: MIT
 *
 * Conversations at the enrolment port: strangers, a node, the hub's verdicts, time. The input is a
 * list of acts, a byte each, with their bytes behind it. The node's datagrams are real ones, made
 * once; what the door says is random is not.
 *
 * Nothing is asked of the hub that no node signed for, a cookie goes out only under load, a verdict
 * is used once, nobody waits for longer than is patient; and in the end, whatever was, the node
 * gets in.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "core/keyring.h"
#include "crypto/dh.h"
#include "overlay/door/guests.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

enum { DATAGRAM_MAX = 512, KNOCKS_MAX = 255, TRIES_MAX = 8 };

struct input {
	const uint8_t *data;
	size_t len;
};

static struct keyring *keyring;
static uint8_t hub_key[KEY_LEN], node_key[KEY_LEN];
static const uint8_t node_private[KEY_LEN] = {2};
static const struct enrol_request request = {
	.version = ENROL_VERSION, .network = "lab", .hostname = "anna"};
static const struct enrol_answer answer = {
	.version = ENROL_VERSION, .state = ENROL_PENDING, .name = "anna"};

static struct guests *guests;
static struct enrol_initiator node;
static struct message_enrol genuine; /* the node's last request */
static uint64_t now_ns;
static uint32_t asked[GUESTS_MAX];    /* numbers of questions, by their place */
static uint64_t asked_ns[GUESTS_MAX]; /* when */
static uint32_t last_asked;

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* What the keyring said of the last request's two points is remembered: a crowd asks the same again
 * and again. */
static void mix(void *ctx, enum noise_secret secret, struct noise_mix *mixes, unsigned num)
{
	static struct {
		struct noise_mix question, result;
	} known[2];
	static unsigned next;

	require(secret == NOISE_DH && num == 1);
	for (unsigned i = 0; i < ARRAY_SIZE(known); i++) {
		if (memcmp(&known[i].question, mixes, sizeof(*mixes)) == 0) {
			*mixes = known[i].result;
			return;
		}
	}
	next = (next + 1) % ARRAY_SIZE(known);
	known[next].question = *mixes;
	keyring_mix(ctx, secret, mixes, num);
	known[next].result = *mixes;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const uint8_t hub_private[KEY_LEN] = {1};

	(void)argc, (void)argv;
	require(crypto_init() == 0);
	dh_public(node_key, node_private);
	keyring = keyring_new();
	require(keyring != NULL);
	keyring_set_private_key(keyring, hub_private, hub_key);
	return 0;
}

static uint8_t take(struct input *input)
{
	if (input->len == 0)
		return 0;
	input->len--;
	return *input->data++;
}

static struct endpoint take_source(struct input *input)
{
	uint8_t b = take(input);

	if (b & 1)
		return (struct endpoint){.family = AF_INET6, .port = b, .addr = {0xfd, b}};
	return (struct endpoint){.family = AF_INET, .port = 7, .addr = {10, 0, b}};
}

/* --- the node -------------------------------------------------------- */

static void write_request(void)
{
	static uint8_t random[36] = {3};

	store_le64(random + KEY_LEN - 8, now_ns);
	require(enrol_create_request(
			&node, node_private, hub_key, &request, random, now_ns, &genuine) == 0);
}

/* Somebody's datagram comes; *ret_result is what the door makes of it. */
static void knock(const void *data, size_t len, const struct endpoint *source,
	struct guest_result *ret_result)
{
	uint8_t random[64], *exact = malloc(len ? len : 1);

	require(exact != NULL);
	memcpy(exact, data, len);
	memset(random, (int)(now_ns / SECOND_NS), sizeof(random));
	guests_take(guests, exact, len, source, random, now_ns, ret_result);
	free(exact);
	require(ret_result->step <= GUEST_ASK);
	if (ret_result->step != GUEST_ASK)
		return;
	last_asked = ret_result->question.number;
	require(last_asked != 0 && asked[last_asked % GUESTS_MAX] == 0);
	asked[last_asked % GUESTS_MAX] = last_asked;
	asked_ns[last_asked % GUESTS_MAX] = now_ns;
	require(bytes_equal(ret_result->question.node_key, node_key, KEY_LEN));
	require(memcmp(&ret_result->question.request, &request, sizeof(request)) == 0);
	require(endpoint_same_remote(&ret_result->question.source, source));
}

/* --- acts ------------------------------------------------------------ */

static void act_stranger(struct input *input)
{
	struct endpoint source = take_source(input);
	uint8_t data[DATAGRAM_MAX] = {0};
	struct guest_result result;
	size_t len = take(input) * 2U;

	for (size_t i = 0; i < len; i++)
		data[i] = take(input);
	knock(data, len, &source, &result);
	require(result.step == GUEST_IGNORE);
}

/* The node's request, changed: with a mac1 that is right or not. */
static void act_forger(struct input *input)
{
	struct endpoint source = take_source(input);
	struct message_enrol message = genuine;
	struct cookie_maker maker = {0};
	struct guest_result result;
	uint8_t how = take(input);
	uint8_t *bytes = (uint8_t *)&message;
	size_t at = take(input) * 2U % (offsetof(struct message_enrol, mac1) - 8) + 8;

	bytes[at] ^= how | 1;
	if (how & 2)
		cookie_add_macs(&maker, hub_key, &message, sizeof(message), now_ns);
	knock(&message, sizeof(message), &source, &result);
	require(result.step != GUEST_ASK && (how & 2 || result.step == GUEST_IGNORE));
}

/* The node, or somebody who repeats it, so many times. */
static void act_crowd(struct input *input)
{
	struct endpoint source = take_source(input);
	unsigned num = take(input) % KNOCKS_MAX;
	struct guest_result result;

	for (unsigned i = 0; i <= num; i++)
		knock(&genuine, sizeof(genuine), &source, &result);
	if (result.step == GUEST_COOKIE) /* of use once, and if it is the node that repeats */
		(void)!enrol_consume_response(&node, &result.cookie, sizeof(result.cookie), now_ns,
			&(struct enrol_answer){0});
}

/* A verdict on what was asked, or on what was not. */
static void act_verdict(struct input *input)
{
	struct door_verdict verdict = {.number = last_asked, .answer = answer};
	const uint8_t random[80] = {9};
	struct message_enrol message;
	struct enrol_answer received;
	uint8_t how = take(input);
	struct endpoint to;
	bool is_known;

	if (how & 1)
		verdict.number = asked[take(input) % GUESTS_MAX];
	if (how & 2)
		verdict.number ^= take(input);
	verdict.is_refused = how & 4;
	if (how & 8)
		((uint8_t *)&verdict.answer)[take(input) % sizeof(answer)] ^= take(input);
	is_known = verdict.number != 0 && asked[verdict.number % GUESTS_MAX] == verdict.number;
	if (!guests_judge(guests, &verdict, random, &message, &to)) {
		require(!is_known || verdict.is_refused);
	} else {
		require(is_known && !verdict.is_refused && endpoint_is_valid(&to));
		(void)!enrol_consume_response(&node, &message, sizeof(message), now_ns, &received);
	}
	if (is_known)
		asked[verdict.number % GUESTS_MAX] = 0;
	require(!guests_judge(guests, &verdict, random, &message, &to));
}

static void act_time(struct input *input)
{
	now_ns += (UINT64_C(1) << take(input) % 40) + MSEC_NS;
	(void)guests_expire(guests, now_ns);
	for (size_t i = 0; i < GUESTS_MAX; i++)
		if (now_ns - asked_ns[i] >= GUEST_PATIENCE_NS)
			asked[i] = 0;
	write_request();
}

/* All that waited are gone after their time. Those we know of are no more than there are. */
static void pass(uint64_t ns)
{
	now_ns += ns;
	require(!guests_expire(guests, now_ns));
	memset(asked, 0, sizeof(asked));
}

static void get_in(void)
{
	const struct endpoint source = {.family = AF_INET, .port = 9, .addr = {192, 0, 2, 1}};
	struct door_verdict verdict = {.answer = answer};
	const uint8_t random[80] = {9};
	struct enrol_answer received;
	struct guest_result result = {0};
	struct message_enrol message;
	struct endpoint to;

	for (int i = 0; i < TRIES_MAX && result.step != GUEST_ASK; i++) {
		pass(GUEST_PATIENCE_NS);
		write_request();
		knock(&genuine, sizeof(genuine), &source, &result);
		if (result.step == GUEST_COOKIE)
			require(enrol_consume_response(&node, &result.cookie, sizeof(result.cookie),
					now_ns, &received) == -EAGAIN);
	}
	require(result.step == GUEST_ASK);
	verdict.number = result.question.number;
	require(guests_judge(guests, &verdict, random, &message, &to));
	require(endpoint_same_remote(&to, &source));
	require(enrol_consume_response(&node, &message, sizeof(message), now_ns, &received) == 0);
	require(memcmp(&received, &answer, sizeof(answer)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const acts[])(struct input *) = {
		act_stranger, act_forger, act_crowd, act_verdict, act_time};
	const uint8_t random[16] = {5};
	struct input input = {data, size};

	now_ns = 1000 * SECOND_NS;
	last_asked = 0;
	memset(asked, 0, sizeof(asked));
	memset(&node, 0, sizeof(node));
	guests = guests_new(hub_key, &(struct noise_keys){mix, keyring}, random);
	require(guests != NULL);
	write_request();
	while (input.len > 0)
		acts[take(&input) % ARRAY_SIZE(acts)](&input);
	get_in();
	guests_free(guests);
	return 0;
}
