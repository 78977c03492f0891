/* SPDX-License-Identifier: MIT
 *
 * A stand-in for the hub's server, to test what runs it: it keeps a table in SQLite, answers the
 * door (a join key beginning with 0xff is refused, one with 0xfe gets no verdict), and does on its
 * admin socket what a test tells it by a word.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "overlay/hub/cli.h"
#include "overlay/hub/roles.h"
#include "overlay/launch/launch.h"
#include "privsep/ipc.h"

static struct hub_setup setup;
static sqlite3 *db;

static void sql(const char *text)
{
	char *error;

	if (sqlite3_exec(db, text, NULL, NULL, &error) != SQLITE_OK) {
		fprintf(stderr, "%s: %s\n", text, error);
		_exit(1);
	}
}

static int64_t count(void)
{
	sqlite3_stmt *statement;
	int64_t num = -1;

	if (sqlite3_prepare_v2(db, "SELECT count(*) FROM nodes", -1, &statement, NULL) ==
			SQLITE_OK &&
		sqlite3_step(statement) == SQLITE_ROW)
		num = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return num;
}

static void answer_door(void)
{
	struct door_question question;
	struct door_verdict verdict = {
		.answer = {.version = ENROL_VERSION,
			.state = ENROL_ACTIVE,
			.hub_port = setup.hub_port,
			.api_port = setup.api_port,
			.address4 = {AF_INET, 16, 0, {100, 64, 0, 7}},
			.address6 = {AF_INET6, 64, 0, {0xfd, [15] = 7}},
			.hub_address4 = {AF_INET, 32, 0, {100, 64, 0, 1}},
			.hub_address6 = {AF_INET6, 128, 0, {0xfd, [15] = 1}}}};

	if (!ipc_next(HUB_FD_DOOR, &question, sizeof(question), NULL, "door") ||
		question.request.join_key[0] == 0xfe)
		return;
	sql("INSERT INTO nodes VALUES ('x')");
	verdict.number = question.number;
	verdict.is_refused = question.request.join_key[0] == 0xff;
	verdict.answer.node_id = (uint32_t)count();
	memcpy(verdict.answer.hub_key, setup.hub_key, KEY_LEN);
	node_name_from_hostname(verdict.answer.name, question.request.hostname);
	ipc_tell(HUB_FD_DOOR, &verdict, sizeof(verdict), "door");
}

/* What the tunnel says of itself. */
static void ask_tunnel(const char *request, char *reply, size_t size)
{
	ssize_t n;

	(void)!write(HUB_FD_UAPI, request, strlen(request));
	n = read(HUB_FD_UAPI, reply, size - 1);
	reply[n > 0 ? n : 0] = '\0';
}

static void obey(const char *word, char *reply, size_t size)
{
	if (strcmp(word, "crash") == 0)
		*(volatile int *)NULL = 0;
	else if (strcmp(word, "misbehave") == 0)
		(void)!write(HUB_FD_LAUNCHER, "x", 1);
	else if (strcmp(word, "exec") == 0)
		(void)!execl("/bin/true", "true", NULL);
	else if (strcmp(word, "socket") == 0)
		(void)!socket(AF_INET, SOCK_STREAM, 0);
	else if (strcmp(word, "tunnel") == 0)
		ask_tunnel("get=1\n\n", reply, size);
	else if (strncmp(word, "uapi ", 5) == 0)
		ask_tunnel(word + 5, reply, size);
	else if (strcmp(word, "host") == 0)
		snprintf(reply, size, "%s", setup.host);
	else if (strcmp(word, "files") == 0)
		snprintf(reply, size, "%d %d %d %u", open("/etc/passwd", O_RDONLY),
			open("/../keys/enrol.key", O_RDONLY),
			open("/new", O_CREAT | O_RDWR, 0600) >= 0, geteuid());
}

static void serve_admin(void)
{
	char word[32] = "", reply[1024] = "";
	int fd = accept4(HUB_FD_ADMIN, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	(void)!read(fd, word, sizeof(word) - 1);
	obey(word, reply, sizeof(reply));
	(void)!write(fd, reply, strlen(reply) + 1);
	close(fd);
}

static void serve_api(void)
{
	int fd = accept4(HUB_FD_API, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0) {
		(void)!write(fd, "hello\n", 6);
		close(fd);
	}
}

void hub_main(const char *subject)
{
	const struct prefix own = {AF_INET, 16, 0, {100, 64, 0, 1}};
	char ifname[IFNAMSIZ] = "";

	memcpy(ifname, subject, strnlen(subject, IFNAMSIZ - 1));
	if (ipc_receive(HUB_FD_LAUNCHER, &setup, sizeof(setup)) < 0)
		_exit(1);
	hub_enter_sandbox();
	if (sqlite3_open(HUB_DATABASE, &db) != SQLITE_OK)
		role_fail("sqlite3_open", -EIO);
	sql("PRAGMA journal_mode=WAL");
	sql("CREATE TABLE IF NOT EXISTS nodes (name TEXT)");
	if (launch_add_address(HUB_FD_LAUNCHER, ifname, &own) < 0 ||
		launch_ready(HUB_FD_LAUNCHER) < 0)
		role_fail("launcher", -EPROTO);
	for (;;) {
		struct pollfd fds[] = {{HUB_FD_LAUNCHER, POLLIN, 0}, {HUB_FD_DOOR, POLLIN, 0},
			{HUB_FD_ADMIN, POLLIN, 0}, {HUB_FD_API, POLLIN, 0}};

		poll(fds, ARRAY_SIZE(fds), -1);
		if (fds[0].revents)
			_exit(0);
		if (fds[1].revents)
			answer_door();
		if (fds[2].revents)
			serve_admin();
		if (fds[3].revents)
			serve_api();
	}
}

int cli_main(int argc, char *argv[])
{
	(void)argc;
	(void)argv;
	return 2;
}
