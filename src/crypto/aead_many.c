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

void aead_seal_many(struct aead_job *jobs, unsigned num)
{
	for (unsigned i = 0; i < num;) {
		unsigned n = num - i < AEAD_MANY_MAX ? num - i : AEAD_MANY_MAX;

		if (use_vectors(jobs + i, n)) {
			aead_avx512_seal(jobs + i, n);
			i += n;
			continue;
		}
		aead_seal(jobs[i].data, jobs[i].data, jobs[i].len, NULL, 0, jobs[i].counter,
			jobs[i].key);
		i++;
	}
}

void aead_open_many(struct aead_job *jobs, unsigned num)
{
	for (unsigned i = 0; i < num;) {
		unsigned n = num - i < AEAD_MANY_MAX ? num - i : AEAD_MANY_MAX;

		if (use_vectors(jobs + i, n)) {
			aead_avx512_open(jobs + i, n);
			i += n;
			continue;
		}
		jobs[i].ok = aead_open(jobs[i].data, jobs[i].data, jobs[i].len + AEAD_TAG_LEN, NULL,
			0, jobs[i].counter, jobs[i].key);
		i++;
	}
}
