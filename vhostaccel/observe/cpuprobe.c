// SPDX-License-Identifier: Apache-2.0
/*
 * cpuprobe CPU PAGE [GAP_US]: measure what a CPU has left, and how late it is.
 *
 * Two processes, both pinned to CPU:
 * - the idle counter, under SCHED_IDLE, reads the cycle counter in a tight loop
 *   and adds up the steps shorter than GAP_US (20 us unless told otherwise). A
 *   longer step means that something else ran. Tick-sampled idle time misses
 *   work that starts and ends between two ticks; this does not.
 * - the timer, an ordinary process, sleeps to every next multiple of 10 ms and
 *   keeps the worst lateness.
 * They are two processes and not threads because autogrouping shares a CPU by
 * session: beside other sessions, SCHED_IDLE alone would still get a full share,
 * so the idle counter moves to a session of its own with the lowest weight.
 *
 * PAGE is a file of at least 4096 bytes; its layout is struct page, native byte
 * order. Both processes end with the thread that started the timer.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#define PAGE_BYTES 4096
#define MAGIC 0x70636176u /* "vacp" */
#define VERSION 1u
#define PERIOD_NS 10000000ull
#define CALIBRATION_NS 50000000ull
#define SECOND_NS 1000000000ull

struct page {
	uint32_t magic;		  /*  0 written last: the counters run */
	uint32_t version;	  /*  4 */
	uint64_t idle_ns;	  /*  8 written by the idle counter only */
	uint64_t due_ns;	  /* 16 CLOCK_MONOTONIC of the timer's next expiry */
	uint64_t epoch;		  /* 24 written by the reader only */
	uint64_t late_worst_ns[2]; /* 32 the timer uses [epoch % 2] */
};
/*
 * To read and reset the worst lateness, the reader zeroes the other slot,
 * increments epoch, and then reads the slot of the old epoch.
 */

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * SECOND_NS + now.tv_nsec;
}

/* Where the clock source is slow to read, the loop must not be: read cycles. */
static uint64_t cycles(void)
{
#if defined(__x86_64__)
	return __rdtsc();
#else
	return monotonic_ns();
#endif
}

struct instant {
	uint64_t ns, cycles;
};

/* The same moment on both clocks: of some tries, the least disturbed one. */
static struct instant read_both(void)
{
	struct instant best = { 0, 0 };
	uint64_t before, between, after, width, least = UINT64_MAX;
	int i;

	for (i = 0; i < 16; i++) {
		before = cycles();
		between = monotonic_ns();
		after = cycles();
		width = after - before;
		if (width >= least)
			continue;
		least = width;
		best = (struct instant){ between, before + width / 2 };
	}
	return best;
}

/* Return: nanoseconds per cycle as a 32.32 fixed-point number. */
static uint64_t calibrate(void)
{
	struct instant start = read_both(), end;

	while (monotonic_ns() - start.ns < CALIBRATION_NS)
		;
	end = read_both();
	if (end.cycles == start.cycles) {
		fprintf(stderr, "cpuprobe: the cycle counter stands still\n");
		exit(1);
	}
	return (uint64_t)(((unsigned __int128)(end.ns - start.ns) << 32) /
			  (end.cycles - start.cycles));
}

/* No half of a probe: when the idle counter ends, so does the timer. */
static void on_idle_counter_end(int signal_number)
{
	(void)signal_number;
	_exit(1);
}

/* End with the parent. Between fork and this call it may have ended already. */
static void end_with(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		die("prctl");
	if (getppid() != parent)
		exit(1);
}

/* Autogrouping may be off or not built in; then the policy alone is enough. */
static void lower_session_weight(void)
{
	int fd;

	if (setsid() < 0)
		die("setsid");
	fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, "19", 2) < 0)
		perror("cpuprobe: /proc/self/autogroup");
	close(fd);
}

static void count_idle(volatile struct page *page, uint64_t gap_ns)
{
	struct sched_param param = { 0 };
	uint64_t scale = calibrate(), gap, last, now, idle = 0;

	lower_session_weight();
	if (sched_setscheduler(0, SCHED_IDLE, &param) < 0)
		die("SCHED_IDLE");
	if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		die("mlockall");

	gap = (uint64_t)(((unsigned __int128)gap_ns << 32) / scale);
	page->version = VERSION;
	__atomic_store_n(&page->magic, MAGIC, __ATOMIC_RELEASE);
	for (last = cycles();; last = now) {
		now = cycles();
		if (now - last >= gap)
			continue;
		idle += now - last;
		page->idle_ns = (uint64_t)(((unsigned __int128)idle * scale) >> 32);
	}
}

static void keep_time(volatile struct page *page)
{
	uint64_t due = monotonic_ns(), now, late;
	struct timespec at;

	for (;;) {
		/* A late timer skips what it missed: each delay counts once. */
		due += PERIOD_NS;
		now = monotonic_ns();
		if (due <= now)
			due = now + PERIOD_NS - (now - due) % PERIOD_NS;
		page->due_ns = due;

		at.tv_sec = due / SECOND_NS;
		at.tv_nsec = due % SECOND_NS;
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL))
			;
		late = monotonic_ns() - due;
		if (late > page->late_worst_ns[page->epoch % 2])
			page->late_worst_ns[page->epoch % 2] = late;
	}
}

static struct page *map_page(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	void *page;

	if (fd < 0)
		die(path);
	page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		die(path);
	close(fd);
	return page;
}

static unsigned long number(const char *text)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || end == text || *end) {
		fprintf(stderr, "cpuprobe: %s is no number\n", text);
		exit(2);
	}
	return value;
}

int main(int argc, char **argv)
{
	pid_t parent = getppid(), timer = getpid(), idle_counter;
	uint64_t gap_ns;
	struct page *page;
	cpu_set_t cpus;

	if (argc < 3 || argc > 4) {
		fprintf(stderr, "usage: cpuprobe CPU PAGE [GAP_US]\n");
		return 2;
	}
	end_with(parent);
	CPU_ZERO(&cpus);
	CPU_SET(number(argv[1]), &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus) < 0)
		die("sched_setaffinity");
	page = map_page(argv[2]);
	gap_ns = (argc > 3 ? number(argv[3]) : 20) * 1000;

	signal(SIGCHLD, on_idle_counter_end);
	idle_counter = fork();
	if (idle_counter < 0)
		die("fork");
	if (idle_counter == 0) {
		end_with(timer);
		count_idle(page, gap_ns);
	}
	if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		die("mlockall");
	keep_time(page);
}
