/* SPDX-License-Identifier: MIT
 *
 * The replay window of a receiving key (RFC 6479). Word w of the counter space lives at
 * bits[w % NUM_WORDS]; moving ahead clears the words that are entered, nothing is shifted.
 */
#include "core/replay.h"

enum { NUM_WORDS = REPLAY_BITS / 64 };

bool replay_accept(struct replay *replay, uint64_t counter)
{
	if (counter >= REJECT_AFTER_MESSAGES)
		return false;

	const uint64_t place = counter + 1, word = place / 64;
	const uint64_t bit = UINT64_C(1) << (place % 64);

	if (place + REPLAY_WINDOW < replay->next)
		return false;
	if (place > replay->next) {
		const uint64_t entered = word - replay->next / 64;

		for (uint64_t i = 0; i < entered && i < NUM_WORDS; i++)
			replay->bits[(word - i) % NUM_WORDS] = 0;
		replay->next = place;
	}
	if (replay->bits[word % NUM_WORDS] & bit)
		return false;
	replay->bits[word % NUM_WORDS] |= bit;
	return true;
}
