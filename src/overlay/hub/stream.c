/* SPDX-License-Identifier: MIT
 *
 * Live streams.
 */
#include "overlay/hub/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/deadlines.h"
#include "base/text.h"

enum {
	UNACKNOWLEDGED_MS = 60000, /* after which a reader counts as gone */
	CORK_MAX = 65536,	   /* bytes that are gathered before they are sent */
};

struct stream {
	struct streams *streams;
	struct stream **owner; /* NULL: none */
	struct text queue;     /* of which the first `sent` bytes are gone */
	size_t sent;
	uint32_t number;
	int fd;
	bool waits_for_room, finishes, is_corked;
};

struct streams {
	struct stream *slots[STREAMS_MAX]; /* by number */
	uint32_t unused[STREAMS_MAX];	   /* numbers; num_unused of them */
	uint32_t num_unused, end;	   /* end: numbers from here were never used */
	struct deadlines *deadlines;
	struct streams_counts counts;
	int epoll_fd;
	uint32_t tag;
};

int streams_new(int epoll_fd, uint32_t tag, struct streams **ret_streams)
{
	struct streams *streams = calloc(1, sizeof(*streams));

	if (streams == NULL)
		return -ENOMEM;
	streams->deadlines = deadlines_new(STREAMS_MAX);
	if (streams->deadlines == NULL) {
		free(streams);
		return -ENOMEM;
	}
	streams->epoll_fd = epoll_fd;
	streams->tag = tag;
	*ret_streams = streams;
	return 0;
}

void stream_end(struct stream *stream)
{
	struct streams *streams;

	if (stream == NULL)
		return;
	streams = stream->streams;
	if (stream->owner != NULL)
		*stream->owner = NULL;
	close(stream->fd);
	deadlines_set(streams->deadlines, stream->number, 0);
	streams->slots[stream->number] = NULL;
	streams->unused[streams->num_unused++] = stream->number;
	streams->counts.num--;
	text_deinit(&stream->queue);
	free(stream);
}

void streams_free(struct streams *streams)
{
	if (streams == NULL)
		return;
	for (uint32_t number = 0; number < streams->end; number++) {
		if (streams->slots[number] != NULL)
			stream_end(streams->slots[number]);
	}
	deadlines_free(streams->deadlines);
	free(streams);
}

static void watch(const struct stream *stream, int operation, uint32_t events)
{
	const struct streams *streams = stream->streams;
	struct epoll_event event = {.events = events | EPOLLIN | EPOLLRDHUP,
		.data.u64 = (uint64_t)streams->tag << 32 | stream->number};

	/* A stream that cannot be watched is found dead by its next line. */
	(void)epoll_ctl(streams->epoll_fd, operation, stream->fd, &event);
}

/* The next empty line: in 4 to 5 minutes, so that those who came together do not stay so. */
static void set_deadline(struct stream *stream, uint64_t now_ns)
{
	uint64_t part = (stream->number * UINT32_C(2654435761)) >> 16;

	deadlines_set(stream->streams->deadlines, stream->number,
		now_ns + STREAM_IDLE_NS - STREAM_IDLE_NS / 5 * part / 65536);
}

int stream_start(struct streams *streams, int fd, uint64_t now_ns, struct stream **owner)
{
	static const int on = 1, unacknowledged_ms = UNACKNOWLEDGED_MS;
	struct stream *stream = NULL;

	if (streams->num_unused > 0 || streams->end < STREAMS_MAX)
		stream = calloc(1, sizeof(*stream));
	if (stream == NULL) {
		close(fd);
		return -ENOMEM;
	}
	if (*owner != NULL)
		stream_end(*owner);
	stream->number =
		streams->num_unused > 0 ? streams->unused[--streams->num_unused] : streams->end++;
	stream->streams = streams;
	stream->fd = fd;
	stream->owner = owner;
	*owner = stream;
	streams->slots[stream->number] = stream;
	streams->counts.num++;
	streams->counts.started++;
	/* These fail on sockets that are not TCP, in tests. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(
		fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms, sizeof(unacknowledged_ms));
	watch(stream, EPOLL_CTL_ADD, 0);
	set_deadline(stream, now_ns);
	return 0;
}

/* Send what the reader takes. Returns false when the stream has ended. */
static bool flush(struct stream *stream)
{
	struct text *queue = &stream->queue;
	bool has_more;

	while (stream->sent < queue->len) {
		ssize_t len = send(stream->fd, queue->data + stream->sent,
			queue->len - stream->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0 && errno == EAGAIN)
			break;
		if (len < 0) {
			stream_end(stream);
			return false;
		}
		stream->sent += (size_t)len;
	}
	has_more = stream->sent < queue->len;
	if (!has_more) {
		text_deinit(queue);
		stream->sent = 0;
	}
	if (has_more != stream->waits_for_room)
		watch(stream, EPOLL_CTL_MOD, has_more ? EPOLLOUT : 0);
	stream->waits_for_room = has_more;
	if (!has_more && stream->finishes) {
		stream_end(stream);
		return false;
	}
	return true;
}

void stream_send(struct stream *stream, const char *data, size_t len, uint64_t now_ns)
{
	struct streams *streams = stream->streams;

	text_append(&stream->queue, data, len);
	streams->counts.lines++;
	streams->counts.bytes += len;
	if (stream->queue.failed || stream->queue.len - stream->sent > STREAM_QUEUE_MAX) {
		streams->counts.too_slow++;
		stream_end(stream);
	} else if (stream->is_corked && stream->queue.len - stream->sent < CORK_MAX) {
		return;
	} else if (stream->waits_for_room || flush(stream)) {
		set_deadline(stream, now_ns);
	}
}

void stream_cork(struct stream *stream)
{
	stream->is_corked = true;
}

void stream_uncork(struct stream *stream, uint64_t now_ns)
{
	stream->is_corked = false;
	if (flush(stream))
		set_deadline(stream, now_ns);
}

void stream_finish(struct stream *stream)
{
	if (stream == NULL)
		return;
	*stream->owner = NULL;
	stream->owner = NULL;
	stream->finishes = true;
	(void)flush(stream);
}

void streams_dispatch(struct streams *streams, uint32_t number, uint32_t events, uint64_t now_ns)
{
	struct stream *stream = number < streams->end ? streams->slots[number] : NULL;
	char byte;

	if (stream == NULL)
		return;
	if ((events & EPOLLOUT) && !flush(stream))
		return;
	/* Nothing is to be read but the end; the event may be that of a stream before this one. */
	if ((events & ~(uint32_t)EPOLLOUT) &&
		(recv(stream->fd, &byte, 1, MSG_DONTWAIT) >= 0 || errno != EAGAIN))
		stream_end(stream);
	else if (events & EPOLLOUT)
		set_deadline(stream, now_ns);
}

uint64_t streams_expire(struct streams *streams, uint64_t now_ns)
{
	uint32_t number;
	uint64_t due_ns;

	while ((due_ns = deadlines_next(streams->deadlines, &number)) != 0 && due_ns <= now_ns) {
		struct stream *stream = streams->slots[number];

		/* Who has not read the last one for 5 minutes is gone. */
		if (stream->waits_for_room)
			stream_end(stream);
		else
			stream_send(stream, "\n", 1, now_ns);
	}
	return due_ns;
}

const struct streams_counts *streams_counts(const struct streams *streams)
{
	return &streams->counts;
}
