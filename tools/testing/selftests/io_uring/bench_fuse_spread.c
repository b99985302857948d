// SPDX-License-Identifier: GPL-2.0
/*
 * What it is worth that background requests use entries of other queues. Prints how
 * many milliseconds asynchronous reads of one client take, with a queue and a server
 * process for each CPU, which wait in each read. The client stays on one CPU.
 */
#include "fuse_few.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NR_READS	400
#define READ_SIZE	4096
#define NR_AT_A_TIME	32
#define HANDLER_US	2000

static fuse_serve_t serve_at_once;

static void die(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, strerror(error));
	exit(1);
}

static int serve_slowly(const struct fuse_call *call)
{
	if (call->in->opcode == FUSE_READ)
		usleep(HANDLER_US);
	return serve_at_once(call);
}

static int run_queue(struct fuse_test *ft, unsigned int qid)
{
	ft->queues = 1ULL << qid;
	return fuse_serve_uring(ft);
}

static int run_queues(struct fuse_test *ft)
{
	return fuse_few_run_all(ft, fuse_uring_nr_queues(), run_queue, NULL);
}

static void prepare_read(struct test_ring *tr, int fd, unsigned int nr)
{
	static unsigned char data[NR_AT_A_TIME][READ_SIZE];

	io_uring_prep_read(test_sqe(tr), fd, data[nr % NR_AT_A_TIME], READ_SIZE,
			   (off_t)nr * READ_SIZE);
	test_submit(tr);
}

static long long read_all(const char *file)
{
	unsigned int nr_sent, nr_done;
	struct test_ring tr;
	long long start;
	int fd, ret;

	fd = open(file, O_RDONLY | O_DIRECT);
	if (fd < 0)
		die(file, errno);
	ret = test_ring_init(&tr, 0, 0);
	if (ret)
		die("ring", -ret);
	start = test_now_ms();
	for (nr_sent = 0; nr_sent < NR_AT_A_TIME; nr_sent++)
		prepare_read(&tr, fd, nr_sent);
	for (nr_done = 0; nr_done < NR_READS; nr_done++) {
		ret = test_wait(&tr);
		if (ret != READ_SIZE)
			die("read", ret < 0 ? -ret : EIO);
		if (nr_sent < NR_READS)
			prepare_read(&tr, fd, nr_sent++);
	}
	start = test_now_ms() - start;
	test_ring_exit(&tr);
	close(fd);
	return start;
}

static void bench(bool spread)
{
	struct fuse_test ft = {
		.mode = FUSE_MODE_KMBUF,
		.depth = 8,
		.buffers = 8,
		.init_flags = FUSE_ASYNC_DIO |
			      (spread ? FUSE_IO_URING_FEWER_QUEUES : 0),
		.file_size = (unsigned long long)NR_READS * READ_SIZE,
		.max_write = READ_SIZE,
		.max_pages = READ_SIZE / sysconf(_SC_PAGESIZE),
		.run = run_queues,
	};
	struct fuse_hold *hold = fuse_hold_init(&ft);
	unsigned int qid;
	int ret;

	if (!hold)
		die("server", ENOMEM);
	serve_at_once = ft.serve;
	ft.serve = serve_slowly;
	ret = fuse_test_mount(&ft);
	if (ret)
		die("mount", -ret);
	/* io_uring is ready with the first queue, or with all of them */
	ret = fuse_hold_do(&ft, FUSE_HOLD_STAT, 0);
	if (ret)
		die("stat", -ret);
	for (qid = 0; spread && qid < fuse_uring_nr_queues(); qid++)
		if (!WAIT_FOR(fuse_few_has_queue(&ft, qid), FUSE_FEW_STEP_MS))
			die("queue", ETIME);
	printf("spread %u CPUs, %s\t%lld\n", fuse_uring_nr_queues(),
	       spread ? "entries of any queue" : "entries of the CPU's queue",
	       read_all(ft.file));
	ret = fuse_test_umount(&ft);
	if (ret)
		die("umount", -ret);
	fuse_hold_exit(hold);
}

int main(void)
{
	bench(false);
	bench(true);
	return 0;
}
