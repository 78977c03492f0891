/* SPDX-License-Identifier: MIT
 *
 * Included before everything else in the product's files, which are compiled anew for this: what
 * a comparison of secrets says is public. A message is dropped or not, a key is there or not, a
 * point is refused or not: each can be seen from outside. How the comparison got there cannot.
 */
#ifndef ADIT_TEST_CT_VERDICT_H
#define ADIT_TEST_CT_VERDICT_H

#include "secret.h"

static inline bool verdict(bool is_so)
{
	publish(&is_so, sizeof(is_so));
	return is_so;
}

#define bytes_equal(a, b, len) verdict(bytes_equal(a, b, len))
#define bytes_are_zero(a, len) verdict(bytes_are_zero(a, len))

#endif
