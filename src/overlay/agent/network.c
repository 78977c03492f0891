/* SPDX-License-Identifier: MIT
 *
 * A network of this machine: a member, and all that it acts through.
 */
#include "overlay/agent/network_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "crypto/dh.h"
#include "overlay/agent/state.h"

/* --- small things ----------------------------------------------------- */

static void network_random(void *ctx, void *ret_bytes, size_t len)
{
	(void)ctx;
	if (getrandom(ret_bytes, len, 0) != (ssize_t)len)
		abort(); /* does not happen for so few bytes */
}

static int64_t network_wall_s(void *ctx)
{
	(void)ctx;
	return (int64_t)(clock_wall_ns() / SECOND_NS);
}

static void network_schedule(void *ctx, uint64_t deadline_ns)
{
	const struct network *n = network_of(ctx);

	loop_set_timer(n->agent->loop, n->timer, deadline_ns);
}

static void timer_due(void *ctx, uint64_t now_ns)
{
	member_tick(network_of(ctx)->member, now_ns);
}

/* --- disk ------------------------------------------------------------- */

static int write_json(const struct network *n, enum state_file file, json_t *json)
{
	int r = json ? state_write(AGENT_FD_STATE, n->name, file, json) : -ENOMEM;

	json_decref(json);
	return r;
}

static int save_key(struct network *n)
{
	int r = n->key_is_saved ? 0 : state_write_key(AGENT_FD_STATE, n->name, n->private_key);

	if (r == 0)
		n->key_is_saved = true;
	return r;
}

/* Whether the file would be the same. */
static bool is_saved(const struct network *n, const struct member_settings *settings)
{
	json_t *before = member_settings_save(&n->saved), *now = member_settings_save(settings);
	bool is_same = json_equal(before, now);

	json_decref(before);
	json_decref(now);
	return is_same;
}

/* What a file in the folder of settings says is not ours to keep. */
static int save_settings(struct network *n)
{
	const struct member_settings *settings = member_settings(n->member);
	int r = 0;

	if (!settings->is_configured && !is_saved(n, settings))
		r = write_json(n, STATE_JOIN, member_settings_save(settings));
	if (r == 0)
		n->saved = *settings;
	return r;
}

static int network_save(void *ctx)
{
	struct network *n = network_of(ctx);
	int r = save_key(n);

	if (r == 0)
		r = save_settings(n);
	if (r == 0)
		r = write_json(n, STATE_KNOWN, member_save(n->member, clock_boottime_ns()));
	return r;
}

static void network_left(void *ctx)
{
	network_of(ctx)->has_left = true;
}

static const struct member_ops ops = {
	.random = network_random,
	.wall_s = network_wall_s,
	.schedule = network_schedule,
	.send_enrol = network_send_enrol,
	.end_enrol = network_end_enrol,
	.open_tunnel = network_open_tunnel,
	.close_tunnel = network_close_tunnel,
	.set_tunnel = network_set_tunnel,
	.get_tunnel = network_get_tunnel,
	.set_address = network_set_address,
	.refuse = network_refuse,
	.open_filter = network_open_filter,
	.close_filter = network_close_filter,
	.set_filter = network_set_filter,
	.remove_filter = network_remove_filter,
	.endpoints = network_endpoints,
	.request = network_request,
	.open_stream = network_open_stream,
	.close_stream = network_close_stream,
	.save = network_save,
	.left = network_left,
};

/* --- life ------------------------------------------------------------- */

/* The node's key in this network: the one it had, or a new one. */
static int load_key(struct network *n)
{
	int r = state_read_key(AGENT_FD_STATE, n->name, n->private_key);

	n->key_is_saved = r == 0;
	if (r == 0)
		return 0;
	if (r != -ENOENT && r != -EBADMSG) {
		log_error("%s: the private key cannot be read: %s", n->name, strerror(-r));
		return r;
	}
	network_random(n, n->private_key, KEY_LEN);
	dh_clamp(n->private_key);
	return 0;
}

int network_new(
	struct agent *agent, const struct member_settings *settings, struct network **ret_network)
{
	struct network *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return -ENOMEM;
	*n = (struct network){.agent = agent,
		.door_fds = {-1, -1},
		.uapi_fd = -1,
		.watch_fd = -1,
		.port = settings->link.port,
		.timer = loop_add_timer(agent->loop, timer_due, n)};
	memcpy(n->name, settings->link.network, sizeof(n->name));
	memcpy(n->ifname, settings->ifname, sizeof(n->ifname));
	memcpy(n->host, settings->link.host, sizeof(n->host));
	r = n->timer < 0 ? n->timer : load_key(n);
	if (r == 0) {
		n->member = member_new(settings, n->private_key, &ops, n);
		r = n->member ? 0 : -ENOMEM;
	}
	if (r < 0)
		network_free(n);
	else
		*ret_network = n;
	return r;
}

static void load(struct network *n, uint64_t now_ns)
{
	json_t *json;
	int r = state_read(AGENT_FD_STATE, n->name, STATE_KNOWN, &json);

	if (r == -ENOMEM) /* or it would be forgotten with what is saved next */
		role_fail("what is known cannot be read", r);
	if (r < 0)
		return;
	if (member_load(n->member, json, now_ns) < 0)
		state_put_aside(AGENT_FD_STATE, n->name, STATE_KNOWN,
			"it makes no sense; the hub is asked anew");
	json_decref(json);
}

/* What is on disk need not be written again. */
static void load_settings(struct network *n)
{
	json_t *json;

	if (member_settings(n->member)->is_configured ||
		state_read(AGENT_FD_STATE, n->name, STATE_JOIN, &json) < 0)
		return;
	if (member_settings_load(&n->saved, json) < 0)
		n->saved = (struct member_settings){0};
	json_decref(json);
}

void network_start(struct network *n, uint64_t now_ns)
{
	int r = save_key(n);

	load_settings(n);

	/* before the join key is used: a node that forgot its own key needs another */
	if (r == 0)
		r = save_settings(n);
	if (r < 0)
		log_error("%s: its key and settings cannot be saved: %s", n->name, strerror(-r));
	load(n, now_ns);
	member_start(n->member, now_ns);
}

void network_end(struct network *n)
{
	if (!n->has_left)
		(void)network_save(n);
	/* without the filter, and with the tunnel, everybody could send everything */
	network_close_tunnel(n);
	network_close_filter(n);
}

void network_free(struct network *n)
{
	if (!n)
		return;
	resolver_cancel(n->resolver);
	while (n->asked) {
		http_cancel(n->asked->request);
		network_forget_asked(n, n->asked);
	}
	network_close_stream(n);
	network_end_enrol(n);
	network_close_uapi(n);
	loop_remove_timer(n->agent->loop, n->timer);
	member_free(n->member);
	network_close_filter(n);
	wipe(n, sizeof(*n));
	free(n);
}

struct member *network_member(const struct network *n)
{
	return n->member;
}

const char *network_name(const struct network *n)
{
	return n->name;
}

void network_leave(struct network *n, uint64_t now_ns, uint64_t control_id)
{
	n->control_id = control_id;
	member_leave(n->member, now_ns);
}

bool network_has_left(const struct network *n, uint64_t *ret_control_id)
{
	*ret_control_id = n->control_id;
	return n->has_left;
}
