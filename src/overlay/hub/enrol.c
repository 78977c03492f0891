/* SPDX-License-Identifier: MIT
 *
 * Enrolment, the hub's part. Many questions at once are one change of the tunnel.
 */
#include "overlay/hub/enrol.h"

#include <errno.h>
#include <stdnoreturn.h>
#include <unistd.h>

#include "base/log.h"
#include "privsep/ipc.h"

/* Take a node in that the store has admitted. Returns 0 or -ENOMEM. */
static int take_in(struct hub *hub, const struct node *node)
{
	const struct member *before = directory_member(&hub->directory, node->id);
	bool was_active = before != NULL && before->node.state == NODE_ACTIVE;
	const struct member *member;

	member = directory_put(&hub->directory, node);
	if (member == NULL)
		return -ENOMEM;
	if (member->realm->network.seq < node->seq)
		member->realm->network.seq = node->seq;
	hub->expire_s = hub_now_s();
	return node->state == NODE_ACTIVE && !was_active ? tunnel_add(&hub->tunnel, member) : 0;
}

static enum enrol_state enrol_state_of(const struct node *node)
{
	return node->state == NODE_ACTIVE    ? ENROL_ACTIVE
	       : node->state == NODE_PENDING ? ENROL_PENDING
					     : ENROL_EXPIRED;
}

static void write_answer(
	const struct hub *hub, const struct node *node, struct enrol_answer *ret_answer)
{
	const struct realm *realm = directory_realm_by_id(&hub->directory, node->network_id);
	const struct network *network = &realm->network;
	struct enrol_answer answer = {
		.version = ENROL_VERSION,
		.state = enrol_state_of(node),
		.node_id = (uint32_t)node->id,
		.hub_port = hub->setup.hub_port,
		.api_port = hub->setup.api_port,
	};

	memcpy(answer.name, node->name, sizeof(answer.name));
	if (node->state == NODE_ACTIVE) {
		memcpy(answer.hub_key, hub->setup.hub_key, KEY_LEN);
		answer.address4 = network_address(network, AF_INET, node->host);
		answer.address6 = network_address(network, AF_INET6, node->host);
		answer.hub_address4 = network_host_address(network, AF_INET, HUB_HOST);
		answer.hub_address6 = network_host_address(network, AF_INET6, HUB_HOST);
	}
	*ret_answer = answer;
}

/* Returns whether the node is answered. */
static bool decide(
	struct hub *hub, const struct door_question *question, struct door_verdict *ret_verdict)
{
	char from[ENDPOINT_TEXT_LEN];
	struct node node;
	bool is_new;
	int r = store_enrol(
		hub->store, question->node_key, &question->request, hub_now_s(), &node, &is_new);

	endpoint_to_text(from, &question->source);
	if (r == 0)
		r = take_in(hub, &node);
	if (r == 0)
		write_answer(hub, &node, &ret_verdict->answer);
	if (r == -EACCES)
		log_debug("enrolment from %s: refused", from);
	else if (r != 0)
		log_error(
			"enrolment: %s", r == -ENOMEM ? "out of memory" : store_error(hub->store));
	else
		log_debug("enrolment from %s: node %s, %s", from, node.name,
			is_new ? "new" : "known already");
	if (r == 0)
		hub->work.enrolments++;
	else
		hub->work.refusals++;
	return r == 0;
}

void enrol_decide(struct hub *hub, const struct door_question *questions, size_t num,
	struct door_verdict *ret_verdicts)
{
	int r;

	for (size_t i = 0; i < num; i++) {
		ret_verdicts[i] = (struct door_verdict){.number = questions[i].number};
		ret_verdicts[i].is_refused = !decide(hub, &questions[i], &ret_verdicts[i]);
	}
	r = tunnel_apply(&hub->tunnel);
	if (r != 0)
		log_error("tunnel: cannot add nodes: %s", strerror(-r));
}

/* The number is the door's own matter. */
static bool question_is_valid(const struct door_question *question)
{
	return question->source.family != 0 && endpoint_is_valid(&question->source) &&
	       enrol_request_is_valid(&question->request);
}

/* Everybody may talk to the door: whoever may have taken it over is not to have another try. */
static noreturn void end_because_of_door(int error)
{
	if (error == -EPIPE)
		ipc_fail("door", error);
	log_error("malformed message from the door: %s", strerror(-error));
	_exit(HUB_EXIT_DOOR);
}

static bool next_question(int door_fd, struct door_question *ret_question)
{
	int r = ipc_try_receive(door_fd, ret_question, sizeof(*ret_question), NULL);

	if (r == 0 && !question_is_valid(ret_question))
		r = -EPROTO;
	if (r < 0 && r != -EAGAIN)
		end_because_of_door(r);
	return r == 0;
}

/* A door that does not listen gets nothing, and does not hold us up. */
static void answer(int door_fd, const struct door_verdict *verdict)
{
	int r = ipc_try_send(door_fd, verdict, sizeof(*verdict));

	if (r < 0 && r != -EAGAIN)
		ipc_fail("door", r);
}

void enrol_serve(struct hub *hub, int door_fd)
{
	static struct door_question questions[ENROL_BATCH];
	static struct door_verdict verdicts[ENROL_BATCH];
	size_t num = 0;

	while (num < ENROL_BATCH && next_question(door_fd, &questions[num]))
		num++;
	enrol_decide(hub, questions, num, verdicts);
	for (size_t i = 0; i < num; i++)
		answer(door_fd, &verdicts[i]);
	wipe(questions, num * sizeof(*questions));
}
