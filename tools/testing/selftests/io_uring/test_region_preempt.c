// SPDX-License-Identifier: GPL-2.0
/*
 * While a large region is allocated, other tasks get the CPU: its pages are not
 * requested in a single call that cannot be preempted. Needs a kernel that does
 * not account them (cgroup.memory=nokmem), else they are allocated one by one
 * anyway.
 */
#include "kselftest_harness.h"
#include "iou_region.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SIZE		(256UL << 20)
/* a busy host may stall the clock of a virtual machine, but not always */
#define ATTEMPTS	5
#define FRACTION	5

static atomic_bool stop;
static atomic_bool running;

static bool on_one_cpu(void)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	return !sched_setaffinity(0, sizeof(cpus), &cpus);
}

/* The longest time that a thread with a higher priority has to wait */
static void *wake_often(void *arg)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	const struct sched_param param = { .sched_priority = 10 };
	long long *longest = arg, last, t;

	if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &param))
		return "cannot have a priority";
	running = true;
	last = test_now_ns();
	while (!stop) {
		nanosleep(&pause, NULL);
		t = test_now_ns();
		if (t - last > *longest)
			*longest = t - last;
		last = t;
	}
	return NULL;
}

/* That time, as a percentage of the registration's time; -1 on failure */
static int longest_wait(void)
{
	long long longest = 0, start, end;
	struct io_uring ring;
	pthread_t thread;
	void *mem, *why;

	stop = false;
	running = false;
	if (io_uring_queue_init(4, &ring, 0) ||
	    pthread_create(&thread, NULL, wake_often, &longest))
		return -1;
	while (!running)
		sched_yield();
	start = test_now_ns();
	mem = region_register(&ring, NULL, SIZE);
	end = test_now_ns();
	stop = true;
	pthread_join(thread, &why);
	io_uring_queue_exit(&ring);
	if (mem == MAP_FAILED || why)
		return -1;
	munmap(mem, SIZE);
	return longest * 100 / (end - start);
}

TEST(others_run_while_a_region_is_allocated)
{
	char cmdline[4096];
	int i, percent = 100;

	if (getuid())
		SKIP(return, "needs root");
	if (!test_read_file("/proc", "cmdline", cmdline, sizeof(cmdline)) ||
	    !strstr(cmdline, "cgroup.memory=nokmem"))
		SKIP(return, "needs cgroup.memory=nokmem");
	ASSERT_TRUE(on_one_cpu());
	for (i = 0; i < ATTEMPTS && percent > FRACTION; i++) {
		percent = longest_wait();
		ASSERT_GE(percent, 0);
		TH_LOG("waited for %d %% of the registration", percent);
	}
	EXPECT_LE(percent, FRACTION);
}

TEST_HARNESS_MAIN
