/* SPDX-License-Identifier: MIT
 *
 * The roles of a tunnel: names, main functions and rights. Their descriptors are in roles.h.
 */
#include "tunnel/roles.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <seccomp.h>
#include <sys/ioctl.h>

#include "config/uapi_socket.h"
#include "crypto/aead.h"
#include "net/local_server.h"
#include "privsep/memory.h"
#include "tunnel/ipc.h"
#include "tunnel/worker.h"

/* The monitor opens and configures sockets, serves its clients, reaps children, cleans up; getpid
 * is libmnl's, when a namespace gets its first id. */
static const int monitor_calls[] = {SCMP_SYS(bind), SCMP_SYS(getsockname), SCMP_SYS(setsockopt),
	SCMP_SYS(getsockopt), SCMP_SYS(accept4), SCMP_SYS(sendto), SCMP_SYS(recvfrom),
	SCMP_SYS(close), SCMP_SYS(wait4), SCMP_SYS(writev), SCMP_SYS(getpid),
	ROLES_REMOVE_FILE_CALL};

/* Sockets for packets and for if_nametoindex (a scope in an endpoint), and its one ioctl. */
static const struct sandbox_exception monitor_exceptions[] = {{SCMP_SYS(socket), 0, AF_UNIX},
	{SCMP_SYS(socket), 0, AF_INET}, {SCMP_SYS(socket), 0, AF_INET6},
	{SCMP_SYS(ioctl), 1, SIOCGIFINDEX}};

static const int engine_calls[] = {SCMP_SYS(timerfd_settime)};

/* getrusage tells a worker whether it has its core to itself; the ioctl opens a TUN queue to
 * packets, and getsockopt tells whether what the monitor hands over is a UDP socket.
 */
static const int datapath_calls[] = {SCMP_SYS(writev), SCMP_SYS(recvmmsg), SCMP_SYS(sendmmsg),
	SCMP_SYS(close), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_ctl), SCMP_SYS(getrusage),
	SCMP_SYS(sched_yield)};
static const struct sandbox_exception datapath_exceptions[] = {{SCMP_SYS(ioctl), 1, TUNSETQUEUE},
	{SCMP_SYS(getsockopt), 2, SO_DOMAIN}, {SCMP_SYS(getsockopt), 2, SO_TYPE},
	{SCMP_SYS(getsockopt), 2, SO_PROTOCOL}};

/* How far descriptors go. The monitor has two pairs of sockets for a lane while they change,
 * its clients and itself; the datapath a pair, a queue and what a worker waits with for a lane, and
 * the pair that comes. */
enum {
	MONITOR_DESCRIPTORS = 5 * MAX_WORKERS + LOCAL_SERVER_MAX_CLIENTS + 32,
	VAULT_DESCRIPTORS = VAULT_FD_ENGINE + 1,
	ENGINE_DESCRIPTORS = ENGINE_FD_STATUS + 2, /* two timers; the page needs none any more */
	DATAPATH_DESCRIPTORS = DATAPATH_FD_TUN + 5 * MAX_WORKERS + 2,
};

const struct role tunnel_roles[ROLE_NUM] = {
	[ROLE_MONITOR] =
		{
			.name = "monitor",
			.main = monitor_main,
			.handles_signals = true,
			.variables = {ROLES_ENV_TUN_FD, ROLES_ENV_UAPI_FD, ROLES_ENV_ENGAGE},
			.sandbox = {.keeps_user = true,
				.capabilities = UINT32_C(1) << CAP_NET_ADMIN,
				.removable_dir = UAPI_SOCKET_DIR,
				.max_descriptors = MONITOR_DESCRIPTORS,
				.calls = monitor_calls,
				.num_calls = ARRAY_SIZE(monitor_calls),
				.exceptions = monitor_exceptions,
				.num_exceptions = ARRAY_SIZE(monitor_exceptions)},
		},
	[ROLE_VAULT] = {.name = "vault",
		.main = vault_main,
		.sandbox = {.max_descriptors = VAULT_DESCRIPTORS}},
	[ROLE_ENGINE] = {.name = "engine",
		.main = engine_main,
		.sandbox = {.max_descriptors = ENGINE_DESCRIPTORS,
			.calls = engine_calls,
			.num_calls = ARRAY_SIZE(engine_calls)}},
	[ROLE_DATAPATH] = {.name = "datapath",
		.main = datapath_main,
		.variables = {ROLES_ENV_ENGAGE},
		.sandbox = {.start_threads = workers_start,
			.max_descriptors = DATAPATH_DESCRIPTORS,
			.calls = datapath_calls,
			.num_calls = ARRAY_SIZE(datapath_calls),
			.exceptions = datapath_exceptions,
			.num_exceptions = ARRAY_SIZE(datapath_exceptions)}},
};

void roles_init_crypto(void)
{
	int r = crypto_init();

	if (r < 0)
		role_fail(r == -ENOMEM ? "libcrypto" : "libcrypto lacks an algorithm", r);
}

void roles_enter_sandbox(enum tunnel_role role)
{
	const struct ack ready = {ACK_READY};

	sandbox_enter(&tunnel_roles[role].sandbox);
	memory_rest();
	ipc_tell(ROLE_FIRST_FD, &ready, sizeof(ready), "monitor");
}
