/* SPDX-License-Identifier: MIT
 *
 * `adit-hub network`.
 */
#include <stdio.h>

#include "overlay/hub/cli.h"
#include "overlay/wire/json.h"

static void print_network(const json_t *network)
{
	cli_print_field("name", "%s", cli_text(network, "name"));
	cli_print_field("prefixes", "%s", cli_list(json_object_get(network, "prefixes")));
	cli_print_field("hub", "%s", cli_list(json_object_get(network, "hub_addresses")));
	cli_print_field("nodes", "%lld", cli_integer(network, "nodes"));
	cli_print_field("default", "%s", cli_text(network, "default"));
	cli_print_field("approve", "%s", cli_flag(network, "approve") ? "every node" : "no");
	cli_print_field("node-ttl", "%s", cli_period(cli_integer(network, "node_ttl")));
	cli_print_field("created", "%s", cli_date_field(network, "created"));
}

/* Put the settings that were typed into a body. Returns false after a complaint. */
static bool read_settings(const struct cli *cli, json_t **body)
{
	const char *text = cli->options[OPTION_DEFAULT];
	int64_t ttl_s;

	if (text != NULL)
		json_put(body, "default", json_string(text));
	text = cli->options[OPTION_APPROVE];
	if (text != NULL && strcmp(text, "yes") != 0 && strcmp(text, "no") != 0) {
		cli_complain("--approve takes yes or no");
		return false;
	}
	if (text != NULL)
		json_put(body, "approve", json_boolean(strcmp(text, "yes") == 0));
	text = cli->options[OPTION_NODE_TTL];
	if (text != NULL && !cli_duration(text, &ttl_s))
		return false;
	if (text != NULL)
		json_put(body, "node_ttl", json_integer(ttl_s));
	if (*body == NULL)
		cli_complain("out of memory");
	return *body != NULL;
}

static int ask_and_print(struct cli *cli, const char *method, char *path, json_t *body)
{
	json_t *network;
	int r = cli_ask(cli, method, path, body, &network);

	if (r != CLI_OK)
		return r;
	if (cli->options[OPTION_JSON] != NULL)
		return cli_print_json(network);
	print_network(network);
	json_decref(network);
	return CLI_OK;
}

int cli_network_add(struct cli *cli)
{
	json_t *body = json_pack("{s:s}", "name", cli->words[0]);

	if (cli->options[OPTION_PREFIX4] != NULL)
		json_put(&body, "prefix4", json_string(cli->options[OPTION_PREFIX4]));
	if (cli->options[OPTION_PREFIX6] != NULL)
		json_put(&body, "prefix6", json_string(cli->options[OPTION_PREFIX6]));
	if (!read_settings(cli, &body)) {
		json_decref(body);
		return CLI_FAILED;
	}
	return ask_and_print(cli, "POST", cli_path("/v1/networks"), body);
}

int cli_network_list(struct cli *cli)
{
	struct cli_table table = {0};
	json_t *answer, *network;
	size_t i;
	int r = cli_ask(cli, "GET", cli_path("/v1/networks"), NULL, &answer);

	if (r != CLI_OK)
		return r;
	if (cli->options[OPTION_JSON] != NULL)
		return cli_print_json(answer);
	cli_table_row(&table, "NETWORK", "NODES", "PREFIXES", "DEFAULT", NULL);
	json_array_foreach(json_object_get(answer, "networks"), i, network)
	{
		char nodes[24];

		snprintf(nodes, sizeof(nodes), "%lld", cli_integer(network, "nodes"));
		cli_table_row(&table, cli_text(network, "name"), nodes,
			cli_list(json_object_get(network, "prefixes")),
			cli_text(network, "default"), NULL);
	}
	cli_table_print(&table);
	json_decref(answer);
	return CLI_OK;
}

int cli_network_show(struct cli *cli)
{
	return ask_and_print(cli, "GET", cli_path("/v1/networks/%s", cli->words[0]), NULL);
}

int cli_network_set(struct cli *cli)
{
	json_t *body = json_object();

	if (!read_settings(cli, &body)) {
		json_decref(body);
		return CLI_FAILED;
	}
	if (json_object_size(body) == 0) {
		json_decref(body);
		return CLI_USAGE;
	}
	return ask_and_print(cli, "PATCH", cli_path("/v1/networks/%s", cli->words[0]), body);
}

int cli_network_remove(struct cli *cli)
{
	bool with_nodes = cli->options[OPTION_NODES] != NULL;
	json_t *answer;
	int r = cli_ask(cli, "DELETE",
		cli_path("/v1/networks/%s?nodes=%s", cli->words[0], with_nodes ? "1" : "0"), NULL,
		&answer);

	if (r != CLI_OK)
		return r;
	if (cli->options[OPTION_JSON] != NULL)
		return cli_print_json(answer);
	printf("network %s is removed\n", cli->words[0]);
	json_decref(answer);
	return CLI_OK;
}
