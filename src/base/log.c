/* SPDX-License-Identifier: MIT
 *
 * Messages on stderr. A line is one write, so that those of several processes do not mix, and
 * holds no control characters, so that nothing quoted in it can pose as another line.
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LOG_LINE_MAX = 1024 };

static char log_prefix[64] = "adit";
static enum log_level log_level = LOG_LEVEL_ERROR;

void log_set_prefix(const char *prefix)
{
	(void)snprintf(log_prefix, sizeof(log_prefix), "%s", prefix);
}

void log_set_level(enum log_level level)
{
	log_level = level;
}

enum log_level log_level_from_text(const char *text)
{
	if (text && (strcmp(text, "verbose") == 0 || strcmp(text, "debug") == 0))
		return LOG_LEVEL_DEBUG;
	if (text && strcmp(text, "silent") == 0)
		return LOG_LEVEL_SILENT;
	return LOG_LEVEL_ERROR;
}

__attribute__((format(printf, 1, 0))) static void log_line(const char *format, va_list args)
{
	const int saved_errno = errno;
	char line[LOG_LINE_MAX + 1];
	size_t len;

	(void)snprintf(line, sizeof(line), "%s: ", log_prefix);
	len = strlen(line);
	(void)vsnprintf(line + len, sizeof(line) - len, format, args);
	for (len = 0; line[len]; len++) {
		if ((unsigned char)line[len] < ' ' || line[len] == 0x7f)
			line[len] = '?';
	}
	line[len++] = '\n'; /* over the NUL */
	if (write(STDERR_FILENO, line, len) < 0) {
		/* There is nowhere to say so. */
	}
	errno = saved_errno;
}

void log_error(const char *format, ...)
{
	va_list args;

	if (log_level < LOG_LEVEL_ERROR)
		return;
	va_start(args, format);
	log_line(format, args);
	va_end(args);
}

void log_debug(const char *format, ...)
{
	va_list args;

	if (log_level < LOG_LEVEL_DEBUG)
		return;
	va_start(args, format);
	log_line(format, args);
	va_end(args);
}
