/* SPDX-License-Identifier: MIT
 *
 * The hub's own tunnel, by UAPI on one connection.
 */
#include "overlay/hub/tunnel.h"

#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/uapi_socket.h"

#define LEAVE_NS (2 * SECOND_NS)
/* What was seen is good for so long; where nothing was seen yet, less. */
#define LOOK_NS (5 * SECOND_NS)
#define LOOK_AGAIN_NS (100 * MSEC_NS)

/* --- peers ----------------------------------------------------------- */

static int set(const struct tunnel *tunnel, const struct config *config)
{
	return tunnel->uapi_fd < 0 ? 0 : uapi_socket_set(tunnel->uapi_fd, config);
}

int tunnel_add(struct tunnel *tunnel, const struct member *member)
{
	const struct network *network = &member->realm->network;
	struct config_peer *peer = config_add_peer(&tunnel->changes);
	static const uint16_t families[] = {AF_INET, AF_INET6};
	int r = 0;

	if (peer == NULL) {
		tunnel->is_behind = true;
		return -ENOMEM;
	}
	memcpy(peer->public_key, member->node.public_key, KEY_LEN);
	peer->flags = CONFIG_PEER_REPLACE_ALLOWED_IPS;
	for (size_t i = 0; i < ARRAY_SIZE(families) && r == 0; i++) {
		struct prefix address =
			network_host_address(network, families[i], member->node.host);

		if (address.family != 0)
			r = config_peer_add_allowed_ip(peer, &address, false);
	}
	/* It may have been about to leave. */
	for (size_t i = tunnel->leaving.num_peers; i-- > 0;) {
		struct config_peer *leaving = &tunnel->leaving.peers[i];

		if (memcmp(leaving->public_key, peer->public_key, KEY_LEN) == 0)
			*leaving = tunnel->leaving.peers[--tunnel->leaving.num_peers];
	}
	tunnel->is_behind |= r != 0;
	return r;
}

static int plan_removal(struct config *config, const uint8_t public_key[KEY_LEN])
{
	struct config_peer *peer = config_add_peer(config);

	if (peer == NULL)
		return -ENOMEM;
	memcpy(peer->public_key, public_key, KEY_LEN);
	peer->flags = CONFIG_PEER_REMOVE;
	return 0;
}

int tunnel_apply(struct tunnel *tunnel)
{
	int r = tunnel->changes.num_peers > 0 ? set(tunnel, &tunnel->changes) : 0;

	config_deinit(&tunnel->changes);
	tunnel->is_behind |= r != 0;
	return r;
}

int tunnel_remove_later(struct tunnel *tunnel, const uint8_t public_key[KEY_LEN], uint64_t now_ns)
{
	int r = plan_removal(&tunnel->leaving, public_key);

	tunnel->is_behind |= r != 0;
	if (r == 0 && tunnel->leave_ns == 0)
		tunnel->leave_ns = now_ns + LEAVE_NS;
	return r;
}

uint64_t tunnel_expire(struct tunnel *tunnel, uint64_t now_ns)
{
	int r;

	if (tunnel->leave_ns == 0 || tunnel->leave_ns > now_ns)
		return tunnel->leave_ns;
	r = tunnel->leaving.num_peers > 0 ? set(tunnel, &tunnel->leaving) : 0;
	if (r != 0)
		log_error("tunnel: cannot remove peers: %s", strerror(-r));
	config_deinit(&tunnel->leaving);
	tunnel->is_behind |= r != 0;
	tunnel->leave_ns = 0;
	return 0;
}

/* --- what the tunnel has --------------------------------------------- */

/* Whether the tunnel's peer has the addresses of this member and no others. */
static bool is_as_wanted(const struct config_peer *peer, const struct member *member)
{
	for (size_t i = 0; i < peer->num_allowed_ips; i++) {
		const struct prefix *prefix = &peer->allowed_ips[i].prefix;
		struct prefix wanted = network_host_address(
			&member->realm->network, prefix->family, member->node.host);

		if (memcmp(&wanted, prefix, sizeof(wanted)) != 0)
			return false;
	}
	return peer->num_allowed_ips == 2;
}

int tunnel_sync(struct tunnel *tunnel, const struct directory *directory)
{
	struct config have = {0};
	struct member *member;
	struct map seen = {0}; /* slots of members that are peers as they should be */
	uint32_t value;
	int r = tunnel->uapi_fd < 0 ? 0 : uapi_socket_get(tunnel->uapi_fd, &have);

	for (size_t i = 0; r == 0 && i < have.num_peers; i++) {
		member = directory_member_by_key(directory, have.peers[i].public_key);
		if (member == NULL || member->node.state != NODE_ACTIVE)
			r = plan_removal(&tunnel->changes, have.peers[i].public_key);
		else if (is_as_wanted(&have.peers[i], member))
			r = map_put(&seen, member->slot, 0);
	}
	for (uint32_t slot = 0; r == 0 && (member = directory_next(directory, &slot)) != NULL;
		slot++) {
		if (member->node.state == NODE_ACTIVE && !map_get(&seen, slot, &value))
			r = tunnel_add(tunnel, member);
	}
	config_deinit(&have);
	map_deinit(&seen);
	if (r == 0)
		return tunnel_apply(tunnel);
	config_deinit(&tunnel->changes); /* it is half of a plan */
	return r;
}

bool tunnel_is_lost(const struct tunnel *tunnel)
{
	return tunnel->uapi_fd >= 0 && uapi_socket_is_lost(tunnel->uapi_fd);
}

void tunnel_look_for(struct tunnel *tunnel, struct member *member, uint64_t now_ns)
{
	uint64_t rest_ns = member->seen_at.family != 0 ? LOOK_NS : LOOK_AGAIN_NS;
	struct config have;
	int r;

	if (tunnel->uapi_fd < 0 || (member->looked_ns != 0 && now_ns - member->looked_ns < rest_ns))
		return;
	member->looked_ns = now_ns;
	r = uapi_socket_get_peer(tunnel->uapi_fd, member->node.public_key, &have);
	if (r == 0)
		member->seen_at = have.peers[0].endpoint;
	else if (r != -ENOENT) /* it is not active */
		log_error("tunnel: cannot see a peer: %s", strerror(-r));
	config_deinit(&have);
}

void tunnel_deinit(struct tunnel *tunnel)
{
	config_deinit(&tunnel->changes);
	config_deinit(&tunnel->leaving);
}
