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

uint64_t inside_cookie_birth_ns(const struct device *device)
{
	return device->checker.secret_birth_ns;
}
