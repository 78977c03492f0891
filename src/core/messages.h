/* SPDX-License-Identifier: MIT
 *
 * The four messages on the wire (WireGuard paper, section 5.4) and the protocol's constants
 * (section 6, and the kernel implementation where the paper is silent). All numbers are
 * little endian; a message begins with its type as one 32-bit word.
 */
#ifndef ADIT_CORE_MESSAGES_H
#define ADIT_CORE_MESSAGES_H

#include "base/bytes.h"
#include "base/clock.h"
#include "core/replay.h"
#include "crypto/aead.h"
#include "crypto/hash.h"

#define REKEY_AFTER_MESSAGES (UINT64_C(1) << 60)
#define REKEY_AFTER_TIME_NS (120 * SECOND_NS)
#define REJECT_AFTER_TIME_NS (180 * SECOND_NS)
#define REKEY_ATTEMPT_TIME_NS (90 * SECOND_NS)
#define REKEY_TIMEOUT_NS (5 * SECOND_NS)
#define REKEY_TIMEOUT_JITTER_MAX_NS (333 * MSEC_NS)
#define KEEPALIVE_TIMEOUT_NS (10 * SECOND_NS)
#define COOKIE_SECRET_MAX_AGE_NS (120 * SECOND_NS)
#define COOKIE_SECRET_LATENCY_NS (5 * SECOND_NS)
#define INITIATION_INTERVAL_MIN_NS (SECOND_NS / 50) /* between those consumed from one peer */

enum {
	MAX_TIMER_HANDSHAKES = 18, /* REKEY_ATTEMPT_TIME / REKEY_TIMEOUT */
	MAX_PEERS = 1 << 20,
	PADDING_MULTIPLE = 16,
	HANDSHAKE_TOS = 0x88, /* AF41, ECN 0 */
	TAI64N_LEN = 12,
	COOKIE_LEN = 16,
};

enum message_type {
	MESSAGE_INITIATION = 1,
	MESSAGE_RESPONSE = 2,
	MESSAGE_COOKIE_REPLY = 3,
	MESSAGE_DATA = 4,
};

struct message_macs {
	uint8_t mac1[MAC_LEN];
	uint8_t mac2[MAC_LEN];
};

struct message_initiation {
	struct le32 type;
	struct le32 sender_index;
	uint8_t ephemeral[KEY_LEN];
	uint8_t encrypted_static[KEY_LEN + AEAD_TAG_LEN];
	uint8_t encrypted_timestamp[TAI64N_LEN + AEAD_TAG_LEN];
	struct message_macs macs;
};
static_assert(sizeof(struct message_initiation) == 148, "wire format");

struct message_response {
	struct le32 type;
	struct le32 sender_index;
	struct le32 receiver_index;
	uint8_t ephemeral[KEY_LEN];
	uint8_t encrypted_nothing[AEAD_TAG_LEN];
	struct message_macs macs;
};
static_assert(sizeof(struct message_response) == 92, "wire format");

struct message_cookie_reply {
	struct le32 type;
	struct le32 receiver_index;
	uint8_t nonce[XAEAD_NONCE_LEN];
	uint8_t encrypted_cookie[COOKIE_LEN + AEAD_TAG_LEN];
};
static_assert(sizeof(struct message_cookie_reply) == 64, "wire format");

struct message_data { /* followed by the sealed packet and its tag */
	struct le32 type;
	struct le32 receiver_index;
	struct le64 counter;
};
static_assert(sizeof(struct message_data) == 16, "wire format");

enum {
	HANDSHAKE_MESSAGE_MAX = sizeof(struct message_initiation), /* the longest of types 1 to 3 */
	MESSAGE_DATA_MIN = sizeof(struct message_data) + AEAD_TAG_LEN, /* a keepalive */
};

/* The exact length that a message of types 1 to 3 must have, 0 for any other type. */
static inline size_t message_handshake_len(uint32_t type)
{
	switch (type) {
	case MESSAGE_INITIATION:
		return sizeof(struct message_initiation);
	case MESSAGE_RESPONSE:
		return sizeof(struct message_response);
	case MESSAGE_COOKIE_REPLY:
		return sizeof(struct message_cookie_reply);
	default:
		return 0;
	}
}

#endif
