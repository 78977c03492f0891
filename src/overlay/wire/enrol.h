/* SPDX-License-Identifier: MIT
 *
 * Enrolment: how a node that the hub does not know yet becomes a member, by one datagram each way.
 * Noise_IK_25519_ChaChaPoly_BLAKE2s with a construction string of our own; the node is the
 * initiator, its node key the static key. MAC1, MAC2 and cookies are exactly an initiation's, so
 * the hub is silent to whoever does not know its key, and a flood of requests costs it little.
 * Request and response have one size: nothing is amplified.
 *
 * What a request says is readable to whoever recorded it and gets the hub's enrolment key later
 * (Noise IK: the first message has no forward secrecy); the join key in it is of use until it
 * expires, is used up or revoked.
 *
 * Nothing here does I/O. The responder's static key is behind struct noise_keys (core/noise.h): a
 * vault's.
 */
#ifndef ADIT_OVERLAY_WIRE_ENROL_H
#define ADIT_OVERLAY_WIRE_ENROL_H

#include "base/address.h"
#include "core/cookie.h"
#include "core/noise.h"
#include "overlay/wire/names.h"

enum { ENROL_TYPE_REQUEST = 0x41, ENROL_TYPE_RESPONSE = 0x42, ENROL_TYPE_COOKIE = 0x43 };
enum { ENROL_VERSION = 1, ENROL_AGENT_VERSION_MAX = 31 };

/* What a node says. A plain value that crosses the wire (encrypted) and processes; text is padded
 * with NULs and ends with one. Numbers are little endian on the wire. Holds a secret. */
struct enrol_request {
	uint32_t version; /* ENROL_VERSION */
	uint32_t flags;	  /* 0 */
	uint8_t join_key[KEY_LEN];
	char network[NETWORK_NAME_MAX + 1];
	char hostname[NODE_NAME_MAX + 1];
	char agent_version[ENROL_AGENT_VERSION_MAX + 1];
	uint64_t time_s;      /* unix time by the node's clock, right or wrong: of two requests the
			       * newer has more */
	uint8_t reserved[96]; /* zero; makes request and response equally long */
};
static_assert(sizeof(struct enrol_request) == 256, "crosses the wire");

enum enrol_state { ENROL_ACTIVE = 1, ENROL_PENDING = 2, ENROL_EXPIRED = 3 };

/* What the hub answers a node with a valid join key, or one it knows already. While the state is
 * pending or expired only name and state mean something. */
struct enrol_answer {
	uint32_t version;
	uint32_t state; /* enum enrol_state */
	uint32_t node_id;
	uint16_t hub_port;		  /* UDP, of its tunnel, at the host that was asked */
	uint16_t api_port;		  /* TCP, at hub_address4 or hub_address6 */
	uint8_t hub_key[KEY_LEN];	  /* of its tunnel */
	char name[NODE_NAME_MAX + 1];	  /* may be another than the hostname: that was taken */
	struct prefix address4, address6; /* the node's, with the prefix length of the network */
	struct prefix hub_address4, hub_address6; /* /32 and /128 */
	uint8_t reserved[64];			  /* zero */
};
static_assert(sizeof(struct enrol_answer) == 256, "crosses the wire");

struct message_enrol {
	struct le32 type;  /* ENROL_TYPE_REQUEST or ENROL_TYPE_RESPONSE */
	struct le32 index; /* the sender's in a request, the receiver's in a response */
	uint8_t ephemeral[KEY_LEN];
	uint8_t encrypted_static[KEY_LEN + AEAD_TAG_LEN]; /* response: random */
	uint8_t encrypted_payload[256 + AEAD_TAG_LEN];
	uint8_t mac1[MAC_LEN];
	uint8_t mac2[MAC_LEN]; /* response: zero */
};
static_assert(sizeof(struct message_enrol) == 392, "wire format");

/* A request under way, as the node keeps it. All of it is to be wiped. */
struct enrol_initiator {
	uint32_t index;
	struct noise_symmetric symmetric;
	uint8_t ephemeral_private[KEY_LEN];
	uint8_t node_private[KEY_LEN];
	uint8_t hub_key[KEY_LEN];
	uint8_t mac1_key[KEY_LEN]; /* of responses */
	struct cookie_maker cookies;
};

/* Write a request. random is 36 fresh random bytes (ephemeral key, index). A cookie that initiator
 * holds and that is still good at now_ns is used: initiator is all zero at first and kept from one
 * try to the next. Returns 0, or -EKEYREJECTED for a hub key that is none. */
MUST_CHECK int enrol_create_request(struct enrol_initiator *initiator,
	const uint8_t node_private[KEY_LEN], const uint8_t hub_key[KEY_LEN],
	const struct enrol_request *request, const uint8_t random[36], uint64_t now_ns,
	struct message_enrol *ret_message);

/* Take in what came back. Returns 0 with the answer, whose fields are in range, whose addresses are
 * private ones of one network, and whose text is printable ASCII and ends with a NUL; -EAGAIN for a
 * cookie reply that was kept: send another request; -EBADMSG for anything else, which is to be
 * ignored, a late answer to an earlier request too: go on waiting before the next one. */
MUST_CHECK int enrol_consume_response(struct enrol_initiator *initiator, const void *datagram,
	size_t len, uint64_t now_ns, struct enrol_answer *ret_answer);

/* A request the hub has opened; kept until it is answered. To be wiped. */
struct enrol_responder {
	uint32_t remote_index;
	struct noise_symmetric symmetric;
	uint8_t remote_ephemeral[KEY_LEN];
	uint8_t node_key[KEY_LEN]; /* proven to be the sender's */
};

/* Ask the sender of a request whose mac1 is valid for a cookie (core/cookie.h, with another type);
 * nonce is 24 random bytes. */
void enrol_create_cookie(const struct cookie_checker *checker, const struct endpoint *source,
	const struct message_enrol *message, const uint8_t nonce[XAEAD_NONCE_LEN],
	struct message_cookie_reply *ret_reply);

/* Whether a request that another process has opened is one: version, flags, and text that is
 * printable ASCII and ends with a NUL; the network's name is valid. */
MUST_CHECK bool enrol_request_is_valid(const struct enrol_request *request);

/* Open a request whose size, type and macs were checked (core/cookie.h does that). Returns 0 or
 * -EBADMSG. The request is valid, as above. */
MUST_CHECK int enrol_open_request(struct enrol_responder *ret_responder,
	struct enrol_request *ret_request, const struct message_enrol *message,
	const struct noise_keys *keys, const uint8_t hub_key[KEY_LEN]);

/* Write the response. random is 32 + 48 fresh random bytes. mac1 is keyed with the node's key.
 * Returns 0, or -EKEYREJECTED for a node key or ephemeral that is none. */
MUST_CHECK int enrol_create_response(const struct enrol_responder *responder,
	const struct enrol_answer *answer, const uint8_t random[80],
	struct message_enrol *ret_message);

#endif
