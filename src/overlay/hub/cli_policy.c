/* SPDX-License-Identifier: MIT
 *
 * `adit-hub policy` and `adit-hub why`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "overlay/hub/cli.h"
#include "overlay/policy/policy.h"

static void print_policy(const char *text, const char *by_default)
{
	fputs(text, stdout);
	if (*text != '\0' && text[strlen(text) - 1] != '\n')
		putchar('\n');
	fprintf(stderr, "# by default: %s\n", by_default);
}

int cli_policy_show(struct cli *cli)
{
	json_t *answer;
	const char *text;
	int r = cli_ask(
		cli, "GET", cli_path("/v1/networks/%s/policy", cli->words[0]), NULL, &answer);

	if (r != CLI_OK)
		return r;
	if (cli->options[OPTION_JSON] != NULL)
		return cli_print_json(answer);
	text = json_string_value(json_object_get(answer, "text"));
	text = text != NULL ? text : "";
	if (!isatty(STDOUT_FILENO) || text_is_plain(text, strlen(text)))
		print_policy(text, cli_text(answer, "default"));
	else
		r = cli_complain("the policy has characters that are not to be shown on a "
				 "terminal; --json does");
	json_decref(answer);
	return r;
}

/* Read a file, "-" for stdin. Returns false after a complaint. */
static bool read_file(const char *name, struct text *text)
{
	FILE *file = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");
	char buf[4096];
	size_t len;
	bool good;

	if (file == NULL) {
		cli_complain("%s: %m", name);
		return false;
	}
	while ((len = fread(buf, 1, sizeof(buf), file)) > 0 && text->len <= POLICY_TEXT_MAX)
		text_append(text, buf, len);
	good = !ferror(file);
	if (!good)
		cli_complain("%s: %m", name);
	if (file != stdin)
		fclose(file);
	if (good && text->len > POLICY_TEXT_MAX) {
		cli_complain("%s: a policy has at most %d bytes", name, POLICY_TEXT_MAX);
		return false;
	}
	return good && !text->failed;
}

static int send_policy(struct cli *cli, const char *method, char *path, const char *done)
{
	struct text text = {0};
	json_t *body, *answer;
	int r;

	if (!read_file(cli->words[1], &text)) {
		text_deinit(&text);
		free(path);
		return CLI_FAILED;
	}
	body = json_pack("{s:s%}", "text", text.len > 0 ? text.data : "", text.len);
	text_deinit(&text);
	if (body == NULL) {
		free(path);
		return cli_complain("%s: this is not UTF-8 text", cli->words[1]);
	}
	r = cli_ask(cli, method, path, body, &answer);
	if (r != CLI_OK)
		return r;
	if (cli->options[OPTION_JSON] != NULL)
		return cli_print_json(answer);
	printf("%s\n", done);
	json_decref(answer);
	return CLI_OK;
}

int cli_policy_set(struct cli *cli)
{
	return send_policy(cli, "PUT", cli_path("/v1/networks/%s/policy", cli->words[0]),
		"the policy's tests pass; it is in force");
}

int cli_policy_check(struct cli *cli)
{
	return send_policy(cli, "POST", cli_path("/v1/networks/%s/policy/check", cli->words[0]),
		"the policy can be read, and its tests pass; nothing was changed");
}

/* --- why ------------------------------------------------------------- */

/* The networks a node of this name is in; NULL after a complaint. */
static json_t *networks_of(struct cli *cli, const char *name)
{
	json_t *answer, *networks, *node;
	size_t i;

	if (cli_ask(cli, "GET", cli_path("/v1/nodes?name=%s", name), NULL, &answer) != CLI_OK)
		return NULL;
	networks = json_object();
	json_array_foreach(json_object_get(answer, "nodes"), i, node)
		json_object_set_new(networks, cli_text(node, "network"), json_true());
	json_decref(answer);
	return networks;
}

/* The network that both nodes are in, to be freed; NULL after a complaint. */
static char *common_network(struct cli *cli)
{
	json_t *of_from = networks_of(cli, cli->words[0]);
	json_t *of_to = of_from != NULL ? networks_of(cli, cli->words[1]) : NULL, *value;
	const char *name, *found = NULL;
	char *network = NULL;
	unsigned num = 0;

	json_object_foreach(of_from, name, value)
	{
		if (json_object_get(of_to, name) != NULL) {
			found = name;
			num++;
		}
	}
	if (num == 1)
		network = strdup(found);
	else if (of_to != NULL)
		cli_complain(num == 0 ? "no network has both %s and %s"
				      : "several networks have %s and %s; name one with --network",
			cli->words[0], cli->words[1]);
	json_decref(of_from);
	json_decref(of_to);
	return network;
}

static void print_allowance(const json_t *allowance)
{
	const char *ports = cli_text(allowance, "ports");

	printf(" %s%s%s", cli_text(allowance, "proto"), *ports != '\0' ? "/" : "", ports);
}

/* As it was typed: with tabs, and with the end of a line of another system. */
static void print_rule(long long line, const char *rule)
{
	size_t len = strcspn(rule, "\r\n");

	if (text_is_plain(rule, len))
		printf("by line %lld: %.*s\n", line, (int)len, rule);
	else
		printf("by line %lld, which is not to be shown\n", line);
}

static void print_why(const struct cli *cli, const json_t *why)
{
	const char *rule = json_string_value(json_object_get(why, "rule"));
	const json_t *accept = json_object_get(why, "accept"), *allowance;
	size_t i;

	printf("%s: %s -> %s%s%s\n", cli_flag(why, "allowed") ? "allowed" : "refused",
		cli->words[0], cli->words[1], cli->num_words > 2 ? " : " : "",
		cli->num_words > 2 ? cli->words[2] : "");
	if (json_object_get(why, "line") != NULL)
		print_rule(cli_integer(why, "line"), rule != NULL ? rule : "");
	else
		printf("no rule says so; the network's default is: %s\n", cli_text(why, "default"));
	if (strcmp(cli_text(why, "from_state"), "active") != 0)
		printf("%s is %s\n", cli->words[0], cli_text(why, "from_state"));
	if (strcmp(cli_text(why, "to_state"), "active") != 0)
		printf("%s is %s\n", cli->words[1], cli_text(why, "to_state"));
	printf("all that %s may send to %s:", cli->words[0], cli->words[1]);
	json_array_foreach(accept, i, allowance) print_allowance(allowance);
	printf("%s\n", json_array_size(accept) == 0 ? " nothing" : "");
}

int cli_why(struct cli *cli)
{
	const char *given = cli->options[OPTION_NETWORK];
	char *network = given != NULL ? strdup(given) : common_network(cli);
	char *traffic = strdup(cli->num_words > 2 ? cli->words[2] : "any"), *slash;
	json_t *answer;
	int r;

	if (network == NULL || traffic == NULL) {
		free(network);
		free(traffic);
		return CLI_FAILED;
	}
	slash = strchr(traffic, '/');
	if (slash != NULL)
		*slash++ = '\0';
	r = cli_ask(cli, "GET",
		slash != NULL ? cli_path("/v1/networks/%s/why?from=%s&to=%s&proto=%s&port=%s",
					network, cli->words[0], cli->words[1], traffic, slash)
			      : cli_path("/v1/networks/%s/why?from=%s&to=%s&proto=%s", network,
					cli->words[0], cli->words[1], traffic),
		NULL, &answer);
	free(network);
	free(traffic);
	if (r != CLI_OK)
		return r;
	if (cli->options[OPTION_JSON] != NULL)
		return cli_print_json(answer);
	print_why(cli, answer);
	json_decref(answer);
	return CLI_OK;
}
