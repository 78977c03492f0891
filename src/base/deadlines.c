/* SPDX-License-Identifier: MIT
 *
 * A binary heap, 1-based, that knows where each id stands in it.
 */
#include "base/deadlines.h"

#include <stdlib.h>

struct deadline {
	uint64_t ns;
	uint32_t id;
};

struct deadlines {
	uint32_t num;
	struct deadline *heap; /* capacity + 1; touched as it fills */
	uint32_t *position;    /* by id; 0: not in the heap */
};

struct deadlines *deadlines_new(uint32_t capacity)
{
	struct deadlines *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->heap = calloc((size_t)capacity + 1, sizeof(*d->heap));
	d->position = calloc(capacity, sizeof(*d->position));
	if (!d->heap || !d->position) {
		deadlines_free(d);
		return NULL;
	}
	return d;
}

void deadlines_free(struct deadlines *d)
{
	if (!d)
		return;
	free(d->heap);
	free(d->position);
	free(d);
}

static void place(struct deadlines *d, uint32_t at, struct deadline deadline)
{
	d->heap[at] = deadline;
	d->position[deadline.id] = at;
}

/* Put deadline where it belongs, starting from the free place `at`. */
static void settle(struct deadlines *d, uint32_t at, struct deadline deadline)
{
	while (at > 1 && deadline.ns < d->heap[at / 2].ns) {
		place(d, at, d->heap[at / 2]);
		at /= 2;
	}
	for (;;) {
		uint32_t child = 2 * at;

		if (child < d->num && d->heap[child + 1].ns < d->heap[child].ns)
			child++;
		if (child > d->num || deadline.ns <= d->heap[child].ns)
			break;
		place(d, at, d->heap[child]);
		at = child;
	}
	place(d, at, deadline);
}

void deadlines_set(struct deadlines *d, uint32_t id, uint64_t deadline_ns)
{
	uint32_t at = d->position[id];

	if (deadline_ns != 0) {
		settle(d, at ? at : ++d->num, (struct deadline){deadline_ns, id});
	} else if (at) {
		struct deadline last = d->heap[d->num--];

		d->position[id] = 0;
		if (last.id != id)
			settle(d, at, last);
	}
}

uint64_t deadlines_next(const struct deadlines *d, uint32_t *ret_id)
{
	if (d->num == 0)
		return 0;
	*ret_id = d->heap[1].id;
	return d->heap[1].ns;
}
