/* SPDX-License-Identifier: MIT
 *
 * The settings a person writes and how their values are read.
 */
#include "config/settings.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "base/encoding.h"
#include "config/number.h"

static int read_port(struct setting_target *target, char *value)
{
	uint64_t port;

	if (!number_from_text(value, strlen(value), UINT16_MAX, &port))
		return -EINVAL;
	target->config->listen_port = (uint16_t)port;
	target->config->flags |= CONFIG_HAS_LISTEN_PORT;
	return 0;
}

static bool hex_from_text(const char *text, uint32_t *ret_number)
{
	size_t len = strlen(text);
	uint32_t number = 0;

	if (len == 0 || len > 8 || strspn(text, "0123456789abcdefABCDEF") != len)
		return false;
	for (; *text; text++)
		number = number << 4 |
			 (uint32_t)(*text <= '9' ? *text - '0' : (*text | 32) - 'a' + 10);
	*ret_number = number;
	return true;
}

static int read_fwmark(struct setting_target *target, char *value)
{
	uint64_t number = 0;
	uint32_t mark;

	if (strncmp(value, "0x", 2) == 0) {
		if (!hex_from_text(value + 2, &mark))
			return -EINVAL;
	} else {
		if (strcasecmp(value, "off") != 0 &&
			!number_from_text(value, strlen(value), UINT32_MAX, &number))
			return -EINVAL;
		mark = (uint32_t)number;
	}
	target->config->fwmark = mark;
	target->config->flags |= CONFIG_HAS_FWMARK;
	return 0;
}

static int read_keepalive(struct setting_target *target, char *value)
{
	uint64_t seconds = 0;

	if (strcasecmp(value, "off") != 0 &&
		!number_from_text(value, strlen(value), UINT16_MAX, &seconds))
		return -EINVAL;
	target->peer->keepalive_s = (uint16_t)seconds;
	target->peer->flags |= CONFIG_PEER_HAS_KEEPALIVE;
	return 0;
}

static int read_public_key(struct setting_target *target, char *value)
{
	return key_from_base64(target->peer->public_key, value, strlen(value));
}

static void put_private_key(struct setting_target *target, const uint8_t key[KEY_LEN])
{
	memcpy(target->config->private_key, key, KEY_LEN);
	target->config->flags |= CONFIG_HAS_PRIVATE_KEY;
}

static void put_preshared_key(struct setting_target *target, const uint8_t key[KEY_LEN])
{
	memcpy(target->peer->preshared_key, key, KEY_LEN);
	target->peer->flags |= CONFIG_PEER_HAS_PRESHARED_KEY;
}

/* Split "host:port" or "[host]:port" in place. */
static bool split_endpoint(char *value, char **ret_host, char **ret_port)
{
	char *colon = strrchr(value, ':');

	if (colon == NULL || colon == value || colon[1] == '\0')
		return false;
	if (value[0] == '[') {
		if (colon[-1] != ']')
			return false;
		colon[-1] = '\0';
		value++;
	}
	*colon = '\0';
	*ret_host = value;
	*ret_port = colon + 1;
	return **ret_host != '\0';
}

static int read_endpoint(struct setting_target *target, char *value)
{
	const struct config_callbacks *callbacks = target->callbacks;
	char *host, *port;

	if (endpoint_from_text(&target->peer->endpoint, value) == 0)
		return 0;
	if (callbacks->resolve == NULL || !split_endpoint(value, &host, &port))
		return -EINVAL;
	if (callbacks->resolve(
		    callbacks->data, host, port, &target->peer->endpoint, &target->reason) != 0) {
		target->bad = host;
		return -EINVAL;
	}
	return 0;
}

static bool has_host_bits(const struct prefix *prefix)
{
	for (unsigned bit = prefix->cidr; bit < address_bits(prefix->family); bit++) {
		if (prefix->addr[bit / 8] & 0x80 >> bit % 8)
			return true;
	}
	return false;
}

static void warn_of_host_bits(const struct setting_target *target, const char *text)
{
	char message[CONFIG_MESSAGE_LEN];

	if (target->callbacks->warn == NULL)
		return;
	snprintf(message, sizeof(message), "%sallowed IP %.*s has bits set behind its prefix",
		target->where, PREFIX_TEXT_LEN, text);
	target->callbacks->warn(target->callbacks->data, message);
}

/* A list replaces what the peer has, unless one of its entries has a sign: then it is a change. */
static int read_allowed_ips(struct setting_target *target, char *value)
{
	struct prefix prefix;
	char *entry;
	int r;

	target->peer->flags |= CONFIG_PEER_REPLACE_ALLOWED_IPS;
	if (*value == '\0')
		return 0;
	while ((entry = strsep(&value, ",")) != NULL) {
		bool has_sign = *entry == '+' || *entry == '-';

		if (prefix_from_text(&prefix, entry + has_sign) != 0) {
			target->bad = entry;
			return -EINVAL;
		}
		if (has_sign)
			target->peer->flags &= ~(unsigned)CONFIG_PEER_REPLACE_ALLOWED_IPS;
		if (has_host_bits(&prefix))
			warn_of_host_bits(target, entry + has_sign);
		r = config_peer_add_allowed_ip(target->peer, &prefix, *entry == '-');
		if (r != 0)
			return r;
	}
	return 0;
}

#define EXPECT_KEY "a key of 44 base64 characters"

static const struct setting settings[] = {
	{"PrivateKey", "private-key", EXPECT_KEY, false, true, NULL, put_private_key},
	{"ListenPort", "listen-port", "a port number from 0 to 65535", false, false, read_port,
		NULL},
	{"FwMark", "fwmark", "a number from 0 to 0xffffffff, or off", false, false, read_fwmark,
		NULL},
	{"PublicKey", "peer", EXPECT_KEY, true, false, read_public_key, NULL},
	{"PresharedKey", "preshared-key", EXPECT_KEY, true, true, NULL, put_preshared_key},
	{"Endpoint", "endpoint", "HOST:PORT or [IPV6]:PORT", true, false, read_endpoint, NULL},
	{"PersistentKeepalive", "persistent-keepalive",
		"a number of seconds from 0 to 65535, or off", true, false, read_keepalive, NULL},
	{"AllowedIPs", "allowed-ips", "an address or ADDRESS/PREFIX", true, false, read_allowed_ips,
		NULL},
};

const struct setting *setting_by_key(bool is_peer, const char *key, size_t key_len)
{
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		if (settings[i].is_peer == is_peer && strlen(settings[i].key) == key_len &&
			strncasecmp(settings[i].key, key, key_len) == 0)
			return &settings[i];
	}
	return NULL;
}

const struct setting *setting_by_word(bool is_peer, const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		if (settings[i].is_peer == is_peer && strcmp(settings[i].word, word) == 0)
			return &settings[i];
	}
	return NULL;
}

void setting_explain(char ret_message[CONFIG_MESSAGE_LEN], const char *where, const char *name,
	const struct setting *setting, const struct setting_target *target, const char *value,
	int error)
{
	const char *bad = target->bad ? target->bad : value;
	size_t len;

	if (error == -ENOMEM)
		snprintf(ret_message, CONFIG_MESSAGE_LEN, "%.200s%s: out of memory", where, name);
	else if (target->reason != NULL)
		snprintf(ret_message, CONFIG_MESSAGE_LEN, "%.200s%s: \"%.100s\": %s", where, name,
			bad, target->reason);
	else if (setting->is_secret)
		snprintf(ret_message, CONFIG_MESSAGE_LEN, "%.200s%s: expected %s", where, name,
			setting->expected);
	else
		snprintf(ret_message, CONFIG_MESSAGE_LEN, "%.200s%s: \"%.100s\" is not %s", where,
			name, bad, setting->expected);
	len = strlen(ret_message);
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)ret_message[i] < ' ' || ret_message[i] == 0x7f)
			ret_message[i] = '?';
	}
}

void setting_strip(char *ret_text, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] != ' ' && (text[i] < '\t' || text[i] > '\r'))
			*ret_text++ = text[i];
	}
	*ret_text = '\0';
}

void setting_endpoint_to_text(char ret_text[ENDPOINT_TEXT_LEN], const struct endpoint *endpoint)
{
	char addr[INET6_ADDRSTRLEN], scope[IFNAMSIZ];

	if (endpoint->family != AF_INET6 || endpoint->scope_id == 0 || endpoint->addr[0] != 0xfe ||
		(endpoint->addr[1] & 0xc0) != 0x80 ||
		if_indextoname(endpoint->scope_id, scope) == NULL) {
		endpoint_to_text(ret_text, endpoint);
		return;
	}
	(void)inet_ntop(AF_INET6, endpoint->addr, addr, sizeof(addr));
	snprintf(ret_text, ENDPOINT_TEXT_LEN, "[%s%%%s]:%u", addr, scope, endpoint->port);
}
