/* SPDX-License-Identifier: MIT
 *
 * A hub without tunnel, door and sockets: its store in a directory of its own, and nodes in it.
 */
#ifndef ADIT_TEST_HUB_FIXTURE_H
#define ADIT_TEST_HUB_FIXTURE_H

#include <jansson.h>

#include "overlay/hub/changes.h"
#include "overlay/hub/router.h"

struct fixture {
	char folder[64], path[96];
	struct hub hub;
	int epoll_fd;
};

void fixture_open(struct fixture *f);
void fixture_close(struct fixture *f);
/* Close the hub and open it again. */
void fixture_reopen(struct fixture *f);

/* cmocka's setup and teardown: *state is an open fixture. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

struct realm *add_network(struct fixture *f, const char *name);

/* Enrol a node as the door would, with a join key of its own; its key is all `number`. */
struct member *add_node(struct fixture *f, const char *network, const char *name, uint8_t number,
	bool approved, const char *tag);

/* Give a user (name, uid) a role; network NULL: of the hub. */
void add_admin(struct fixture *f, const char *user, unsigned uid, const char *network,
	enum role_of_admin role);

/* Ask as a caller. `path` may have a query. Returns the status, with the answer if ret_answer is
 * not NULL. A stream is status 200. */
unsigned ask(struct fixture *f, const struct caller *caller, const char *method, const char *path,
	const char *body, json_t **ret_answer);
unsigned ask_as_node(struct fixture *f, struct member *member, const char *method, const char *path,
	const char *body, json_t **ret_answer);
unsigned ask_as_root(struct fixture *f, const char *method, const char *path, const char *body,
	json_t **ret_answer);

#endif
