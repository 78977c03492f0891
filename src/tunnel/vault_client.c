/* SPDX-License-Identifier: MIT
 *
 * One question, and a look at the answer: its numbers are those that were asked, and with an error
 * comes nothing else. The rest is random to whoever has no key.
 */
#include "tunnel/vault_client.h"

#include <errno.h>
#include <stddef.h>

#include "tunnel/ipc.h"

static bool mix_is_valid(const struct noise_mix *mix, uint32_t peer_id)
{
	const size_t rest = offsetof(struct noise_mix, has_psk);

	return mix->peer_id == peer_id && ipc_error_is_valid(mix->error) && mix->has_psk <= 1 &&
	       (mix->error == 0 ||
		       bytes_are_zero((const uint8_t *)mix + rest, sizeof(*mix) - rest));
}

/* All results of NOISE_ANSWER are about the peer of its first mix. */
static bool answer_is_valid(const struct vault_mixing *answer, enum noise_secret secret,
	const struct noise_mix *asked, unsigned num)
{
	if (answer->secret != secret || answer->num != num)
		return false;
	for (unsigned i = 0; i < num; i++) {
		if (!mix_is_valid(&answer->mixes[i], asked[secret == NOISE_ANSWER ? 0 : i].peer_id))
			return false;
	}
	return true;
}

void vault_mix(int fd, enum noise_secret secret, struct noise_mix *mixes, unsigned num)
{
	struct vault_mixing mixing = {.secret = secret, .num = num};
	int r;

	memcpy(mixing.mixes, mixes, num * sizeof(mixes[0]));
	r = ipc_call(fd, &mixing, sizeof(mixing), &mixing, sizeof(mixing));
	if (r == 0 && !answer_is_valid(&mixing, secret, mixes, num))
		r = -EPROTO;
	if (r < 0)
		ipc_fail("vault", r);
	memcpy(mixes, mixing.mixes, num * sizeof(mixes[0]));
	wipe(&mixing, sizeof(mixing));
}
