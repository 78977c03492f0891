/* SPDX-License-Identifier: MIT
 *
 * Names of hosts to addresses, without making the loop wait: getaddrinfo in a thread of its own.
 */
#ifndef ADIT_OVERLAY_AGENT_RESOLVER_H
#define ADIT_OVERLAY_AGENT_RESOLVER_H

#include "base/address.h"
#include "overlay/agent/loop.h"

enum { RESOLVER_ADDRESSES_MAX = 4 };

struct resolver;

/* The addresses of host, with this port; or none, and why (static). The resolver is freed then. */
typedef void resolver_done(
	void *ctx, const struct endpoint *endpoints, unsigned num, const char *error);

/* Start. NULL: out of memory, threads or descriptors (done is not called). */
struct resolver *resolver_start(
	struct loop *loop, const char *host, uint16_t port, resolver_done *done, void *ctx);

/* The result is not wanted any more. Takes NULL. */
void resolver_cancel(struct resolver *resolver);

#endif
