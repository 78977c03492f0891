/* SPDX-License-Identifier: MIT
 *
 * Messages drawn from a seed: right ones, with fields at their bounds and noise in between; and
 * wrong ones, of which it is known that they are.
 */
#ifndef ADIT_TEST_DRAW_H
#define ADIT_TEST_DRAW_H

#include "base/bytes.h"

struct dice {
	uint64_t state;
};

uint64_t dice_roll(struct dice *dice);
static inline uint32_t dice_below(struct dice *dice, uint32_t end)
{
	return (uint32_t)(dice_roll(dice) % end);
}
void dice_fill(struct dice *dice, void *bytes, size_t len);

/* What is known of some bytes of a message. */
enum rule {
	RULE_BELOW =
		1,   /* a number from first (as it is drawn) to end, which is wrong, as all above */
	RULE_WITHIN, /* the same, and what is less than first is wrong, too */
	RULE_LISTED, /* below end, if the number which is RULE_WITHIN says that it counts */
	RULE_FILL,   /* a number from first to end, but nobody may look at it */
	RULE_NONZERO,
	RULE_FAMILY,	  /* of an endpoint, or none */
	RULE_SOME_FAMILY, /* of an endpoint */
	RULE_PREFIX,
	RULE_ADDRESS,	/* a prefix of full length */
	RULE_HANDSHAKE, /* the length of a message `behind` bytes on, of the types in the mask end
			 */
	RULE_CURSOR,	/* 0, or else in a table that is not large */
	RULE_HOST,	/* a host's name or address, with a NUL */
};

struct field {
	enum rule rule;
	const char *name;
	uint16_t offset, size;
	uint32_t first, end;
	uint16_t behind;
};

enum { MAX_FIELDS = 10 };

/* A kind of message: all that begin with this number. */
struct kind {
	const char *name;
	uint32_t type;
	bool is_asking;	   /* an answer comes */
	bool is_uncertain; /* whether it is right depends on what was said before */
	struct field fields[MAX_FIELDS];
};

/* Write a right message of len bytes. */
void draw_good(struct dice *dice, const struct kind *kind, uint8_t *message, size_t len);

/* The same with each field at the lower or the upper end of what is right. */
void draw_bounds(
	struct dice *dice, const struct kind *kind, bool upper, uint8_t *message, size_t len);

/* In how many ways a field can be wrong. */
uint32_t break_ways(const struct field *field);

/* Make a right message a wrong one, by one of its fields and in one of these ways. */
void break_field(
	const struct kind *kind, const struct field *field, uint32_t way, uint8_t *message);

/* The same by a field and in a way that are drawn. */
void draw_break(struct dice *dice, const struct kind *kind, uint8_t *message);

bool kind_is_known(const struct kind *kinds, size_t num_kinds, uint32_t type);

/* A type that none of the kinds has. */
uint32_t draw_wrong_type(struct dice *dice, const struct kind *kinds, size_t num_kinds);

#endif
