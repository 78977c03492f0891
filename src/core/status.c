/* SPDX-License-Identifier: MIT
 *
 * The names of what is counted.
 */
#include "core/status.h"

const char *drop_name(enum drop reason)
{
	static const char *const names[DROP_NUM] = {
		[DROP_NONE] = "none",
		[DROP_WRONG_LENGTH] = "wrong_length",
		[DROP_UNKNOWN_TYPE] = "unknown_type",
		[DROP_BAD_MAC1] = "bad_mac1",
		[DROP_BAD_MAC2] = "bad_mac2",
		[DROP_RATE_LIMITED] = "rate_limited",
		[DROP_QUEUE_FULL] = "queue_full",
		[DROP_UNKNOWN_INDEX] = "unknown_index",
		[DROP_UNKNOWN_PEER] = "unknown_peer",
		[DROP_BAD_HANDSHAKE] = "bad_handshake",
		[DROP_OLD_TIMESTAMP] = "old_timestamp",
		[DROP_INITIATION_FLOOD] = "initiation_flood",
		[DROP_BAD_COOKIE_REPLY] = "bad_cookie_reply",
		[DROP_KEYPAIR_EXPIRED] = "keypair_expired",
		[DROP_BAD_TAG] = "bad_tag",
		[DROP_REPLAYED] = "replayed",
		[DROP_BAD_INNER] = "bad_inner",
		[DROP_NOT_ALLOWED] = "not_allowed",
		[DROP_NO_PEER] = "no_peer",
		[DROP_NO_ENDPOINT] = "no_endpoint",
		[DROP_REFUSED] = "refused",
		[DROP_STAGED] = "staged",
		[DROP_LOOP] = "loop",
		[DROP_SEND_FAILED] = "send_failed",
		[DROP_DELIVER_FAILED] = "deliver_failed",
	};

	return names[reason];
}
