/* SPDX-License-Identifier: MIT
 *
 * `adit-hub run`: start everything, then watch it. The server alone may die: it is started again,
 * while tunnel, vault and door go on and its sockets keep who comes meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/uapi_socket.h"
#include "crypto/dh.h"
#include "net/link_address.h"
#include "net/udp.h"
#include "overlay/filter/filter.h"
#include "overlay/hub/guard.h"
#include "overlay/hub/options.h"
#include "overlay/hub/roles.h"
#include "overlay/hub/sockets.h"
#include "overlay/hub/state.h"
#include "overlay/launch/launch.h"
#include "privsep/drill.h"
#include "privsep/memory.h"
#include "privsep/notify.h"
#include "tunnel/ipc.h"
#include "tunnel/roles.h"

enum { ANSWER_TIMEOUT_S = 10, END_TIMEOUT_MS = 2000, NAME_TIMEOUT_MS = 5000 };

/* Between two starts of the server; twice as long after each that did not come as far as being
 * ready. */
#define RESTART_INTERVAL_NS (100 * MSEC_NS)
enum { MAX_DOUBLINGS = 7 };

struct hub_process {
	struct hub_options options;
	struct hub_state state;
	struct hub_setup setup;
	struct launcher *launcher;
	struct filter *guard; /* NULL: it cannot be had */
	int signal_fd;
	pid_t vault, door, server; /* 0: does not run */
	int vault_fd;
	int door_fd;   /* the server's end, which we keep for its successors */
	int server_fd; /* the launcher's end; -1: there is none */
	int admin_fd, api_fd;
	uint64_t started_ns;   /* the server */
	uint64_t restart_ns;   /* when; 0: it runs */
	unsigned num_failures; /* to get ready, in a row */
	bool is_ready;	       /* the server */
	bool is_announced;     /* one was ready before */
};

static struct hub_process hub = {.server_fd = -1, .admin_fd = -1}; /* one a process */

/* --- the end --------------------------------------------------------- */

/* The server gets a moment to finish what it is writing; the others have nothing to finish. */
static void end_server(void)
{
	uint64_t until_ns = clock_ns(CLOCK_MONOTONIC) + END_TIMEOUT_MS * MSEC_NS;

	if (hub.server == 0)
		return;
	close(hub.server_fd);
	while (clock_ns(CLOCK_MONOTONIC) < until_ns) {
		if (waitpid(hub.server, NULL, WNOHANG) == hub.server)
			return;
		poll(NULL, 0, 5);
	}
	kill(hub.server, SIGKILL);
	waitpid(hub.server, NULL, 0);
}

static noreturn void end(int status)
{
	end_server();
	if (hub.admin_fd >= 0)
		unlink(hub.options.socket);
	if (hub.door > 0)
		kill(hub.door, SIGKILL);
	if (hub.vault > 0)
		kill(hub.vault, SIGKILL);
	launcher_free(hub.launcher);
	filter_free(hub.guard);
	exit(status);
}

static noreturn void fail(const char *what, int error)
{
	log_error("%s: %s", what, strerror(-error));
	end(1);
}

static int must(int result, const char *what)
{
	if (result < 0)
		fail(what, result);
	return result;
}

/* --- the tunnel ------------------------------------------------------ */

/* The command beside ours, or, if there is none, where it is installed. */
static const char *find_program(char path[4096])
{
	ssize_t len = readlink("/proc/self/exe", path, 4096 - sizeof("adit"));
	char *slash;

	path[len > 0 ? len : 0] = '\0';
	slash = strrchr(path, '/');
	strcpy(slash ? slash + 1 : path, "adit");
	return access(path, X_OK) == 0 ? path : "/usr/bin/adit";
}

static void configure_tunnel(int uapi_fd)
{
	struct config config = {.flags = CONFIG_HAS_PRIVATE_KEY | CONFIG_HAS_LISTEN_PORT,
		.listen_port = hub.options.port};
	int r;

	memcpy(config.private_key, hub.state.tunnel_key, KEY_LEN);
	must(ipc_limit_waiting(uapi_fd, ANSWER_TIMEOUT_S), "socket timeouts");
	r = uapi_socket_set(uapi_fd, &config);
	config_deinit(&config);
	if (r == -EADDRINUSE) {
		log_error("UDP port %u is in use", hub.options.port);
		end(1);
	}
	must(r, "cannot configure the tunnel");
}

/* The interface may be that of a hub that was killed, whose tunnel takes a moment to end. */
static int start_launcher(int ret_uapi[2])
{
	uint64_t until_ns = clock_ns(CLOCK_MONOTONIC) + NAME_TIMEOUT_MS * MSEC_NS;
	int r;

	while ((r = launcher_start(hub.launcher, hub.options.interface, ret_uapi)) == -EBUSY &&
		clock_ns(CLOCK_MONOTONIC) < until_ns)
		poll(NULL, 0, 50);
	return r;
}

static void start_tunnel(void)
{
	char path[4096];
	int uapi[2], r;

	hub.launcher = launcher_new(
		*hub.options.tunnel_program ? hub.options.tunnel_program : find_program(path));
	if (!hub.launcher)
		fail("cannot start", -ENOMEM);
	r = start_launcher(uapi);
	if (r == -ECANCELED) /* it has said why */
		end(1);
	if (r == -EBUSY) {
		log_error(
			"there is an interface %s already: another hub's?", hub.options.interface);
		end(1);
	}
	must(r, "cannot start the tunnel");
	configure_tunnel(uapi[0]);
	close(uapi[0]);
	close(uapi[1]);
	dh_public(hub.setup.hub_key, hub.state.tunnel_key);
	wipe(hub.state.tunnel_key, KEY_LEN);
	/* not before: the name could have been another hub's, and its rules with it */
	hub.guard = guard_new(hub.options.interface, API_PORT);
}

/* --- vault and door -------------------------------------------------- */

static void await_role(int fd)
{
	struct ack ack;

	must(ipc_limit_waiting(fd, ANSWER_TIMEOUT_S), "socket timeouts");
	must(ipc_receive(fd, &ack, sizeof(ack)), "a process did not start");
	if (ack.type != ACK_READY)
		fail("a process did not start", -EPROTO);
}

/* Returns the descriptor by which the door talks to it. */
static int start_vault(void)
{
	struct vault_request request = {.type = VAULT_SET_PRIVATE_KEY};
	struct vault_reply reply;
	int own[2], door[2];

	must(ipc_pair(own), "socketpair");
	must(ipc_pair(door), "socketpair");
	hub.vault = must(role_start(&tunnel_roles[ROLE_VAULT], hub.options.interface,
				 (int[]){own[1], door[0]}, 2),
		"cannot start the vault");
	close(own[1]);
	close(door[0]);
	hub.vault_fd = own[0];
	await_role(own[0]);
	memcpy(request.a, hub.state.enrol_key, KEY_LEN);
	wipe(hub.state.enrol_key, KEY_LEN);
	must(ipc_call(own[0], &request, sizeof(request), &reply, sizeof(reply)), "vault");
	wipe(&request, sizeof(request));
	must(ipc_error_is_valid(reply.error) ? reply.error : -EPROTO, "vault");
	memcpy(hub.setup.enrol_key, reply.a, KEY_LEN);
	return door[1];
}

static void start_door(int vault_fd)
{
	struct door_setup setup = {0};
	struct udp_pair sockets;
	uint16_t port = hub.options.enrol_port;
	int pair[2], fds[4], r;
	unsigned num = 0;

	r = udp_open(&sockets, &port, 0);
	if (r == -EADDRINUSE) {
		log_error("UDP port %u is in use", port);
		end(1);
	}
	must(r, "cannot open the enrolment port");
	must(ipc_pair(pair), "socketpair");
	fds[num++] = pair[1];
	fds[num++] = vault_fd;
	if (sockets.fd4 >= 0)
		fds[num++] = sockets.fd4;
	if (sockets.fd6 >= 0)
		fds[num++] = sockets.fd6;
	hub.door = must(role_start(&hub_roles[HUB_ROLE_DOOR], hub.options.interface, fds, num),
		"cannot start the door");
	close(pair[1]);
	close(vault_fd);
	memcpy(setup.hub_key, hub.setup.enrol_key, KEY_LEN);
	setup.has_ipv4 = sockets.fd4 >= 0;
	setup.has_ipv6 = sockets.fd6 >= 0;
	udp_close(&sockets);
	must(ipc_send(pair[0], &setup, sizeof(setup)), "door");
	await_role(pair[0]);
	must(ipc_limit_waiting(pair[0], 0), "socket timeouts"); /* it becomes the server's */
	hub.door_fd = pair[0];
}

/* --- the server ------------------------------------------------------ */

static void plan_restart(void)
{
	if (hub.is_ready)
		hub.num_failures = 0;
	else if (hub.num_failures < MAX_DOUBLINGS)
		hub.num_failures++;
	hub.restart_ns = hub.started_ns + (RESTART_INTERVAL_NS << hub.num_failures);
}

/* Returns 0 or a negative errno. */
static int try_start_server(void)
{
	int own[2], uapi[2], r = launcher_start(hub.launcher, hub.options.interface, uapi);
	pid_t pid;

	if (r < 0)
		return r;
	r = ipc_pair(own);
	if (r == 0) {
		pid = role_start(&hub_roles[HUB_ROLE_SERVER], hub.options.interface,
			(int[]){own[1], hub.door_fd, hub.admin_fd, hub.api_fd, uapi[0]},
			HUB_NUM_FDS);
		close(own[1]);
		if (pid < 0) {
			close(own[0]);
			r = pid;
		} else {
			hub.server = pid;
			hub.server_fd = own[0];
		}
	}
	close(uapi[0]);
	close(uapi[1]);
	return r;
}

/* Once there was one, a shortage is no reason to end all: door and tunnel do without for a while.
 */
static void start_server(void)
{
	int r;

	hub.started_ns = clock_boottime_ns();
	hub.restart_ns = 0;
	hub.is_ready = false;
	r = try_start_server();
	if (r < 0 && !hub.is_announced)
		fail("cannot start the server", r);
	if (r < 0) {
		log_error("cannot start the server: %s; it is tried again", strerror(-r));
		plan_restart();
		return;
	}
	/* should it be gone already, we are told */
	(void)!ipc_try_send(hub.server_fd, &hub.setup, sizeof(hub.setup));
}

static void announce(void)
{
	hub.is_announced = true;
	notify_ready();
	if (!hub.state.is_new)
		return;
	printf("The hub is ready. UDP ports %u and %u must be reachable at %s.\n"
	       "What next, for a network called robots:\n"
	       "\n"
	       "    adit-hub network add robots\n"
	       "    adit-hub key create robots\n"
	       "\n"
	       "The latter prints a link; on a robot:  adit join LINK\n"
	       "Keep a copy of %s/keys: they are what nodes know the hub by.\n",
		hub.options.port, hub.options.enrol_port, hub.setup.host, hub.options.state);
	(void)fflush(stdout);
}

static void serve_server(void)
{
	int r = launcher_serve(hub.launcher, hub.server_fd);

	if (r < 0) { /* its death is announced by a signal, too */
		close(hub.server_fd);
		hub.server_fd = -1;
	}
	if (r < 0 && r != -EPIPE) {
		log_error("the server misbehaves: %s", strerror(-r));
		kill(hub.server, SIGKILL);
	}
	if (launcher_take_ready(hub.launcher))
		hub.is_ready = true;
	if (hub.is_ready && !hub.is_announced)
		announce();
}

/* --- watching -------------------------------------------------------- */

static void describe_death(const char *name, int status, const char *consequence)
{
	if (WIFSIGNALED(status))
		log_error("the %s died (signal %d, %s): %s", name, WTERMSIG(status),
			role_death(WTERMSIG(status)), consequence);
	else
		log_error("the %s ended (status %d): %s", name, WEXITSTATUS(status), consequence);
}

static bool forget_if(pid_t *ours, pid_t pid)
{
	bool is = *ours == pid;

	if (is)
		*ours = 0;
	return is;
}

/* Door or vault is gone. One of them ends by itself, with status 0, when it loses the other: then
 * that is the cause, and found a moment later. */
static noreturn void end_on_death(pid_t pid, int status)
{
	uint64_t until_ns = clock_ns(CLOCK_MONOTONIC) + END_TIMEOUT_MS / 4 * MSEC_NS;
	bool is_door = forget_if(&hub.door, pid);

	(void)forget_if(&hub.vault, pid);
	while (status == 0 && clock_ns(CLOCK_MONOTONIC) < until_ns) {
		pid_t *other = is_door ? &hub.vault : &hub.door;

		if (waitpid(*other, &status, WNOHANG) == *other) {
			*other = 0;
			is_door = !is_door;
			break;
		}
		poll(NULL, 0, 1);
	}
	describe_death(is_door ? "door" : "vault", status, "the hub ends");
	end(1);
}

static void bury(pid_t pid, int status)
{
	char ifname[IFNAMSIZ];

	if (pid == hub.server) {
		hub.server = 0;
		if (hub.server_fd >= 0)
			close(hub.server_fd);
		hub.server_fd = -1;
		if (WIFEXITED(status) && WEXITSTATUS(status) == HUB_EXIT_DOOR) {
			log_error("the door misbehaves: the hub ends");
			end(1);
		}
		describe_death("server", status,
			hub.is_announced ? "it is started again" : "the hub ends");
		if (!hub.is_announced)
			end(1);
		plan_restart();
	} else if (pid == hub.door || pid == hub.vault) {
		end_on_death(pid, status);
	} else if (launcher_reaped(hub.launcher, pid, ifname)) {
		describe_death("tunnel", status, "the hub ends");
		end(1);
	}
}

static void handle_signals(void)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	while (read(hub.signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			end(0);
	}
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		bury(pid, status);
}

static int restart_timeout_ms(void)
{
	uint64_t now_ns = clock_boottime_ns();

	if (hub.restart_ns == 0)
		return -1;
	return hub.restart_ns <= now_ns ? 0 : (int)((hub.restart_ns - now_ns) / MSEC_NS) + 1;
}

/* It is asked nothing any more. That it is gone is told by a signal. */
static void refuse_unasked(void)
{
	struct vault_reply unasked;
	int r = ipc_try_receive(hub.vault_fd, &unasked, sizeof(unasked), NULL);

	wipe(&unasked, sizeof(unasked));
	if (r != -EPIPE)
		fail("the vault says what nobody asked", -EPROTO);
	close(hub.vault_fd);
	hub.vault_fd = -1;
}

static noreturn void watch(void)
{
	for (;;) {
		struct pollfd fds[] = {{.fd = hub.signal_fd, .events = POLLIN},
			{.fd = hub.server_fd, .events = POLLIN},
			{.fd = hub.guard ? filter_fd(hub.guard) : -1, .events = POLLIN},
			{.fd = hub.vault_fd, .events = POLLIN}};
		int n;

		memory_rest();
		n = poll(fds, ARRAY_SIZE(fds), restart_timeout_ms());
		if (n < 0 && errno != EINTR)
			fail("poll", -errno);
		if (n > 0 && fds[1].revents)
			serve_server();
		if (n > 0 && fds[2].revents)
			guard_mend(hub.guard);
		if (n > 0 && fds[3].revents)
			refuse_unasked();
		if (n > 0 && fds[0].revents)
			handle_signals();
		if (restart_timeout_ms() == 0)
			start_server();
	}
}

/* --- start ----------------------------------------------------------- */

static void block_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	hub.signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	must(hub.signal_fd < 0 ? -errno : 0, "signalfd");
}

/* Where nodes are told to find us, if nobody said so. */
static void find_host(void)
{
	char text[PREFIX_TEXT_LEN];
	struct prefix source;

	if (*hub.options.host) {
		memcpy(hub.setup.host, hub.options.host, sizeof(hub.setup.host));
	} else if (link_default_source(&source) == 0) {
		prefix_to_text(text, &source);
		*strchr(text, '/') = '\0';
		strcpy(hub.setup.host, text);
	} else if (gethostname(hub.setup.host, sizeof(hub.setup.host) - 1) < 0 ||
		   !join_host_is_valid(hub.setup.host)) {
		log_error(
			"cannot find out by what name or address nodes reach this machine: say it "
			"with --host");
		end(1);
	}
}

static void open_sockets(void)
{
	hub.api_fd = must(socket_listen_interface(hub.options.interface, API_PORT),
		"cannot serve the tunnel");
	hub.admin_fd = must(socket_listen_local(hub.options.socket), hub.options.socket);
}

static void start(void)
{
	uid_t uid;
	gid_t gid;

	sandbox_choose_user();
	sandbox_user(&uid, &gid);
	must(sandbox_prepare(), "cannot create an empty root directory");
	must(crypto_init(), "libcrypto lacks an algorithm");
	if (hub_state_open(&hub.state, hub.options.state, uid, gid) < 0)
		exit(1);
	find_host();
	hub.setup.enrol_port = hub.options.enrol_port;
	hub.setup.hub_port = hub.options.port;
	hub.setup.api_port = API_PORT;
	block_signals();
	start_tunnel();
	start_door(start_vault());
	open_sockets();
	must(hub_state_enter(&hub.state), "the database's directory");
	drill_arm("launcher");
	launcher_enter_sandbox(hub.options.socket, "."); /* the database's */
	start_server();
}

static void write_usage(void)
{
	puts("Usage: adit-hub run [OPTION]...\n"
	     "\n"
	     "  --config FILE      these options as name = value lines (" HUB_CONFIG ")\n"
	     "  --state DIR        keys and database (" HUB_STATE ")\n"
	     "  --interface NAME   of the hub's tunnel (" HUB_INTERFACE ")\n"
	     "  --port N           UDP, of the tunnel (51820)\n"
	     "  --enrol-port N     UDP, at which nodes join (51821)\n"
	     "  --host NAME        what nodes are to call this machine (its address)\n"
	     "  --socket PATH      of the admin API (" HUB_SOCKET ")\n"
	     "  --tunnel-program PATH   which runs the tunnel (the adit beside adit-hub)");
}

int hub_run(int argc, char *argv[])
{
	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		write_usage();
		return fflush(stdout) == 0 ? 0 : 1;
	}
	log_set_prefix("adit-hub");
	log_set_level(log_level_from_text(getenv("LOG_LEVEL")));
	if (hub_options_read(&hub.options, argv + 1) < 0)
		return 1;
	if (geteuid() != 0) {
		log_error("only root may run a hub");
		return 1;
	}
	start();
	watch();
}
