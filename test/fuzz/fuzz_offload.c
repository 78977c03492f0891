/* SPDX-License-Identifier: MIT
 *
 * Inner packets of an authenticated peer, joined and cut again; and packets to be cut with headers
 * that lie. Input: packets, each behind two bytes of length; a batch is what there is. The first
 * byte's low bits choose what the kernel takes.
 */
#include <stdlib.h>

#include "net/coalesce.h"
#include "net/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Cut what claims to be one packet of many; every byte of every segment must be ours. */
static void cut(const uint8_t *data, size_t size)
{
	struct virtio_net_hdr header;
	struct segmenter segmenter;
	size_t len;

	if (size < sizeof(header))
		return;
	memcpy(&header, data, sizeof(header));
	if (segmenter_init(&segmenter, &header, data + sizeof(header), size - sizeof(header)) < 0)
		return;
	while ((len = segmenter_next_len(&segmenter)) != 0) {
		uint8_t *segment = malloc(len);

		segmenter_next(&segmenter, segment);
		free(segment);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct coalescer c;
	struct batch batch = {0};
	unsigned total = 0;

	if (size < 1)
		return 0;
	cut(data + 1, size - 1);
	for (size_t at = 1; at + 2 <= size && batch.num < BATCH_MAX;) {
		size_t len = load_be16(data + at);

		at += 2;
		if (len > size - at)
			len = size - at;
		batch.packets[batch.num].data = malloc(len ? len : 1);
		memcpy(batch.packets[batch.num].data, data + at, len);
		batch.packets[batch.num++].len = (uint32_t)len;
		at += len;
	}
	coalesce(&c, &batch, data[0] & 1, data[0] & 2);
	for (unsigned i = 0; i < c.num; i++) {
		struct virtio_net_hdr header;

		total += c.runs[i].num;
		if (c.runs[i].num > 1)
			coalesce_finish(&c.runs[i], &batch, &header);
	}
	if (total != batch.num)
		abort();
	for (unsigned i = 0; i < batch.num; i++)
		free(batch.packets[i].data);
	return 0;
}
