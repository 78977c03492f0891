/* SPDX-License-Identifier: MIT
 *
 * Requests at the agent's socket: a line to words.
 */
#include <stdlib.h>

#include "overlay/agent/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = malloc(size + 1), *words[CONTROL_WORDS_MAX];
	int num;

	memcpy(line, data, size);
	line[size] = '\0';
	num = control_split(line, words);
	if (num == 0 || num > CONTROL_WORDS_MAX)
		abort();
	for (int i = 0; i < num; i++) {
		if (*words[i] == '\0' || strchr(words[i], ' ') || words[i] < line ||
			words[i] + strlen(words[i]) > line + size)
			abort();
	}
	free(line);
	return 0;
}
