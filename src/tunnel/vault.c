/* SPDX-License-Identifier: MIT
 *
 * The vault: the only process that holds the private key and the preshared keys, like a hardware
 * security module. It has two sockets, one to the monitor (which sets keys) and one to the engine
 * (which has secrets mixed into chaining keys); every message has one fixed size. No answer to the
 * engine lets it learn a key or a Diffie-Hellman result.
 */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "core/keyring.h"
#include "tunnel/ipc.h"
#include "tunnel/roles.h"

static int mix(
	struct keyring *keyring, const struct vault_request *request, struct vault_reply *reply)
{
	memcpy(reply->a, request->b, KEY_LEN); /* the chaining key, changed in place */
	switch (request->type) {
	case VAULT_MIX_DH:
		return keyring_mix_dh(keyring, request->a, reply->a, reply->b);
	case VAULT_MIX_STATIC:
		return keyring_mix_static(keyring, request->peer_id, reply->a, reply->b);
	case VAULT_MIX_PSK:
		return keyring_mix_psk(keyring, request->peer_id, reply->a, reply->c, reply->b);
	default:
		return -EPROTO;
	}
}

static int configure(
	struct keyring *keyring, const struct vault_request *request, struct vault_reply *reply)
{
	switch (request->type) {
	case VAULT_SET_PRIVATE_KEY:
		keyring_set_private_key(keyring, request->a, reply->a);
		return 0;
	case VAULT_GET_PRIVATE_KEY:
		keyring_get_private_key(keyring, reply->a);
		return 0;
	case VAULT_ADD_PEER:
		return keyring_add_peer(keyring, request->peer_id, request->a);
	case VAULT_REMOVE_PEER:
		keyring_remove_peer(keyring, request->peer_id);
		return 0;
	case VAULT_SET_PSK:
		return keyring_set_psk(keyring, request->peer_id, request->a);
	case VAULT_GET_PSK:
		return keyring_get_psk(keyring, request->peer_id, reply->a);
	default:
		return -EPROTO;
	}
}

/* Nobody has more than VAULT_WINDOW requests under way, so the answer always has room. */
static void serve(struct keyring *keyring, int fd, const char *neighbour,
	int (*answer)(struct keyring *, const struct vault_request *, struct vault_reply *))
{
	struct vault_request request;
	struct vault_reply reply = {0};
	int r;

	if (!ipc_next(fd, &request, sizeof(request), NULL, neighbour))
		return;
	r = request.peer_id < MAX_PEERS ? answer(keyring, &request, &reply) : -EPROTO;
	if (r == -EPROTO)
		role_fail("bad request", r);
	if (r < 0) {
		wipe(&reply, sizeof(reply));
		reply.error = r;
	}
	r = ipc_try_send(fd, &reply, sizeof(reply));
	wipe(&request, sizeof(request));
	wipe(&reply, sizeof(reply));
	if (r < 0)
		ipc_fail(neighbour, r);
}

void vault_main(const char *ifname)
{
	struct pollfd fds[] = {{.fd = VAULT_FD_MONITOR, .events = POLLIN},
		{.fd = VAULT_FD_ENGINE, .events = POLLIN}};
	struct keyring *keyring = keyring_new();

	(void)ifname;
	if (!keyring)
		role_fail("cannot start", -ENOMEM);
	roles_init_crypto();
	roles_enter_sandbox(ROLE_VAULT);
	for (;;) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			role_fail("poll", -errno);
		if (fds[0].revents)
			serve(keyring, VAULT_FD_MONITOR, "monitor", configure);
		else if (fds[1].revents)
			serve(keyring, VAULT_FD_ENGINE, "engine", mix);
	}
}
