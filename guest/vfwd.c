// SPDX-License-Identifier: Apache-2.0
/*
 * vfwd TAP0 TAP1 MAC0 MAC1 STATION0 STATION1 PAGE: a guest without a VM.
 *
 * Does what the NFV guest does, forward IPv4 between two virtual NICs, but as a
 * process: it plays the driver of two vhost-net devices, with its own memory as
 * the guest's. So the whole path NIC, bridge, tap, vhost is exercised without
 * KVM, in a second. Interface i has the address MACi and sends to STATIONi.
 *
 * Like a network driver it polls while there is work, with the other side's
 * notifications off, and sleeps on an eventfd otherwise.
 *
 * PAGE is a file of at least 4096 bytes, laid out as struct page: the counters,
 * and a heartbeat (write beat_asked, send SIGUSR1, and it turns up in
 * beat_answered). READY is printed when frames flow. SIGTERM ends it.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define RING_SIZE 256u
#define BUFFER_BYTES 2048u /* a frame at MTU 1500 and its header fit in one */
#define BUDGET 64
#define PAGE_BYTES 4096
#define QUEUE_BYTES (RING_BYTES + RING_SIZE * BUFFER_BYTES)
#define RING_BYTES (4 * PAGE_BYTES) /* vring_size() of 256 is a bit over 10 KiB */
#define MAGIC 0x64776676u /* "vfwd" */

enum { TO_GUEST, FROM_GUEST }; /* vhost-net's numbers of the two virtqueues */

struct interface_counts {
	uint64_t rx_packets, rx_dropped, tx_packets, tx_dropped;
};

struct page {
	uint32_t magic;				/*  0 */
	uint32_t version;			/*  4 */
	uint64_t beat_asked;			/*  8 written by the asker only */
	uint64_t beat_answered;			/* 16 */
	struct interface_counts interfaces[2];	/* 24, 56 */
	uint64_t ip_forwarded;			/* 88 */
	uint64_t ip_dropped;			/* 96 */
};

struct virtqueue {
	const char *tap;
	int number;
	struct vring ring;
	uint8_t *buffers;
	int kick, call;
	uint16_t used_seen;
	uint16_t avail_next;
	bool posted[RING_SIZE]; /* with vhost: what it may hand back */
	uint16_t free[RING_SIZE];
	unsigned int free_count;
	unsigned int skip; /* buffers left of a frame that needed several */
};

struct interface {
	const char *tap;
	int tap_fd, vhost_fd;
	struct ether_addr mac, station;
	struct virtqueue queues[2];
	struct interface_counts *counts;
};

static struct interface interfaces[2];
static struct page *page;
static volatile sig_atomic_t stopping;
static int stop_fd;

static void fail(const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "vfwd: ");
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, "\n");
	exit(1);
}

static void control(int fd, unsigned long request, void *argument, const char *what)
{
	if (ioctl(fd, request, argument) < 0)
		fail("%s: %s", what, strerror(errno));
}

static void on_stop(int signal_number)
{
	const uint64_t one = 1;

	(void)signal_number;
	stopping = 1;
	if (write(stop_fd, &one, sizeof(one)) < 0)
		_exit(1);
}

static void on_beat(int signal_number)
{
	(void)signal_number;
	__atomic_store_n(&page->beat_answered, page->beat_asked, __ATOMIC_RELEASE);
}

static void queue_kick(struct virtqueue *queue)
{
	const uint64_t one = 1;

	/* The posted index must be visible before we look whether to kick. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (*(volatile __virtio16 *)&queue->ring.used->flags & VRING_USED_F_NO_NOTIFY)
		return;
	if (write(queue->kick, &one, sizeof(one)) < 0 && errno != EAGAIN)
		fail("%s: kick: %s", queue->tap, strerror(errno));
}

static uint8_t *queue_buffer(struct virtqueue *queue, uint16_t id)
{
	return queue->buffers + (size_t)id * BUFFER_BYTES;
}

static void queue_post(struct virtqueue *queue, uint16_t id, uint32_t length)
{
	queue->ring.desc[id].len = length;
	queue->posted[id] = true;
	queue->ring.avail->ring[queue->avail_next++ % RING_SIZE] = id;
	__atomic_store_n(&queue->ring.avail->idx, queue->avail_next, __ATOMIC_RELEASE);
}

/*
 * Take the next buffer that vhost handed back.
 * Return: false if there is none. Ends the program if vhost names a buffer it
 * does not have, or more bytes than fit.
 */
static bool queue_take(struct virtqueue *queue, uint16_t *id, uint32_t *length)
{
	const uint16_t used = __atomic_load_n(&queue->ring.used->idx, __ATOMIC_ACQUIRE);
	struct vring_used_elem element;

	if (used == queue->used_seen)
		return false;
	element = *(volatile struct vring_used_elem *)
			  &queue->ring.used->ring[queue->used_seen % RING_SIZE];
	if (element.id >= RING_SIZE || !queue->posted[element.id])
		fail("%s queue %d: vhost returned buffer %u, which it does not have",
		     queue->tap, queue->number, element.id);
	if (element.len > BUFFER_BYTES)
		fail("%s queue %d: vhost wrote %u bytes to a buffer of %u", queue->tap,
		     queue->number, element.len, BUFFER_BYTES);
	queue->used_seen++;
	queue->posted[element.id] = false;
	*id = (uint16_t)element.id;
	*length = element.len;
	return true;
}

static void queue_reclaim(struct virtqueue *queue)
{
	uint32_t length;
	uint16_t id;

	while (queue_take(queue, &id, &length))
		queue->free[queue->free_count++] = id;
}

static uint32_t checksum(const void *header, size_t bytes)
{
	const uint8_t *at = header;
	uint32_t sum = 0;

	for (; bytes > 1; at += 2, bytes -= 2)
		sum += (uint32_t)at[0] << 8 | at[1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum; /* 0xffff over a header with its right checksum */
}

static bool is_ours(const struct interface *in, const uint8_t *frame, size_t bytes)
{
	const struct ether_header *ether = (const void *)frame;

	return bytes >= sizeof(*ether) + sizeof(struct iphdr) &&
	       !memcmp(ether->ether_dhost, &in->mac, ETH_ALEN) &&
	       ether->ether_type == htons(ETHERTYPE_IP);
}

static bool may_forward(const struct iphdr *ip, size_t bytes)
{
	const size_t header = (size_t)ip->ihl * 4;

	return ip->version == 4 && header >= sizeof(*ip) && header <= bytes &&
	       ntohs(ip->tot_len) >= header && ntohs(ip->tot_len) <= bytes &&
	       checksum(ip, header) == 0xffff && ip->ttl > 1;
}

static void forward(struct interface *out, const uint8_t *frame, size_t bytes)
{
	const size_t header = sizeof(struct virtio_net_hdr_mrg_rxbuf);
	struct virtqueue *queue = &out->queues[FROM_GUEST];
	struct ether_header *ether;
	struct iphdr *ip;
	uint8_t *buffer;
	uint16_t id;

	if (!queue->free_count) {
		out->counts->tx_dropped++;
		return;
	}
	id = queue->free[--queue->free_count];
	buffer = queue_buffer(queue, id);
	memset(buffer, 0, header);
	memcpy(buffer + header, frame, bytes);

	ether = (void *)(buffer + header);
	memcpy(ether->ether_dhost, &out->station, ETH_ALEN);
	memcpy(ether->ether_shost, &out->mac, ETH_ALEN);
	ip = (void *)(ether + 1);
	ip->ttl--;
	ip->check = 0;
	ip->check = htons((uint16_t)~checksum(ip, (size_t)ip->ihl * 4));

	queue_post(queue, id, (uint32_t)(header + bytes));
	out->counts->tx_packets++;
}

static void receive(struct interface *in, struct interface *out, const uint8_t *buffer,
		    uint32_t length)
{
	const struct virtio_net_hdr_mrg_rxbuf *header = (const void *)buffer;
	struct virtqueue *queue = &in->queues[TO_GUEST];
	const uint8_t *frame = buffer + sizeof(*header);

	if (queue->skip) {
		queue->skip--;
		return;
	}
	in->counts->rx_packets++;
	if (length < sizeof(*header)) {
		in->counts->rx_dropped++;
	} else if (header->num_buffers != 1) {
		queue->skip = header->num_buffers ? header->num_buffers - 1u : 0;
		in->counts->rx_dropped++;
	} else if (!is_ours(in, frame, length - sizeof(*header))) {
		in->counts->rx_dropped++;
	} else if (!may_forward((const void *)(frame + sizeof(struct ether_header)),
				length - sizeof(*header) -
					sizeof(struct ether_header))) {
		page->ip_dropped++;
	} else {
		page->ip_forwarded++;
		forward(out, frame, length - sizeof(*header));
	}
}

/* Forward at most BUDGET frames from in to out. Return: how many came in. */
static int poll_interface(struct interface *in, struct interface *out)
{
	struct virtqueue *queue = &in->queues[TO_GUEST];
	const uint64_t sent = out->counts->tx_packets;
	uint32_t length;
	uint16_t id;
	int done;

	queue_reclaim(&out->queues[FROM_GUEST]);
	for (done = 0; done < BUDGET && queue_take(queue, &id, &length); done++) {
		receive(in, out, queue_buffer(queue, id), length);
		queue_post(queue, id, BUFFER_BYTES);
	}
	if (out->counts->tx_packets != sent)
		queue_kick(&out->queues[FROM_GUEST]);
	if (done)
		queue_kick(queue);
	return done;
}

static int poll_both(void)
{
	return poll_interface(&interfaces[0], &interfaces[1]) +
	       poll_interface(&interfaces[1], &interfaces[0]);
}

static void set_interrupts(bool wanted)
{
	int i;

	for (i = 0; i < 2; i++)
		interfaces[i].queues[TO_GUEST].ring.avail->flags =
			wanted ? 0 : VRING_AVAIL_F_NO_INTERRUPT;
	/* What arrived before vhost saw the flag must be seen by the next poll. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void wait_for_frames(void)
{
	struct pollfd fds[] = {
		{ .fd = interfaces[0].queues[TO_GUEST].call, .events = POLLIN },
		{ .fd = interfaces[1].queues[TO_GUEST].call, .events = POLLIN },
		{ .fd = stop_fd, .events = POLLIN },
	};
	uint64_t count;
	int i;

	if (poll(fds, 3, -1) < 0 && errno != EINTR)
		fail("poll: %s", strerror(errno));
	for (i = 0; i < 2; i++)
		if (read(fds[i].fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
			fail("call eventfd: %s", strerror(errno));
}

static void run(void)
{
	while (!stopping) {
		if (poll_both())
			continue;
		set_interrupts(true);
		if (!poll_both())
			wait_for_frames();
		set_interrupts(false);
	}
}

static void setup_queue(struct interface *interface, int number, uint8_t *memory)
{
	struct virtqueue *queue = &interface->queues[number];
	struct vhost_vring_state state = { .index = number, .num = RING_SIZE };
	struct vhost_vring_addr addresses = { .index = number };
	struct vhost_vring_file file = { .index = number };
	uint16_t id;

	queue->tap = interface->tap;
	queue->number = number;
	vring_init(&queue->ring, RING_SIZE, memory, PAGE_BYTES);
	queue->buffers = memory + RING_BYTES;
	for (id = 0; id < RING_SIZE; id++) {
		queue->ring.desc[id].addr = (uintptr_t)queue_buffer(queue, id);
		queue->ring.desc[id].flags = number == TO_GUEST ? VRING_DESC_F_WRITE : 0;
		if (number == TO_GUEST)
			queue_post(queue, id, BUFFER_BYTES);
		else
			queue->free[queue->free_count++] = id;
	}
	queue->ring.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	queue->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	queue->call = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (queue->kick < 0 || queue->call < 0)
		fail("eventfd: %s", strerror(errno));

	control(interface->vhost_fd, VHOST_SET_VRING_NUM, &state, "VHOST_SET_VRING_NUM");
	state.num = 0;
	control(interface->vhost_fd, VHOST_SET_VRING_BASE, &state, "VHOST_SET_VRING_BASE");
	addresses.desc_user_addr = (uintptr_t)queue->ring.desc;
	addresses.avail_user_addr = (uintptr_t)queue->ring.avail;
	addresses.used_user_addr = (uintptr_t)queue->ring.used;
	control(interface->vhost_fd, VHOST_SET_VRING_ADDR, &addresses, "VHOST_SET_VRING_ADDR");
	file.fd = queue->kick;
	control(interface->vhost_fd, VHOST_SET_VRING_KICK, &file, "VHOST_SET_VRING_KICK");
	file.fd = queue->call;
	control(interface->vhost_fd, VHOST_SET_VRING_CALL, &file, "VHOST_SET_VRING_CALL");
}

static void open_tap(struct interface *interface)
{
	int header = sizeof(struct virtio_net_hdr_mrg_rxbuf);
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };

	if (strlen(interface->tap) >= IFNAMSIZ)
		fail("%s: an interface name has at most %d characters", interface->tap,
		     IFNAMSIZ - 1);
	strcpy(request.ifr_name, interface->tap);
	interface->tap_fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (interface->tap_fd < 0)
		fail("/dev/net/tun: %s", strerror(errno));
	control(interface->tap_fd, TUNSETIFF, &request, interface->tap);
	control(interface->tap_fd, TUNSETVNETHDRSZ, &header, "TUNSETVNETHDRSZ");
	/* We can neither split segments nor finish checksums. */
	control(interface->tap_fd, TUNSETOFFLOAD, NULL, "TUNSETOFFLOAD");
}

static uint8_t *share_memory(struct interface *interface)
{
	uint8_t *memory = mmap(NULL, 2 * QUEUE_BYTES, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	struct {
		struct vhost_memory table;
		struct vhost_memory_region region;
	} guest = { .table.nregions = 1 };

	if (memory == MAP_FAILED)
		fail("mmap: %s", strerror(errno));
	/* Guest addresses are our own, so descriptors need no translation. */
	guest.region.guest_phys_addr = (uintptr_t)memory;
	guest.region.userspace_addr = (uintptr_t)memory;
	guest.region.memory_size = 2 * QUEUE_BYTES;
	control(interface->vhost_fd, VHOST_SET_MEM_TABLE, &guest, "VHOST_SET_MEM_TABLE");
	return memory;
}

static void attach(struct interface *interface)
{
	const uint64_t wanted = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_NET_F_MRG_RXBUF;
	uint64_t features;
	uint8_t *memory;
	int number;

	open_tap(interface);
	interface->vhost_fd = open("/dev/vhost-net", O_RDWR | O_CLOEXEC);
	if (interface->vhost_fd < 0)
		fail("/dev/vhost-net: %s", strerror(errno));
	control(interface->vhost_fd, VHOST_SET_OWNER, NULL, "VHOST_SET_OWNER");
	control(interface->vhost_fd, VHOST_GET_FEATURES, &features, "VHOST_GET_FEATURES");
	if ((features & wanted) != wanted)
		fail("vhost-net lacks features: has %#llx, needs %#llx",
		     (unsigned long long)features, (unsigned long long)wanted);
	features = wanted;
	control(interface->vhost_fd, VHOST_SET_FEATURES, &features, "VHOST_SET_FEATURES");

	memory = share_memory(interface);
	for (number = 0; number < 2; number++)
		setup_queue(interface, number, memory + number * QUEUE_BYTES);
	for (number = 0; number < 2; number++) {
		struct vhost_vring_file backend = { number, interface->tap_fd };

		control(interface->vhost_fd, VHOST_NET_SET_BACKEND, &backend,
			interface->tap);
	}
	queue_kick(&interface->queues[TO_GUEST]);
}

/* vhost lets go of the taps and of our memory before either is taken away. */
static void detach(struct interface *interface)
{
	int number;

	for (number = 0; number < 2; number++) {
		struct vhost_vring_file none = { number, -1 };

		control(interface->vhost_fd, VHOST_NET_SET_BACKEND, &none,
			interface->tap);
	}
	close(interface->vhost_fd);
	close(interface->tap_fd);
}

static void read_arguments(char **argv)
{
	int fd, i;

	fd = open(argv[7], O_RDWR | O_CLOEXEC);
	if (fd < 0)
		fail("%s: %s", argv[7], strerror(errno));
	page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		fail("%s: %s", argv[7], strerror(errno));
	close(fd);
	page->version = 1;
	page->magic = MAGIC;

	for (i = 0; i < 2; i++) {
		interfaces[i].tap = argv[1 + i];
		interfaces[i].counts = &page->interfaces[i];
		if (!ether_aton_r(argv[3 + i], &interfaces[i].mac))
			fail("%s is no MAC address", argv[3 + i]);
		if (!ether_aton_r(argv[5 + i], &interfaces[i].station))
			fail("%s is no MAC address", argv[5 + i]);
	}
}

int main(int argc, char **argv)
{
	if (argc != 8) {
		fprintf(stderr, "usage: vfwd TAP0 TAP1 MAC0 MAC1 STATION0 STATION1 PAGE\n");
		return 2;
	}
	read_arguments(argv);
	stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (stop_fd < 0)
		fail("eventfd: %s", strerror(errno));
	signal(SIGTERM, on_stop);
	signal(SIGINT, on_stop);
	signal(SIGUSR1, on_beat);

	attach(&interfaces[0]);
	attach(&interfaces[1]);
	puts("READY");
	fflush(stdout);
	run();
	detach(&interfaces[0]);
	detach(&interfaces[1]);
	return 0;
}
