/* SPDX-License-Identifier: MIT
 *
 * epoll and a heap of deadlines.
 */
#include "overlay/agent/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/deadlines.h"

enum { MAX_EVENTS = 64, MAX_TIMERS_A_TURN = 256, MAX_WAIT_MS = 3600 * 1000 };

struct watch {
	loop_ready *ready; /* NULL: not watched */
	void *ctx;
	uint32_t generation; /* an event of a descriptor closed since is not its successor's */
};

struct timer {
	loop_due *due; /* NULL: free */
	void *ctx;
};

struct loop {
	int epoll_fd;
	struct watch *watches; /* by descriptor */
	size_t num_watches;
	struct timer *timers;
	uint32_t max_timers, num_used; /* ids from num_used on were never given */
	uint32_t *free_ids;
	uint32_t num_free;
	struct deadlines *deadlines;
};

struct loop *loop_new(uint32_t max_timers)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	loop->max_timers = max_timers;
	loop->timers = calloc(max_timers, sizeof(*loop->timers));
	loop->free_ids = calloc(max_timers, sizeof(*loop->free_ids));
	loop->deadlines = deadlines_new(max_timers);
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!loop->timers || !loop->free_ids || !loop->deadlines || loop->epoll_fd < 0) {
		loop_free(loop);
		return NULL;
	}
	return loop;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	deadlines_free(loop->deadlines);
	free(loop->timers);
	free(loop->free_ids);
	free(loop->watches);
	free(loop);
}

static int make_room(struct loop *loop, int fd)
{
	size_t num = loop->num_watches ? loop->num_watches : 64;
	struct watch *watches;

	if ((size_t)fd < loop->num_watches)
		return 0;
	while (num <= (size_t)fd)
		num *= 2;
	watches = reallocarray(loop->watches, num, sizeof(*watches));
	if (!watches)
		return -ENOMEM;
	memset(watches + loop->num_watches, 0, (num - loop->num_watches) * sizeof(*watches));
	loop->watches = watches;
	loop->num_watches = num;
	return 0;
}

int loop_watch(struct loop *loop, int fd, uint32_t events, loop_ready *ready, void *ctx)
{
	struct epoll_event event = {.events = events};
	struct watch *watch;
	int r = make_room(loop, fd);
	bool is_new;

	if (r < 0)
		return r;
	watch = &loop->watches[fd];
	is_new = !watch->ready;
	event.data.u64 = (uint64_t)(watch->generation + is_new) << 32 | (uint32_t)fd;
	if (epoll_ctl(loop->epoll_fd, is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event) < 0)
		return -errno;
	*watch = (struct watch){
		.ready = ready, .ctx = ctx, .generation = watch->generation + is_new};
	return 0;
}

void loop_unwatch(struct loop *loop, int fd)
{
	if (fd < 0 || (size_t)fd >= loop->num_watches || !loop->watches[fd].ready)
		return;
	(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	loop->watches[fd].ready = NULL;
}

int loop_add_timer(struct loop *loop, loop_due *due, void *ctx)
{
	uint32_t id;

	if (loop->num_free > 0)
		id = loop->free_ids[--loop->num_free];
	else if (loop->num_used < loop->max_timers)
		id = loop->num_used++;
	else
		return -ENOSPC;
	loop->timers[id] = (struct timer){.due = due, .ctx = ctx};
	return (int)id;
}

void loop_remove_timer(struct loop *loop, int id)
{
	if (id < 0)
		return;
	deadlines_set(loop->deadlines, (uint32_t)id, 0);
	loop->timers[id] = (struct timer){0};
	loop->free_ids[loop->num_free++] = (uint32_t)id;
}

void loop_set_timer(struct loop *loop, int id, uint64_t deadline_ns)
{
	deadlines_set(loop->deadlines, (uint32_t)id, deadline_ns);
}

static int wait_ms(const struct loop *loop, uint64_t until_ns)
{
	uint32_t id;
	uint64_t next_ns = deadlines_next(loop->deadlines, &id), now_ns = clock_boottime_ns();

	if (next_ns == 0 || (until_ns != 0 && until_ns < next_ns))
		next_ns = until_ns;
	if (next_ns == 0)
		return -1;
	if (next_ns <= now_ns)
		return 0;
	next_ns = (next_ns - now_ns + MSEC_NS - 1) / MSEC_NS; /* not before it is due */
	return next_ns < MAX_WAIT_MS ? (int)next_ns : MAX_WAIT_MS;
}

/* Returns whether any was due. */
static bool run_timers(struct loop *loop)
{
	uint64_t now_ns = clock_boottime_ns(), due_ns;
	uint32_t id;

	for (int i = 0; i < MAX_TIMERS_A_TURN; i++) {
		due_ns = deadlines_next(loop->deadlines, &id);
		if (due_ns == 0 || due_ns > now_ns)
			return i > 0;
		deadlines_set(loop->deadlines, id, 0);
		loop->timers[id].due(loop->timers[id].ctx, now_ns);
	}
	return true;
}

uint64_t loop_next_timer(const struct loop *loop)
{
	uint32_t id;

	return deadlines_next(loop->deadlines, &id);
}

bool loop_run_once(struct loop *loop, uint64_t until_ns)
{
	struct epoll_event events[MAX_EVENTS];
	int num = epoll_wait(loop->epoll_fd, events, MAX_EVENTS, wait_ms(loop, until_ns));

	for (int i = 0; i < num; i++) {
		struct watch *watch = &loop->watches[(uint32_t)events[i].data.u64];

		if (watch->ready && watch->generation == events[i].data.u64 >> 32)
			watch->ready(watch->ctx, events[i].events);
	}
	return run_timers(loop) || num > 0;
}
