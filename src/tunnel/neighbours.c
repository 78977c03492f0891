/* SPDX-License-Identifier: MIT
 *
 * The monitor's calls of the other processes.
 */
#include "tunnel/neighbours.h"

#include <errno.h>

static const char *name_of(const struct neighbours *n, int fd)
{
	return fd == n->vault ? "the vault" : fd == n->engine ? "the engine" : "the datapath";
}

void neighbours_tell(struct neighbours *n, int fd, const struct request *request)
{
	int r = ipc_send(fd, request, sizeof(*request));

	if (r < 0)
		n->fail(name_of(n, fd), r);
}

static void receive(struct neighbours *n, int fd, void *message, size_t len)
{
	int r = ipc_receive(fd, message, len);

	if (r < 0)
		n->fail(name_of(n, fd), r);
}

void neighbours_sync(struct neighbours *n, int fd)
{
	const struct request request = {.type = REQUEST_SYNC};
	struct ack ack = {0};

	neighbours_tell(n, fd, &request);
	receive(n, fd, &ack, sizeof(ack));
	if (ack.type != REQUEST_SYNC)
		n->fail(name_of(n, fd), -EPROTO);
}

void neighbours_refuse_unasked(struct neighbours *n)
{
	const int fds[] = {n->vault, n->engine, n->datapath};
	uint8_t byte;

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		int r = ipc_try_receive(fds[i], &byte, sizeof(byte), NULL);

		if (r != -EAGAIN)
			n->fail(name_of(n, fds[i]), r == 0 ? -EPROTO : r);
	}
}

static void send_to_vault(
	struct neighbours *n, enum vault_request_type type, uint32_t peer_id, const uint8_t *a)
{
	struct vault_request request = {.type = type, .peer_id = peer_id};
	int r;

	if (a)
		memcpy(request.a, a, KEY_LEN);
	r = ipc_send(n->vault, &request, sizeof(request));
	wipe(&request, sizeof(request));
	if (r < 0)
		n->fail("the vault", r);
}

static void receive_from_vault(struct neighbours *n, uint8_t *ret_a)
{
	struct vault_reply reply = {0};

	receive(n, n->vault, &reply, sizeof(reply));
	if (reply.error)
		n->fail("the vault", ipc_error_is_valid(reply.error) ? reply.error : -EPROTO);
	if (ret_a)
		memcpy(ret_a, reply.a, KEY_LEN);
	wipe(&reply, sizeof(reply));
}

static void settle_vault(struct neighbours *n)
{
	for (; n->vault_window > 0; n->vault_window--)
		receive_from_vault(n, NULL);
}

void neighbours_tell_vault(
	struct neighbours *n, enum vault_request_type type, uint32_t peer_id, const uint8_t *a)
{
	send_to_vault(n, type, peer_id, a);
	if (++n->vault_window == VAULT_WINDOW)
		settle_vault(n);
}

void neighbours_ask_vault(struct neighbours *n, enum vault_request_type type, uint32_t peer_id,
	const uint8_t *a, uint8_t *ret_a)
{
	settle_vault(n);
	send_to_vault(n, type, peer_id, a);
	receive_from_vault(n, ret_a);
}

void neighbours_settle(struct neighbours *n)
{
	settle_vault(n);
	neighbours_sync(n, n->datapath);
	for (size_t i = 0; i < n->num_later; i++)
		neighbours_tell(n, n->engine, &n->later[i]);
	n->num_later = 0;
	neighbours_sync(n, n->engine);
}

void neighbours_tell_engine_later(struct neighbours *n, const struct request *request)
{
	n->later[n->num_later++] = *request;
	if (n->num_later == LATER_MAX)
		neighbours_settle(n);
}

void neighbours_hand_over(
	struct neighbours *n, const struct request *request, const int *fds, size_t num_fds)
{
	int r = ipc_send_fds(n->datapath, request, sizeof(*request), fds, num_fds);

	if (r < 0)
		n->fail("the datapath", r);
	neighbours_sync(n, n->datapath);
}

void neighbours_ask_report(struct neighbours *n, uint32_t peer_id, uint32_t cursor)
{
	const struct request request = {
		.type = REQUEST_GET_PEER, .peer_id = peer_id, .cursor = cursor};

	neighbours_tell(n, n->datapath, &request);
}

struct report neighbours_read_report(struct neighbours *n)
{
	struct report report = {0};

	receive(n, n->datapath, &report, sizeof(report));
	if (report.num_prefixes > REPORT_PREFIXES || !endpoint_is_valid(&report.endpoint))
		n->fail("the datapath", -EPROTO);
	for (uint32_t i = 0; i < report.num_prefixes; i++) {
		if (!prefix_is_valid(&report.prefixes[i]))
			n->fail("the datapath", -EPROTO);
	}
	return report;
}

bool neighbours_next_wanted(struct neighbours *n, struct prefix *ret_address)
{
	int r = ipc_try_receive(n->wanted, ret_address, sizeof(*ret_address), NULL);

	if (r == 0 && !prefix_is_address(ret_address))
		r = -EPROTO;
	if (r < 0 && r != -EAGAIN)
		n->fail("the datapath", r);
	return r == 0;
}
