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
	const bool changes = !bytes_equal(keyring->private_key, private_key, KEY_LEN);
	struct keyring_peer *peer;

	for (uint32_t id = 0; changes && (peer = table_next(&keyring->peers, &id)); id++) {
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
			jobs[n].private_key = keyring->private_key;
			jobs[n].point = peer->public_key;
			missing[n++] = peer;
		}
	}
	dh_many(jobs, n);
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
	const struct dh_job *jobs)
{
	int r;

	if (secret != NOISE_PSK && !keyring->has_private_key)
		return -ENOKEY;
	switch (secret) {
	case NOISE_DH:
		return mix_dh(mix, &jobs[0]);
	case NOISE_STATIC:
		return mix_static(keyring, mix);
	case NOISE_PSK:
		return mix_psk(keyring, mix);
	case NOISE_EE_SE_PSK:
		r = mix_dh(mix, &jobs[1]);
		r = r < 0 ? r : mix_dh(mix, &jobs[0]);
		return r < 0 ? r : mix_psk(keyring, mix);
	case NOISE_ANSWER:
		break;
	}
	return -EPROTO;
}

/* An error is all that is told. */
static void finish(struct noise_mix *mix, uint32_t peer_id, int error)
{
	if (error < 0)
		*mix = (struct noise_mix){.peer_id = peer_id, .error = error};
	else
		mix->error = 0;
}

static int mix_response(
	const struct keyring *keyring, struct noise_mix *mix, const struct dh_job jobs[3])
{
	int r;

	memcpy(mix->ephemeral, jobs[0].shared, KEY_LEN);
	kdf(mix->ck, NULL, NULL, mix->ck, jobs[0].shared, KEY_LEN);
	r = mix_dh(mix, &jobs[1]);
	r = r < 0 ? r : mix_dh(mix, &jobs[2]);
	return r < 0 ? r : mix_psk(keyring, mix);
}

static void mix_answer(struct keyring *keyring, struct noise_mix mixes[NOISE_ANSWER_MIXES])
{
	struct noise_mix asked = mixes[0];
	const struct keyring_peer *peer = table_get(&keyring->peers, asked.peer_id);
	const uint8_t *peer_key = peer ? peer->public_key : dh_base_point;
	struct dh_job jobs[] = {{.private_key = keyring->private_key, .point = asked.point},
		{.private_key = asked.ephemeral, .point = dh_base_point},
		{.private_key = asked.ephemeral, .point = asked.point},
		{.private_key = asked.ephemeral, .point = peer_key}};
	int r = keyring->has_private_key ? 0 : -ENOKEY;

	if (r == 0) {
		find_static_static(keyring, mixes, 1);
		dh_many(jobs, ARRAY_SIZE(jobs));
		r = mix_dh(&mixes[ANSWER_DH], &jobs[0]);
	}
	finish(&mixes[ANSWER_DH], asked.peer_id, r);
	mixes[ANSWER_STATIC] = mixes[ANSWER_DH];
	r = r < 0 ? r : mix_static(keyring, &mixes[ANSWER_STATIC]);
	finish(&mixes[ANSWER_STATIC], asked.peer_id, r);
	mixes[ANSWER_RESPONSE] = mixes[ANSWER_STATIC];
	r = r < 0 ? r : mix_response(keyring, &mixes[ANSWER_RESPONSE], &jobs[1]);
	finish(&mixes[ANSWER_RESPONSE], asked.peer_id, r);
	wipe(jobs, sizeof(jobs));
	wipe(&asked, sizeof(asked));
}

void keyring_mix(void *ctx, enum noise_secret secret, struct noise_mix *mixes, unsigned num)
{
	const unsigned dhs_each = secret == NOISE_DH ? 1 : secret == NOISE_EE_SE_PSK ? 2 : 0;
	struct keyring *keyring = ctx;
	struct dh_job jobs[2 * NOISE_MIXES_MAX];

	assert(num <= NOISE_MIXES_MAX);
	if (secret == NOISE_ANSWER) {
		assert(num == NOISE_ANSWER_MIXES);
		mix_answer(keyring, mixes);
		return;
	}
	if (keyring->has_private_key && secret == NOISE_STATIC)
		find_static_static(keyring, mixes, num);
	for (unsigned i = 0; i < num * dhs_each; i++) {
		struct noise_mix *mix = &mixes[i / dhs_each];

		jobs[i].private_key = i % dhs_each ? mix->ephemeral : keyring->private_key;
		jobs[i].point = mix->point;
	}
	dh_many(jobs, num * dhs_each);
	for (unsigned i = 0; i < num; i++)
		finish(&mixes[i], mixes[i].peer_id,
			mix_one(keyring, secret, &mixes[i], &jobs[i * dhs_each]));
	wipe(jobs, sizeof(jobs));
}
