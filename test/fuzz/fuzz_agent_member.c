/* SPDX-License-Identifier: MIT
 *
 * All that a hub may say to a member that has joined: lines of the stream, answers, ends; between
 * them packets that want somebody, time, and the state file. A line of input is an event:
 *
 *   L…      a line of the stream
 *   A200…   the answer to the last request, with its status and body
 *   E403…   the end of the stream
 *   W…      an address is wanted
 *   T9      time passes, a digit: 4^9 ms
 *   D       the tunnel dies
 *   J…      it begins anew with this state file
 *   S       it begins anew with the state file it writes itself
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "crypto/hash.h"
#include "world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct world w;

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void begin_anew(const json_t *json)
{
	struct member_settings settings = *member_settings(w.member);
	uint8_t private_key[KEY_LEN];
	int r;

	memset(private_key, 2, KEY_LEN);
	member_free(w.member);
	world_ops.close_tunnel(&w);
	world_ops.close_filter(&w);
	w.stream_is_open = false;
	w.deadline_ns = 0;
	w.member = member_new(&settings, private_key, &world_ops, &w);
	r = json ? member_load(w.member, json, w.now_ns) : 0;
	require(r == 0 || member_state(w.member) == MEMBER_ENROLLING);
	member_start(w.member, w.now_ns);
}

static int status_of(const char *text, size_t len, size_t *ret_len)
{
	int status = 0;

	for (*ret_len = 0;
		*ret_len < len && *ret_len < 3 && text[*ret_len] >= '0' && text[*ret_len] <= '9';
		++*ret_len)
		status = status * 10 + (text[*ret_len] - '0');
	return status ? status : -1;
}

static void answer(const char *text, size_t len)
{
	size_t digits;
	int status = status_of(text, len, &digits);

	if (w.num_requests > 0)
		member_answered(w.member, w.now_ns, world_last_request(&w)->id, status,
			text + digits, len - digits);
}

static void end_stream(const char *text, size_t len)
{
	size_t digits;
	int status = status_of(text, len, &digits);

	if (!w.stream_is_open)
		return;
	w.stream_is_open = false;
	member_stream_ended(w.member, w.now_ns, status, text + digits, len - digits);
}

static void want(const char *text, size_t len)
{
	char address[PREFIX_TEXT_LEN];
	struct prefix prefix;

	snprintf(address, sizeof(address), "%.*s", (int)len, text);
	if (prefix_from_text(&prefix, address) == 0 && prefix.cidr == address_bits(prefix.family))
		member_wanted(w.member, w.now_ns, &prefix);
}

static void restart(const char *text, size_t len, bool own)
{
	json_t *json = own ? member_save(w.member, w.now_ns) : json_loadb(text, len, 0, NULL);

	require(!own || json);
	if (json)
		begin_anew(json);
	json_decref(json);
}

static void take(const char *text, size_t len)
{
	switch (len > 0 ? *text : 0) {
	case 'L':
		if (w.stream_is_open)
			member_stream_line(w.member, w.now_ns, text + 1, len - 1);
		break;
	case 'A':
		answer(text + 1, len - 1);
		break;
	case 'E':
		end_stream(text + 1, len - 1);
		break;
	case 'W':
		want(text + 1, len - 1);
		break;
	case 'T':
		if (len > 1 && text[1] >= '0' && text[1] <= '9')
			world_pass(&w, MSEC_NS << 2 * (text[1] - '0'));
		break;
	case 'D':
		member_tunnel_died(w.member, w.now_ns);
		break;
	case 'J':
		restart(text + 1, len - 1, false);
		break;
	case 'S':
		restart(NULL, 0, true);
		break;
	default:
		break;
	}
}

/* The tunnel has the hub and whom the member knows, and nobody else. */
static void check(void)
{
	const struct member *m = w.member;
	json_t *status;
	struct text text = {0};

	if (m->is_up && w.num_peers < WORLD_PEERS)
		require(w.num_peers == m->num_peers + 1);
	require(m->is_up == w.tunnel_is_open);
	require(m->is_up || m->state != MEMBER_ACTIVE || m->up_ns != 0);
	require(m->state == MEMBER_ACTIVE || m->num_peers == 0);
	status = member_status(w.member, w.now_ns);
	require(status != NULL);
	json_decref(status);
	member_write_status(w.member, w.now_ns, &text);
	text_deinit(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool is_ready;

	if (!is_ready) {
		log_set_level(LOG_LEVEL_SILENT);
		require(crypto_init() == 0);
		is_ready = true;
	}
	world_init(&w);
	world_join(&w);
	while (size > 0) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t len = end ? (size_t)(end - data) : size;

		take((const char *)data, len);
		check();
		data += end ? len + 1 : len;
		size -= end ? len + 1 : len;
	}
	world_deinit(&w);
	return 0;
}
