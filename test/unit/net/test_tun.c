/* SPDX-License-Identifier: MIT
 *
 * A real TUN device in a namespace of the test's own.
 */
#include "net/tun.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "netns.h"

static struct tun_reader *reader;
static struct tun_features features;

static struct tun create_up(void)
{
	struct tun tun = {.vnet_hdr = true};

	tun.fd = tun_create("h-net0", &features);
	assert_true(tun.fd >= 0);
	assert_true(shell("ip address add 10.8.0.1/24 dev h-net0 && ip link set h-net0 up"));
	return tun;
}

/* Read until a packet of protocol (IPv4's) is there; the stack sends IPv6 packets of its own. */
static struct packet read_ipv4(const struct tun *tun, uint8_t protocol)
{
	struct batch batch;

	for (int i = 0; i < 100; i++) {
		struct pollfd pollfd = {.fd = tun->fd, .events = POLLIN};

		assert_int_equal(poll(&pollfd, 1, 1000), 1);
		assert_int_equal(tun_read(tun, reader, &batch), 0);
		for (unsigned k = 0; k < batch.num; k++) {
			if (batch.packets[k].data[0] >> 4 == 4 &&
				batch.packets[k].data[9] == protocol)
				return batch.packets[k];
		}
	}
	fail_msg("no such packet");
	return (struct packet){0};
}

static uint16_t sum_words(uint32_t sum, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* Whether the UDP checksum of an IPv4 packet is there and right. */
static bool has_udp_checksum(const struct packet *packet)
{
	const uint8_t *udp = packet->data + 20;
	uint32_t pseudo = IPPROTO_UDP + packet->len - 20;

	return load_be16(udp + 6) != 0 &&
	       sum_words(sum_words(pseudo, packet->data + 12, 8), udp, packet->len - 20) == 0xffff;
}

static void send_udp(const char *address, const void *data, size_t len)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(7)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(inet_pton(AF_INET, address, &to.sin_addr), 1);
	assert_int_equal(sendto(fd, data, len, 0, (struct sockaddr *)&to, sizeof(to)), len);
	close(fd);
}

/* Turn a UDP packet into its answer: the addresses and ports swapped keep the checksum. */
static void reflect(struct packet *packet)
{
	uint8_t swap[4];

	memcpy(swap, packet->data + 12, 4);
	memcpy(packet->data + 12, packet->data + 16, 4);
	memcpy(packet->data + 16, swap, 4);
	memcpy(swap, packet->data + 20, 2);
	memcpy(packet->data + 20, packet->data + 22, 2);
	memcpy(packet->data + 22, swap, 2);
}

static void test_names(void **state)
{
	static const struct {
		const char *name;
		int expected;
	} rows[] = {
		{"", -EINVAL},
		{"h-net%d", -EINVAL},
		{"a/b", -EINVAL},
		{"..", -EINVAL},
		{"sixteencharacter", -EINVAL},
		{"lo", -EBUSY},
		{"fifteencharacte", 0},
	};

	(void)state;
	NETNS_OR_SKIP();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int fd = tun_create(rows[i].name, &features);

		if (rows[i].expected < 0)
			assert_int_equal(fd, rows[i].expected);
		else
			assert_true(fd >= 0);
		if (fd >= 0)
			close(fd);
	}
}

static void test_create(void **state)
{
	struct tun_features second = {.tso = true, .uso = true};
	struct ifreq request = {0};
	int fd, header_len = 0;

	(void)state;
	NETNS_OR_SKIP();
	fd = tun_create("h-net0", &features);
	assert_true(fd >= 0);
	assert_true(features.tso);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(ioctl(fd, TUNGETIFF, &request), 0);
	assert_string_equal(request.ifr_name, "h-net0");
	assert_true(request.ifr_flags & IFF_VNET_HDR);
	assert_true(request.ifr_flags & IFF_NO_PI);
	assert_int_equal(ioctl(fd, TUNGETVNETHDRSZ, &header_len), 0);
	assert_int_equal(header_len, 10);

	/* A second instance must not become a second queue of this one. */
	assert_int_equal(tun_create("h-net0", &second), -EBUSY);
	assert_true(second.tso && second.uso);

	/* Not persistent. */
	close(fd);
	assert_int_equal(if_nametoindex("h-net0"), 0);
}

static void test_adopt(void **state)
{
	static const struct {
		short flags;
		int expected;
		bool vnet_hdr;
	} rows[] = {
		{IFF_TUN | IFF_NO_PI | IFF_VNET_HDR, 0, true},
		{IFF_TUN | IFF_NO_PI, 0, false},
		{IFF_TAP | IFF_NO_PI, -EINVAL, false},
	};
	char name[IFNAMSIZ] = "unchanged";
	bool vnet_hdr = false;
	int pipes[2];

	(void)state;
	NETNS_OR_SKIP();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct ifreq request = {.ifr_name = "h-net%d", .ifr_flags = rows[i].flags};
		int fd = open("/dev/net/tun", O_RDWR), header_len = 12;

		assert_true(fd >= 0);
		assert_int_equal(ioctl(fd, TUNSETIFF, &request), 0);
		if (rows[i].vnet_hdr)
			assert_int_equal(ioctl(fd, TUNSETVNETHDRSZ, &header_len), 0);
		strcpy(name, "unchanged");
		assert_int_equal(tun_adopt(fd, name, &vnet_hdr, &features), rows[i].expected);
		if (rows[i].expected == 0) {
			assert_string_equal(name, request.ifr_name);
			assert_int_equal(vnet_hdr, rows[i].vnet_hdr);
			assert_int_equal(features.tso, rows[i].vnet_hdr);
			assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
			assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		} else {
			assert_string_equal(name, "unchanged");
		}
		if (rows[i].vnet_hdr) {
			assert_int_equal(ioctl(fd, TUNGETVNETHDRSZ, &header_len), 0);
			assert_int_equal(header_len, 10);
		}
		close(fd);
	}
	assert_int_equal(pipe(pipes), 0);
	assert_true(tun_adopt(pipes[0], name, &vnet_hdr, &features) < 0);
	assert_true(tun_adopt(-1, name, &vnet_hdr, &features) == -EBADF);
	close(pipes[0]);
	close(pipes[1]);
}

/* Out by the device, reflected into it, and back to the sender; with and without vnet header. */
static void round_trip(struct tun tun, size_t len)
{
	static uint8_t data[PACKET_MAX], back[PACKET_MAX];
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(7)};
	struct timeval second = {.tv_sec = 1};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct batch batch = {.num = 1};
	unsigned failed = 99;

	assert_int_equal(inet_pton(AF_INET, "10.8.0.2", &to.sin_addr), 1);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second)), 0);
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(i * 31 + len);
	assert_int_equal(sendto(fd, data, len, 0, (struct sockaddr *)&to, sizeof(to)), len);
	batch.packets[0] = read_ipv4(&tun, IPPROTO_UDP);
	assert_int_equal(batch.packets[0].len, len + 28);
	assert_null(batch.packets[0].endpoint);
	assert_true(has_udp_checksum(&batch.packets[0]));
	reflect(&batch.packets[0]);
	assert_int_equal(tun_write(&tun, &batch, &failed), 0);
	assert_int_equal(failed, 0);
	assert_int_equal(recv(fd, back, sizeof(back), 0), len);
	assert_memory_equal(back, data, len);
	close(fd);
}

static void test_round_trip(void **state)
{
	static const size_t lens[] = {0, 1, 100, 1471, 1472};
	struct tun tun;

	(void)state;
	NETNS_OR_SKIP();
	tun = create_up();
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++)
		round_trip(tun, lens[i]);
	assert_true(shell("ip link set h-net0 mtu 34816"));
	round_trip(tun, 34816 - 28);
	assert_true(shell("ip link set h-net0 mtu 65535"));
	round_trip(tun, 65535 - 28);
	close(tun.fd);
}

static void test_round_trip_plain(void **state)
{
	struct ifreq request = {.ifr_name = "h-net0", .ifr_flags = IFF_TUN | IFF_NO_PI};
	struct tun tun = {.vnet_hdr = false};

	(void)state;
	NETNS_OR_SKIP();
	tun.fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_int_equal(ioctl(tun.fd, TUNSETIFF, &request), 0);
	assert_true(shell("ip address add 10.8.0.1/24 dev h-net0 && ip link set h-net0 up"));
	round_trip(tun, 0);
	round_trip(tun, 1472);
	close(tun.fd);
}

static void test_batch(void **state)
{
	struct batch batch;
	struct tun tun;
	unsigned total = 0;

	(void)state;
	NETNS_OR_SKIP();
	assert_true(shell("sysctl -qw net.ipv6.conf.default.disable_ipv6=1"));
	tun = create_up();
	for (uint32_t i = 0; i < 200; i++)
		send_udp("10.8.0.2", &i, sizeof(i));
	do {
		assert_int_equal(tun_read(&tun, reader, &batch), 0);
		assert_true(batch.num <= BATCH_MAX);
		for (unsigned i = 0; i < batch.num; i++, total++) {
			assert_int_equal(batch.packets[i].len, 32);
			assert_int_equal(load_le32(batch.packets[i].data + 28), total);
		}
	} while (batch.num > 0);
	assert_int_equal(total, 200);
	close(tun.fd);
}

/* How many packets there are in each of two queues. */
static void count_answers(struct tun *tun, const int *queues, unsigned *ret_counts)
{
	struct batch batch;

	for (unsigned i = 0; i < 2; i++) {
		tun->fd = queues[i];
		ret_counts[i] = 0;
		do {
			assert_int_equal(tun_read(tun, reader, &batch), 0);
			ret_counts[i] += batch.num;
		} while (batch.num);
	}
}

/* A second queue gets nothing until it is attached; then flows are spread, and the kernel answers a
 * flow by the queue that tun_write chose for it. */
static void test_queues(void **state)
{
	unsigned counts[2], spread[2] = {0};
	struct tun tun;
	int queues[2];

	(void)state;
	NETNS_OR_SKIP();
	assert_true(shell("sysctl -qw net.ipv6.conf.default.disable_ipv6=1"));
	tun = create_up();
	queues[0] = tun.fd;
	queues[1] = tun_add_queue("h-net0");
	assert_true(queues[1] >= 0);
	for (uint32_t i = 0; i < 50; i++)
		send_udp("10.8.0.2", &i, sizeof(i));
	count_answers(&tun, queues, counts);
	assert_int_equal(counts[0], 50);
	tun.fd = queues[0];
	assert_int_equal(tun_attach_queue(queues[1]), 0);
	tun.queues = queues;
	tun.num_queues = 2;
	for (uint16_t flow = 0; flow < 40; flow++) {
		/* an echo request, which the kernel answers */
		uint8_t storage[PACKET_HEADROOM + 64] = {0}, *data = storage + PACKET_HEADROOM;
		struct batch batch = {.num = 1, .packets = {{.data = data, .len = 28}}};

		data[0] = 0x45;
		data[3] = 28;
		data[8] = 64;
		data[9] = IPPROTO_ICMP;
		memcpy(data + 12, (uint8_t[]){10, 8, 0, (uint8_t)(2 + flow), 10, 8, 0, 1}, 8);
		store_be16(data + 10, (uint16_t)~sum_words(0, data, 20));
		data[20] = 8;
		store_be16(data + 24, flow);
		store_be16(data + 22, (uint16_t)~sum_words(0, data + 20, 8));
		/* it learns from the first, perhaps too late for its answer */
		assert_int_equal(tun_write(&tun, &batch, NULL), 0);
		count_answers(&tun, queues, counts);
		for (unsigned repeat = 0; repeat < 3; repeat++)
			assert_int_equal(tun_write(&tun, &batch, NULL), 0);
		count_answers(&tun, queues, counts);
		assert_int_equal(counts[0] + counts[1], 3);
		assert_true(counts[0] == 0 || counts[1] == 0);
		spread[0] += counts[0];
		spread[1] += counts[1];
	}
	assert_true(spread[0] > 10 && spread[1] > 10);
	close(queues[0]);
	close(queues[1]);
}

/* A checksum left open is completed, odd lengths too; what the kernel leaves to be segmented is. */
static void test_offloads(void **state)
{
	static const uint8_t data[33] = {1, 2, 3, 0xff, 0xfe, 9, [32] = 0xee};
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(7)};
	struct batch batch;
	struct tun tun;
	int fd, segment = 10;

	(void)state;
	NETNS_OR_SKIP();
	assert_true(shell("sysctl -qw net.ipv6.conf.default.disable_ipv6=1"));
	tun = create_up();
	for (size_t len = 0; len <= sizeof(data); len++) {
		struct packet packet;

		send_udp("10.8.0.2", data, len);
		packet = read_ipv4(&tun, IPPROTO_UDP);
		assert_int_equal(packet.len, len + 28);
		assert_true(has_udp_checksum(&packet));
	}
	if (features.uso) {
		assert_int_equal(inet_pton(AF_INET, "10.8.0.2", &to.sin_addr), 1);
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		assert_int_equal(
			setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment)), 0);
		assert_int_equal(sendto(fd, data, 33, 0, (struct sockaddr *)&to, sizeof(to)), 33);
		assert_int_equal(tun_read(&tun, reader, &batch), 0);
		assert_int_equal(batch.num, 4);
		for (unsigned i = 0; i < 4; i++) {
			assert_int_equal(batch.packets[i].len, 28 + (i < 3 ? 10 : 3));
			assert_memory_equal(
				batch.packets[i].data + 28, data + i * 10, i < 3 ? 10 : 3);
			assert_true(has_udp_checksum(&batch.packets[i]));
		}
		close(fd);
	}
	close(tun.fd);
}

/* Packets that find no room any more come with the next calls. */
static void test_more_than_a_batch(void **state)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(7)};
	static uint8_t data[60000];
	size_t total = 0, segments = 0;
	struct batch batch;
	struct tun tun;
	int fd;

	(void)state;
	NETNS_OR_SKIP();
	assert_true(shell("sysctl -qw net.ipv6.conf.default.disable_ipv6=1"));
	tun = create_up();
	assert_true(shell("ip link set h-net0 mtu 65535"));
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	assert_int_equal(inet_pton(AF_INET, "10.8.0.2", &to.sin_addr), 1);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(
			sendto(fd, data, sizeof(data), 0, (struct sockaddr *)&to, sizeof(to)),
			sizeof(data));
	do {
		assert_int_equal(tun_read(&tun, reader, &batch), 0);
		for (unsigned i = 0; i < batch.num; i++, segments++) {
			assert_memory_equal(batch.packets[i].data + 28, data, sizeof(data));
			total += batch.packets[i].len;
		}
	} while (batch.num > 0);
	assert_int_equal(segments, 10);
	assert_int_equal(total, 10 * (sizeof(data) + 28));
	assert_false(tun_reader_has_more(reader));
	close(fd);
	close(tun.fd);
}

/* Down: nothing to read, writes are skipped and counted. Malformed: skipped. Gone: -EBADFD. */
static void test_down_and_deleted(void **state)
{
	uint8_t storage[3][PACKET_HEADROOM + 100] = {0};
	struct batch batch = {.num = 3}, got;
	unsigned failed = 99;
	struct tun tun;

	(void)state;
	NETNS_OR_SKIP();
	assert_true(shell("sysctl -qw net.ipv6.conf.default.disable_ipv6=1"));
	tun = create_up();
	for (unsigned i = 0; i < 3; i++)
		batch.packets[i] =
			(struct packet){.data = storage[i] + PACKET_HEADROOM, .len = 100};
	batch.packets[0].data[0] = batch.packets[2].data[0] = 0x45;
	assert_int_equal(tun_read(&tun, reader, &got), 0);
	assert_int_equal(got.num, 0);
	assert_int_equal(tun_write(&tun, &batch, &failed), 0);
	assert_int_equal(failed, 1);
	assert_true(shell("ip link set h-net0 down"));
	assert_int_equal(tun_read(&tun, reader, &got), 0);
	assert_int_equal(got.num, 0);
	assert_int_equal(tun_write(&tun, &batch, &failed), 0);
	assert_int_equal(failed, 3);
	assert_true(shell("ip link set h-net0 up"));
	assert_int_equal(tun_write(&tun, &batch, NULL), 0);
	assert_true(shell("ip link delete h-net0"));
	assert_int_equal(tun_read(&tun, reader, &got), -EBADFD);
	assert_int_equal(tun_write(&tun, &batch, &failed), -EBADFD);
	assert_int_equal(failed, 3);
	close(tun.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_create),
		cmocka_unit_test(test_adopt),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_round_trip_plain),
		cmocka_unit_test(test_batch),
		cmocka_unit_test(test_queues),
		cmocka_unit_test(test_offloads),
		cmocka_unit_test(test_more_than_a_batch),
		cmocka_unit_test(test_down_and_deleted),
	};

	reader = tun_reader_new();
	if (!reader)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
