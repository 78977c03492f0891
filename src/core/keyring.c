/* SPDX-License-Identifier: MIT
 *
 * The long-term secrets. The static-static result of a peer is computed when first needed: loading
 * a hundred thousand peers must not cost a hundred thousand scalar multiplications.
 */
#include "core/keyring.h"

#include <errno.h>
#include <stdlib.h>

#include "base/table.h"
#include "crypto/dh.h"

struct keyring_peer {
	uint8_t public_key[KEY_LEN];
	uint8_t psk[KEY_LEN];
	uint8_t static_static[KEY_LEN];
	bool has_static_static;
};

struct keyring {
	uint8_t private_key[KEY_LEN];
	bool has_private_key;
	struct table peers; /* struct keyring_peer by id */
};

struct keyring *keyring_new(void)
{
	struct keyring *keyring = calloc(1, sizeof(*keyring));

	if (!keyring || table_init(&keyring->peers, MAX_PEERS, sizeof(struct keyring_peer)) < 0) {
		free(keyring);
		return NULL;
	}
	return keyring;
}

void keyring_free(struct keyring *keyring)
{
	if (!keyring)
		return;
	table_deinit(&keyring->peers);
	wipe(keyring, sizeof(*keyring));
	free(keyring);
}

void keyring_set_private_key(
	struct keyring *keyring, const uint8_t private_key[KEY_LEN], uint8_t ret_public[KEY_LEN])
{
	struct keyring_peer *peer;

	for (uint32_t id = 0; (peer = table_next(&keyring->peers, &id)); id++) {
		wipe(peer->static_static, KEY_LEN);
		peer->has_static_static = false;
	}
	keyring->has_private_key = !bytes_are_zero(private_key, KEY_LEN);
	memcpy(keyring->private_key, private_key, KEY_LEN);
	memset(ret_public, 0, KEY_LEN);
	if (keyring->has_private_key) {
		dh_clamp(keyring->private_key);
		dh_public(ret_public, keyring->private_key);
	}
}

void keyring_get_private_key(const struct keyring *keyring, uint8_t ret_private_key[KEY_LEN])
{
	memcpy(ret_private_key, keyring->private_key, KEY_LEN);
}

int keyring_add_peer(struct keyring *keyring, uint32_t peer_id, const uint8_t public_key[KEY_LEN])
{
	struct keyring_peer *peer;

	table_remove(&keyring->peers, peer_id);
	peer = table_add(&keyring->peers, peer_id);
	if (!peer)
		return -errno;
	memcpy(peer->public_key, public_key, KEY_LEN);
	return 0;
}

void keyring_remove_peer(struct keyring *keyring, uint32_t peer_id)
{
	table_remove(&keyring->peers, peer_id);
}

int keyring_set_psk(struct keyring *keyring, uint32_t peer_id, const uint8_t psk[KEY_LEN])
{
	struct keyring_peer *peer = table_get(&keyring->peers, peer_id);

	if (!peer)
		return -ENOENT;
	memcpy(peer->psk, psk, KEY_LEN);
	return 0;
}

int keyring_get_psk(const struct keyring *keyring, uint32_t peer_id, uint8_t ret_psk[KEY_LEN])
{
	const struct keyring_peer *peer = table_get(&keyring->peers, peer_id);

	if (!peer)
		return -ENOENT;
	memcpy(ret_psk, peer->psk, KEY_LEN);
	return 0;
}

int keyring_mix_dh(
	void *ctx, const uint8_t point[KEY_LEN], uint8_t ck[HASH_LEN], uint8_t ret_key[KEY_LEN])
{
	const struct keyring *keyring = ctx;
	uint8_t shared[KEY_LEN];

	if (!keyring->has_private_key)
		return -ENOKEY;
	if (!dh(shared, keyring->private_key, point))
		return -EKEYREJECTED;
	kdf(ck, ret_key, NULL, ck, shared, KEY_LEN);
	wipe(shared, sizeof(shared));
	return 0;
}

int keyring_mix_static(void *ctx, uint32_t peer_id, uint8_t ck[HASH_LEN], uint8_t ret_key[KEY_LEN])
{
	const struct keyring *keyring = ctx;
	struct keyring_peer *peer = table_get(&keyring->peers, peer_id);

	if (!peer)
		return -ENOENT;
	if (!keyring->has_private_key)
		return -ENOKEY;
	if (!peer->has_static_static) {
		if (!dh(peer->static_static, keyring->private_key, peer->public_key))
			return -EKEYREJECTED;
		peer->has_static_static = true;
	}
	kdf(ck, ret_key, NULL, ck, peer->static_static, KEY_LEN);
	return 0;
}

int keyring_mix_psk(void *ctx, uint32_t peer_id, uint8_t ck[HASH_LEN], uint8_t ret_tau[HASH_LEN],
	uint8_t ret_key[KEY_LEN])
{
	const struct keyring *keyring = ctx;
	const struct keyring_peer *peer = table_get(&keyring->peers, peer_id);

	if (!peer)
		return -ENOENT;
	kdf(ck, ret_tau, ret_key, ck, peer->psk, KEY_LEN);
	return 0;
}
