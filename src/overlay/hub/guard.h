/* SPDX-License-Identifier: MIT
 *
 * The guard: what nodes may do with the hub's own host, which is in all their networks. They may
 * call the node API and ping, and nothing is forwarded for them: neither from one network to
 * another nor to what lies behind the host. Answers to what the host itself opened pass.
 */
#ifndef ADIT_OVERLAY_HUB_GUARD_H
#define ADIT_OVERLAY_HUB_GUARD_H

#include <stdint.h>

struct filter;

/* Guard the interface of the hub's tunnel; api_port is TCP. NULL: it cannot be (no nftables in the
 * kernel, most likely), which has been logged. */
struct filter *guard_new(const char *ifname, uint16_t api_port);

/* To be called when filter_fd() is readable: made anew when somebody has removed it. */
void guard_mend(struct filter *guard);

#endif
