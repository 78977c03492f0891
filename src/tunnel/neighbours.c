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

static void call(struct neighbours *n, int fd, const void *request, size_t request_len, void *reply,
	size_t reply_len)
{
	int r = ipc_call(fd, request, request_len, reply, reply_len);

	if (r < 0)
		n->fail(name_of(n, fd), r);
}

void neighbours_sync(struct neighbours *n, int fd)
{
	const struct request request = {.type = REQUEST_SYNC};
	struct ack ack = {0};

	call(n, fd, &request, sizeof(request), &ack, sizeof(ack));
	if (ack.type != REQUEST_SYNC)
		n->fail(name_of(n, fd), -EPROTO);
}

void neighbours_settle(struct neighbours *n)
{
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

void neighbours_ask_vault(struct neighbours *n, enum vault_request_type type, uint32_t peer_id,
	const uint8_t *a, uint8_t *ret_a)
{
	struct vault_request request = {.type = type, .peer_id = peer_id};
	struct vault_reply reply = {0};

	if (a)
		memcpy(request.a, a, KEY_LEN);
	call(n, n->vault, &request, sizeof(request), &reply, sizeof(reply));
	if (reply.error)
		n->fail("the vault", reply.error);
	if (ret_a)
		memcpy(ret_a, reply.a, KEY_LEN);
	wipe(&request, sizeof(request));
	wipe(&reply, sizeof(reply));
}

struct report neighbours_ask_report(struct neighbours *n, uint32_t peer_id, uint32_t cursor)
{
	const struct request request = {
		.type = REQUEST_GET_PEER, .peer_id = peer_id, .cursor = cursor};
	struct report report = {0};

	call(n, n->datapath, &request, sizeof(request), &report, sizeof(report));
	if (report.num_prefixes > REPORT_PREFIXES || !endpoint_is_valid(&report.endpoint))
		n->fail("the datapath", -EPROTO);
	for (uint32_t i = 0; i < report.num_prefixes; i++) {
		if (!prefix_is_valid(&report.prefixes[i]))
			n->fail("the datapath", -EPROTO);
	}
	return report;
}
