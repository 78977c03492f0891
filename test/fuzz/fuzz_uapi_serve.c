/* SPDX-License-Identifier: MIT
 *
 * Conversations on a UAPI socket: the monitor's server and its answers, before settings that are a
 * list of peers. The input is a list of acts, each to its '|'; N is the number of a client:
 *
 *   Ntext     it says text, and connects before if it is not there
 *   !N        it hangs up
 *   .N        it says that it will say no more
 *   ~N        it reads no more, or again
 *   ?address  a packet wants that address
 *
 * Whatever they say: replies are whole, and no more than requests; only who watches hears what is
 * wanted; and in the end a new client is served, which is shown no keys if it wants none.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "config/uapi.h"
#include "tunnel/uapi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CLIENTS = 4, PEERS_MAX = 8, REQUEST_MIN = sizeof("get=1\n\n") - 1 };

struct client {
	int fd; /* -1: it is not there */
	bool is_deaf, hides_keys;
	size_t num_said; /* bytes */
	size_t num_replies;
};

/* What the device behind the socket is made of. */
struct settings {
	struct config config;
	bool is_watched;
};

static struct settings settings;
static struct client clients[CLIENTS];
static struct local_server *server;
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static socklen_t address_len;

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* --- the device ------------------------------------------------------ */

static const struct config_peer *find_peer(const uint8_t *public_key)
{
	for (size_t i = 0; i < settings.config.num_peers; i++) {
		if (bytes_equal(settings.config.peers[i].public_key, public_key, KEY_LEN))
			return &settings.config.peers[i];
	}
	return NULL;
}

static void add_peer(struct config *config, const struct config_peer *peer)
{
	struct config_peer *copy = config_add_peer(config);

	require(copy != NULL);
	*copy = *peer;
	copy->allowed_ips = NULL;
	copy->num_allowed_ips = copy->cap_allowed_ips = 0;
	for (size_t i = 0; i < peer->num_allowed_ips; i++)
		require(config_peer_add_allowed_ip(copy, &peer->allowed_ips[i].prefix, false) == 0);
}

/* New peers are added while there is room; nothing more is needed here. */
int settings_apply(struct settings *device, const struct config *config)
{
	struct config *own = &device->config;

	if (config->flags & CONFIG_REPLACE_PEERS)
		config_deinit(own);
	own->flags |= config->flags & CONFIG_HAS_PRIVATE_KEY;
	if (config->flags & CONFIG_HAS_PRIVATE_KEY)
		memcpy(own->private_key, config->private_key, KEY_LEN);
	if (config->flags & CONFIG_HAS_LISTEN_PORT)
		own->listen_port = config->listen_port;
	for (size_t i = 0; i < config->num_peers; i++) {
		if (own->num_peers == PEERS_MAX)
			return -ENOSPC;
		if (!find_peer(config->peers[i].public_key))
			add_peer(own, &config->peers[i]);
	}
	return 0;
}

int settings_collect(struct settings *device, const uint8_t *public_key, struct config *ret_config)
{
	const struct config *own = &device->config;

	*ret_config = (struct config){.flags = own->flags, .listen_port = own->listen_port};
	memcpy(ret_config->private_key, own->private_key, KEY_LEN);
	if (public_key && !find_peer(public_key))
		return -ENOENT;
	for (size_t i = 0; i < own->num_peers; i++) {
		if (!public_key || bytes_equal(own->peers[i].public_key, public_key, KEY_LEN))
			add_peer(ret_config, &own->peers[i]);
	}
	return 0;
}

void settings_watch(struct settings *device, bool on)
{
	device->is_watched = on;
}

void settings_refuse(struct settings *device, const struct prefix *refused)
{
	(void)device;
	require(prefix_is_address(refused));
}

/* --- clients --------------------------------------------------------- */

static void serve(void)
{
	struct uapi uapi = {&settings, server};

	for (int rounds = 0; rounds < 1000; rounds++) {
		struct pollfd fds[LOCAL_SERVER_MAX_POLLFDS];
		unsigned num = local_server_pollfds(server, fds);

		if (poll(fds, num, 0) == 0)
			return;
		require(local_server_dispatch(server, uapi_answer, &uapi, fds, num));
	}
	abort(); /* it turns round without doing anything */
}

static size_t count(const struct text *text, const char *word)
{
	const char *at = text->data;
	size_t num = 0;

	while (at && (at = strstr(at, word)) != NULL) {
		num++;
		at += strlen(word);
	}
	return num;
}

/* What came at once: whole blocks. */
static void check_heard(struct client *client, const struct text *heard)
{
	size_t replies = count(heard, "errno="), wanted = count(heard, "wanted=");

	require(strlen(heard->data) == heard->len);
	require(memcmp(heard->data + heard->len - 2, "\n\n", 2) == 0);
	client->num_replies += replies;
	require(client->num_replies <= client->num_said / REQUEST_MIN);
	require(wanted == 0 || (settings.is_watched && client->num_replies > 0));
	if (client->hides_keys)
		require(!strstr(heard->data, "private_key=") &&
			!strstr(heard->data, "preshared_key="));
}

static void hear(struct client *client)
{
	struct text heard = {0};
	char buf[65536];
	ssize_t n;

	while (client->fd >= 0 && !client->is_deaf) {
		n = recv(client->fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n <= 0)
			break;
		text_append(&heard, buf, (size_t)n);
		serve(); /* there may have been no room for all */
	}
	if (heard.len > 0)
		check_heard(client, &heard);
	text_deinit(&heard);
}

static void leave(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	*client = (struct client){.fd = -1};
}

static void come(struct client *client)
{
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	require(client->fd >= 0);
	require(connect(client->fd, (struct sockaddr *)&address, address_len) == 0);
	serve();
}

static void say(struct client *client, const char *text, size_t len)
{
	ssize_t n;

	if (client->fd < 0)
		come(client);
	n = send(client->fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n > 0)
		client->num_said += (size_t)n;
	serve();
	hear(client);
}

/* --- acts ------------------------------------------------------------ */

static void want(const char *text, size_t len)
{
	char word[PREFIX_TEXT_LEN];
	struct text event = {0};
	struct prefix wanted;

	snprintf(word, sizeof(word), "%.*s", (int)len, text);
	if (prefix_from_text(&wanted, word) != 0 || !prefix_is_address(&wanted))
		return;
	uapi_write_address(&event, "wanted", &wanted);
	local_server_push(server, event.data, event.len);
	text_deinit(&event);
	require(settings.is_watched || !local_server_has_subscriber(server));
}

static void act(const char *text, size_t len)
{
	bool has_number = len >= 2 && text[1] >= '0' && text[1] < '0' + CLIENTS;
	struct client *client = has_number ? &clients[text[1] - '0'] : NULL;

	if (len > 0 && *text >= '0' && *text < '0' + CLIENTS)
		say(&clients[*text - '0'], text + 1, len - 1);
	else if (len > 0 && *text == '?')
		want(text + 1, len - 1);
	else if (has_number && *text == '!')
		leave(client);
	else if (has_number && *text == '.')
		(void)shutdown(client->fd, SHUT_WR);
	else if (has_number && *text == '~')
		client->is_deaf = !client->is_deaf;
	serve();
	for (int i = 0; i < CLIENTS; i++)
		hear(&clients[i]);
}

/* A new client that asks for the state, without keys. */
static void ask_at_last(void)
{
	static const char hide[] = "hide_keys=1\n\n", get[] = "get=1\n\n";
	struct client client = {.fd = -1};

	say(&client, hide, sizeof(hide) - 1);
	require(client.num_replies == 1);
	client.hides_keys = true;
	say(&client, get, sizeof(get) - 1);
	require(client.num_replies == 2);
	leave(&client);
}

/* At an address without a file. */
static void start(void)
{
	socklen_t len = sizeof(address);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	log_set_level(LOG_LEVEL_SILENT);
	require(fd >= 0);
	require(bind(fd, (struct sockaddr *)&address, sizeof(address.sun_family)) == 0);
	require(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
	address_len = len;
	require(listen(fd, CLIENTS) == 0);
	require(local_server_new("/nowhere", "uapi", fd, &server) == 0);
	for (int i = 0; i < CLIENTS; i++)
		clients[i].fd = -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!server)
		start();
	while (size > 0) {
		const uint8_t *end = memchr(data, '|', size);
		size_t len = end ? (size_t)(end - data) : size;

		act((const char *)data, len);
		data += end ? len + 1 : len;
		size -= end ? len + 1 : len;
	}
	ask_at_last();
	for (int i = 0; i < CLIENTS; i++)
		leave(&clients[i]);
	serve();
	require(!local_server_has_subscriber(server) && !local_server_is_busy(server));
	config_deinit(&settings.config);
	settings.is_watched = false;
	return 0;
}
