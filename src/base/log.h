/* SPDX-License-Identifier: MIT
 *
 * Messages to a person, on stderr, one line each: "adit: wg0: engine: text". Secrets never come
 * here. What a stranger's packet can trigger is logged at debug only.
 */
#ifndef ADIT_BASE_LOG_H
#define ADIT_BASE_LOG_H

enum log_level { LOG_LEVEL_SILENT, LOG_LEVEL_ERROR, LOG_LEVEL_DEBUG };

/* Set what every line begins with (copied, cut at 63 characters); until then it is "adit". */
void log_set_prefix(const char *prefix);

/* Set the level; it is LOG_LEVEL_ERROR at start. */
void log_set_level(enum log_level level);

/* The level named by text as in wireguard-go's LOG_LEVEL: "verbose" and "debug", "error",
 * "silent"; anything else, NULL too, is LOG_LEVEL_ERROR. */
enum log_level log_level_from_text(const char *text);

/* Log one line, without its newline. */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
