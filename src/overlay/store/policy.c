/* SPDX-License-Identifier: MIT
 *
 * The text of a network's policy. What it says is for overlay/policy.
 */
#include "overlay/store/internal.h"

int store_policy(struct store *store, int64_t network_id, char **ret_text)
{
	sqlite3_stmt *q = query(store, SQL_POLICY);
	const unsigned char *kept;
	char *text;
	int r;

	bind_int(q, 1, network_id);
	r = query_one(store, q);
	if (r == -ENOENT) {
		*ret_text = NULL;
		return 0;
	}
	if (r < 0)
		return r;
	kept = sqlite3_column_text(q, 0);
	text = kept ? strdup((const char *)kept) : NULL;
	query_done(q);
	if (!text)
		return store_fail(store, -ENOMEM, "not enough memory");
	*ret_text = text;
	return 0;
}

static int write_policy(struct store *store, int64_t network_id, const char *text)
{
	sqlite3_stmt *q = query(store, text ? SQL_POLICY_SET : SQL_POLICY_REMOVE);

	bind_int(q, 1, network_id);
	if (text)
		bind_text(q, 2, text);
	return query_run(store, q);
}

static json_t *policy_to_json(const char *text)
{
	return text ? json_pack("{s:s}", "policy", text) : json_null();
}

static int set_policy(struct store *store, const char *actor, int64_t network_id, const char *text)
{
	struct network network;
	char *before = NULL;
	int r = store_network_by_id(store, network_id, &network);

	if (r == 0)
		r = store_policy(store, network_id, &before);
	if (r == 0)
		r = write_policy(store, network_id, text);
	if (r == 0)
		r = store_policy_changed(store, network_id, &network.seq);
	if (r == 0)
		r = store_add_event(
			store, &(struct store_event){actor, "policy.set", network.name,
				       network.name, policy_to_json(before), policy_to_json(text)});
	free(before);
	return r;
}

int store_set_policy(struct store *store, const char *actor, int64_t network_id, const char *text)
{
	json_t *said = text ? json_string(text) : json_null();
	int r;

	json_decref(said);
	if (!said)
		return store_fail(store, -EINVAL, "the policy is not UTF-8");
	r = store_begin(store);
	if (r == 0)
		r = set_policy(store, actor, network_id, text);
	return store_end(store, r);
}
