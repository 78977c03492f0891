/* SPDX-License-Identifier: MIT
 *
 * A list: few wait at a time, and not for long.
 */
#include "overlay/hub/rendezvous.h"

void rendezvous_wait(struct rendezvous_list *list, struct rendezvous *rendezvous, uint64_t now_ns)
{
	rendezvous->until_ns = now_ns + RENDEZVOUS_NS;
	rendezvous->prev = &list->first;
	rendezvous->next = list->first;
	if (rendezvous->next)
		rendezvous->next->prev = &rendezvous->next;
	list->first = rendezvous;
}

void rendezvous_cancel(struct rendezvous *rendezvous)
{
	if (!rendezvous->prev)
		return;
	*rendezvous->prev = rendezvous->next;
	if (rendezvous->next)
		rendezvous->next->prev = rendezvous->prev;
	rendezvous->prev = NULL;
}

bool rendezvous_is_awaited(const struct rendezvous_list *list, int64_t caller, int64_t peer)
{
	for (const struct rendezvous *r = list->first; r; r = r->next) {
		if (r->caller == caller && r->peer == peer)
			return true;
	}
	return false;
}

static void resume(struct rendezvous *rendezvous)
{
	rendezvous_cancel(rendezvous);
	rendezvous->resume(rendezvous->ctx);
}

void rendezvous_ready(struct rendezvous_list *list, int64_t caller, int64_t peer)
{
	struct rendezvous *next;

	for (struct rendezvous *r = list->first; r; r = next) {
		next = r->next;
		if (r->caller == caller && r->peer == peer)
			resume(r);
	}
}

uint64_t rendezvous_expire(struct rendezvous_list *list, uint64_t now_ns)
{
	uint64_t next_ns = 0;
	struct rendezvous *next;

	for (struct rendezvous *r = list->first; r; r = next) {
		next = r->next;
		if (r->until_ns <= now_ns)
			resume(r);
		else if (next_ns == 0 || r->until_ns < next_ns)
			next_ns = r->until_ns;
	}
	return next_ns;
}
