/* SPDX-License-Identifier: MIT
 *
 * After crypto_init nothing more is asked of the system than memory, and of the allocator nothing
 * for a packet: what the sandbox and the data path rely on.
 */
#include <openssl/crypto.h>
#include <pthread.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/aead.h"
#include "crypto/aead_short.h"
#include "crypto/dh.h"
#include "crypto/hash.h"
#include "sample.h"

static unsigned long num_allocations;

static void *counting_malloc(size_t len, const char *file, int line)
{
	(void)file;
	(void)line;
	num_allocations++;
	return malloc(len);
}

static void *counting_realloc(void *p, size_t len, const char *file, int line)
{
	(void)file;
	(void)line;
	num_allocations++;
	return realloc(p, len);
}

static void counting_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	free(p);
}

/* Every function of the folder, to success and to failure. */
static bool use_everything(void)
{
	uint8_t a[KEY_LEN] = {1}, b[KEY_LEN], c[KEY_LEN], buf[100 + AEAD_TAG_LEN] = {0};
	const uint8_t zeros[KEY_LEN] = {0}, nonce[XAEAD_NONCE_LEN] = {2};
	struct dh_job jobs[] = {
		{.private_key = a, .point = dh_base_point}, {.private_key = a, .point = zeros}};
	bool ok;

	dh_clamp(a);
	dh_public(b, a);
	dh_many(jobs, ARRAY_SIZE(jobs));
	ok = dh(c, a, b) && !dh(c, a, zeros) && jobs[0].ok && !jobs[1].ok;
	hash(a, b, sizeof(b), c, sizeof(c));
	mac(buf, a, sizeof(a), b, sizeof(b), c, sizeof(c));
	hmac(c, a, sizeof(a), b, sizeof(b));
	kdf(a, b, c, a, b, sizeof(b));
	aead_seal(buf, buf, 100, a, sizeof(a), 1, b);
	ok = ok && aead_open(buf, buf, sizeof(buf), a, sizeof(a), 1, b);
	xaead_seal(buf, buf, 100, a, sizeof(a), nonce, b);
	ok = ok && xaead_open(buf, buf, sizeof(buf), a, sizeof(a), nonce, b) &&
	     !xaead_open(buf, buf, sizeof(buf), a, sizeof(a), nonce, b) &&
	     !aead_open(buf, buf, sizeof(buf), a, sizeof(a), 1, b);
	aead_short_seal(buf, buf, 100, a, sizeof(a), b);
	ok = ok && aead_short_open(buf, buf, sizeof(buf), a, sizeof(a), b) &&
	     !aead_short_open(buf, buf, sizeof(buf), a, sizeof(a), b);
	aead_forget();
	return ok;
}

static void *thread_main(void *arg)
{
	return use_everything() ? arg : NULL;
}

/* In a process that may do nothing but manage memory and its threads, all of it works, on a new
 * thread too. A file that is opened, or entropy that is asked for, ends it. */
static void test_in_sandbox(void **state)
{
	static const int allowed[] = {SCMP_SYS(brk), SCMP_SYS(mmap), SCMP_SYS(munmap),
		SCMP_SYS(mprotect), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex),
		SCMP_SYS(clone), SCMP_SYS(clone3), SCMP_SYS(set_robust_list), SCMP_SYS(rseq),
		SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction), SCMP_SYS(sched_getaffinity),
		SCMP_SYS(sigaltstack), SCMP_SYS(gettid), SCMP_SYS(exit), SCMP_SYS(exit_group)};
	int status;
	pid_t pid;

	(void)state;
#ifdef SANITIZED
	skip(); /* its runtime makes calls of its own */
#endif
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
		pthread_t thread;
		void *result;

		for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
			(void)seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
		if (seccomp_load(filter) != 0 || !use_everything() ||
			pthread_create(&thread, NULL, thread_main, filter) != 0 ||
			pthread_join(thread, &result) != 0)
			_exit(1);
		_exit(result == filter ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_nothing_allocated_per_packet(void **state)
{
	uint8_t buf[1420 + AEAD_TAG_LEN] = {0}, key[KEY_LEN] = {1};
	const uint8_t nonce[XAEAD_NONCE_LEN] = {2};
	unsigned long before;

	(void)state;
	assert_true(num_allocations > 0); /* the counter counts */
	before = num_allocations;
	for (uint64_t counter = 0; counter < 100; counter++) {
		key[1] = (uint8_t)counter;
		aead_seal(buf, buf, 1420, NULL, 0, counter, key);
		assert_true(aead_open(buf, buf, sizeof(buf), NULL, 0, counter, key));
		assert_false(aead_open(buf, buf, sizeof(buf), NULL, 0, counter + 1, key));
		mac(buf, key, sizeof(key), buf, 116, NULL, 0);
		xaead_seal(buf, buf, 16, key, sizeof(key), nonce, key);
		assert_true(xaead_open(buf, buf, 32, key, sizeof(key), nonce, key));
	}
	assert_int_equal(num_allocations, before);
}

static void test_init_again(void **state)
{
	unsigned long before = num_allocations;

	(void)state;
	assert_int_equal(crypto_init(), 0);
	assert_int_equal(num_allocations, before);
}

/* All of this file runs where the user's openssl.cnf leaves libcrypto without our algorithms: it
 * must not be read. */
static int setup(void **state)
{
	static const char config[] = "openssl_conf = a\n[a]\nproviders = b\n[b]\nbase = c\n"
				     "[c]\nactivate = 1\n";
	char path[] = "/tmp/adit-test-XXXXXX";
	int fd = mkstemp(path), r = -1;

	(void)state;
	if (fd >= 0 && write(fd, config, sizeof(config) - 1) == sizeof(config) - 1 &&
		setenv("OPENSSL_CONF", path, 1) == 0 &&
		CRYPTO_set_mem_functions(counting_malloc, counting_realloc, counting_free) == 1)
		r = crypto_init();
	close(fd);
	unlink(path);
	return r;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_sandbox),
		cmocka_unit_test(test_nothing_allocated_per_packet),
		cmocka_unit_test(test_init_again),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
