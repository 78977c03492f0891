/* SPDX-License-Identifier: MIT
 *
 * Who hears of what: streams, what they resume with, and how much a change costs.
 */
#include "fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

/* --- a node that reads its stream ------------------------------------ */

struct reader {
	int fd;
	char data[1 << 18];
	size_t len;
	uint64_t seq; /* of the last line */
};

static void start(struct fixture *f, struct reader *reader, struct member *member, uint64_t since)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	*reader = (struct reader){.fd = fds[1]};
	changes_start_stream(&f->hub, member, fds[0], since);
}

static void stop(struct fixture *f, struct reader *reader)
{
	struct epoll_event event;

	close(reader->fd);
	while (epoll_wait(f->epoll_fd, &event, 1, 0) == 1)
		streams_dispatch(f->hub.streams, (uint32_t)event.data.u64, event.events,
			clock_boottime_ns());
}

static void fill(struct reader *reader)
{
	ssize_t len;

	while ((len = recv(reader->fd, reader->data + reader->len,
			sizeof(reader->data) - reader->len, MSG_DONTWAIT)) > 0)
		reader->len += (size_t)len;
}

/* Whether the hub has ended the stream, and all was read. */
static bool is_ended(struct reader *reader)
{
	char byte;

	fill(reader);
	return reader->len == 0 && recv(reader->fd, &byte, 1, MSG_DONTWAIT) == 0;
}

/* The next line as JSON, NULL: none. The head of the answer is left out. */
static json_t *next_line(struct reader *reader)
{
	char *end;
	json_t *line;
	size_t len;

	fill(reader);
	reader->data[reader->len] = '\0';
	if (strncmp(reader->data, "HTTP/1.1 200 OK\r\n", 17) == 0) {
		end = strstr(reader->data, "\r\n\r\n") + 4;
		reader->len -= (size_t)(end - reader->data);
		memmove(reader->data, end, reader->len + 1);
	}
	end = memchr(reader->data, '\n', reader->len);
	if (end == NULL)
		return NULL;
	len = (size_t)(end - reader->data);
	line = json_loadb(reader->data, len, 0, NULL);
	assert_non_null(line);
	reader->len -= len + 1;
	memmove(reader->data, end + 1, reader->len);
	assert_true((uint64_t)json_integer_value(json_object_get(line, "seq")) >= reader->seq);
	reader->seq = (uint64_t)json_integer_value(json_object_get(line, "seq"));
	return line;
}

/* Read all lines, each as "event" or "event name-or-id [reason]", separated by ";". */
static const char *lines(struct reader *reader)
{
	static char text[4096];
	size_t len = 0;
	json_t *line;

	text[0] = '\0';
	while ((line = next_line(reader)) != NULL) {
		const char *event = json_string_value(json_object_get(line, "event"));
		const json_t *peer = json_object_get(line, "peer");
		const char *reason = json_string_value(json_object_get(line, "reason"));
		const json_t *self = json_object_get(line, "self");

		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s%s%s;", event,
			peer != NULL || reason != NULL || self != NULL ? " " : "",
			peer != NULL   ? json_string_value(json_object_get(peer, "name"))
			: self != NULL ? json_string_value(json_object_get(self, "state"))
				       : "",
			reason != NULL ? reason : "");
		json_decref(line);
	}
	return text;
}

static void connect_nodes(struct fixture *f, struct member *from, const char *to)
{
	char body[80];

	snprintf(body, sizeof(body), "{\"name\": \"%s\"}", to);
	assert_int_equal(ask_as_node(f, from, "POST", "/v1/connect", body, NULL), 200);
}

/* anna, bob and carl in a network; anna and bob know each other. */
struct world {
	struct fixture *f;
	struct member *anna, *bob, *carl;
	struct reader to_anna, to_bob, to_carl;
};

static void enter(struct world *world, struct fixture *f)
{
	world->f = f;
	add_network(f, "lab");
	world->anna = add_node(f, "lab", "anna", 1, true, "person");
	world->bob = add_node(f, "lab", "bob", 2, true, "person");
	world->carl = add_node(f, "lab", "carl", 3, true, "robot");
	start(f, &world->to_anna, world->anna, 0);
	start(f, &world->to_bob, world->bob, 0);
	start(f, &world->to_carl, world->carl, 0);
	assert_string_equal(lines(&world->to_anna), "hello active;");
	assert_string_equal(lines(&world->to_bob), "hello active;");
	assert_string_equal(lines(&world->to_carl), "hello active;");
	connect_nodes(f, world->anna, "bob");
	assert_string_equal(lines(&world->to_anna), "");
	assert_string_equal(lines(&world->to_bob), "peer anna;");
}

static void leave(struct world *world)
{
	stop(world->f, &world->to_anna);
	stop(world->f, &world->to_bob);
	stop(world->f, &world->to_carl);
}

/* --- live ------------------------------------------------------------ */

/* What an admin does, and what each hears of it. */
static void test_changes_reach_those_concerned(void **state)
{
	static const struct {
		const char *method, *path, *body, *anna, *bob;
	} table[] = {
		{"PATCH", "/nodes/bob", "{\"tags\": [\"x\"]}", "peer bob;",
			"self active;peer anna;"},
		{"PATCH", "/nodes/bob", "{\"name\": \"rob\"}", "peer rob;",
			"self active;peer anna;"},
		{"PATCH", "/nodes/rob", "{\"name\": \"bob\"}", "peer bob;",
			"self active;peer anna;"},
		{"PATCH", "/nodes/carl", "{\"tags\": []}", "", ""},
		{"PATCH", "", "{\"default\": \"deny\"}", "gone policy;", "gone policy;"},
		{"PUT", "/policy", "{\"text\": \"allow node:bob -> * : tcp/22\"}", "peer bob;",
			"peer anna;"},
		{"PUT", "/policy", "{\"text\": \"# the same\\nallow node:bob -> * : tcp/22\"}", "",
			""},
		{"PUT", "/policy", "{\"text\": \"allow * -> *\"}", "peer bob;", "peer anna;"},
		{"PUT", "/policy", "{\"text\": \"allow node:carl -> *\"}", "gone policy;",
			"gone policy;"},
		{"PUT", "/policy", "{\"text\": \"allow * -> *\"}", "peer bob;", "peer anna;"},
		{"PATCH", "/nodes/bob", "{\"expires\": 1}", "gone expired;", "self expired;"},
		{"POST", "/nodes/bob/approve", "", "peer bob;", ""},
		{"POST", "/nodes/bob/revoke", "", "gone revoked;", ""},
		{"DELETE", "/nodes/bob", NULL, "gone removed;", ""},
		{"DELETE", "/nodes/anna", NULL, "self removed;", ""},
	};
	struct world world;

	enter(&world, *state);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		char path[128];
		unsigned status;

		snprintf(path, sizeof(path), "/v1/networks/lab%s", table[i].path);
		status = ask_as_root(*state, table[i].method, path, table[i].body, NULL);
		assert_true(status == 200 || status == 204);
		print_message("%s %s\n", table[i].method, table[i].path);
		assert_string_equal(lines(&world.to_anna), table[i].anna);
		assert_string_equal(lines(&world.to_bob), table[i].bob);
		if (strncmp(table[i].path, "/nodes/carl", 11) != 0)
			assert_string_equal(lines(&world.to_carl), "");
		else
			assert_string_equal(lines(&world.to_carl), "self active;");
	}
	assert_true(is_ended(&world.to_anna));
	assert_true(is_ended(&world.to_bob));
	leave(&world);
}

static void test_nodes_tell_of_each_other(void **state)
{
	char body[64];
	struct world world;

	enter(&world, *state);
	snprintf(body, sizeof(body), "{\"endpoints\": [\"192.0.2.7:51820\"]}");
	assert_int_equal(ask_as_node(*state, world.bob, "PUT", "/v1/endpoints", body, NULL), 204);
	assert_string_equal(lines(&world.to_anna), "peer bob;");
	assert_int_equal(ask_as_node(*state, world.bob, "PUT", "/v1/endpoints", body, NULL), 204);
	assert_string_equal(lines(&world.to_anna), "");
	snprintf(body, sizeof(body), "{\"id\": %lld}", (long long)world.bob->node.id);
	assert_int_equal(ask_as_node(*state, world.anna, "POST", "/v1/forget", body, NULL), 204);
	assert_string_equal(lines(&world.to_bob), "gone idle;");
	assert_int_equal(
		ask_as_node(*state, world.bob, "PUT", "/v1/endpoints", "{\"endpoints\": []}", NULL),
		204);
	assert_string_equal(lines(&world.to_anna), "");
	connect_nodes(*state, world.bob, "anna");
	assert_string_equal(lines(&world.to_anna), "peer bob;");
	assert_int_equal(ask_as_node(*state, world.bob, "POST", "/v1/leave", NULL, NULL), 204);
	assert_string_equal(lines(&world.to_anna), "gone removed;");
	assert_string_equal(lines(&world.to_bob), "self removed;");
	leave(&world);
}

static void test_the_longest_name_leaves(void **state)
{
	struct fixture *f = *state;
	char name[NODE_NAME_MAX + 1] = {0};
	struct member *member;

	add_network(f, "lab");
	memset(name, 'x', NODE_NAME_MAX);
	member = add_node(f, "lab", name, 1, true, "");
	assert_int_equal(ask_as_node(f, member, "POST", "/v1/leave", NULL, NULL), 204);
}

/* What is allowed in one direction only makes a peer, with what it may send. */
static void test_accept_is_what_the_peer_may_send(void **state)
{
	struct fixture *f = *state;
	struct world world;
	json_t *answer;
	char *accept;

	enter(&world, f);
	assert_int_equal(
		ask_as_root(f, "PATCH", "/v1/networks/lab", "{\"default\": \"deny\"}", NULL), 200);
	assert_int_equal(
		ask_as_root(f, "PUT", "/v1/networks/lab/policy",
			"{\"text\": \"allow tag:person -> tag:robot : tcp/22,80-81 icmp\"}", NULL),
		200);
	assert_int_equal(
		ask_as_node(f, world.anna, "POST", "/v1/connect", "{\"name\": \"bob\"}", NULL),
		404);
	assert_int_equal(
		ask_as_node(f, world.anna, "POST", "/v1/connect", "{\"name\": \"carl\"}", &answer),
		200);
	assert_int_equal(
		json_array_size(json_object_get(json_object_get(answer, "peer"), "accept")), 0);
	json_decref(answer);
	assert_int_equal(
		ask_as_node(f, world.carl, "POST", "/v1/connect", "{\"name\": \"anna\"}", &answer),
		200);
	accept = json_dumps(
		json_object_get(json_object_get(answer, "peer"), "accept"), JSON_COMPACT);
	assert_string_equal(accept, "[{\"proto\":\"icmp\"},{\"proto\":\"tcp\",\"ports\":\"22\"},"
				    "{\"proto\":\"tcp\",\"ports\":\"80-81\"}]");
	free(accept);
	json_decref(answer);
	leave(&world);
}

static void test_newer_stream_ends_the_older(void **state)
{
	struct world world;
	struct reader again;

	enter(&world, *state);
	start(*state, &again, world.anna, world.to_anna.seq);
	assert_true(is_ended(&world.to_anna));
	assert_int_equal(streams_counts(world.f->hub.streams)->num, 3);
	assert_non_null(world.anna->stream);
	stop(*state, &again);
	assert_null(world.anna->stream);
	leave(&world);
	assert_int_equal(streams_counts(world.f->hub.streams)->num, 0);
}

/* A reader that reads nothing costs a bounded amount, and is sent away. */
static void test_slow_reader_is_sent_away(void **state)
{
	struct world world;
	unsigned num = 0;

	enter(&world, *state);
	while (world.bob->stream != NULL && num++ < 20000) {
		connect_nodes(*state, world.anna, "bob");
		world.anna->writes.busy_until_ns = 0; /* as if it were many */
	}
	assert_null(world.bob->stream);
	assert_int_equal(streams_counts(world.f->hub.streams)->too_slow, 1);
	leave(&world);
}

static void test_idle_streams_get_empty_lines(void **state)
{
	struct world world;
	uint64_t now_ns = clock_boottime_ns();

	enter(&world, *state);
	assert_true(streams_expire(world.f->hub.streams, now_ns) > now_ns + STREAM_IDLE_NS / 2);
	fill(&world.to_carl);
	assert_int_equal(world.to_carl.len, 0);
	(void)streams_expire(world.f->hub.streams, now_ns + STREAM_IDLE_NS + SECOND_NS);
	fill(&world.to_carl);
	assert_int_equal(world.to_carl.len, 1);
	assert_int_equal(world.to_carl.data[0], '\n');
	leave(&world);
}

/* --- resume ---------------------------------------------------------- */

/* What happens while anna is away, and what she hears when she comes back. */
static void test_resume(void **state)
{
	static const struct {
		const char *method, *path, *body, *lines;
	} table[] = {
		{NULL, NULL, NULL, "hello active;"},
		{"PATCH", "/nodes/carl", "{\"tags\": [\"a\"]}", "hello active;"},
		{"PATCH", "/nodes/bob", "{\"tags\": [\"a\"]}", "hello active;peer bob;"},
		{NULL, NULL, NULL, "hello active;"},
		{"PATCH", "/nodes/anna", "{\"tags\": [\"a\"]}", "hello active;peer bob;"},
		{"PUT", "/policy", "{\"text\": \"allow * -> *\"}", "hello active;peer bob;"},
		{NULL, NULL, NULL, "hello active;"},
		{"PATCH", "", "{\"default\": \"deny\"}", "hello active;peer bob;"},
		{"PUT", "/policy", "{\"text\": \"\"}", "hello active;gone policy;"},
		{"PUT", "/policy", "{\"text\": \"allow * -> *\"}", "hello active;peer bob;"},
		{"PATCH", "/nodes/bob", "{\"expires\": 1}", "hello active;gone expired;"},
		{"POST", "/nodes/bob/approve", NULL, "hello active;peer bob;"},
		{"POST", "/nodes/bob/revoke", NULL, "hello active;gone revoked;"},
		{"DELETE", "/nodes/bob", NULL, "hello active;gone removed;"},
		{NULL, NULL, NULL, "hello active;"},
	};
	struct fixture *f = *state;

	/* The same with a hub that is restarted before she comes back. */
	for (unsigned restarts = 0; restarts < 2; restarts++) {
		struct world world;
		struct reader reader;
		struct member *anna;
		uint64_t since;

		enter(&world, f);
		since = world.to_anna.seq;
		leave(&world);
		start(f, &reader, world.anna, since);
		assert_string_equal(lines(&reader), "hello active;peer bob;");
		since = reader.seq;
		stop(f, &reader);
		for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
			char path[128];

			snprintf(path, sizeof(path), "/v1/networks/lab%s",
				table[i].path != NULL ? table[i].path : "");
			if (table[i].method != NULL)
				assert_true(ask_as_root(f, table[i].method, path, table[i].body,
						    NULL) < 300);
			if (restarts)
				fixture_reopen(f);
			print_message(
				"%s %s\n", table[i].method != NULL ? table[i].method : "", path);
			anna = directory_member_by_name(&f->hub.directory,
				directory_realm(&f->hub.directory, "lab"), "anna");
			start(f, &reader, anna, since);
			assert_string_equal(lines(&reader), table[i].lines);
			since = reader.seq;
			stop(f, &reader);
		}
		assert_int_equal(
			ask_as_root(f, "DELETE", "/v1/networks/lab?nodes=1", NULL, NULL), 204);
	}
}

/* Who asks from the beginning is told of all its peers; so is who knows more than there is. */
static void test_resume_from_odd_numbers(void **state)
{
	static const uint64_t sinces[] = {0, 1, 1000000, INT64_MAX};
	struct world world;
	struct reader reader;

	enter(&world, *state);
	for (size_t i = 0; i < ARRAY_SIZE(sinces); i++) {
		start(*state, &reader, world.anna, sinces[i]);
		assert_string_equal(lines(&reader), "hello active;peer bob;");
		assert_int_equal(reader.seq, world.anna->realm->network.seq);
		stop(*state, &reader);
	}
	leave(&world);
}

/* --- cost ------------------------------------------------------------ */

/* A change to one node looks at its links, however many nodes and links there are. */
static void test_cost_is_of_those_concerned(void **state)
{
	enum { NODES = 200 };
	struct fixture *f = *state;
	struct world world;
	uint64_t links, lines_sent;

	enter(&world, f);
	for (unsigned i = 0; i < NODES; i++) {
		char name[16];
		struct member *member;

		snprintf(name, sizeof(name), "node-%u", i);
		member = add_node(f, "lab", name, (uint8_t)(i + 10), true, "");
		if (i > 0) {
			snprintf(name, sizeof(name), "node-%u", i - 1);
			connect_nodes(f, member, name);
		}
	}
	links = f->hub.work.links;
	lines_sent = streams_counts(f->hub.streams)->lines;
	assert_int_equal(
		ask_as_root(f, "POST", "/v1/networks/lab/nodes/bob/revoke", NULL, NULL), 200);
	assert_int_equal(f->hub.work.links - links, 1);
	assert_int_equal(streams_counts(f->hub.streams)->lines - lines_sent, 2);
	links = f->hub.work.links;
	assert_int_equal(ask_as_root(f, "PATCH", "/v1/networks/lab/nodes/node-7",
				 "{\"tags\": [\"a\"]}", NULL),
		200);
	assert_int_equal(f->hub.work.links - links, 2);
	leave(&world);
}

/* Expiry by time is told like that by hand. */
static void test_expiry_by_time(void **state)
{
	struct fixture *f = *state;
	struct world world;

	enter(&world, f);
	assert_int_equal(store_expire_node(f->hub.store, "test", world.bob->node.id,
				 hub_now_s() + 1, hub_now_s()),
		0);
	f->hub.expire_s = hub_now_s();
	(void)hub_expire(&f->hub, clock_boottime_ns());
	assert_string_equal(lines(&world.to_anna), "");
	while (hub_now_s() < f->hub.expire_s)
		usleep(50000);
	(void)hub_expire(&f->hub, clock_boottime_ns());
	assert_string_equal(lines(&world.to_anna), "gone expired;");
	assert_string_equal(lines(&world.to_bob), "self expired;");
	assert_true(f->hub.expire_s > hub_now_s() + 500);
	/* should the clock be put back, it is looked again */
	f->hub.expire_s += 1000000;
	(void)hub_expire(&f->hub, clock_boottime_ns());
	assert_true(f->hub.expire_s < hub_now_s() + 700);
	leave(&world);
}

static void set_policy(struct fixture *f, const char *text)
{
	char body[256];

	snprintf(body, sizeof(body), "{\"text\": \"%s\"}", text);
	assert_int_equal(ask_as_root(f, "PUT", "/v1/networks/lab/policy", body, NULL), 200);
}

/* A node names itself: what the policy gives to a name is a person's to give. */
static void test_names_of_the_policy_are_given_by_people(void **state)
{
	struct fixture *f = *state;
	json_t *answer, *event;
	struct member *arm;

	add_network(f, "lab");
	set_policy(f, "group ops = node:arm\\nallow ops -> tag:robot\\nallow * -> node:gate-2");
	arm = add_node(f, "lab", "arm", 1, true, "robot");
	assert_int_equal(arm->node.state, NODE_PENDING);
	assert_int_equal(
		ask_as_root(f, "GET", "/v1/networks/lab/audit?limit=1", NULL, &answer), 200);
	event = json_array_get(json_object_get(answer, "events"), 0);
	assert_string_equal(json_string_value(json_object_get(event, "action")), "node.enrol");
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(event, "after"), "held")),
		"the policy speaks of this name");
	json_decref(answer);
	/* a name that its number makes one of those; names beside them */
	assert_int_equal(add_node(f, "lab", "gate", 2, true, "robot")->node.state, NODE_ACTIVE);
	assert_int_equal(add_node(f, "lab", "gate", 3, true, "robot")->node.state, NODE_PENDING);
	assert_int_equal(add_node(f, "lab", "arm", 4, true, "robot")->node.state, NODE_ACTIVE);
	assert_int_equal(
		ask_as_root(f, "POST", "/v1/networks/lab/nodes/arm/approve", NULL, NULL), 200);
	assert_int_equal(arm->node.state, NODE_ACTIVE);
	/* also what the hub has read at its start */
	fixture_reopen(f);
	assert_int_equal(ask_as_root(f, "DELETE", "/v1/networks/lab/nodes/arm", NULL, NULL), 204);
	assert_int_equal(add_node(f, "lab", "arm", 5, true, "robot")->node.state, NODE_PENDING);
}

/* A stolen node has its join key, too: who revokes it is told, and can revoke both. */
static void test_revoking_with_the_join_key(void **state)
{
	struct fixture *f = *state;
	json_t *answer;
	bool is_revoked;

	add_network(f, "lab");
	add_node(f, "lab", "anna", 1, true, "robot");
	add_node(f, "lab", "bob", 2, true, "robot");
	for (int i = 0; i < 3; i++) {
		static const char *const paths[] = {"/v1/networks/lab/nodes/anna/revoke",
			"/v1/networks/lab/nodes/bob/revoke", "/v1/networks/lab/nodes/anna/revoke"};

		assert_int_equal(ask_as_root(f, "POST", paths[i],
					 i > 0 ? "{\"with_key\": true}" : NULL, &answer),
			200);
		assert_string_equal(json_string_value(json_object_get(answer, "state")), "revoked");
		assert_int_equal(
			json_integer_value(json_object_get(answer, "join_key")), i == 1 ? 2 : 1);
		is_revoked =
			json_is_true(json_object_get(json_object_get(answer, "key"), "revoked"));
		assert_int_equal(is_revoked, i > 0);
		json_decref(answer);
	}
	assert_int_equal(
		ask_as_root(f, "POST", "/v1/networks/lab/nodes/anna/revoke", NULL, NULL), 400);
}

/* A node cannot keep the hub busy with the disk, nor others with news of itself. */
static void test_a_node_that_asks_too_often(void **state)
{
	static const struct {
		const char *method, *path, *body;
	} asked[] = {
		{"POST", "/v1/connect", "{\"name\": \"nobody\"}"},
		{"POST", "/v1/forget", "{\"id\": 2}"},
		{"PUT", "/v1/endpoints", "{\"endpoints\": [\"192.0.2.1:1\"]}"},
	};
	struct fixture *f = *state;
	struct member *anna, *bob;

	add_network(f, "lab");
	anna = add_node(f, "lab", "anna", 1, true, "robot");
	bob = add_node(f, "lab", "bob", 2, true, "robot");
	for (int i = 0; i < 1000; i++)
		assert_int_not_equal(
			ask_as_node(f, anna, "POST", "/v1/connect", "{\"name\": \"nobody\"}", NULL),
			429);
	anna->writes.busy_until_ns += 60 * SECOND_NS; /* however slow this machine is */
	for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
		assert_int_equal(
			ask_as_node(f, anna, asked[i].method, asked[i].path, asked[i].body, NULL),
			429);
		assert_int_not_equal(
			ask_as_node(f, bob, asked[i].method, asked[i].path, asked[i].body, NULL),
			429);
	}
	assert_int_equal(ask_as_node(f, anna, "GET", "/v1/self", NULL, NULL), 200);
}

/* An error about the text as a whole is one of no line. */
static void test_a_policy_that_is_too_long(void **state)
{
	static char body[80000];
	struct fixture *f = *state;
	json_t *answer;

	add_network(f, "lab");
	snprintf(body, sizeof(body), "{\"text\": \"%70000s\"}", "");
	assert_int_equal(ask_as_root(f, "PUT", "/v1/networks/lab/policy", body, &answer), 400);
	assert_null(json_object_get(answer, "line"));
	assert_null(strstr(json_string_value(json_object_get(answer, "error")), "line 0"));
	json_decref(answer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_names_of_the_policy_are_given_by_people),
		TEST(test_revoking_with_the_join_key),
		TEST(test_a_node_that_asks_too_often),
		TEST(test_a_policy_that_is_too_long),
		TEST(test_changes_reach_those_concerned),
		TEST(test_nodes_tell_of_each_other),
		TEST(test_the_longest_name_leaves),
		TEST(test_accept_is_what_the_peer_may_send),
		TEST(test_newer_stream_ends_the_older),
		TEST(test_slow_reader_is_sent_away),
		TEST(test_idle_streams_get_empty_lines),
		TEST(test_resume),
		TEST(test_resume_from_odd_numbers),
		TEST(test_cost_is_of_those_concerned),
		TEST(test_expiry_by_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
