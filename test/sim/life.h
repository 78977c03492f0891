/* SPDX-License-Identifier: MIT
 *
 * Who knows whom, what they say to each other while things happen, and the proof that all works
 * again when nothing happens any more.
 */
#ifndef ADIT_SIM_LIFE_H
#define ADIT_SIM_LIFE_H

#include "scenario.h"

/* Two hosts that are to be each other's peers, and with what psk. */
struct link {
	struct host *a, *b;
	uint8_t psk[KEY_LEN];
};

/* After REKEY_TIMEOUT and a jitter an initiation is sent again. */
#define JITTERED_NS (REKEY_TIMEOUT_NS + REKEY_TIMEOUT_JITTER_MAX_NS)
/* Who sends and hears nothing finds out so late. */
#define NOTICE_NS (KEEPALIVE_TIMEOUT_NS + JITTERED_NS)

void life_start(void);

/* Hosts become each other's peers. */
void life_link(struct host *a, struct host *b);
unsigned life_num_links(void);
struct link *life_link_number(unsigned i);
struct link *life_some_link(void);

/* Something happens, there is some traffic or none, and some time passes. */
void life_goes_on(unsigned faults);

/* All that is broken is mended; then, once the time is over that the timers promise, every packet
 * arrives. */
void life_heals(void);

/* Let time pass. */
void pass(uint64_t ns);

#endif
