/* SPDX-License-Identifier: MIT
 *
 * The people who may do something, and where.
 */
#include "overlay/store/internal.h"

static int admin_from_row(struct store *store, sqlite3_stmt *q, struct admin *ret_admin)
{
	int64_t role = sqlite3_column_int64(q, 3);
	struct admin admin = {
		.id = sqlite3_column_int64(q, 0),
		.network_id = sqlite3_column_int64(q, 2),
		.role = (enum role_of_admin)role,
	};
	int r = column_text(store, q, 1, admin.name, sizeof(admin.name));

	if (r < 0)
		return r;
	if (role < ADMIN_AUDITOR || role > ADMIN_OWNER)
		return store_damaged(store, "an admin's role");
	*ret_admin = admin;
	return 0;
}

static int find_admin(
	struct store *store, const char *name, int64_t network_id, struct admin *ret_admin)
{
	sqlite3_stmt *q = query(store, SQL_ADMIN);
	int r;

	bind_text(q, 1, name);
	bind_int(q, 2, network_id);
	r = query_one(store, q);
	if (r < 0)
		return r;
	r = admin_from_row(store, q, ret_admin);
	query_done(q);
	return r;
}

static json_t *admin_to_json(const struct admin *admin)
{
	static const char *const roles[] = {
		[ADMIN_AUDITOR] = "auditor",
		[ADMIN_ADMIN] = "admin",
		[ADMIN_OWNER] = "owner",
	};

	return json_pack("{s:I, s:s}", "id", (json_int_t)admin->id, "role", roles[admin->role]);
}

/* The network's name, or "" for the hub. */
static int name_network(struct store *store, int64_t id, struct network *ret_network)
{
	*ret_network = (struct network){0};
	return id == 0 ? 0 : store_network_by_id(store, id, ret_network);
}

static int insert_admin(struct store *store, struct admin *admin)
{
	sqlite3_stmt *q = query(store, SQL_ADMIN_ADD);
	int r;

	bind_text(q, 1, admin->name);
	bind_int(q, 2, admin->network_id);
	bind_int(q, 3, admin->role);
	r = query_run(store, q);
	admin->id = sqlite3_last_insert_rowid(store->db);
	return r;
}

static int change_role(struct store *store, const struct admin *admin)
{
	sqlite3_stmt *q = query(store, SQL_ADMIN_CHANGE);

	bind_int(q, 1, admin->id);
	bind_int(q, 2, admin->role);
	return query_run(store, q);
}

static int set_admin(struct store *store, const char *actor, struct admin *admin)
{
	struct network network;
	struct admin before = {0};
	bool is_new;
	int r = name_network(store, admin->network_id, &network);

	if (r < 0)
		return r;
	r = find_admin(store, admin->name, admin->network_id, &before);
	if (r < 0 && r != -ENOENT)
		return r;
	is_new = r == -ENOENT;
	if (!is_new)
		admin->id = before.id;
	r = is_new ? insert_admin(store, admin) : change_role(store, admin);
	if (r < 0)
		return r;
	return store_add_event(store,
		&(struct store_event){actor, "admin.set", network.name, admin->name,
			is_new ? json_null() : admin_to_json(&before), admin_to_json(admin)});
}

int store_set_admin(struct store *store, const char *actor, struct admin *admin)
{
	struct admin set = *admin;
	int r;

	if (set.role < ADMIN_AUDITOR || set.role > ADMIN_OWNER ||
		strnlen(set.name, sizeof(set.name)) == sizeof(set.name))
		return store_fail(store, -EINVAL, "there is no such role, or the name is too long");
	r = store_begin(store);
	if (r == 0)
		r = set_admin(store, actor, &set);
	r = store_end(store, r);
	if (r == 0)
		*admin = set;
	return r;
}

static int remove_admin(
	struct store *store, const char *actor, const char *name, int64_t network_id)
{
	struct network network;
	struct admin before = {0};
	sqlite3_stmt *q = query(store, SQL_ADMIN_REMOVE);
	int r = name_network(store, network_id, &network);

	if (r < 0)
		return r;
	r = find_admin(store, name, network_id, &before);
	if (r < 0)
		return r == -ENOENT ? store_fail(store, r, "%s has no role there", name) : r;
	bind_int(q, 1, before.id);
	r = query_run(store, q);
	if (r < 0)
		return r;
	return store_add_event(store, &(struct store_event){actor, "admin.remove", network.name,
					      name, admin_to_json(&before), json_null()});
}

int store_remove_admin(struct store *store, const char *actor, const char *name, int64_t network_id)
{
	int r = store_begin(store);

	if (r == 0)
		r = remove_admin(store, actor, name, network_id);
	return store_end(store, r);
}

int store_admins(struct store *store, store_admin_each *each, void *ctx)
{
	sqlite3_stmt *q = query(store, SQL_ADMINS);
	int r;

	while ((r = query_step(store, q)) == 1) {
		struct admin admin;

		r = admin_from_row(store, q, &admin);
		if (r == 0)
			r = each(ctx, &admin);
		if (r != 0) {
			query_done(q);
			return r;
		}
	}
	return r;
}
