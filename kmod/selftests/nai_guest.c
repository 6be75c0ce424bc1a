// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest without a virtual machine. Takes commands on standard input, one a
 * line, and serves its rings until the next; answers each, when it is done, with
 * a line of JSON that has all its accounts.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "guest.h"

static const struct option options[] = {
	{ "tap", required_argument, NULL, 't' },
	{ "mac", required_argument, NULL, 'm' },
	{ "port", required_argument, NULL, 'p' },
	{ "ring", required_argument, NULL, 'r' },
	{ "buffer", required_argument, NULL, 'b' },
	{ "seed", required_argument, NULL, 's' },
	{ "mergeable", no_argument, NULL, 'M' },
	{ "legacy", no_argument, NULL, 'L' },
	{ "event-idx", no_argument, NULL, 'E' },
	{ "vhost-header", no_argument, NULL, 'H' },
	{ "echo", no_argument, NULL, 'e' },
	{ "force", no_argument, NULL, 'f' },
	{ "tx", no_argument, NULL, 'T' },
	{ "peer", required_argument, NULL, 'P' },
	{ "seeded", no_argument, NULL, 'S' },
	{ "behind", required_argument, NULL, 'B' },
	{ "huge", no_argument, NULL, 'h' },
	{ "memlock", required_argument, NULL, 'l' },
	{ "keep", required_argument, NULL, 'k' },
	{}
};

static void usage(void)
{
	const struct option *o;

	fprintf(stderr, "nai_guest --tap NAME --mac MAC, and:\n");
	for (o = options + 2; o->name; o++)
		fprintf(stderr, "\t--%s%s\n", o->name, o->has_arg ? " N" : "");
	exit(2);
}

static void parse(struct guest *g, int argc, char **argv)
{
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 't':
			snprintf(g->tap_name, sizeof(g->tap_name), "%s", optarg);
			break;
		case 'm':
			if (!frame_parse_mac(optarg, g->mac))
				usage();
			break;
		case 'P':
			if (!frame_parse_mac(optarg, g->peer))
				usage();
			break;
		case 'p':
			g->port = atoi(optarg);
			break;
		case 'r':
			g->num = atoi(optarg);
			break;
		case 'b':
			g->buf_len = atoi(optarg);
			break;
		case 's':
			srandom(atoi(optarg));
			break;
		case 'M':
			g->features |= 1ull << VIRTIO_NET_F_MRG_RXBUF;
			break;
		case 'L':
			g->features &= ~(1ull << VIRTIO_F_VERSION_1);
			break;
		case 'E':
			g->features |= 1ull << VIRTIO_RING_F_EVENT_IDX;
			break;
		case 'H':
			g->features |= 1ull << VHOST_NET_F_VIRTIO_NET_HDR;
			g->vhost_header = true;
			break;
		case 'e':
			g->echo = true;
			break;
		case 'f':
			g->force = true;
			break;
		case 'T':
			g->tx = true;
			break;
		case 'S':
			g->seeded = true;
			break;
		case 'B':
			g->behind = atoi(optarg);
			break;
		case 'h':
			g->huge = true;
			break;
		case 'k':
			g->keep = atoi(optarg);
			break;
		case 'l':
			g->memlock = atol(optarg);
			break;
		default:
			usage();
		}
	}
	if (!*g->tap_name || !g->num || g->num > RING_MAX ||
	    g->num & (g->num - 1) || !g->buf_len || g->buf_len > BUF_MAX ||
	    g->buf_len + g->behind + NEAR > 2 * PAGE)
		usage();
}

static void put(const char *name, __u64 value)
{
	printf("\"%s\": %llu, ", name, value);
}

static void print_accounts(const struct guest *g)
{
	unsigned int i;

	put("bad_head", g->faults.bad_head);
	put("double_head", g->faults.double_head);
	put("lost_head", g->faults.lost_head);
	put("bad_len", g->faults.bad_len);
	put("bad_header", g->faults.bad_header);
	put("canary", g->faults.canary);
	put("corrupt", g->faults.corrupt);
	put("twice", g->faults.twice);
	put("unlogged", g->faults.unlogged);
	put("stale", g->faults.stale);
	put("foreign", g->counts.foreign);
	put("valid", g->counts.valid);
	put("bytes", g->counts.bytes);
	put("reordered", g->counts.reordered);
	put("returned", g->counts.returned);
	put("tx", g->counts.tx);
	put("no_tx_room", g->counts.no_tx_room);
	put("kicks", g->counts.kicks);
	put("logged_pages", g->counts.logged_pages);
	put("changed_pages", g->counts.changed_pages);
	put("attached", g->counts.attached);
	put("refused", g->counts.refused);
	printf("\"with_host\": %u, \"rx\": [", g->q[RX].with_host);
	for (i = 0; i < STREAMS; i++)
		printf("%s%llu", i ? ", " : "",
		       g->counts.rx[i]);
	printf("], ");
	fuzz_print(g);
}

static void say(const struct guest *g, int err)
{
	printf("{\"error\": %d, ", err);
	print_accounts(g);
	printf("}\n");
	fflush(stdout);
}

static void set_stalled(struct guest *g, unsigned long on)
{
	g->stalled = on;
}

static void set_echo(struct guest *g, unsigned long on)
{
	g->echo = on;
}

/* For nothing, as a guest may at any time. */
static void kick(struct guest *g, unsigned long ignored)
{
	eventfd_write(g->q[RX].kick, 1);
}

/* One that is stalled returns all its buffers, once. */
static void step(struct guest *g, unsigned long ignored)
{
	g->stalled = false;
	guest_serve(g);
	g->stalled = true;
}

static void again(struct guest *g, unsigned long n)
{
	ring_fill_again(g, &g->q[RX], n);
}

static void check(struct guest *g, unsigned long ignored)
{
	guest_serve(g);
	guest_check_guards(g);
}

static const struct {
	const char *name;
	void (*op)(struct guest *g, unsigned long n);
} commands[] = {
	{ "stats", check },
	{ "stall", set_stalled },
	{ "echo", set_echo },
	{ "kick", kick },
	{ "step", step },
	{ "again", again },
	{ "toggle", op_toggle },
	{ "memory", op_memory },
	{ "move", op_move },
	{ "discard", op_discard },
	{ "features", op_features },
	{ "owner", op_owner },
	{ "readonly", op_readonly },
	{ "log", op_log },
	{ "userfault", op_userfault },
};

static int backend(struct guest *g, bool on)
{
	int err = guest_set_backend(g, &g->q[TX], on);

	if (!on)
		ring_check_stopped(g, &g->q[TX]);
	err = err ?: guest_set_backend(g, &g->q[RX], on);
	if (!on)
		ring_check_stopped(g, &g->q[RX]);
	return err;
}

static void obey(struct guest *g, const char *line)
{
	unsigned long n = 0, seed = 0;
	char name[16] = "";
	unsigned int i;
	int err = 0;

	if (sscanf(line, "%15s %lu %lu", name, &n, &seed) < 1)
		usage();
	for (i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		if (strcmp(name, commands[i].name))
			continue;
		commands[i].op(g, n);
		say(g, 0);
		return;
	}
	if (!strcmp(name, "fuzz"))
		op_fuzz(g, n, seed);
	else if (!strcmp(name, "send"))
		err = guest_send(g, n, seed);
	else if (!strcmp(name, "attach"))
		err = guest_attach(g);
	else if (!strcmp(name, "drain"))
		err = guest_drain(g, n * 1000) ? 0 : -ETIMEDOUT;
	else if (!strcmp(name, "backend"))
		err = backend(g, n);
	else
		usage();
	say(g, err);
}

/* Return: whether a whole line was there. */
static bool read_line(char *line, size_t size)
{
	struct pollfd pfd = { .fd = STDIN_FILENO, .events = POLLIN };

	if (poll(&pfd, 1, 0) <= 0)
		return false;
	if (!fgets(line, size, stdin))
		exit(0);
	return true;
}

int main(int argc, char **argv)
{
	static struct guest g = {
		.num = RING_MAX,
		.buf_len = 2048,
		.features = 1ull << VIRTIO_F_VERSION_1,
		.memlock = -1,
	};
	char line[80];

	/* What poll() sees must be what fgets() gets. */
	setvbuf(stdin, NULL, _IONBF, 0);
	signal(SIGPIPE, SIG_IGN);
	parse(&g, argc, argv);
	guest_open(&g);
	guest_start(&g);
	say(&g, 0);
	for (;;) {
		g.listens = true;
		guest_run(&g, 20000);
		g.listens = false;
		if (read_line(line, sizeof(line)))
			obey(&g, line);
	}
}
