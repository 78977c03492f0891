/* SPDX-License-Identifier: MIT
 *
 * Many packets at once: a vector kernel where the processor has one and there is enough for it to
 * do, libcrypto packet by packet elsewhere.
 */
#include "crypto/internal.h"

/* From how many packets of this length on the vector kernel is faster (bench/aead). */
static unsigned vector_min(uint32_t len)
{
	return len <= 128 ? 1 : len <= 4096 ? 2 : 16;
}

static bool use_vectors(const struct aead_job *jobs, unsigned num)
{
#if defined(__x86_64__)
	return num >= vector_min(jobs[0].len) && aead_avx512_is_available();
#else
	(void)jobs;
	return false;
#endif
}

static void run(struct aead_job *jobs, unsigned num, bool seal)
{
	for (unsigned i = 0; i < num;) {
		struct aead_job *job = &jobs[i];
		unsigned n = num - i < AEAD_MANY_MAX ? num - i : AEAD_MANY_MAX;

		if (use_vectors(job, n)) {
			seal ? aead_avx512_seal(job, n) : aead_avx512_open(job, n);
			i += n;
			continue;
		}
		if (seal)
			aead_seal(job->data, job->data, job->len, NULL, 0, job->counter, job->key);
		else
			job->ok = aead_open(job->data, job->data, job->len + AEAD_TAG_LEN, NULL, 0,
				job->counter, job->key);
		i++;
	}
}

void aead_seal_many(struct aead_job *jobs, unsigned num)
{
	run(jobs, num, true);
}

void aead_open_many(struct aead_job *jobs, unsigned num)
{
	run(jobs, num, false);
}
