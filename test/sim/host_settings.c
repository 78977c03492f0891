/* SPDX-License-Identifier: MIT
 *
 * What befalls a host from outside: it is switched on and off, sleeps, and has its settings changed
 * in the order in which the monitor tells its neighbours.
 */
#include "host_internal.h"

#include <stdlib.h>

#include "network.h"
#include "watch.h"

#define UPTIME_MAX_NS (60 * SECOND_NS)
#define CLOCK_MARGIN_NS (60 * SECOND_NS) /* for timestamps that ran ahead of the clock */
#define SUSPEND_MIN_NS SECOND_NS

enum { WIDE_NET = 10 }; /* 10.0.0.0/8 */

static void draw_key(uint8_t ret_private[KEY_LEN])
{
	for (unsigned i = 0; i < KEY_LEN; i++)
		ret_private[i] = (uint8_t)random_below(256);
}

struct host *host_new(void)
{
	struct host *host = &hosts[num_hosts];
	struct keyring *keyring = keyring_new();

	memset(host, 0, sizeof(*host));
	host->number = num_hosts++;
	host->address = network_new_address();
	host->inner[0] = WIDE_NET;
	host->inner[2] = (uint8_t)(host->number / 200);
	host->inner[3] = (uint8_t)(1 + host->number % 200);
	host->random = random_next(&world.chance);
	host->max_handshakes = 64;
	host->under_load_at = 48;
	draw_key(host->private_key);
	keyring_set_private_key(keyring, host->private_key, host->public_key);
	keyring_free(keyring);
	return host;
}

/* --- on and off ------------------------------------------------------ */

static void start_processes(struct host *host)
{
	struct device_ops device_ops = host_device_ops;
	struct transport_ops transport_ops = host_transport_ops;

	device_ops.ctx = device_ops.keys.ctx = transport_ops.ctx = host;
	host->memory.before_free = secrets_check_freed;
	host->memory.ctx = host;
	memory_of(&host->memory);
	/* as much of it as there can be peers */
	host->page = calloc(1,
		offsetof(struct status_page, peers) + PEER_IDS_MAX * sizeof(host->page->peers[0]));
	host->keyring = keyring_new();
	host->device = device_new(&device_ops, host->page);
	host->transport = transport_new(&transport_ops, host->page);
	host->workers[0] = transport_first_worker(host->transport);
	host->workers[1] = host->has_two_workers ? transport_add_worker(host->transport, host)
						 : host->workers[0];
	memory_of(NULL);
}

void host_start(struct host *host)
{
	trace("starts", host->number, 0, 0);
	host->boot_ns = world.now_ns - 1 - random_below(UPTIME_MAX_NS);
	host->is_running = true;
	host->is_asleep = host->is_up = false;
	start_processes(host);
	host_set_private_key(host, host->private_key);
	for (unsigned i = 0; i < num_hosts; i++) {
		struct acquaintance known = host->others[i];

		if (!known.is_peer)
			continue;
		host->others[i] = (struct acquaintance){0};
		host_add_peer(host, &hosts[i]);
		host_set_psk(host, &hosts[i], known.psk);
		host_set_keepalive(host, &hosts[i], known.keepalive_s);
	}
	host_set_up(host, true);
}

static void check_all_freed(const struct host *host)
{
	must_hold(host->memory.num_blocks == 0, "all memory is freed", "host %u keeps %zu blocks",
		host->number, host->memory.num_blocks);
}

void host_stop(struct host *host)
{
	struct device *device = host->device;

	if (!host->is_running)
		return;
	trace("stops", host->number, 0, 0);
	host->is_running = false;
	host->device = NULL; /* nobody hears the datapath any more */
	memory_of(&host->memory);
	transport_free(host->transport);
	device_free(device);
	keyring_free(host->keyring);
	free(host->page);
	memory_of(NULL);
	check_all_freed(host);
	for (struct session *s = host->sessions; s && !s->is_gone; s = s->next)
		s->is_gone = true;
	host->transport = NULL;
	host->keyring = NULL;
	host->page = NULL;
	host->num_inbox = host->num_handshakes = host->num_outbox = host->num_unsaid = 0;
	host->engine_is_due = host->datapath_is_due = false;
	host->armed_ns = host->under_load_until_ns = 0;
	memset(&host->secrets, 0, sizeof(host->secrets));
	/* A machine may start again with any wall clock but one in the past: that is rightly
	 * refused. */
	host->wall_ahead_max_ns += (int64_t)CLOCK_MARGIN_NS;
	host->wall_ahead_ns = host->wall_ahead_max_ns;
}

void host_sleep(struct host *host)
{
	trace("sleeps", host->number, 0, 0);
	host->is_asleep = true;
	host->asleep_since_ns = world.now_ns;
}

void host_wake(struct host *host)
{
	trace("wakes", host->number, 0, 0);
	host->is_asleep = false;
	if (world.now_ns > host->asleep_since_ns + SUSPEND_MIN_NS) {
		host_enter_engine(host);
		device_forget_sessions(host->device);
		for (unsigned i = 0; i < num_hosts; i++)
			secrets_forget_handshake(host, host_peer_id(host, &hosts[i]));
		host_leave_engine(host);
	}
	host_engine_is_wanted(host);
	host_datapath_is_wanted(host);
}

/* --- settings -------------------------------------------------------- */

static void must_be_done(int r)
{
	must_hold(r == 0, "settings can be made", "error %d", r);
}

static void allow(struct host *host, const struct host *other, uint32_t id)
{
	struct prefix prefix = {.family = AF_INET, .cidr = 32};

	memcpy(prefix.addr, other->inner, 4);
	must_be_done(
		transport_add_allowed_ip(host->transport, id, &prefix, host_time(host).now_ns));
	if (other->number != 0)
		return;
	prefix.cidr = 8;
	must_be_done(
		transport_add_allowed_ip(host->transport, id, &prefix, host_time(host).now_ns));
}

void host_add_peer(struct host *host, struct host *other)
{
	const uint32_t id = host_peer_id(host, other);
	struct acquaintance *a = &host->others[other->number];

	trace("adds peer", host->number, other->number, 0);
	*a = (struct acquaintance){.is_peer = true};
	memcpy(a->public_key, other->public_key, KEY_LEN);
	if (!host->is_running)
		return;
	memory_of(&host->memory);
	must_be_done(keyring_add_peer(host->keyring, id, a->public_key));
	host_enter_datapath(host);
	transport_lock(host->transport);
	must_be_done(transport_add_peer(host->transport, id));
	if (other->is_anchor)
		transport_set_endpoint(host->transport, id, &other->address);
	allow(host, other, id);
	transport_unlock(host->transport);
	host_leave_datapath(host);
	host_enter_engine(host);
	host_handle_notices(host); /* of the last peer of this number, if there are any */
	must_be_done(device_add_peer(host->device, id, a->public_key));
	host_leave_engine(host);
}

void host_remove_peer(struct host *host, struct host *other)
{
	const uint32_t id = host_peer_id(host, other);

	trace("removes peer", host->number, other->number, 0);
	if (host->is_running) {
		host_enter_engine(host);
		device_remove_peer(host->device, id);
		watch_forgets(host, other);
		host_leave_engine(host);
		host_serve_engine(host);
		host_enter_datapath(host);
		transport_lock(host->transport);
		transport_remove_peer(host->transport, id);
		transport_unlock(host->transport);
		keyring_remove_peer(host->keyring, id);
		host_leave_datapath(host);
	}
	host->others[other->number] = (struct acquaintance){0};
}

void host_set_psk(struct host *host, struct host *other, const uint8_t psk[KEY_LEN])
{
	memcpy(host->others[other->number].psk, psk, KEY_LEN);
	if (host->is_running)
		must_be_done(keyring_set_psk(host->keyring, host_peer_id(host, other), psk));
}

static void set_datapath_key(struct host *host)
{
	host_enter_datapath(host);
	transport_lock(host->transport);
	transport_set_public_key(host->transport, host->public_key);
	transport_unlock(host->transport);
	host_leave_datapath(host);
}

void host_set_private_key(struct host *host, const uint8_t private_key[KEY_LEN])
{
	trace_bytes("private key", host->number, private_key, KEY_LEN);
	memmove(host->private_key, private_key, KEY_LEN);
	host_enter_datapath(host);
	keyring_set_private_key(host->keyring, private_key, host->public_key);
	host_leave_datapath(host);
	set_datapath_key(host);
	host_enter_engine(host);
	device_set_public_key(host->device, host->public_key);
	for (unsigned i = 0; i < num_hosts; i++)
		watch_forgets(host, &hosts[i]);
	host_leave_engine(host);
	host_serve_engine(host);
}

void host_set_keepalive(struct host *host, struct host *other, uint16_t interval_s)
{
	host->others[other->number].keepalive_s = interval_s;
	if (!host->is_running)
		return;
	host_enter_engine(host);
	must_be_done(device_set_keepalive(
		host->device, host_peer_id(host, other), interval_s, host_time(host).now_ns));
	host_leave_engine(host);
}

static void set_datapath_link(struct host *host, bool up)
{
	host_serve_engine(host);
	host_enter_datapath(host);
	transport_lock(host->transport);
	transport_set_link(host->transport, up, SIM_MTU);
	transport_unlock(host->transport);
	host_leave_datapath(host);
}

/* Packets may flow only while the engine watches. */
void host_set_up(struct host *host, bool up)
{
	trace("interface", host->number, up, 0);
	host->is_up = up;
	if (up)
		set_datapath_link(host, true);
	host_enter_engine(host);
	for (unsigned i = 0; i < num_hosts && !up; i++)
		watch_forgets(host, &hosts[i]);
	device_set_up(host->device, up, host_time(host));
	host_leave_engine(host);
	if (!up)
		set_datapath_link(host, false);
}
