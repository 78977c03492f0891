/* SPDX-License-Identifier: MIT
 *
 * The kernel's WireGuard: make an interface, configure it and ask for its state, by netlink
 * (linux/wireguard.h), in terms of the same struct config as every other form.
 */
#ifndef ADIT_OVERLAY_KERNEL_DEVICE_H
#define ADIT_OVERLAY_KERNEL_DEVICE_H

#include "config/config.h"

struct device; /* owns its netlink socket and the interface */

/* Make an interface. Returns 0 or a negative errno: -EOPNOTSUPP when the kernel has no WireGuard,
 * -EEXIST when the name is taken. Needs CAP_NET_ADMIN. */
MUST_CHECK int device_new(const char ifname[IFNAMSIZ], struct device **ret_device);

/* Remove the interface and free. Takes NULL. */
void device_free(struct device *device);

/* Apply a configuration, a message a peer. Returns 0 or a negative errno; then some of it may have
 * been applied. */
MUST_CHECK int device_set(struct device *device, const struct config *config);

/* Get the configuration and state, keys included. Returns 0, or a negative errno with ret_config
 * empty. */
MUST_CHECK int device_get(struct device *device, struct config *ret_config);

#endif
