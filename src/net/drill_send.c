/* SPDX-License-Identifier: MIT
 *
 * A drill: the kernel refuses datagrams. ADIT_DRILL_SEND=ERROR:PORT has sendmsg and sendmmsg fail
 * with this errno for what goes to that UDP port, and nothing else. Some errors cannot be brought
 * about otherwise: the kernel keeps ENOBUFS to itself where nobody has asked for errors. Only in
 * programs built with -Ddrills=true.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int refusal;
static in_port_t refused_port; /* in network order */

static __attribute__((constructor)) void arm(void)
{
	const char *text = getenv("ADIT_DRILL_SEND");
	char *end;

	if (!text)
		return;
	refusal = (int)strtol(text, &end, 10);
	refused_port = *end == ':' ? htons((in_port_t)strtoul(end + 1, NULL, 10)) : 0;
	if (refusal <= 0 || refused_port == 0)
		abort();
}

static bool is_refused(const struct msghdr *message)
{
	const struct sockaddr *address = message->msg_name;

	if (refusal == 0 || !address)
		return false;
	if (address->sa_family == AF_INET)
		return ((const struct sockaddr_in *)message->msg_name)->sin_port == refused_port;
	return address->sa_family == AF_INET6 &&
	       ((const struct sockaddr_in6 *)message->msg_name)->sin6_port == refused_port;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	if (is_refused(message)) {
		errno = refusal;
		return -1;
	}
	return (ssize_t)syscall(SYS_sendmsg, fd, message, flags);
}

/* As the kernel does it: an error is said if it is the first message's. */
int sendmmsg(int fd, struct mmsghdr *messages, unsigned num, int flags)
{
	unsigned good = 0;

	while (good < num && !is_refused(&messages[good].msg_hdr))
		good++;
	if (good == 0 && num > 0) {
		errno = refusal;
		return -1;
	}
	return (int)syscall(SYS_sendmmsg, fd, messages, good, flags);
}
