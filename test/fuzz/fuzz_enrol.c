/* SPDX-License-Identifier: MIT
 *
 * Enrolment from outside, both directions. The first byte says which: a datagram as it is, to hub
 * or node; or content (a request, an answer) sealed as an honest implementation would, because no
 * fuzzer guesses a tag. What comes out must be fit to be used.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/keyring.h"
#include "crypto/dh.h"
#include "overlay/wire/enrol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct keyring *keyring;
static struct noise_keys keys = {.mix = keyring_mix};
static uint8_t hub_key[KEY_LEN], node_private[KEY_LEN], node_key[KEY_LEN];

static void require(bool condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	uint8_t hub_private[KEY_LEN];

	(void)argc;
	(void)argv;
	require(crypto_init() == 0);
	memset(hub_private, 1, KEY_LEN);
	memset(node_private, 2, KEY_LEN);
	dh_public(node_key, node_private);
	keyring = keyring_new();
	require(keyring != NULL);
	keys.ctx = keyring;
	keyring_set_private_key(keyring, hub_private, hub_key);
	return 0;
}

static void require_text(const char *text, size_t size)
{
	size_t len = strnlen(text, size);

	require(len < size && bytes_are_zero(text + len, size - len));
	for (size_t i = 0; i < len; i++)
		require(text[i] >= ' ' && text[i] <= '~');
}

static void check_request(const struct enrol_request *request)
{
	require_text(request->network, sizeof(request->network));
	require_text(request->hostname, sizeof(request->hostname));
	require_text(request->agent_version, sizeof(request->agent_version));
	require(network_name_is_valid(request->network));
}

static void check_answer(const struct enrol_answer *answer)
{
	require_text(answer->name, sizeof(answer->name));
	require(answer->state >= ENROL_ACTIVE && answer->state <= ENROL_EXPIRED);
	require(answer->state != ENROL_ACTIVE ||
		(node_name_is_valid(answer->name) && prefix_is_valid(&answer->address4) &&
			prefix_is_valid(&answer->address6)));
}

static struct message_enrol create_request(
	struct enrol_initiator *initiator, const struct enrol_request *request)
{
	const uint8_t random[36] = {3, [KEY_LEN] = 4};
	struct message_enrol message;

	require(enrol_create_request(
			initiator, node_private, hub_key, request, random, 1, &message) == 0);
	return message;
}

static void request_of_any_content(const uint8_t *data, size_t size)
{
	struct enrol_request request = {0}, opened;
	struct enrol_initiator initiator = {0};
	struct enrol_responder responder;
	struct message_enrol message;

	memcpy(&request, data, size < sizeof(request) ? size : sizeof(request));
	message = create_request(&initiator, &request);
	if (enrol_open_request(&responder, &opened, &message, &keys, hub_key) < 0)
		return;
	check_request(&opened);
	require(bytes_equal(responder.node_key, node_key, KEY_LEN));
	require(bytes_equal(&opened, &request, sizeof(request)));
}

static void answer_of_any_content(const uint8_t *data, size_t size)
{
	const struct enrol_request request = {.version = ENROL_VERSION, .network = "robots"};
	const uint8_t random[80] = {9};
	struct enrol_answer answer = {0}, received;
	struct enrol_initiator initiator = {0};
	struct enrol_responder responder;
	struct enrol_request opened;
	struct message_enrol message = create_request(&initiator, &request);

	memcpy(&answer, data, size < sizeof(answer) ? size : sizeof(answer));
	require(enrol_open_request(&responder, &opened, &message, &keys, hub_key) == 0);
	require(enrol_create_response(&responder, &answer, random, &message) == 0);
	if (enrol_consume_response(&initiator, &message, sizeof(message), 2, &received) == 0)
		check_answer(&received);
}

static void datagram_to_hub(const uint8_t *data, size_t size)
{
	struct message_enrol message = {0};
	struct enrol_responder responder;
	struct enrol_request opened;

	memcpy(&message, data, size < sizeof(message) ? size : sizeof(message));
	if (enrol_open_request(&responder, &opened, &message, &keys, hub_key) == 0)
		check_request(&opened);
}

static void datagram_to_node(const uint8_t *data, size_t size)
{
	const struct enrol_request request = {.version = ENROL_VERSION};
	struct enrol_initiator initiator = {0};
	struct enrol_answer received;

	(void)create_request(&initiator, &request);
	require(enrol_consume_response(&initiator, data, size, 2, &received) == -EBADMSG);
	if (size == sizeof(struct message_enrol)) { /* past mac1, which an observer cannot make */
		struct cookie_maker maker = {0};
		struct message_enrol message;

		memcpy(&message, data, size);
		message.type = le32(ENROL_TYPE_RESPONSE);
		message.index = le32(initiator.index);
		cookie_add_macs(&maker, node_key, &message, size, 0);
		require(enrol_consume_response(&initiator, &message, size, 2, &received) ==
			-EBADMSG);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const ways[])(const uint8_t *, size_t) = {
		request_of_any_content, answer_of_any_content, datagram_to_hub, datagram_to_node};

	if (size > 0)
		ways[data[0] % ARRAY_SIZE(ways)](data + 1, size - 1);
	return 0;
}
