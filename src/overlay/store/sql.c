/* SPDX-License-Identifier: MIT
 *
 * The texts of the statements. Those on the way of a node (enrol, connect, seen, stream) find all
 * they need by an index: test_plans holds them to that.
 */
#include "overlay/store/sql.h"

#define NETWORK_COLUMNS                                                                          \
	"id, name, prefix4, prefix6, seq, policy_seq, allows_by_default, approves, node_ttl_s, " \
	"created_s"
#define JOIN_KEY_COLUMNS                                                                  \
	"id, network_id, tags, max_uses, uses, expires_s, approves, ephemeral, revoked, " \
	"created_s, created_by"
#define NODE_COLUMNS_WITH_SEQ(seq)                                                           \
	"n.id, n.network_id, n.public_key, n.name, n.hostname, n.version, n.tags, n.state, " \
	"n.host, n.ephemeral, " seq                                                          \
	", n.created_s, n.expires_s, s.seen_s, n.endpoints, n.join_key_id"
#define NODE_COLUMNS NODE_COLUMNS_WITH_SEQ("n.seq")
#define NODE_TABLES "nodes n LEFT JOIN seen s ON s.id = n.id"
#define ADMIN_COLUMNS "id, name, coalesce(network_id, 0), role"
#define AUDIT_COLUMNS "id, time_s, actor, action, network, subject, before, after, hash"

const char *const sql_texts[NUM_STATEMENTS] = {
	[SQL_BEGIN] = "BEGIN IMMEDIATE",
	[SQL_COMMIT] = "COMMIT",
	[SQL_ROLLBACK] = "ROLLBACK",

	[SQL_NETWORK_ADD] = "INSERT INTO networks (name, prefix4, prefix6, seq, policy_seq,"
			    " allows_by_default, approves, node_ttl_s, next_host, created_s)"
			    " VALUES (?1, ?2, ?3, 1, 1, ?4, ?5, ?6, 2, ?7)",
	[SQL_NETWORK_SET] = "UPDATE networks SET allows_by_default = ?2, approves = ?3,"
			    " node_ttl_s = ?4 WHERE id = ?1",
	[SQL_NETWORK_REMOVE] = "DELETE FROM networks WHERE id = ?1",
	[SQL_NETWORK_COUNT_NODES] = "SELECT count(*) FILTER (WHERE state > 0),"
				    " count(*) FILTER (WHERE state IN (1, 2))"
				    " FROM nodes WHERE network_id = ?1",
	[SQL_NETWORK_BY_NAME] = "SELECT " NETWORK_COLUMNS " FROM networks WHERE name = ?1",
	[SQL_NETWORK_BY_ID] = "SELECT " NETWORK_COLUMNS " FROM networks WHERE id = ?1",
	[SQL_NETWORKS] = "SELECT " NETWORK_COLUMNS " FROM networks ORDER BY name",
	[SQL_NETWORK_NEXT_SEQ] = "UPDATE networks SET seq = seq + 1 WHERE id = ?1 RETURNING seq",
	[SQL_NETWORK_POLICY_CHANGED] = "UPDATE networks SET policy_seq = seq WHERE id = ?1",
	[SQL_POLICY] = "SELECT text FROM policies WHERE network_id = ?1",
	[SQL_POLICY_SET] = "INSERT INTO policies (network_id, text) VALUES (?1, ?2)"
			   " ON CONFLICT DO UPDATE SET text = ?2",
	[SQL_POLICY_REMOVE] = "DELETE FROM policies WHERE network_id = ?1",

	[SQL_JOIN_KEY_ADD] = "INSERT INTO join_keys (network_id, hash, tags, max_uses, uses,"
			     " expires_s, approves, ephemeral, revoked, created_s, created_by)"
			     " VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6, ?7, 0, ?8, ?9)",
	[SQL_JOIN_KEY_REVOKE] = "UPDATE join_keys SET revoked = 1 WHERE id = ?1",
	[SQL_JOIN_KEY_USE] = "UPDATE join_keys SET uses = uses + 1 WHERE hash = ?1"
			     " AND network_id = ?2 AND NOT revoked"
			     " AND (expires_s = 0 OR expires_s > ?3)"
			     " AND (max_uses = 0 OR uses < max_uses)"
			     " RETURNING " JOIN_KEY_COLUMNS,
	[SQL_JOIN_KEY_BY_ID] = "SELECT " JOIN_KEY_COLUMNS " FROM join_keys WHERE id = ?1",
	[SQL_JOIN_KEY_BY_HASH] = "SELECT " JOIN_KEY_COLUMNS " FROM join_keys WHERE hash = ?1",
	[SQL_JOIN_KEYS] =
		"SELECT " JOIN_KEY_COLUMNS " FROM join_keys WHERE network_id = ?1 ORDER BY id",

	[SQL_NODE_ADD] = "INSERT INTO nodes (network_id, public_key, name, hostname, version, tags,"
			 " state, host, ephemeral, seq, created_s, expires_s, endpoints,"
			 " join_key_id)"
			 " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, '', ?13)",
	[SQL_NODE_CHANGE] = "UPDATE nodes SET state = ?2, name = ?3, tags = ?4, expires_s = ?5,"
			    " seq = ?6 WHERE id = ?1",
	[SQL_NODE_TO_TOMBSTONE] = "UPDATE nodes SET state = 0, public_key = NULL, name = NULL,"
				  " hostname = '', version = '', tags = '', host = NULL,"
				  " ephemeral = 0, endpoints = '', seq = ?2, expires_s = ?3"
				  " WHERE id = ?1",
	[SQL_NODE_DELETE] = "DELETE FROM nodes WHERE id = ?1",
	[SQL_NODE] = "SELECT " NODE_COLUMNS " FROM " NODE_TABLES " WHERE n.id = ?1 AND n.state > 0",
	[SQL_NODE_BY_KEY] = "SELECT " NODE_COLUMNS " FROM " NODE_TABLES " WHERE n.public_key = ?1",
	[SQL_NODE_BY_NAME] = "SELECT " NODE_COLUMNS " FROM " NODE_TABLES
			     " WHERE n.network_id = ?1 AND n.name = ?2",
	[SQL_NODE_BY_HOST] = "SELECT " NODE_COLUMNS " FROM " NODE_TABLES
			     " WHERE n.network_id = ?1 AND n.host = ?2",
	[SQL_NODES] = "SELECT " NODE_COLUMNS " FROM " NODE_TABLES
		      " WHERE n.network_id = ?1 AND n.name IS NOT NULL ORDER BY n.name",
	[SQL_NODE_SET_ENDPOINTS] = "UPDATE nodes SET endpoints = ?2, seq = ?3 WHERE id = ?1",
	[SQL_NODE_NAME_IS_TAKEN] = "SELECT id FROM nodes WHERE network_id = ?1 AND name = ?2",
	[SQL_NAME_NUMBER] = "INSERT INTO name_numbers (network_id, name, last) VALUES (?1, ?2, 2)"
			    " ON CONFLICT DO UPDATE SET last = last + 1 RETURNING last",
	[SQL_HOST_NEXT] = "UPDATE networks SET next_host = next_host + 1"
			  " WHERE id = ?1 AND next_host <= ?2 RETURNING next_host - 1",
	[SQL_HOST_REUSE] = "DELETE FROM free_hosts WHERE id = (SELECT id FROM free_hosts"
			   " WHERE network_id = ?1 ORDER BY id LIMIT 1) RETURNING host",
	[SQL_HOST_FREE] = "INSERT INTO free_hosts (network_id, host) VALUES (?1, ?2)",

	[SQL_NODES_DUE] = "SELECT " NODE_COLUMNS " FROM " NODE_TABLES
			  " WHERE n.expires_s > 0 AND n.state < 3 AND n.expires_s <= ?1"
			  " AND n.state > 0 ORDER BY n.expires_s LIMIT ?2",
	[SQL_NODES_AWAY] =
		"SELECT " NODE_COLUMNS " FROM " NODE_TABLES " WHERE n.ephemeral = 1 AND n.state < 4"
		" AND max(n.created_s, coalesce(s.seen_s, 0)) <= ?1 LIMIT ?2",
	[SQL_NODES_NEXT_DUE] = "SELECT min(expires_s) FROM nodes"
			       " WHERE expires_s > 0 AND state < 3",
	[SQL_NODES_NEXT_AWAY] = "SELECT min(max(n.created_s, coalesce(s.seen_s, 0)))"
				" FROM " NODE_TABLES " WHERE n.ephemeral = 1 AND n.state < 4",
	[SQL_TOMBSTONES_DELETE] = "DELETE FROM nodes WHERE expires_s > 0 AND state < 3"
				  " AND expires_s <= ?1 AND state = 0",
	[SQL_TIME_LAST] = "SELECT max(coalesce((SELECT max(seen_s) FROM seen), 0),"
			  " coalesce((SELECT max(created_s) FROM nodes), 0))",
	[SQL_SEEN_SET] = "INSERT INTO seen (id, seen_s, asked_s) SELECT id, ?2, ?3 FROM nodes"
			 " WHERE id = ?1 AND state > 0 ON CONFLICT DO UPDATE SET"
			 " seen_s = iif(?2 > 0, ?2, seen_s), asked_s = max(asked_s, ?3)",
	[SQL_SEEN_REMOVE] = "DELETE FROM seen WHERE id = ?1",
	[SQL_ASKED] = "SELECT asked_s FROM seen WHERE id = ?1",
	[SQL_REMOVED_ADD] = "INSERT INTO removed (public_key, network_id, asked_s, removed_s)"
			    " VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET"
			    " asked_s = max(asked_s, ?3), removed_s = ?4",
	[SQL_REMOVED_ASKED] =
		"SELECT asked_s FROM removed WHERE public_key = ?1 AND network_id = ?2",
	[SQL_REMOVED_FORGET] =
		"DELETE FROM removed WHERE NOT EXISTS (SELECT 1 FROM join_keys k"
		" WHERE k.network_id = removed.network_id AND k.created_s <= removed.removed_s"
		" AND NOT k.revoked AND (k.expires_s = 0 OR k.expires_s > ?1)"
		" AND (k.max_uses = 0 OR k.uses < k.max_uses))",

	[SQL_LINK] = "SELECT seq FROM links WHERE a = ?1 AND b = ?2",
	[SQL_LINK_ADD] = "INSERT INTO links (a, b, seq) VALUES (?1, ?2, ?3)",
	[SQL_LINK_REMOVE] = "DELETE FROM links WHERE a = ?1 AND b = ?2",
	[SQL_LINK_ENDS] = "SELECT x.network_id, y.network_id FROM nodes x, nodes y"
			  " WHERE x.id = ?1 AND x.state > 0 AND y.id = ?2 AND y.state > 0",
	[SQL_LINKS_OF] = "SELECT EXISTS (SELECT 1 FROM links WHERE a = ?1)"
			 " OR EXISTS (SELECT 1 FROM links WHERE b = ?1)",
	[SQL_LINKED] = "SELECT " NODE_COLUMNS_WITH_SEQ(
		"max(n.seq, l.seq)") " FROM"
				     " (SELECT b AS id, seq FROM links WHERE a = ?1"
				     "  UNION ALL SELECT a, seq FROM links WHERE b = ?1) l"
				     " CROSS JOIN nodes n ON n.id = l.id LEFT JOIN seen s ON s.id "
				     "= n.id"
				     " WHERE max(n.seq, l.seq) > ?2 ORDER BY max(n.seq, l.seq)",
	[SQL_TOMBSTONE_DELETE] = "DELETE FROM nodes WHERE id = ?1 AND state = 0"
				 " AND NOT EXISTS (SELECT 1 FROM links WHERE a = ?1)"
				 " AND NOT EXISTS (SELECT 1 FROM links WHERE b = ?1)",

	[SQL_ADMIN_ADD] = "INSERT INTO admins (name, network_id, role)"
			  " VALUES (?1, nullif(?2, 0), ?3)",
	[SQL_ADMIN_CHANGE] = "UPDATE admins SET role = ?2 WHERE id = ?1",
	[SQL_ADMIN_REMOVE] = "DELETE FROM admins WHERE id = ?1",
	[SQL_ADMIN] = "SELECT " ADMIN_COLUMNS " FROM admins"
		      " WHERE name = ?1 AND coalesce(network_id, 0) = ?2",
	[SQL_ADMINS] = "SELECT " ADMIN_COLUMNS " FROM admins"
		       " ORDER BY name, coalesce(network_id, 0)",

	[SQL_AUDIT_LAST] = "SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1",
	[SQL_AUDIT_ADD] = "INSERT INTO audit (" AUDIT_COLUMNS ")"
			  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
	[SQL_AUDIT] = "SELECT " AUDIT_COLUMNS " FROM audit WHERE id >= ?1 ORDER BY id LIMIT ?2",
	[SQL_AUDIT_NETWORK] = "SELECT " AUDIT_COLUMNS " FROM audit"
			      " WHERE network = ?3 AND id >= ?1 ORDER BY id LIMIT ?2",
};
