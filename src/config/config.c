/* SPDX-License-Identifier: MIT
 *
 * The configuration of one device as a value.
 */
#include "config/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Make room for one more element of size bytes in an array of num that has room for *cap. Keys
 * may be inside, so memory is wiped before it goes back. */
static void *grow(void *array, size_t num, size_t *cap, size_t size)
{
	size_t new_cap = *cap ? *cap * 2 : 1;
	void *new_array;

	if (num < *cap)
		return array;
	new_array = calloc(new_cap, size);
	if (new_array == NULL)
		return NULL;
	if (array != NULL) {
		memcpy(new_array, array, num * size);
		wipe(array, num * size);
		free(array);
	}
	*cap = new_cap;
	return new_array;
}

void config_deinit(struct config *config)
{
	for (size_t i = 0; i < config->num_peers; i++)
		free(config->peers[i].allowed_ips);
	if (config->peers != NULL)
		wipe(config->peers, config->cap_peers * sizeof(*config->peers));
	free(config->peers);
	free(config->counters);
	wipe(config, sizeof(*config));
}

struct config_peer *config_add_peer(struct config *config)
{
	struct config_peer *peers =
		grow(config->peers, config->num_peers, &config->cap_peers, sizeof(*peers));

	if (peers == NULL)
		return NULL;
	config->peers = peers;
	return &peers[config->num_peers++];
}

int config_peer_add_allowed_ip(struct config_peer *peer, const struct prefix *prefix, bool remove)
{
	struct config_allowed_ip *allowed_ips = grow(peer->allowed_ips, peer->num_allowed_ips,
		&peer->cap_allowed_ips, sizeof(*allowed_ips));

	if (allowed_ips == NULL)
		return -ENOMEM;
	peer->allowed_ips = allowed_ips;
	allowed_ips[peer->num_allowed_ips++] =
		(struct config_allowed_ip){.prefix = *prefix, .remove = remove};
	return 0;
}

int config_add_counter(struct config *config, const char *name, uint64_t value)
{
	struct config_counter *counters = grow(
		config->counters, config->num_counters, &config->cap_counters, sizeof(*counters));
	struct config_counter *counter;

	if (counters == NULL)
		return -ENOMEM;
	config->counters = counters;
	counter = &counters[config->num_counters++];
	snprintf(counter->name, sizeof(counter->name), "%s", name);
	counter->value = value;
	return 0;
}
