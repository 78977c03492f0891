/* SPDX-License-Identifier: MIT
 *
 * ChaCha20-Poly1305 of many packets at once, on a vector kernel: how the packets' blocks are dealt
 * out to its lanes, and what remains to be done for each packet alone.
 */
#include "crypto/aead_vector.h"

#if WITH_VECTORS

/* --- ChaCha20 -------------------------------------------------------- */

static void flush(const struct aead_kernel *kernel, struct chacha_lanes *lanes)
{
	if (lanes->num)
		kernel->chacha_xor(lanes);
	lanes->num = lanes->num_runs = 0;
}

/* Xor the key stream, from the given block on, into len bytes. */
static INLINE void add_lanes(const struct aead_kernel *kernel, struct chacha_lanes *lanes,
	const struct aead_job *job, uint32_t block, uint8_t *data, uint32_t len)
{
	while (len) {
		uint32_t room = (kernel->chacha_lanes - lanes->num) * CHACHA_BLOCK_LEN;
		uint32_t take = len < room ? len : room;
		uint32_t blocks = (take + CHACHA_BLOCK_LEN - 1) / CHACHA_BLOCK_LEN;

		lanes->runs[lanes->num_runs++] =
			(struct chacha_run){job, data, take, block, lanes->num};
		lanes->num += blocks;
		if (lanes->num == kernel->chacha_lanes)
			flush(kernel, lanes);
		block += blocks;
		data += take;
		len -= take;
	}
}

/* The one-time Poly1305 keys, which are the first half of block 0 of each packet. */
static void add_poly_keys(const struct aead_kernel *kernel, struct chacha_lanes *lanes,
	const struct aead_job *jobs, unsigned num, uint8_t ret_keys[][CHACHA_BLOCK_LEN])
{
	memset(ret_keys, 0, num * sizeof(ret_keys[0]));
	for (unsigned i = 0; i < num; i++)
		add_lanes(kernel, lanes, &jobs[i], 0, ret_keys[i], CHACHA_BLOCK_LEN);
}

/* Key stream of the first packets of a batch to be opened, made in the lanes that their one-time
 * keys leave idle; not used before a packet is known to be authentic. */
struct ahead {
	uint8_t stream[VECTOR_LANES_MAX * CHACHA_BLOCK_LEN];
	uint32_t len[VECTOR_LANES_MAX]; /* of each packet */
};

static void add_ahead(const struct aead_kernel *kernel, struct chacha_lanes *lanes,
	const struct aead_job *jobs, unsigned num, struct ahead *ret)
{
	uint32_t room = (kernel->chacha_lanes - num) * CHACHA_BLOCK_LEN;
	uint8_t *stream = ret->stream;

	memset(ret->len, 0, sizeof(ret->len));
	if (num > kernel->chacha_lanes / 4)
		return; /* too few are idle */
	memset(stream, 0, sizeof(ret->stream));
	for (unsigned i = 0; i < num; i++) {
		uint32_t len = jobs[i].len < room ? jobs[i].len : room;

		add_lanes(kernel, lanes, &jobs[i], 1, stream, len);
		ret->len[i] = len;
		stream += len;
		room -= (len + CHACHA_BLOCK_LEN - 1) / CHACHA_BLOCK_LEN * CHACHA_BLOCK_LEN;
	}
}

static void xor_bytes(uint8_t *data, const uint8_t *stream, uint32_t len)
{
	for (; len >= 8; len -= 8, data += 8, stream += 8)
		store_le64(data, load_le64(data) ^ load_le64(stream));
	for (; len; len--) /* the analyzer does not see that key stream not made has no length */
		*data++ ^= *stream++; /* NOLINT(clang-analyzer-core.uninitialized.Assign) */
}

/* --- Poly1305 -------------------------------------------------------- */

/* A number mod 2^130 - 5, h, r or a power of r, by value so that it stays in registers. */
struct limbs {
	uint64_t l0, l1, l2;
};

static inline struct limbs poly_split(uint64_t low, uint64_t high)
{
	return (struct limbs){
		low & POLY_MASK44, (low >> 44 | high << 20) & POLY_MASK44, high >> 24};
}

static inline struct limbs poly_add(struct limbs a, struct limbs b)
{
	return (struct limbs){a.l0 + b.l0, a.l1 + b.l1, a.l2 + b.l2};
}

/* h * r; h's limbs are of less than 52 bits, r's and the product's of less than 45. */
static inline struct limbs poly_multiply(struct limbs h, struct limbs r)
{
	typedef __uint128_t wide;
	uint64_t s1 = r.l1 * 20, s2 = r.l2 * 20;
	wide d0 = (wide)h.l0 * r.l0 + (wide)h.l1 * s2 + (wide)h.l2 * s1;
	wide d1 = (wide)h.l0 * r.l1 + (wide)h.l1 * r.l0 + (wide)h.l2 * s2;
	wide d2 = (wide)h.l0 * r.l2 + (wide)h.l1 * r.l1 + (wide)h.l2 * r.l0;
	uint64_t l0, l1;

	d1 += (uint64_t)(d0 >> 44);
	d2 += (uint64_t)(d1 >> 44);
	l0 = ((uint64_t)d0 & POLY_MASK44) + (uint64_t)(d2 >> 42) * 5;
	l1 = ((uint64_t)d1 & POLY_MASK44) + (l0 >> 44);
	return (struct limbs){l0 & POLY_MASK44, l1, (uint64_t)d2 & POLY_MASK42};
}

/* r^exponent, exponent > 0. */
static struct limbs poly_power(struct limbs r, uint32_t exponent)
{
	struct limbs power = r;

	for (int bit = 30 - __builtin_clz(exponent); bit >= 0; bit--) {
		power = poly_multiply(power, power);
		if (exponent >> bit & 1)
			power = poly_multiply(power, r);
	}
	return power;
}

/* h mod 2^130 - 5, plus the second half of the one-time key, mod 2^128. */
static inline void poly_finish(struct limbs h, const uint8_t pad[16], uint8_t ret_tag[AEAD_TAG_LEN])
{
	uint64_t g0, g1, g2, select;
	__uint128_t low, high;

	h.l2 += h.l1 >> 44;
	h.l1 &= POLY_MASK44;
	h.l0 += (h.l2 >> 42) * 5; /* if this is more than 0, h1 is not more than what was carried */
	h.l2 &= POLY_MASK42;
	h.l1 += h.l0 >> 44;
	h.l0 &= POLY_MASK44;
	/* g = h - p, taken if it is not negative */
	g0 = h.l0 + 5;
	g1 = h.l1 + (g0 >> 44);
	g2 = h.l2 + (g1 >> 44) - (UINT64_C(1) << 42);
	select = (g2 >> 63) - 1;
	h.l0 = (h.l0 & ~select) | (g0 & POLY_MASK44 & select);
	h.l1 = (h.l1 & ~select) | (g1 & POLY_MASK44 & select);
	h.l2 = (h.l2 & ~select) | (g2 & select);
	low = (__uint128_t)(h.l0 | h.l1 << 44) + load_le64(pad);
	high = (__uint128_t)(h.l1 >> 20 | h.l2 << 24) + load_le64(pad + 8) + (uint64_t)(low >> 64);
	store_le64(ret_tag, (uint64_t)low);
	store_le64(ret_tag + 8, (uint64_t)high);
}

/* Blocks; smaller pieces cost more to put together than is gained. */
enum { PIECE_MIN = 4 };

/* How a packet is cut so that no lane is idle: pieces of piece_len bytes, but the first, which has
 * what is left. */
struct cut {
	uint32_t num, piece_len, first_len;
};

static struct cut cut_packet(uint32_t len, unsigned lanes)
{
	uint32_t blocks = len / POLY_BLOCK_LEN + (len % POLY_BLOCK_LEN != 0), piece, num;

	if (lanes == 1 || blocks <= PIECE_MIN)
		return (struct cut){.num = 1, .first_len = len};
	piece = (blocks + lanes - 1) / lanes;
	if (piece < PIECE_MIN)
		piece = PIECE_MIN;
	num = (blocks + piece - 1) / piece;
	return (struct cut){
		num, piece * POLY_BLOCK_LEN, (blocks - (num - 1) * piece) * POLY_BLOCK_LEN};
}

static inline struct limbs sum_of(const struct poly_lanes *lanes, unsigned lane)
{
	return (struct limbs){lanes->h[0][lane], lanes->h[1][lane], lanes->h[2][lane]};
}

/* From the sums of its pieces, in lanes from the given one on, a packet's tag. */
static void finish_tag(const struct poly_lanes *lanes, unsigned lane, const struct cut *cut,
	uint32_t len, const uint8_t *pad, uint8_t ret_tag[AEAD_TAG_LEN])
{
	/* the last block: no additional data, so many bytes */
	struct limbs lens = poly_add(poly_split(0, len), (struct limbs){0, 0, UINT64_C(1) << 40});
	struct limbs r = poly_split(lanes->r[0][lane], lanes->r[1][lane]);
	struct limbs h = sum_of(lanes, lane);

	if (cut->num > 1) {
		struct limbs power = poly_power(r, cut->piece_len / POLY_BLOCK_LEN);

		for (unsigned i = 1; i < cut->num; i++)
			h = poly_add(poly_multiply(h, power), sum_of(lanes, lane + i));
	}
	poly_finish(poly_multiply(poly_add(h, lens), r), pad, ret_tag);
}

static void set_lane(struct poly_lanes *lanes, unsigned lane, const uint8_t *data, uint32_t len,
	const uint8_t *key)
{
	lanes->data[lane] = data;
	lanes->len[lane] = len;
	lanes->r[0][lane] = load_le64(key) & UINT64_C(0x0ffffffc0fffffff);
	lanes->r[1][lane] = load_le64(key + 8) & UINT64_C(0x0ffffffc0ffffffc);
}

/* The tags of so many packets as the kernel has lanes, or fewer. */
static void make_tags(const struct aead_kernel *kernel, const struct aead_job *jobs, unsigned num,
	const uint8_t keys[][CHACHA_BLOCK_LEN], uint8_t ret_tags[][AEAD_TAG_LEN])
{
	struct cut cuts[VECTOR_LANES_MAX];
	unsigned first[VECTOR_LANES_MAX], n = 0;
	struct poly_lanes lanes = {0};

	lanes.num = num <= kernel->poly_lanes / 2 ? kernel->poly_lanes / 2 : kernel->poly_lanes;
	for (unsigned i = 0; i < num; i++) {
		uint32_t at = 0;

		assert(jobs[i].len <= INT32_MAX);
		cuts[i] = cut_packet(jobs[i].len, lanes.num / num);
		first[i] = n;
		for (uint32_t k = 0; k < cuts[i].num; k++) {
			uint32_t len = k == 0 ? cuts[i].first_len : cuts[i].piece_len;

			len = jobs[i].len - at < len ? jobs[i].len - at : len;
			set_lane(&lanes, n++, jobs[i].data + at, len, keys[i]);
			at += len;
		}
	}
	for (; n < lanes.num; n++) /* idle lanes do what the first does */
		set_lane(&lanes, n, lanes.data[0], lanes.len[0], keys[0]);
	kernel->poly_sum(&lanes);
	for (unsigned i = 0; i < num; i++)
		finish_tag(&lanes, first[i], &cuts[i], jobs[i].len, keys[i] + 16, ret_tags[i]);
	wipe(&lanes, sizeof(lanes));
}

/* --- both ------------------------------------------------------------ */

static void seal_portion(const struct aead_kernel *kernel, struct aead_job *jobs, unsigned num)
{
	uint8_t keys[VECTOR_LANES_MAX][CHACHA_BLOCK_LEN], tags[VECTOR_LANES_MAX][AEAD_TAG_LEN];
	struct chacha_lanes lanes = {.num = 0};

	add_poly_keys(kernel, &lanes, jobs, num, keys);
	for (unsigned i = 0; i < num; i++)
		add_lanes(kernel, &lanes, &jobs[i], 1, jobs[i].data, jobs[i].len);
	flush(kernel, &lanes);
	make_tags(kernel, jobs, num, keys, tags);
	for (unsigned i = 0; i < num; i++)
		memcpy(jobs[i].data + jobs[i].len, tags[i], AEAD_TAG_LEN);
	wipe(keys, sizeof(keys));
}

static void open_portion(const struct aead_kernel *kernel, struct aead_job *jobs, unsigned num)
{
	uint8_t keys[VECTOR_LANES_MAX][CHACHA_BLOCK_LEN], tags[VECTOR_LANES_MAX][AEAD_TAG_LEN];
	struct chacha_lanes lanes = {.num = 0};
	struct ahead ahead;
	uint8_t *stream = ahead.stream;

	add_poly_keys(kernel, &lanes, jobs, num, keys);
	add_ahead(kernel, &lanes, jobs, num, &ahead);
	flush(kernel, &lanes);
	make_tags(kernel, jobs, num, keys, tags);
	for (unsigned i = 0; i < num; stream += ahead.len[i++]) {
		struct aead_job *job = &jobs[i];
		uint32_t done = ahead.len[i];

		job->ok = bytes_equal(tags[i], job->data + job->len, AEAD_TAG_LEN);
		if (!job->ok)
			continue;
		xor_bytes(job->data, stream, done);
		add_lanes(kernel, &lanes, job, 1 + done / CHACHA_BLOCK_LEN, job->data + done,
			job->len - done);
	}
	flush(kernel, &lanes);
	wipe(keys, sizeof(keys));
	wipe(tags, sizeof(tags));
	wipe(ahead.stream, (size_t)(stream - ahead.stream));
}

/* How many packets to do at once: what fills all Poly1305 lanes, or half of them. */
static unsigned portion(const struct aead_kernel *kernel, unsigned num)
{
	if (num >= kernel->poly_lanes)
		return kernel->poly_lanes;
	return num < kernel->poly_lanes / 2 ? num : kernel->poly_lanes / 2;
}

void aead_kernel_seal(const struct aead_kernel *kernel, struct aead_job *jobs, unsigned num)
{
	for (unsigned i = 0, n; i < num; i += n) {
		n = portion(kernel, num - i);
		seal_portion(kernel, jobs + i, n);
	}
}

void aead_kernel_open(const struct aead_kernel *kernel, struct aead_job *jobs, unsigned num)
{
	for (unsigned i = 0, n; i < num; i += n) {
		n = portion(kernel, num - i);
		open_portion(kernel, jobs + i, n);
	}
}

#endif
