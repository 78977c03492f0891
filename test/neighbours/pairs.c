/* SPDX-License-Identifier: MIT
 *
 * The tables.
 */
#include "pairs.h"

#include "lies.h"
#include "rules.h"
#include "session.h"

#define HANDSHAKES (1U << MESSAGE_INITIATION | 1U << MESSAGE_RESPONSE)
#define COOKIE_REPLIES (1U << MESSAGE_COOKIE_REPLY)

/* Some peer, whether it is there or not; one that is there; one that is not. */
#define PEER                                                             \
	{                                                                \
		RULE_BELOW, AT(struct request, peer_id), 0, MAX_PEERS, 0 \
	}
#define PEER_THERE                                                       \
	{                                                                \
		RULE_FILL, AT(struct request, peer_id), 0, FUZZ_PEERS, 0 \
	}
#define PEER_GONE                                                                 \
	{                                                                         \
		RULE_BELOW, AT(struct request, peer_id), FUZZ_PEERS, MAX_PEERS, 0 \
	}
/* --- monitor -> vault ------------------------------------------------ */

static const struct kind vault_requests[] = {
	{"set private key", VAULT_SET_PRIVATE_KEY, true, false, {PEER}},
	{"get private key", VAULT_GET_PRIVATE_KEY, true, false, {PEER}},
	{"add peer", VAULT_ADD_PEER, true, false, {PEER}},
	{"remove peer", VAULT_REMOVE_PEER, true, false, {PEER}},
	{"set psk", VAULT_SET_PSK, true, false, {PEER}},
	{"get psk", VAULT_GET_PSK, true, false, {PEER}},
};

/* --- engine -> vault ------------------------------------------------- */

#define MIX_PEER(rule, i)                                                        \
	{                                                                        \
		rule, AT(struct vault_mixing, mixes[i].peer_id), 0, MAX_PEERS, 0 \
	}
#define MIX_PEERS_TO_2 MIX_PEER(RULE_BELOW, 0), MIX_PEER(RULE_LISTED, 1), MIX_PEER(RULE_LISTED, 2)
#define MIX_PEERS(rule)                                                          \
	MIX_PEERS_TO_2, MIX_PEER(rule, 3), MIX_PEER(rule, 4), MIX_PEER(rule, 5), \
		MIX_PEER(rule, 6), MIX_PEER(rule, 7)
#define MIXES MIX_NUM(1, NOISE_MIXES_MAX + 1), MIX_PEERS(RULE_LISTED)
#define MIX_NUM(first, end)                                              \
	{                                                                \
		RULE_WITHIN, AT(struct vault_mixing, num), first, end, 0 \
	}

static const struct kind mixings[] = {
	{"dh", NOISE_DH, true, false, {MIXES}},
	{"static", NOISE_STATIC, true, false, {MIXES}},
	{"psk", NOISE_PSK, true, false, {MIXES}},
	{"ee se psk", NOISE_EE_SE_PSK, true, false, {MIXES}},
	{"answer", NOISE_ANSWER, true, false,
		{MIX_NUM(NOISE_ANSWER_MIXES, NOISE_ANSWER_MIXES + 1), MIX_PEERS(RULE_FILL)}},
};

/* --- monitor -> engine, datapath ------------------------------------- */

#define LINK \
	BELOW(struct request, link.up, 2), BELOW(struct request, link.mtu, PACKET_MAX + 1), PEER

static const struct kind engine_requests[] = {
	{"sync", REQUEST_SYNC, true, false, {PEER}},
	{"set public key", REQUEST_SET_PUBLIC_KEY, false, false, {PEER}},
	{"set link", REQUEST_SET_LINK, false, false, {LINK}},
	{"add peer", REQUEST_ADD_PEER, false, true, {PEER}},
	{"remove peer", REQUEST_REMOVE_PEER, false, false, {PEER_GONE}},
	{"set keepalive", REQUEST_SET_KEEPALIVE, false, false,
		{BELOW(struct request, keepalive_s, UINT16_MAX + 1), PEER_THERE}},
};

static const struct kind datapath_requests[] = {
	{"sync", REQUEST_SYNC, true, false, {PEER}},
	{"set public key", REQUEST_SET_PUBLIC_KEY, false, false, {PEER}},
	{"set link", REQUEST_SET_LINK, false, false, {LINK}},
	{"add peer", REQUEST_ADD_PEER, false, true, {PEER}},
	{"remove peer", REQUEST_REMOVE_PEER, false, false, {PEER_GONE}},
	{"set endpoint", REQUEST_SET_ENDPOINT, false, false,
		{PEER, {RULE_FAMILY, AT(struct request, endpoint.family), 0, 0, 0}}},
	{"add allowed ip", REQUEST_ADD_ALLOWED_IP, false, false,
		{{RULE_PREFIX, AT(struct request, prefix), 0, 0, 0}, PEER_THERE}},
	{"remove allowed ip", REQUEST_REMOVE_ALLOWED_IP, false, false,
		{PEER, {RULE_PREFIX, AT(struct request, prefix), 0, 0, 0}}},
	{"clear allowed ips", REQUEST_CLEAR_ALLOWED_IPS, false, false, {PEER}},
	{"set sockets", REQUEST_SET_SOCKETS, false, false,
		{PEER, BELOW(struct request, sockets.has_ipv4, 1),
			BELOW(struct request, sockets.has_ipv6, 1),
			BELOW(struct request, sockets.lane, 1)}},
	{"forget sources", REQUEST_FORGET_SOURCES, false, false, {PEER}},
	{"forget source", REQUEST_FORGET_SOURCE, false, false,
		{PEER, {RULE_FAMILY, AT(struct request, endpoint.family), 0, 0, 0}}},
	{"get peer", REQUEST_GET_PEER, true, false,
		{{RULE_CURSOR, AT(struct request, cursor), 0, 0, 0}, PEER_THERE}},
	{"watch", REQUEST_WATCH, false, false, {PEER, BELOW(struct request, watch, 2)}},
	{"refuse", REQUEST_REFUSE, false, false,
		{PEER, {RULE_ADDRESS, AT(struct request, prefix), 0, 0, 0}}},
};

/* --- datapath -> engine ---------------------------------------------- */

#define SHORT_EVENT                                                     \
	PEER, BELOW(struct event, len, 1),                              \
	{                                                               \
		RULE_FAMILY, AT(struct event, endpoint.family), 0, 0, 0 \
	}

static const struct kind events[] = {
	{"handshake message", EVENT_HANDSHAKE_MESSAGE, false, false,
		{PEER, {RULE_SOME_FAMILY, AT(struct event, endpoint.family), 0, 0, 0},
			{RULE_HANDSHAKE, AT(struct event, len), 0, HANDSHAKES | COOKIE_REPLIES,
				offsetof(struct event, message) - offsetof(struct event, len)}}},
	{"want handshake", EVENT_WANT_HANDSHAKE, false, false, {SHORT_EVENT}},
	{"watch", EVENT_WATCH, false, false, {SHORT_EVENT}},
	{"keypair confirmed", EVENT_KEYPAIR_CONFIRMED, false, false, {SHORT_EVENT}},
	{"keypair gone", EVENT_KEYPAIR_GONE, false, false, {SHORT_EVENT}},
};

/* --- engine -> datapath ---------------------------------------------- */

#define HANDSHAKE(types)                                                     \
	PEER, BELOW(struct control, handshake.forget_source, 2),             \
	{                                                                    \
		RULE_HANDSHAKE, AT(struct control, handshake.len), 0, types, \
			offsetof(struct control, handshake.message) -        \
				offsetof(struct control, handshake.len)      \
	}

static const struct kind controls[] = {
	{"send handshake", CONTROL_SEND_HANDSHAKE, false, false,
		{BELOW(struct control, handshake.endpoint.family, 1), HANDSHAKE(HANDSHAKES)}},
	{"send cookie reply", CONTROL_SEND_COOKIE_REPLY, false, false,
		{{RULE_SOME_FAMILY, AT(struct control, handshake.endpoint.family), 0, 0, 0},
			HANDSHAKE(COOKIE_REPLIES)}},
	{"install keypair", CONTROL_INSTALL_KEYPAIR, false, false,
		{PEER, {RULE_SOME_FAMILY, AT(struct control, keypair.endpoint.family), 0, 0, 0},
			{RULE_NONZERO, AT(struct control, keypair.local_index), 0, 0, 0},
			BELOW(struct control, keypair.is_initiator, 2)}},
	{"clear keypairs", CONTROL_CLEAR_KEYPAIRS, false, false, {PEER}},
	{"expire sending", CONTROL_EXPIRE_SENDING, false, false, {PEER}},
	{"send keepalive", CONTROL_SEND_KEEPALIVE, false, false, {PEER}},
	{"purge staged", CONTROL_PURGE_STAGED, false, false, {PEER}},
};

const struct pair tunnel_pairs[] = {
	{.name = "monitor-vault",
		.survivor = ROLE_VAULT,
		.end = END_MONITOR,
		.speaker = "monitor",
		.len = sizeof(struct vault_request),
		KINDS(vault_requests),
		.acts = vault_acts},
	{.name = "engine-vault",
		.survivor = ROLE_VAULT,
		.end = END_FIRST,
		.speaker = "engine",
		.len = sizeof(struct vault_mixing),
		KINDS(mixings),
		.acts = vault_acts},
	{.name = "monitor-engine",
		.survivor = ROLE_ENGINE,
		.end = END_MONITOR,
		.speaker = "monitor",
		.len = sizeof(struct request),
		KINDS(engine_requests),
		.acts = engine_acts},
	{.name = "vault-engine",
		.survivor = ROLE_ENGINE,
		.end = END_FIRST,
		.speaker = "vault",
		.answers = true,
		.lie = lie_to_engine,
		.num_lies = NUM_VAULT_LIES},
	{.name = "datapath-engine",
		.survivor = ROLE_ENGINE,
		.end = END_SECOND,
		.speaker = "datapath",
		.len = sizeof(struct event),
		KINDS(events)},
	{.name = "monitor-datapath",
		.survivor = ROLE_DATAPATH,
		.end = END_MONITOR,
		.speaker = "monitor",
		.len = sizeof(struct request),
		KINDS(datapath_requests),
		.acts = datapath_acts},
	{.name = "engine-datapath",
		.survivor = ROLE_DATAPATH,
		.end = END_FIRST,
		.speaker = "engine",
		.len = sizeof(struct control),
		KINDS(controls)},
};
const size_t num_tunnel_pairs = ARRAY_SIZE(tunnel_pairs);
