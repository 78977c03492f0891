/* SPDX-License-Identifier: MIT
 *
 * Host names, files of keys, and files.
 */
#include "tools/input.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encoding.h"
#include "tools/tools.h"

#define EXPECT_KEY "expected a key of 44 base64 characters and nothing else"

static int endpoint_from_addrinfo(struct endpoint *ret_endpoint, const struct addrinfo *info)
{
	struct endpoint endpoint = {.family = (uint16_t)info->ai_family};
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (info->ai_family == AF_INET && info->ai_addrlen == sizeof(in)) {
		memcpy(&in, info->ai_addr, sizeof(in));
		endpoint.port = ntohs(in.sin_port);
		memcpy(endpoint.addr, &in.sin_addr, sizeof(in.sin_addr));
	} else if (info->ai_family == AF_INET6 && info->ai_addrlen == sizeof(in6)) {
		memcpy(&in6, info->ai_addr, sizeof(in6));
		endpoint.port = ntohs(in6.sin6_port);
		endpoint.scope_id = in6.sin6_scope_id;
		memcpy(endpoint.addr, &in6.sin6_addr, sizeof(in6.sin6_addr));
	} else {
		return -EAFNOSUPPORT;
	}
	*ret_endpoint = endpoint;
	return 0;
}

/* How often to try again; INT_MAX stands for ever. */
static int read_retries(int *ret_retries)
{
	const char *text = getenv("WG_ENDPOINT_RESOLUTION_RETRIES");
	unsigned long number;
	char *end;

	if (text == NULL) {
		*ret_retries = 15;
		return 0;
	}
	if (strcmp(text, "infinity") == 0) {
		*ret_retries = INT_MAX;
		return 0;
	}
	errno = 0;
	number = strtoul(text, &end, 10);
	if (!isdigit((unsigned char)*text) || *end != '\0' || errno != 0 || number >= INT_MAX)
		return -EINVAL;
	*ret_retries = (int)number;
	return 0;
}

/* Names that don't exist will not exist in a second either. */
static bool is_permanent(int error)
{
	return error == EAI_NONAME || error == EAI_FAIL || error == EAI_NODATA ||
	       error == EAI_SERVICE;
}

static const char *resolver_reason(int error)
{
	return error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error);
}

static int resolve(void *data, const char *host, const char *port, struct endpoint *ret_endpoint,
	const char **ret_reason)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_protocol = IPPROTO_UDP};
	uint64_t wait_ns = SECOND_NS;
	struct addrinfo *info;
	int retries, r;

	(void)data;
	if (read_retries(&retries) != 0) {
		*ret_reason = "WG_ENDPOINT_RESOLUTION_RETRIES is neither a number nor infinity";
		return -EINVAL;
	}
	while ((r = getaddrinfo(host, port, &hints, &info)) != 0) {
		struct timespec wait = {
			.tv_sec = (time_t)(wait_ns / SECOND_NS),
			.tv_nsec = (long)(wait_ns % SECOND_NS),
		};

		*ret_reason = resolver_reason(r);
		if (is_permanent(r) || retries == 0)
			return -ENOENT;
		if (retries != INT_MAX)
			retries--;
		complain("%s: %s; trying again in %.2f seconds", host, *ret_reason,
			(double)wait_ns / (double)SECOND_NS);
		nanosleep(&wait, NULL);
		wait_ns = wait_ns * 6 / 5 < 20 * SECOND_NS ? wait_ns * 6 / 5 : 20 * SECOND_NS;
	}
	r = endpoint_from_addrinfo(ret_endpoint, info);
	freeaddrinfo(info);
	if (r != 0)
		*ret_reason = "neither an IPv4 nor an IPv6 address";
	return r;
}

int input_read_key(FILE *stream, uint8_t ret_key[KEY_LEN], const char **ret_reason)
{
	char base64[KEY_BASE64_LEN];
	size_t len;
	int c = EOF, r = 0;

	setbuf(stream, NULL); /* stdio's buffer would keep the key */
	len = fread(base64, 1, sizeof(base64), stream);
	while (len == sizeof(base64) && (c = getc(stream)) != EOF && (isspace(c) || c == '\0'))
		;
	if (ferror(stream)) {
		r = -errno;
		*ret_reason = strerror(errno);
	} else if (c != EOF || key_from_base64(ret_key, base64, len) != 0) {
		r = len == 0 ? -ENODATA : -EINVAL;
		*ret_reason = EXPECT_KEY;
	}
	wipe(base64, sizeof(base64));
	return r;
}

/* An empty file, like /dev/null, is how a key is removed. */
static int read_key_file(
	void *data, const char *path, uint8_t ret_key[KEY_LEN], const char **ret_reason)
{
	FILE *stream = fopen(path, "re");
	int r;

	(void)data;
	if (stream == NULL) {
		*ret_reason = strerror(errno);
		return -errno;
	}
	r = input_read_key(stream, ret_key, ret_reason);
	fclose(stream);
	if (r == -ENODATA) {
		memset(ret_key, 0, KEY_LEN);
		r = 0;
	}
	return r;
}

int input_read_file(const char *path, struct text *text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), r = 0;
	char buf[4096];
	ssize_t len;

	if (fd < 0)
		return -errno;
	while ((len = read(fd, buf, sizeof(buf))) > 0 || (len < 0 && errno == EINTR)) {
		if (len > 0)
			text_append(text, buf, (size_t)len);
	}
	if (len < 0)
		r = -errno;
	else if (text->failed)
		r = -ENOMEM;
	wipe(buf, sizeof(buf));
	close(fd);
	return r;
}

static void warn(void *data, const char *message)
{
	(void)data;
	complain("warning: %s", message);
}

const struct config_callbacks input_callbacks = {
	.resolve = resolve,
	.read_key_file = read_key_file,
	.warn = warn,
};
