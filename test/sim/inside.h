/* SPDX-License-Identifier: MIT
 *
 * The few numbers that nobody sees from outside.
 */
#ifndef ADIT_SIM_INSIDE_H
#define ADIT_SIM_INSIDE_H

#include "core/cookie.h"
#include "core/device.h"
#include "core/transport.h"

/* Receiver indices that the device holds taken. */
unsigned inside_device_indices(const struct device *device);

/* Its cookie secret, and when it was drawn. */
const uint8_t *inside_cookie_secret(const struct device *device);
uint64_t inside_cookie_birth_ns(const struct device *device);

/* The cookie that a peer gave it; NULL: there is no such peer. */
const struct cookie_maker *inside_cookie_maker(const struct device *device, uint32_t peer_id);

/* Keypairs that the transport finds by our index, and by the other side's. */
unsigned inside_transport_sessions(const struct transport *transport);
unsigned inside_transport_remote_indices(const struct transport *transport);

#endif
