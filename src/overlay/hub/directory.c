/* SPDX-License-Identifier: MIT
 *
 * The directory: members in slots, found by maps from what they are asked for by.
 */
#include "overlay/hub/directory.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"

/* --- addresses ------------------------------------------------------- */

static const struct prefix *network_prefix(const struct network *network, uint16_t family)
{
	return family == AF_INET ? &network->prefix4 : &network->prefix6;
}

struct prefix network_address(const struct network *network, uint16_t family, uint32_t host)
{
	struct prefix address = *network_prefix(network, family);
	uint8_t *low = address.addr + address_bits(family) / 8 - 4;

	store_be32(low, load_be32(low) + host);
	return address;
}

struct prefix network_host_address(const struct network *network, uint16_t family, uint32_t host)
{
	struct prefix address = network_address(network, family, host);

	address.cidr = (uint8_t)address_bits(family);
	return address;
}

uint32_t network_host_of(const struct network *network, const struct prefix *address)
{
	const struct prefix *prefix = network_prefix(network, address->family);
	size_t low = address_bits(address->family) / 8 - 4;
	uint32_t host;
	struct prefix same;

	if (prefix->family != address->family)
		return 0;
	host = load_be32(address->addr + low) - load_be32(prefix->addr + low);
	if (prefix->cidr + 32U > address_bits(prefix->family) &&
		host >> (address_bits(prefix->family) - prefix->cidr) != 0)
		return 0;
	same = network_address(network, address->family, host);
	return memcmp(same.addr, address->addr, low + 4) == 0 ? host : 0;
}

/* --- maps ------------------------------------------------------------ */

static uint64_t hash_of_number(const struct directory *directory, int64_t network_id, int64_t id)
{
	int64_t numbers[2] = {network_id, id};

	return siphash(directory->hash_key, numbers, sizeof(numbers));
}

static uint64_t hash_of_name(
	const struct directory *directory, int64_t network_id, const char *name)
{
	struct {
		int64_t network_id;
		char name[NODE_NAME_MAX + 1];
	} key = {.network_id = network_id};

	memcpy(key.name, name, strnlen(name, NODE_NAME_MAX));
	return siphash(directory->hash_key, &key, sizeof(key));
}

static uint64_t hash_of_key(const struct directory *directory, const uint8_t key[KEY_LEN])
{
	return siphash(directory->hash_key, key, KEY_LEN);
}

static struct member *find(const struct directory *directory, const struct map *map, uint64_t hash)
{
	uint32_t slot;

	return map_get(map, hash, &slot) ? directory->slots[slot] : NULL;
}

static int index_member(struct directory *directory, const struct member *member)
{
	const struct node *node = &member->node;
	int r = map_put(&directory->by_id, hash_of_number(directory, 0, node->id), member->slot);

	if (r == 0)
		r = map_put(&directory->by_host,
			hash_of_number(directory, node->network_id, node->host), member->slot);
	if (r == 0)
		r = map_put(&directory->by_name,
			hash_of_name(directory, node->network_id, node->name), member->slot);
	if (r == 0)
		r = map_put(
			&directory->by_key, hash_of_key(directory, node->public_key), member->slot);
	return r;
}

static void unindex_member(struct directory *directory, const struct member *member)
{
	const struct node *node = &member->node;

	map_remove(&directory->by_id, hash_of_number(directory, 0, node->id));
	map_remove(&directory->by_host, hash_of_number(directory, node->network_id, node->host));
	map_remove(&directory->by_name, hash_of_name(directory, node->network_id, node->name));
	map_remove(&directory->by_key, hash_of_key(directory, node->public_key));
}

/* --- members --------------------------------------------------------- */

struct member *directory_member(const struct directory *directory, int64_t id)
{
	return find(directory, &directory->by_id, hash_of_number(directory, 0, id));
}

struct member *directory_member_by_key(
	const struct directory *directory, const uint8_t public_key[KEY_LEN])
{
	return find(directory, &directory->by_key, hash_of_key(directory, public_key));
}

struct member *directory_member_by_name(
	const struct directory *directory, const struct realm *realm, const char *name)
{
	if (strlen(name) > NODE_NAME_MAX)
		return NULL;
	return find(
		directory, &directory->by_name, hash_of_name(directory, realm->network.id, name));
}

struct member *directory_member_by_host(
	const struct directory *directory, const struct realm *realm, uint32_t host)
{
	return find(
		directory, &directory->by_host, hash_of_number(directory, realm->network.id, host));
}

struct member *directory_member_by_address(
	const struct directory *directory, const struct realm *realm, const struct prefix *address)
{
	for (size_t i = 0; i < directory->num_realms; i++) {
		const struct realm *each = directory->realms[i];
		uint32_t host;

		if (realm != NULL && each != realm)
			continue;
		host = network_host_of(&each->network, address);
		if (host != 0)
			return directory_member_by_host(directory, each, host);
	}
	return NULL;
}

struct member *directory_next(const struct directory *directory, uint32_t *slot)
{
	while (*slot < directory->num_slots && directory->slots[*slot] == NULL)
		(*slot)++;
	return *slot < directory->num_slots ? directory->slots[*slot] : NULL;
}

/* A slot that is not used. Returns false: out of memory. */
static bool find_slot(struct directory *directory, uint32_t *ret_slot)
{
	uint32_t num = directory->num_slots, more = num / 2 + 64;
	struct member **slots;

	if (directory->num_members < num) {
		for (*ret_slot = 0; directory->slots[*ret_slot] != NULL;)
			(*ret_slot)++;
		return true;
	}
	slots = reallocarray(directory->slots, num + more, sizeof(*slots));
	if (slots == NULL)
		return false;
	memset(slots + num, 0, more * sizeof(*slots));
	directory->slots = slots;
	directory->num_slots = num + more;
	*ret_slot = num;
	return true;
}

static struct member *add_member(struct directory *directory, const struct node *node)
{
	struct realm *realm = directory_realm_by_id(directory, node->network_id);
	struct member *member = realm != NULL ? calloc(1, sizeof(*member)) : NULL;

	if (member == NULL || !find_slot(directory, &member->slot)) {
		free(member);
		return NULL;
	}
	member->realm = realm;
	member->node = *node;
	directory->slots[member->slot] = member;
	directory->num_members++;
	realm->num_nodes++;
	if (index_member(directory, member) != 0) {
		directory_remove(directory, member);
		return NULL;
	}
	return member;
}

struct member *directory_put(struct directory *directory, const struct node *node)
{
	struct member *member = directory_member(directory, node->id);

	if (member == NULL)
		return add_member(directory, node);
	unindex_member(directory, member);
	member->node = *node;
	/* There was room for it a moment ago. */
	return index_member(directory, member) == 0 ? member : NULL;
}

void directory_remove(struct directory *directory, struct member *member)
{
	unindex_member(directory, member);
	directory->slots[member->slot] = NULL;
	directory->num_members--;
	member->realm->num_nodes--;
	free(member);
}

/* --- networks -------------------------------------------------------- */

struct realm *directory_realm(const struct directory *directory, const char *name)
{
	for (size_t i = 0; i < directory->num_realms; i++) {
		if (strcmp(directory->realms[i]->network.name, name) == 0)
			return directory->realms[i];
	}
	return NULL;
}

struct realm *directory_realm_by_id(const struct directory *directory, int64_t id)
{
	for (size_t i = 0; i < directory->num_realms; i++) {
		if (directory->realms[i]->network.id == id)
			return directory->realms[i];
	}
	return NULL;
}

static void free_realm(struct realm *realm)
{
	policy_free(realm->policy);
	free(realm);
}

struct realm *directory_add_realm(
	struct directory *directory, const struct network *network, const char *policy_text)
{
	const char *text = policy_text != NULL ? policy_text : "";
	struct realm **realms, *realm;
	char error[POLICY_ERROR_LEN] = "out of memory";
	unsigned line = 0;

	realms = reallocarray(directory->realms, directory->num_realms + 1, sizeof(struct realm *));
	if (realms == NULL)
		return NULL;
	directory->realms = realms;
	realm = calloc(1, sizeof(*realm));
	if (realm == NULL)
		return NULL;
	realm->network = *network;
	if (policy_parse(&realm->policy, text, strlen(text), &line, error) != 0) {
		log_error("network %s: its policy cannot be read any more: line %u: %s",
			network->name, line, error);
		free(realm);
		return NULL;
	}
	realms[directory->num_realms++] = realm;
	return realm;
}

void directory_remove_realm(struct directory *directory, struct realm *realm)
{
	struct member *member;
	size_t i = 0;

	for (uint32_t slot = 0; (member = directory_next(directory, &slot)) != NULL; slot++) {
		if (member->realm == realm)
			directory_remove(directory, member);
	}
	while (directory->realms[i] != realm)
		i++;
	directory->realms[i] = directory->realms[--directory->num_realms];
	free_realm(realm);
}

/* --- all of it ------------------------------------------------------- */

struct load {
	struct directory *directory;
	struct store *store;
};

static int load_node(void *ctx, const struct node *node)
{
	struct load *load = ctx;

	return add_member(load->directory, node) != NULL ? 0 : -ENOMEM;
}

static int load_network(void *ctx, const struct network *network)
{
	struct load *load = ctx;
	char *policy_text;
	struct realm *realm;
	int r = store_policy(load->store, network->id, &policy_text);

	if (r != 0)
		return r;
	realm = directory_add_realm(load->directory, network, policy_text);
	free(policy_text);
	return realm != NULL ? store_nodes(load->store, network->id, load_node, load) : -EINVAL;
}

int directory_load(
	struct directory *directory, struct store *store, const uint8_t hash_key[SIPHASH_KEY_LEN])
{
	struct load load = {directory, store};
	int r;

	*directory = (struct directory){0};
	memcpy(directory->hash_key, hash_key, SIPHASH_KEY_LEN);
	r = store_networks(store, load_network, &load);
	if (r != 0)
		directory_deinit(directory);
	return r;
}

void directory_deinit(struct directory *directory)
{
	for (uint32_t slot = 0; slot < directory->num_slots; slot++)
		free(directory->slots[slot]);
	for (size_t i = 0; i < directory->num_realms; i++)
		free_realm(directory->realms[i]);
	free(directory->slots);
	free(directory->realms);
	map_deinit(&directory->by_id);
	map_deinit(&directory->by_host);
	map_deinit(&directory->by_name);
	map_deinit(&directory->by_key);
	*directory = (struct directory){0};
}
