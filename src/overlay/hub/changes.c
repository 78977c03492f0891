/* SPDX-License-Identifier: MIT
 *
 * Changes: from the store to whom they concern.
 */
#include "overlay/hub/changes.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "overlay/hub/views.h"
#include "overlay/wire/json.h"

/* --- who is concerned ------------------------------------------------ */

/* The ids of nodes that are linked with one. */
struct links {
	int64_t *ids; /* owned */
	size_t num, cap;
};

static int add_link(void *ctx, const struct node *node)
{
	struct links *links = ctx;

	if (links->num == links->cap) {
		size_t cap = links->cap * 2 + 8;
		int64_t *ids = reallocarray(links->ids, cap, sizeof(*ids));

		if (ids == NULL)
			return -ENOMEM;
		links->ids = ids;
		links->cap = cap;
	}
	links->ids[links->num++] = node->id;
	return 0;
}

/* The links of a node to those that changed after since. */
static int read_links(struct hub *hub, int64_t id, uint64_t since, struct links *ret_links)
{
	int r;

	*ret_links = (struct links){0};
	r = store_linked(hub->store, id, since, add_link, ret_links);
	hub->work.links += ret_links->num;
	if (r != 0)
		free(ret_links->ids);
	return r;
}

/* Those who are to hear of a change. */
static struct links find_links(struct hub *hub, int64_t id)
{
	struct links links;

	if (read_links(hub, id, 0, &links) != 0)
		hub_start_anew(
			"whom a change concerns cannot be found out", store_error(hub->store));
	return links;
}

static void note_seq(struct realm *realm, uint64_t seq)
{
	if (realm->network.seq < seq)
		realm->network.seq = seq;
}

static void read_seq(struct hub *hub, struct realm *realm)
{
	struct network network;

	if (store_network_by_id(hub->store, realm->network.id, &network) != 0)
		hub_start_anew("how far a network is cannot be found out", store_error(hub->store));
	note_seq(realm, network.seq);
}

bool members_may_meet(const struct member *a, const struct member *b)
{
	const struct realm *realm = a->realm;
	const struct policy_subject sa = member_subject(a), sb = member_subject(b);
	bool allows = realm->network.allows_by_default;
	unsigned line;

	return a->realm == b->realm &&
	       (policy_decide(realm->policy, allows, &sa, &sb, POLICY_ANY, 0, &line) ||
		       policy_decide(realm->policy, allows, &sb, &sa, POLICY_ANY, 0, &line));
}

/* --- lines ----------------------------------------------------------- */

/* Send a line, which is given away. Nothing may come after one that is missing: the node comes back
 * and is told. */
static void send_line(struct member *member, json_t *line)
{
	char *text = line != NULL ? json_to_text(line, JSON_COMPACT) : NULL;
	size_t len = text != NULL ? strlen(text) : 0;

	json_decref(line);
	if (text == NULL) {
		log_error("%s: out of memory: its stream ends", member->node.name);
		stream_end(member->stream);
		return;
	}
	text[len] = '\n'; /* in place of its NUL */
	if (member->stream != NULL)
		stream_send(member->stream, text, len + 1, clock_boottime_ns());
	free(text);
}

static void send_gone(struct member *member, uint64_t seq, int64_t id, const char *reason)
{
	send_line(member, json_pack("{s:s, s:I, s:I, s:s}", "event", "gone", "seq", (json_int_t)seq,
				  "id", (json_int_t)id, "reason", reason));
}

static void send_peer(
	struct hub *hub, struct member *member, const struct member *peer, uint64_t seq)
{
	json_t *line = json_pack("{s:s, s:I, s:o}", "event", "peer", "seq", (json_int_t)seq, "peer",
		view_peer(member, peer));

	if (rendezvous_is_awaited(&hub->rendezvous, peer->node.id, member->node.id))
		json_put(&line, "awaited", json_true());
	send_line(member, line);
}

/* Tell a member who is connected what a peer is to it now. */
static void tell(struct hub *hub, struct member *member, int64_t peer_id, uint64_t seq)
{
	const struct member *peer = directory_member(&hub->directory, peer_id);

	if (member->stream == NULL)
		return;
	if (peer == NULL || peer->node.state == 0)
		send_gone(member, seq, peer_id, "removed");
	else if (peer->node.state == NODE_REVOKED)
		send_gone(member, seq, peer_id, "revoked");
	else if (peer->node.state != NODE_ACTIVE)
		send_gone(member, seq, peer_id, "expired");
	else if (!members_may_meet(member, peer))
		send_gone(member, seq, peer_id, "policy");
	else
		send_peer(hub, member, peer, seq);
}

/* Tell it what it is itself; nothing comes after that if it is not active any more. */
static void tell_self(struct member *member)
{
	if (member->stream == NULL)
		return;
	send_line(
		member, json_pack("{s:s, s:I, s:o}", "event", "self", "seq",
				(json_int_t)member->realm->network.seq, "self", view_self(member)));
	if (member->node.state != NODE_ACTIVE && member->stream != NULL)
		stream_finish(member->stream);
}

static void note_seen(struct hub *hub, struct member *member)
{
	member->node.seen_s = hub_now_s();
	if (store_seen(hub->store, member->node.id, member->node.seen_s) != 0)
		log_error("node %s: %s", member->node.name, store_error(hub->store));
}

void changes_start_stream(struct hub *hub, struct member *member, int fd, uint64_t since)
{
	static const char head[] = "HTTP/1.1 200 OK\r\n"
				   "Content-Type: application/x-ndjson\r\n"
				   "Cache-Control: no-store\r\n"
				   "Connection: close\r\n\r\n";
	uint64_t seq = member->realm->network.seq, now_ns = clock_boottime_ns();
	/* What has changed for it without a number of its peers': its own tags, the policy. */
	bool is_full = since > seq || since < member->node.seq ||
		       since < member->realm->network.policy_seq;
	struct links links;

	if (stream_start(hub->streams, fd, now_ns, &member->stream) != 0) {
		log_error("stream of %s: out of memory", member->node.name);
		return;
	}
	note_seen(hub, member);
	if (read_links(hub, member->node.id, is_full ? 0 : since, &links) != 0) {
		log_error("stream of %s: %s", member->node.name, store_error(hub->store));
		stream_end(member->stream);
		return;
	}
	if (is_full && since > seq)
		since = 0;
	stream_cork(member->stream);
	stream_send(member->stream, head, sizeof(head) - 1, now_ns);
	/* Only the last line says that everything up to now was told: whoever is cut off before it
	 * asks for the rest again. */
	send_line(member,
		json_pack("{s:s, s:i, s:I, s:o}", "event", "hello", "api", 1, "seq",
			(json_int_t)(links.num > 0 ? since : seq), "self", view_self(member)));
	for (size_t i = 0; i < links.num; i++)
		tell(hub, member, links.ids[i], i + 1 < links.num ? since : seq);
	if (member->stream != NULL)
		stream_uncork(member->stream, now_ns);
	free(links.ids);
}

/* --- nodes ----------------------------------------------------------- */

/* Tell the linked what has become of a member, and it of them. */
static void tell_both(struct hub *hub, struct member *member, const struct links *links)
{
	uint64_t seq = member->realm->network.seq;

	for (size_t i = 0; i < links->num; i++) {
		struct member *peer = directory_member(&hub->directory, links->ids[i]);

		if (peer != NULL && peer->node.state == NODE_ACTIVE)
			tell(hub, peer, member->node.id, seq);
		tell(hub, member, links->ids[i], seq);
	}
}

/* The tunnel follows the state. */
static void follow_state(struct hub *hub, const struct member *member, bool was_active)
{
	bool is_active = member->node.state == NODE_ACTIVE;
	int r = 0;

	if (is_active && !was_active) {
		r = tunnel_add(&hub->tunnel, member);
		if (r == 0)
			r = tunnel_apply(&hub->tunnel);
	} else if (was_active && !is_active) {
		r = tunnel_remove_later(&hub->tunnel, member->node.public_key, clock_boottime_ns());
	}
	if (r != 0)
		log_error("tunnel: %s: %s", member->node.name, strerror(-r));
}

struct member *changes_node(struct hub *hub, int64_t id)
{
	struct member *member = directory_member(&hub->directory, id);
	bool was_active = member != NULL && member->node.state == NODE_ACTIVE;
	struct links links;
	struct node node;
	int r = store_node(hub->store, id, &node);

	if (r == -ENOENT)
		return NULL;
	if (r != 0)
		hub_start_anew("a node that changed cannot be read", store_error(hub->store));
	if (member != NULL && node.seen_s < member->node.seen_s)
		node.seen_s = member->node.seen_s;
	member = directory_put(&hub->directory, &node);
	if (member == NULL)
		hub_start_anew("a node that changed cannot be kept", "out of memory");
	hub->work.changes++;
	hub->expire_s = hub_now_s();
	note_seq(member->realm, node.seq);
	follow_state(hub, member, was_active);
	links = find_links(hub, id);
	tell_self(member);
	tell_both(hub, member, &links);
	free(links.ids);
	return member;
}

void changes_endpoints(struct hub *hub, struct member *member, uint64_t seq)
{
	struct links links = find_links(hub, member->node.id);

	hub->work.changes++;
	note_seq(member->realm, seq);
	for (size_t i = 0; i < links.num; i++) {
		struct member *peer = directory_member(&hub->directory, links.ids[i]);

		if (peer != NULL && peer->node.state == NODE_ACTIVE)
			tell(hub, peer, member->node.id, member->realm->network.seq);
	}
	free(links.ids);
}

int changes_remove_node(struct hub *hub, const char *actor, struct member *member)
{
	struct links links = find_links(hub, member->node.id);
	bool was_active = member->node.state == NODE_ACTIVE;
	int r = 0;

	if (actor != NULL)
		r = store_remove_node(hub->store, actor, member->node.id);
	if (r == 0) {
		hub->work.changes++;
		read_seq(hub, member->realm);
		member->node.state = 0;
		follow_state(hub, member, was_active);
		tell_self(member);
		tell_both(hub, member, &links);
		stream_finish(member->stream);
		directory_remove(&hub->directory, member);
	}
	free(links.ids);
	return r;
}

void changes_remove_network(struct hub *hub, struct realm *realm)
{
	struct member *member;

	hub->work.changes++;
	for (uint32_t slot = 0; (member = directory_next(&hub->directory, &slot)) != NULL; slot++) {
		bool was_active = member->node.state == NODE_ACTIVE;

		if (member->realm != realm)
			continue;
		member->node.state = 0;
		follow_state(hub, member, was_active);
		tell_self(member);
	}
	directory_remove_realm(&hub->directory, realm);
}

/* --- pairs ----------------------------------------------------------- */

int changes_connect(struct hub *hub, struct member *member, struct member *peer)
{
	uint64_t now_ns = clock_boottime_ns();
	int r = store_link(hub->store, member->node.id, peer->node.id);

	if (r != 0)
		return r;
	hub->work.connects++;
	read_seq(hub, member->realm);
	tunnel_look_for(&hub->tunnel, member, now_ns);
	tunnel_look_for(&hub->tunnel, peer, now_ns);
	return 0;
}

void changes_introduce(struct hub *hub, const struct member *member, struct member *peer)
{
	tell(hub, peer, member->node.id, member->realm->network.seq);
}

int changes_forget(struct hub *hub, struct member *member, struct member *peer)
{
	int r = store_unlink(hub->store, member->node.id, peer->node.id);

	if (r == 0 && peer->stream != NULL)
		send_gone(peer, peer->realm->network.seq, member->node.id, "idle");
	return r;
}

/* --- policies -------------------------------------------------------- */

/* A policy and its default: what decides. */
struct rules {
	const struct policy *policy;
	bool allows_by_default;
};

static unsigned allowances_by(const struct rules *rules, const struct member *from,
	const struct member *to, struct policy_allowance ret_allowances[POLICY_ALLOWANCES_MAX])
{
	const struct policy_subject sfrom = member_subject(from), sto = member_subject(to);

	return policy_allowances(
		rules->policy, rules->allows_by_default, &sfrom, &sto, ret_allowances);
}

static bool differs(const struct rules *a, const struct rules *b, const struct member *from,
	const struct member *to)
{
	struct policy_allowance of_a[POLICY_ALLOWANCES_MAX], of_b[POLICY_ALLOWANCES_MAX];
	unsigned num = allowances_by(a, from, to, of_a);

	if (allowances_by(b, from, to, of_b) != num)
		return true;
	for (unsigned i = 0; i < num; i++) {
		if (of_a[i].protocol != of_b[i].protocol || of_a[i].first != of_b[i].first ||
			of_a[i].last != of_b[i].last)
			return true;
	}
	return false;
}

void changes_policy(
	struct hub *hub, struct realm *realm, struct policy *policy, bool allows_by_default)
{
	struct policy *before = realm->policy;
	const struct rules old = {before, realm->network.allows_by_default};
	const struct rules new = {policy != NULL ? policy : before, allows_by_default};
	struct member *member;

	if (policy != NULL)
		realm->policy = policy;
	realm->network.allows_by_default = allows_by_default;
	hub->work.changes++;
	read_seq(hub, realm);
	realm->network.policy_seq = realm->network.seq;
	for (uint32_t slot = 0; (member = directory_next(&hub->directory, &slot)) != NULL; slot++) {
		struct links links;

		if (member->realm != realm || member->stream == NULL)
			continue;
		links = find_links(hub, member->node.id);
		for (size_t i = 0; i < links.num; i++) {
			const struct member *peer = directory_member(&hub->directory, links.ids[i]);

			if (peer != NULL && (differs(&old, &new, peer, member) ||
						    differs(&old, &new, member, peer)))
				tell(hub, member, links.ids[i], realm->network.seq);
		}
		free(links.ids);
	}
	if (policy != NULL)
		policy_free(before);
}
