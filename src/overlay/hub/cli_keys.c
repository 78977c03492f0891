/* SPDX-License-Identifier: MIT
 *
 * `adit-hub key`.
 */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "overlay/hub/cli.h"
#include "overlay/wire/json.h"

/* What was typed as a request's body; NULL after a complaint. */
static json_t *read_key(const struct cli *cli)
{
	const char *uses_text = cli->options[OPTION_USES], *expires = cli->options[OPTION_EXPIRES];
	json_t *tags = json_array(), *body;
	int64_t uses = 1, life_s = 86400;

	if ((uses_text != NULL && !cli_number(uses_text, "number of uses", &uses)) ||
		(expires != NULL && !cli_duration(expires, &life_s))) {
		json_decref(tags);
		return NULL;
	}
	for (unsigned i = 0; i < cli->num_tags; i++)
		json_put_last(&tags, json_string(cli->tags[i]));
	body = json_pack("{s:I, s:I, s:o, s:b, s:b}", "uses", (json_int_t)uses, "expires_in",
		(json_int_t)life_s, "tags", tags, "ephemeral",
		cli->options[OPTION_EPHEMERAL] != NULL, "approved",
		cli->options[OPTION_NEEDS_APPROVAL] == NULL);
	if (body == NULL)
		cli_complain("out of memory");
	return body;
}

int cli_key_create(struct cli *cli)
{
	json_t *body = read_key(cli), *key;
	const char *link;
	int r;

	if (body == NULL)
		return CLI_FAILED;
	r = cli_ask(cli, "POST", cli_path("/v1/networks/%s/keys", cli->words[0]), body, &key);
	if (r != CLI_OK)
		return r;
	if (cli->options[OPTION_JSON] != NULL)
		return cli_print_json(key);
	link = cli_text(key, "link");
	printf("%s\n", link);
	if (cli->options[OPTION_QR] != NULL || isatty(STDOUT_FILENO))
		cli_print_qr(link);
	if (isatty(STDOUT_FILENO))
		fprintf(stderr, "On the node: adit join 'LINK'. Key %lld, until %s.\n",
			cli_integer(key, "id"), cli_date_field(key, "expires"));
	json_decref(key);
	return CLI_OK;
}

static const char *state_of(const json_t *key)
{
	long long uses = cli_integer(key, "uses"), max_uses = cli_integer(key, "max_uses");
	long long expires_s = cli_integer(key, "expires");

	return cli_flag(key, "revoked")				      ? "revoked"
	       : max_uses != 0 && uses >= max_uses		      ? "used up"
	       : expires_s != 0 && expires_s <= (long long)time(NULL) ? "expired"
								      : "good";
}

int cli_key_list(struct cli *cli)
{
	struct cli_table table = {0};
	json_t *answer, *key;
	size_t i;
	int r = cli_ask(cli, "GET", cli_path("/v1/networks/%s/keys", cli->words[0]), NULL, &answer);

	if (r != CLI_OK)
		return r;
	if (cli->options[OPTION_JSON] != NULL)
		return cli_print_json(answer);
	cli_table_row(&table, "ID", "STATE", "USES", "EXPIRES", "NODES ARE", "TAGS", "BY", NULL);
	json_array_foreach(json_object_get(answer, "keys"), i, key)
	{
		char id[24], uses[48];
		long long max_uses = cli_integer(key, "max_uses");

		snprintf(id, sizeof(id), "%lld", cli_integer(key, "id"));
		snprintf(uses, sizeof(uses), max_uses != 0 ? "%lld of %lld" : "%lld",
			cli_integer(key, "uses"), max_uses);
		cli_table_row(&table, id, state_of(key), uses, cli_date_field(key, "expires"),
			!cli_flag(key, "approved")   ? "to be approved"
			: cli_flag(key, "ephemeral") ? "ephemeral"
						     : "let in",
			cli_list(json_object_get(key, "tags")), cli_text(key, "created_by"), NULL);
	}
	cli_table_print(&table);
	json_decref(answer);
	return CLI_OK;
}

int cli_key_revoke(struct cli *cli)
{
	json_t *answer;
	int r = cli_ask(cli, "DELETE",
		cli_path("/v1/networks/%s/keys/%s", cli->words[0], cli->words[1]), NULL, &answer);

	if (r != CLI_OK)
		return r;
	if (cli->options[OPTION_JSON] != NULL)
		return cli_print_json(answer);
	printf("key %s is revoked; nodes that came with it stay\n", cli->words[1]);
	json_decref(answer);
	return CLI_OK;
}
