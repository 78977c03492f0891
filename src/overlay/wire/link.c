/* SPDX-License-Identifier: MIT
 *
 * The join link, read and written.
 */
#include "overlay/wire/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "base/encoding.h"
#include "config/number.h"

#define SCHEME "adit://"

static_assert(KEY_BASE64URL_LEN == KEY_BASE64_LEN - 1, "all but the padding");

/* c, or `to` where it is `from`, without a branch. */
static char replaced(char c, char from, char to)
{
	uint32_t differs = (uint8_t)c ^ (uint8_t)from;
	uint32_t mask = 0U - ((differs - 1U) >> 31);

	__asm__("" : "+r"(mask)); /* the compiler shall not make a branch of it */
	return (char)((uint8_t)c ^ (mask & ((uint8_t)from ^ (uint8_t)to)));
}

void key_to_base64url(char ret_text[KEY_BASE64URL_LEN + 1], const uint8_t key[KEY_LEN])
{
	char text[KEY_BASE64_LEN + 1];

	key_to_base64(text, key);
	for (unsigned i = 0; i < KEY_BASE64URL_LEN; i++)
		ret_text[i] = replaced(replaced(text[i], '+', '-'), '/', '_');
	ret_text[KEY_BASE64URL_LEN] = '\0';
	wipe(text, sizeof(text));
}

int key_from_base64url(uint8_t ret_key[KEY_LEN], const char *text, size_t text_len)
{
	char plain[KEY_BASE64_LEN];
	int r;

	if (text_len != KEY_BASE64URL_LEN)
		return -EINVAL;
	for (unsigned i = 0; i < KEY_BASE64URL_LEN; i++) {
		char c = replaced(replaced(text[i], '+', '!'), '/', '!');

		plain[i] = replaced(replaced(c, '-', '+'), '_', '/');
	}
	plain[KEY_BASE64URL_LEN] = '=';
	r = key_from_base64(ret_key, plain, sizeof(plain));
	wipe(plain, sizeof(plain));
	return r;
}

static bool is_letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* A name of DNS labels. What looks like a number must be an IPv4 address: resolvers take "1.2" for
 * one, too. */
static bool host_name_is_valid(const char *host)
{
	const char *label = host;
	struct in_addr addr;

	if (strspn(host, "0123456789.") == strlen(host))
		return inet_pton(AF_INET, host, &addr) == 1;
	for (const char *c = host;; c++) {
		if (*c && *c != '.') {
			if (!is_letter_or_digit(*c) && *c != '-' && *c != '_')
				return false;
			continue;
		}
		if (c == label || c - label > 63 || *label == '-' || c[-1] == '-')
			return false;
		if (!*c)
			return true;
		label = c + 1;
	}
}

bool join_host_is_valid(const char *host)
{
	struct in6_addr addr;

	if (strnlen(host, JOIN_HOST_MAX + 1) > JOIN_HOST_MAX)
		return false;
	return strchr(host, ':') ? inet_pton(AF_INET6, host, &addr) == 1 : host_name_is_valid(host);
}

/* "host", "host:port" or the same with "[host]", of len characters. */
static const char *parse_host(struct join_link *link, const char *text, size_t len)
{
	const char *end = text + len, *port, *host_end;
	uint64_t number = ENROL_PORT;
	bool is_bracketed = len > 0 && *text == '[';

	if (is_bracketed) {
		text++;
		host_end = memchr(text, ']', (size_t)(end - text));
		if (!host_end)
			return "the bracket before the host's address is never closed";
		port = host_end + 1;
	} else {
		port = memchr(text, ':', len);
		host_end = port = port ? port : end;
	}
	if (host_end - text > JOIN_HOST_MAX)
		return "the host's name is too long";
	memcpy(link->host, text, (size_t)(host_end - text));
	if (!join_host_is_valid(link->host) || is_bracketed != (strchr(link->host, ':') != NULL))
		return "the host is neither a name nor an IPv4 address nor an IPv6 address in "
		       "brackets";
	if (port != end && (*port != ':' ||
				   !number_from_text(port + 1, (size_t)(end - port - 1), UINT16_MAX,
					   &number) ||
				   number == 0))
		return "the port is not a number from 1 to 65535";
	link->port = (uint16_t)number;
	return NULL;
}

/* Returns what is wrong, or NULL. */
static const char *parse(struct join_link *link, const char *text)
{
	const char *at, *slash, *sharp, *error;

	if (strncmp(text, SCHEME, strlen(SCHEME)) != 0)
		return "it does not begin with " SCHEME;
	text += strlen(SCHEME);
	at = strchr(text, '@');
	if (!at || key_from_base64url(link->hub_key, text, (size_t)(at - text)) < 0)
		return "there is no key of the hub (43 characters and an @) after " SCHEME;
	slash = strchr(at, '/');
	if (!slash)
		return "the network's name is missing";
	error = parse_host(link, at + 1, (size_t)(slash - at - 1));
	if (error)
		return error;
	sharp = strchr(slash, '#');
	if (!sharp)
		return "the join key is missing: the # and what stands after it";
	if (sharp - slash - 1 > NETWORK_NAME_MAX)
		return "the network's name is too long";
	memcpy(link->network, slash + 1, (size_t)(sharp - slash - 1));
	if (!network_name_is_valid(link->network))
		return "the network's name has characters that no network's name has";
	if (key_from_base64url(link->join_key, sharp + 1, strlen(sharp + 1)) < 0)
		return "what stands after the # is not a join key of 43 characters";
	return NULL;
}

int join_link_parse(struct join_link *ret_link, const char *text, const char **ret_error)
{
	struct join_link link = {0};
	const char *error = parse(&link, text);

	if (!error)
		*ret_link = link;
	else
		*ret_error = error;
	wipe(&link, sizeof(link));
	return error ? -EINVAL : 0;
}

void join_link_write(char ret_text[JOIN_LINK_TEXT_LEN], const struct join_link *link)
{
	char hub_key[KEY_BASE64URL_LEN + 1], port[8] = "";
	bool is_ipv6 = strchr(link->host, ':') != NULL;
	int len;

	key_to_base64url(hub_key, link->hub_key);
	if (link->port != ENROL_PORT)
		snprintf(port, sizeof(port), ":%u", link->port);
	len = snprintf(ret_text, JOIN_LINK_TEXT_LEN, SCHEME "%s@%s%s%s%s/%s#", hub_key,
		is_ipv6 ? "[" : "", link->host, is_ipv6 ? "]" : "", port, link->network);
	assert(len > 0 && len + KEY_BASE64URL_LEN < JOIN_LINK_TEXT_LEN);
	key_to_base64url(ret_text + len, link->join_key);
}
