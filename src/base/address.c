/* SPDX-License-Identifier: MIT
 *
 * Addresses as text, both ways. Nothing here asks a resolver; the one thing asked of the system
 * is the index of an interface named as a scope.
 */
#include "base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>

/* Read a decimal number of digits alone, at most max. */
static bool number_from_text(uint32_t *ret_number, const char *text, uint32_t max)
{
	uint64_t number = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		number = number * 10 + (unsigned)(*text - '0');
		if (number > max)
			return false;
	}
	*ret_number = (uint32_t)number;
	return true;
}

static bool scope_from_text(uint32_t *ret_scope_id, const char *text)
{
	uint32_t index;

	if (number_from_text(ret_scope_id, text, UINT32_MAX))
		return true;
	index = if_nametoindex(text);
	if (index)
		*ret_scope_id = index;
	return index != 0;
}

void endpoint_to_text(char ret_text[ENDPOINT_TEXT_LEN], const struct endpoint *endpoint)
{
	char addr[INET6_ADDRSTRLEN] = "", scope[16] = "";

	if (endpoint->family != AF_INET && endpoint->family != AF_INET6) {
		(void)snprintf(ret_text, ENDPOINT_TEXT_LEN, "(none)");
		return;
	}
	(void)inet_ntop(endpoint->family, endpoint->addr, addr, sizeof(addr));
	if (endpoint->family == AF_INET) {
		(void)snprintf(ret_text, ENDPOINT_TEXT_LEN, "%s:%u", addr, endpoint->port);
		return;
	}
	if (endpoint->scope_id)
		(void)snprintf(scope, sizeof(scope), "%%%" PRIu32, endpoint->scope_id);
	(void)snprintf(ret_text, ENDPOINT_TEXT_LEN, "[%s%s]:%u", addr, scope, endpoint->port);
}

int endpoint_from_text(struct endpoint *ret_endpoint, const char *text)
{
	struct endpoint endpoint = {.family = AF_INET};
	char buf[ENDPOINT_TEXT_LEN], *addr = buf, *colon, *scope;
	const size_t len = strlen(text);
	uint32_t port;

	if (len >= sizeof(buf))
		return -EINVAL;
	memcpy(buf, text, len + 1);
	colon = strrchr(buf, ':');
	if (!colon || colon == buf || !number_from_text(&port, colon + 1, UINT16_MAX))
		return -EINVAL;
	*colon = '\0';
	if (buf[0] == '[') {
		if (colon[-1] != ']')
			return -EINVAL;
		colon[-1] = '\0';
		addr++;
		endpoint.family = AF_INET6;
		scope = strchr(addr, '%');
		if (scope) {
			*scope = '\0';
			if (!scope_from_text(&endpoint.scope_id, scope + 1))
				return -EINVAL;
		}
	}
	if (inet_pton(endpoint.family, addr, endpoint.addr) != 1)
		return -EINVAL;
	endpoint.port = (uint16_t)port;
	*ret_endpoint = endpoint;
	return 0;
}

void prefix_to_text(char ret_text[PREFIX_TEXT_LEN], const struct prefix *prefix)
{
	char addr[INET6_ADDRSTRLEN] = "";

	(void)inet_ntop(prefix->family, prefix->addr, addr, sizeof(addr));
	(void)snprintf(ret_text, PREFIX_TEXT_LEN, "%s/%u", addr, prefix->cidr);
}

int prefix_from_text(struct prefix *ret_prefix, const char *text)
{
	struct prefix prefix = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};
	uint32_t cidr = address_bits(prefix.family);
	char buf[PREFIX_TEXT_LEN], *slash;
	const size_t len = strlen(text);

	if (len >= sizeof(buf))
		return -EINVAL;
	memcpy(buf, text, len + 1);
	slash = strchr(buf, '/');
	if (slash) {
		*slash = '\0';
		if (!number_from_text(&cidr, slash + 1, cidr))
			return -EINVAL;
	}
	if (inet_pton(prefix.family, buf, prefix.addr) != 1)
		return -EINVAL;
	prefix.cidr = (uint8_t)cidr;
	*ret_prefix = prefix;
	return 0;
}
