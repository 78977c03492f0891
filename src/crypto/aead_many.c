/* SPDX-License-Identifier: MIT
 *
 * Many packets at once: a vector kernel where the processor has one and there is enough for it to
 * do, libcrypto packet by packet elsewhere.
 */
#include "crypto/aead_vector.h"

#if defined(__x86_64__)

const struct aead_kernel *const aead_kernels[] = {&aead_avx512, &aead_avx2, NULL};

/* From how many packets of up to so many bytes on a kernel is faster than libcrypto on the same
 * processor: `build/bench/aead`, whose figures are in bench/README.md. */
static const struct {
	const struct aead_kernel *kernel;
	uint32_t len_max;
	unsigned num_min;
} choices[] = {
	{&aead_avx512, UINT32_MAX, 1},
	{&aead_avx2, 256, 1},
	{&aead_avx2, 4096, 2},
};

static bool is_worthwhile(const struct aead_kernel *kernel, uint32_t len, unsigned num)
{
	for (size_t i = 0; i < ARRAY_SIZE(choices); i++) {
		if (choices[i].kernel == kernel && len <= choices[i].len_max)
			return num >= choices[i].num_min;
	}
	return false;
}

const struct aead_kernel *aead_kernel_choose(uint32_t len, unsigned num)
{
	for (size_t i = 0; aead_kernels[i]; i++) {
		if (aead_kernels[i]->is_available())
			return is_worthwhile(aead_kernels[i], len, num) ? aead_kernels[i] : NULL;
	}
	return NULL;
}

/* What is done with a kernel of the packets at the front; 0 where libcrypto is to do the first. The
 * length of the first stands for all that go together. */
static unsigned run_kernel(struct aead_job *jobs, unsigned num, bool seal)
{
	const struct aead_kernel *kernel = aead_kernel_choose(jobs->len, num);

	if (!kernel)
		return 0;
	if (num > kernel->poly_lanes)
		num = kernel->poly_lanes;
	seal ? aead_kernel_seal(kernel, jobs, num) : aead_kernel_open(kernel, jobs, num);
	return num;
}

#else

const struct aead_kernel *const aead_kernels[] = {NULL};

const struct aead_kernel *aead_kernel_choose(uint32_t len, unsigned num)
{
	(void)len, (void)num;
	return NULL;
}

static unsigned run_kernel(struct aead_job *jobs, unsigned num, bool seal)
{
	(void)jobs, (void)num, (void)seal;
	return 0;
}

#endif

static unsigned seal_alone(struct aead_job *job)
{
	aead_seal(job->data, job->data, job->len, NULL, 0, job->counter, job->key);
	return 1;
}

static unsigned open_alone(struct aead_job *job)
{
	job->ok = aead_open(
		job->data, job->data, job->len + AEAD_TAG_LEN, NULL, 0, job->counter, job->key);
	return 1;
}

void aead_seal_many(struct aead_job *jobs, unsigned num)
{
	for (unsigned i = 0; i < num;)
		i += run_kernel(jobs + i, num - i, true) ?: seal_alone(jobs + i);
}

void aead_open_many(struct aead_job *jobs, unsigned num)
{
	for (unsigned i = 0; i < num;)
		i += run_kernel(jobs + i, num - i, false) ?: open_alone(jobs + i);
}
