/* SPDX-License-Identifier: MIT
 *
 * Workers: their lanes, their loops, and when they are engaged.
 */
#include "tunnel/worker.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/tun.h"
#include "tunnel/courtesy.h"
#include "tunnel/moderation.h"

enum {
	MAX_ROUNDS = 4,
	STACK_SIZE = 512 << 10,
	QUEUE_BATCHES = 256, /* more than the queue of a TUN device holds */
	IDLE_MS = 1000,
	BUSY_PERCENT = 95, /* of a core */
	BUSY_WINDOWS = 3,  /* until a worker is engaged */
	QUIET_PERCENT = 25,
	QUIET_WINDOWS = 10, /* until it is not needed */
	MAX_PREEMPTED = 10, /* times in a window */
	SHARE = 8,	    /* a lane with less than this part of the packets is no help */
};
#define WINDOW_NS (100 * MSEC_NS)
#define CONTENDED_NS (10 * SECOND_NS) /* nobody is engaged for so long */

/* What a worker waits for: of each lane it serves, and of itself, as if of the first lane. */
enum source {
	SOURCE_TUN,
	SOURCE_IPV4,
	SOURCE_IPV6,
	NUM_LANE_SOURCES,
	SOURCE_WAKE = NUM_LANE_SOURCES,
	SOURCE_MONITOR,
	SOURCE_ENGINE,
	NUM_SOURCES,
};

struct worker {
	unsigned number; /* its lane's too */
	struct transport_worker *transport;
	struct tun tun; /* its fd is that of the lane being read or written */
	struct tun_reader *reader;
	unsigned reader_lane; /* whose packet the reader has more of, if it has */
	struct udp_receiver *receiver;
	struct batch batch;
	int epoll_fd;
	bool ready[MAX_WORKERS][NUM_SOURCES];
	int wake_fd;		  /* an eventfd: look at the flags */
	_Atomic bool is_engaged;  /* the lane is its own; set by the first, cleared by itself */
	_Atomic bool is_recalled; /* it has to give it back */

	struct courtesy courtesy;
	struct moderation moderation;
	unsigned turn_packets; /* of the turn under way */

	/* the load since window_ns */
	uint64_t now_ns, window_ns, window_cpu_ns;
	long window_preempted;
	unsigned num_busy, num_quiet;	  /* windows in a row */
	uint32_t packets[2][MAX_WORKERS]; /* by direction and lane */
};

static struct {
	unsigned num;
	struct worker all[MAX_WORKERS];
	/* the lanes */
	int tun_fds[MAX_WORKERS];
	struct udp_pair sockets[MAX_WORKERS];
	bool is_firsts[MAX_WORKERS]; /* the first worker waits for it; only that looks here */
	struct status_page *page;
	bool is_spread;
	unsigned num_queues;  /* of the TUN device that get packets */
	bool always;	      /* ROLES_ENV_ENGAGE */
	unsigned num_threads; /* the first worker's is one of them */
	sem_t started;
	_Atomic uint64_t engage_after_ns;
} workers;

/* --- packets --------------------------------------------------------- */

static void send_datagrams(void *ctx, struct batch *datagrams)
{
	const struct worker *w = ctx;
	unsigned failed = 0;

	udp_send(&workers.sockets[w->number], datagrams, &failed);
	if (failed)
		status_drop(workers.page, DROP_SEND_FAILED, failed);
}

static void offer_core(struct courtesy *courtesy)
{
	uint64_t now_ns = clock_boottime_ns();

	if (!courtesy_is_due(courtesy, now_ns))
		return;
	(void)sched_yield();
	courtesy_judge(courtesy, now_ns, clock_boottime_ns());
}

static void deliver_packets(void *ctx, struct batch *packets)
{
	struct worker *w = ctx;
	unsigned failed = 0;

	w->tun.fd = workers.tun_fds[0];
	w->tun.num_queues = workers.num_queues;
	if (tun_write(&w->tun, packets, &failed) < 0)
		_exit(ROLE_INTERFACE_GONE);
	if (failed)
		status_drop(workers.page, DROP_DELIVER_FAILED, failed);
	if (courtesy_is_burst(packets))
		offer_core(&w->courtesy);
}

/* Both return whether there may be more: an empty queue is not asked again before the next wait. */
static bool pump_tun(struct worker *w, unsigned lane)
{
	bool full;
	int r;

	w->tun.fd = workers.tun_fds[lane];
	r = tun_read(&w->tun, w->reader, &w->batch);
	if (r == -EBADFD)
		_exit(ROLE_INTERFACE_GONE);
	if (r < 0 && r != -ENOMEM && r != -ENOBUFS)
		role_fail("TUN device", r);
	full = w->batch.num == BATCH_MAX || tun_reader_has_more(w->reader);
	w->reader_lane = lane;
	w->packets[0][lane] += w->batch.num;
	w->turn_packets += w->batch.num;
	w->now_ns = clock_boottime_ns();
	if (w->batch.num)
		transport_encrypt(w->transport, &w->batch, w->now_ns);
	return full;
}

static bool pump_socket(struct worker *w, unsigned lane, int fd)
{
	do {
		int r = udp_receive(w->receiver, fd, &w->batch);

		if (r < 0)
			role_fail("socket", r);
		w->packets[1][lane] += w->batch.num;
		w->turn_packets += w->batch.num;
		w->now_ns = clock_boottime_ns();
		if (w->batch.num)
			transport_decrypt(w->transport, &w->batch, w->now_ns);
	} while (udp_receiver_has_more(w->receiver));
	return udp_receiver_was_full(w->receiver);
}

static bool pump(struct worker *w, unsigned lane, enum source source)
{
	const struct udp_pair *udp = &workers.sockets[lane];

	if (source == SOURCE_TUN)
		return pump_tun(w, lane);
	return pump_socket(w, lane, source == SOURCE_IPV4 ? udp->fd4 : udp->fd6);
}

static void watch(struct worker *w, int fd, unsigned lane, enum source source, int operation)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = lane * NUM_SOURCES + source};

	if (fd >= 0 && epoll_ctl(w->epoll_fd, operation, fd, &event) < 0)
		role_fail("epoll", -errno);
}

static void watch_lane(struct worker *w, unsigned lane, int operation)
{
	if (lane < workers.num_queues)
		watch(w, workers.tun_fds[lane], lane, SOURCE_TUN, operation);
	watch(w, workers.sockets[lane].fd4, lane, SOURCE_IPV4, operation);
	watch(w, workers.sockets[lane].fd6, lane, SOURCE_IPV6, operation);
}

/* Fill in what is ready. Returns whether anything is; else the time is up. */
static bool wait_until_ready(struct worker *w, int timeout_ms)
{
	struct epoll_event events[MAX_WORKERS * NUM_SOURCES];
	bool has_more = tun_reader_has_more(w->reader);
	int n = epoll_pwait(
		w->epoll_fd, events, ARRAY_SIZE(events), has_more ? 0 : timeout_ms, NULL);

	if (n < 0 && errno != EINTR)
		role_fail("epoll", -errno);
	memset(w->ready, 0, sizeof(w->ready));
	for (int i = 0; i < n; i++)
		w->ready[events[i].data.u32 / NUM_SOURCES][events[i].data.u32 % NUM_SOURCES] = true;
	if (has_more)
		w->ready[w->reader_lane][SOURCE_TUN] = true;
	return n != 0 || has_more;
}

/* In turns while there is work, but the neighbours are not forgotten. */
static void process_packets(struct worker *w)
{
	const uint64_t woken_ns = clock_boottime_ns();
	bool any = true;

	w->turn_packets = 0;
	for (unsigned round = 0; round < MAX_ROUNDS && any; round++) {
		any = false;
		for (unsigned i = 0; i < workers.num * NUM_LANE_SOURCES; i++) {
			unsigned lane = i / NUM_LANE_SOURCES, source = i % NUM_LANE_SOURCES;
			bool *ready = &w->ready[lane][source];

			*ready = *ready && pump(w, lane, (enum source)source);
			any = any || *ready;
		}
	}
	if (w->turn_packets && moderation_wants_pause(&w->moderation, w->turn_packets, woken_ns,
				       clock_boottime_ns()))
		(void)ppoll(NULL, 0, &(struct timespec){0, MODERATION_PAUSE_NS}, NULL);
}

/* --- load ------------------------------------------------------------ */

/* If a window is over, say how much of a core it took, in percent, and how often others took the
 * core away. */
static bool window_end(struct worker *w, unsigned *ret_percent, long *ret_preempted)
{
	uint64_t wall_ns = w->now_ns - w->window_ns, cpu_ns;
	struct rusage usage;

	if (wall_ns < WINDOW_NS)
		return false;
	cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	(void)getrusage(RUSAGE_THREAD, &usage);
	*ret_percent = (unsigned)((cpu_ns - w->window_cpu_ns) * 100 / wall_ns);
	*ret_preempted = usage.ru_nivcsw - w->window_preempted;
	w->window_ns = w->now_ns;
	w->window_cpu_ns = cpu_ns;
	w->window_preempted = usage.ru_nivcsw;
	return true;
}

/* Process what is left of a packet from the TUN device, so that its lane can change hands. */
static void finish_packet(struct worker *w)
{
	while (tun_reader_has_more(w->reader)) {
		w->tun.fd = -1; /* read no further */
		(void)!tun_read(&w->tun, w->reader, &w->batch);
		transport_encrypt(w->transport, &w->batch, clock_boottime_ns());
	}
}

static void wake(struct worker *w)
{
	const uint64_t one = 1;

	(void)!write(w->wake_fd, &one, sizeof(one));
}

static void sleep_until_woken(struct worker *w)
{
	uint64_t num;

	(void)!read(w->wake_fd, &num, sizeof(num));
}

/* The first worker gives a lane away. */
static void engage(struct worker *w)
{
	finish_packet(&workers.all[0]);
	watch_lane(&workers.all[0], w->number, EPOLL_CTL_DEL);
	workers.is_firsts[w->number] = false;
	atomic_store(&w->is_recalled, false);
	atomic_store(&w->is_engaged, true);
	wake(w);
}

/* What others have given back is the first worker's. */
static void take_back(void)
{
	for (unsigned i = 0; i < workers.num; i++) {
		if (workers.is_firsts[i] || atomic_load(&workers.all[i].is_engaged))
			continue;
		watch_lane(&workers.all[0], i, EPOLL_CTL_ADD);
		workers.is_firsts[i] = true;
	}
}

/* All lanes back to the first worker: at once, or as the others come to it. Returns whether there
 * were any. */
static bool recall(bool wait)
{
	bool any = false;

	for (unsigned i = 1; i < workers.num; i++) {
		if (!atomic_load(&workers.all[i].is_engaged))
			continue;
		any = true;
		atomic_store(&workers.all[i].is_recalled, true);
		wake(&workers.all[i]);
		while (wait && atomic_load(&workers.all[i].is_engaged))
			sleep_until_woken(&workers.all[0]);
	}
	take_back();
	return any;
}

/* The lane that had the most packets of those with a share in all of one direction which leaves the
 * others a share. 0: none. */
static unsigned find_lane(const struct worker *w)
{
	uint32_t most = 0;
	unsigned found = 0;

	for (int direction = 0; direction < 2; direction++) {
		const uint32_t *packets = w->packets[direction];
		uint32_t total = 0;

		for (unsigned lane = 0; lane < workers.num; lane++)
			total += packets[lane];
		for (unsigned lane = 1; lane < workers.num_threads; lane++) {
			uint32_t rest = total - packets[lane];

			if (packets[lane] > most &&
				(workers.always || (packets[lane] >= total / SHARE && rest > 0 &&
							   rest >= total / SHARE))) {
				most = packets[lane];
				found = lane;
			}
		}
	}
	return found;
}

/* Have the kernel use all queues. What flows have in the first is processed before what they put
 * into another is looked at. */
static void spread(struct worker *w)
{
	workers.is_spread = true;
	while (workers.num_queues < workers.num &&
		tun_attach_queue(workers.tun_fds[workers.num_queues]) == 0) {
		unsigned lane = workers.num_queues++;

		watch(w, workers.tun_fds[lane], lane, SOURCE_TUN, EPOLL_CTL_ADD);
	}
	for (int i = 0; i < QUEUE_BATCHES && pump_tun(w, 0); i++)
		;
}

/* The first worker looks back. */
static void consider_load(struct worker *w)
{
	bool saturated = workers.always;
	unsigned percent, lane;
	long preempted;

	if (!workers.always) {
		if (!window_end(w, &percent, &preempted))
			return;
		if (preempted > MAX_PREEMPTED && recall(false))
			atomic_store(&workers.engage_after_ns, w->now_ns + CONTENDED_NS);
		w->num_busy =
			percent >= BUSY_PERCENT && preempted <= MAX_PREEMPTED ? w->num_busy + 1 : 0;
		saturated = w->num_busy >= BUSY_WINDOWS &&
			    w->now_ns >= atomic_load(&workers.engage_after_ns);
	}
	if (saturated) {
		w->num_busy = 0;
		lane = find_lane(w);
		if (!workers.is_spread)
			spread(w);
		else if (lane)
			engage(&workers.all[lane]);
	}
	memset(w->packets, 0, sizeof(w->packets));
}

/* Whether another worker is still of use. */
static bool is_needed(struct worker *w)
{
	unsigned percent;
	long preempted;

	if (workers.always || !window_end(w, &percent, &preempted))
		return true;
	w->num_quiet = percent < QUIET_PERCENT ? w->num_quiet + 1 : 0;
	if (preempted > MAX_PREEMPTED)
		atomic_store(&workers.engage_after_ns, w->now_ns + CONTENDED_NS);
	return preempted <= MAX_PREEMPTED && w->num_quiet < QUIET_WINDOWS;
}

/* --- loops ----------------------------------------------------------- */

void workers_wake(void)
{
	wake(&workers.all[0]);
}

void workers_run(void (*serve_monitor)(void), void (*serve_engine)(void), int (*run_timers)(void))
{
	struct worker *w = &workers.all[0];

	watch(w, DATAPATH_FD_MONITOR, 0, SOURCE_MONITOR, EPOLL_CTL_ADD);
	watch(w, DATAPATH_FD_ENGINE, 0, SOURCE_ENGINE, EPOLL_CTL_ADD);
	take_back();
	for (;;) {
		if (!wait_until_ready(w, run_timers()))
			continue;
		if (w->ready[0][SOURCE_WAKE]) {
			sleep_until_woken(w);
			take_back();
		}
		if (w->ready[0][SOURCE_MONITOR])
			serve_monitor();
		if (w->ready[0][SOURCE_ENGINE])
			serve_engine();
		process_packets(w);
		if (workers.num > 1)
			consider_load(w);
	}
}

/* Serve the lane of one's own as long as that is of use. */
static void serve_lane(struct worker *w)
{
	unsigned percent;
	long preempted;

	watch_lane(w, w->number, EPOLL_CTL_ADD);
	w->now_ns = clock_boottime_ns();
	w->window_ns = 0;
	(void)window_end(w, &percent, &preempted); /* begins one */
	w->num_quiet = 0;
	while (wait_until_ready(w, IDLE_MS)) {
		if (w->ready[0][SOURCE_WAKE])
			sleep_until_woken(w); /* or it would stay ready */
		process_packets(w);
		if (atomic_load(&w->is_recalled) || !is_needed(w))
			break;
	}
	finish_packet(w);
	watch_lane(w, w->number, EPOLL_CTL_DEL);
	aead_forget(); /* or this thread would keep the last keys it used */
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	aead_forget(); /* makes the contexts, while that is allowed */
	sem_post(&workers.started);
	for (;;) {
		sleep_until_woken(w);
		if (!atomic_load(&w->is_engaged))
			continue;
		serve_lane(w);
		atomic_store(&w->is_engaged, false);
		wake(&workers.all[0]);
	}
	return NULL;
}

/* --- start ----------------------------------------------------------- */

void workers_start(void)
{
	pthread_attr_t attributes;
	pthread_t thread;

	if (workers.num <= 1)
		return;
	(void)mallopt(M_ARENA_MAX, 1); /* another one would take a system call more */
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	sem_init(&workers.started, 0, 0);
	while (workers.num_threads < workers.num &&
		pthread_create(
			&thread, &attributes, worker_main, &workers.all[workers.num_threads]) == 0)
		workers.num_threads++; /* a limit on threads is no reason to end */
	for (unsigned i = 1; i < workers.num_threads; i++) {
		while (sem_wait(&workers.started) < 0)
			;
	}
}

static void worker_init(struct worker *w, unsigned number, const struct tun *tun)
{
	w->number = number;
	w->tun = *tun;
	w->reader = tun_reader_new();
	w->receiver = udp_receiver_new();
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	w->wake_fd = eventfd(0, EFD_CLOEXEC);
	if (!w->reader || !w->receiver || w->epoll_fd < 0 || w->wake_fd < 0)
		role_fail("cannot start", -ENOMEM);
	watch(w, w->wake_fd, 0, SOURCE_WAKE, EPOLL_CTL_ADD);
}

struct transport *workers_new(
	const int *tun_fds, unsigned num, struct transport_ops *ops, struct status_page *page)
{
	const char *when = getenv(ROLES_ENV_ENGAGE);
	struct tun tun = {.queues = workers.tun_fds};
	struct transport *transport;
	char name[IFNAMSIZ];
	int r = tun_adopt(tun_fds[0], name, &tun.vnet_hdr, &tun.features);

	if (r < 0)
		role_fail("TUN device", r);
	(void)prctl(PR_SET_TIMERSLACK, 1UL); /* pauses are short; threads inherit it */
	workers.num = num;
	workers.num_queues = workers.num_threads = 1;
	workers.page = page;
	workers.always = when && strcmp(when, "always") == 0;
	ops->send = send_datagrams;
	ops->deliver = deliver_packets;
	ops->ctx = &workers.all[0];
	transport = transport_new(ops, page);
	for (unsigned i = 0; i < num && transport; i++) {
		struct worker *w = &workers.all[i];

		workers.tun_fds[i] = tun_fds[i];
		workers.sockets[i] = (struct udp_pair){.fd4 = -1, .fd6 = -1};
		worker_init(w, i, &tun);
		w->transport = i == 0 ? transport_first_worker(transport)
				      : transport_add_worker(transport, w);
		if (!w->transport)
			transport = NULL;
	}
	if (!transport)
		role_fail("cannot start", -ENOMEM);
	return transport;
}

/* To be forgotten before they are closed: the monitor has them too. */
static void replace_sockets(unsigned lane, struct udp_pair sockets)
{
	watch_lane(&workers.all[0], lane, EPOLL_CTL_DEL);
	udp_close(&workers.sockets[lane]);
	workers.sockets[lane] = sockets;
	watch_lane(&workers.all[0], lane, EPOLL_CTL_ADD);
	memset(workers.all[0].ready[lane], 0, sizeof(workers.all[0].ready[lane]));
}

void workers_close_sockets(void)
{
	recall(true);
	for (unsigned i = 0; i < workers.num; i++)
		replace_sockets(i, (struct udp_pair){.fd4 = -1, .fd6 = -1});
}

int workers_set_sockets(unsigned lane, struct udp_pair sockets)
{
	if (lane >= workers.num)
		return -EPROTO;
	recall(true);
	replace_sockets(lane, sockets);
	return 0;
}
