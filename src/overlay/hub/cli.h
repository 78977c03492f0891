/* SPDX-License-Identifier: MIT
 *
 * The command line of `adit-hub` but for `run`: it speaks the admin API of a running hub.
 */
#ifndef ADIT_OVERLAY_HUB_CLI_H
#define ADIT_OVERLAY_HUB_CLI_H

#include <jansson.h>

#include "overlay/wire/names.h"

/* `adit-hub NOUN [VERB] …`, the whole command line. Returns the exit status: 0, 1 (it failed), 2
 * (usage). */
int cli_main(int argc, char *argv[]);

/* --- what was typed, for the verbs -------------------------------------------------------- */

enum cli_option {
	OPTION_APPROVE,
	OPTION_DEFAULT,
	OPTION_EPHEMERAL,
	OPTION_EXPIRES,
	OPTION_FROM,
	OPTION_JSON,
	OPTION_LIMIT,
	OPTION_NEEDS_APPROVAL,
	OPTION_NETWORK,
	OPTION_NODE_TTL,
	OPTION_NODES,
	OPTION_PREFIX4,
	OPTION_PREFIX6,
	OPTION_QR,
	OPTION_ROLE,
	OPTION_SOCKET,
	OPTION_TAG,
	OPTION_USES,
	OPTION_WITH_KEY,
	OPTION_NUM,
};
enum { CLI_WORDS_MAX = 2 + NODE_TAGS_MAX };

struct cli {
	const char *words[CLI_WORDS_MAX]; /* after the verb */
	unsigned num_words;
	const char *options[OPTION_NUM]; /* "" for one without a value; NULL: not given */
	const char *tags[NODE_TAGS_MAX];
	unsigned num_tags;
};

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

/* A verb. Returns the exit status. */
typedef int cli_verb(struct cli *cli);

/* cli_networks.c */
cli_verb cli_network_add, cli_network_list, cli_network_show, cli_network_set, cli_network_remove;
/* cli_keys.c */
cli_verb cli_key_create, cli_key_list, cli_key_revoke;
/* cli_nodes.c */
cli_verb cli_node_list, cli_node_show, cli_node_approve, cli_node_rename, cli_node_tag,
	cli_node_expire, cli_node_revoke, cli_node_remove;
/* cli_policy.c */
cli_verb cli_policy_show, cli_policy_set, cli_policy_check, cli_why;
/* cli_hub.c */
cli_verb cli_audit_list, cli_audit_verify, cli_audit_export, cli_admin_add, cli_admin_list,
	cli_admin_remove, cli_status;

/* Say something on stderr, after "adit-hub: ". Returns CLI_FAILED. */
int cli_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Read a duration: a number and s, m, h, d or w; "never" is 0. Returns false after a complaint. */
MUST_CHECK bool cli_duration(const char *text, int64_t *ret_seconds);
/* Read a number from 0 on. Returns false after a complaint. */
MUST_CHECK bool cli_number(const char *text, const char *what, int64_t *ret_number);

/* --- the hub (cli_client.c) --------------------------------------------------------------- */

/* A path: the format's %s are escaped. To be freed. */
char *cli_path(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ask the hub. path (to be freed by this) and body (NULL: none) are given away. Returns CLI_OK with
 * *ret_answer (owned by the caller; an empty object when there is nothing to say), or CLI_FAILED
 * after a complaint. */
MUST_CHECK int cli_ask(
	struct cli *cli, const char *method, char *path, json_t *body, json_t **ret_answer);

/* --- for people (cli_print.c) ------------------------------------------------------------- */

/* Print a value as JSON, with jansson's flags and a newline: whatever is in it does nothing to a
 * terminal. Returns CLI_OK, or CLI_FAILED after a complaint. */
MUST_CHECK int cli_write_json(const json_t *value, size_t flags);
/* Print an answer (given away) so. */
int cli_print_json(json_t *answer);

/* A table: print_row() any number of times, the first is the head; then print_table(). */
enum { COLUMNS_MAX = 8 };
struct cli_table {
	char *(*rows)[COLUMNS_MAX]; /* owned, as are the cells */
	size_t num;
};
void cli_table_row(struct cli_table *table, const char *cell, ...); /* ends with NULL */
void cli_table_print(struct cli_table *table);			    /* and free it */

/* "NAME  value" lines, aligned. */
void cli_print_field(const char *name, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Texts in static buffers, four of which are good at a time. */
const char *cli_time(int64_t time_s); /* local, to the minute; "never" for 0 */
const char *cli_date_field(const json_t *object, const char *key);
const char *cli_period(int64_t seconds);  /* "7d", as cli_duration() reads it */
const char *cli_list(const json_t *list); /* of texts: "a, b"; "-" if empty; may end with "..." */

/* What the hub says may be anything: texts that would do something to a terminal, or pose as more
 * than one line, are not shown. */
const char *cli_plain(const char *text);
const char *cli_text(const json_t *object, const char *key); /* "" when there is none */
long long cli_integer(const json_t *object, const char *key);
bool cli_flag(const json_t *object, const char *key);

/* A QR code in half blocks. */
void cli_print_qr(const char *text);

#endif
