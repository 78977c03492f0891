/* SPDX-License-Identifier: MIT
 *
 * Enrolment. Comments carry the Noise tokens of the step they stand at.
 */
#include "overlay/wire/enrol.h"

#include <errno.h>

#include "crypto/dh.h"
#include "overlay/wire/ranges.h"

/* The protocol's name is longer than a hash: its hash is the first chaining key and hash. */
static const char construction[] = "Adit enrol v1 Noise_IK_25519_ChaChaPoly_BLAKE2s";

/* What a message is computed with; each function below wipes it. */
struct work {
	struct noise_symmetric symmetric;
	uint8_t key[KEY_LEN]; /* of the next payload */
};

static void mix_hash(struct work *w, const void *data, size_t len)
{
	hash(w->symmetric.hash, w->symmetric.hash, HASH_LEN, data, len);
}

static void work_init(struct work *w, const uint8_t hub_key[KEY_LEN])
{
	hash(w->symmetric.ck, construction, sizeof(construction) - 1, NULL, 0);
	memcpy(w->symmetric.hash, w->symmetric.ck, HASH_LEN);
	mix_hash(w, hub_key, KEY_LEN);
}

/* Forget what was computed with, in the AEAD's context, too. */
static void work_end(struct work *w)
{
	wipe(w, sizeof(*w));
	aead_forget();
}

static bool mix_dh(
	struct work *w, const uint8_t private_key[KEY_LEN], const uint8_t public_key[KEY_LEN])
{
	uint8_t shared[KEY_LEN];
	bool ok = dh(shared, private_key, public_key);

	if (ok)
		kdf(w->symmetric.ck, w->key, NULL, w->symmetric.ck, shared, KEY_LEN);
	wipe(shared, sizeof(shared));
	return ok;
}

/* The same with the private key that is the vault's. */
static bool mix_vault(
	struct work *w, const struct noise_keys *keys, const uint8_t public_key[KEY_LEN])
{
	struct noise_mix mix = {0};
	bool ok;

	memcpy(mix.point, public_key, KEY_LEN);
	memcpy(mix.ck, w->symmetric.ck, HASH_LEN);
	keys->mix(keys->ctx, NOISE_DH, &mix, 1);
	memcpy(w->symmetric.ck, mix.ck, HASH_LEN);
	memcpy(w->key, mix.key, KEY_LEN);
	ok = mix.error == 0;
	wipe(&mix, sizeof(mix));
	return ok;
}

static void seal(struct work *w, uint8_t *dst, const void *src, size_t len)
{
	aead_seal(dst, src, len, w->symmetric.hash, HASH_LEN, 0, w->key);
	mix_hash(w, dst, len + AEAD_TAG_LEN);
}

static bool open_sealed(struct work *w, void *dst, const uint8_t *src, size_t len)
{
	if (!aead_open(dst, src, len, w->symmetric.hash, HASH_LEN, 0, w->key))
		return false;
	mix_hash(w, src, len);
	return true;
}

/* --- what was said --------------------------------------------------- */

/* Printable ASCII, then NULs to the end, at least one: what comes from strangers and will be shown
 * on terminals. */
static bool text_is_plain(const char *text, size_t size)
{
	size_t len = strnlen(text, size);

	for (size_t i = 0; i < len; i++) {
		if (text[i] < ' ' || text[i] > '~')
			return false;
	}
	return len < size && bytes_are_zero(text + len, size - len);
}

bool enrol_request_is_valid(const struct enrol_request *request)
{
	return request->version == ENROL_VERSION && request->flags == 0 &&
	       bytes_are_zero(request->reserved, sizeof(request->reserved)) &&
	       text_is_plain(request->network, sizeof(request->network)) &&
	       network_name_is_valid(request->network) &&
	       text_is_plain(request->hostname, sizeof(request->hostname)) &&
	       text_is_plain(request->agent_version, sizeof(request->agent_version));
}

/* A node's address with the prefix length of its network, and the hub's in the same network. */
static bool addresses_are_valid(
	const struct prefix *node, const struct prefix *hub, uint16_t family)
{
	return node->family == family && prefix_is_valid(node) && prefix_is_private(node) &&
	       prefix_is_address(hub) && prefix_contains(node, hub) &&
	       memcmp(node->addr, hub->addr, sizeof(node->addr)) != 0;
}

/* The hub may have put nonsense together, but not any that the node's own system must see. Reserved
 * bytes are zero, or they could never mean anything. */
static bool answer_is_valid(const struct enrol_answer *answer)
{
	if (answer->version != ENROL_VERSION || answer->state < ENROL_ACTIVE ||
		answer->state > ENROL_EXPIRED ||
		!text_is_plain(answer->name, sizeof(answer->name)) ||
		!bytes_are_zero(answer->reserved, sizeof(answer->reserved)))
		return false;
	return answer->state != ENROL_ACTIVE ||
	       (node_name_is_valid(answer->name) && answer->hub_port != 0 &&
		       answer->api_port != 0 &&
		       addresses_are_valid(&answer->address4, &answer->hub_address4, AF_INET) &&
		       addresses_are_valid(&answer->address6, &answer->hub_address6, AF_INET6));
}

/* --- byte order: the machine's to the wire's, or back ---------------- */

static void convert_request(struct enrol_request *request)
{
	request->version = htole32(request->version);
	request->flags = htole32(request->flags);
	request->time_s = htole64(request->time_s);
}

static void convert_answer(struct enrol_answer *answer)
{
	struct prefix *prefixes[] = {
		&answer->address4, &answer->address6, &answer->hub_address4, &answer->hub_address6};

	answer->version = htole32(answer->version);
	answer->state = htole32(answer->state);
	answer->node_id = htole32(answer->node_id);
	answer->hub_port = htole16(answer->hub_port);
	answer->api_port = htole16(answer->api_port);
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		prefixes[i]->family = htole16(prefixes[i]->family);
}

static void seal_request(struct work *w, uint8_t *dst, const struct enrol_request *request)
{
	struct enrol_request converted = *request;

	convert_request(&converted);
	seal(w, dst, &converted, sizeof(converted));
	wipe(&converted, sizeof(converted));
}

static void seal_answer(struct work *w, uint8_t *dst, const struct enrol_answer *answer)
{
	struct enrol_answer converted = *answer;

	convert_answer(&converted);
	seal(w, dst, &converted, sizeof(converted));
}

/* --- the node -------------------------------------------------------- */

int enrol_create_request(struct enrol_initiator *initiator, const uint8_t node_private[KEY_LEN],
	const uint8_t hub_key[KEY_LEN], const struct enrol_request *request,
	const uint8_t random[36], uint64_t now_ns, struct message_enrol *ret_message)
{
	struct message_enrol m = {
		.type = le32(ENROL_TYPE_REQUEST), .index = le32(load_le32(random + KEY_LEN))};
	uint8_t node_key[KEY_LEN];
	struct work w = {0};
	int r = -EKEYREJECTED;

	work_init(&w, hub_key);
	/* e */
	dh_public(m.ephemeral, random);
	mix_hash(&w, m.ephemeral, KEY_LEN);
	/* es, s, ss */
	if (mix_dh(&w, random, hub_key)) {
		dh_public(node_key, node_private);
		seal(&w, m.encrypted_static, node_key, KEY_LEN);
		r = mix_dh(&w, node_private, hub_key) ? 0 : -EKEYREJECTED;
	}
	if (r == 0) {
		seal_request(&w, m.encrypted_payload, request);
		initiator->index = load_le32(&m.index);
		initiator->symmetric = w.symmetric;
		memcpy(initiator->ephemeral_private, random, KEY_LEN);
		memcpy(initiator->node_private, node_private, KEY_LEN);
		memcpy(initiator->hub_key, hub_key, KEY_LEN);
		cookie_mac1_key(initiator->mac1_key, node_key);
		cookie_add_macs(&initiator->cookies, hub_key, &m, sizeof(m), now_ns);
		*ret_message = m;
	}
	work_end(&w);
	return r;
}

static int consume_cookie(struct enrol_initiator *initiator,
	const struct message_cookie_reply *reply, uint64_t now_ns)
{
	return load_le32(&reply->receiver_index) == initiator->index &&
			       cookie_consume_reply(
				       &initiator->cookies, initiator->hub_key, reply, now_ns)
		       ? -EAGAIN
		       : -EBADMSG;
}

static bool open_response(const struct enrol_initiator *initiator, const struct message_enrol *m,
	struct enrol_answer *ret_answer)
{
	struct work w = {.symmetric = initiator->symmetric};
	bool ok;

	/* e, ee, se */
	mix_hash(&w, m->ephemeral, KEY_LEN);
	ok = mix_dh(&w, initiator->ephemeral_private, m->ephemeral) &&
	     mix_dh(&w, initiator->node_private, m->ephemeral) &&
	     open_sealed(&w, ret_answer, m->encrypted_payload, sizeof(m->encrypted_payload));
	if (ok)
		convert_answer(ret_answer);
	work_end(&w);
	return ok;
}

int enrol_consume_response(struct enrol_initiator *initiator, const void *datagram, size_t len,
	uint64_t now_ns, struct enrol_answer *ret_answer)
{
	struct message_cookie_reply reply;
	struct message_enrol m;
	struct enrol_answer answer;

	if (len == sizeof(reply) && load_le32(datagram) == ENROL_TYPE_COOKIE) {
		memcpy(&reply, datagram, sizeof(reply));
		return consume_cookie(initiator, &reply, now_ns);
	}
	if (len != sizeof(m) || load_le32(datagram) != ENROL_TYPE_RESPONSE ||
		!cookie_mac1_is_valid(initiator->mac1_key, datagram, len))
		return -EBADMSG;
	memcpy(&m, datagram, sizeof(m));
	if (load_le32(&m.index) != initiator->index || !bytes_are_zero(m.mac2, sizeof(m.mac2)) ||
		!open_response(initiator, &m, &answer) || !answer_is_valid(&answer))
		return -EBADMSG;
	*ret_answer = answer;
	return 0;
}

/* --- the hub --------------------------------------------------------- */

void enrol_create_cookie(const struct cookie_checker *checker, const struct endpoint *source,
	const struct message_enrol *message, const uint8_t nonce[XAEAD_NONCE_LEN],
	struct message_cookie_reply *ret_reply)
{
	cookie_create_reply(checker, source, message, sizeof(*message), nonce, ret_reply);
	ret_reply->type = le32(ENROL_TYPE_COOKIE);
}

int enrol_open_request(struct enrol_responder *ret_responder, struct enrol_request *ret_request,
	const struct message_enrol *message, const struct noise_keys *keys,
	const uint8_t hub_key[KEY_LEN])
{
	struct enrol_request request = {0};
	uint8_t node_key[KEY_LEN];
	struct work w = {0};
	bool ok;

	work_init(&w, hub_key);
	/* e, es, s, ss */
	mix_hash(&w, message->ephemeral, KEY_LEN);
	ok = mix_vault(&w, keys, message->ephemeral) &&
	     open_sealed(
		     &w, node_key, message->encrypted_static, sizeof(message->encrypted_static)) &&
	     mix_vault(&w, keys, node_key) &&
	     open_sealed(
		     &w, &request, message->encrypted_payload, sizeof(message->encrypted_payload));
	convert_request(&request);
	ok = ok && enrol_request_is_valid(&request);
	if (ok) {
		ret_responder->remote_index = load_le32(&message->index);
		ret_responder->symmetric = w.symmetric;
		memcpy(ret_responder->remote_ephemeral, message->ephemeral, KEY_LEN);
		memcpy(ret_responder->node_key, node_key, KEY_LEN);
		*ret_request = request;
	}
	wipe(&request, sizeof(request));
	work_end(&w);
	return ok ? 0 : -EBADMSG;
}

int enrol_create_response(const struct enrol_responder *responder,
	const struct enrol_answer *answer, const uint8_t random[80],
	struct message_enrol *ret_message)
{
	struct message_enrol m = {
		.type = le32(ENROL_TYPE_RESPONSE), .index = le32(responder->remote_index)};
	struct work w = {.symmetric = responder->symmetric};
	struct cookie_maker no_cookie = {0};
	int r = -EKEYREJECTED;

	/* e */
	dh_public(m.ephemeral, random);
	mix_hash(&w, m.ephemeral, KEY_LEN);
	memcpy(m.encrypted_static, random + KEY_LEN, sizeof(m.encrypted_static));
	/* ee, se */
	if (mix_dh(&w, random, responder->remote_ephemeral) &&
		mix_dh(&w, random, responder->node_key)) {
		seal_answer(&w, m.encrypted_payload, answer);
		cookie_add_macs(&no_cookie, responder->node_key, &m, sizeof(m), 0);
		*ret_message = m;
		r = 0;
	}
	work_end(&w);
	return r;
}
