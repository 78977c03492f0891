/* SPDX-License-Identifier: MIT
 *
 * Many packets at once: a vector kernel where the processor has one and there is enough for it to
 * do, libcrypto packet by packet elsewhere.
 */
#include "crypto/aead_vector.h"

#if WITH_VECTORS

const struct aead_kernel *const aead_kernels[] = {&aead_avx512, &aead_avx2, NULL};

/* From how many packets of up to so many bytes on a kernel is faster than libcrypto on the same
 * processor, sealing and opening: by `build/bench/aead` and `build/bench/aead 1 both`, whose
 * figures are in bench/README.md. */
static const struct {
	const struct aead_kernel *kernel;
	uint32_t len_max;
	unsigned num_min;
} choices[] = {
	{&aead_avx512, UINT32_MAX, 1},
	{&aead_avx2, 256, 1},
	{&aead_avx2, 2048, 2},
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

/* Whether a kernel did it. The length of the first packet stands for all. */
static bool run_kernel(struct aead_job *jobs, unsigned num, bool seal)
{
	const struct aead_kernel *kernel = num ? aead_kernel_choose(jobs->len, num) : NULL;

	if (!kernel)
		return false;
	seal ? aead_kernel_seal(kernel, jobs, num) : aead_kernel_open(kernel, jobs, num);
	return true;
}

#else

const struct aead_kernel *const aead_kernels[] = {NULL};

const struct aead_kernel *aead_kernel_choose(uint32_t len, unsigned num)
{
	(void)len, (void)num;
	return NULL;
}

static bool run_kernel(struct aead_job *jobs, unsigned num, bool seal)
{
	(void)jobs, (void)num, (void)seal;
	return false;
}

#endif

void aead_seal_many(struct aead_job *jobs, unsigned num)
{
	if (run_kernel(jobs, num, true))
		return;
	for (unsigned i = 0; i < num; i++)
		aead_seal(jobs[i].data, jobs[i].data, jobs[i].len, NULL, 0, jobs[i].counter,
			jobs[i].key);
}

void aead_open_many(struct aead_job *jobs, unsigned num)
{
	if (run_kernel(jobs, num, false))
		return;
	for (unsigned i = 0; i < num; i++)
		jobs[i].ok = aead_open(jobs[i].data, jobs[i].data, jobs[i].len + AEAD_TAG_LEN, NULL,
			0, jobs[i].counter, jobs[i].key);
}
