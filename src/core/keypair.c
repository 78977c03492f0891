/* SPDX-License-Identifier: MIT
 *
 * Keypairs and their slots.
 */
#include "core/keypair.h"

#include <stdlib.h>

struct keypair *keypair_new(const struct control_keypair *description)
{
	struct keypair *keypair = calloc(1, sizeof(*keypair));

	if (!keypair)
		return NULL;
	keypair->local_index = description->local_index;
	keypair->remote_index = description->remote_index;
	keypair->is_initiator = description->is_initiator != 0;
	keypair->birth_ns = description->birth_ns;
	pthread_mutex_init(&keypair->replay_lock, NULL);
	memcpy(keypair->sending_key, description->sending_key, KEY_LEN);
	memcpy(keypair->receiving_key, description->receiving_key, KEY_LEN);
	return keypair;
}

struct keypair *keypair_free(struct keypair *keypair)
{
	if (!keypair)
		return NULL;
	pthread_mutex_destroy(&keypair->replay_lock);
	wipe(keypair, sizeof(*keypair));
	free(keypair);
	return NULL;
}

struct keypairs_dropped keypairs_install(struct keypairs *slots, struct keypair *keypair)
{
	struct keypairs_dropped dropped = {{slots->previous}};

	if (!keypair->is_initiator) {
		dropped.keypairs[1] = slots->next;
		slots->previous = NULL;
		slots->next = keypair;
		return dropped;
	}
	if (slots->next) {
		dropped.keypairs[1] = slots->current;
		slots->previous = slots->next;
		slots->next = NULL;
	} else {
		slots->previous = slots->current;
	}
	slots->current = keypair;
	return dropped;
}

bool keypairs_confirm(
	struct keypairs *slots, const struct keypair *keypair, struct keypairs_dropped *ret_dropped)
{
	if (keypair != slots->next)
		return false;
	*ret_dropped = (struct keypairs_dropped){{slots->previous}};
	slots->previous = slots->current;
	slots->current = slots->next;
	slots->next = NULL;
	return true;
}

struct keypairs_dropped keypairs_clear(struct keypairs *slots)
{
	struct keypairs_dropped dropped = {{slots->next, slots->previous, slots->current}};

	*slots = (struct keypairs){0};
	return dropped;
}

struct keypair *keypairs_find(const struct keypairs *slots, uint32_t local_index)
{
	struct keypair *const all[] = {slots->current, slots->previous, slots->next};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (all[i] && all[i]->local_index == local_index)
			return all[i];
	}
	return NULL;
}

static uint64_t age_ns(const struct keypair *keypair, uint64_t now_ns)
{
	return now_ns > keypair->birth_ns ? now_ns - keypair->birth_ns : 0;
}

bool keypair_can_send(const struct keypair *keypair, uint64_t now_ns)
{
	return keypair && !keypair->sending_expired &&
	       age_ns(keypair, now_ns) < REJECT_AFTER_TIME_NS &&
	       atomic_load_explicit(&keypair->sending_counter, memory_order_relaxed) <
		       REJECT_AFTER_MESSAGES;
}

bool keypair_can_receive(const struct keypair *keypair, uint64_t counter, uint64_t now_ns)
{
	return age_ns(keypair, now_ns) < REJECT_AFTER_TIME_NS && counter < REJECT_AFTER_MESSAGES;
}

bool keypair_should_rekey_on_send(const struct keypair *keypair, uint64_t now_ns)
{
	return atomic_load_explicit(&keypair->sending_counter, memory_order_relaxed) >
		       REKEY_AFTER_MESSAGES ||
	       (keypair->is_initiator && age_ns(keypair, now_ns) >= REKEY_AFTER_TIME_NS);
}

bool keypair_should_rekey_on_receive(struct keypair *keypair, uint64_t now_ns)
{
	return keypair->is_initiator &&
	       age_ns(keypair, now_ns) >=
		       REJECT_AFTER_TIME_NS - KEEPALIVE_TIMEOUT_NS - REKEY_TIMEOUT_NS &&
	       !atomic_exchange(&keypair->sent_lastminute, true);
}
