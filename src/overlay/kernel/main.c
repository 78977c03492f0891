/* SPDX-License-Identifier: MIT
 *
 * `adit-kernel run IFNAME`: the kernel's WireGuard behind a UAPI socket, watching for wanted
 * destinations included. So agent and hub know one kind of tunnel; `--tunnel-program` chooses.
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "config/uapi_serve.h"
#include "config/uapi_socket.h"
#include "net/local_server.h"
#include "overlay/kernel/device.h"
#include "overlay/kernel/queue.h"
#include "privsep/sandbox.h"

enum { MAX_TURN = 64 }; /* packets that are taken in before the clients are served again */

struct kernel {
	struct device *device;
	struct queue *queue; /* NULL: the kernel cannot hold packets for us */
	struct local_server *server;
	int signal_fd;
	bool is_watched;
	struct prefix *peers; /* what the queue knows to have a peer; owned, sorted */
	size_t num_peers;
};

/* --- who has a peer -------------------------------------------------- */

/* A prefix comes right before those that are part of it. */
static int compare(const void *a, const void *b)
{
	const struct prefix *x = a, *y = b;
	int order = x->family - y->family;

	if (order == 0)
		order = memcmp(x->addr, y->addr, sizeof(x->addr));
	return order != 0 ? order : x->cidr - y->cidr;
}

/* What has a peer, sorted, without what is part of something else: in a set of nftables nothing may
 * overlap. */
static struct prefix *collect(const struct config *config, size_t *ret_num)
{
	struct prefix *prefixes;
	size_t num = 0, kept = 0;

	for (size_t i = 0; i < config->num_peers; i++)
		num += config->peers[i].num_allowed_ips;
	prefixes = calloc(num ? num : 1, sizeof(*prefixes));
	if (!prefixes)
		return NULL;
	num = 0;
	for (size_t i = 0; i < config->num_peers; i++) {
		for (size_t j = 0; j < config->peers[i].num_allowed_ips; j++)
			prefixes[num++] = config->peers[i].allowed_ips[j].prefix;
	}
	qsort(prefixes, num, sizeof(*prefixes), compare);
	for (size_t i = 0; i < num; i++) {
		if (kept == 0 || !queue_prefix_has(&prefixes[kept - 1], &prefixes[i]))
			prefixes[kept++] = prefixes[i];
	}
	*ret_num = kept;
	return prefixes;
}

/* Do something to what one sorted list has and the other has not. */
static int for_each_missing(struct queue *queue, const struct prefix *list, size_t num,
	const struct prefix *other, size_t num_other,
	int (*action)(struct queue *, const struct prefix *))
{
	int r = 0;

	for (size_t i = 0, j = 0; r == 0 && i < num; i++) {
		while (j < num_other && compare(&other[j], &list[i]) < 0)
			j++;
		if (j == num_other || compare(&other[j], &list[i]) != 0)
			r = action(queue, &list[i]);
	}
	return r;
}

/* Tell the queue what changed from one sorted list to the other; what is gone first, as it may be
 * in the way. */
static int tell_differences(struct queue *queue, const struct prefix *old, size_t num_old,
	const struct prefix *new, size_t num_new)
{
	int r = for_each_missing(queue, old, num_old, new, num_new, queue_remove_peer);

	return r == 0 ? for_each_missing(queue, new, num_new, old, num_old, queue_add_peer) : r;
}

/* Bring the queue up to date with the kernel. Only while somebody watches: it looks at every peer.
 */
static int follow_peers(struct kernel *kernel)
{
	struct config config = {0};
	struct prefix *peers;
	size_t num;
	int r = device_get(kernel->device, &config);

	if (r < 0)
		return r;
	peers = collect(&config, &num);
	config_deinit(&config);
	if (!peers)
		return -ENOMEM;
	r = tell_differences(kernel->queue, kernel->peers, kernel->num_peers, peers, num);
	free(kernel->peers);
	kernel->peers = peers;
	kernel->num_peers = num;
	return r;
}

/* --- requests -------------------------------------------------------- */

static struct config_peer *find_peer(const struct config *config, const uint8_t public_key[KEY_LEN])
{
	for (size_t i = 0; i < config->num_peers; i++) {
		if (memcmp(config->peers[i].public_key, public_key, KEY_LEN) == 0)
			return &config->peers[i];
	}
	return NULL;
}

/* Leave of the peers only the one with this key. Returns 0, -ENOENT or -ENOMEM. */
static int keep_peer(struct config *config, const uint8_t public_key[KEY_LEN])
{
	struct config others = {.peers = config->peers,
		.num_peers = config->num_peers,
		.cap_peers = config->cap_peers};
	struct config_peer *kept, *found = find_peer(config, public_key);

	if (!found)
		return -ENOENT;
	config->peers = NULL;
	config->num_peers = config->cap_peers = 0;
	kept = config_add_peer(config);
	if (kept) {
		*kept = *found;
		found->allowed_ips = NULL; /* they are the kept one's now */
		found->num_allowed_ips = found->cap_allowed_ips = 0;
	}
	config_deinit(&others);
	return kept ? 0 : -ENOMEM;
}

/* The kernel cannot be asked for one peer alone. */
static int get(void *ctx, const uint8_t *public_key, struct config *ret_config)
{
	struct kernel *kernel = ctx;
	int r = device_get(kernel->device, ret_config);

	return r == 0 && public_key ? keep_peer(ret_config, public_key) : r;
}

static int set(void *ctx, const struct config *config)
{
	struct kernel *kernel = ctx;
	int r = device_set(kernel->device, config);

	return r == 0 && kernel->is_watched ? follow_peers(kernel) : r;
}

static int watch(void *ctx)
{
	struct kernel *kernel = ctx;
	int r = kernel->queue ? local_server_subscribe(kernel->server) : -EOPNOTSUPP;

	if (r < 0)
		return r;
	kernel->is_watched = true;
	r = follow_peers(kernel);
	queue_watch(kernel->queue, true);
	return r;
}

static int refuse(void *ctx, const struct prefix *address)
{
	const struct kernel *kernel = ctx;

	return kernel->queue ? queue_refuse(kernel->queue, address) : -EOPNOTSUPP;
}

static void hide_keys(void *ctx)
{
	const struct kernel *kernel = ctx;

	local_server_restrict(kernel->server);
}

static bool hides_keys(void *ctx)
{
	const struct kernel *kernel = ctx;

	return local_server_is_restricted(kernel->server);
}

static ssize_t answer(void *ctx, const char *data, size_t len, size_t *scan, struct text *reply)
{
	static const struct uapi_ops ops = {get, set, watch, refuse, hide_keys, hides_keys};

	return uapi_serve(&ops, ctx, data, len, scan, reply);
}

/* --- the process ----------------------------------------------------- */

/* Netlink for WireGuard and nftables, the clients, the end; what libnftables asks of files is
 * answered by the empty root. */
static void enter_sandbox(void)
{
	static const int calls[] = {SCMP_SYS(socket), SCMP_SYS(bind), SCMP_SYS(getsockname),
		SCMP_SYS(setsockopt), SCMP_SYS(getsockopt), SCMP_SYS(accept4), SCMP_SYS(sendto),
		SCMP_SYS(recvfrom), SCMP_SYS(close), SCMP_SYS(writev), SCMP_SYS(getpid),
		SCMP_SYS(fcntl), SCMP_SYS(openat), SCMP_SYS(newfstatat), SCMP_SYS(fstat),
		SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(uname), SCMP_SYS(lseek),
		SCMP_SYS(select), SCMP_SYS(pselect6)};
	static const struct sandbox_exception exceptions[] = {{SCMP_SYS(ioctl), 1, SIOCGIFINDEX}};
	enum { OWN_DESCRIPTORS = 32 /* a dozen, and room for libnftables */ };

	sandbox_enter(&(const struct sandbox){.keeps_user = true,
		.capabilities = UINT32_C(1) << CAP_NET_ADMIN,
		.removable_dir = UAPI_SOCKET_DIR,
		.max_descriptors = LOCAL_SERVER_MAX_CLIENTS + OWN_DESCRIPTORS,
		.calls = calls,
		.num_calls = ARRAY_SIZE(calls),
		.exceptions = exceptions,
		.num_exceptions = ARRAY_SIZE(exceptions)});
}

static int start(struct kernel *kernel, const char *ifname)
{
	char name[IFNAMSIZ + 8];
	sigset_t signals;
	int r;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	kernel->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (kernel->signal_fd < 0)
		return -errno;
	r = device_new(ifname, &kernel->device);
	if (r < 0) {
		log_error("%s: the kernel's WireGuard: %s", ifname, strerror(-r));
		return r;
	}
	r = queue_new(ifname, &kernel->queue);
	if (r < 0)
		log_error("%s: no peers on demand: nftables and NFQUEUE: %s", ifname, strerror(-r));
	snprintf(name, sizeof(name), "%s" UAPI_SOCKET_SUFFIX, ifname);
	r = local_server_new(UAPI_SOCKET_DIR, name, -1, &kernel->server);
	if (r < 0)
		log_error("%s: the UAPI socket: %s", ifname, strerror(-r));
	return r;
}

static bool has_peer(const struct kernel *kernel, const struct prefix *address)
{
	for (size_t i = 0; i < kernel->num_peers; i++) {
		if (queue_prefix_has(&kernel->peers[i], address))
			return true;
	}
	return false;
}

/* A packet may have been on its way to us while its peer was added: it is not held for ever. */
static void pass_wanted(struct kernel *kernel)
{
	struct text text = {0};
	struct prefix address;
	int r;

	for (int i = 0; i < MAX_TURN && (r = queue_next(kernel->queue, &address)) >= 0; i++) {
		if (r > 0 && has_peer(kernel, &address))
			queue_pass(kernel->queue, &address);
		else if (r > 0)
			uapi_write_address(&text, "wanted", &address);
	}
	local_server_push(kernel->server, text.data, text.len);
	text_deinit(&text);
}

/* Until a signal, or the socket is removed. */
static void serve(struct kernel *kernel)
{
	struct pollfd fds[2 + LOCAL_SERVER_MAX_POLLFDS];

	for (;;) {
		unsigned num = local_server_pollfds(kernel->server, fds + 2);

		fds[0] = (struct pollfd){.fd = kernel->signal_fd, .events = POLLIN};
		fds[1] = (struct pollfd){
			.fd = kernel->queue ? queue_fd(kernel->queue) : -1, .events = POLLIN};
		if (kernel->is_watched && !local_server_has_subscriber(kernel->server)) {
			kernel->is_watched = false;
			queue_watch(kernel->queue, false);
		}
		if (poll(fds, 2 + num, kernel->queue ? queue_expire(kernel->queue) : -1) < 0)
			continue;
		if (fds[0].revents)
			return;
		if (fds[1].revents)
			pass_wanted(kernel);
		if (!local_server_dispatch(kernel->server, answer, kernel, fds + 2, num))
			return;
	}
}

int main(int argc, char *argv[])
{
	struct kernel kernel = {0};
	int r;

	if (argc != 3 || strcmp(argv[1], "run") != 0 || !uapi_socket_name_is_valid(argv[2])) {
		fputs("usage: adit-kernel run IFNAME\n", stderr);
		return 2;
	}
	log_set_prefix("adit-kernel");
	r = start(&kernel, argv[2]);
	if (r == 0) {
		enter_sandbox();
		serve(&kernel);
	}
	local_server_free(kernel.server);
	queue_free(kernel.queue);
	device_free(kernel.device);
	free(kernel.peers);
	return r < 0;
}
