/* SPDX-License-Identifier: MIT
 *
 * The datapath: runs the transport (core/transport.h) between the TUN device and the UDP sockets,
 * by workers (worker.h) of which the first also serves engine and monitor. It owns the only network
 * descriptors of the tunnel, and cannot open, configure or look up anything.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/rate.h"
#include "privsep/memory.h"
#include "tunnel/ipc.h"
#include "tunnel/roles.h"
#include "tunnel/status_map.h"
#include "tunnel/worker.h"

enum { MAX_REQUESTS = 256 };

/* Whoever knows our public key can send handshake messages that cost the engine and us ten times
 * what a packet does. More than this are not passed on; of cookie replies as many again, which
 * carry no mac1: anybody can send them, and must not keep out the others. */
enum { HANDSHAKES_PER_S = 8000, HANDSHAKES_BURST = 4096 };
#define HANDSHAKE_COST_NS (SECOND_NS / HANDSHAKES_PER_S)

struct datapath {
	struct transport *transport;
	struct status_page *page;
};

static struct datapath dp; /* one a process */

/* --- what the transport wants done ----------------------------------- */

static int try_send_handshake(const struct event *event)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* any worker may come */
	static struct rate rates[2];
	const bool is_cookie_reply = load_le32(event->message) == MESSAGE_COOKIE_REPLY;
	bool allowed;

	pthread_mutex_lock(&lock);
	allowed = rate_allow(
		&rates[is_cookie_reply], clock_boottime_ns(), HANDSHAKE_COST_NS, HANDSHAKES_BURST);
	pthread_mutex_unlock(&lock);
	return allowed ? ipc_try_send(DATAPATH_FD_ENGINE, event, sizeof(*event)) : -EAGAIN;
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

/* The first worker is to learn of the deadline that there is now. */
static void want(void *ctx, const struct prefix *address)
{
	int r = ipc_try_send(DATAPATH_FD_WANTED, address, sizeof(*address));

	(void)ctx;
	if (r < 0 && r != -EAGAIN)
		ipc_fail("monitor", r);
	workers_wake();
}

static int run_timers(void)
{
	const uint64_t now_ns = clock_boottime_ns();
	uint64_t next_ns = transport_run_timers(dp.transport, now_ns);

	return next_ns ? clock_poll_ms(next_ns - now_ns) : -1;
}

/* --- the engine ------------------------------------------------------ */

/* Of any other datagram the engine has no need: it speaks to peers, and is not to speak to others
 * through us. */
static bool handshake_is_valid(const struct control *control)
{
	const struct control_handshake *handshake = &control->handshake;
	const uint32_t type = load_le32(handshake->message);
	const bool is_cookie_reply = type == MESSAGE_COOKIE_REPLY;

	return handshake->len != 0 && handshake->len == message_handshake_len(type) &&
	       is_cookie_reply == (control->type == CONTROL_SEND_COOKIE_REPLY) &&
	       is_cookie_reply == (handshake->endpoint.family != 0) &&
	       endpoint_is_valid(&handshake->endpoint) && handshake->forget_source <= 1;
}

static bool keypair_is_valid(const struct control_keypair *keypair)
{
	return keypair->endpoint.family != 0 && endpoint_is_valid(&keypair->endpoint) &&
	       keypair->local_index != 0 && keypair->is_initiator <= 1;
}

static bool control_is_valid(const struct control *control)
{
	if (control->type < CONTROL_SEND_HANDSHAKE || control->type > CONTROL_PURGE_STAGED ||
		control->peer_id >= MAX_PEERS)
		return false;
	switch ((enum control_type)control->type) {
	case CONTROL_SEND_HANDSHAKE:
	case CONTROL_SEND_COOKIE_REPLY:
		return handshake_is_valid(control);
	case CONTROL_INSTALL_KEYPAIR:
		return keypair_is_valid(&control->keypair);
	default:
		return true;
	}
}

static void serve_engine(void)
{
	struct control control;

	while (ipc_next(DATAPATH_FD_ENGINE, &control, sizeof(control), NULL, "engine")) {
		if (!control_is_valid(&control))
			ipc_fail("engine", -EPROTO);
		transport_handle_control(dp.transport, &control, clock_boottime_ns());
		if (control.type == CONTROL_INSTALL_KEYPAIR) {
			memory_keep();
			memory_hide_heap();
			wipe(&control, sizeof(control));
		}
	}
}

/* --- the monitor ----------------------------------------------------- */

/* The first of several requests, that for the first lane, brings all sockets before it to an end.
 */
static int set_sockets(const struct request *request, int fds[2])
{
	struct udp_pair sockets = {.fd4 = -1, .fd6 = -1};
	int next = 0;

	if (request->sockets.has_ipv4)
		sockets.fd4 = fds[next++];
	if (request->sockets.has_ipv6)
		sockets.fd6 = fds[next++];
	if (request->sockets.lane == 0)
		workers_close_sockets();
	return workers_set_sockets(request->sockets.lane, sockets);
}

static int report_peer(const struct request *request)
{
	const struct endpoint *endpoint = transport_endpoint(dp.transport, request->peer_id);
	struct report report = {.cursor = request->cursor};

	if (!endpoint)
		return -ENOENT;
	if (!allowedips_cursor_is_valid(
		    transport_allowedips(dp.transport), request->peer_id, request->cursor))
		return -EPROTO;
	report.endpoint = *endpoint;
	report.num_prefixes = (uint32_t)allowedips_list(transport_allowedips(dp.transport),
		request->peer_id, &report.cursor, report.prefixes, REPORT_PREFIXES);
	ipc_tell(DATAPATH_FD_MONITOR, &report, sizeof(report), "monitor");
	return 0;
}

static void forget_source(const struct request *request)
{
	struct endpoint *endpoint = transport_endpoint(dp.transport, request->peer_id);

	if (endpoint && memcmp(endpoint, &request->endpoint, sizeof(*endpoint)) == 0)
		endpoint_clear_source(endpoint);
}

static void answer_sync(void)
{
	const struct ack ack = {REQUEST_SYNC};

	memory_hide_heap();
	memory_rest();
	ipc_tell(DATAPATH_FD_MONITOR, &ack, sizeof(ack), "monitor");
}

/* What cannot fail. Returns false when it is none of that. */
static bool obey_request(const struct request *request, uint64_t now_ns)
{
	struct allowedips *table = transport_allowedips(dp.transport);

	switch ((enum request_type)request->type) {
	case REQUEST_SYNC:
		answer_sync();
		return true;
	case REQUEST_SET_PUBLIC_KEY:
		transport_set_public_key(dp.transport, request->key);
		return true;
	case REQUEST_SET_LINK:
		transport_set_link(dp.transport, request->link.up, request->link.mtu);
		return true;
	case REQUEST_REMOVE_PEER:
		transport_remove_peer(dp.transport, request->peer_id);
		return true;
	case REQUEST_SET_ENDPOINT:
		transport_set_endpoint(dp.transport, request->peer_id, &request->endpoint);
		return true;
	case REQUEST_REMOVE_ALLOWED_IP:
		allowedips_remove(table, &request->prefix, request->peer_id);
		return true;
	case REQUEST_CLEAR_ALLOWED_IPS:
		allowedips_remove_peer(table, request->peer_id);
		return true;
	case REQUEST_SET_SOCKETS: /* the rest of it */
	case REQUEST_FORGET_SOURCES:
		transport_forget_sources(dp.transport);
		return true;
	case REQUEST_FORGET_SOURCE:
		forget_source(request);
		return true;
	case REQUEST_WATCH:
		transport_watch(dp.transport, request->watch, now_ns);
		return true;
	case REQUEST_REFUSE:
		transport_refuse(dp.transport, &request->prefix, now_ns);
		return true;
	case REQUEST_ADD_PEER:
	case REQUEST_ADD_ALLOWED_IP:
	case REQUEST_GET_PEER:
	case REQUEST_SET_KEEPALIVE: /* the engine's */
		break;
	}
	return false;
}

static int handle_request(const struct request *request)
{
	const uint64_t now_ns = clock_boottime_ns();

	if (obey_request(request, now_ns))
		return 0;
	switch ((enum request_type)request->type) {
	case REQUEST_ADD_PEER:
		return transport_add_peer(dp.transport, request->peer_id);
	case REQUEST_ADD_ALLOWED_IP:
		return transport_add_allowed_ip(
			dp.transport, request->peer_id, &request->prefix, now_ns);
	case REQUEST_GET_PEER:
		return report_peer(request);
	default:
		return -EPROTO;
	}
}

/* As many descriptors as it says, each a UDP socket of its family. */
static bool sockets_are_valid(const struct request *request, const int fds[2])
{
	const uint32_t has_ipv4 = request->sockets.has_ipv4, has_ipv6 = request->sockets.has_ipv6;
	const int num = (fds[0] >= 0) + (fds[1] >= 0);

	return has_ipv4 <= 1 && has_ipv6 <= 1 && num == (int)(has_ipv4 + has_ipv6) &&
	       (!has_ipv4 || udp_is_socket(fds[0], AF_INET)) &&
	       (!has_ipv6 || udp_is_socket(fds[has_ipv4], AF_INET6));
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
	case REQUEST_FORGET_SOURCE:
		return endpoint_is_valid(&request->endpoint);
	case REQUEST_SET_LINK:
		return request_link_is_valid(request);
	case REQUEST_SET_SOCKETS:
		return sockets_are_valid(request, fds);
	case REQUEST_WATCH:
		return request->watch <= 1;
	case REQUEST_REFUSE:
		return prefix_is_address(&request->prefix);
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
		r = request_is_valid(&request, fds) ? 0 : -EPROTO;
		if (r == 0 && request.type == REQUEST_SET_SOCKETS)
			r = set_sockets(&request, fds); /* waits for other workers */
		if (r == 0) {
			transport_lock(dp.transport);
			r = handle_request(&request);
			transport_unlock(dp.transport);
		}
		if (r < 0)
			role_fail("request of the monitor", r);
	}
}

/* --- run ------------------------------------------------------------- */

void datapath_main(const char *ifname)
{
	struct transport_ops ops = {.emit = emit, .want = want};
	int queues[MAX_WORKERS];
	unsigned num = 0;

	(void)ifname;
	/* there are as many as the monitor gave us, and nothing behind them */
	while (num < MAX_WORKERS && fcntl(DATAPATH_FD_TUN + (int)num, F_GETFD) >= 0) {
		queues[num] = DATAPATH_FD_TUN + (int)num;
		num++;
	}
	dp.page = status_map(DATAPATH_FD_STATUS);
	if (!dp.page || !num)
		role_fail("cannot start", -ENOMEM);
	roles_init_crypto();
	dp.transport = workers_new(queues, num, &ops, dp.page);
	roles_enter_sandbox(ROLE_DATAPATH);
	workers_run(serve_monitor, serve_engine, run_timers);
}
