/* SPDX-License-Identifier: MIT
 *
 * The words of `adit set`.
 */
#include "config/arguments.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/encoding.h"

struct parser {
	struct setting_target target;
	char where[8 + KEY_BASE64_LEN + 1]; /* "peer KEY: " once there is one */
	char *message;
};

static int read_secret(
	struct setting_target *target, const struct setting *setting, const char *path)
{
	const struct config_callbacks *callbacks = target->callbacks;
	uint8_t key[KEY_LEN];
	int r;

	if (callbacks->read_key_file == NULL)
		return -EINVAL;
	r = callbacks->read_key_file(callbacks->data, path, key, &target->reason);
	if (r == 0)
		setting->put_key(target, key);
	wipe(key, sizeof(key));
	return r;
}

/* Read one value, of which the setting gets a copy without white space. */
static int parse_setting(struct parser *parser, const struct setting *setting, const char *value)
{
	char *copy = malloc(strlen(value) + 1);
	int r = -ENOMEM;

	parser->target.bad = parser->target.reason = NULL;
	if (copy != NULL) {
		setting_strip(copy, value, strlen(value));
		r = setting->is_secret ? read_secret(&parser->target, setting, value)
				       : setting->read(&parser->target, copy);
	}
	if (r != 0)
		setting_explain(parser->message, parser->where, setting->word, setting,
			&parser->target, value, r);
	free(copy);
	return r;
}

static int parse_peer(struct parser *parser, const char *value)
{
	int r;

	parser->where[0] = '\0';
	parser->target.peer = config_add_peer(parser->target.config);
	if (parser->target.peer == NULL)
		return -ENOMEM;
	r = parse_setting(parser, setting_by_word(true, "peer"), value);
	if (r == 0)
		snprintf(parser->where, sizeof(parser->where), "peer %.44s: ", value);
	return r;
}

static int refuse_word(struct parser *parser, const char *word)
{
	bool has_peer = parser->target.peer != NULL;

	if (has_peer && setting_by_word(false, word) != NULL)
		snprintf(parser->message, CONFIG_MESSAGE_LEN, "%s: expected before the first peer",
			word);
	else if (!has_peer && (setting_by_word(true, word) != NULL || strcmp(word, "remove") == 0))
		snprintf(parser->message, CONFIG_MESSAGE_LEN,
			"%s: expected after peer and its public key", word);
	else
		snprintf(parser->message, CONFIG_MESSAGE_LEN,
			"unknown word \"%.100s\"; expected %s", word,
			has_peer ? "remove, preshared-key, endpoint, persistent-keepalive, "
				   "allowed-ips or peer"
				 : "listen-port, fwmark, private-key or peer");
	return -EINVAL;
}

/* Parse the setting words[0] with its value. *ret_used says how many words that were. */
static int parse_word(
	struct parser *parser, char *const words[], size_t num_words, size_t *ret_used)
{
	bool has_peer = parser->target.peer != NULL, is_peer = strcmp(words[0], "peer") == 0;
	const struct setting *setting = setting_by_word(is_peer || has_peer, words[0]);

	*ret_used = 1;
	if (has_peer && strcmp(words[0], "remove") == 0) {
		parser->target.peer->flags |= CONFIG_PEER_REMOVE;
		return 0;
	}
	if (setting == NULL)
		return refuse_word(parser, words[0]);
	if (num_words < 2) {
		snprintf(parser->message, CONFIG_MESSAGE_LEN,
			"%s%s: the value is missing; expected %s%s", is_peer ? "" : parser->where,
			words[0], setting->is_secret ? "a file with " : "", setting->expected);
		return -EINVAL;
	}
	*ret_used = 2;
	return is_peer ? parse_peer(parser, words[1]) : parse_setting(parser, setting, words[1]);
}

int config_arguments_parse(char *const words[], size_t num_words,
	const struct config_callbacks *callbacks, struct config *ret_config,
	char ret_message[CONFIG_MESSAGE_LEN])
{
	struct parser parser = {
		.target = {.callbacks = callbacks, .config = ret_config},
		.message = ret_message,
	};
	size_t used;
	int r = 0;

	parser.target.where = parser.where;
	*ret_config = (struct config){0};
	for (size_t i = 0; r == 0 && i < num_words; i += used)
		r = parse_word(&parser, words + i, num_words - i, &used);
	if (r == -ENOMEM)
		snprintf(ret_message, CONFIG_MESSAGE_LEN, "out of memory");
	if (r != 0)
		config_deinit(ret_config);
	return r;
}
