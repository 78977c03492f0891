/* SPDX-License-Identifier: MIT
 *
 * Requests to the hub, by anybody: lines "CALLER METHOD PATH?QUERY", each followed by a line that
 * is the body. Callers are m (a member), p (pending), n (nobody), r (root), a (an admin of the
 * network), s (a user without a role). Or somebody enrols: "e HOSTNAME NETWORK", with a key filled
 * with the body's first byte. Whatever they say, an answer comes out; nobody who may not changes
 * anything; the hub stays usable.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hub_world.h"
#include "overlay/hub/changes.h"
#include "overlay/hub/enrol.h"
#include "overlay/hub/router.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { REQUESTS_MAX = 8 };

static struct hub_world world;

static struct caller caller_of(char letter)
{
	switch (letter) {
	case 'm':
		return (struct caller){.member = hub_world_member(&world, WORLD_MEMBER)};
	case 'p':
		return (struct caller){.member = hub_world_member(&world, WORLD_PENDING)};
	case 'a':
		return (struct caller){.is_admin = true, .uid = WORLD_ADMIN_UID};
	case 's':
		return (struct caller){.is_admin = true, .uid = WORLD_STRANGER_UID};
	case 'r':
		return (struct caller){.is_admin = true};
	default:
		return (struct caller){0};
	}
}

static void read_query(struct request *request, char *query)
{
	char *rest = query, *word;

	for (size_t i = 0; i < REQUEST_ARGUMENTS_MAX && (word = strsep(&rest, "&")) != NULL; i++) {
		char *value = strchr(word, '=');

		if (value != NULL)
			*value++ = '\0';
		request->arguments[i] = (struct argument){word, value != NULL ? value : ""};
	}
}

static void stream(struct member *member, uint64_t since)
{
	int fds[2];

	require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	changes_start_stream(&world.hub, member, fds[0], since);
	close(fds[1]);
}

/* As the door asks, which lets only texts through. Who is taken in has a place and a name. */
static void enrol(char *words, const char *body)
{
	struct door_question question = {.number = 1, .request.version = ENROL_VERSION};
	const char *hostname = strsep(&words, " ");
	struct door_verdict verdict;

	memset(question.node_key, *body ? *body : 'x', KEY_LEN);
	memset(question.request.join_key, WORLD_MEMBER, KEY_LEN);
	for (const char *c = hostname; *c; c++) {
		if (*c < ' ' || *c > '~')
			return;
	}
	snprintf(question.request.hostname, sizeof(question.request.hostname), "%s", hostname);
	snprintf(question.request.network, sizeof(question.request.network), "%s",
		words && network_name_is_valid(words) ? words : "lab");
	enrol_decide(&world.hub, &question, 1, &verdict);
	if (verdict.is_refused)
		return;
	require(node_name_is_valid(verdict.answer.name));
	require(verdict.answer.state >= ENROL_ACTIVE && verdict.answer.state <= ENROL_EXPIRED);
	require(directory_member_by_key(&world.hub.directory, question.node_key) != NULL);
}

static void serve(char *head, const char *body)
{
	struct request request = {.hub = &world.hub, .caller = caller_of(*head), .body = body};
	struct response response;
	char letter = *head, *rest = head, *query;

	if (letter == '\0' || strsep(&rest, " ") == NULL || rest == NULL)
		return;
	request.method = strsep(&rest, " ");
	request.path = rest != NULL ? rest : "";
	query = rest != NULL ? strchr(rest, '?') : NULL;
	if (query != NULL) {
		*query++ = '\0';
		read_query(&request, query);
	}
	request.body_len = strlen(body);
	router_serve(&request, &response);
	require(response.status >= 200 && response.status < 600 && response.status != 500 &&
		response.status != 503);
	require((response.status == 204 || response.is_stream) == (response.body == NULL));
	if (letter == 's' || letter == 'n' || letter == 'p')
		require(response.status >= 400);
	if (response.is_stream)
		stream(request.caller.member, response.since);
	json_decref(response.body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *rest = text, *head;

	require(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	hub_world_begin(&world);
	for (unsigned i = 0; i < REQUESTS_MAX && (head = strsep(&rest, "\n")) != NULL; i++) {
		const char *body = strsep(&rest, "\n");

		if (strncmp(head, "e ", 2) == 0)
			enrol(head + 2, body != NULL ? body : "");
		else
			serve(head, body != NULL ? body : "");
	}
	free(text);
	return 0;
}
