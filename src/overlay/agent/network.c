/* SPDX-License-Identifier: MIT
 *
 * A network of this machine: a member, and all that it acts through.
 */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "crypto/dh.h"
#include "overlay/agent/agent.h"
#include "overlay/agent/state.h"
#include "overlay/launch/launch.h"

#define RESOLVED_NS (30 * SECOND_NS) /* a name's addresses are asked for again after */
enum { UAPI_TIMEOUT_S = 5, WANTED_A_TURN = 64, DATAGRAMS_A_TURN = 16 };

/* A request to the hub under way. */
struct asked {
	struct network *network;
	uint32_t id;
	struct http_request *request;
	struct asked *next;
};

struct network {
	struct agent *agent;
	struct member *member;
	char name[NETWORK_NAME_MAX + 1], ifname[IFNAMSIZ], host[JOIN_HOST_MAX + 1];
	uint16_t port;
	uint8_t private_key[KEY_LEN];
	bool key_is_saved;
	struct member_settings saved; /* as they are on disk */
	int timer;

	/* the hub's door */
	struct resolver *resolver;
	struct endpoint doors[RESOLVER_ADDRESSES_MAX];
	unsigned num_doors;
	uint64_t resolved_ns;
	struct message_enrol message; /* to be sent when the doors are known */
	bool has_message;
	int door_fds[2]; /* IPv4, IPv6; -1: none */

	/* the tunnel */
	int uapi_fd, watch_fd; /* -1: none */
	struct uapi_watch watch;
	struct filter *filter;

	/* the hub's API */
	struct http_request *stream;
	struct asked *asked;

	bool has_left;
	uint64_t control_id; /* who asked to leave */
};

static struct network *network_of(void *ctx)
{
	return ctx;
}

/* --- small things ----------------------------------------------------- */

static void op_random(void *ctx, void *ret_bytes, size_t len)
{
	(void)ctx;
	if (getrandom(ret_bytes, len, 0) != (ssize_t)len)
		abort(); /* does not happen for so few bytes */
}

static int64_t op_wall_s(void *ctx)
{
	(void)ctx;
	return (int64_t)(clock_wall_ns() / SECOND_NS);
}

static void op_schedule(void *ctx, uint64_t deadline_ns)
{
	const struct network *n = network_of(ctx);

	loop_set_timer(n->agent->loop, n->timer, deadline_ns);
}

static void timer_due(void *ctx, uint64_t now_ns)
{
	member_tick(network_of(ctx)->member, now_ns);
}

/* --- the door --------------------------------------------------------- */

static void to_sockaddr(
	struct sockaddr_storage *ret_addr, socklen_t *ret_len, const struct endpoint *endpoint)
{
	*ret_addr = (struct sockaddr_storage){.ss_family = endpoint->family};
	if (endpoint->family == AF_INET) {
		struct sockaddr_in *in = (void *)ret_addr;

		in->sin_port = htons(endpoint->port);
		memcpy(&in->sin_addr, endpoint->addr, sizeof(in->sin_addr));
		*ret_len = sizeof(*in);
	} else {
		struct sockaddr_in6 *in6 = (void *)ret_addr;

		in6->sin6_port = htons(endpoint->port);
		in6->sin6_scope_id = endpoint->scope_id;
		memcpy(&in6->sin6_addr, endpoint->addr, sizeof(in6->sin6_addr));
		*ret_len = sizeof(*in6);
	}
}

static bool from_sockaddr(struct endpoint *ret_endpoint, const struct sockaddr *addr)
{
	*ret_endpoint = (struct endpoint){.family = addr->sa_family};
	if (addr->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)addr;

		ret_endpoint->port = ntohs(in->sin_port);
		memcpy(ret_endpoint->addr, &in->sin_addr, sizeof(in->sin_addr));
		return true;
	}
	if (addr->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)addr;

		ret_endpoint->port = ntohs(in6->sin6_port);
		memcpy(ret_endpoint->addr, &in6->sin6_addr, sizeof(in6->sin6_addr));
		if (IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr))
			ret_endpoint->scope_id = in6->sin6_scope_id;
		return true;
	}
	return false;
}

static void door_ready(struct network *n, int fd)
{
	for (int i = 0; i < DATAGRAMS_A_TURN; i++) {
		uint8_t datagram[2048];
		struct sockaddr_storage addr;
		socklen_t len = sizeof(addr);
		struct endpoint from;
		ssize_t size =
			recvfrom(fd, datagram, sizeof(datagram), MSG_DONTWAIT, (void *)&addr, &len);

		if (size < 0)
			return;
		if (!from_sockaddr(&from, (const void *)&addr))
			continue;
		member_enrol_datagram(
			n->member, clock_boottime_ns(), &from, datagram, (size_t)size);
		if (n->door_fds[0] != fd && n->door_fds[1] != fd) /* it was what we waited for */
			return;
	}
}

static void door4_ready(void *ctx, uint32_t events)
{
	(void)events;
	door_ready(ctx, network_of(ctx)->door_fds[0]);
}

static void door6_ready(void *ctx, uint32_t events)
{
	(void)events;
	door_ready(ctx, network_of(ctx)->door_fds[1]);
}

static int open_door(struct network *n, int i)
{
	if (n->door_fds[i] >= 0)
		return n->door_fds[i];
	n->door_fds[i] =
		socket(i == 0 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (n->door_fds[i] >= 0 && loop_watch(n->agent->loop, n->door_fds[i], EPOLLIN,
					   i == 0 ? door4_ready : door6_ready, n) < 0) {
		close(n->door_fds[i]);
		n->door_fds[i] = -1;
	}
	return n->door_fds[i];
}

static void op_end_enrol(void *ctx)
{
	struct network *n = network_of(ctx);

	n->has_message = false;
	for (int i = 0; i < 2; i++) {
		if (n->door_fds[i] < 0)
			continue;
		loop_unwatch(n->agent->loop, n->door_fds[i]);
		close(n->door_fds[i]);
		n->door_fds[i] = -1;
	}
}

static void send_message(struct network *n)
{
	n->has_message = false;
	for (unsigned i = 0; i < n->num_doors; i++) {
		int fd = open_door(n, n->doors[i].family == AF_INET ? 0 : 1);
		struct sockaddr_storage addr;
		socklen_t len;

		if (fd < 0)
			continue;
		to_sockaddr(&addr, &len, &n->doors[i]);
		if (sendto(fd, &n->message, sizeof(n->message), 0, (const void *)&addr, len) < 0)
			log_debug("%s: enrolment: %m", n->name);
	}
}

static void resolved(void *ctx, const struct endpoint *endpoints, unsigned num, const char *error)
{
	struct network *n = network_of(ctx);

	n->resolver = NULL;
	if (num > 0) {
		memcpy(n->doors, endpoints, num * sizeof(*endpoints));
		n->num_doors = num;
		n->resolved_ns = clock_boottime_ns();
	} else {
		log_error("%s: %s: %s", n->name, n->host, error ? error : "it has no address");
	}
	if (n->has_message)
		send_message(n);
}

static void op_send_enrol(void *ctx, const struct message_enrol *message)
{
	struct network *n = network_of(ctx);

	n->message = *message;
	n->has_message = true;
	if (n->num_doors > 0 && clock_boottime_ns() - n->resolved_ns < RESOLVED_NS) {
		send_message(n);
	} else if (!n->resolver) {
		n->resolver = resolver_start(n->agent->loop, n->host, n->port, resolved, n);
		if (!n->resolver)
			log_error("%s: %s cannot be resolved: no resources", n->name, n->host);
	}
}

/* --- the tunnel ------------------------------------------------------- */

static void close_uapi(struct network *n)
{
	if (n->watch_fd >= 0) {
		loop_unwatch(n->agent->loop, n->watch_fd);
		close(n->watch_fd);
	}
	if (n->uapi_fd >= 0)
		close(n->uapi_fd);
	uapi_watch_deinit(&n->watch);
	n->watch_fd = n->uapi_fd = -1;
}

static void watch_ready(void *ctx, uint32_t events)
{
	struct network *n = network_of(ctx);
	struct prefix address;
	int r = 0;

	(void)events;
	for (int i = 0; i < WANTED_A_TURN && n->watch_fd >= 0; i++) {
		r = uapi_watch_next(&n->watch, &address);
		if (r <= 0)
			break;
		member_wanted(n->member, clock_boottime_ns(), &address);
	}
	if (r < 0 && n->watch_fd >= 0)
		member_tunnel_died(n->member, clock_boottime_ns());
}

static int op_open_tunnel(void *ctx, const char *ifname)
{
	const struct timeval timeout = {.tv_sec = UAPI_TIMEOUT_S};
	struct network *n = network_of(ctx);
	char name[IFNAMSIZ] = "";
	int fds[2], r;

	snprintf(name, sizeof(name), "%s", ifname);
	close_uapi(n);
	r = launch_tunnel(AGENT_FD_LAUNCHER, name, fds);
	if (r < 0)
		return r;
	n->uapi_fd = fds[0];
	n->watch_fd = fds[1];
	setsockopt(n->uapi_fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(n->watch_fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	r = uapi_watch_begin(&n->watch, n->watch_fd);
	if (r == 0)
		r = loop_watch(n->agent->loop, n->watch_fd, EPOLLIN, watch_ready, n);
	if (r < 0)
		close_uapi(n);
	return r;
}

static void op_close_tunnel(void *ctx)
{
	struct network *n = network_of(ctx);
	int r;

	close_uapi(n);
	r = launch_end_tunnel(AGENT_FD_LAUNCHER, n->ifname);
	if (r < 0 && r != -ENOENT)
		log_error("%s: cannot end %s: %s", n->name, n->ifname, strerror(-r));
}

static int op_set_tunnel(void *ctx, const struct config *config)
{
	const struct network *n = network_of(ctx);

	return n->uapi_fd < 0 ? -EPIPE : uapi_socket_set(n->uapi_fd, config);
}

static int op_get_tunnel(void *ctx, struct config *ret_config)
{
	const struct network *n = network_of(ctx);

	return n->uapi_fd < 0 ? -EPIPE : uapi_socket_get(n->uapi_fd, ret_config);
}

static int op_set_address(void *ctx, const struct prefix *address, bool is_there)
{
	const struct network *n = network_of(ctx);

	return is_there ? launch_add_address(AGENT_FD_LAUNCHER, n->ifname, address)
			: launch_remove_address(AGENT_FD_LAUNCHER, n->ifname, address);
}

static void op_refuse(void *ctx, const struct prefix *address)
{
	struct network *n = network_of(ctx);
	int r = n->watch_fd >= 0 ? uapi_watch_refuse(&n->watch, address) : 0;

	if (r < 0) /* the packet is answered a little later then */
		log_debug("%s: refuse: %s", n->name, strerror(-r));
}

/* --- the filter ------------------------------------------------------- */

/* Somebody has changed nftables: the host may be without our rules. */
static void filter_changed(void *ctx, uint32_t events)
{
	struct network *n = network_of(ctx);
	bool mended = false;
	int r = filter_mend(n->filter, &mended);

	(void)events;
	if (r < 0)
		log_error("%s: the packet filter was removed and cannot be made anew: %s", n->name,
			filter_error(n->filter));
	else if (mended)
		log_error("%s: somebody removed the packet filter; it is back", n->name);
}

static void op_close_filter(void *ctx)
{
	struct network *n = network_of(ctx);

	if (n->filter)
		loop_unwatch(n->agent->loop, filter_fd(n->filter));
	filter_free(n->filter);
	n->filter = NULL;
}

static int op_open_filter(
	void *ctx, const char *ifname, const struct prefix *hubs, unsigned num_hubs)
{
	struct network *n = network_of(ctx);
	char name[IFNAMSIZ] = "", *error = NULL;
	int r;

	snprintf(name, sizeof(name), "%s", ifname);
	r = filter_new(&n->filter, name, hubs, num_hubs, &error);
	if (r < 0)
		log_error("%s: nftables: %s", n->name, error && *error ? error : strerror(-r));
	free(error);
	if (r == 0) {
		r = loop_watch(n->agent->loop, filter_fd(n->filter), EPOLLIN, filter_changed, n);
		if (r < 0)
			op_close_filter(n);
	}
	return r;
}

static int op_set_filter(void *ctx, int64_t peer_id, const struct prefix *addresses,
	unsigned num_addresses, const struct policy_allowance *allowances, unsigned num_allowances)
{
	const struct network *n = network_of(ctx);

	return n->filter ? filter_set_peer(n->filter, peer_id, addresses, num_addresses, allowances,
				   num_allowances)
			 : -ENOTCONN;
}

static void op_remove_filter(void *ctx, int64_t peer_id)
{
	const struct network *n = network_of(ctx);
	int r = n->filter ? filter_remove_peer(n->filter, peer_id) : 0;

	if (r < 0)
		log_error("%s: nftables: %s", n->name, strerror(-r));
}

/* --- own addresses ---------------------------------------------------- */

static bool is_tunnel(const struct agent *agent, const char *ifname)
{
	for (unsigned i = 0; i < agent->num_networks; i++) {
		if (strcmp(agent->networks[i]->ifname, ifname) == 0)
			return true;
	}
	return false;
}

/* An address by which somebody else may reach this machine. */
static bool is_useful(const struct agent *agent, const struct ifaddrs *a, uint16_t family)
{
	const struct sockaddr_in6 *in6 = (const void *)a->ifa_addr;

	if (!a->ifa_addr || a->ifa_addr->sa_family != family || !(a->ifa_flags & IFF_UP) ||
		(a->ifa_flags & IFF_LOOPBACK) || is_tunnel(agent, a->ifa_name))
		return false;
	return family == AF_INET || !IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr);
}

static unsigned op_endpoints(void *ctx, struct endpoint ret_endpoints[MEMBER_ENDPOINTS_MAX])
{
	static const uint16_t families[] = {AF_INET, AF_INET6};
	const struct network *n = network_of(ctx);
	struct ifaddrs *addresses;
	unsigned num = 0;

	if (getifaddrs(&addresses) < 0)
		return 0;
	for (int i = 0; i < 2; i++) {
		for (const struct ifaddrs *a = addresses; a && num < MEMBER_ENDPOINTS_MAX;
			a = a->ifa_next) {
			if (is_useful(n->agent, a, families[i]) &&
				from_sockaddr(&ret_endpoints[num], a->ifa_addr))
				num++;
		}
	}
	freeifaddrs(addresses);
	return num;
}

/* --- the hub's API ---------------------------------------------------- */

static struct http_request *start(struct network *n, const char *method, const struct endpoint *api,
	const char *path, const char *body, http_line *line, http_done *done, void *ctx)
{
	char host[ENDPOINT_TEXT_LEN], url[256], interface[IFNAMSIZ + 8];
	const struct http_call call = {
		.method = method, .url = url, .body = body, .interface = interface};

	endpoint_to_text(host, api);
	snprintf(url, sizeof(url), "http://%s%s", host, path);
	snprintf(interface, sizeof(interface), "if!%s", n->ifname);
	return http_start(n->agent->http, &call, line, done, ctx);
}

static void forget_asked(struct network *n, struct asked *asked)
{
	struct asked **at = &n->asked;

	while (*at != asked)
		at = &(*at)->next;
	*at = asked->next;
	free(asked);
}

static void answered(void *ctx, int status, const char *body, size_t len)
{
	struct asked *asked = ctx;
	struct network *n = asked->network;
	uint32_t id = asked->id;

	forget_asked(n, asked);
	member_answered(n->member, clock_boottime_ns(), id, status, body, len);
}

static int op_request(void *ctx, uint32_t id, const char *method, const struct endpoint *api,
	const char *path, const char *body)
{
	struct network *n = network_of(ctx);
	struct asked *asked = calloc(1, sizeof(*asked));

	if (!asked)
		return -ENOMEM;
	*asked = (struct asked){.network = n, .id = id, .next = n->asked};
	asked->request = start(n, method, api, path, body, NULL, answered, asked);
	if (!asked->request) {
		free(asked);
		return -ENOMEM;
	}
	n->asked = asked;
	return 0;
}

static void stream_line(void *ctx, const char *line, size_t len)
{
	member_stream_line(network_of(ctx)->member, clock_boottime_ns(), line, len);
}

static void stream_ended(void *ctx, int status, const char *body, size_t len)
{
	struct network *n = network_of(ctx);

	n->stream = NULL;
	member_stream_ended(n->member, clock_boottime_ns(), status, body, len);
}

static int op_open_stream(void *ctx, const struct endpoint *api, const char *path)
{
	struct network *n = network_of(ctx);

	n->stream = start(n, "GET", api, path, NULL, stream_line, stream_ended, n);
	return n->stream ? 0 : -ENOMEM;
}

static void op_close_stream(void *ctx)
{
	struct network *n = network_of(ctx);

	http_cancel(n->stream);
	n->stream = NULL;
}

/* --- disk ------------------------------------------------------------- */

static int write_json(const struct network *n, enum state_file file, json_t *json)
{
	int r = json ? state_write(n->agent->state_fd, n->name, file, json) : -ENOMEM;

	json_decref(json);
	return r;
}

static int save_key(struct network *n)
{
	int r = n->key_is_saved ? 0 : state_write_key(n->agent->state_fd, n->name, n->private_key);

	if (r == 0)
		n->key_is_saved = true;
	return r;
}

/* Whether the file would be the same. */
static bool is_saved(const struct network *n, const struct member_settings *settings)
{
	json_t *before = member_settings_save(&n->saved), *now = member_settings_save(settings);
	bool is_same = json_equal(before, now);

	json_decref(before);
	json_decref(now);
	return is_same;
}

/* What a file in the folder of settings says is not ours to keep. */
static int save_settings(struct network *n)
{
	const struct member_settings *settings = member_settings(n->member);
	int r = 0;

	if (!settings->is_configured && !is_saved(n, settings))
		r = write_json(n, STATE_JOIN, member_settings_save(settings));
	if (r == 0)
		n->saved = *settings;
	return r;
}

static int op_save(void *ctx)
{
	struct network *n = network_of(ctx);
	int r = save_key(n);

	if (r == 0)
		r = save_settings(n);
	if (r == 0)
		r = write_json(n, STATE_KNOWN, member_save(n->member, clock_boottime_ns()));
	return r;
}

static void op_left(void *ctx)
{
	network_of(ctx)->has_left = true;
}

static const struct member_ops ops = {
	.random = op_random,
	.wall_s = op_wall_s,
	.schedule = op_schedule,
	.send_enrol = op_send_enrol,
	.end_enrol = op_end_enrol,
	.open_tunnel = op_open_tunnel,
	.close_tunnel = op_close_tunnel,
	.set_tunnel = op_set_tunnel,
	.get_tunnel = op_get_tunnel,
	.set_address = op_set_address,
	.refuse = op_refuse,
	.open_filter = op_open_filter,
	.close_filter = op_close_filter,
	.set_filter = op_set_filter,
	.remove_filter = op_remove_filter,
	.endpoints = op_endpoints,
	.request = op_request,
	.open_stream = op_open_stream,
	.close_stream = op_close_stream,
	.save = op_save,
	.left = op_left,
};

/* --- life ------------------------------------------------------------- */

/* The node's key in this network: the one it had, or a new one. */
static int load_key(struct network *n)
{
	int r = state_read_key(n->agent->state_fd, n->name, n->private_key);

	n->key_is_saved = r == 0;
	if (r == 0)
		return 0;
	if (r != -ENOENT && r != -EBADMSG) {
		log_error("%s: the private key cannot be read: %s", n->name, strerror(-r));
		return r;
	}
	op_random(n, n->private_key, KEY_LEN);
	dh_clamp(n->private_key);
	return 0;
}

int network_new(
	struct agent *agent, const struct member_settings *settings, struct network **ret_network)
{
	struct network *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return -ENOMEM;
	*n = (struct network){.agent = agent,
		.door_fds = {-1, -1},
		.uapi_fd = -1,
		.watch_fd = -1,
		.port = settings->link.port,
		.timer = loop_add_timer(agent->loop, timer_due, n)};
	memcpy(n->name, settings->link.network, sizeof(n->name));
	memcpy(n->ifname, settings->ifname, sizeof(n->ifname));
	memcpy(n->host, settings->link.host, sizeof(n->host));
	r = n->timer < 0 ? n->timer : load_key(n);
	if (r == 0) {
		n->member = member_new(settings, n->private_key, &ops, n);
		r = n->member ? 0 : -ENOMEM;
	}
	if (r < 0)
		network_free(n);
	else
		*ret_network = n;
	return r;
}

static void load(struct network *n, uint64_t now_ns)
{
	json_t *json;

	if (state_read(n->agent->state_fd, n->name, STATE_KNOWN, &json) < 0)
		return;
	if (member_load(n->member, json, now_ns) < 0)
		state_put_aside(n->agent->state_fd, n->name, STATE_KNOWN,
			"it makes no sense; the hub is asked anew");
	json_decref(json);
}

/* What is on disk need not be written again. */
static void load_settings(struct network *n)
{
	json_t *json;

	if (member_settings(n->member)->is_configured ||
		state_read(n->agent->state_fd, n->name, STATE_JOIN, &json) < 0)
		return;
	if (member_settings_load(&n->saved, json) < 0)
		n->saved = (struct member_settings){0};
	json_decref(json);
}

void network_start(struct network *n, uint64_t now_ns)
{
	int r = save_key(n);

	load_settings(n);

	/* before the join key is used: a node that forgot its own key needs another */
	if (r == 0)
		r = save_settings(n);
	if (r < 0)
		log_error("%s: its key and settings cannot be saved: %s", n->name, strerror(-r));
	load(n, now_ns);
	member_start(n->member, now_ns);
}

void network_end(struct network *n)
{
	if (!n->has_left)
		(void)op_save(n);
	/* without the filter, and with the tunnel, everybody could send everything */
	op_close_tunnel(n);
	op_close_filter(n);
}

void network_free(struct network *n)
{
	if (!n)
		return;
	resolver_cancel(n->resolver);
	while (n->asked) {
		http_cancel(n->asked->request);
		forget_asked(n, n->asked);
	}
	op_close_stream(n);
	op_end_enrol(n);
	close_uapi(n);
	loop_remove_timer(n->agent->loop, n->timer);
	member_free(n->member);
	op_close_filter(n);
	wipe(n, sizeof(*n));
	free(n);
}

struct member *network_member(const struct network *n)
{
	return n->member;
}

const char *network_name(const struct network *n)
{
	return n->name;
}

void network_leave(struct network *n, uint64_t now_ns, uint64_t control_id)
{
	n->control_id = control_id;
	member_leave(n->member, now_ns);
}

bool network_has_left(const struct network *n, uint64_t *ret_control_id)
{
	*ret_control_id = n->control_id;
	return n->has_left;
}
