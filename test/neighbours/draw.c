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

static void put_prefix(uint8_t *message, const struct field *field, uint16_t family, uint8_t cidr)
{
	struct prefix prefix;

	memcpy(&prefix, message + field->offset, sizeof(prefix));
	prefix.family = family;
	prefix.cidr = cidr;
	memcpy(message + field->offset, &prefix, sizeof(prefix));
}

static void put_handshake(uint8_t *message, const struct field *field, uint32_t type, size_t len)
{
	put(message, field, len);
	store_le32(message + field->offset + field->behind, type);
}

/* "": one without a NUL. */
static void put_host(uint8_t *message, const struct field *field, const char *text)
{
	memset(message + field->offset, *text ? 0 : 'a', field->size);
	memcpy(message + field->offset, text, strlen(text));
}

/* --- right ----------------------------------------------------------- */

static const uint16_t families[] = {AF_INET, AF_INET6, 0};

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

static void good_prefix(struct dice *dice, const struct field *field, uint8_t *message)
{
	const uint16_t family = families[dice_below(dice, 2)];
	const unsigned bits = address_bits(family);
	const bool whole = field->rule == RULE_ADDRESS;

	put_prefix(message, field, family, (uint8_t)(whole ? bits : dice_below(dice, bits + 1)));
}

static void good_handshake(struct dice *dice, const struct field *field, uint8_t *message)
{
	uint32_t type;

	do {
		type = 1 + dice_below(dice, 3);
	} while (!(field->end & 1U << type));
	put_handshake(message, field, type, message_handshake_len(type));
}

static void put_good(struct dice *dice, const struct field *field, uint8_t *message)
{
	switch (field->rule) {
	case RULE_BELOW:
	case RULE_WITHIN:
	case RULE_LISTED:
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
	case RULE_HOST:
		put_host(message, field, "hub.example");
		break;
	}
}

static uint32_t count_fields(const struct kind *kind)
{
	uint32_t num = 0;

	while (num < MAX_FIELDS && kind->fields[num].rule)
		num++;
	return num;
}

void draw_good(struct dice *dice, const struct kind *kind, uint8_t *message, size_t len)
{
	dice_fill(dice, message, len);
	memcpy(message, &kind->type, sizeof(kind->type));
	for (uint32_t i = 0; i < count_fields(kind); i++)
		put_good(dice, &kind->fields[i], message);
}

static void put_bound(const struct field *field, bool upper, uint8_t *message)
{
	const uint16_t family = upper ? AF_INET6 : AF_INET;
	uint32_t type = upper ? MESSAGE_COOKIE_REPLY : MESSAGE_INITIATION;

	switch (field->rule) {
	case RULE_BELOW:
	case RULE_WITHIN:
	case RULE_LISTED:
	case RULE_FILL:
		put(message, field, upper ? field->end - 1 : field->first);
		break;
	case RULE_NONZERO:
		put(message, field, upper ? UINT64_MAX : 1);
		break;
	case RULE_CURSOR:
		put(message, field, 0);
		break;
	case RULE_FAMILY:
	case RULE_SOME_FAMILY:
		put(message, field, family);
		break;
	case RULE_PREFIX:
	case RULE_ADDRESS:
		put_prefix(message, field, family,
			upper || field->rule == RULE_ADDRESS ? (uint8_t)address_bits(family) : 0);
		break;
	case RULE_HANDSHAKE:
		while (!(field->end & 1U << type))
			type = upper ? type - 1 : type + 1;
		put_handshake(message, field, type, message_handshake_len(type));
		break;
	case RULE_HOST:
		put_host(message, field, upper ? "fd00::1" : "h");
		break;
	}
}

void draw_bounds(
	struct dice *dice, const struct kind *kind, bool upper, uint8_t *message, size_t len)
{
	dice_fill(dice, message, len);
	memcpy(message, &kind->type, sizeof(kind->type));
	for (uint32_t i = 0; i < count_fields(kind); i++)
		put_bound(&kind->fields[i], upper, message);
}

/* --- wrong ----------------------------------------------------------- */

static uint64_t largest(const struct field *field)
{
	return UINT64_MAX >> (64 - 8 * field->size);
}

/* The first that is wrong, the largest, one that is right to who looks at half of it, none. */
static uint64_t wrong_number(const struct field *field, uint32_t way)
{
	const uint64_t half = UINT64_C(1) << (4 * field->size);

	switch (way) {
	case 0:
		return field->end;
	case 1:
		return largest(field);
	case 2:
		return half >= field->end ? half + field->first : largest(field) - 1;
	default:
		return field->first - 1U;
	}
}

static const uint16_t wrong_families[] = {AF_UNIX, AF_NETLINK, UINT16_MAX, 256 * AF_INET, 0};

static const struct {
	uint16_t family;
	uint8_t cidr;
} wrong_prefixes[] = {{AF_UNIX, 32}, {AF_NETLINK, 0}, {0, 0}, {AF_INET | 256, 32}, {AF_INET, 33},
	{AF_INET, 128}, {AF_INET6, 129}, {AF_INET6, UINT8_MAX},
	/* and of those that are to be addresses */
	{AF_INET, 31}, {AF_INET, 0}, {AF_INET6, 127}, {AF_INET6, 32}};
enum { WRONG_ADDRESSES = ARRAY_SIZE(wrong_prefixes), WRONG_PREFIXES = WRONG_ADDRESSES - 4 };

/* A type, and by how much its length is wrong. */
static const struct {
	uint32_t type;
	int more;
} wrong_handshakes[] = {{MESSAGE_INITIATION, 0}, {MESSAGE_RESPONSE, 0}, {MESSAGE_COOKIE_REPLY, 0},
	{MESSAGE_INITIATION, -1}, {MESSAGE_RESPONSE, 1}, {MESSAGE_COOKIE_REPLY, -1},
	{MESSAGE_INITIATION, 1},
	{MESSAGE_INITIATION, UINT16_MAX - sizeof(struct message_initiation)}, {0, 0},
	{MESSAGE_DATA, 32}, {UINT32_MAX, 148}, {0x01000000 | MESSAGE_INITIATION, 148}};

/* "": without a NUL. */
static const char *const wrong_hosts[] = {
	"", " ", "a b", "a\nb", "a:b", "fd00::1]", "\33[2J", "\377\376", "-x", "a/../b"};

/* Those of a right length are wrong where such a type is. */
static void break_handshake(const struct field *field, uint32_t way, uint8_t *message)
{
	const uint32_t type = wrong_handshakes[way].type;
	int more = wrong_handshakes[way].more;

	if (way < 3 && field->end & 1U << type)
		more = -(int)message_handshake_len(type);
	put_handshake(message, field, type, message_handshake_len(type) + (size_t)more);
}

uint32_t break_ways(const struct field *field)
{
	switch (field->rule) {
	case RULE_BELOW:
	case RULE_LISTED:
		return 3;
	case RULE_WITHIN:
		return 4;
	case RULE_FILL:
		return 0;
	case RULE_NONZERO:
		return 1;
	case RULE_CURSOR:
		return 2;
	case RULE_FAMILY:
		return ARRAY_SIZE(wrong_families) - 1;
	case RULE_SOME_FAMILY:
		return ARRAY_SIZE(wrong_families);
	case RULE_PREFIX:
		return WRONG_PREFIXES;
	case RULE_ADDRESS:
		return WRONG_ADDRESSES;
	case RULE_HANDSHAKE:
		return ARRAY_SIZE(wrong_handshakes);
	case RULE_HOST:
		return ARRAY_SIZE(wrong_hosts);
	}
	return 0;
}

/* Let all of a list count. */
static void fill_list(const struct kind *kind, uint8_t *message)
{
	for (uint32_t i = 0; i < count_fields(kind); i++) {
		if (kind->fields[i].rule == RULE_WITHIN)
			put(message, &kind->fields[i], kind->fields[i].end - 1);
	}
}

void break_field(const struct kind *kind, const struct field *field, uint32_t way, uint8_t *message)
{
	switch (field->rule) {
	case RULE_FILL:
		break;
	case RULE_LISTED:
		fill_list(kind, message);
		put(message, field, wrong_number(field, way));
		break;
	case RULE_BELOW:
	case RULE_WITHIN:
		put(message, field, wrong_number(field, way));
		break;
	case RULE_NONZERO:
		put(message, field, 0);
		break;
	case RULE_CURSOR:
		put(message, field, way ? UINT32_MAX : 1 << 24);
		break;
	case RULE_FAMILY:
	case RULE_SOME_FAMILY:
		put(message, field, wrong_families[way]);
		break;
	case RULE_PREFIX:
	case RULE_ADDRESS:
		put_prefix(message, field, wrong_prefixes[way].family, wrong_prefixes[way].cidr);
		break;
	case RULE_HANDSHAKE:
		break_handshake(field, way, message);
		break;
	case RULE_HOST:
		put_host(message, field, wrong_hosts[way]);
		break;
	}
}

void draw_break(struct dice *dice, const struct kind *kind, uint8_t *message)
{
	const struct field *field;

	do {
		field = &kind->fields[dice_below(dice, count_fields(kind))];
	} while (break_ways(field) == 0);
	break_field(kind, field, dice_below(dice, break_ways(field)), message);
}

bool kind_is_known(const struct kind *kinds, size_t num_kinds, uint32_t type)
{
	for (size_t i = 0; i < num_kinds; i++) {
		if (kinds[i].type == type)
			return true;
	}
	return false;
}

uint32_t draw_wrong_type(struct dice *dice, const struct kind *kinds, size_t num_kinds)
{
	for (;;) {
		const uint32_t types[] = {
			0, UINT32_MAX, 1000, dice_below(dice, 32), (uint32_t)dice_roll(dice)};
		const uint32_t type = types[dice_below(dice, ARRAY_SIZE(types))];

		if (!kind_is_known(kinds, num_kinds, type))
			return type;
	}
}
