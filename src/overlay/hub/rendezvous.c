/* SPDX-License-Identifier: MIT
 *
 * A list: few wait at a time, all equally long.
 */
#include "overlay/hub/rendezvous.h"

void rendezvous_wait(struct rendezvous_list *list, struct rendezvous *rendezvous, uint64_t now_ns)
{
	rendezvous->until_ns = now_ns + RENDEZVOUS_NS;
	rendezvous->list = list;
	rendezvous->next = NULL;
	rendezvous->prev = list->last;
	if (list->last != NULL)
		list->last->next = rendezvous;
	else
		list->first = rendezvous;
	list->last = rendezvous;
}

void rendezvous_cancel(struct rendezvous *rendezvous)
{
	struct rendezvous_list *list = rendezvous->list;

	if (list == NULL)
		return;
	if (rendezvous->prev != NULL)
		rendezvous->prev->next = rendezvous->next;
	else
		list->first = rendezvous->next;
	if (rendezvous->next != NULL)
		rendezvous->next->prev = rendezvous->prev;
	else
		list->last = rendezvous->prev;
	rendezvous->list = NULL;
}

bool rendezvous_is_awaited(const struct rendezvous_list *list, int64_t caller, int64_t peer)
{
	for (const struct rendezvous *r = list->first; r != NULL; r = r->next) {
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

	for (struct rendezvous *r = list->first; r != NULL; r = next) {
		next = r->next;
		if (r->caller == caller && r->peer == peer)
			resume(r);
	}
}

uint64_t rendezvous_expire(struct rendezvous_list *list, uint64_t now_ns)
{
	while (list->first != NULL && list->first->until_ns <= now_ns)
		resume(list->first);
	return list->first != NULL ? list->first->until_ns : 0;
}
