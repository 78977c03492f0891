/* SPDX-License-Identifier: MIT
 *
 * The filter: what is wanted is kept here, and the kernel's table is brought to it.
 */
#include "overlay/filter/filter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "overlay/filter/elements.h"
#include "overlay/filter/nft.h"

enum { TABLE_NAME_LEN = IFNAMSIZ + sizeof("adit-") };

struct peer {
	int64_t id;
	struct prefix *addresses; /* masked, none overlaps another */
	unsigned num_addresses;
	struct element *elements; /* sorted */
	size_t num_elements;
};

struct filter {
	char ifname[IFNAMSIZ];
	char table[TABLE_NAME_LEN];
	struct peer hub;
	struct peer *peers;
	size_t num_peers, max_peers;
	size_t num_elements; /* of all peers and the hub */
	bool is_behind;	     /* the kernel's table may be another than is wanted */
	int events_fd;
	char *error;
};

/* --- addresses -------------------------------------------------------- */

static struct prefix masked(struct prefix prefix)
{
	for (unsigned i = 0; i < sizeof(prefix.addr); i++) {
		unsigned bits = prefix.cidr > i * 8 ? prefix.cidr - i * 8 : 0;

		if (bits < 8)
			prefix.addr[i] &= (uint8_t)(0xff00 >> bits);
	}
	prefix.pad = 0;
	return prefix;
}

/* Both are masked. */
static bool prefix_overlaps(const struct prefix *a, const struct prefix *b)
{
	struct prefix x = *a, y = *b;

	x.cidr = y.cidr = a->cidr < b->cidr ? a->cidr : b->cidr;
	x = masked(x);
	y = masked(y);
	return memcmp(&x, &y, sizeof(x)) == 0;
}

static bool peer_overlaps(const struct peer *a, const struct peer *b)
{
	for (unsigned i = 0; i < a->num_addresses; i++) {
		for (unsigned j = 0; j < b->num_addresses; j++) {
			if (prefix_overlaps(&a->addresses[i], &b->addresses[j]))
				return true;
		}
	}
	return false;
}

/* Take an address in, unless it is part of one that is there; what is part of it goes. */
static void add_address(struct peer *peer, const struct prefix *address)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < peer->num_addresses; i++) {
		if (peer->addresses[i].cidr <= address->cidr &&
			prefix_overlaps(&peer->addresses[i], address))
			return;
	}
	for (unsigned i = 0; i < peer->num_addresses; i++) {
		if (!prefix_overlaps(&peer->addresses[i], address))
			peer->addresses[kept++] = peer->addresses[i];
	}
	peer->addresses[kept++] = *address;
	peer->num_addresses = kept;
}

/* --- peers ------------------------------------------------------------ */

static void peer_deinit(struct peer *peer)
{
	free(peer->addresses);
	free(peer->elements);
	*peer = (struct peer){0};
}

static int peer_init(struct peer *ret_peer, int64_t id, const struct prefix *addresses,
	unsigned num_addresses, const struct policy_allowance *allowances, unsigned num_allowances)
{
	struct peer peer = {.id = id};
	struct element *elements;
	size_t num_elements;
	int r;

	if (num_addresses > FILTER_ADDRESSES_MAX || num_allowances > POLICY_ALLOWANCES_MAX)
		return -EINVAL;
	peer.addresses = calloc(num_addresses + 1, sizeof(*addresses));
	if (!peer.addresses)
		return -ENOMEM;
	for (unsigned i = 0; i < num_addresses; i++) {
		struct prefix address;

		if (!prefix_is_valid(&addresses[i])) {
			peer_deinit(&peer);
			return -EINVAL;
		}
		address = masked(addresses[i]);
		add_address(&peer, &address);
	}
	r = elements_new(&elements, &num_elements, peer.addresses, peer.num_addresses, allowances,
		num_allowances);
	if (r < 0) {
		peer_deinit(&peer);
		return r;
	}
	peer.elements = elements;
	peer.num_elements = num_elements;
	*ret_peer = peer;
	return 0;
}

/* --- the kernel's table ----------------------------------------------- */

/* Run a script and keep what was said. */
static int run(struct filter *filter, const struct text *script)
{
	char *said = NULL;
	int r = script->failed ? -ENOMEM : nft_run(script->data, &said);

	free(filter->error);
	filter->error = said;
	return r;
}

/* Without `iifname != …` in front of it, a rule would be about every packet of the host. The set of
 * a packet's peer decides before the destination is translated, so that the port is what the peer
 * sent to; what then is forwarded must have been translated. */
static void write_table(struct text *text, const struct filter *filter)
{
	text_printf(text,
		"table inet %1$s\n"
		"delete table inet %1$s\n"
		"table inet %1$s {\n"
		"set protocols4 { type ipv4_addr . inet_proto; flags interval; }\n"
		"set protocols6 { type ipv6_addr . inet_proto; flags interval; }\n"
		"set ports4 { type ipv4_addr . inet_proto . inet_service; flags interval; }\n"
		"set ports6 { type ipv6_addr . inet_proto . inet_service; flags interval; }\n"
		"chain received {\n"
		"type filter hook prerouting priority mangle; policy accept;\n"
		"iifname != \"%2$s\" accept\n"
		"ct state established ct direction reply accept\n"
		"ct state related icmp type { destination-unreachable, time-exceeded, "
		"parameter-problem } accept\n"
		"ct state related icmpv6 type { destination-unreachable, packet-too-big, "
		"time-exceeded, parameter-problem } accept\n"
		"ip saddr . meta l4proto @protocols4 accept\n"
		"ip6 saddr . meta l4proto @protocols6 accept\n"
		"ip saddr . meta l4proto . th dport @ports4 accept\n"
		"ip6 saddr . meta l4proto . th dport @ports6 accept\n"
		"reject with icmpx admin-prohibited\n"
		"}\n"
		"chain forwarded {\n"
		"type filter hook forward priority filter; policy accept;\n"
		"iifname != \"%2$s\" accept\n"
		"ct direction reply accept\n"
		"ct state related accept\n"
		"ct status dnat accept\n"
		"reject with icmpx admin-prohibited\n"
		"}\n"
		"}\n",
		filter->table, filter->ifname);
}

static const struct element **gather(
	const struct element **end, const struct peer *peer, const struct peer *except)
{
	for (size_t i = 0; i < peer->num_elements; i++) {
		const struct element *element = &peer->elements[i];

		if (!except || !elements_have(except->elements, except->num_elements, element))
			*end++ = element;
	}
	return end;
}

/* Make the whole table anew. */
static int rebuild(struct filter *filter)
{
	const struct element **all =
		calloc(filter->num_elements + 1, sizeof(const struct element *));
	const struct element **end;
	struct text script = {0};
	int r;

	filter->is_behind = true;
	if (!all)
		return -ENOMEM;
	end = gather(all, &filter->hub, NULL);
	for (size_t i = 0; i < filter->num_peers; i++)
		end = gather(end, &filter->peers[i], NULL);
	write_table(&script, filter);
	elements_write(&script, "add", filter->table, all, (size_t)(end - all));
	r = run(filter, &script);
	filter->is_behind = r < 0;
	text_deinit(&script);
	free(all);
	return r;
}

/* Bring the table from what `gone` peers had to what `peer` has now. */
static int update(
	struct filter *filter, const struct peer *gone, size_t num_gone, const struct peer *peer)
{
	const struct element **changes, **end;
	struct text script = {0};
	size_t num = peer->num_elements;
	int r = -ENOMEM;

	for (size_t i = 0; i < num_gone; i++)
		num += gone[i].num_elements;
	changes = calloc(num + 1, sizeof(const struct element *));
	if (changes && !filter->is_behind) {
		end = changes;
		for (size_t i = 0; i < num_gone; i++)
			end = gather(end, &gone[i], peer);
		elements_write(&script, "delete", filter->table, changes, (size_t)(end - changes));
		end = changes;
		for (size_t i = 0; i < peer->num_elements; i++) {
			bool is_there = false;

			for (size_t j = 0; j < num_gone && !is_there; j++)
				is_there = elements_have(
					gone[j].elements, gone[j].num_elements, &peer->elements[i]);
			if (!is_there)
				*end++ = &peer->elements[i];
		}
		elements_write(&script, "add", filter->table, changes, (size_t)(end - changes));
		r = script.len == 0 && !script.failed ? 0 : run(filter, &script);
	}
	text_deinit(&script);
	free(changes);
	return r < 0 ? rebuild(filter) : 0;
}

/* --- the filter ------------------------------------------------------- */

static bool ifname_is_valid(const char *ifname)
{
	size_t len = strnlen(ifname, IFNAMSIZ);

	return len > 0 && len < IFNAMSIZ &&
	       strspn(ifname,
		       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == len;
}

static void filter_release(struct filter *filter)
{
	for (size_t i = 0; i < filter->num_peers; i++)
		peer_deinit(&filter->peers[i]);
	free(filter->peers);
	peer_deinit(&filter->hub);
	if (filter->events_fd >= 0)
		close(filter->events_fd);
	free(filter->error);
	free(filter);
}

int filter_new(struct filter **ret_filter, const char *ifname, const struct prefix *hubs,
	unsigned num_hubs, char **ret_error)
{
	static const struct policy_allowance any = {POLICY_ANY, 0, UINT16_MAX};
	struct filter *filter;
	int r;

	*ret_error = NULL;
	if (!ifname_is_valid(ifname))
		return -EINVAL;
	filter = calloc(1, sizeof(*filter));
	if (!filter)
		return -ENOMEM;
	strcpy(filter->ifname, ifname);
	snprintf(filter->table, sizeof(filter->table), "adit-%s", ifname);
	filter->events_fd = nft_watch();
	r = filter->events_fd < 0 ? filter->events_fd
				  : peer_init(&filter->hub, 0, hubs, num_hubs, &any, 1);
	if (r == 0) {
		filter->num_elements = filter->hub.num_elements;
		r = rebuild(filter);
	}
	if (r < 0) {
		*ret_error = strdup(filter->error ? filter->error : strerror(-r));
		filter_release(filter);
		return r;
	}
	*ret_filter = filter;
	return 0;
}

void filter_free(struct filter *filter)
{
	struct text script = {0};

	if (!filter)
		return;
	text_printf(&script, "table inet %1$s\ndelete table inet %1$s\n", filter->table);
	if (run(filter, &script) < 0) {
		/* Nobody is left who could do more about it. */
	}
	text_deinit(&script);
	filter_release(filter);
}

/* Take the peer with this id, and those that have one of the new one's addresses, out of the list
 * to behind its end. Returns how many. */
static size_t set_apart(struct filter *filter, const struct peer *peer)
{
	size_t num_gone = 0;

	for (size_t i = 0; i < filter->num_peers - num_gone;) {
		struct peer one = filter->peers[i];
		size_t last = filter->num_peers - num_gone - 1;

		if (one.id != peer->id && !peer_overlaps(&one, peer)) {
			i++;
			continue;
		}
		filter->peers[i] = filter->peers[last];
		filter->peers[last] = one;
		num_gone++;
	}
	filter->num_peers -= num_gone;
	return num_gone;
}

static int reserve_peer(struct filter *filter)
{
	size_t max = filter->max_peers > 0 ? filter->max_peers * 2 : 8;
	struct peer *peers;

	if (filter->num_peers + 1 < filter->max_peers)
		return 0;
	peers = reallocarray(filter->peers, max, sizeof(*peers));
	if (!peers)
		return -ENOMEM;
	filter->peers = peers;
	filter->max_peers = max;
	return 0;
}

/* peer takes the place of those it replaces; one without addresses is not kept. */
static int replace(struct filter *filter, struct peer *peer)
{
	struct peer *gone;
	size_t num_gone = set_apart(filter, peer);
	int r;

	for (size_t i = 0; i < num_gone; i++)
		filter->num_elements -= filter->peers[filter->num_peers + i].num_elements;
	filter->num_elements += peer->num_elements;
	/* Those that are gone move up by one, the peer comes before them. */
	gone = &filter->peers[filter->num_peers + 1];
	memmove(gone, gone - 1, num_gone * sizeof(*gone));
	filter->peers[filter->num_peers++] = *peer;

	r = update(filter, gone, num_gone, peer);
	for (size_t i = 0; i < num_gone; i++)
		peer_deinit(&gone[i]);
	if (peer->num_addresses == 0)
		peer_deinit(&filter->peers[--filter->num_peers]);
	return r;
}

int filter_set_peer(struct filter *filter, int64_t peer_id, const struct prefix *addresses,
	unsigned num_addresses, const struct policy_allowance *allowances, unsigned num_allowances)
{
	struct peer peer;
	int r = reserve_peer(filter);

	if (r < 0)
		return r;
	r = peer_init(&peer, peer_id, addresses, num_addresses, allowances, num_allowances);
	if (r < 0)
		return r;
	if (peer_overlaps(&peer, &filter->hub)) {
		peer_deinit(&peer);
		return -EEXIST;
	}
	return replace(filter, &peer);
}

int filter_remove_peer(struct filter *filter, int64_t peer_id)
{
	return filter_set_peer(filter, peer_id, NULL, 0, NULL, 0);
}

int filter_fd(const struct filter *filter)
{
	return filter->events_fd;
}

/* Whether both chains still have their last rule. */
static bool is_whole(struct filter *filter)
{
	static const char *const chains[] = {"received", "forwarded"};
	bool is_whole = true;

	for (size_t i = 0; i < ARRAY_SIZE(chains) && is_whole; i++) {
		struct text script = {0};

		text_printf(&script, "list chain inet %s %s\n", filter->table, chains[i]);
		is_whole = run(filter, &script) == 0 && filter->error &&
			   strstr(filter->error, "reject");
		text_deinit(&script);
	}
	return is_whole;
}

int filter_mend(struct filter *filter, bool *ret_mended)
{
	bool is_needed = nft_is_changed(filter->events_fd, filter->table) && !is_whole(filter);
	int r = 0;

	if (is_needed || filter->is_behind)
		r = rebuild(filter);
	if (r == 0)
		*ret_mended = is_needed;
	return r;
}

const char *filter_error(const struct filter *filter)
{
	return filter->error ? filter->error : "";
}
