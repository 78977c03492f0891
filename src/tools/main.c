/* SPDX-License-Identifier: MIT
 *
 * The `adit` command: a table of verbs.
 */
#include "tools/tools.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "tunnel/roles.h"

/* stdio's buffer of stdout is ours because keys pass through it. */
static char output[65536];

struct verb {
	const char *name;
	int (*main)(int argc, char *argv[]);
	const char *arguments, *summary;
};

static const struct verb verbs[] = {
	{"run", run_main, "<interface>", "run a tunnel in the foreground, for service managers"},
	{"show", show_main,
		"[--json] { <interface> | all | interfaces } [public-key | private-key | "
		"listen-port | fwmark | peers | preshared-keys | endpoints | allowed-ips | "
		"latest-handshakes | transfer | persistent-keepalive | dump]",
		"show the configuration and state of tunnels"},
	{"showconf", showconf_main, "<interface>",
		"show the configuration of a tunnel, in the form setconf reads"},
	{"set", set_main,
		"<interface> [listen-port <port>] [fwmark <mark>] [private-key <file path>] "
		"[peer <base64 public key> [remove] [preshared-key <file path>] "
		"[endpoint <ip>:<port>] [persistent-keepalive <interval seconds>] "
		"[allowed-ips [+|-]<ip1>/<cidr1>[,[+|-]<ip2>/<cidr2>]...] ]...",
		"change a tunnel, and add, change or remove its peers"},
	{"setconf", setconf_main, "<interface> <configuration filename>",
		"give a tunnel the configuration of a file"},
	{"addconf", setconf_main, "<interface> <configuration filename>",
		"add the configuration of a file to a tunnel"},
	{"syncconf", setconf_main, "<interface> <configuration filename>",
		"give a tunnel the configuration of a file, sparing the peers that stay"},
	{"genkey", genkey_main, "", "write a new private key to stdout"},
	{"genpsk", genpsk_main, "", "write a new preshared key to stdout"},
	{"pubkey", pubkey_main, "",
		"read a private key from stdin, write its public key to stdout"},
	{"join", join_main,
		"{ <link> | - } [--name <name>] [--interface <interface>] "
		"[--endpoint <ip>:<port>] [--keepalive <seconds>] [--wait] [--timeout <seconds>]",
		"join an overlay network; -: the link comes on stdin"},
	{"leave", leave_main, "<network>", "leave an overlay network"},
	{"status", status_main, "[--json]", "show the overlay networks this machine is in"},
	{"wait", wait_main,
		"{ joined [<network>] | node <name> [--network <network>] } [--timeout <seconds>]",
		"wait until this machine has joined, or has a session with a node"},
	{"ping", ping_main, "[<option of ping>]... { <name> | <name>.<network> }",
		"ping a node of an overlay network by its name"},
};

void complain(const char *format, ...)
{
	va_list args;

	fputs("adit: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

int finish_output(void)
{
	int r = fflush(stdout) != 0 || ferror(stdout);

	if (r != 0)
		complain("stdout: %m");
	wipe(output, sizeof(output));
	return r;
}

static void write_usage(FILE *stream)
{
	fprintf(stream, "Usage: adit VERB [ARGUMENT]...\n"
			"       adit [-f] INTERFACE     run a tunnel in the background (-f: "
			"foreground)\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		fprintf(stream, "  %-10s %s\n", verbs[i].name, verbs[i].summary);
	fprintf(stream, "\n`adit VERB --help' shows the arguments of a verb.\n");
}

static void write_verb_usage(FILE *stream, const struct verb *verb)
{
	fprintf(stream, "Usage: adit %s%s%s\n", verb->name, *verb->arguments ? " " : "",
		verb->arguments);
}

static bool is_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

static int run_verb(const struct verb *verb, int argc, char *argv[])
{
	int r;

	if (argc == 2 && is_help(argv[1])) {
		write_verb_usage(stdout, verb);
		return finish_output();
	}
	r = verb->main(argc, argv);
	if (r == USAGE) {
		write_verb_usage(stderr, verb);
		return 1;
	}
	return r;
}

int main(int argc, char *argv[])
{
	static char show[] = "show";
	char *no_words[] = {show, NULL};

	role_main(tunnel_roles, ROLE_NUM, argc, argv);
	setvbuf(stdout, output, _IOFBF, sizeof(output));
	if (argc < 2)
		return show_main(1, no_words);
	if (is_help(argv[1])) {
		write_usage(stdout);
		return finish_output();
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-v") == 0 ||
		strcmp(argv[1], "version") == 0) {
		printf("adit %s\n", ADIT_VERSION);
		return finish_output();
	}
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(argv[1], verbs[i].name) == 0)
			return run_verb(&verbs[i], argc - 1, argv + 1);
	}
	if (argc == 2 || *argv[1] == '-') {
		int r = run_compatible_main(argc, argv);

		if (r != USAGE)
			return r;
	}
	complain("unknown verb \"%s\"", argv[1]);
	write_usage(stderr);
	return 1;
}
