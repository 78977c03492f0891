/* SPDX-License-Identifier: MIT
 *
 * The routes: what there is to ask for, and who may.
 */
#include "overlay/hub/router.h"

const struct route node_routes[] = {
	{"GET", "/v1/self", ACCESS_NODE, serve_self},
	{"GET", "/v1/stream", ACCESS_NODE, serve_stream},
	{"POST", "/v1/connect", ACCESS_NODE, serve_connect},
	{"POST", "/v1/ready", ACCESS_NODE, serve_ready},
	{"POST", "/v1/forget", ACCESS_NODE, serve_forget},
	{"GET", "/v1/names", ACCESS_NODE, serve_names},
	{"PUT", "/v1/endpoints", ACCESS_NODE, serve_endpoints},
	{"POST", "/v1/leave", ACCESS_NODE, serve_leave},
};
const size_t num_node_routes = ARRAY_SIZE(node_routes);

#define NETWORK "/v1/networks/{network}"

const struct route admin_routes[] = {
	{"GET", "/v1/status", ACCESS_ANY_ADMIN, serve_status},
	{"GET", "/v1/networks", ACCESS_ANY_ADMIN, serve_networks},
	{"GET", "/v1/nodes", ACCESS_ANY_ADMIN, serve_all_nodes},
	{"POST", "/v1/networks", ACCESS_OWNER, serve_add_network},
	{"GET", "/v1/audit", ACCESS_AUDITOR, serve_audit},
	{"GET", "/v1/audit/verify", ACCESS_AUDITOR, serve_verify_audit},
	{"GET", "/v1/admins", ACCESS_AUDITOR, serve_admins},
	{"PUT", "/v1/admins/{word}", ACCESS_OWNER, serve_set_admin},
	{"DELETE", "/v1/admins/{word}", ACCESS_OWNER, serve_remove_admin},
	{"GET", NETWORK, ACCESS_AUDITOR, serve_network},
	{"PATCH", NETWORK, ACCESS_OWNER, serve_set_network},
	{"DELETE", NETWORK, ACCESS_OWNER, serve_remove_network},
	{"GET", NETWORK "/keys", ACCESS_AUDITOR, serve_keys},
	{"POST", NETWORK "/keys", ACCESS_ADMIN, serve_add_key},
	{"DELETE", NETWORK "/keys/{word}", ACCESS_ADMIN, serve_revoke_key},
	{"GET", NETWORK "/nodes", ACCESS_AUDITOR, serve_nodes},
	{"GET", NETWORK "/nodes/{node}", ACCESS_AUDITOR, serve_node},
	{"PATCH", NETWORK "/nodes/{node}", ACCESS_ADMIN, serve_change_node},
	{"DELETE", NETWORK "/nodes/{node}", ACCESS_ADMIN, serve_remove_node},
	{"POST", NETWORK "/nodes/{node}/approve", ACCESS_ADMIN, serve_approve_node},
	{"POST", NETWORK "/nodes/{node}/revoke", ACCESS_ADMIN, serve_revoke_node},
	{"GET", NETWORK "/policy", ACCESS_AUDITOR, serve_policy},
	{"PUT", NETWORK "/policy", ACCESS_OWNER, serve_set_policy},
	{"POST", NETWORK "/policy/check", ACCESS_AUDITOR, serve_check_policy},
	{"GET", NETWORK "/why", ACCESS_AUDITOR, serve_why},
	{"GET", NETWORK "/audit", ACCESS_AUDITOR, serve_audit},
	{"GET", NETWORK "/admins", ACCESS_AUDITOR, serve_admins},
	{"PUT", NETWORK "/admins/{word}", ACCESS_OWNER, serve_set_admin},
	{"DELETE", NETWORK "/admins/{word}", ACCESS_OWNER, serve_remove_admin},
};
const size_t num_admin_routes = ARRAY_SIZE(admin_routes);
