/* SPDX-License-Identifier: MIT
 *
 * The roles of a tunnel: which processes it has and what each is given.
 */
#ifndef ADIT_TUNNEL_ROLES_H
#define ADIT_TUNNEL_ROLES_H

#include <seccomp.h>

#include "privsep/role.h"

/* Descriptors handed down by a service manager, under the names wireguard-go knows. */
#define ROLES_ENV_TUN_FD "WG_TUN_FD"
#define ROLES_ENV_UAPI_FD "WG_UAPI_FD"

enum tunnel_role { ROLE_MONITOR, ROLE_VAULT, ROLE_ENGINE, ROLE_DATAPATH, ROLE_NUM };

extern const struct role tunnel_roles[ROLE_NUM];

/* Newer architectures have only the call with a directory. */
#ifdef __NR_unlink
#define ROLES_REMOVE_FILE_CALL SCMP_SYS(unlink)
#else
#define ROLES_REMOVE_FILE_CALL SCMP_SYS(unlinkat)
#endif

/* Where a role finds its descriptors after exec; 0 and 1 are /dev/null, 2 is stderr. */
enum {
	MONITOR_FD_READY = ROLE_FIRST_FD, /* to write a byte to once the tunnel is usable */
	VAULT_FD_MONITOR = ROLE_FIRST_FD,
	VAULT_FD_ENGINE,
	ENGINE_FD_MONITOR = ROLE_FIRST_FD,
	ENGINE_FD_VAULT,
	ENGINE_FD_DATAPATH,
	ENGINE_FD_STATUS,
	DATAPATH_FD_MONITOR = ROLE_FIRST_FD,
	DATAPATH_FD_ENGINE,
	DATAPATH_FD_STATUS,
	DATAPATH_FD_WANTED, /* to the monitor */
	DATAPATH_FD_TUN,    /* and the other queues, up to MAX_WORKERS */
};
enum { MAX_WORKERS = 8 };

/* "always": the datapath engages its workers as soon as they have packets. For tests. */
#define ROLES_ENV_ENGAGE "ADIT_ENGAGE"

/* The exit status by which the datapath says that the TUN device was deleted. */
enum { ROLE_INTERFACE_GONE = 3 };

/* What each role does after exec. */
noreturn void monitor_main(const char *ifname);
noreturn void vault_main(const char *ifname);
noreturn void engine_main(const char *ifname);
noreturn void datapath_main(const char *ifname);

/* Ready the cryptography, or end this process. */
void roles_init_crypto(void);

/* For all but the monitor: enter the sandbox, and tell the monitor that this role is ready. */
void roles_enter_sandbox(enum tunnel_role role);

#endif
