/* SPDX-License-Identifier: MIT
 *
 * When many packets come one by one, each finds the worker asleep: a task switch there and one
 * back for each cost more than the packet does. Then it is better to let some gather first, as
 * network cards do (interrupt moderation). But packets that wait for one another, as those of a
 * ping, do not gather, and those of a few requests at a time gather and are fewer: that is noticed,
 * and tried ever more seldom.
 */
#ifndef ADIT_TUNNEL_MODERATION_H
#define ADIT_TUNNEL_MODERATION_H

#include "base/bytes.h"

enum {
	MODERATION_PAUSE_NS = 50000,
	MODERATION_FEW = 2,    /* packets after a pause: none gathered */
	MODERATION_SOME = 8,   /* on average without one: they come apart */
	MODERATION_MANY = 64,  /* enough without a pause */
	MODERATION_TRIAL = 16, /* turns with a pause, to compare with those without */
	MODERATION_TURNS_MIN = 64,
	MODERATION_TURNS_MAX = 4096,
};

/* All zero to begin with. */
struct moderation {
	bool pausing;
	unsigned turns, turns_needed; /* to judge by */
	unsigned packets;	      /* in these turns */
	uint64_t since_ns, busy_ns;
	uint64_t per_s; /* packets, when there was no pause */
};

static inline uint64_t moderation_per_s(const struct moderation *m, uint64_t now_ns)
{
	return m->packets * UINT64_C(1000000000) / (now_ns - m->since_ns + 1);
}

/* Packets that come apart, while we are at work two fifths of the time or more. */
static inline void moderation_judge(struct moderation *m, uint64_t now_ns)
{
	m->pausing = m->packets <= m->turns * MODERATION_SOME &&
		     m->busy_ns * 5 > (now_ns - m->since_ns) * 2;
	m->per_s = moderation_per_s(m, now_ns);
	m->turns = m->packets = 0;
	m->since_ns = now_ns;
}

/* After a turn with a pause before it: whether pauses go on. */
static inline bool moderation_goes_on(struct moderation *m, unsigned packets, uint64_t now_ns)
{
	bool helps = packets > MODERATION_FEW;

	m->packets += packets;
	if (helps && ++m->turns < MODERATION_TRIAL)
		return true;
	helps = helps && moderation_per_s(m, now_ns) * 4 >= m->per_s * 3;
	m->turns_needed = helps ? MODERATION_TURNS_MIN : 2 * m->turns_needed;
	m->turns = m->packets = 0;
	m->since_ns = now_ns;
	return helps;
}

/* At the end of a turn that moved so many packets, before sleep: whether to pause first, for
 * MODERATION_PAUSE_NS. */
static inline bool moderation_wants_pause(
	struct moderation *m, unsigned packets, uint64_t woken_ns, uint64_t now_ns)
{
	if (m->pausing) {
		m->pausing = moderation_goes_on(m, packets, now_ns);
		return m->pausing && packets < MODERATION_MANY;
	}
	if (m->turns == 0) {
		m->packets = 0;
		m->since_ns = woken_ns;
		m->busy_ns = 0;
	}
	m->turns++;
	m->packets += packets;
	m->busy_ns += now_ns - woken_ns;
	if (m->turns_needed < MODERATION_TURNS_MIN)
		m->turns_needed = MODERATION_TURNS_MIN;
	if (m->turns_needed > MODERATION_TURNS_MAX)
		m->turns_needed = MODERATION_TURNS_MAX;
	if (m->turns >= m->turns_needed)
		moderation_judge(m, now_ns);
	return m->pausing;
}

#endif
