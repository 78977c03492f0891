/* SPDX-License-Identifier: MIT
 *
 * `adit-hub node`.
 */
#include <stdio.h>
#include <time.h>

#include "overlay/hub/cli.h"
#include "overlay/wire/json.h"

static const char *presence_of(const json_t *node)
{
	return cli_flag(node, "online") ? "now" : cli_date_field(node, "seen");
}

int cli_node_list(struct cli *cli)
{
	struct cli_table table = {0};
	json_t *answer, *node;
	size_t i;
	char *path = cli->num_words > 0 ? cli_path("/v1/networks/%s/nodes", cli->words[0])
					: cli_path("/v1/nodes");
	int r = cli_ask(cli, "GET", path, NULL, &answer);

	if (r != CLI_OK)
		return r;
	if (cli->options[OPTION_JSON] != NULL)
		return cli_print_json(answer);
	cli_table_row(&table, "NODE", "NETWORK", "STATE", "SEEN", "ADDRESSES", "TAGS",
		"FINGERPRINT", NULL);
	json_array_foreach(json_object_get(answer, "nodes"), i, node) cli_table_row(&table,
		cli_text(node, "name"), cli_text(node, "network"), cli_text(node, "state"),
		presence_of(node), cli_list(json_object_get(node, "addresses")),
		cli_list(json_object_get(node, "tags")), cli_text(node, "fingerprint"), NULL);
	cli_table_print(&table);
	json_decref(answer);
	return CLI_OK;
}

static void print_node(const json_t *node)
{
	cli_print_field("name", "%s", cli_text(node, "name"));
	cli_print_field("id", "%lld", cli_integer(node, "id"));
	cli_print_field("network", "%s", cli_text(node, "network"));
	cli_print_field("state", "%s", cli_text(node, "state"));
	cli_print_field("addresses", "%s", cli_list(json_object_get(node, "addresses")));
	cli_print_field("tags", "%s", cli_list(json_object_get(node, "tags")));
	cli_print_field("fingerprint", "%s", cli_text(node, "fingerprint"));
	cli_print_field("key", "%s", cli_text(node, "public_key"));
	cli_print_field("endpoints", "%s", cli_list(json_object_get(node, "endpoints")));
	cli_print_field("seen", "%s", presence_of(node));
	cli_print_field("hostname", "%s", cli_text(node, "hostname"));
	cli_print_field("version", "%s", cli_text(node, "version"));
	cli_print_field("created", "%s", cli_date_field(node, "created"));
	if (cli_integer(node, "join_key") != 0)
		cli_print_field("join key", "%lld", cli_integer(node, "join_key"));
	cli_print_field("expires", "%s%s", cli_date_field(node, "expires"),
		cli_flag(node, "ephemeral") ? ", or a day after it was last seen" : "");
}

static bool is_good(const json_t *key)
{
	long long max_uses = cli_integer(key, "max_uses"), expires_s = cli_integer(key, "expires");

	return !cli_flag(key, "revoked") && (expires_s == 0 || expires_s > time(NULL)) &&
	       (max_uses == 0 || cli_integer(key, "uses") < max_uses);
}

/* Who has a node in his hands may have its join key, too. */
static void warn_of_key(const struct cli *cli, const json_t *key)
{
	long long id = cli_integer(key, "id");

	if (is_good(key))
		printf("it came with join key %lld, which is still good: who has that can join "
		       "again\n(adit-hub key revoke %s %lld makes it useless)\n",
			id, cli->words[0], id);
	else
		printf("the join key that it came with, %lld, lets nobody in\n", id);
}

/* Ask for something about the node that was typed, and print what it is now. */
static int ask_about(struct cli *cli, const char *method, const char *step, json_t *body)
{
	json_t *answer;
	char *path = *step != '\0'
			     ? cli_path("/v1/networks/%s/nodes/%s/%s", cli->words[0], cli->words[1],
				       step)
			     : cli_path("/v1/networks/%s/nodes/%s", cli->words[0], cli->words[1]);
	int r = cli_ask(cli, method, path, body, &answer);

	if (r != CLI_OK)
		return r;
	if (cli->options[OPTION_JSON] != NULL)
		return cli_print_json(answer);
	if (strcmp(method, "GET") == 0)
		print_node(answer);
	else if (strcmp(method, "DELETE") == 0)
		printf("node %s is removed\n", cli->words[1]);
	else
		printf("node %s is %s; tags: %s; expires: %s\n", cli_text(answer, "name"),
			cli_text(answer, "state"), cli_list(json_object_get(answer, "tags")),
			cli_date_field(answer, "expires"));
	if (json_object_get(answer, "key") != NULL)
		warn_of_key(cli, json_object_get(answer, "key"));
	json_decref(answer);
	return CLI_OK;
}

int cli_node_show(struct cli *cli)
{
	return ask_about(cli, "GET", "", NULL);
}

int cli_node_approve(struct cli *cli)
{
	return ask_about(cli, "POST", "approve", NULL);
}

int cli_node_revoke(struct cli *cli)
{
	return ask_about(cli, "POST", "revoke",
		json_pack("{s:b}", "with_key", cli->options[OPTION_WITH_KEY] != NULL));
}

int cli_node_remove(struct cli *cli)
{
	return ask_about(cli, "DELETE", "", NULL);
}

int cli_node_rename(struct cli *cli)
{
	return ask_about(cli, "PATCH", "", json_pack("{s:s}", "name", cli->words[2]));
}

int cli_node_tag(struct cli *cli)
{
	json_t *tags = json_array();

	for (unsigned i = 2; i < cli->num_words; i++)
		json_put_last(&tags, json_string(cli->words[i]));
	if (tags == NULL)
		return cli_complain("out of memory");
	return ask_about(cli, "PATCH", "", json_pack("{s:o}", "tags", tags));
}

int cli_node_expire(struct cli *cli)
{
	int64_t when_s = time(NULL), life_s;

	if (cli->num_words == 3) {
		if (!cli_duration(cli->words[2], &life_s))
			return CLI_FAILED;
		when_s = life_s != 0 ? when_s + life_s : 0;
	}
	return ask_about(cli, "PATCH", "", json_pack("{s:I}", "expires", (json_int_t)when_s));
}
