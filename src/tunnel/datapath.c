/* SPDX-License-Identifier: MIT
 *
 * The datapath: runs the transport (core/transport.h) between the TUN device and the UDP sockets.
 * One worker that runs to completion: it drains TUN and sockets in turns, a batch each. It owns
 * the only network descriptors of the tunnel, and cannot open, configure or look up anything.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rate.h"
#include "core/transport.h"
#include "net/tun.h"
#include "net/udp.h"
#include "privsep/memory.h"
#include "tunnel/ipc.h"
#include "tunnel/roles.h"
#include "tunnel/status_map.h"

enum { MAX_ROUNDS = 4, MAX_REQUESTS = 256 };

/* Whoever knows our public key can send handshake messages that cost the engine and us ten times
 * what a packet does. More than this are not passed on. */
enum { HANDSHAKES_PER_S = 8000, HANDSHAKES_BURST = 4096 };
#define HANDSHAKE_COST_NS (SECOND_NS / HANDSHAKES_PER_S)

struct datapath {
	struct transport *transport;
	struct tun tun;
	struct udp_pair udp;
	struct udp_receiver *receiver;
	struct tun_reader *reader;
	struct batch batch;
	struct status_page *page;
};

static struct datapath dp; /* one a process */

/* --- what the transport wants done ----------------------------------- */

static void send_datagrams(void *ctx, struct batch *datagrams)
{
	unsigned failed = 0;

	(void)ctx;
	udp_send(&dp.udp, datagrams, &failed);
	if (failed)
		status_drop(dp.page, DROP_SEND_FAILED, failed);
}

static void deliver_packets(void *ctx, struct batch *packets)
{
	unsigned failed = 0;

	(void)ctx;
	if (tun_write(&dp.tun, packets, &failed) < 0)
		_exit(ROLE_INTERFACE_GONE);
	if (failed)
		status_drop(dp.page, DROP_DELIVER_FAILED, failed);
}

static int try_send_handshake(const struct event *event)
{
	static struct rate rate;

	if (!rate_allow(&rate, clock_boottime_ns(), HANDSHAKE_COST_NS, HANDSHAKES_BURST))
		return -EAGAIN;
	return ipc_try_send(DATAPATH_FD_ENGINE, event, sizeof(*event));
}

/* Handshake messages are dropped when there are too many, all else waits: the engine keeps reading
 * even while it waits for us. */
static void emit(void *ctx, const struct event *event)
{
	int r;

	(void)ctx;
	if (event->type == EVENT_HANDSHAKE_MESSAGE)
		r = try_send_handshake(event);
	else
		r = ipc_send(DATAPATH_FD_ENGINE, event, sizeof(*event));
	if (r == -EAGAIN)
		status_drop(dp.page, DROP_QUEUE_FULL, 1);
	else if (r < 0)
		ipc_fail("engine", r);
}

/* --- the engine ------------------------------------------------------ */

static bool control_is_valid(const struct control *control)
{
	if (control->type < CONTROL_SEND_HANDSHAKE || control->type > CONTROL_PURGE_STAGED ||
		control->peer_id >= MAX_PEERS)
		return false;
	switch ((enum control_type)control->type) {
	case CONTROL_SEND_HANDSHAKE:
		return control->handshake.len <= sizeof(control->handshake.message) &&
		       endpoint_is_valid(&control->handshake.endpoint);
	case CONTROL_SEND_COOKIE_REPLY:
		return control->handshake.len == sizeof(struct message_cookie_reply) &&
		       control->handshake.endpoint.family != 0 &&
		       endpoint_is_valid(&control->handshake.endpoint);
	case CONTROL_INSTALL_KEYPAIR:
		return endpoint_is_valid(&control->keypair.endpoint);
	default:
		return true;
	}
}

static void serve_engine(void)
{
	struct control control;

	while (ipc_next(DATAPATH_FD_ENGINE, &control, sizeof(control), NULL, "engine")) {
		if (!control_is_valid(&control))
			role_fail("bad control", -EPROTO);
		transport_handle_control(dp.transport, &control, clock_boottime_ns());
		if (control.type == CONTROL_INSTALL_KEYPAIR) {
			memory_keep();
			wipe(&control, sizeof(control));
		}
	}
}

/* --- the monitor ----------------------------------------------------- */

static int set_sockets(const struct request *request, int fds[2])
{
	int wanted = (request->sockets.has_ipv4 != 0) + (request->sockets.has_ipv6 != 0);
	int next = 0;

	if ((fds[0] >= 0) + (fds[1] >= 0) != wanted)
		return -EPROTO;
	udp_close(&dp.udp);
	if (request->sockets.has_ipv4)
		dp.udp.fd4 = fds[next++];
	if (request->sockets.has_ipv6)
		dp.udp.fd6 = fds[next++];
	transport_forget_sources(dp.transport);
	return 0;
}

static int report_peer(const struct request *request)
{
	const struct endpoint *endpoint = transport_endpoint(dp.transport, request->peer_id);
	struct report report = {.cursor = request->cursor};

	if (!endpoint)
		return -ENOENT;
	report.endpoint = *endpoint;
	report.num_prefixes = (uint32_t)allowedips_list(transport_allowedips(dp.transport),
		request->peer_id, &report.cursor, report.prefixes, REPORT_PREFIXES);
	return ipc_send(DATAPATH_FD_MONITOR, &report, sizeof(report));
}

static void forget_source(const struct request *request)
{
	struct endpoint *endpoint = transport_endpoint(dp.transport, request->peer_id);

	if (endpoint && memcmp(endpoint, &request->endpoint, sizeof(*endpoint)) == 0)
		endpoint_clear_source(endpoint);
}

static int handle_request(const struct request *request, int fds[2])
{
	const struct ack ack = {REQUEST_SYNC};
	struct allowedips *table = transport_allowedips(dp.transport);
	bool has_peer = transport_endpoint(dp.transport, request->peer_id) != NULL;

	switch ((enum request_type)request->type) {
	case REQUEST_SYNC:
		memory_rest();
		return ipc_send(DATAPATH_FD_MONITOR, &ack, sizeof(ack));
	case REQUEST_SET_PUBLIC_KEY:
		transport_set_public_key(dp.transport, request->key);
		return 0;
	case REQUEST_SET_LINK:
		transport_set_link(dp.transport, request->link.up, request->link.mtu);
		return 0;
	case REQUEST_ADD_PEER:
		return transport_add_peer(dp.transport, request->peer_id);
	case REQUEST_REMOVE_PEER:
		transport_remove_peer(dp.transport, request->peer_id);
		return 0;
	case REQUEST_SET_ENDPOINT:
		transport_set_endpoint(dp.transport, request->peer_id, &request->endpoint);
		return 0;
	case REQUEST_ADD_ALLOWED_IP:
		return has_peer ? allowedips_insert(table, &request->prefix, request->peer_id)
				: -ENOENT;
	case REQUEST_REMOVE_ALLOWED_IP:
		allowedips_remove(table, &request->prefix, request->peer_id);
		return 0;
	case REQUEST_CLEAR_ALLOWED_IPS:
		allowedips_remove_peer(table, request->peer_id);
		return 0;
	case REQUEST_SET_SOCKETS:
		return set_sockets(request, fds);
	case REQUEST_FORGET_SOURCES:
		transport_forget_sources(dp.transport);
		return 0;
	case REQUEST_FORGET_SOURCE:
		forget_source(request);
		return 0;
	case REQUEST_GET_PEER:
		return report_peer(request);
	case REQUEST_SET_KEEPALIVE:
		break;
	}
	return -EPROTO;
}

static bool request_is_valid(const struct request *request, const int fds[2])
{
	if (request->peer_id >= MAX_PEERS || (fds[0] >= 0 && request->type != REQUEST_SET_SOCKETS))
		return false;
	switch ((enum request_type)request->type) {
	case REQUEST_ADD_ALLOWED_IP:
	case REQUEST_REMOVE_ALLOWED_IP:
		return prefix_is_valid(&request->prefix);
	case REQUEST_SET_ENDPOINT:
		return endpoint_is_valid(&request->endpoint);
	default:
		return true;
	}
}

static void serve_monitor(void)
{
	struct request request;
	int fds[2], r;

	/* What the engine said about a peer before it learnt of its removal comes before the
	 * removal, and before its number is given to another. */
	serve_engine();
	for (int i = 0; i < MAX_REQUESTS; i++) {
		if (!ipc_next(DATAPATH_FD_MONITOR, &request, sizeof(request), fds, "monitor"))
			return;
		if (request.type == REQUEST_REMOVE_PEER)
			serve_engine();
		r = request_is_valid(&request, fds) ? handle_request(&request, fds) : -EPROTO;
		if (r < 0)
			role_fail("request", r);
	}
}

/* --- packets --------------------------------------------------------- */

/* Both return whether there may be more: an empty queue is not asked again before poll. */
static bool pump_tun(void)
{
	bool full;
	int r = tun_read(&dp.tun, dp.reader, &dp.batch);

	if (r == -EBADFD)
		_exit(ROLE_INTERFACE_GONE);
	if (r < 0 && r != -ENOMEM && r != -ENOBUFS)
		role_fail("TUN device", r);
	full = dp.batch.num == BATCH_MAX || tun_reader_has_more(dp.reader);
	if (dp.batch.num)
		transport_encrypt(dp.transport, &dp.batch, clock_boottime_ns());
	return full;
}

static bool pump_socket(int fd)
{
	do {
		int r = udp_receive(dp.receiver, fd, &dp.batch);

		if (r < 0)
			role_fail("socket", r);
		if (dp.batch.num)
			transport_decrypt(dp.transport, &dp.batch, clock_boottime_ns());
	} while (udp_receiver_has_more(dp.receiver));
	return udp_receiver_was_full(dp.receiver);
}

static noreturn void run(void)
{
	struct pollfd fds[] = {{.fd = DATAPATH_FD_MONITOR, .events = POLLIN},
		{.fd = DATAPATH_FD_ENGINE, .events = POLLIN}, {.fd = dp.tun.fd, .events = POLLIN},
		{.fd = -1, .events = POLLIN}, {.fd = -1, .events = POLLIN}};

	for (;;) {
		bool tun, ipv4, ipv6;

		fds[3].fd = dp.udp.fd4;
		fds[4].fd = dp.udp.fd6;
		if (poll(fds, ARRAY_SIZE(fds), tun_reader_has_more(dp.reader) ? 0 : -1) < 0 &&
			errno != EINTR)
			role_fail("poll", -errno);
		if (fds[0].revents)
			serve_monitor();
		if (fds[1].revents)
			serve_engine();
		tun = fds[2].revents || tun_reader_has_more(dp.reader);
		ipv4 = fds[3].revents && fds[3].fd == dp.udp.fd4;
		ipv6 = fds[4].revents && fds[4].fd == dp.udp.fd6;
		/* in turns while there is work, but the neighbours are not forgotten */
		for (int i = 0; i < MAX_ROUNDS && (tun || ipv4 || ipv6); i++) {
			tun = tun && pump_tun();
			ipv4 = ipv4 && pump_socket(dp.udp.fd4);
			ipv6 = ipv6 && pump_socket(dp.udp.fd6);
		}
	}
}

void datapath_main(const char *ifname)
{
	const struct transport_ops ops = {
		.send = send_datagrams, .deliver = deliver_packets, .emit = emit};
	char name[IFNAMSIZ];
	int r;

	(void)ifname;
	dp.tun.fd = DATAPATH_FD_TUN;
	dp.udp = (struct udp_pair){.fd4 = -1, .fd6 = -1};
	r = tun_adopt(DATAPATH_FD_TUN, name, &dp.tun.vnet_hdr, &dp.tun.features);
	if (r < 0)
		role_fail("TUN device", r);
	dp.page = status_map(DATAPATH_FD_STATUS);
	dp.reader = tun_reader_new();
	dp.receiver = udp_receiver_new();
	if (!dp.page || !dp.reader || !dp.receiver)
		role_fail("cannot start", -ENOMEM);
	roles_init_crypto();
	dp.transport = transport_new(&ops, dp.page);
	if (!dp.transport)
		role_fail("cannot start", -ENOMEM);
	roles_enter_sandbox(ROLE_DATAPATH);
	run();
}
