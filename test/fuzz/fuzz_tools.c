/* SPDX-License-Identifier: MIT
 *
 * What the `adit` command is told: by daemons on their UAPI sockets, by the agent, by a file that
 * should hold a key. The first byte says which; what a daemon says comes in pieces, each to its
 * '|'. What the command then shows is JSON, without a key.
 */
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "config/uapi_socket.h"
#include "tools/agent_client.h"
#include "tools/input.h"
#include "tools/show.h"
#include "tools/tools.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t public_key[KEY_LEN] = {1};
static int sockets[2]; /* ours, and the daemon's */

static void require(bool condition)
{
	if (!condition)
		abort();
}

void complain(const char *format, ...)
{
	(void)format;
}

int finish_output(void)
{
	return 0;
}

bool show_reveals_keys(void)
{
	return false;
}

/* --- a daemon -------------------------------------------------------- */

/* All that it will ever say, which is then read in the same pieces. */
static void daemon_says(const uint8_t *data, size_t size)
{
	require(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) == 0);
	while (size > 0) {
		const uint8_t *end = memchr(data, '|', size);
		size_t len = end ? (size_t)(end - data) : size;

		if (len > 0 && send(sockets[1], data, len, MSG_DONTWAIT) < 0)
			break;
		data += end ? len + 1 : len;
		size -= end ? len + 1 : len;
	}
	shutdown(sockets[1], SHUT_WR);
}

static void hang_up(void)
{
	close(sockets[0]);
	close(sockets[1]);
}

/* Show a device to a program, on standard output, which is a buffer meanwhile. */
static void show(const struct config *config)
{
	char *text = NULL;
	size_t len = 0;
	FILE *real = stdout;
	json_t *json;

	stdout = open_memstream(&text, &len);
	require(stdout != NULL);
	show_json(config);
	fclose(stdout);
	stdout = real;
	json = json_loadb(text, len, JSON_DECODE_INT_AS_REAL, NULL);
	require(json != NULL && !json_object_get(json, "private_key"));
	require(json_array_size(json_object_get(json, "peers")) == config->num_peers);
	json_decref(json);
	free(text);
}

static void check_get(int r, struct config *config)
{
	static const struct config empty;

	require(r <= 0);
	if (r == 0)
		show(config);
	else
		require(memcmp(config, &empty, sizeof(empty)) == 0);
	config_deinit(config);
}

static void get(void)
{
	struct config config;

	check_get(uapi_socket_get(sockets[0], &config), &config);
	check_get(uapi_socket_get_peer(sockets[0], public_key, &config), &config);
}

static void change(void)
{
	const struct config config = {.flags = CONFIG_HAS_LISTEN_PORT};

	require(uapi_socket_set(sockets[0], &config) <= 0);
	require(uapi_socket_hide_keys(sockets[0]) <= 0);
}

static void watch(void)
{
	struct uapi_watch watch;
	struct prefix wanted;
	int r;

	if (uapi_watch_begin(&watch, sockets[0]) != 0)
		return;
	while ((r = uapi_watch_next(&watch, &wanted)) == 1) {
		require(prefix_is_address(&wanted));
		(void)!uapi_watch_refuse(&watch, &wanted);
	}
	require(r < 0); /* it has hung up, or what it says makes no sense */
	uapi_watch_deinit(&watch);
}

/* --- the agent ------------------------------------------------------- */

struct agent {
	int listen_fd;
	const uint8_t *data;
	size_t size;
};

static void *answer(void *ctx)
{
	const struct agent *agent = ctx;
	int fd = accept4(agent->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	char request[64];

	require(fd >= 0 && recv(fd, request, sizeof(request), 0) > 0);
	(void)!send(fd, agent->data, agent->size, MSG_NOSIGNAL);
	close(fd);
	return NULL;
}

static int listen_as_agent(void)
{
	char folder[] = "/tmp/adit-fuzz-XXXXXX";
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	require(fd >= 0 && mkdtemp(folder) != NULL);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/agent", folder);
	require(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 1) == 0);
	setenv("ADIT_AGENT_SOCKET", address.sun_path, true);
	return fd;
}

static void ask_agent(const uint8_t *data, size_t size)
{
	struct agent agent = {listen_as_agent(), data, size};
	const char *path = getenv("ADIT_AGENT_SOCKET");
	struct text reply = {0};
	pthread_t thread;
	int r;

	require(pthread_create(&thread, NULL, answer, &agent) == 0);
	r = agent_ask(&reply, "status");
	require(pthread_join(thread, NULL) == 0);
	require(r >= -4095 && r <= 125);
	require(r < 0 || (size > 0 && reply.len < size &&
				 memcmp(data + size - reply.len, reply.data, reply.len) == 0));
	text_deinit(&reply);
	close(agent.listen_fd);
	unlink(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
}

/* --- a file ---------------------------------------------------------- */

static void read_key(uint8_t *data, size_t size)
{
	uint8_t key[KEY_LEN] = {0};
	const char *reason = NULL;
	FILE *stream = size > 0 ? fmemopen(data, size, "r") : fopen("/dev/null", "re");
	int r;

	require(stream != NULL);
	r = input_read_key(stream, key, &reason);
	require((r == 0) == (reason == NULL));
	require(r == 0 || bytes_are_zero(key, KEY_LEN));
	require((r == -ENODATA) == (size == 0));
	fclose(stream);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const ways[])(void) = {get, change, watch};
	unsigned way = size > 0 ? data[0] % 5U : 0;
	uint8_t *copy;

	if (size == 0)
		return 0;
	copy = malloc(size);
	require(copy != NULL);
	memcpy(copy, data + 1, size - 1);
	if (way < ARRAY_SIZE(ways)) {
		daemon_says(copy, size - 1);
		ways[way]();
		hang_up();
	} else if (way == 3) {
		ask_agent(copy, size - 1);
	} else {
		read_key(copy, size - 1);
	}
	free(copy);
	return 0;
}
