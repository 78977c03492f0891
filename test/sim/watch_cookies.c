/* SPDX-License-Identifier: MIT
 *
 * Cookies are taken in from replies that are as their maker sent them, and from each once.
 */
#include "inside.h"
#include "watch.h"

static struct cookie_maker before[HOSTS_MAX];

static const struct cookie_maker *cookie_from(const struct host *host, const struct host *other)
{
	return inside_cookie_maker(host->device, host_peer_id(host, other));
}

void watch_handles(const struct host *host)
{
	for (unsigned i = 0; i < num_hosts; i++) {
		const struct cookie_maker *maker = cookie_from(host, &hosts[i]);

		before[i] = maker ? *maker : (struct cookie_maker){0};
	}
}

static void check_reply(struct host *host, const struct host *other)
{
	struct acquaintance *a = &host->others[other->number];

	trace("cookie", host->number, other->number, 0);
	for (unsigned i = 0; i < host->num_handling; i++) {
		const struct notice *notice = &host->handling[i];

		if (load_le32(notice->event.message) != MESSAGE_COOKIE_REPLY ||
			notice->from != other || notice->id <= a->last_cookie)
			continue;
		a->last_cookie = notice->id;
		return;
	}
	violated("no cookie from a reply that is forged, altered or old", "host %u, peer %u",
		host->number, other->number);
}

void watch_handled(struct host *host)
{
	for (unsigned i = 0; i < num_hosts; i++) {
		const struct cookie_maker *now = cookie_from(host, &hosts[i]);

		if (now && (now->cookie_birth_ns != before[i].cookie_birth_ns ||
				   memcmp(now->cookie, before[i].cookie, COOKIE_LEN) != 0))
			check_reply(host, &hosts[i]);
	}
}
