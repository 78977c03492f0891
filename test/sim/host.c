/* SPDX-License-Identifier: MIT
 *
 * A host at work: what its processes do with time and datagrams, in the order in which engine.c,
 * datapath.c and the monitor do it.
 */
#include "host_internal.h"

#include "insider.h"
#include "network.h"
#include "traffic.h"
#include "watch.h"

#define WALL_START_NS (UINT64_C(1700000000) * SECOND_NS)

struct host hosts[HOSTS_MAX];
unsigned num_hosts;

static void datapath_runs(void *ctx, uint64_t boot_ns);
static void engine_runs(void *ctx, uint64_t boot_ns);

uint32_t host_peer_id(const struct host *host, const struct host *other)
{
	return FIRST_PEER_ID + host->number % PEER_ID_STEP + other->number * PEER_ID_STEP;
}

struct host *host_by_peer_id(const struct host *host, uint32_t peer_id)
{
	const uint32_t first = FIRST_PEER_ID + host->number % PEER_ID_STEP;
	const uint32_t number = (peer_id - first) / PEER_ID_STEP;

	return peer_id >= first && (peer_id - first) % PEER_ID_STEP == 0 && number < num_hosts
		       ? &hosts[number]
		       : NULL;
}

struct device_time host_time(const struct host *host)
{
	return (struct device_time){world.now_ns - host->boot_ns,
		WALL_START_NS + world.now_ns + (uint64_t)host->wall_ahead_ns};
}

/* --- work for engine and datapath ------------------------------------ */

void host_engine_is_wanted(struct host *host)
{
	if (host->engine_is_due)
		return;
	host->engine_is_due = true;
	world_at(world.now_ns + host->ipc_delay_ns, engine_runs, host, host->boot_ns);
}

void host_datapath_is_wanted(struct host *host)
{
	if (host->datapath_is_due)
		return;
	host->datapath_is_due = true;
	world_at(world.now_ns + host->ipc_delay_ns, datapath_runs, host, host->boot_ns);
}

static void timers_are_due(void *ctx, uint64_t boot_ns)
{
	struct host *host = ctx;

	if (!host->is_running || host->boot_ns != boot_ns || world.now_ns < host->armed_ns)
		return;
	host->armed_ns = 0;
	if (!host->is_asleep)
		host_engine_is_wanted(host);
}

static void arm_timers(struct host *host)
{
	const uint64_t deadline_ns = device_next_deadline(host->device);
	uint64_t at_ns = deadline_ns + host->boot_ns;

	if (!deadline_ns)
		return;
	if (at_ns < world.now_ns)
		at_ns = world.now_ns;
	if (host->armed_ns && host->armed_ns <= at_ns)
		return;
	host->armed_ns = at_ns;
	world_at(at_ns, timers_are_due, host, host->boot_ns);
}

/* --- what the core asks of its surroundings --------------------------- */

static void draw(void *ctx, void *ret_bytes, size_t len)
{
	struct host *host = ctx;
	uint8_t *bytes = ret_bytes;

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)random_next(&host->random);
	if (len == 4 && host->has_few_indices)
		bytes[0] = bytes[1] = bytes[2] = 0;
	if (len == KEY_LEN)
		secrets_drawn(host, ret_bytes);
}

static void mix(void *ctx, enum noise_secret secret, struct noise_mix *mixes, unsigned num)
{
	struct host *host = ctx;

	keyring_mix(host->keyring, secret, mixes, num);
	for (unsigned i = 0; i < num; i++) {
		if (mixes[i].error == 0)
			secrets_mixed(host, mixes[i].peer_id, mixes[i].ck, mixes[i].key);
	}
}

static void emit_control(void *ctx, const struct control *control)
{
	struct host *host = ctx;
	struct memory *memory = memory_of(NULL);

	watch_control(host, control);
	must_hold(host->num_outbox < OUTBOX_MAX, "a call emits few controls", "host %u",
		host->number);
	host->outbox[host->num_outbox++] = *control;
	host_datapath_is_wanted(host);
	memory_of(memory);
}

/* Handshake messages are dropped when there are too many. */
static bool queue_is_full(struct host *host, const struct event *event)
{
	if (event->type != EVENT_HANDSHAKE_MESSAGE)
		return false;
	if (host->num_handshakes < host->max_handshakes) {
		host->num_handshakes++;
		if (host->num_handshakes >= host->under_load_at)
			host->under_load_until_ns = world.now_ns + SECOND_NS;
		return false;
	}
	status_drop(host->page, DROP_QUEUE_FULL, 1);
	return true;
}

static void emit_event(void *ctx, const struct event *event)
{
	struct host *host = ctx;
	struct memory *memory = memory_of(NULL);
	struct notice *notice = &host->inbox[host->num_inbox];

	watch_event(host, event);
	if (host->device && !queue_is_full(host, event)) {
		must_hold(host->num_inbox < INBOX_MAX, "events are few", "host %u", host->number);
		*notice = (struct notice){.event = *event};
		if (host->receiving) {
			notice->id = host->receiving->id;
			notice->from = host->receiving->from;
			notice->has_stolen_cookie = host->receiving->has_stolen_cookie;
		}
		host->num_unsaid += event->type == EVENT_KEYPAIR_GONE;
		host->num_inbox++;
		host_engine_is_wanted(host);
	}
	memory_of(memory);
}

static void deliver(void *ctx, struct batch *packets)
{
	for (unsigned i = 0; i < packets->num; i++)
		traffic_delivered(ctx, packets->packets[i].data, packets->packets[i].len);
}

static void send_datagrams(void *ctx, struct batch *datagrams)
{
	static struct datagram datagram;
	struct host *host = ctx;
	struct memory *memory = memory_of(NULL);

	for (unsigned i = 0; i < datagrams->num; i++) {
		const struct packet *packet = &datagrams->packets[i];

		must_hold(packet->len <= DATAGRAM_MAX, "datagrams fit the MTU", "%u bytes",
			packet->len);
		datagram = (struct datagram){
			.destination = *packet->endpoint, .tos = packet->tos, .len = packet->len};
		memcpy(datagram.data, packet->data, packet->len);
		watch_sent(host, &datagram);
		host->num_sent++;
		network_send(host, &datagram);
		if (datagram_type(&datagram) != MESSAGE_DATA && host->crash_at_message &&
			--host->crash_at_message == 0)
			world_at(world.now_ns, host->crash, host, 0);
	}
	memory_of(memory);
}

static void want(void *ctx, const struct prefix *address)
{
	(void)ctx;
	(void)address;
}

const struct device_ops host_device_ops = {
	.emit = emit_control, .random = draw, .keys = {.mix = mix}};
const struct transport_ops host_transport_ops = {
	.send = send_datagrams, .deliver = deliver, .emit = emit_event, .want = want};

/* --- the engine ------------------------------------------------------ */

static bool is_handshake(const struct notice *notice)
{
	return notice->event.type == EVENT_HANDSHAKE_MESSAGE;
}

/* Everything but handshake messages is short and comes first. */
void host_handle_notices(struct host *host)
{
	unsigned num_left = 0;

	for (unsigned i = 0; i < host->num_inbox; i++) {
		struct notice *notice = &host->inbox[i];

		if (is_handshake(notice)) {
			host->inbox[num_left++] = *notice;
			continue;
		}
		host->num_unsaid -= notice->event.type == EVENT_KEYPAIR_GONE;
		device_handle_event(host->device, &notice->event, false, host_time(host));
	}
	host->num_inbox = num_left;
}

/* As many as there are, up to a few together. */
static void handle_handshakes(struct host *host)
{
	const struct event *events[NOISE_MIXES_MAX];
	unsigned num = 0, taken = 0;

	for (; taken < host->num_inbox && num < NOISE_MIXES_MAX; taken++) {
		if (device_expects(host->device, &host->inbox[taken].event))
			events[num++] = &host->inbox[taken].event;
	}
	host->handling = host->inbox;
	host->num_handling = taken;
	host->is_under_load = world.now_ns < host->under_load_until_ns;
	watch_handles(host);
	(void)device_handle_handshakes(
		host->device, events, num, host->is_under_load, host_time(host));
	watch_handled(host);
	host->num_handling = 0;
	host->num_handshakes -= taken;
	host->num_inbox -= taken;
	memmove(host->inbox, host->inbox + taken, host->num_inbox * sizeof(host->inbox[0]));
}

static void work_ahead(struct host *host)
{
	struct memory *memory = memory_of(&host->memory);

	secrets_enter(host);
	device_work_ahead(host->device);
	memory_of(memory);
	secrets_leave(host, true);
}

void host_enter_engine(struct host *host)
{
	secrets_enter(host);
	memory_of(&host->memory);
}

void host_leave_engine(struct host *host)
{
	memory_of(NULL);
	secrets_leave(host, false);
	arm_timers(host);
	watch_bounds(host);
}

static void engine_runs(void *ctx, uint64_t boot_ns)
{
	struct host *host = ctx;

	if (!host->is_running || host->boot_ns != boot_ns)
		return;
	host->engine_is_due = false;
	if (host->is_asleep)
		return;
	host_enter_engine(host);
	host_handle_notices(host);
	if (host->num_inbox)
		handle_handshakes(host);
	device_run_timers(host->device, host_time(host));
	host_leave_engine(host);
	if (host->num_inbox)
		host_engine_is_wanted(host);
	else if (device_has_work_ahead(host->device) && random_chance(700))
		work_ahead(host);
}

/* --- the datapath ---------------------------------------------------- */

void host_enter_datapath(struct host *host)
{
	memory_of(&host->memory);
}

void host_leave_datapath(struct host *host)
{
	memory_of(NULL);
	(void)host;
}

/* All that the engine has said. */
void host_serve_engine(struct host *host)
{
	host_enter_datapath(host);
	for (unsigned i = 0; i < host->num_outbox; i++)
		transport_handle_control(host->transport, &host->outbox[i], host_time(host).now_ns);
	host->num_outbox = 0;
	host_leave_datapath(host);
	watch_bounds(host);
}

static void datapath_runs(void *ctx, uint64_t boot_ns)
{
	struct host *host = ctx;

	if (!host->is_running || host->boot_ns != boot_ns)
		return;
	host->datapath_is_due = false;
	if (!host->is_asleep)
		host_serve_engine(host);
}

static struct transport_worker *some_worker(struct host *host)
{
	return host->workers[random_below(ARRAY_SIZE(host->workers))];
}

void host_send(struct host *host, struct batch *packets)
{
	if (!host->is_running || host->is_asleep)
		return;
	host_enter_datapath(host);
	transport_encrypt(some_worker(host), packets, host_time(host).now_ns);
	host_leave_datapath(host);
	watch_bounds(host);
}

void host_receive(struct host *host, const struct datagram *datagram)
{
	static uint8_t buffer[PACKET_BUF];
	struct endpoint source = datagram->source;
	struct batch batch = {.num = 1};

	memcpy(buffer + PACKET_HEADROOM, datagram->data, datagram->len);
	batch.packets[0] = (struct packet){.data = buffer + PACKET_HEADROOM,
		.len = datagram->len,
		.tos = datagram->tos,
		.endpoint = &source};
	trace_bytes("receives", host->number, datagram->data, datagram->len);
	if (host->is_hostile)
		insider_receives(host, datagram);
	watch_receives(host, datagram);
	host->receiving = datagram;
	host_enter_datapath(host);
	transport_decrypt(some_worker(host), &batch, host_time(host).now_ns);
	host_leave_datapath(host);
	host->receiving = NULL;
	watch_received(host, datagram);
}
