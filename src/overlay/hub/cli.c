/* SPDX-License-Identifier: MIT
 *
 * The command line: a table of verbs, and what may be said with each.
 */
#include "overlay/hub/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "overlay/hub/options.h"

struct option {
	const char *name;
	bool has_value;
};

static const struct option options[OPTION_NUM] = {
	[OPTION_APPROVE] = {"--approve", true},
	[OPTION_DEFAULT] = {"--default", true},
	[OPTION_EPHEMERAL] = {"--ephemeral", false},
	[OPTION_EXPIRES] = {"--expires", true},
	[OPTION_FROM] = {"--from", true},
	[OPTION_JSON] = {"--json", false},
	[OPTION_LIMIT] = {"--limit", true},
	[OPTION_NEEDS_APPROVAL] = {"--needs-approval", false},
	[OPTION_NETWORK] = {"--network", true},
	[OPTION_NODE_TTL] = {"--node-ttl", true},
	[OPTION_NODES] = {"--nodes", false},
	[OPTION_PREFIX4] = {"--prefix4", true},
	[OPTION_PREFIX6] = {"--prefix6", true},
	[OPTION_QR] = {"--qr", false},
	[OPTION_ROLE] = {"--role", true},
	[OPTION_SOCKET] = {"--socket", true},
	[OPTION_TAG] = {"--tag", true},
	[OPTION_USES] = {"--uses", true},
	[OPTION_WITH_KEY] = {"--with-key", false},
};

#define O(name) (UINT32_C(1) << OPTION_##name)
#define SETTINGS O(DEFAULT) | O(APPROVE) | O(NODE_TTL)
#define SETTINGS_TEXT "[--default allow|deny] [--approve yes|no] [--node-ttl TIME]"

struct verb {
	const char *noun, *verb; /* verb NULL: the noun is all */
	cli_verb *run;
	unsigned min_words, max_words;
	uint32_t options; /* besides --json and --socket */
	const char *arguments, *summary;
};

static const struct verb verbs[] = {
	{"network", "add", cli_network_add, 1, 1, O(PREFIX4) | O(PREFIX6) | SETTINGS,
		"NETWORK [--prefix4 PREFIX] [--prefix6 PREFIX] " SETTINGS_TEXT, "make a network"},
	{"network", "list", cli_network_list, 0, 0, 0, "", "list the networks"},
	{"network", "show", cli_network_show, 1, 1, 0, "NETWORK", "show a network"},
	{"network", "set", cli_network_set, 1, 1, SETTINGS, "NETWORK " SETTINGS_TEXT,
		"change a network's settings"},
	{"network", "remove", cli_network_remove, 1, 1, O(NODES), "NETWORK [--nodes]",
		"remove a network (--nodes: and the nodes in it)"},
	{"key", "create", cli_key_create, 1, 1,
		O(USES) | O(EXPIRES) | O(TAG) | O(EPHEMERAL) | O(NEEDS_APPROVAL) | O(QR),
		"NETWORK [--uses N] [--expires TIME] [--tag TAG]... [--ephemeral] "
		"[--needs-approval] [--qr]",
		"make a join key, and the link that nodes join with"},
	{"key", "list", cli_key_list, 1, 1, 0, "NETWORK", "list the join keys of a network"},
	{"key", "revoke", cli_key_revoke, 2, 2, 0, "NETWORK ID", "make a join key useless"},
	{"node", "list", cli_node_list, 0, 1, 0, "[NETWORK]", "list nodes"},
	{"node", "show", cli_node_show, 2, 2, 0, "NETWORK NODE", "show a node"},
	{"node", "approve", cli_node_approve, 2, 2, 0, "NETWORK NODE",
		"let a pending node in, or an expired one again"},
	{"node", "rename", cli_node_rename, 3, 3, 0, "NETWORK NODE NAME", "give a node a name"},
	{"node", "tag", cli_node_tag, 2, CLI_WORDS_MAX, 0, "NETWORK NODE [TAG]...",
		"give a node these tags and no others"},
	{"node", "expire", cli_node_expire, 2, 3, 0, "NETWORK NODE [TIME|never]",
		"let a node's membership end after a time, or now"},
	{"node", "revoke", cli_node_revoke, 2, 2, O(WITH_KEY), "NETWORK NODE [--with-key]",
		"shut a node out for good, and have its peers forget it (--with-key: and make the "
		"join key useless that it came with)"},
	{"node", "remove", cli_node_remove, 2, 2, 0, "NETWORK NODE",
		"remove a node; with a join key it may come again"},
	{"policy", "show", cli_policy_show, 1, 1, 0, "NETWORK", "print a network's policy"},
	{"policy", "set", cli_policy_set, 2, 2, 0, "NETWORK FILE|-",
		"give a network a policy, if its tests pass"},
	{"policy", "check", cli_policy_check, 2, 2, 0, "NETWORK FILE|-",
		"try a policy and its tests, and change nothing"},
	{"why", NULL, cli_why, 2, 3, O(NETWORK), "FROM TO [PROTO[/PORT]] [--network NETWORK]",
		"say which rule lets a node send to another, or keeps it from that"},
	{"audit", "list", cli_audit_list, 0, 0, O(NETWORK) | O(FROM) | O(LIMIT),
		"[--network NETWORK] [--from ID] [--limit N]", "list what was done, and by whom"},
	{"audit", "verify", cli_audit_verify, 0, 0, 0, "",
		"check that nobody has changed the record"},
	{"audit", "export", cli_audit_export, 0, 0, O(NETWORK) | O(FROM),
		"[--network NETWORK] [--from ID]", "print all of it, one JSON object a line"},
	{"admin", "add", cli_admin_add, 1, 1, O(NETWORK) | O(ROLE),
		"USER [--role owner|admin|auditor] [--network NETWORK]",
		"give a user of this machine a role"},
	{"admin", "list", cli_admin_list, 0, 0, O(NETWORK), "[--network NETWORK]", "list roles"},
	{"admin", "remove", cli_admin_remove, 1, 1, O(NETWORK), "USER [--network NETWORK]",
		"take a user's role away"},
	{"status", NULL, cli_status, 0, 0, 0, "", "show whether the hub works, and how hard"},
};

int cli_complain(const char *format, ...)
{
	va_list args;

	fputs("adit-hub: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return CLI_FAILED;
}

static int write_usage(FILE *stream, int status)
{
	fprintf(stream, "Usage: adit-hub NOUN [VERB] [ARGUMENT]...\n\n"
			"  run              run a hub in the foreground, for service managers\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		fprintf(stream, "  %-7s %-8s %s\n", verbs[i].noun,
			verbs[i].verb != NULL ? verbs[i].verb : "", verbs[i].summary);
	fprintf(stream, "\n`adit-hub NOUN VERB --help' shows the arguments. With all but run:\n"
			"  --json          print JSON\n"
			"  --socket PATH   of the hub (" HUB_SOCKET ")\n"
			"TIME is a number and s, m, h, d or w: 12h, 7d.\n");
	return status;
}

static int write_verb_usage(FILE *stream, const struct verb *verb, int status)
{
	fprintf(stream, "Usage: adit-hub %s%s%s%s%s [--json] [--socket PATH]\n", verb->noun,
		verb->verb != NULL ? " " : "", verb->verb != NULL ? verb->verb : "",
		*verb->arguments != '\0' ? " " : "", verb->arguments);
	return status;
}

/* --- values ---------------------------------------------------------- */

bool cli_number(const char *text, const char *what, int64_t *ret_number)
{
	long long number;
	char *end;

	errno = 0;
	number = strtoll(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || errno != 0) {
		cli_complain("\"%s\" is no %s", text, what);
		return false;
	}
	*ret_number = number;
	return true;
}

bool cli_duration(const char *text, int64_t *ret_seconds)
{
	static const char units[] = "smhdw";
	static const int64_t seconds[] = {1, 60, 3600, 86400, 7 * 86400};
	const char *unit;
	int64_t number;
	char *end;

	if (strcmp(text, "never") == 0) {
		*ret_seconds = 0;
		return true;
	}
	number = strtol(text, &end, 10);
	unit = *end != '\0' && end[1] == '\0' ? strchr(units, *end) : NULL;
	if (*text < '0' || *text > '9' || unit == NULL || number <= 0 || number > 1000000) {
		cli_complain(
			"\"%s\" is no duration; expected something like 12h, 7d or never", text);
		return false;
	}
	*ret_seconds = number * seconds[unit - units];
	return true;
}

/* --- reading the line ------------------------------------------------ */

static bool is_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

/* The option that a word is, with or without "=value"; OPTION_NUM: none. */
static enum cli_option find_option(const char *word, const char **ret_value)
{
	size_t len = strcspn(word, "=");

	*ret_value = word[len] == '=' ? word + len + 1 : NULL;
	for (enum cli_option i = 0; i < OPTION_NUM; i++) {
		if (strlen(options[i].name) == len && memcmp(options[i].name, word, len) == 0)
			return i;
	}
	return OPTION_NUM;
}

/* Take in the option at argv[*i]. Returns false after a complaint. */
static bool take_option(struct cli *cli, const struct verb *verb, int argc, char *argv[], int *i)
{
	const char *value;
	enum cli_option option = find_option(argv[*i], &value);

	if (option == OPTION_NUM ||
		!((verb->options | O(JSON) | O(SOCKET)) & UINT32_C(1) << option)) {
		cli_complain("unknown option \"%s\"", argv[*i]);
		return false;
	}
	if (options[option].has_value && value == NULL)
		value = ++*i < argc ? argv[*i] : NULL;
	if (options[option].has_value != (value != NULL)) {
		cli_complain("%s takes %s value", options[option].name,
			options[option].has_value ? "a" : "no");
		return false;
	}
	cli->options[option] = value != NULL ? value : "";
	if (option == OPTION_TAG && cli->num_tags == NODE_TAGS_MAX) {
		cli_complain("a node has at most %d tags", NODE_TAGS_MAX);
		return false;
	}
	if (option == OPTION_TAG)
		cli->tags[cli->num_tags++] = value;
	return true;
}

static int run_verb(const struct verb *verb, int argc, char *argv[])
{
	struct cli cli = {.options[OPTION_SOCKET] = HUB_SOCKET};
	int status;

	for (int i = 0; i < argc; i++) {
		if (is_help(argv[i]))
			return write_verb_usage(stdout, verb, CLI_OK);
		if (argv[i][0] == '-' && argv[i][1] != '\0') {
			if (!take_option(&cli, verb, argc, argv, &i))
				return write_verb_usage(stderr, verb, CLI_USAGE);
		} else if (cli.num_words == verb->max_words) {
			cli_complain("too many words: \"%s\"", argv[i]);
			return write_verb_usage(stderr, verb, CLI_USAGE);
		} else {
			cli.words[cli.num_words++] = argv[i];
		}
	}
	if (cli.num_words < verb->min_words)
		return write_verb_usage(stderr, verb, CLI_USAGE);
	status = verb->run(&cli);
	if (status == CLI_USAGE)
		return write_verb_usage(stderr, verb, CLI_USAGE);
	if (fflush(stdout) != 0 || ferror(stdout))
		return cli_complain("stdout: %m");
	return status;
}

/* Which verbs a noun has. */
static int write_noun_usage(FILE *stream, const char *noun, int status)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(verbs[i].noun, noun) == 0)
			fprintf(stream, "  adit-hub %s %s %s\n", noun, verbs[i].verb,
				verbs[i].arguments);
	}
	return status;
}

int cli_main(int argc, char *argv[])
{
	const char *noun;
	bool is_noun = false;

	if (argc < 2)
		return write_usage(stderr, CLI_USAGE);
	noun = argv[1];
	if (is_help(noun))
		return write_usage(stdout, CLI_OK);
	if (strcmp(noun, "--version") == 0 || strcmp(noun, "-v") == 0) {
		printf("adit-hub %s\n", ADIT_VERSION);
		return CLI_OK;
	}
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		const struct verb *verb = &verbs[i];

		if (strcmp(verb->noun, noun) != 0)
			continue;
		is_noun = true;
		if (verb->verb == NULL)
			return run_verb(verb, argc - 2, argv + 2);
		if (argc > 2 && strcmp(verb->verb, argv[2]) == 0)
			return run_verb(verb, argc - 3, argv + 3);
	}
	if (!is_noun) {
		cli_complain("unknown word \"%s\"; `adit-hub --help' lists what there is", noun);
		return CLI_USAGE;
	}
	if (argc > 2 && is_help(argv[2]))
		return write_noun_usage(stdout, noun, CLI_OK);
	return write_noun_usage(stderr, noun, CLI_USAGE);
}
