/* SPDX-License-Identifier: MIT
 *
 * What the command line prints for people.
 */
#include <qrencode.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/text.h"
#include "overlay/hub/cli.h"
#include "overlay/wire/json.h"

enum { BUFFERS = 4, BUFFER_LEN = 1024, QUIET_ZONE = 2 };

/* The next of the static buffers. */
static char *next_buffer(void)
{
	static char buffers[BUFFERS][BUFFER_LEN];
	static unsigned next;

	next = (next + 1) % BUFFERS;
	return buffers[next];
}

int cli_write_json(const json_t *value, size_t flags)
{
	char *text = json_to_text(value, flags | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);

	if (text == NULL)
		return cli_complain("out of memory");
	puts(text);
	free(text);
	return CLI_OK;
}

int cli_print_json(json_t *answer)
{
	int r = cli_write_json(answer, JSON_INDENT(2));

	json_decref(answer);
	return r;
}

/* --- fields ---------------------------------------------------------- */

const char *cli_plain(const char *text)
{
	return text_is_line(text, strlen(text)) ? text : "(unprintable)";
}

/* "": it is no text. */
static const char *text_of(const json_t *value)
{
	return json_is_string(value) ? cli_plain(json_string_value(value)) : "";
}

const char *cli_text(const json_t *object, const char *key)
{
	return text_of(json_object_get(object, key));
}

long long cli_integer(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

bool cli_flag(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

const char *cli_time(int64_t time_s)
{
	char *text = next_buffer();
	time_t time = time_s;
	struct tm tm;

	if (time_s == 0)
		return "never";
	if (localtime_r(&time, &tm) == NULL ||
		strftime(text, BUFFER_LEN, "%Y-%m-%d %H:%M", &tm) == 0)
		return "?";
	return text;
}

const char *cli_date_field(const json_t *object, const char *key)
{
	return cli_time(cli_integer(object, key));
}

const char *cli_period(int64_t seconds)
{
	static const struct {
		int64_t seconds;
		char unit;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	char *text = next_buffer();
	size_t i = 0;

	if (seconds == 0)
		return "never";
	while (seconds % units[i].seconds != 0)
		i++;
	snprintf(
		text, BUFFER_LEN, "%lld%c", (long long)(seconds / units[i].seconds), units[i].unit);
	return text;
}

const char *cli_list(const json_t *list)
{
	static const char more[] = ", ...";
	char *text = next_buffer();
	size_t len = 0, i;
	json_t *item;

	if (json_array_size(list) == 0)
		return "-";
	text[0] = '\0';
	json_array_foreach(list, i, item)
	{
		const char *between = i > 0 ? ", " : "", *word = text_of(item);

		if (len + strlen(between) + strlen(word) + sizeof(more) > BUFFER_LEN) {
			snprintf(text + len, BUFFER_LEN - len, "%s", i > 0 ? more : "...");
			break;
		}
		len += (size_t)snprintf(text + len, BUFFER_LEN - len, "%s%s", between, word);
	}
	return text;
}

void cli_print_field(const char *name, const char *format, ...)
{
	va_list args;

	printf("%-15s", name);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

/* --- tables ---------------------------------------------------------- */

void cli_table_row(struct cli_table *table, const char *cell, ...)
{
	va_list args;
	size_t i = 0;

	table->rows = reallocarray(table->rows, table->num + 1, sizeof(*table->rows));
	if (table->rows == NULL)
		abort();
	memset(table->rows[table->num], 0, sizeof(*table->rows));
	va_start(args, cell);
	for (; cell != NULL && i < COLUMNS_MAX; cell = va_arg(args, const char *))
		table->rows[table->num][i++] = strdup(cell);
	va_end(args);
	table->num++;
}

static void print_cells(char *const cells[COLUMNS_MAX], const size_t widths[COLUMNS_MAX])
{
	for (size_t i = 0; i < COLUMNS_MAX && cells[i] != NULL; i++) {
		bool is_last = i + 1 == COLUMNS_MAX || cells[i + 1] == NULL;

		printf("%-*s%s", is_last ? 0 : (int)widths[i], cells[i], is_last ? "\n" : "  ");
	}
}

void cli_table_print(struct cli_table *table)
{
	size_t widths[COLUMNS_MAX] = {0};

	for (size_t row = 0; row < table->num; row++) {
		for (size_t i = 0; i < COLUMNS_MAX && table->rows[row][i] != NULL; i++) {
			size_t len = strlen(table->rows[row][i]);

			widths[i] = len > widths[i] ? len : widths[i];
		}
	}
	for (size_t row = 0; row < table->num; row++) {
		print_cells(table->rows[row], widths);
		for (size_t i = 0; i < COLUMNS_MAX; i++)
			free(table->rows[row][i]);
	}
	free(table->rows);
	*table = (struct cli_table){0};
}

/* --- QR codes -------------------------------------------------------- */

/* Whether a module is dark; outside it is light. */
static bool is_dark(const QRcode *code, int x, int y)
{
	return x >= 0 && y >= 0 && x < code->width && y < code->width &&
	       (code->data[y * code->width + x] & 1);
}

/* Light on the terminal's dark ground: a character is two modules, one above the other. */
void cli_print_qr(const char *text)
{
	static const char *const blocks[2][2] = {{"█", "▀"}, {"▄", " "}};
	QRcode *code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_L);

	if (code == NULL)
		return;
	for (int y = -QUIET_ZONE; y < code->width + QUIET_ZONE; y += 2) {
		for (int x = -QUIET_ZONE; x < code->width + QUIET_ZONE; x++)
			fputs(blocks[is_dark(code, x, y)][is_dark(code, x, y + 1)], stdout);
		putchar('\n');
	}
	QRcode_free(code);
}
