/* SPDX-License-Identifier: MIT
 *
 * The router: which function serves a request, and whether its caller may have it served. This is
 * the only place that authorises; nothing here knows HTTP's wire.
 */
#ifndef ADIT_OVERLAY_HUB_ROUTER_H
#define ADIT_OVERLAY_HUB_ROUTER_H

#include <jansson.h>

#include "overlay/hub/hub.h"

enum { API_LOWEST = 1, API_HIGHEST = 1 };
enum { REQUEST_BODY_MAX = 65536, REQUEST_ARGUMENTS_MAX = 8 };

/* Who asks. On the node API: a member, whatever its state, or NULL. On the admin API: a unix user.
 */
struct caller {
	bool is_admin; /* it came by the admin API */
	struct member *member;
	uid_t uid;
};

struct argument {
	const char *key, *value;
};

struct request {
	struct hub *hub;
	struct caller caller;
	const char *method, *path;
	const char *api;				  /* the header Adit-Api, NULL: none */
	struct argument arguments[REQUEST_ARGUMENTS_MAX]; /* of the query; key NULL: no more */
	const char *body;
	size_t body_len;
	/* What the router makes of it. */
	char actor[64];		      /* for the audit trail */
	enum role_of_admin role;      /* in realm, or of the hub */
	struct realm *realm;	      /* the network of the path, or the caller's */
	struct member *node;	      /* the node of the path */
	char word[NODE_NAME_MAX + 1]; /* what else there is in the path */
	json_t *json;		      /* the body, an object */
};

struct response {
	unsigned status;
	json_t *body; /* owned; NULL: none */
	/* No answer, but a stream of what changed after `since`, and of what will. */
	bool is_stream;
	uint64_t since;
	/* To be told of the caller, and then awaited before this is sent; NULL: nobody. */
	struct member *awaited;
};

/* Serve a request. */
void router_serve(struct request *request, struct response *ret_response);

/* Answers. JSON is given away; NULL with a status that needs one is a lack of memory. */
void answer(struct response *response, unsigned status, json_t *body);
void answer_error(struct response *response, unsigned status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* For a failure of the store (negative), just now. */
void answer_store_error(const struct request *request, struct response *response, int error);

/* An argument of the query, or NULL. */
const char *request_argument(const struct request *request, const char *key);
/* One that is a number. Returns false with the answer 400 when it is none. */
MUST_CHECK bool request_number(const struct request *request, struct response *response,
	const char *key, uint64_t *ret_value);

/* Fields of the body. Each returns false with the answer 400 when the field is of another type;
 * outputs are untouched when it is not there. */
MUST_CHECK bool field_text(const struct request *request, struct response *response,
	const char *key, const char **ret_value);
MUST_CHECK bool field_number(const struct request *request, struct response *response,
	const char *key, int64_t *ret_value);
MUST_CHECK bool field_flag(
	const struct request *request, struct response *response, const char *key, bool *ret_value);
MUST_CHECK bool field_tags(const struct request *request, struct response *response,
	char ret_tags[NODE_TAGS_MAX][TAG_MAX + 1]);

/* What a user may do at most, in a network (id), or in all of them and the hub itself (0); 0:
 * nothing. *ret_name is how the audit trail calls it. */
enum role_of_admin caller_role(struct hub *hub, uid_t uid, int64_t network_id, char ret_name[33]);

/* The node of request->realm that a word means: its name, or its id. NULL: none. */
struct member *request_find_node(const struct request *request, const char *word);

/* --- the routes, for router.c and its test --------------------------------------------------- */

enum access {
	ACCESS_NODE,	  /* an active node */
	ACCESS_ANY_ADMIN, /* whoever has a role anywhere */
	ACCESS_AUDITOR,	  /* in the network of the path, or of the hub if there is none */
	ACCESS_ADMIN,
	ACCESS_OWNER,
};

typedef void route_serve(struct request *request, struct response *response);
struct route {
	const char *method, *pattern; /* {network}, {node} and {word} stand for one part each */
	enum access access;
	route_serve *serve;
};
extern const struct route node_routes[], admin_routes[];
extern const size_t num_node_routes, num_admin_routes;

/* node_api.c */
route_serve serve_self, serve_stream, serve_connect, serve_ready, serve_forget, serve_names,
	serve_endpoints, serve_leave;
/* admin_networks.c */
route_serve serve_networks, serve_add_network, serve_network, serve_set_network,
	serve_remove_network;
/* admin_keys.c */
route_serve serve_keys, serve_add_key, serve_revoke_key;
/* admin_nodes.c */
route_serve serve_all_nodes, serve_nodes, serve_node, serve_change_node, serve_approve_node,
	serve_revoke_node, serve_remove_node;
/* admin_policy.c: whether the tests of the policy of request->realm pass; if not, that is answered.
 */
MUST_CHECK bool policy_passes(const struct request *request, struct response *response,
	const struct policy *policy, bool allows_by_default);
route_serve serve_policy, serve_set_policy, serve_check_policy, serve_why;
/* admin_hub.c */
route_serve serve_status, serve_audit, serve_verify_audit, serve_admins, serve_set_admin,
	serve_remove_admin;

#endif
