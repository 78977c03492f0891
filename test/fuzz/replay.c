/* SPDX-License-Identifier: MIT
 *
 * Runs a fuzz target over the files of folders, without a fuzzer: with any compiler, on any
 * machine.
 *
 *   replay_NAME FOLDER...
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

/* In a block of its own size, so that a sanitizer sees what is read behind it. */
static void run(const char *path)
{
	static uint8_t buffer[INPUT_MAX];
	FILE *file = fopen(path, "re");
	size_t size = file ? fread(buffer, 1, sizeof(buffer), file) : 0;
	uint8_t *input = malloc(size ? size : 1);

	if (!file || ferror(file) || !feof(file) || !input) {
		perror(path);
		exit(2);
	}
	fclose(file);
	memcpy(input, buffer, size);
	LLVMFuzzerTestOneInput(input, size);
	free(input);
}

static unsigned run_all(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	unsigned num = 0;
	char path[4096];

	if (!dir) {
		perror(folder);
		exit(2);
	}
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		run(path);
		num++;
	}
	closedir(dir);
	return num;
}

int main(int argc, char **argv)
{
	unsigned num = 0;

	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++)
		num += run_all(argv[i]);
	printf("%u inputs\n", num);
	return num > 0 ? 0 : 1;
}
