/* SPDX-License-Identifier: MIT
 *
 * The launcher: the only process of agent and hub that stays root. It starts tunnels (`adit run
 * IFNAME`), gives its unprivileged child connections to their UAPI sockets, and sets addresses. It
 * parses nothing but fixed structs from its child, each field of which it checks.
 */
#ifndef ADIT_OVERLAY_LAUNCH_LAUNCH_H
#define ADIT_OVERLAY_LAUNCH_LAUNCH_H

#include <net/if.h>

#include "base/address.h"
#include "privsep/sandbox.h"

/* --- the child's side: fd is its socket to the launcher; calls wait for the answer -------------
 */

/* Start the tunnel of this name, or find it running because we started it before. ret_uapi gets two
 * connections to its UAPI socket, the caller's, on which it hides its private and preshared keys.
 * Returns 0 or a negative errno: -EBUSY when the name is another interface's. */
MUST_CHECK int launch_tunnel(int fd, const char ifname[IFNAMSIZ], int ret_uapi[2]);

/* End a tunnel that we started. Returns 0 or a negative errno (-ENOENT). */
MUST_CHECK int launch_end_tunnel(int fd, const char ifname[IFNAMSIZ]);

/* Give a tunnel that we started an address (with the prefix length of the network it is in: the
 * route comes with it), or take it away, and set the interface up. Returns 0 or a negative errno;
 * an address that is there already, or that is gone already, is no error. */
MUST_CHECK int launch_add_address(
	int fd, const char ifname[IFNAMSIZ], const struct prefix *address);
MUST_CHECK int launch_remove_address(
	int fd, const char ifname[IFNAMSIZ], const struct prefix *address);

/* Say that we are ready to serve; a service manager that waits for it is told. Returns 0 or a
 * negative errno. */
MUST_CHECK int launch_ready(int fd);

/* --- the launcher's side -----------------------------------------------------------------------
 */

/* Give up what a launcher does not need when it has opened what it needs, before it serves a child
 * (rights.c says what is kept and what for). It can then remove the socket at this path, and what
 * it starts can have files in the folder of this path. Ends the process when it fails. */
void launcher_enter_sandbox(const char *socket, const char *state);

struct launcher; /* owns the tunnels it started */

/* program is the path of the `adit` command. NULL: out of memory. */
struct launcher *launcher_new(const char *program);

/* End all tunnels and free. */
void launcher_free(struct launcher *launcher);

/* Start a tunnel for ourselves, and connect to its UAPI socket, as launch_tunnel does. */
MUST_CHECK int launcher_start(struct launcher *launcher, const char *ifname, int ret_uapi[2]);

/* Serve one message of the child at fd. Returns 0, or a negative errno when the child is gone
 * (-EPIPE), misbehaves (-EPROTO) or does not take its answers (-EAGAIN). */
MUST_CHECK int launcher_serve(struct launcher *launcher, int fd);

/* Whether a child has said that it is ready, since the last call. */
bool launcher_take_ready(struct launcher *launcher);

/* A child process was reaped: if it was a tunnel's, the name of that tunnel is written (it died),
 * and true returned. */
bool launcher_reaped(struct launcher *launcher, int pid, char ret_ifname[IFNAMSIZ]);

#endif
