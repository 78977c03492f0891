/* SPDX-License-Identifier: MIT
 *
 * Included before all else in enrol.c: what the messages of an enrolment say is public to whoever
 * may open them, as names and addresses are looked at character by character; but for the join key.
 */
#ifndef ADIT_TEST_CT_ENROL_VERDICT_H
#define ADIT_TEST_CT_ENROL_VERDICT_H

#include "crypto/aead.h"
#include "verdict.h"

/* The key that stays secret wherever it is in what was opened. */
extern const uint8_t *ct_join_key;

static inline bool open_and_publish(uint8_t *dst, const uint8_t *src, size_t len, const void *aad,
	size_t aad_len, uint64_t counter, const uint8_t key[KEY_LEN])
{
	bool ok = aead_open(dst, src, len, aad, aad_len, counter, key);

	publish(dst, len - AEAD_TAG_LEN);
	for (size_t i = 0; ok && i + KEY_LEN <= len - AEAD_TAG_LEN; i += 8) {
		if (memcmp(dst + i, ct_join_key, KEY_LEN) == 0) {
			secret(dst + i, KEY_LEN);
			break;
		}
	}
	return ok;
}

#define aead_open open_and_publish

#endif
