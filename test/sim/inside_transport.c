/* SPDX-License-Identifier: MIT
 *
 * Inside the transport.
 */
#include "core/transport_internal.h"
#include "inside.h"

unsigned inside_transport_sessions(const struct transport *transport)
{
	return transport->by_local_index.num;
}

unsigned inside_transport_remote_indices(const struct transport *transport)
{
	return transport->by_remote_index.num;
}
