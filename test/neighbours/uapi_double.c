/* SPDX-License-Identifier: MIT
 *
 * The tunnel.
 */
#include "uapi_double.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "config/uapi_socket.h"
#include "doubles.h"
#include "net/tun.h"

enum { REQUEST_MAX = 65536, CLIENTS_MAX = 8 };

static const char prefixes[][3] = {[UAPI_OF_LAUNCHER] = "ft", [UAPI_OF_AGENT] = "fa"};
static const char right[] = "errno=0\n\n";

/* Replies to what is answered by an error alone. */
static const char *const wrong_errors[] = {"\n\n", "errno=1\n\n", "errno=-5\n\n", "errno=\n\n",
	"errno=x\n\n", "errno=0x\n\n", "errno=4294967296\n\n", "errno=18446744073709551616\n\n",
	"errno=-5\nerrno=0\n\n", "errno=0\nerrno=-5\n\n", "errno\n\n", "0\n\n",
	"" /* it hangs up */};

/* What the agent is told, for what it is to do is more than that. */
static const char *const wrong_configs[] = {"errno=-5\n\n", "listen_port=65536\nerrno=0\n\n",
	"private_key=1\nerrno=0\n\n", "public_key=x\nerrno=0\n\n", "errno=0\nlisten_port=1\n\n",
	"listen_port\nerrno=0\n\n", "listen_port=1\n\n"};

/* After a reply that is right. */
static const char *const wrong_events[] = {"errno=0\n\nwanted=\n\n", "errno=0\n\nwanted=x\n\n",
	"errno=0\n\nwanted=10.0.0.0/8\n\n", "errno=0\n\nwanted=10.0.0.1\nwanted=10.0.0.2\n\n",
	"errno=0\n\nerrno=-5\n\n", "errno=0\n\nerrno=x\n\n", "errno=0\n\n\n\n",
	"errno=0\n\n\33[2J\n\n"};

#define ABOUT(client, question, replies)                       \
	{                                                      \
		client, question, replies, ARRAY_SIZE(replies) \
	}
static const struct subject_of_lies {
	enum uapi_client client;
	const char *question;
	const char *const *replies;
	uint64_t num;
} subjects[] = {ABOUT(UAPI_OF_LAUNCHER, "hide_keys=", wrong_errors),
	ABOUT(UAPI_OF_LAUNCHER, "set=", wrong_errors), ABOUT(UAPI_OF_AGENT, "watch=", wrong_errors),
	ABOUT(UAPI_OF_AGENT, "set=", wrong_errors), ABOUT(UAPI_OF_AGENT, "get=", wrong_configs),
	ABOUT(UAPI_OF_AGENT, "watch=", wrong_events)};

/* number becomes that of the reply. */
static const struct subject_of_lies *find(enum uapi_client client, uint64_t *number)
{
	for (size_t i = 0; i < ARRAY_SIZE(subjects); i++) {
		if (subjects[i].client != client)
			continue;
		if (*number < subjects[i].num)
			return &subjects[i];
		*number -= subjects[i].num;
	}
	return NULL;
}

bool uapi_double_has(enum uapi_client client, uint64_t number)
{
	return find(client, &number) != NULL;
}

void uapi_double_name(char ret_ifname[IFNAMSIZ], enum uapi_client client, uint64_t number)
{
	snprintf(ret_ifname, IFNAMSIZ, "%s%x-%x", prefixes[client], (unsigned)number & 0xffff,
		(unsigned)getpid() & 0xffffff);
}

static void write_path(struct sockaddr_un *ret_addr, const char *ifname)
{
	*ret_addr = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(ret_addr->sun_path, sizeof(ret_addr->sun_path),
		UAPI_SOCKET_DIR "/%s" UAPI_SOCKET_SUFFIX, ifname);
}

void uapi_double_remove(const char *ifname)
{
	struct sockaddr_un addr;

	write_path(&addr, ifname);
	(void)unlink(addr.sun_path);
}

/* --- the process ----------------------------------------------------- */

static int listen_uapi(const char *ifname)
{
	struct sockaddr_un addr;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	uapi_double_remove(ifname);
	write_path(&addr, ifname);
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ||
		listen(fd, CLIENTS_MAX) < 0) {
		perror(addr.sun_path);
		_exit(1);
	}
	return fd;
}

/* Returns false when it is to hang up. */
static bool reply(int fd, const struct subject_of_lies *subject, uint64_t number)
{
	static char request[REQUEST_MAX];
	const ssize_t n = read(fd, request, sizeof(request) - 1);
	const char *said = right;

	if (n <= 0)
		return false;
	request[n] = '\0';
	if (subject && strncmp(request, subject->question, strlen(subject->question)) == 0) {
		said = subject->replies[number];
		fprintf(stderr, DOUBLES_LIE "%s%s\n", subject->question, said);
	}
	return *said && write(fd, said, strlen(said)) > 0;
}

static noreturn void serve(int listen_fd, const struct subject_of_lies *subject, uint64_t number)
{
	struct pollfd fds[1 + CLIENTS_MAX] = {{.fd = listen_fd, .events = POLLIN}};
	nfds_t num = 1;

	for (;;) {
		if (poll(fds, num, -1) < 0)
			_exit(1);
		for (nfds_t i = num - 1; i > 0; i--) {
			if (fds[i].revents && !reply(fds[i].fd, subject, number)) {
				close(fds[i].fd);
				fds[i] = fds[--num];
			}
		}
		if (fds[0].revents && num <= CLIENTS_MAX)
			fds[num++] =
				(struct pollfd){.fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC),
					.events = POLLIN};
	}
}

void uapi_double_main(int argc, char *argv[])
{
	const char *ifname = argc == 3 ? argv[2] : "";
	const struct subject_of_lies *subject = NULL;
	struct tun_features features;
	uint64_t number;

	if (argc != 3 || strcmp(argv[1], "run") != 0)
		return;
	number = strtoul(*ifname ? ifname + 2 : "", NULL, 16);
	for (unsigned client = UAPI_OF_LAUNCHER; client <= UAPI_OF_AGENT; client++) {
		if (strncmp(ifname, prefixes[client], 2) == 0)
			subject = find((enum uapi_client)client, &number);
	}
	if (tun_create(ifname, &features) < 0)
		_exit(1);
	serve(listen_uapi(ifname), subject, number);
}
