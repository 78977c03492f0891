/* SPDX-License-Identifier: MIT
 *
 * Messages between processes: fixed structs, one a packet of a SOCK_SEQPACKET socketpair. The
 * sockets are blocking; what must not wait says MSG_DONTWAIT.
 */
#ifndef ADIT_PRIVSEP_IPC_H
#define ADIT_PRIVSEP_IPC_H

#include <stdnoreturn.h>

#include "base/bytes.h"

/* Make a socketpair with buffers for many messages, CLOEXEC; both ends are the caller's. Returns 0
 * or a negative errno. */
MUST_CHECK int ipc_pair(int ret_ends[2]);

/* Wait for this neighbour for so many seconds at most: sending and receiving then give -EAGAIN.
 * Returns 0 or a negative errno. */
MUST_CHECK int ipc_limit_waiting(int fd, int seconds);

/* Send one message, waiting while the receiver is slow. Returns 0 or a negative errno; -EPIPE when
 * the other process is gone. */
MUST_CHECK int ipc_send(int fd, const void *message, size_t len);

/* The same with descriptors (borrowed; at most 2). */
MUST_CHECK int ipc_send_fds(
	int fd, const void *message, size_t len, const int *fds, size_t num_fds);

/* Send without waiting: -EAGAIN when the receiver is slow. */
MUST_CHECK int ipc_try_send(int fd, const void *message, size_t len);
MUST_CHECK int ipc_try_send_fds(
	int fd, const void *message, size_t len, const int *fds, size_t num_fds);

/* Receive one message of exactly len bytes, waiting for it. Returns 0; -EPIPE at the end of the
 * stream, -EPROTO for a message of another size, or a negative errno. */
MUST_CHECK int ipc_receive(int fd, void *message, size_t len);

/* The same without waiting (-EAGAIN), and with descriptors: at most 2, owned by the caller,
 * CLOEXEC, the rest of ret_fds -1; -EMFILE when this process may not have so many. ret_fds may be
 * NULL: none are accepted. */
MUST_CHECK int ipc_try_receive(int fd, void *message, size_t len, int ret_fds[2]);

/* A request and its answer as one call. */
MUST_CHECK int ipc_call(
	int fd, const void *request, size_t request_len, void *reply, size_t reply_len);

/* For a role's loop: the next message of a neighbour, if there is one, without waiting. Ends this
 * process when the neighbour is gone (silently: the monitor says which died) or misbehaves.
 * ret_fds is as in ipc_try_receive. */
MUST_CHECK bool ipc_next(int fd, void *message, size_t len, int ret_fds[2], const char *neighbour);

/* The same for sending, waiting while the neighbour is slow. */
void ipc_tell(int fd, const void *message, size_t len, const char *neighbour);

/* Whether this can be what a neighbour says of its success: 0 or a negative errno. */
MUST_CHECK static inline bool ipc_error_is_valid(int32_t error)
{
	return error <= 0 && error >= -4095; /* the kernel's MAX_ERRNO */
}

/* Say that a neighbour is gone or misbehaves (-EPROTO: by a malformed message), and end this
 * process. */
noreturn void ipc_fail(const char *neighbour, int error);

#endif
