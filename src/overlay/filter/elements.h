/* SPDX-License-Identifier: MIT
 *
 * What peers may send as elements of the table's four sets. There is a set of address and protocol
 * and one of address, protocol and port for each family. nftables refuses elements that overlap, so
 * those of a peer are merged, and two peers never share an address.
 */
#ifndef ADIT_OVERLAY_FILTER_ELEMENTS_H
#define ADIT_OVERLAY_FILTER_ELEMENTS_H

#include "base/address.h"
#include "base/text.h"
#include "overlay/policy/policy.h"

enum element_set { SET_PROTOCOLS4, SET_PROTOCOLS6, SET_PORTS4, SET_PORTS6, NUM_SETS };

struct element {
	struct prefix address;
	uint8_t set; /* enum element_set */
	uint8_t first_protocol, last_protocol;
	uint8_t pad;
	uint16_t first, last; /* ports; 0 in a set without */
};
static_assert(sizeof(struct element) == 28, "compared as bytes");

/* The elements of a peer, sorted and merged, to be freed by the caller. The addresses are masked
 * and do not overlap. Returns 0, -EINVAL or -ENOMEM. */
MUST_CHECK int elements_new(struct element **ret_elements, size_t *ret_num,
	const struct prefix *addresses, unsigned num_addresses,
	const struct policy_allowance *allowances, unsigned num_allowances);

/* Whether an element is among sorted ones. */
bool elements_have(const struct element *elements, size_t num, const struct element *element);

/* Append "add element inet TABLE SET { …, … }" for all of them, a line a set; verb is "add" or
 * "delete". */
void elements_write(struct text *text, const char *verb, const char *table,
	const struct element *const *elements, size_t num);

#endif
