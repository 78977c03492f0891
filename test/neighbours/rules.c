/* SPDX-License-Identifier: MIT
 *
 * Breaking rules.
 */
#include "rules.h"

#include <stdio.h>
#include <unistd.h>

#include "lies.h"
#include "pairs.h"

enum { MESSAGE_LEN_MAX = 4096, MANY_FDS = 40 };

/* A cursor over the rules of a pair: each step takes away as many as it knows of. */
struct cursor {
	const struct pair *pair;
	unsigned left;
	const struct kind *kind;
	const struct field *field;
	const struct act *act;
	uint32_t type, way;
};

static bool is_among(struct cursor *c, uint32_t num)
{
	c->way = c->left;
	if (c->left < num)
		return true;
	c->left -= num;
	return false;
}

/* --- what the table says --------------------------------------------- */

static bool is_right(struct cursor *c)
{
	return is_among(c, c->pair->answers ? 1 : 2);
}

/* Each kind at its bounds, twice, where that is right whatever was said before. */
static enum expectation speak_rightly(struct session *s, const struct cursor *c, char *name)
{
	uint8_t message[MESSAGE_LEN_MAX];

	snprintf(name, RULE_NAME_LEN, "all kinds, %s", c->way ? "upper bounds" : "lower bounds");
	if (s->pair->answers)
		return answer_questions(s, false);
	for (uint32_t i = 0; i < s->pair->num_kinds; i++) {
		const struct kind *kind = &s->pair->kinds[i];

		for (int again = 0; again < (s->pair->is_setup ? 1 : 2) && !kind->is_uncertain;
			again++) {
			draw_bounds(&s->dice, kind, c->way, message, s->pair->len);
			s->owed[s->pair->end] += kind->is_asking;
			session_send(s, s->pair->end, message, s->pair->len);
		}
	}
	return GOES_ON;
}

static bool is_field(struct cursor *c)
{
	for (uint32_t i = 0; i < c->pair->num_kinds; i++) {
		c->kind = &c->pair->kinds[i];
		for (uint32_t j = 0; j < MAX_FIELDS && c->kind->fields[j].rule; j++) {
			c->field = &c->kind->fields[j];
			if (is_among(c, break_ways(c->field)))
				return true;
		}
	}
	return false;
}

static enum expectation break_one_field(struct session *s, const struct cursor *c, char *name)
{
	uint8_t message[MESSAGE_LEN_MAX];

	snprintf(name, RULE_NAME_LEN, "%s: %s, way %u", c->kind->name, c->field->name, c->way);
	draw_good(&s->dice, c->kind, message, s->pair->len);
	break_field(c->kind, c->field, c->way, message);
	session_send(s, s->pair->end, message, s->pair->len);
	return MUST_END;
}

/* Those of other roles, those that there may be one day, and what looks like one of ours. */
static bool is_wrong_type(struct cursor *c)
{
	static const uint32_t others[] = {
		ACK_READY, UINT32_MAX, 0x80000001, 0x100, 0x101, 0x10001, 0x01000000};
	const uint32_t num = c->pair->is_untyped || c->pair->answers ? 0 : 32;

	for (uint32_t i = 0; i < num + (num ? ARRAY_SIZE(others) : 0); i++) {
		c->type = i < num ? i : others[i - num];
		if (!kind_is_known(c->pair->kinds, c->pair->num_kinds, c->type) && is_among(c, 1))
			return true;
	}
	return false;
}

static enum expectation say_wrong_type(struct session *s, const struct cursor *c, char *name)
{
	uint8_t message[MESSAGE_LEN_MAX];

	snprintf(name, RULE_NAME_LEN, "type %u", c->type);
	memset(message, 0, s->pair->len);
	memcpy(message, &c->type, sizeof(c->type));
	session_send(s, s->pair->end, message, s->pair->len);
	return MUST_END;
}

/* --- sizes and descriptors ------------------------------------------- */

enum { SIZES = 7, DESCRIPTORS = 4 };

/* The first kind in all ways, the others in the first. */
static bool is_of_kind(struct cursor *c, uint32_t num_ways)
{
	for (uint32_t i = 0; i < c->pair->num_kinds; i++) {
		c->kind = &c->pair->kinds[i];
		if (is_among(c, i == 0 ? num_ways : 1))
			return true;
	}
	return false;
}

static bool is_wrong_size(struct cursor *c)
{
	return is_of_kind(c, SIZES);
}

static enum expectation say_wrong_size(struct session *s, const struct cursor *c, char *name)
{
	static uint8_t message[MESSAGE_MAX];
	const size_t len = s->pair->len;
	const size_t lens[SIZES] = {len - 1, len + 1, 1, sizeof(uint32_t), 2 * len, 65536, 0};
	const size_t chosen = lens[c->way];

	snprintf(name, RULE_NAME_LEN, "%s of %zu bytes", c->kind->name, chosen);
	draw_good(&s->dice, c->kind, message, len);
	session_send(s, s->pair->end, message, chosen);
	return chosen == 0 ? MUST_LEAVE : MUST_END;
}

static bool is_with_descriptors(struct cursor *c)
{
	return is_of_kind(c, DESCRIPTORS);
}

static enum expectation bring_descriptors(struct session *s, const struct cursor *c, char *name)
{
	static const size_t nums[DESCRIPTORS] = {1, 2, 3, MANY_FDS};
	uint8_t message[MESSAGE_LEN_MAX];
	int fds[MANY_FDS];

	snprintf(name, RULE_NAME_LEN, "%s with %zu descriptors", c->kind->name, nums[c->way]);
	for (size_t i = 0; i < nums[c->way]; i++)
		fds[i] = STDERR_FILENO;
	draw_good(&s->dice, c->kind, message, s->pair->len);
	session_send_fds(s, s->pair->end, message, s->pair->len, fds, nums[c->way]);
	return MUST_END;
}

/* --- what the table does not say ------------------------------------- */

static bool is_act(struct cursor *c)
{
	for (c->act = c->pair->acts; c->act && c->act->name; c->act++) {
		if (is_among(c, 1))
			return true;
	}
	return false;
}

static enum expectation do_act(struct session *s, const struct cursor *c, char *name)
{
	snprintf(name, RULE_NAME_LEN, "%s", c->act->name);
	return c->act->run(s, c->act);
}

static bool is_lie(struct cursor *c)
{
	return is_among(c, c->pair->num_lies);
}

static enum expectation answer_wrongly(struct session *s, const struct cursor *c, char *name)
{
	snprintf(name, RULE_NAME_LEN, "answer, lie %u", c->way);
	s->lie = c->way;
	return answer_questions(s, true);
}

static bool is_leaving(struct cursor *c)
{
	return is_among(c, 1);
}

static enum expectation leave_at_once(struct session *s, const struct cursor *c, char *name)
{
	(void)c;
	snprintf(name, RULE_NAME_LEN, "leaves");
	return leave(s);
}

/* --- all of them ----------------------------------------------------- */

static const struct sort {
	bool (*is_it)(struct cursor *c);
	enum expectation (*act)(struct session *s, const struct cursor *c, char *name);
} sorts[] = {{is_right, speak_rightly}, {is_field, break_one_field},
	{is_wrong_type, say_wrong_type}, {is_wrong_size, say_wrong_size},
	{is_with_descriptors, bring_descriptors}, {is_lie, answer_wrongly}, {is_act, do_act},
	{is_leaving, leave_at_once}};

static const struct sort *find(struct cursor *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(sorts); i++) {
		if (sorts[i].is_it(c))
			return &sorts[i];
	}
	return NULL;
}

bool rules_has(const struct pair *pair, unsigned number)
{
	struct cursor c = {.pair = pair, .left = number};

	return find(&c) != NULL;
}

void rules_break(struct session *session, unsigned number, char ret_name[RULE_NAME_LEN])
{
	struct cursor c = {.pair = session->pair, .left = number};
	const struct sort *sort = find(&c);

	session->expectation = sort->act(session, &c, ret_name);
}
