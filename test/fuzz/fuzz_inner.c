/* SPDX-License-Identifier: MIT
 *
 * Fuzzes everything that reads inner packets. Whatever comes in, pointers stay within the packet,
 * a merged ECN field keeps the header valid, and an ICMP answer parses and is never answered.
 */
#include <stdlib.h>

#include "core/inner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* The first byte of the input is the outer TOS, the rest the packet. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t answer[INNER_UNREACHABLE_MAX], answer_to_answer[INNER_UNREACHABLE_MAX];
	const uint8_t *payload;
	struct inner inner, after;
	uint16_t port;

	if (size == 0)
		return 0;

	const size_t len = size - 1;
	uint8_t *packet = malloc(len ? len : 1);

	require(packet != NULL);
	memcpy(packet, data + 1, len);
	if (inner_parse(packet, len, &inner) && inner_udp(packet, &inner, 4, &port, &payload))
		require(payload >= packet + 28 && payload + 4 <= packet + len);

	const size_t answer_len = inner_unreachable(answer, packet, len, data[0] & 4);

	if (inner_parse(packet, len, &inner)) {
		require(inner.len <= len && inner.src > packet && inner.dst < packet + inner.len);
		inner_ecn_decapsulate(packet, &inner, data[0]);
		require(inner_parse(packet, len, &after) && after.len == inner.len);
		require((after.tos & 0xfc) == (inner.tos & 0xfc));
		require((after.tos & 3) == 0 ? (inner.tos & 3) == 0 : (inner.tos & 3) != 0);
	} else {
		require(answer_len == 0);
	}
	if (answer_len) {
		require(inner_parse(answer, answer_len, &after));
		require(after.family == inner.family && after.len == answer_len);
		require(inner_unreachable(answer_to_answer, answer, answer_len, false) == 0);
	}
	free(packet);
	return 0;
}
