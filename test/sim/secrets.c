/* SPDX-License-Identifier: MIT
 *
 * Where secrets are, and where they should not be any more.
 */
#include "secrets.h"

#include "crypto/dh.h"
#include "host.h"
#include "inside.h"

/* The last try, which is not answered, and then the time that zeroing may take. */
#define HANDSHAKE_LIFE_NS \
	(REKEY_TIMEOUT_NS + REKEY_TIMEOUT_JITTER_MAX_NS + 3 * REJECT_AFTER_TIME_NS + SECOND_NS)

/* Clamping changes the first and last byte of a key: it is looked for by its middle. */
enum { NOBODY = UINT32_MAX, CHECKED_IN_1000 = 15, MIDDLE = 8, MIDDLE_LEN = 16 };

static uint32_t filter_hash(const uint8_t *bytes)
{
	return load_le32(bytes) * UINT32_C(0x9e3779b1) >> 16;
}

static void filter_add(struct secrets *s, const struct secret *secret)
{
	const uint32_t hash = filter_hash(secret->bytes + MIDDLE);

	s->filter[hash / 8] |= (uint8_t)(1 << hash % 8);
}

/* Forget the older half of those that are dead: they were searched for often enough. */
static void make_room(struct secrets *s)
{
	unsigned num_dead = 0, num_left = 0;

	memset(s->filter, 0, sizeof(s->filter));
	for (unsigned i = 0; i < s->num; i++)
		num_dead += s->list[i].is_dead;
	num_dead /= 2;
	for (unsigned i = 0; i < s->num; i++) {
		if (s->list[i].is_dead && num_dead > 0) {
			num_dead--;
			continue;
		}
		s->list[num_left++] = s->list[i];
		filter_add(s, &s->list[i]);
	}
	must_hold(num_left < s->num, "secrets are few", "%u", s->num);
	s->first -= s->first < s->num - num_left ? s->first : s->num - num_left;
	s->num = num_left;
}

static struct secret *add(
	struct host *host, enum secret_kind kind, uint32_t peer, const uint8_t bytes[KEY_LEN])
{
	struct secrets *s = &host->secrets;
	struct secret *secret;

	if (s->num == SECRETS_MAX)
		make_room(s);
	secret = &s->list[s->num++];
	*secret = (struct secret){.kind = kind, .peer = peer, .group = s->group};
	memcpy(secret->bytes, bytes, KEY_LEN);
	filter_add(s, secret);
	return secret;
}

void secrets_drawn(struct host *host, const uint8_t bytes[KEY_LEN])
{
	add(host, SECRET_EPHEMERAL, NOBODY, bytes);
}

void secrets_mixed(
	struct host *host, uint32_t peer, const uint8_t ck[KEY_LEN], const uint8_t key[KEY_LEN])
{
	struct secrets *s = &host->secrets;

	for (unsigned i = 0; i < s->num; i++) {
		if (s->list[i].group == s->group && s->list[i].peer == NOBODY)
			s->list[i].peer = peer;
	}
	add(host, SECRET_CHAINING, peer, ck);
	add(host, SECRET_KEY, peer, key);
}

void secrets_enter(struct host *host)
{
	host->secrets.group++;
	host->secrets.first = host->secrets.num;
}

static bool is_cookie_secret(const struct host *host, const struct secret *secret)
{
	return memcmp(inside_cookie_secret(host->device), secret->bytes, KEY_LEN) == 0;
}

/* It was taken for a handshake's, and is good until it is replaced. */
static void cookie_secret_drawn(struct secrets *s, struct secret *secret)
{
	for (unsigned i = 0; i < s->num; i++)
		s->list[i].is_dead |= s->list[i].kind == SECRET_COOKIE;
	secret->kind = SECRET_COOKIE;
	secret->is_dead = false;
	secret->until_ns = 0;
}

void secrets_leave(struct host *host, bool prepares)
{
	struct secrets *s = &host->secrets;

	for (unsigned i = s->first; i < s->num; i++) {
		struct secret *secret = &s->list[i];

		if (secret->kind == SECRET_EPHEMERAL && is_cookie_secret(host, secret))
			cookie_secret_drawn(s, secret);
		else if (secret->kind != SECRET_SESSION && !secret->is_used && !prepares)
			secret->is_dead = true;
	}
	if (random_chance(CHECKED_IN_1000))
		secrets_check(host);
}

static bool is_of_handshake(const struct secret *secret, uint32_t peer)
{
	return secret->kind != SECRET_SESSION && secret->kind != SECRET_COOKIE &&
	       secret->peer == peer;
}

void secrets_forget_handshake(struct host *host, uint32_t peer)
{
	struct secrets *s = &host->secrets;

	for (unsigned i = 0; i < s->num; i++) {
		if (is_of_handshake(&s->list[i], peer))
			s->list[i].is_dead = true;
	}
}

static bool is_private_key_of(struct secret *secret, const uint8_t public_key[KEY_LEN])
{
	uint8_t clamped[KEY_LEN];

	if (!secret->has_public_key) {
		memcpy(clamped, secret->bytes, KEY_LEN);
		dh_clamp(clamped);
		dh_public(secret->public_key, clamped);
		secret->has_public_key = true;
	}
	return memcmp(secret->public_key, public_key, KEY_LEN) == 0;
}

/* The group of the handshake with this ephemeral key. */
static uint32_t find_group(struct secrets *s, uint32_t peer, const uint8_t ephemeral[KEY_LEN])
{
	for (unsigned i = 0; i < s->num; i++) {
		struct secret *secret = &s->list[i];

		if (secret->kind == SECRET_EPHEMERAL && secret->peer == peer && !secret->is_dead &&
			!secret->is_used && is_private_key_of(secret, ephemeral))
			return secret->group;
	}
	violated("an ephemeral key is drawn for each handshake", "peer %u", peer);
}

void secrets_initiated(struct host *host, uint32_t peer, const uint8_t ephemeral[KEY_LEN])
{
	struct secrets *s = &host->secrets;
	const uint32_t group = find_group(s, peer, ephemeral);

	for (unsigned i = 0; i < s->num; i++) {
		struct secret *secret = &s->list[i];

		if (!is_of_handshake(secret, peer))
			continue;
		secret->is_dead = secret->group != group || secret->kind == SECRET_KEY;
		secret->is_used = true;
		secret->until_ns = world.now_ns + HANDSHAKE_LIFE_NS;
	}
	s->group++; /* what the same call draws next is another's */
}

void secrets_session(struct host *host, uint32_t peer, uint32_t index,
	const uint8_t sending_key[KEY_LEN], const uint8_t receiving_key[KEY_LEN])
{
	secrets_forget_handshake(host, peer);
	host->secrets.group++;
	add(host, SECRET_SESSION, peer, sending_key)->index = index;
	add(host, SECRET_SESSION, peer, receiving_key)->index = index;
}

void secrets_session_gone(struct host *host, uint32_t index)
{
	struct secrets *s = &host->secrets;

	for (unsigned i = 0; i < s->num; i++) {
		if (s->list[i].kind == SECRET_SESSION && s->list[i].index == index)
			s->list[i].is_dead = true;
	}
}

/* --- the search ------------------------------------------------------ */

static const char *const kinds[] = {
	"ephemeral key", "chaining key", "handshake key", "session key", "cookie secret"};

static bool is_overdue(const struct secret *secret)
{
	return secret->is_dead || (secret->until_ns && world.now_ns > secret->until_ns);
}

static void found(const struct host *host, const uint8_t *at, bool is_freed)
{
	const struct secrets *s = &host->secrets;

	for (unsigned i = 0; i < s->num; i++) {
		const struct secret *secret = &s->list[i];

		if (memcmp(at, secret->bytes + MIDDLE, MIDDLE_LEN) == 0 &&
			(is_freed || is_overdue(secret)))
			violated(is_freed ? "freed memory is wiped" : "old secrets are gone",
				"%s of peer %u of host %u", kinds[secret->kind], secret->peer,
				host->number);
	}
}

static void search(const struct host *host, const uint8_t *bytes, size_t len, bool is_freed)
{
	const uint8_t *filter = host->secrets.filter;

	for (size_t i = 0; i + MIDDLE_LEN <= len; i += 4) {
		const uint32_t hash = filter_hash(bytes + i);

		if (filter[hash / 8] >> hash % 8 & 1)
			found(host, bytes + i, is_freed);
	}
}

static void look(void *host, const uint8_t *bytes, size_t len)
{
	search(host, bytes, len, false);
}

void secrets_check(struct host *host)
{
	memory_show(&host->memory, look, host);
}

void secrets_check_freed(void *host, const uint8_t *bytes, size_t len)
{
	search(host, bytes, len, true);
}
