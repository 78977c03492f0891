/* SPDX-License-Identifier: MIT
 *
 * Elements: from allowances, compared, as nftables' text. Only numbers are written, never a word
 * from outside.
 */
#include "overlay/filter/elements.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

/* Protocol, then ports, in the order of the elements' text. */
static int compare(const void *a, const void *b)
{
	const struct element *x = a, *y = b;
	int r = x->set - y->set;

	if (r == 0)
		r = memcmp(&x->address, &y->address, sizeof(x->address));
	if (r == 0)
		r = x->first_protocol - y->first_protocol;
	if (r == 0)
		r = x->last_protocol - y->last_protocol;
	if (r == 0)
		r = x->first - y->first;
	return r != 0 ? r : x->last - y->last;
}

/* Sort, and join what overlaps or touches. Returns how many are left. */
static size_t merge(struct element *elements, size_t num)
{
	size_t end = 0;

	if (num == 0)
		return 0;
	qsort(elements, num, sizeof(*elements), compare);
	for (size_t i = 1; i < num; i++) {
		struct element *last = &elements[end];

		if (elements[i].set != last->set ||
			elements[i].first_protocol != last->first_protocol ||
			memcmp(&elements[i].address, &last->address, sizeof(last->address)) != 0 ||
			elements[i].first > last->last + 1)
			elements[++end] = elements[i];
		else if (elements[i].last > last->last)
			last->last = elements[i].last;
	}
	return end + 1;
}

static struct element make_element(
	const struct prefix *address, const struct policy_allowance *allowance)
{
	bool is6 = address->family == AF_INET6;
	struct element element = {.address = *address};

	if (allowance->protocol == POLICY_ANY) {
		element.last_protocol = UINT8_MAX;
	} else {
		element.first_protocol = allowance->protocol;
		if (allowance->protocol == POLICY_ICMP && is6)
			element.first_protocol = IPPROTO_ICMPV6;
		element.last_protocol = element.first_protocol;
	}
	if (allowance->protocol == POLICY_ANY || allowance->protocol == POLICY_ICMP ||
		(allowance->first == 0 && allowance->last == UINT16_MAX)) {
		element.set = is6 ? SET_PROTOCOLS6 : SET_PROTOCOLS4;
	} else {
		element.set = is6 ? SET_PORTS6 : SET_PORTS4;
		element.first = allowance->first;
		element.last = allowance->last;
	}
	return element;
}

int elements_new(struct element **ret_elements, size_t *ret_num, const struct prefix *addresses,
	unsigned num_addresses, const struct policy_allowance *allowances, unsigned num_allowances)
{
	const struct policy_allowance *any = NULL;
	struct element *elements;
	size_t num = 0;

	for (unsigned i = 0; i < num_allowances; i++) {
		const struct policy_allowance *allowance = &allowances[i];

		if (allowance->protocol == POLICY_ANY)
			any = allowance;
		else if (allowance->protocol != POLICY_ICMP && allowance->protocol != POLICY_TCP &&
			 allowance->protocol != POLICY_UDP)
			return -EINVAL;
		if (allowance->first > allowance->last)
			return -EINVAL;
	}
	if (any) {
		allowances = any;
		num_allowances = 1;
	}
	elements = calloc((size_t)num_addresses * num_allowances + 1, sizeof(*elements));
	if (!elements)
		return -ENOMEM;
	for (unsigned i = 0; i < num_addresses; i++) {
		for (unsigned j = 0; j < num_allowances; j++)
			elements[num++] = make_element(&addresses[i], &allowances[j]);
	}
	*ret_num = merge(elements, num);
	*ret_elements = elements;
	return 0;
}

bool elements_have(const struct element *elements, size_t num, const struct element *element)
{
	return num > 0 && bsearch(element, elements, num, sizeof(*elements), compare);
}

static void write_element(struct text *text, const struct element *element)
{
	char address[INET6_ADDRSTRLEN];

	inet_ntop(element->address.family, element->address.addr, address, sizeof(address));
	text_printf(text, "%s/%u . %u", address, (unsigned)element->address.cidr,
		(unsigned)element->first_protocol);
	if (element->last_protocol != element->first_protocol)
		text_printf(text, "-%u", (unsigned)element->last_protocol);
	if (element->set == SET_PORTS4 || element->set == SET_PORTS6) {
		text_printf(text, " . %u", (unsigned)element->first);
		if (element->last != element->first)
			text_printf(text, "-%u", (unsigned)element->last);
	}
}

void elements_write(struct text *text, const char *verb, const char *table,
	const struct element *const *elements, size_t num)
{
	static const char *const names[NUM_SETS] = {[SET_PROTOCOLS4] = "protocols4",
		[SET_PROTOCOLS6] = "protocols6",
		[SET_PORTS4] = "ports4",
		[SET_PORTS6] = "ports6"};

	for (unsigned set = 0; set < NUM_SETS; set++) {
		bool has_any = false;

		for (size_t i = 0; i < num; i++) {
			if (elements[i]->set != set)
				continue;
			if (has_any)
				text_printf(text, ", ");
			else
				text_printf(
					text, "%s element inet %s %s { ", verb, table, names[set]);
			has_any = true;
			write_element(text, elements[i]);
		}
		if (has_any)
			text_printf(text, " }\n");
	}
}
