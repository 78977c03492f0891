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
	struct {
		bool is_there;
		uint8_t point[KEY_LEN];
		uint8_t shared[KEY_LEN];
	} prepared; /* a DH computed before it is asked for, until then or until the next */
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
	wipe(&keyring->prepared, sizeof(keyring->prepared));
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

/* Compute the static-static results that are still missing. */
static void find_static_static(
	const struct keyring *keyring, const struct noise_mix *mixes, unsigned num)
{
	struct keyring_peer *missing[NOISE_MIXES_MAX];
	struct dh_job jobs[NOISE_MIXES_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < num; i++) {
		struct keyring_peer *peer = table_get(&keyring->peers, mixes[i].peer_id);

		if (peer && !peer->has_static_static) {
			jobs[n].point = peer->public_key;
			missing[n++] = peer;
		}
	}
	dh_many(jobs, n, keyring->private_key);
	for (unsigned i = 0; i < n; i++) {
		if (jobs[i].ok)
			memcpy(missing[i]->static_static, jobs[i].shared, KEY_LEN);
		missing[i]->has_static_static = jobs[i].ok;
	}
	wipe(jobs, sizeof(jobs));
}

static int mix_static(const struct keyring *keyring, struct noise_mix *mix)
{
	const struct keyring_peer *peer = table_get(&keyring->peers, mix->peer_id);

	if (!peer)
		return -ENOENT;
	if (!peer->has_static_static)
		return -EKEYREJECTED;
	kdf(mix->ck, mix->key, NULL, mix->ck, peer->static_static, KEY_LEN);
	mix->has_psk = !bytes_are_zero(peer->psk, KEY_LEN);
	return 0;
}

static int mix_dh(struct noise_mix *mix, const struct dh_job *job)
{
	if (!job->ok)
		return -EKEYREJECTED;
	kdf(mix->ck, mix->key, NULL, mix->ck, job->shared, KEY_LEN);
	return 0;
}

static int mix_psk(const struct keyring *keyring, struct noise_mix *mix)
{
	const struct keyring_peer *peer = table_get(&keyring->peers, mix->peer_id);

	if (!peer)
		return -ENOENT;
	kdf(mix->ck, mix->tau, mix->key, mix->ck, peer->psk, KEY_LEN);
	return 0;
}

static int mix_one(const struct keyring *keyring, enum noise_secret secret, struct noise_mix *mix,
	const struct dh_job *job)
{
	int r;

	if (secret != NOISE_PSK && !keyring->has_private_key)
		return -ENOKEY;
	switch (secret) {
	case NOISE_DH:
		return mix_dh(mix, job);
	case NOISE_STATIC:
		return mix_static(keyring, mix);
	case NOISE_PSK:
		return mix_psk(keyring, mix);
	case NOISE_DH_PSK:
		r = mix_dh(mix, job);
		return r < 0 ? r : mix_psk(keyring, mix);
	}
	return -EPROTO;
}

void keyring_prepare(void *ctx, enum noise_secret secret, const struct noise_mix *mix)
{
	struct keyring *keyring = ctx;
	struct dh_job job = {.point = mix->point};

	if (!keyring->has_private_key)
		return;
	if (secret == NOISE_STATIC) {
		find_static_static(keyring, mix, 1);
	} else if (secret == NOISE_DH_PSK) {
		dh_many(&job, 1, keyring->private_key);
		memcpy(keyring->prepared.point, mix->point, KEY_LEN);
		memcpy(keyring->prepared.shared, job.shared, KEY_LEN);
		keyring->prepared.is_there = job.ok;
		wipe(&job, sizeof(job));
	}
}

/* DH with the points of all mixes, of which one may be prepared. */
static void find_dh(struct keyring *keyring, struct dh_job *jobs, unsigned num)
{
	if (num == 1 && keyring->prepared.is_there &&
		bytes_equal(keyring->prepared.point, jobs[0].point, KEY_LEN)) {
		memcpy(jobs[0].shared, keyring->prepared.shared, KEY_LEN);
		jobs[0].ok = true;
	} else {
		dh_many(jobs, num, keyring->private_key);
	}
	wipe(&keyring->prepared, sizeof(keyring->prepared));
}

void keyring_mix(void *ctx, enum noise_secret secret, struct noise_mix *mixes, unsigned num)
{
	struct keyring *keyring = ctx;
	struct dh_job jobs[NOISE_MIXES_MAX];

	assert(num <= NOISE_MIXES_MAX);
	for (unsigned i = 0; i < num; i++)
		jobs[i].point = mixes[i].point;
	if (keyring->has_private_key && secret == NOISE_STATIC)
		find_static_static(keyring, mixes, num);
	else if (keyring->has_private_key && secret != NOISE_PSK)
		find_dh(keyring, jobs, num);
	for (unsigned i = 0; i < num; i++) {
		int r = mix_one(keyring, secret, &mixes[i], &jobs[i]);

		if (r < 0)
			mixes[i] = (struct noise_mix){.peer_id = mixes[i].peer_id, .error = r};
		else
			mixes[i].error = 0;
	}
	wipe(jobs, sizeof(jobs));
}
