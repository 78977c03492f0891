/* SPDX-License-Identifier: MIT
 *
 * The long-term secrets of a device: its static private key, the preshared keys, and the cached
 * Diffie-Hellman result between our static key and each peer's. Lives in the vault and answers
 * the questions of a struct noise_keys; nothing else reads these keys.
 */
#ifndef ADIT_CORE_KEYRING_H
#define ADIT_CORE_KEYRING_H

#include "core/noise.h"

struct keyring;

/* NULL: out of memory. Keys are wiped on every replacement and at the end. */
struct keyring *keyring_new(void);
void keyring_free(struct keyring *keyring);

/* Set the static private key (clamped here); all zero removes it. ret_public becomes the public
 * key, all zero when there is none. */
void keyring_set_private_key(
	struct keyring *keyring, const uint8_t private_key[KEY_LEN], uint8_t ret_public[KEY_LEN]);
void keyring_get_private_key(const struct keyring *keyring, uint8_t ret_private_key[KEY_LEN]);

/* Add a peer with a zero psk, or replace it. peer_id < MAX_PEERS. Returns 0 or -ENOMEM. */
MUST_CHECK int keyring_add_peer(
	struct keyring *keyring, uint32_t peer_id, const uint8_t public_key[KEY_LEN]);
void keyring_remove_peer(struct keyring *keyring, uint32_t peer_id);

/* Set or read the psk of a peer; all zero is none. Return 0 or -ENOENT. */
MUST_CHECK int keyring_set_psk(
	struct keyring *keyring, uint32_t peer_id, const uint8_t psk[KEY_LEN]);
MUST_CHECK int keyring_get_psk(
	const struct keyring *keyring, uint32_t peer_id, uint8_t ret_psk[KEY_LEN]);

/* The function of struct noise_keys, with the keyring as ctx. Errors: -ENOENT for no such peer,
 * -ENOKEY without a private key, -EKEYREJECTED for zero DH. */
void keyring_mix(void *keyring, enum noise_secret secret, struct noise_mix *mixes, unsigned num);

#endif
