/* SPDX-License-Identifier: MIT
 *
 * Many nodes in one process: the agent's memberships (overlay/agent/member.h) with its HTTP client,
 * against a real hub; only tunnels, filters and disks are missing. bench/swarm_run drives it.
 *
 *   swarm LINK NODES
 *
 * Commands come on standard input, one a line; each is answered by a line of JSON once it is done:
 *
 *   join W       all join, W at a time; done when all streams are open
 *   connect K W  each asks for K others, one after the other; W nodes at a time
 *   await        done when all streams are open; tells when the first was not
 *   record       from now on each peer line of a stream is told: when, at which node, which seq
 *   quiet        no more
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "crypto/aead.h"
#include "overlay/agent/http.h"
#include "overlay/agent/member.h"

enum {
	SOCKETS = 256, /* to the door, each from an address of its own: 198.18.1.N */
	MAX_NODES = 65536,
	FILES = 20000,
};
#define SOURCES 0xc6120100U /* 198.18.1.0 */

struct node {
	unsigned number;
	int timer;
	struct member *member;
	struct http_request *stream;
	struct prefix address; /* IPv4, overlay */
	bool is_open;
	unsigned to_connect;
};

static struct {
	struct loop *loop;
	struct http *streams, *requests; /* libcurl takes time for each handle that one has */
	struct join_link link;
	struct node *nodes;
	unsigned num, num_started, num_open;
	int sockets[SOCKETS];
	struct map by_index; /* enrolment index -> node */
	uint64_t begin_ns, first_end_ns, last_open_ns;
	unsigned joining, window; /* 0: not joining */
	unsigned connecting, connected, next_to_connect;
	uint64_t *latencies_ns;
	size_t num_latencies;
	bool awaiting, recording;
	uint64_t random;
} swarm;

struct asked {
	struct node *node;
	uint32_t id;
	bool is_connect;
	uint64_t begin_ns;
};

static noreturn void die(const char *what)
{
	fprintf(stderr, "swarm: %s: %m\n", what);
	exit(1);
}

static double seconds(uint64_t ns)
{
	return (double)ns / (double)SECOND_NS;
}

static uint64_t next_random(void)
{
	swarm.random ^= swarm.random << 13;
	swarm.random ^= swarm.random >> 7;
	swarm.random ^= swarm.random << 17;
	return swarm.random;
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* --- joining --------------------------------------------------------- */

static void start_more(void)
{
	while (swarm.joining && swarm.num_started < swarm.num &&
		swarm.num_started - swarm.num_open < swarm.window) {
		struct node *node = &swarm.nodes[swarm.num_started++];

		member_start(node->member, clock_boottime_ns());
	}
}

static void opened(struct node *node)
{
	if (node->is_open)
		return;
	node->is_open = true;
	swarm.num_open++;
	swarm.last_open_ns = clock_boottime_ns();
	if (swarm.num_open < swarm.num)
		return;
	if (swarm.joining) {
		printf("{\"joined\": %u, \"s\": %.3f}\n", swarm.num,
			seconds(swarm.last_open_ns - swarm.begin_ns));
		swarm.joining = 0;
	} else if (swarm.awaiting) {
		printf("{\"open\": %u, \"s\": %.3f}\n", swarm.num,
			seconds(swarm.last_open_ns - swarm.first_end_ns));
		swarm.awaiting = false;
		swarm.first_end_ns = 0;
	}
	fflush(stdout);
}

/* --- what members do ------------------------------------------------- */

static void do_random(void *ctx, void *ret_bytes, size_t len)
{
	(void)ctx;
	if (getrandom(ret_bytes, len, 0) != (ssize_t)len)
		die("random");
}

static int64_t do_wall(void *ctx)
{
	(void)ctx;
	return time(NULL);
}

static void do_schedule(void *ctx, uint64_t deadline_ns)
{
	const struct node *node = ctx;

	loop_set_timer(swarm.loop, node->timer, deadline_ns);
}

static void do_send_enrol(void *ctx, const struct message_enrol *message)
{
	const struct node *node = ctx;
	struct sockaddr_in door = {.sin_family = AF_INET, .sin_port = htons(swarm.link.port)};

	if (inet_pton(AF_INET, swarm.link.host, &door.sin_addr) != 1)
		die("the link's host must be an IPv4 address");
	if (map_put(&swarm.by_index, load_le32(&message->index), node->number) < 0)
		die("map");
	(void)sendto(swarm.sockets[node->number % SOCKETS], message, sizeof(*message), 0,
		(struct sockaddr *)&door, sizeof(door));
}

static void do_nothing(void *ctx)
{
	(void)ctx;
}

static int do_open_tunnel(void *ctx, const char *ifname)
{
	(void)ctx;
	(void)ifname;
	return 0;
}

static int do_set_tunnel(void *ctx, const struct config *config)
{
	(void)ctx;
	(void)config;
	return 0;
}

static int do_get_tunnel(void *ctx, struct config *ret_config)
{
	(void)ctx;
	*ret_config = (struct config){.flags = CONFIG_HAS_LISTEN_PORT, .listen_port = 51820};
	return 0;
}

static int do_set_address(void *ctx, const struct prefix *address, bool is_there)
{
	struct node *node = ctx;

	if (is_there && address->family == AF_INET)
		node->address = *address;
	return 0;
}

static void do_refuse(void *ctx, const struct prefix *address)
{
	(void)ctx;
	(void)address;
}

static int do_open_filter(
	void *ctx, const char *ifname, const struct prefix *hubs, unsigned num_hubs)
{
	(void)ctx;
	(void)ifname;
	(void)hubs;
	(void)num_hubs;
	return 0;
}

static int do_set_filter(void *ctx, int64_t peer_id, const struct prefix *addresses,
	unsigned num_addresses, const struct policy_allowance *allowances, unsigned num_allowances)
{
	(void)ctx;
	(void)peer_id;
	(void)addresses;
	(void)num_addresses;
	(void)allowances;
	(void)num_allowances;
	return 0;
}

static void do_remove_filter(void *ctx, int64_t peer_id)
{
	(void)ctx;
	(void)peer_id;
}

static unsigned do_endpoints(void *ctx, struct endpoint ret_endpoints[MEMBER_ENDPOINTS_MAX])
{
	const struct node *node = ctx;
	uint32_t address = htonl(0x0a000000U + node->number);

	ret_endpoints[0] = (struct endpoint){.family = AF_INET, .port = 51820};
	memcpy(ret_endpoints[0].addr, &address, sizeof(address));
	return 1;
}

static int do_save(void *ctx)
{
	(void)ctx;
	return 0;
}

/* --- their requests -------------------------------------------------- */

static void connect_next(struct node *node);

static void answered(void *ctx, int status, const char *body, size_t len)
{
	struct asked asked = *(struct asked *)ctx;
	uint64_t now_ns = clock_boottime_ns();

	free(ctx);
	member_answered(asked.node->member, now_ns, asked.id, status, body, len);
	if (!asked.is_connect || !swarm.connecting)
		return;
	if (status == 200)
		swarm.latencies_ns[swarm.num_latencies++] = now_ns - asked.begin_ns;
	connect_next(asked.node);
}

static struct http_request *start(const struct node *node, const char *method,
	const struct endpoint *api, const char *path, const char *body, http_line *line,
	http_done *done, void *ctx)
{
	char host[ENDPOINT_TEXT_LEN], url[512], interface[64], address[INET_ADDRSTRLEN];

	endpoint_to_text(host, api);
	snprintf(url, sizeof(url), "http://%s%s", host, path);
	inet_ntop(AF_INET, node->address.addr, address, sizeof(address));
	snprintf(interface, sizeof(interface), "host!%s", address);
	return http_start(line ? swarm.streams : swarm.requests,
		&(const struct http_call){
			.method = method, .url = url, .body = body, .interface = interface},
		line, done, ctx);
}

static int do_request(void *ctx, uint32_t id, const char *method, const struct endpoint *api,
	const char *path, const char *body)
{
	struct asked *asked = malloc(sizeof(*asked));

	if (!asked)
		return -ENOMEM;
	*asked = (struct asked){.node = ctx,
		.id = id,
		.is_connect = strcmp(path, "/v1/connect") == 0,
		.begin_ns = clock_boottime_ns()};
	if (!start(ctx, method, api, path, body, NULL, answered, asked)) {
		free(asked);
		return -ENOMEM;
	}
	return 0;
}

static void tell_line(const struct node *node, const char *line, size_t len)
{
	const char *seq = memmem(line, len, "\"seq\"", 5);

	if (memmem(line, len, "\"peer\"", 6) && seq)
		printf("{\"node\": %u, \"t\": %.6f, \"seq\": %llu}\n", node->number,
			seconds(clock_boottime_ns()),
			strtoull(seq + 6 + (seq[6] == ' '), NULL, 10));
	fflush(stdout);
}

static void stream_line(void *ctx, const char *line, size_t len)
{
	struct node *node = ctx;

	if (swarm.recording)
		tell_line(node, line, len);
	member_stream_line(node->member, clock_boottime_ns(), line, len);
	if (memmem(line, len, "\"hello\"", 7)) {
		opened(node);
		start_more();
	}
}

static void stream_ended(void *ctx, int status, const char *body, size_t len)
{
	struct node *node = ctx;
	uint64_t now_ns = clock_boottime_ns();

	node->stream = NULL;
	if (node->is_open) {
		node->is_open = false;
		swarm.num_open--;
		if (!swarm.first_end_ns)
			swarm.first_end_ns = now_ns;
	}
	member_stream_ended(node->member, now_ns, status, body, len);
}

static int do_open_stream(void *ctx, const struct endpoint *api, const char *path)
{
	struct node *node = ctx;

	node->stream = start(node, "GET", api, path, NULL, stream_line, stream_ended, node);
	return node->stream ? 0 : -ENOMEM;
}

static void do_close_stream(void *ctx)
{
	struct node *node = ctx;

	http_cancel(node->stream);
	node->stream = NULL;
}

static const struct member_ops ops = {
	.random = do_random,
	.wall_s = do_wall,
	.schedule = do_schedule,
	.send_enrol = do_send_enrol,
	.end_enrol = do_nothing,
	.open_tunnel = do_open_tunnel,
	.close_tunnel = do_nothing,
	.set_tunnel = do_set_tunnel,
	.get_tunnel = do_get_tunnel,
	.set_address = do_set_address,
	.refuse = do_refuse,
	.open_filter = do_open_filter,
	.close_filter = do_nothing,
	.set_filter = do_set_filter,
	.remove_filter = do_remove_filter,
	.endpoints = do_endpoints,
	.request = do_request,
	.open_stream = do_open_stream,
	.close_stream = do_close_stream,
	.save = do_save,
	.left = do_nothing,
};

/* --- connecting ------------------------------------------------------ */

static void tell_connected(void)
{
	size_t num = swarm.num_latencies;

	qsort(swarm.latencies_ns, num, sizeof(uint64_t), compare_u64);
	printf("{\"connected\": %zu, \"s\": %.3f, \"p50_ms\": %.2f, \"p99_ms\": %.2f}\n", num,
		seconds(clock_boottime_ns() - swarm.begin_ns),
		num ? seconds(swarm.latencies_ns[num / 2]) * 1e3 : 0.0,
		num ? seconds(swarm.latencies_ns[num * 99 / 100]) * 1e3 : 0.0);
	fflush(stdout);
}

/* The next question of a node; when all have asked all, that is told. */
static void connect_next(struct node *node)
{
	if (node->to_connect > 0) {
		const struct node *other = node;

		while (other == node)
			other = &swarm.nodes[next_random() % swarm.num];
		node->to_connect--;
		struct prefix address = other->address;

		address.cidr = 32;
		member_wanted(node->member, clock_boottime_ns(), &address);
		return;
	}
	if (++swarm.connected == swarm.connecting) {
		swarm.connecting = 0;
		tell_connected();
	} else if (swarm.next_to_connect < swarm.num) {
		connect_next(&swarm.nodes[swarm.next_to_connect++]);
	}
}

static void begin_connecting(unsigned each, unsigned window)
{
	swarm.begin_ns = clock_boottime_ns();
	swarm.connected = 0;
	swarm.connecting = swarm.num;
	swarm.num_latencies = 0;
	free(swarm.latencies_ns);
	swarm.latencies_ns = calloc((size_t)swarm.num * each + 1, sizeof(uint64_t));
	if (!swarm.latencies_ns)
		die("memory");
	swarm.next_to_connect = window < swarm.num ? window : swarm.num;
	for (unsigned i = 0; i < swarm.num; i++)
		swarm.nodes[i].to_connect = each;
	for (unsigned i = 0; i < window && i < swarm.num; i++)
		connect_next(&swarm.nodes[i]);
}

/* --- events ---------------------------------------------------------- */

static void due(void *ctx, uint64_t now_ns)
{
	const struct node *node = ctx;

	member_tick(node->member, now_ns);
}

static void door_ready(void *ctx, uint32_t events)
{
	int fd = *(const int *)ctx;
	union {
		struct message_enrol message;
		uint8_t bytes[2048];
	} in;
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	ssize_t n;

	(void)events;
	while ((n = recvfrom(fd, &in, sizeof(in), MSG_DONTWAIT, (struct sockaddr *)&from,
			&from_len)) > 0) {
		struct endpoint endpoint = {.family = AF_INET, .port = ntohs(from.sin_port)};
		uint32_t number;

		memcpy(endpoint.addr, &from.sin_addr, sizeof(from.sin_addr));
		if (n >= 8 && map_get(&swarm.by_index, load_le32(&in.message.index), &number))
			member_enrol_datagram(swarm.nodes[number].member, clock_boottime_ns(),
				&endpoint, &in, (size_t)n);
	}
}

static void command(char *line)
{
	unsigned number = 0, window = 0;

	if (sscanf(line, "join %u", &number) == 1) {
		swarm.begin_ns = clock_boottime_ns();
		swarm.joining = 1;
		swarm.window = number;
		start_more();
	} else if (sscanf(line, "connect %u %u", &number, &window) == 2) {
		begin_connecting(number, window);
	} else if (strcmp(line, "await\n") == 0) {
		swarm.awaiting = true;
		if (swarm.num_open == swarm.num && swarm.first_end_ns) {
			swarm.num_open--;
			swarm.nodes[0].is_open = false;
			opened(&swarm.nodes[0]);
		}
	} else if (strcmp(line, "record\n") == 0 || strcmp(line, "quiet\n") == 0) {
		swarm.recording = *line == 'r';
		puts("{}");
		fflush(stdout);
	} else {
		exit(0);
	}
}

static void stdin_ready(void *ctx, uint32_t events)
{
	char line[128];
	ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);

	(void)ctx;
	(void)events;
	if (n <= 0)
		exit(0);
	line[n] = '\0';
	command(line);
}

/* --- start ----------------------------------------------------------- */

static void open_sockets(void)
{
	for (unsigned i = 0; i < SOCKETS; i++) {
		struct sockaddr_in source = {
			.sin_family = AF_INET, .sin_addr = {htonl(SOURCES + i)}};

		swarm.sockets[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (bind(swarm.sockets[i], (struct sockaddr *)&source, sizeof(source)) < 0)
			die("198.18.1.0/24 must be local here");
		if (loop_watch(swarm.loop, swarm.sockets[i], EPOLLIN, door_ready,
			    &swarm.sockets[i]) < 0)
			die("epoll");
	}
}

static void make_node(struct node *node, unsigned number)
{
	struct member_settings settings = {.link = swarm.link};
	uint8_t private_key[KEY_LEN];

	node->number = number;
	snprintf(settings.name, sizeof(settings.name), "node-%u", number);
	snprintf(settings.ifname, sizeof(settings.ifname), "sw%u", number);
	do_random(NULL, private_key, sizeof(private_key));
	node->timer = loop_add_timer(swarm.loop, due, node);
	node->member = member_new(&settings, private_key, &ops, node);
	if (!node->member || node->timer < 0)
		die("memory");
}

int main(int argc, char *argv[])
{
	const struct rlimit files = {FILES, FILES};
	const char *error = "";
	unsigned num = argc == 3 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;

	if (num < 2 || num > MAX_NODES || join_link_parse(&swarm.link, argv[1], &error) < 0) {
		fprintf(stderr, "usage: swarm LINK NODES (at least 2) %s\n", error);
		return 2;
	}
	log_set_level(LOG_LEVEL_SILENT);
	(void)setrlimit(RLIMIT_NOFILE, &files);
	swarm.random = 0x9e3779b97f4a7c15U;
	swarm.num = num;
	swarm.nodes = calloc(num, sizeof(*swarm.nodes));
	swarm.loop = loop_new(num + 16);
	swarm.streams = swarm.loop ? http_new(swarm.loop) : NULL;
	swarm.requests = swarm.loop ? http_new(swarm.loop) : NULL;
	if (!swarm.nodes || !swarm.streams || !swarm.requests || crypto_init() < 0)
		die("start");
	open_sockets();
	for (unsigned i = 0; i < num; i++)
		make_node(&swarm.nodes[i], i);
	if (loop_watch(swarm.loop, STDIN_FILENO, EPOLLIN, stdin_ready, NULL) < 0)
		die("epoll");
	for (;;)
		loop_run_once(swarm.loop, 0);
}
