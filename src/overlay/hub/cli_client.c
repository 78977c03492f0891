/* SPDX-License-Identifier: MIT
 *
 * The command line's client of the admin API.
 */
#include <curl/curl.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "overlay/hub/cli.h"
#include "overlay/wire/json.h"

enum { TIMEOUT_S = 20, ANSWER_MAX = 256 << 20 };

char *cli_path(const char *format, ...)
{
	struct text path = {0};
	const char *percent;
	va_list args;

	va_start(args, format);
	while ((percent = strchr(format, '%')) != NULL) {
		char *escaped = curl_easy_escape(NULL, va_arg(args, const char *), 0);

		text_append(&path, format, (size_t)(percent - format));
		text_printf(&path, "%s", escaped != NULL ? escaped : "");
		curl_free(escaped);
		format = percent + 2;
	}
	va_end(args);
	text_printf(&path, "%s", format);
	if (path.failed)
		abort();
	return path.data;
}

static size_t take_body(char *data, size_t size, size_t num, void *ctx)
{
	struct text *body = ctx;

	if (body->len + size * num > ANSWER_MAX)
		return 0;
	text_append(body, data, size * num);
	return body->failed ? 0 : size * num;
}

static int complain_of_transfer(CURL *curl, const struct cli *cli, CURLcode code)
{
	const char *socket = cli->options[OPTION_SOCKET];
	long error = 0;

	(void)curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &error);
	if (code == CURLE_COULDNT_CONNECT && error == EACCES)
		return cli_complain("%s: you may not use this socket; try as root", socket);
	if (code == CURLE_COULDNT_CONNECT)
		return cli_complain("no hub answers at %s; is `adit-hub run' running? (--socket "
				    "PATH names another)",
			socket);
	if (code == CURLE_OPERATION_TIMEDOUT)
		return cli_complain("the hub does not answer; what `adit-hub run' prints says why");
	return cli_complain("%s: %s", socket, curl_easy_strerror(code));
}

/* What the hub said: an answer, or an error to be shown. */
static int read_answer(long status, const struct text *body, json_t **ret_answer)
{
	json_t *answer = body->len > 0 ? json_loadb(body->data, body->len, 0, NULL) : json_object();
	const char *error = cli_text(answer, "error");

	if (answer == NULL)
		return cli_complain("the hub's answer makes no sense (status %ld)", status);
	if (status >= 200 && status < 300) {
		*ret_answer = answer;
		return CLI_OK;
	}
	if (*error != '\0')
		cli_complain("%s", error);
	else
		cli_complain("the hub fails (status %ld); its messages say why", status);
	json_decref(answer);
	return CLI_FAILED;
}

static int transfer(CURL *curl, const struct cli *cli, const char *method, const char *path,
	const char *body, json_t **ret_answer)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	struct text url = {0}, answer = {0};
	long status = 0;
	CURLcode code;
	int r;

	headers = curl_slist_append(headers, "Adit-Api: 1");
	headers = curl_slist_append(headers, "Expect:");
	text_printf(&url, "http://hub%s", path);
	curl_easy_setopt(curl, CURLOPT_URL, url.data);
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, cli->options[OPTION_SOCKET]);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
	if (body != NULL)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	code = curl_easy_perform(curl);
	(void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	r = code != CURLE_OK ? complain_of_transfer(curl, cli, code)
			     : read_answer(status, &answer, ret_answer);
	curl_slist_free_all(headers);
	text_deinit(&url);
	text_deinit(&answer);
	return r;
}

int cli_ask(struct cli *cli, const char *method, char *path, json_t *body, json_t **ret_answer)
{
	char *text = body != NULL ? json_to_text(body, JSON_COMPACT) : NULL;
	CURL *curl = curl_easy_init();
	int r;

	if (curl == NULL || (body != NULL && text == NULL))
		r = cli_complain("out of memory");
	else
		r = transfer(curl, cli, method, path, text, ret_answer);
	curl_easy_cleanup(curl);
	json_decref(body);
	free(text);
	free(path);
	return r;
}
