/* SPDX-License-Identifier: MIT
 *
 * The monitor: makes the TUN device and the sockets, starts the other processes and watches them,
 * serves the UAPI socket, follows the interface. It never sees a packet. If any process dies it
 * says which and why, and ends the tunnel.
 */
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/uapi.h"
#include "net/link.h"
#include "net/tun.h"
#include "privsep/memory.h"
#include "tunnel/ipc.h"
#include "tunnel/roles.h"
#include "tunnel/settings.h"
#include "tunnel/status_map.h"
#include "tunnel/uapi.h"

enum {
	DEFAULT_MTU = 1420,
	LARGE = 128 * 1024,
	END_TIMEOUT_MS = 1000,
	ANSWER_TIMEOUT_S = 10,
	MAX_WANTED = 64, /* addresses that are passed on in one turn */
};

/* What is polled for; then come those of the local server. */
enum { POLL_SIGNALS, POLL_LINK, POLL_WANTED, POLL_VAULT, POLL_ENGINE, POLL_DATAPATH, NUM_POLLFDS };

/* Routes may change in bursts: look at sticky sources this long after the first change. */
#define SOURCES_DELAY_NS SECOND_NS

struct monitor {
	const char *ifname;
	int tun_fds[MAX_WORKERS], signal_fd; /* the queues of the TUN device */
	unsigned num_queues;
	pid_t pids[ROLE_NUM];
	struct neighbours neighbours;
	struct link_monitor *link;
	struct local_server *server;
	struct settings *settings;
	const struct status_page *page;
	uint64_t check_sources_ns; /* when; 0: no route changed since they were checked */
};

static struct monitor monitor; /* one a process */

static noreturn void fail(const char *what, int error)
{
	local_server_free(monitor.server);
	role_fail(what, error);
}

/* For what the tunnel cannot start without: passes on a result that is no error. */
static int must(int result, const char *what)
{
	if (result < 0)
		fail(what, result);
	return result;
}

/* Children end when their sockets close; their descriptor of the TUN device must be closed before
 * the interface can be called gone. */
static noreturn void end(int status)
{
	uint64_t until_ns = clock_ns(CLOCK_MONOTONIC) + END_TIMEOUT_MS * MSEC_NS;

	local_server_free(monitor.server);
	settings_free(monitor.settings);
	close(monitor.neighbours.vault);
	close(monitor.neighbours.engine);
	close(monitor.neighbours.datapath);
	close(monitor.neighbours.wanted);
	for (unsigned i = 0; i < monitor.num_queues; i++)
		close(monitor.tun_fds[i]);
	while (waitpid(-1, NULL, WNOHANG) >= 0 && clock_ns(CLOCK_MONOTONIC) < until_ns)
		poll(NULL, 0, 5);
	exit(status);
}

static noreturn void end_without_interface(void)
{
	log_error("the interface was deleted: the tunnel ends");
	end(0);
}

/* A child died: say which and how, and end, unless it ended because a neighbour had. */
static void look_at_child(pid_t pid, int status)
{
	for (int role = 0; role < ROLE_NUM; role++) {
		const char *name = tunnel_roles[role].name;

		if (pid != monitor.pids[role] || status == 0)
			continue;
		if (WIFSIGNALED(status))
			log_error("the %s died (signal %d, %s): the tunnel ends", name,
				WTERMSIG(status), role_death(WTERMSIG(status)));
		else if (role == ROLE_DATAPATH && WEXITSTATUS(status) == ROLE_INTERFACE_GONE)
			end_without_interface();
		else
			log_error("the %s ended (status %d): the tunnel ends", name,
				WEXITSTATUS(status));
		end(1);
	}
}

/* A process is gone. Those that merely lost a neighbour may be found first: look for the cause. */
static noreturn void end_on_death(void)
{
	uint64_t until_ns = clock_ns(CLOCK_MONOTONIC) + END_TIMEOUT_MS / 2 * MSEC_NS;
	pid_t pid;

	do {
		int status;

		pid = waitpid(-1, &status, WNOHANG);
		if (pid > 0)
			look_at_child(pid, status);
		else
			poll(NULL, 0, 1);
	} while (pid >= 0 && clock_ns(CLOCK_MONOTONIC) < until_ns);
	log_error("the other processes ended without a reason: the tunnel ends");
	end(1);
}

static void handle_signals(void)
{
	struct signalfd_siginfo info;

	while (read(monitor.signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			end(0);
		end_on_death();
	}
}

/* A neighbour that is gone is on its way to being reaped; say why, then end. */
static __attribute__((__noreturn__)) void end_on(const char *what, int error)
{
	struct pollfd fd = {.fd = monitor.signal_fd, .events = POLLIN};

	if (error == -EPIPE && poll(&fd, 1, END_TIMEOUT_MS) > 0)
		handle_signals();
	if (error == -EPROTO)
		log_error("malformed message from %s: the tunnel ends", what);
	else if (error == -EAGAIN)
		log_error("%s does not answer: the tunnel ends", what);
	else
		log_error("%s: %s: the tunnel ends", what, strerror(-error));
	end(1);
}

/* --- start ----------------------------------------------------------- */

/* The number in an environment variable, or -1. */
static int fd_from_environment(const char *name)
{
	const char *text = getenv(name);

	return text && *text ? (int)strtol(text, NULL, 10) : -1;
}

/* One queue for each core there is for us. */
static void open_queues(void)
{
	unsigned wanted = MAX_WORKERS;
	cpu_set_t cores;

	if (sched_getaffinity(0, sizeof(cores), &cores) == 0 && CPU_COUNT(&cores) < MAX_WORKERS)
		wanted = (unsigned)CPU_COUNT(&cores);
	while (monitor.num_queues < wanted) {
		int fd = tun_add_queue(monitor.ifname);

		if (fd < 0)
			break; /* not in this kernel: one worker does it */
		monitor.tun_fds[monitor.num_queues++] = fd;
	}
}

static void open_tun(void)
{
	int fd = fd_from_environment(ROLES_ENV_TUN_FD);
	struct tun_features features;
	char name[IFNAMSIZ];
	bool vnet_hdr;

	if (fd < 0) {
		fd = tun_create(monitor.ifname, &features);
		if (fd == -EBUSY)
			fail("a tunnel of this name is running already, or another interface has "
			     "it",
				-EBUSY);
		monitor.tun_fds[monitor.num_queues++] = must(fd, "cannot create the interface");
		open_queues();
		log_debug("offloads the kernel grants: TSO %s, USO %s", features.tso ? "yes" : "no",
			features.uso ? "yes" : "no");
		return;
	}
	must(tun_adopt(fd, name, &vnet_hdr, &features), ROLES_ENV_TUN_FD " is not a TUN device");
	if (strcmp(name, monitor.ifname) != 0)
		fail(ROLES_ENV_TUN_FD " belongs to another interface", -EINVAL);
	monitor.tun_fds[monitor.num_queues++] = fd;
}

static void start_role(enum tunnel_role role, const int *fds, unsigned num_fds)
{
	monitor.pids[role] = must(role_start(&tunnel_roles[role], monitor.ifname, fds, num_fds),
		"cannot start a process");
}

/* A neighbour that does not answer has ended, as far as the tunnel is concerned. */
static void await_role(int fd)
{
	struct ack ack;

	must(ipc_limit_waiting(fd, ANSWER_TIMEOUT_S), "socket timeouts");
	must(ipc_receive(fd, &ack, sizeof(ack)), "a process did not start");
	if (ack.type != ACK_READY)
		fail("a process did not start", -EPROTO);
}

static void start_roles(void)
{
	int vault[2], engine[2], datapath[2], engine_vault[2], engine_datapath[2], wanted[2];
	int *const pairs[] = {vault, engine, datapath, engine_vault, engine_datapath, wanted};
	int status_fd = must(status_create(), "status page");
	int datapath_fds[ROLE_MAX_FDS];

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
		must(ipc_pair(pairs[i]), "socketpair");
	start_role(ROLE_VAULT, (int[]){vault[1], engine_vault[0]}, 2);
	start_role(
		ROLE_ENGINE, (int[]){engine[1], engine_vault[1], engine_datapath[0], status_fd}, 4);
	memcpy(datapath_fds, (int[]){datapath[1], engine_datapath[1], status_fd, wanted[1]},
		4 * sizeof(int));
	memcpy(datapath_fds + 4, monitor.tun_fds, monitor.num_queues * sizeof(int));
	start_role(ROLE_DATAPATH, datapath_fds, 4 + monitor.num_queues);
	close(vault[1]);
	close(engine[1]);
	close(datapath[1]);
	close(wanted[1]);
	for (int i = 0; i < 2; i++) {
		close(engine_vault[i]);
		close(engine_datapath[i]);
	}
	monitor.neighbours = (struct neighbours){.vault = vault[0],
		.engine = engine[0],
		.datapath = datapath[0],
		.wanted = wanted[0],
		.fail = end_on};
	monitor.page = status_map(status_fd);
	if (!monitor.page)
		fail("status page", -errno);
	await_role(vault[0]);
	await_role(engine[0]);
	await_role(datapath[0]);
}

static void start(const char *ifname)
{
	/* a child that stands still is none that died */
	const struct sigaction deaths = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDSTOP};
	sigset_t signals;
	int r;

	monitor.ifname = ifname;
	(void)setpgid(0, 0); /* for the starter, who has to find our children */
	sigaction(SIGCHLD, &deaths, NULL);
	/* What a request of megabytes took goes back to the system: else glibc learns to keep it.
	 */
	mallopt(M_MMAP_THRESHOLD, LARGE);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	monitor.signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (monitor.signal_fd < 0)
		fail("signalfd", -errno);

	/* the device first: of two who start at once only one can create it */
	open_tun();
	r = uapi_server_new(ifname, fd_from_environment(ROLES_ENV_UAPI_FD), &monitor.server);
	if (r == -ENOTSOCK)
		fail(ROLES_ENV_UAPI_FD " is not a listening socket", r);
	if (r == -EADDRINUSE)
		fail("a tunnel of this name is running already", r);
	must(r, "cannot create the UAPI socket");
	must(sandbox_prepare(), "cannot create an empty root directory");
	start_roles();
	monitor.link = link_monitor_new(if_nametoindex(ifname));
	if (!monitor.link)
		fail("rtnetlink", -errno);
	if (link_refuse_link_local(monitor.link) < 0)
		log_debug("the kernel may give the interface a link-local address");
	must(link_set_mtu(monitor.link, DEFAULT_MTU), "cannot set the MTU");
	monitor.settings =
		settings_new(&monitor.neighbours, monitor.page, monitor.link, monitor.num_queues);
	if (!monitor.settings)
		fail("cannot start", -ENOMEM);
}

/* --- run ------------------------------------------------------------- */

static void follow_link(void)
{
	bool routes_changed = false;
	struct link_state state;
	int r = link_monitor_dispatch(monitor.link, &routes_changed);

	if (r < 0)
		end_on("rtnetlink", r);
	if (routes_changed && monitor.check_sources_ns == 0)
		monitor.check_sources_ns = clock_ns(CLOCK_MONOTONIC) + SOURCES_DELAY_NS;
	state = link_monitor_state(monitor.link);
	if (state.gone)
		end_without_interface();
	settings_set_link(monitor.settings, state);
}

/* Tell the watcher, if there is one, which addresses packets want. */
static void pass_wanted(void)
{
	struct text text = {0};
	struct prefix address;

	for (int i = 0; i < MAX_WANTED && neighbours_next_wanted(&monitor.neighbours, &address);
		i++)
		uapi_write_address(&text, "wanted", &address);
	local_server_push(monitor.server, text.data, text.len);
	text_deinit(&text);
}

/* Check sticky sources when it is time. Returns how long poll may wait until then. */
static int check_sources(void)
{
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);

	if (monitor.check_sources_ns == 0)
		return -1;
	if (now_ns < monitor.check_sources_ns)
		return (int)((monitor.check_sources_ns - now_ns) / MSEC_NS) + 1;
	monitor.check_sources_ns = 0;
	settings_check_sources(monitor.settings);
	return -1;
}

static void fill_pollfds(struct pollfd ret_fds[NUM_POLLFDS])
{
	const int fds[] = {
		[POLL_SIGNALS] = monitor.signal_fd,
		[POLL_LINK] = link_monitor_fd(monitor.link),
		[POLL_WANTED] = monitor.neighbours.wanted,
		[POLL_VAULT] = monitor.neighbours.vault,
		[POLL_ENGINE] = monitor.neighbours.engine,
		[POLL_DATAPATH] = monitor.neighbours.datapath,
	};

	for (unsigned i = 0; i < NUM_POLLFDS; i++)
		ret_fds[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
}

void monitor_main(const char *ifname)
{
	struct pollfd fds[NUM_POLLFDS + LOCAL_SERVER_MAX_POLLFDS];
	struct uapi uapi;

	start(ifname);
	sandbox_enter(&tunnel_roles[ROLE_MONITOR].sandbox);
	follow_link();
	(void)!write(MONITOR_FD_READY, "", 1);
	close(MONITOR_FD_READY);
	uapi = (struct uapi){monitor.settings, monitor.server};
	for (;;) {
		unsigned num;
		int n;

		fill_pollfds(fds);
		num = local_server_pollfds(monitor.server, fds + NUM_POLLFDS);
		if (!local_server_has_subscriber(monitor.server))
			settings_watch(monitor.settings, false);
		if (!local_server_is_busy(monitor.server))
			memory_rest();
		n = poll(fds, NUM_POLLFDS + num, check_sources());
		if (n < 0 && errno != EINTR)
			end_on("poll", -errno);
		if (n <= 0)
			continue;
		if (fds[POLL_SIGNALS].revents)
			handle_signals();
		if (fds[POLL_VAULT].revents || fds[POLL_ENGINE].revents ||
			fds[POLL_DATAPATH].revents)
			neighbours_refuse_unasked(&monitor.neighbours);
		if (fds[POLL_LINK].revents)
			follow_link();
		if (fds[POLL_WANTED].revents)
			pass_wanted();
		if (!local_server_dispatch(
			    monitor.server, uapi_answer, &uapi, fds + NUM_POLLFDS, num)) {
			log_error("the UAPI socket was removed: the tunnel ends");
			end(0);
		}
	}
}
