/* SPDX-License-Identifier: MIT
 *
 * A filter that lets every address send the same.
 */
#include "overlay/hub/guard.h"

#include <stdlib.h>

#include "base/log.h"
#include "overlay/filter/filter.h"

static void complain(int error, const char *said)
{
	log_error("nftables: %s; until that is mended, every service of this machine is open to "
		  "every node, and so is what it forwards to",
		said && *said ? said : strerror(-error));
}

struct filter *guard_new(const char *ifname, uint16_t api_port)
{
	static const struct prefix everybody[] = {{.family = AF_INET}, {.family = AF_INET6}};
	const struct policy_allowance allowed[] = {
		{POLICY_ICMP, 0, UINT16_MAX}, {POLICY_TCP, api_port, api_port}};
	struct filter *guard;
	char *error;
	int r = filter_new(&guard, ifname, NULL, 0, &error);

	if (r < 0) {
		complain(r, error);
		free(error);
		return NULL;
	}
	r = filter_set_peer(
		guard, 1, everybody, ARRAY_SIZE(everybody), allowed, ARRAY_SIZE(allowed));
	if (r < 0) /* nobody gets in until it can be mended */
		log_error("nftables: %s; no node reaches the hub", filter_error(guard));
	return guard;
}

void guard_mend(struct filter *guard)
{
	bool mended = false;
	int r = filter_mend(guard, &mended);

	if (r < 0)
		complain(r, filter_error(guard));
	else if (mended)
		log_error("nftables: somebody removed the rules that keep nodes from this "
			  "machine's services; they are back");
}
