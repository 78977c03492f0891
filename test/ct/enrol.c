/* SPDX-License-Identifier: MIT
 *
 * Enrolment, both sides: the keys of node and hub, the ephemeral keys and the join key are secret.
 * The hub keeps a hash of the join key, which is all it compares.
 */
#include "core/keyring.h"
#include "crypto/dh.h"
#include "enrol_verdict.h"
#include "overlay/wire/enrol.h"

static const uint8_t join_key[KEY_LEN] = {7, 7, 7, 1};
const uint8_t *ct_join_key = join_key;

static const struct enrol_answer answer = {.version = ENROL_VERSION,
	.state = ENROL_ACTIVE,
	.node_id = 7,
	.hub_port = 51820,
	.api_port = 51820,
	.name = "robot-1",
	.address4 = {.family = AF_INET, .cidr = 16, .addr = {100, 64, 0, 7}},
	.address6 = {.family = AF_INET6, .cidr = 64, .addr = {0xfd, [15] = 7}},
	.hub_address4 = {.family = AF_INET, .cidr = 32, .addr = {100, 64, 0, 1}},
	.hub_address6 = {.family = AF_INET6, .cidr = 128, .addr = {0xfd, [15] = 1}}};

static void create_request(struct enrol_initiator *initiator, const uint8_t hub_key[KEY_LEN],
	struct message_enrol *ret_message)
{
	struct enrol_request request = {.version = ENROL_VERSION, .network = "robots"};
	uint8_t node_private[KEY_LEN], random[36];

	secret_bytes(node_private, sizeof(node_private), 2);
	secret_bytes(random, sizeof(random), 3);
	publish(random + KEY_LEN, 4); /* the index, which is sent */
	memcpy(request.join_key, join_key, KEY_LEN);
	secret(request.join_key, KEY_LEN);
	assert(enrol_create_request(
		       initiator, node_private, hub_key, &request, random, 1, ret_message) == 0);
	publish(ret_message, sizeof(*ret_message)); /* it is sent */
}

static void enrol(void)
{
	struct noise_keys keys = {keyring_mix, keyring_new()};
	uint8_t hub_private[KEY_LEN], hub_key[KEY_LEN], random[80], key_hash[HASH_LEN];
	struct enrol_initiator initiator = {.index = 0};
	struct enrol_responder responder;
	struct enrol_request request;
	struct enrol_answer answered;
	struct message_enrol message;

	secret_bytes(hub_private, sizeof(hub_private), 1);
	keyring_set_private_key(keys.ctx, hub_private, hub_key);
	publish(hub_key, sizeof(hub_key)); /* a public key */
	create_request(&initiator, hub_key, &message);
	assert(enrol_open_request(&responder, &request, &message, &keys, hub_key) == 0);
	hash(key_hash, request.join_key, KEY_LEN, NULL, 0);
	secret_bytes(random, sizeof(random), 4);
	assert(enrol_create_response(&responder, &answer, random, &message) == 0);
	publish(&message, sizeof(message)); /* it is sent */
	assert(enrol_consume_response(&initiator, &message, sizeof(message), 2, &answered) == 0);
	assert(answered.node_id == answer.node_id);
	message.encrypted_payload[0] ^= 1;
	assert(enrol_consume_response(&initiator, &message, sizeof(message), 2, &answered) != 0);
	keyring_free(keys.ctx);
}

const struct ct_case enrol_cases[] = {
	{"enrolment", enrol, false},
	{NULL, NULL, false},
};
