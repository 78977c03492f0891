/* SPDX-License-Identifier: MIT
 *
 * What may be shown on a terminal.
 */
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void what_is_plain(void **state)
{
	static const char *const texts[] = {"", "a", "~ \n\t", "a\r\nb", "\303\244", "\302\240",
		"\342\226\210", "\360\237\230\200",
		/* beside what is refused below */
		"\337\277", "\340\240\200", "\355\237\277", "\356\200\200", "\360\220\200\200",
		"\364\217\277\277", "\342\200\212", "\342\200\220", "\342\200\247", "\342\200\257",
		"\342\201\237", "\342\201\260", "\357\273\276"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_true(text_is_plain(texts[i], strlen(texts[i])));
}

static void what_is_not(void **state)
{
	static const struct {
		const char *text;
		size_t len;
	} texts[] = {{"\33[2J", 4}, {"a\r", 2}, {"a\r\r\n", 4}, {"\0", 1}, {"\7", 1}, {"\177", 1},
		/* two bytes, which 8-bit terminals and others take for ESC [ */
		{"\302\233", 2}, {"\302\200", 2}, {"\302\237", 2},
		/* longer than need be: ESC, and what would be harmless */
		{"\300\233", 2}, {"\300\215\n", 3}, {"\340\200\233", 3}, {"\360\200\200\233", 4},
		{"\301\201", 2}, {"\340\237\277", 3}, {"\360\217\277\277", 4},
		/* surrogates, and beyond Unicode */
		{"\355\240\200", 3}, {"\355\277\277", 3}, {"\364\220\200\200", 4},
		{"\367\277\277\277", 4},
		/* what is not seen, breaks lines, or turns the text around */
		{"\330\234", 2}, {"\342\200\213", 3}, {"\342\200\217", 3}, {"\342\200\250", 3},
		{"\342\200\251", 3}, {"\342\200\252", 3}, {"\342\200\256", 3}, {"\342\201\240", 3},
		{"\342\201\246", 3}, {"\342\201\257", 3}, {"\357\273\277", 3},
		/* no UTF-8 */
		{"\233", 1}, {"\200", 1}, {"\377", 1}, {"\370\210\200\200\200", 5}, {"\303x", 2},
		{"\315\n", 2}, /* begins as if it were a carriage return */
		{"\342\226\210", 2}, {"\303", 1}, {"\360\237\230", 3}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_false(text_is_plain(texts[i].text, texts[i].len));
}

static void what_is_a_line(void **state)
{
	static const char *const lines[] = {"", "a b~", "\303\244", "\342\226\210"};
	static const char *const none[] = {"\n", "a\nb", "a\r\n", "a\tb", "a\r", "\33", "\302\233",
		"\342\200\250", "\300\212", "\377"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		assert_true(text_is_line(lines[i], strlen(lines[i])));
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		assert_false(text_is_line(none[i], strlen(none[i])));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_plain),
		cmocka_unit_test(what_is_not),
		cmocka_unit_test(what_is_a_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
