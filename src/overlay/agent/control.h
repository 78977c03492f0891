/* SPDX-License-Identifier: MIT
 *
 * The agent's unix socket. A client sends one line of words, and is sent a number, the exit code of
 * the verb that asked, on a line, and then what that verb is to print. Everybody may ask for the
 * state of things; to change them one is root or in the group "adit".
 */
#ifndef ADIT_OVERLAY_AGENT_CONTROL_H
#define ADIT_OVERLAY_AGENT_CONTROL_H

#include <sys/types.h>

#include "base/text.h"
#include "overlay/agent/loop.h"

enum { CONTROL_WORDS_MAX = 16, CONTROL_LINE_MAX = 2048 };

struct control;

/* A request: words[0] to words[num_words - 1] (borrowed). It is answered by control_reply, now or
 * later. */
typedef void control_request(
	void *ctx, uint64_t id, bool may_change, char *const *words, unsigned num_words);

/* Serve the listening socket (owned from now on). gid is the group of those who may change things;
 * -1: only root may. NULL: out of memory. */
struct control *control_new(
	struct loop *loop, int listen_fd, gid_t gid, control_request *request, void *ctx);
void control_free(struct control *control); /* takes NULL */

/* Answer; does nothing if the client is gone. */
void control_reply(struct control *control, uint64_t id, int code, const struct text *text);
void control_reply_words(struct control *control, uint64_t id, int code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Split a line into words in place. Returns their number, or -EINVAL: too many, none, or not text.
 */
MUST_CHECK int control_split(char *line, char *ret_words[CONTROL_WORDS_MAX]);

#endif
