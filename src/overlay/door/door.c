/* SPDX-License-Identifier: MIT
 *
 * The door's process: its sockets, the clock, randomness. What it does with a datagram is guests.c.
 * What strangers send is never logged.
 */
#include "overlay/door/door.h"

#include <errno.h>
#include <poll.h>
#include <sys/random.h>

#include "base/clock.h"
#include "net/udp.h"
#include "overlay/door/guests.h"
#include "tunnel/ipc.h"
#include "tunnel/vault_client.h"

enum { EXPIRE_INTERVAL_MS = 1000, VERDICTS_PER_ROUND = 64 };

struct door {
	struct guests *guests;
	struct udp_pair sockets;
	struct udp_receiver *receivers[2]; /* of fd4, fd6 */
	struct batch received;
};

static struct door door; /* one a process; large, so not on the stack */

static void get_random(void *ret_bytes, size_t len)
{
	if (getrandom(ret_bytes, len, 0) != (ssize_t)len)
		role_fail("getrandom", -errno);
}

/* --- the vault ------------------------------------------------------- */

static void mix(void *ctx, enum noise_secret secret, struct noise_mix *mixes, unsigned num)
{
	(void)ctx;
	vault_mix(DOOR_FD_VAULT, secret, mixes, num);
}

/* --- strangers ------------------------------------------------------- */

static void send_datagram(struct endpoint *to, void *data, size_t len)
{
	struct batch batch = {.num = 1,
		.packets = {{.data = data,
			.len = (uint32_t)len,
			.tos = HANDSHAKE_TOS,
			.endpoint = to}}};

	udp_send(&door.sockets, &batch, NULL);
}

/* The hub is busy, or being started again: who asked will ask again. */
static void ask_hub(const struct door_question *question)
{
	int r = ipc_try_send(DOOR_FD_HUB, question, sizeof(*question));

	if (r == -EAGAIN)
		guests_forget(door.guests, question->number);
	else if (r < 0)
		ipc_fail("hub", r);
}

static void take_datagram(const struct packet *packet, uint64_t now_ns)
{
	struct guest_result result;
	uint8_t random[64];

	get_random(random, sizeof(random));
	guests_take(
		door.guests, packet->data, packet->len, packet->endpoint, random, now_ns, &result);
	if (result.step == GUEST_COOKIE)
		send_datagram(packet->endpoint, &result.cookie, sizeof(result.cookie));
	else if (result.step == GUEST_ASK)
		ask_hub(&result.question);
	wipe(&result, sizeof(result));
	wipe(random, sizeof(random));
}

static void pump_socket(int fd, struct udp_receiver *receiver)
{
	int r;

	do {
		r = udp_receive(receiver, fd, &door.received);
		if (r < 0)
			role_fail("UDP socket", r);
		for (unsigned i = 0; i < door.received.num; i++)
			take_datagram(&door.received.packets[i], clock_boottime_ns());
	} while (udp_receiver_has_more(receiver));
}

/* --- the hub --------------------------------------------------------- */

static void take_verdicts(void)
{
	struct door_verdict verdict;
	struct message_enrol message;
	struct endpoint to;
	uint8_t random[80];

	for (int i = 0; i < VERDICTS_PER_ROUND; i++) {
		if (!ipc_next(DOOR_FD_HUB, &verdict, sizeof(verdict), NULL, "hub"))
			return;
		if (verdict.is_refused > 1)
			ipc_fail("hub", -EPROTO);
		get_random(random, sizeof(random));
		if (guests_judge(door.guests, &verdict, random, &message, &to))
			send_datagram(&to, &message, sizeof(message));
		wipe(random, sizeof(random));
	}
}

static void start(void)
{
	const struct noise_keys keys = {.mix = mix};
	struct door_setup setup;
	uint8_t random[16];
	int r = ipc_receive(DOOR_FD_HUB, &setup, sizeof(setup)), fd = DOOR_FD_UDP;

	if (r == 0 && (setup.has_ipv4 > 1 || setup.has_ipv6 > 1))
		r = -EPROTO;
	if (r < 0)
		ipc_fail("launcher", r);
	door.sockets.fd4 = setup.has_ipv4 ? fd++ : -1;
	door.sockets.fd6 = setup.has_ipv6 ? fd++ : -1;
	r = crypto_init();
	if (r < 0)
		role_fail("libcrypto lacks an algorithm", r);
	get_random(random, sizeof(random));
	door.guests = guests_new(setup.hub_key, &keys, random);
	door.receivers[0] = udp_receiver_new();
	door.receivers[1] = udp_receiver_new();
	if (!door.guests || !door.receivers[0] || !door.receivers[1])
		role_fail("cannot start", -ENOMEM);
}

void door_main(const struct sandbox *sandbox)
{
	const struct ack ready = {ACK_READY};

	start();
	sandbox_enter(sandbox);
	ipc_tell(DOOR_FD_HUB, &ready, sizeof(ready), "launcher");
	for (;;) {
		struct pollfd fds[] = {{.fd = DOOR_FD_HUB, .events = POLLIN},
			{.fd = door.sockets.fd4, .events = POLLIN},
			{.fd = door.sockets.fd6, .events = POLLIN}};
		bool waits = guests_expire(door.guests, clock_boottime_ns());

		if (poll(fds, ARRAY_SIZE(fds), waits ? EXPIRE_INTERVAL_MS : -1) < 0 &&
			errno != EINTR)
			role_fail("poll", -errno);
		if (fds[0].revents)
			take_verdicts();
		if (fds[1].revents)
			pump_socket(door.sockets.fd4, door.receivers[0]);
		if (fds[2].revents)
			pump_socket(door.sockets.fd6, door.receivers[1]);
	}
}
