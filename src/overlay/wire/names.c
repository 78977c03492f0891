/* SPDX-License-Identifier: MIT
 *
 * Names. The locale has no say in what a letter is.
 */
#include "overlay/wire/names.h"

#include "crypto/hash.h"

static bool is_letter(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Lower-case letters, digits and inner hyphens. */
static bool is_label(const char *name, size_t max)
{
	size_t len = strnlen(name, max + 1);

	if (len == 0 || len > max || name[0] == '-' || name[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_letter(name[i]) && !is_digit(name[i]) && name[i] != '-')
			return false;
	}
	return true;
}

static bool is_one_of(const char *name, const char *const *words, size_t num)
{
	for (size_t i = 0; i < num; i++) {
		if (strcmp(name, words[i]) == 0)
			return true;
	}
	return false;
}

static bool is_word(const char *name, size_t max)
{
	static const char *const taken[] = {"all", "default", "lo"};

	return is_label(name, max) && is_letter(name[0]) &&
	       !is_one_of(name, taken, ARRAY_SIZE(taken));
}

/* Digits alone are a node's number: who names himself so would be taken for the node that has it.
 */
static bool node_name_is_taken(const char *name)
{
	static const char *const taken[] = {"hub", "localhost"};

	return is_one_of(name, taken, ARRAY_SIZE(taken)) ||
	       name[strspn(name, "0123456789")] == '\0';
}

bool network_name_is_valid(const char *name)
{
	return is_word(name, NETWORK_NAME_MAX);
}

bool tag_is_valid(const char *name)
{
	return is_word(name, TAG_MAX);
}

bool node_name_is_valid(const char *name)
{
	return is_label(name, NODE_NAME_MAX) && !node_name_is_taken(name);
}

void node_name_from_hostname(char ret_name[NODE_NAME_MAX + 1], const char *hostname)
{
	static const char suffix[] = "-node";
	char name[NODE_NAME_MAX + 1] = {0};
	size_t len = 0;

	for (const char *h = hostname; *h && *h != '.' && len < NODE_NAME_MAX; h++) {
		char c = (char)(*h >= 'A' && *h <= 'Z' ? *h - 'A' + 'a' : *h);

		if (!is_letter(c) && !is_digit(c))
			c = '-';
		if (c != '-' || len > 0)
			name[len++] = c;
	}
	while (len > 0 && name[len - 1] == '-')
		name[--len] = '\0';
	if (len == 0)
		strcpy(name, "node");
	if (node_name_is_taken(name)) {
		len = strnlen(name, NODE_NAME_MAX - strlen(suffix));
		memcpy(name + len, suffix, sizeof(suffix));
	}
	memcpy(ret_name, name, sizeof(name));
}

void fingerprint(char ret_text[FINGERPRINT_TEXT_LEN], const uint8_t public_key[KEY_LEN])
{
	static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	uint8_t full[HASH_LEN];
	uint64_t bits;

	hash(full, public_key, KEY_LEN, NULL, 0);
	bits = (uint64_t)load_be32(full) << 8 | full[4];
	for (unsigned i = 0, shift = 35; i < FINGERPRINT_TEXT_LEN - 1; i++) {
		if (i == 4) {
			ret_text[i] = '-';
			continue;
		}
		ret_text[i] = digits[bits >> shift & 31];
		shift -= 5;
	}
	ret_text[FINGERPRINT_TEXT_LEN - 1] = '\0';
}
