/* SPDX-License-Identifier: MIT
 *
 * `adit setconf`, `addconf` and `syncconf`: a tunnel gets, is added, or comes to agree with the
 * configuration of a file.
 */
#include "tools/tools.h"

#include <errno.h>
#include <stdlib.h>

#include "config/file.h"
#include "tools/client.h"
#include "tools/input.h"

static int compare_keys(const void *a, const void *b)
{
	const struct config_peer *const *x = a, *const *y = b;

	return memcmp((*x)->public_key, (*y)->public_key, KEY_LEN);
}

/* What a running peer has and the file's doesn't mention is cleared. */
static void clear_dropped(struct config_peer *peer, const struct config_peer *running)
{
	if (running->flags & CONFIG_PEER_HAS_PRESHARED_KEY &&
		!(peer->flags & CONFIG_PEER_HAS_PRESHARED_KEY)) {
		memset(peer->preshared_key, 0, KEY_LEN);
		peer->flags |= CONFIG_PEER_HAS_PRESHARED_KEY;
	}
	if (running->keepalive_s != 0 && !(peer->flags & CONFIG_PEER_HAS_KEEPALIVE)) {
		peer->keepalive_s = 0;
		peer->flags |= CONFIG_PEER_HAS_KEEPALIVE;
	}
}

/* Turn the file's whole configuration into a change of the running one: peers that are in both
 * stay, with their sessions. by_key has room for the file's peers. */
static int make_change(struct config *file, const struct config *running,
	struct config_peer **by_key, bool *is_gone)
{
	size_t num = file->num_peers;

	for (size_t i = 0; i < num; i++)
		by_key[i] = &file->peers[i];
	qsort(by_key, num, sizeof(*by_key), compare_keys);
	for (size_t i = 0; i < running->num_peers; i++) {
		const struct config_peer *peer = &running->peers[i];
		struct config_peer **found =
			bsearch(&peer, by_key, num, sizeof(*by_key), compare_keys);

		is_gone[i] = found == NULL;
		if (found != NULL)
			clear_dropped(*found, peer);
	}
	/* From here on appending may move the file's peers. */
	for (size_t i = 0; i < running->num_peers; i++) {
		struct config_peer *peer;

		if (!is_gone[i])
			continue;
		peer = config_add_peer(file);
		if (peer == NULL)
			return -ENOMEM;
		memcpy(peer->public_key, running->peers[i].public_key, KEY_LEN);
		peer->flags = CONFIG_PEER_REMOVE;
	}
	file->flags &= ~(unsigned)CONFIG_REPLACE_PEERS;
	return 0;
}

static int sync_with(const char *name, struct config *file)
{
	struct config_peer **by_key;
	struct config running;
	bool *is_gone;
	int r = client_get(name, &running);

	if (r != 0)
		return r;
	by_key = calloc(file->num_peers + 1, sizeof(struct config_peer *));
	is_gone = calloc(running.num_peers + 1, sizeof(*is_gone));
	r = by_key && is_gone ? make_change(file, &running, by_key, is_gone) : -ENOMEM;
	free(by_key);
	free(is_gone);
	config_deinit(&running);
	return r;
}

/* Read and parse a file. Says what is wrong and returns false if something is. */
static bool read_config(const char *path, enum config_file_mode mode, struct config *ret_config)
{
	char message[CONFIG_MESSAGE_LEN];
	struct text text = {0};
	int r = input_read_file(path, &text);

	if (r != 0) {
		complain("%s: %s", path, strerror(-r));
	} else {
		r = config_file_parse(
			text.data, text.len, path, mode, &input_callbacks, ret_config, message);
		if (r != 0)
			complain("%s", message);
	}
	text_deinit(&text);
	return r == 0;
}

int setconf_main(int argc, char *argv[])
{
	bool is_add = strcmp(argv[0], "addconf") == 0, is_sync = strcmp(argv[0], "syncconf") == 0;
	struct config config;
	int r = 0;

	if (argc != 3)
		return USAGE;
	if (!read_config(argv[2], is_add ? CONFIG_FILE_APPEND : CONFIG_FILE_REPLACE, &config))
		return 1;
	if (is_sync)
		r = sync_with(argv[1], &config);
	if (r == 0)
		r = client_set(argv[1], &config);
	if (r != 0)
		client_complain(argv[1], r);
	config_deinit(&config);
	return r != 0;
}
