/* SPDX-License-Identifier: MIT
 *
 * The engine: runs the device (core/device.h). Handshake messages come from the datapath and wait
 * in a bounded queue; how long it is, and how many led to nothing, decides whether we are under
 * load. Everything else the datapath says is short and is handled first.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/device.h"
#include "privsep/memory.h"
#include "tunnel/ipc.h"
#include "tunnel/roles.h"
#include "tunnel/status_map.h"
#include "tunnel/vault_client.h"

enum {
	QUEUE_MAX = 4096,
	UNDER_LOAD_LEN = QUEUE_MAX / 8,
	FUTILE_MAX = 1024,
	HANDSHAKES_PER_ROUND = 16,
	CONTROLS_MAX = 2 * NOISE_MIXES_MAX,
	EVENTS_PER_ROUND = QUEUE_MAX,
	NOTICES_MAX = 8 * MAX_PEERS, /* an honest datapath never has so much to say */
};

/* A suspended machine's boottime runs ahead of its monotonic clock by more than reading them. */
#define SUSPEND_MIN_NS SECOND_NS

struct engine {
	struct device *device;
	struct event queue[QUEUE_MAX]; /* handshake messages, a ring */
	uint32_t queue_head, queue_len;
	struct control controls[CONTROLS_MAX]; /* to be sent */
	unsigned num_controls;
	struct event *notices; /* the other events, owned */
	size_t num_notices, cap_notices;
	uint64_t under_load_until_ns;
	uint64_t futile_since_ns;
	unsigned num_futile;
	uint64_t asleep_ns; /* boottime minus monotonic when last looked */
	struct status_page *page;
	int timer_fd, clock_fd;
};

static struct engine engine; /* one a process; large, so not on the stack */

/* --- the vault ------------------------------------------------------- */

static void mix(void *ctx, enum noise_secret secret, struct noise_mix *mixes, unsigned num)
{
	(void)ctx;
	vault_mix(ENGINE_FD_VAULT, secret, mixes, num);
}

/* --- the datapath ---------------------------------------------------- */

static void keep_notice(const struct event *event)
{
	if (engine.num_notices == engine.cap_notices) {
		size_t cap = engine.cap_notices ? 2 * engine.cap_notices : 64;
		/* reallocarray would have libc look for its own realloc, now, and stay in memory */
		struct event *grown =
			cap <= NOTICES_MAX ? realloc(engine.notices, cap * sizeof(*grown)) : NULL;

		if (!grown)
			role_fail("too many events", -ENOMEM);
		engine.notices = grown;
		engine.cap_notices = cap;
	}
	engine.notices[engine.num_notices++] = *event;
}

static bool event_is_valid(const struct event *event)
{
	if (event->type < EVENT_HANDSHAKE_MESSAGE || event->type > EVENT_KEYPAIR_GONE ||
		event->peer_id >= MAX_PEERS || !endpoint_is_valid(&event->endpoint))
		return false;
	if (event->type != EVENT_HANDSHAKE_MESSAGE)
		return event->len == 0;
	return event->endpoint.family != 0 && event->len != 0 &&
	       event->len == message_handshake_len(load_le32(event->message));
}

static void take_event(const struct event *event, uint64_t now_ns)
{
	if (!event_is_valid(event))
		ipc_fail("datapath", -EPROTO);
	if (event->type != EVENT_HANDSHAKE_MESSAGE) {
		keep_notice(event);
	} else if (!device_expects(engine.device, event)) {
		/* it costs nothing, and must not keep initiations out of the queue */
		status_drop(engine.page, DROP_UNKNOWN_INDEX, 1);
	} else if (engine.queue_len == QUEUE_MAX) {
		status_drop(engine.page, DROP_QUEUE_FULL, 1);
	} else {
		engine.queue[(engine.queue_head + engine.queue_len++) % QUEUE_MAX] = *event;
		if (engine.queue_len >= UNDER_LOAD_LEN)
			engine.under_load_until_ns = now_ns + SECOND_NS;
	}
}

/* Read the events there are, within reason; nothing is handled yet. */
static void drain_events(void)
{
	uint64_t now_ns = clock_boottime_ns();
	struct event event;

	for (int i = 0; i < EVENTS_PER_ROUND; i++) {
		if (!ipc_next(ENGINE_FD_DATAPATH, &event, sizeof(event), NULL, "datapath"))
			return;
		take_event(&event, now_ns);
	}
}

/* To the datapath. While it is slow its events are read: it may be waiting for us to do so. */
static void send_control(const struct control *control)
{
	int r;

	while ((r = ipc_try_send(ENGINE_FD_DATAPATH, control, sizeof(*control))) == -EAGAIN) {
		struct pollfd fd = {.fd = ENGINE_FD_DATAPATH, .events = POLLIN | POLLOUT};

		if (poll(&fd, 1, -1) > 0 && (fd.revents & POLLIN))
			drain_events();
	}
	if (r < 0)
		ipc_fail("datapath", r);
}

/* What was emitted goes out together: the datapath is woken up once for all of it. */
static void flush_controls(void)
{
	if (engine.num_controls)
		memory_keep();
	for (unsigned i = 0; i < engine.num_controls; i++)
		send_control(&engine.controls[i]);
	wipe(engine.controls, engine.num_controls * sizeof(engine.controls[0]));
	engine.num_controls = 0;
}

static void emit(void *ctx, const struct control *control)
{
	(void)ctx;
	if (engine.num_controls == CONTROLS_MAX)
		flush_controls();
	engine.controls[engine.num_controls++] = *control;
}

static void get_random(void *ctx, void *ret_bytes, size_t len)
{
	(void)ctx;
	if (getrandom(ret_bytes, len, 0) != (ssize_t)len)
		role_fail("getrandom", -errno);
}

static struct device_time now(void)
{
	return (struct device_time){clock_boottime_ns(), clock_wall_ns()};
}

static void handle_notices(void)
{
	struct device_time time = now();
	size_t num = engine.num_notices;

	if (num == 0)
		return;
	/* handling may read more, which moves the list, and waits for the next time */
	for (size_t i = 0; i < num; i++) {
		struct event event = engine.notices[i];

		device_handle_event(engine.device, &event, false, time);
	}
	flush_controls();
	engine.num_notices -= num;
	memmove(engine.notices, engine.notices + num, engine.num_notices * sizeof(struct event));
}

/* Handshake messages that led to nothing: this many in a second are an attack, however short the
 * queue. */
static void count_futile(unsigned num, uint64_t now_ns)
{
	if (now_ns >= engine.futile_since_ns + SECOND_NS) {
		engine.futile_since_ns = now_ns;
		engine.num_futile = 0;
	}
	engine.num_futile += num;
	if (engine.num_futile >= FUTILE_MAX)
		engine.under_load_until_ns = now_ns + SECOND_NS;
}

/* Taken out of the queue only when handled: handling may read more into it. */
static void handle_handshakes(void)
{
	for (int i = 0; i < HANDSHAKES_PER_ROUND && engine.queue_len > 0; i += NOISE_MIXES_MAX) {
		const struct event *events[NOISE_MIXES_MAX];
		struct device_time time = now();
		unsigned num = 0, num_futile;

		for (; num < NOISE_MIXES_MAX && num < engine.queue_len; num++)
			events[num] = &engine.queue[(engine.queue_head + num) % QUEUE_MAX];
		num_futile = device_handle_handshakes(
			engine.device, events, num, time.now_ns < engine.under_load_until_ns, time);
		flush_controls();
		count_futile(num_futile, time.now_ns);
		engine.queue_head = (engine.queue_head + num) % QUEUE_MAX;
		engine.queue_len -= num;
	}
}

/* --- the monitor ----------------------------------------------------- */

static int handle_request(const struct request *request)
{
	const struct ack ack = {REQUEST_SYNC};
	int r;

	switch ((enum request_type)request->type) {
	case REQUEST_SYNC:
		ipc_tell(ENGINE_FD_MONITOR, &ack, sizeof(ack), "monitor");
		memory_rest();
		return 0;
	case REQUEST_SET_PUBLIC_KEY:
		device_set_public_key(engine.device, request->key);
		return 0;
	case REQUEST_SET_LINK:
		device_set_up(engine.device, request->link.up, now());
		return 0;
	case REQUEST_ADD_PEER:
		/* what the datapath said of the last peer of this number is not about this one */
		drain_events();
		handle_notices();
		r = device_add_peer(engine.device, request->peer_id, request->key);
		memory_hide_heap();
		return r;
	case REQUEST_REMOVE_PEER:
		device_remove_peer(engine.device, request->peer_id);
		return 0;
	case REQUEST_SET_KEEPALIVE:
		return device_set_keepalive(engine.device, request->peer_id,
			(uint16_t)request->keepalive_s, clock_boottime_ns());
	default:
		return -EPROTO;
	}
}

static bool request_is_valid(const struct request *request)
{
	if (request->peer_id >= MAX_PEERS)
		return false;
	if (request->type == REQUEST_SET_LINK)
		return request_link_is_valid(request);
	return request->type != REQUEST_SET_KEEPALIVE || request->keepalive_s <= UINT16_MAX;
}

static void serve_monitor(void)
{
	struct request request;

	while (ipc_next(ENGINE_FD_MONITOR, &request, sizeof(request), NULL, "monitor")) {
		int r = request_is_valid(&request) ? handle_request(&request) : -EPROTO;

		if (r < 0)
			role_fail("request of the monitor", r);
		flush_controls();
	}
}

/* --- time ------------------------------------------------------------ */

static uint64_t time_asleep_ns(void)
{
	uint64_t monotonic_ns = clock_ns(CLOCK_MONOTONIC);

	return clock_ns(CLOCK_BOOTTIME) - monotonic_ns;
}

/* The kernel cancels this timer when the wall clock jumps, and when the machine wakes up. */
static void arm_clock_watch(void)
{
	const struct itimerspec never = {.it_value.tv_sec = INT64_C(1) << 33};
	uint64_t asleep_ns = time_asleep_ns();

	if (timerfd_settime(
		    engine.clock_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) < 0)
		role_fail("clock", -errno);
	if (asleep_ns > engine.asleep_ns + SUSPEND_MIN_NS) {
		log_debug("the machine was suspended: all sessions are forgotten");
		device_forget_sessions(engine.device);
	}
	engine.asleep_ns = asleep_ns;
}

static void arm_timer(void)
{
	static uint64_t armed_ns;
	uint64_t deadline_ns = device_next_deadline(engine.device);
	struct itimerspec at = {.it_value = clock_kernel_time(deadline_ns)};

	if (deadline_ns == armed_ns)
		return;
	armed_ns = deadline_ns;
	if (timerfd_settime(engine.timer_fd, TFD_TIMER_ABSTIME, &at, NULL) < 0)
		role_fail("timer", -errno);
}

static noreturn void run(void)
{
	struct pollfd fds[] = {{.fd = ENGINE_FD_MONITOR, .events = POLLIN},
		{.fd = ENGINE_FD_DATAPATH, .events = POLLIN},
		{.fd = engine.timer_fd, .events = POLLIN},
		{.fd = engine.clock_fd, .events = POLLIN}};
	uint64_t expirations;

	for (;;) {
		bool idle = engine.queue_len == 0 && engine.num_notices == 0;
		bool works_ahead = idle && device_has_work_ahead(engine.device);
		int num;

		arm_timer();
		num = poll(fds, ARRAY_SIZE(fds), idle && !works_ahead ? -1 : 0);
		if (num < 0 && errno != EINTR)
			role_fail("poll", -errno);
		if (num == 0 && works_ahead) {
			memory_keep();
			device_work_ahead(engine.device);
			memory_hide_heap();
		}
		if (fds[3].revents) {
			(void)!read(engine.clock_fd, &expirations, sizeof(expirations));
			arm_clock_watch();
		}
		if (fds[2].revents)
			(void)!read(engine.timer_fd, &expirations, sizeof(expirations));
		if (fds[1].revents)
			drain_events();
		handle_notices();
		handle_handshakes();
		if (fds[0].revents)
			serve_monitor();
		device_run_timers(engine.device, now());
		flush_controls();
	}
}

void engine_main(const char *ifname)
{
	const struct device_ops ops = {.emit = emit, .random = get_random, .keys = {.mix = mix}};

	(void)ifname;
	engine.page = status_map(ENGINE_FD_STATUS);
	engine.timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	engine.clock_fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	engine.asleep_ns = time_asleep_ns();
	if (!engine.page || engine.timer_fd < 0 || engine.clock_fd < 0)
		role_fail("cannot start", -errno);
	roles_init_crypto();
	engine.device = device_new(&ops, engine.page);
	if (!engine.device)
		role_fail("cannot start", -ENOMEM);
	arm_clock_watch();
	roles_enter_sandbox(ROLE_ENGINE);
	run();
}
