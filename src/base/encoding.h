/* SPDX-License-Identifier: MIT
 *
 * Keys as text: base64 (config files, the command line) and hex (UAPI). Encoding and decoding
 * run in constant time for a given length, because keys pass through here.
 */
#ifndef ADIT_BASE_ENCODING_H
#define ADIT_BASE_ENCODING_H

#include "base/bytes.h"

enum {
	KEY_BASE64_LEN = 44, /* characters, without the terminating NUL */
	KEY_HEX_LEN = 64,
};

/* Write the key as 44 base64 characters and a NUL. */
void key_to_base64(char ret_text[KEY_BASE64_LEN + 1], const uint8_t key[KEY_LEN]);

/* Read a key of exactly text_len == 44 base64 characters in canonical form (RFC 4648 section 4).
 * Returns 0, or -EINVAL with ret_key untouched. */
MUST_CHECK int key_from_base64(uint8_t ret_key[KEY_LEN], const char *text, size_t text_len);

/* Write the key as 64 lower-case hex digits and a NUL. */
void key_to_hex(char ret_text[KEY_HEX_LEN + 1], const uint8_t key[KEY_LEN]);

/* Read a key of exactly text_len == 64 hex digits of either case.
 * Returns 0, or -EINVAL with ret_key untouched. */
MUST_CHECK int key_from_hex(uint8_t ret_key[KEY_LEN], const char *text, size_t text_len);

#endif
