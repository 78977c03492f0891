/* SPDX-License-Identifier: MIT
 *
 * Drawing messages.
 */
#include "draw.h"

#include "base/address.h"
#include "core/messages.h"

/* SplitMix64. */
uint64_t dice_roll(struct dice *dice)
{
	uint64_t z = dice->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* Noise, zeros or ones: a field that nobody looks at may be anything. */
void dice_fill(struct dice *dice, void *bytes, size_t len)
{
	uint8_t *p = bytes;
	uint32_t way = dice_below(dice, 4);

	for (size_t i = 0; i < len; i++)
		p[i] = way == 0 ? 0 : way == 1 ? 0xff : (uint8_t)dice_roll(dice);
}

static void put(uint8_t *message, const struct field *field, uint64_t value)
{
	const uint16_t two = (uint16_t)value;
	const uint32_t four = (uint32_t)value;

	if (field->size == 1)
		message[field->offset] = (uint8_t)value;
	else
		memcpy(message + field->offset,
			field->size == 2 ? (const void *)&two : (const void *)&four, field->size);
}

static uint64_t largest(const struct field *field)
{
	return UINT64_MAX >> (64 - 8 * field->size);
}

static uint64_t good_number(struct dice *dice, const struct field *field)
{
	switch (dice_below(dice, 4)) {
	case 0:
		return field->first;
	case 1:
		return field->end - 1;
	default:
		return field->first + dice_below(dice, field->end - field->first);
	}
}

static uint64_t bad_number(struct dice *dice, const struct field *field)
{
	if (field->rule == RULE_WITHIN && dice_below(dice, 3) == 0)
		return dice_below(dice, field->first);
	switch (dice_below(dice, 4)) {
	case 0:
		return field->end;
	case 1:
		return largest(field);
	default:
		return field->end + dice_roll(dice) % (largest(field) - field->end + 1);
	}
}

static const uint16_t families[] = {AF_INET, AF_INET6, 0};

static uint16_t wrong_family(struct dice *dice, bool none_too)
{
	static const uint16_t wrong[] = {AF_UNIX, AF_NETLINK, UINT16_MAX, 256 * AF_INET, 0};

	return wrong[dice_below(dice, none_too ? ARRAY_SIZE(wrong) : ARRAY_SIZE(wrong) - 1)];
}

static void put_prefix(uint8_t *message, const struct field *field, uint16_t family, uint8_t cidr)
{
	struct prefix prefix;

	memcpy(&prefix, message + field->offset, sizeof(prefix));
	prefix.family = family;
	prefix.cidr = cidr;
	memcpy(message + field->offset, &prefix, sizeof(prefix));
}

static void good_prefix(struct dice *dice, const struct field *field, uint8_t *message)
{
	const uint16_t family = families[dice_below(dice, 2)];
	const unsigned bits = address_bits(family);
	const bool whole = field->rule == RULE_ADDRESS;

	put_prefix(message, field, family, (uint8_t)(whole ? bits : dice_below(dice, bits + 1)));
}

static void bad_prefix(struct dice *dice, const struct field *field, uint8_t *message)
{
	const uint16_t family = families[dice_below(dice, 2)];
	const unsigned bits = address_bits(family);

	if (dice_below(dice, 2) == 0)
		put_prefix(message, field, wrong_family(dice, true), 32);
	else if (field->rule == RULE_ADDRESS && dice_below(dice, 2) == 0)
		put_prefix(message, field, family, (uint8_t)dice_below(dice, bits));
	else
		put_prefix(message, field, family,
			(uint8_t)(bits + 1 + dice_below(dice, UINT8_MAX - bits)));
}

static void put_handshake(uint8_t *message, const struct field *field, uint32_t type, size_t len)
{
	put(message, field, len);
	store_le32(message + field->offset + field->behind, type);
}

static void good_handshake(struct dice *dice, const struct field *field, uint8_t *message)
{
	uint32_t type;

	do {
		type = 1 + dice_below(dice, 3);
	} while (!(field->end & 1U << type));
	put_handshake(message, field, type, message_handshake_len(type));
}

static void bad_handshake(struct dice *dice, const struct field *field, uint8_t *message)
{
	static const uint32_t types[] = {0, MESSAGE_DATA, UINT32_MAX, 0x01000000};
	const uint32_t type = 1 + dice_below(dice, 3);
	const size_t len = message_handshake_len(type);
	const size_t lens[] = {0, 1, len - 1, len + 1, HANDSHAKE_MESSAGE_MAX + 1, UINT16_MAX};

	if (!(field->end & 1U << type))
		put_handshake(message, field, type, len);
	else if (dice_below(dice, 2))
		put_handshake(message, field, type, lens[dice_below(dice, ARRAY_SIZE(lens))]);
	else
		put_handshake(message, field, types[dice_below(dice, ARRAY_SIZE(types))], len);
}

static void put_good(struct dice *dice, const struct field *field, uint8_t *message)
{
	switch (field->rule) {
	case RULE_BELOW:
	case RULE_WITHIN:
	case RULE_FILL:
		put(message, field, good_number(dice, field));
		break;
	case RULE_NONZERO:
		put(message, field, dice_roll(dice) | 1);
		break;
	case RULE_CURSOR:
		put(message, field, 0);
		break;
	case RULE_FAMILY:
		put(message, field, families[dice_below(dice, 3)]);
		break;
	case RULE_SOME_FAMILY:
		put(message, field, families[dice_below(dice, 2)]);
		break;
	case RULE_PREFIX:
	case RULE_ADDRESS:
		good_prefix(dice, field, message);
		break;
	case RULE_HANDSHAKE:
		good_handshake(dice, field, message);
		break;
	}
}

static void put_bad(struct dice *dice, const struct field *field, uint8_t *message)
{
	switch (field->rule) {
	case RULE_FILL: /* draw_break takes another */
		break;
	case RULE_BELOW:
	case RULE_WITHIN:
		put(message, field, bad_number(dice, field));
		break;
	case RULE_NONZERO:
		put(message, field, 0);
		break;
	case RULE_CURSOR:
		put(message, field, dice_below(dice, 2) ? UINT32_MAX : 1 << 24 | dice_roll(dice));
		break;
	case RULE_FAMILY:
	case RULE_SOME_FAMILY:
		put(message, field, wrong_family(dice, field->rule == RULE_SOME_FAMILY));
		break;
	case RULE_PREFIX:
	case RULE_ADDRESS:
		bad_prefix(dice, field, message);
		break;
	case RULE_HANDSHAKE:
		bad_handshake(dice, field, message);
		break;
	}
}

/* How many fields there are; those to be broken come first. */
static uint32_t count_fields(const struct kind *kind, bool breakable)
{
	uint32_t num = 0;

	while (num < MAX_FIELDS && kind->fields[num].rule &&
		!(breakable && kind->fields[num].rule == RULE_FILL))
		num++;
	return num;
}

void draw_good(struct dice *dice, const struct kind *kind, uint8_t *message, size_t len)
{
	dice_fill(dice, message, len);
	memcpy(message, &kind->type, sizeof(kind->type));
	for (uint32_t i = 0; i < count_fields(kind, false); i++)
		put_good(dice, &kind->fields[i], message);
}

void draw_break(struct dice *dice, const struct kind *kind, uint8_t *message)
{
	put_bad(dice, &kind->fields[dice_below(dice, count_fields(kind, true))], message);
}

uint32_t draw_wrong_type(struct dice *dice, const struct kind *kinds, size_t num_kinds)
{
	for (;;) {
		const uint32_t types[] = {
			0, UINT32_MAX, 1000, dice_below(dice, 32), (uint32_t)dice_roll(dice)};
		const uint32_t type = types[dice_below(dice, ARRAY_SIZE(types))];
		bool is_known = false;

		for (size_t i = 0; i < num_kinds; i++)
			is_known |= kinds[i].type == type;
		if (!is_known)
			return type;
	}
}
