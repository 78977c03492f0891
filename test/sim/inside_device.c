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
