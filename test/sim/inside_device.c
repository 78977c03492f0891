/* SPDX-License-Identifier: MIT
 *
 * Inside the device.
 */
#include "core/device_internal.h"
#include "inside.h"

unsigned inside_device_indices(const struct device *device)
{
	return device->by_index.num;
}

const uint8_t *inside_cookie_secret(const struct device *device)
{
	return device->checker.secret;
}

uint64_t inside_cookie_birth_ns(const struct device *device)
{
	return device->checker.secret_birth_ns;
}

const struct cookie_maker *inside_cookie_maker(const struct device *device, uint32_t peer_id)
{
	const struct peer *peer = table_get(&device->peers, peer_id);

	return peer ? &peer->cookie : NULL;
}
