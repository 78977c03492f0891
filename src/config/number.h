/* SPDX-License-Identifier: MIT
 *
 * Decimal numbers out of text that has a length and no terminating NUL.
 */
#ifndef ADIT_CONFIG_NUMBER_H
#define ADIT_CONFIG_NUMBER_H

#include "base/bytes.h"

/* Read a number of digits alone: no sign, no spaces. Returns true and sets *ret_number, or false
 * for anything else and for numbers over max. */
static inline bool number_from_text(
	const char *text, size_t len, uint64_t max, uint64_t *ret_number)
{
	uint64_t number = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned digit = (unsigned)(unsigned char)text[i] - '0';

		if (digit > 9 || digit > max || number > (max - digit) / 10)
			return false;
		number = number * 10 + digit;
	}
	if (len == 0)
		return false;
	*ret_number = number;
	return true;
}

#endif
