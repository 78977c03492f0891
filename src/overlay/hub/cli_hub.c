/* SPDX-License-Identifier: MIT
 *
 * `adit-hub audit`, `adit-hub admin`, `adit-hub status`.
 */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>

#include "overlay/hub/cli.h"
#include "overlay/wire/json.h"

/* --- audit ----------------------------------------------------------- */

enum { PAGE = 1000 };

/* The audit trail from an id on; from "" the newest. */
static char *audit_path(const struct cli *cli, const char *from, const char *limit)
{
	const char *network = cli->options[OPTION_NETWORK];

	if (network != NULL && *from != '\0')
		return cli_path("/v1/networks/%s/audit?from=%s&limit=%s", network, from, limit);
	if (network != NULL)
		return cli_path("/v1/networks/%s/audit?limit=%s", network, limit);
	if (*from != '\0')
		return cli_path("/v1/audit?from=%s&limit=%s", from, limit);
	return cli_path("/v1/audit?limit=%s", limit);
}

static void add_event_row(struct cli_table *table, const json_t *event)
{
	const size_t flags = JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII; /* it is cut */
	char id[24], *before, *after, change[512];

	before = json_to_text(json_object_get(event, "before"), flags);
	after = json_to_text(json_object_get(event, "after"), flags);
	snprintf(id, sizeof(id), "%lld", cli_integer(event, "id"));
	snprintf(change, sizeof(change), "%.240s%s%.240s", before != NULL ? before : "",
		before != NULL && after != NULL ? " -> " : "", after != NULL ? after : "");
	cli_table_row(table, id, cli_date_field(event, "time"), cli_text(event, "actor"),
		cli_text(event, "action"), cli_text(event, "network"), cli_text(event, "subject"),
		cli_plain(change), NULL);
	free(before);
	free(after);
}

int cli_audit_list(struct cli *cli)
{
	const char *from = cli->options[OPTION_FROM], *limit = cli->options[OPTION_LIMIT];
	struct cli_table table = {0};
	json_t *answer, *event;
	size_t i;
	int r = cli_ask(cli, "GET",
		audit_path(cli, from != NULL ? from : "", limit != NULL ? limit : "50"), NULL,
		&answer);

	if (r != CLI_OK)
		return r;
	if (cli->options[OPTION_JSON] != NULL)
		return cli_print_json(answer);
	cli_table_row(&table, "ID", "TIME", "BY", "DID", "NETWORK", "TO", "CHANGE", NULL);
	json_array_foreach(json_object_get(answer, "events"), i, event)
		add_event_row(&table, event);
	cli_table_print(&table);
	json_decref(answer);
	return CLI_OK;
}

int cli_audit_verify(struct cli *cli)
{
	json_t *answer;
	bool is_ok;
	int r = cli_ask(cli, "GET", cli_path("/v1/audit/verify"), NULL, &answer);

	if (r != CLI_OK)
		return r;
	is_ok = cli_flag(answer, "ok");
	if (cli->options[OPTION_JSON] != NULL) {
		r = cli_print_json(answer);
		return is_ok ? r : CLI_FAILED;
	}
	if (is_ok)
		printf("%lld events, none changed, none missing\nlast hash: %s\n",
			cli_integer(answer, "events"), cli_text(answer, "last"));
	else
		cli_complain("event %lld was changed, or is missing or out of order",
			cli_integer(answer, "event"));
	json_decref(answer);
	return is_ok ? CLI_OK : CLI_FAILED;
}

/* Print a page, and move *from after it: always ahead, so that there is an end. Returns CLI_OK, or
 * CLI_FAILED after a complaint. */
static int print_events(const json_t *events, int64_t *from)
{
	const json_t *event;
	int r = CLI_OK;
	size_t i;

	json_array_foreach(events, i, event)
	{
		int64_t id = cli_integer(event, "id");

		if (id < *from || id == INT64_MAX)
			return cli_complain("the hub's events make no sense: %lld where %lld "
					    "or a later one is due",
				(long long)id, (long long)*from);
		r = cli_write_json(event, JSON_COMPACT);
		if (r != CLI_OK)
			break;
		*from = id + 1;
	}
	return r;
}

int cli_audit_export(struct cli *cli)
{
	const char *text = cli->options[OPTION_FROM];
	bool is_more = true;
	int64_t from = 1;
	int r = CLI_OK;

	if (text != NULL && !cli_number(text, "event's number", &from))
		return CLI_FAILED;
	while (r == CLI_OK && is_more) {
		char number[24], limit[24];
		json_t *answer;

		snprintf(number, sizeof(number), "%lld", (long long)from);
		snprintf(limit, sizeof(limit), "%d", PAGE);
		r = cli_ask(cli, "GET", audit_path(cli, number, limit), NULL, &answer);
		if (r != CLI_OK)
			return r;
		is_more = json_array_size(json_object_get(answer, "events")) > 0;
		r = print_events(json_object_get(answer, "events"), &from);
		json_decref(answer);
	}
	return r;
}

/* --- admins ---------------------------------------------------------- */

static char *admin_path(const struct cli *cli)
{
	const char *network = cli->options[OPTION_NETWORK];

	return network != NULL ? cli_path("/v1/networks/%s/admins/%s", network, cli->words[0])
			       : cli_path("/v1/admins/%s", cli->words[0]);
}

int cli_admin_add(struct cli *cli)
{
	const char *role = cli->options[OPTION_ROLE];
	const struct passwd *user = getpwnam(cli->words[0]);
	json_t *answer;
	int r;

	if (user == NULL)
		return cli_complain("this machine has no user \"%s\"", cli->words[0]);
	r = cli_ask(cli, "PUT", admin_path(cli),
		json_pack("{s:s, s:I}", "role", role != NULL ? role : "admin", "uid",
			(json_int_t)user->pw_uid),
		&answer);
	if (r != CLI_OK)
		return r;
	if (cli->options[OPTION_JSON] != NULL)
		return cli_print_json(answer);
	printf("%s is %s\n", cli->words[0], cli_text(answer, "role"));
	json_decref(answer);
	return CLI_OK;
}

int cli_admin_list(struct cli *cli)
{
	const char *network = cli->options[OPTION_NETWORK];
	struct cli_table table = {0};
	json_t *answer, *admin;
	size_t i;
	int r = cli_ask(cli, "GET",
		network != NULL ? cli_path("/v1/networks/%s/admins", network)
				: cli_path("/v1/admins"),
		NULL, &answer);

	if (r != CLI_OK)
		return r;
	if (cli->options[OPTION_JSON] != NULL)
		return cli_print_json(answer);
	cli_table_row(&table, "USER", "UID", "ROLE", "NETWORK", NULL);
	cli_table_row(&table, "root", "0", "owner", "(all)", NULL);
	json_array_foreach(json_object_get(answer, "admins"), i, admin)
	{
		const char *of = cli_text(admin, "network");
		char uid[24];

		snprintf(uid, sizeof(uid), "%lld", cli_integer(admin, "uid"));
		cli_table_row(&table, cli_text(admin, "name"), uid, cli_text(admin, "role"),
			*of != '\0' ? of : "(all)", NULL);
	}
	cli_table_print(&table);
	json_decref(answer);
	return CLI_OK;
}

int cli_admin_remove(struct cli *cli)
{
	json_t *answer;
	int r = cli_ask(cli, "DELETE", admin_path(cli), NULL, &answer);

	if (r != CLI_OK)
		return r;
	if (cli->options[OPTION_JSON] != NULL)
		return cli_print_json(answer);
	printf("%s has no role there any more\n", cli->words[0]);
	json_decref(answer);
	return CLI_OK;
}

/* --- status ---------------------------------------------------------- */

int cli_status(struct cli *cli)
{
	const json_t *work, *streams;
	json_t *answer;
	int r = cli_ask(cli, "GET", cli_path("/v1/status"), NULL, &answer);

	if (r != CLI_OK)
		return r;
	if (cli->options[OPTION_JSON] != NULL)
		return cli_print_json(answer);
	work = json_object_get(answer, "work");
	streams = json_object_get(answer, "streams");
	cli_print_field("version", "%s", cli_text(answer, "version"));
	cli_print_field("running since", "%s", cli_date_field(answer, "started"));
	cli_print_field("nodes join at", "%s, UDP port %lld", cli_text(answer, "host"),
		cli_integer(answer, "enrol_port"));
	cli_print_field("tunnel", "UDP port %lld", cli_integer(answer, "hub_port"));
	cli_print_field("networks", "%lld", cli_integer(answer, "networks"));
	cli_print_field("nodes", "%lld, %lld of them connected", cli_integer(answer, "nodes"),
		cli_integer(streams, "open"));
	cli_print_field("work", "%lld requests, %lld enrolments (%lld refused), %lld changes",
		cli_integer(work, "requests"), cli_integer(work, "enrolments"),
		cli_integer(work, "refusals"), cli_integer(work, "changes"));
	json_decref(answer);
	return CLI_OK;
}
