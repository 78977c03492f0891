/* SPDX-License-Identifier: MIT
 *
 * Live streams: connections that carry lines to nodes until either side ends them. They are plain
 * sockets (http.c hands them over), because ten thousand that mostly sleep should cost little more
 * than what the kernel takes for them, and one line nothing that depends on their number.
 */
#ifndef ADIT_OVERLAY_HUB_STREAM_H
#define ADIT_OVERLAY_HUB_STREAM_H

#include "base/bytes.h"

enum {
	STREAMS_MAX = 65536,
	STREAM_QUEUE_MAX = 1 << 20, /* bytes that wait for one reader: more, and it is sent away */
};
#define STREAM_IDLE_NS (UINT64_C(300) * 1000000000) /* an empty line after so long */

struct streams;
struct stream;

/* Streams are added to an epoll set with data.u64 = tag << 32 | a number for streams_dispatch(). */
MUST_CHECK int streams_new(int epoll_fd, uint32_t tag, struct streams **ret_streams);
void streams_free(struct streams *streams); /* ends all; takes NULL */

/* Take over a connected socket. *owner is set to the stream, and to NULL when it ends; what it was
 * before is ended. Returns 0, or a negative errno (the socket is closed). */
MUST_CHECK int stream_start(
	struct streams *streams, int fd, uint64_t now_ns, struct stream **owner);

/* Queue bytes (a line and its newline), and send what the reader takes. The stream may have ended
 * when this returns: *owner tells. */
void stream_send(struct stream *stream, const char *data, size_t len, uint64_t now_ns);

/* Gather what is sent in one go until stream_uncork(); for many lines at once. */
void stream_cork(struct stream *stream);
void stream_uncork(struct stream *stream, uint64_t now_ns);

/* End it at once: who reads it comes back, and is told what it has missed. Takes NULL. */
void stream_end(struct stream *stream);

/* End it when all that is queued was sent. It has no owner any more. Takes NULL. */
void stream_finish(struct stream *stream);

/* Serve what epoll found. */
void streams_dispatch(struct streams *streams, uint32_t number, uint32_t events, uint64_t now_ns);

/* Send the empty lines that are due. Returns when to call again, 0: not before there is a stream.
 */
uint64_t streams_expire(struct streams *streams, uint64_t now_ns);

struct streams_counts {
	uint64_t num, started, too_slow, lines, bytes;
};
const struct streams_counts *streams_counts(const struct streams *streams);

#endif
