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
#include "privsep/memory.h"
#include "tunnel/ipc.h"
#include "tunnel/roles.h"

static int configure(
	struct keyring *keyring, const struct vault_request *request, struct vault_reply *reply)
{
	int r;

	switch (request->type) {
	case VAULT_SET_PRIVATE_KEY:
		keyring_set_private_key(keyring, request->a, reply->a);
		memory_rest();
		return 0;
	case VAULT_GET_PRIVATE_KEY:
		keyring_get_private_key(keyring, reply->a);
		return 0;
	case VAULT_ADD_PEER:
		r = keyring_add_peer(keyring, request->peer_id, request->a);
		memory_hide_heap();
		return r;
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
static void answer(int fd, void *reply, size_t len, const char *neighbour)
{
	int r = ipc_try_send(fd, reply, len);

	wipe(reply, len);
	if (r < 0)
		ipc_fail(neighbour, r);
}

static void serve_monitor(struct keyring *keyring)
{
	struct vault_request request;
	struct vault_reply reply = {0};
	int r;

	if (!ipc_next(VAULT_FD_MONITOR, &request, sizeof(request), NULL, "monitor"))
		return;
	r = request.peer_id < MAX_PEERS ? configure(keyring, &request, &reply) : -EPROTO;
	wipe(&request, sizeof(request));
	if (r == -EPROTO)
		role_fail("request of the monitor", r);
	if (r < 0)
		reply = (struct vault_reply){.error = r};
	answer(VAULT_FD_MONITOR, &reply, sizeof(reply), "monitor");
}

static bool mixing_is_valid(const struct vault_mixing *mixing)
{
	if (mixing->secret < NOISE_DH || mixing->secret > NOISE_ANSWER || mixing->num == 0 ||
		mixing->num > NOISE_MIXES_MAX ||
		(mixing->secret == NOISE_ANSWER && mixing->num != NOISE_ANSWER_MIXES))
		return false;
	for (unsigned i = 0; i < mixing->num; i++) {
		if (mixing->mixes[i].peer_id >= MAX_PEERS)
			return false;
	}
	return true;
}

static void serve_engine(struct keyring *keyring)
{
	struct vault_mixing mixing;

	if (!ipc_next(VAULT_FD_ENGINE, &mixing, sizeof(mixing), NULL, "engine"))
		return;
	if (!mixing_is_valid(&mixing))
		ipc_fail("engine", -EPROTO);
	memory_keep();
	keyring_mix(keyring, mixing.secret, mixing.mixes, mixing.num);
	memory_hide_heap();
	answer(VAULT_FD_ENGINE, &mixing, sizeof(mixing), "engine");
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
			serve_monitor(keyring);
		else if (fds[1].revents)
			serve_engine(keyring);
	}
}
