// SPDX-License-Identifier: GPL-2.0
/*
 * Cost of kernel-managed buffers, compared with provided buffers. Prints lines
 * of a name, a tab, and a number: cycles of the time stamp counter for select
 * and recycle, nanoseconds of the clock for the rest. On a machine whose
 * counter and clock both count instructions (QEMU's -icount shift=0), both are
 * instructions. Elsewhere they are a rough guide at best.
 */
#include "kselftest.h"
#include "iou_kmbuf.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BGID		1
#define CYCLES		2000
#define ROUNDS		7
#define MOST_ROUNDS	100
#define LARGE_NR	256
#define LARGE_SIZE	(1024UL * 1024)

static void die(const char *what, int err)
{
	fprintf(stderr, "%s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(1);
}

static void report(const char *what, double number)
{
	printf("%s\t%.1f\n", what, number);
}

/* The calls of the kernel API, made in the kernel with interrupts off */
static void bench_calls(struct test_ring *tr, int mock, unsigned int nr)
{
	struct io_uring_mock_kmbuf_cycles arg = { .cycles = CYCLES };
	char name[64];
	int ret;

	ret = kmbuf_setup(&tr->ring, BGID, nr, 1, 0);
	if (ret)
		die("register", ret);
	ret = kmbuf_pin(tr, mock, BGID);
	if (ret < 0)
		die("pin", ret);
	arg.handle = ret;
	ret = mock_cmd(tr, mock, IORING_MOCK_KMBUF_CMD_RING_BENCH, &arg,
		       sizeof(arg));
	if (ret)
		die("bench", ret);
	kmbuf_unpin(tr, mock, arg.handle);
	kmbuf_unregister(&tr->ring, BGID);

	snprintf(name, sizeof(name), "kmbuf select, %u buffers", nr);
	report(name, (double)arg.select / CYCLES);
	snprintf(name, sizeof(name), "kmbuf recycle, %u buffers", nr);
	report(name, (double)arg.recycle / CYCLES);
}

/*
 * Read one byte from a file that always has data, into a selected or a given
 * buffer
 */
static void read_byte(struct io_uring *ring, int fd, char *buf)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	struct io_uring_cqe *cqe;
	int ret;

	io_uring_prep_read(sqe, fd, buf, 1, 0);
	if (!buf) {
		sqe->flags = IOSQE_BUFFER_SELECT;
		sqe->buf_group = BGID;
	}
	ret = io_uring_submit_and_wait(ring, 1);
	if (ret < 0)
		die("submit", ret);
	ret = io_uring_peek_cqe(ring, &cqe);
	if (ret || cqe->res != 1)
		die("read", ret ?: cqe->res);
	io_uring_cqe_seen(ring, cqe);
}

/* Nanoseconds per read, averaged over CYCLES reads */
static double round_of_reads(struct io_uring *ring, int fd, char *buf,
			     struct io_uring_buf_ring *br, char *bufs,
			     unsigned int nr)
{
	long long start = test_now_ns();
	unsigned int i;

	for (i = 0; i < CYCLES; i++) {
		unsigned int bid = i % nr;

		read_byte(ring, fd, br ? NULL : buf);
		if (!br)
			continue;
		io_uring_buf_ring_add(br, bufs + bid, 1, bid, nr - 1, 0);
		io_uring_buf_ring_advance(br, 1);
	}
	return (double)(test_now_ns() - start) / CYCLES;
}

/*
 * The minimum of as many rounds as it takes until two more agree with it to 1
 * %: other rounds include clock interrupts, or memory that is still being
 * freed.
 */
static double reads(struct io_uring *ring, int fd, char *buf,
		    struct io_uring_buf_ring *br, char *bufs, unsigned int nr)
{
	double rounds[MOST_ROUNDS], best = 0;
	unsigned int i, k, agree;

	for (i = 0; i < MOST_ROUNDS; i++) {
		rounds[i] = round_of_reads(ring, fd, buf, br, bufs, nr);
		if (!i || rounds[i] < best)
			best = rounds[i];
		for (k = 0, agree = 0; k <= i; k++)
			agree += rounds[k] <= best * 1.01;
		if (agree >= 3)
			return best;
	}
	fprintf(stderr, "no three rounds agree\n");
	exit(1);
}

/*
 * The cycle of a provided buffer: a request selects it, uses it up, and it is
 * added to the ring again. The cost is that of a read with it minus that of a
 * read without.
 */
static void bench_provided(struct io_uring *ring)
{
	const unsigned int nr = 256;
	struct io_uring_buf_ring *br;
	char *bufs = malloc(nr), byte;
	double with, without;
	unsigned int i;
	int fd, ret;

	fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die("/dev/zero", 5);
	br = io_uring_setup_buf_ring(ring, nr, BGID, 0, &ret);
	if (!br)
		die("provided-buffer ring", ret);
	for (i = 0; i < nr; i++)
		io_uring_buf_ring_add(br, bufs + i, 1, i, nr - 1, i);
	io_uring_buf_ring_advance(br, nr);

	without = reads(ring, fd, &byte, NULL, NULL, 1);
	with = reads(ring, fd, NULL, br, bufs, nr);
	report("kmbuf beside: provided buffer, select and add again",
	       with - without);
	io_uring_free_buf_ring(ring, br, nr, BGID);
	free(bufs);
	close(fd);
}

static void bench_register(struct io_uring *ring, unsigned int flags,
			   const char *name)
{
	struct io_uring_kmbuf_reg reg = {
		.buf_size = LARGE_SIZE,
		.ring_entries = LARGE_NR,
		.bgid = BGID,
		.flags = flags,
	};
	long long start = test_now_ns();
	void *mem;
	int ret;

	ret = kmbuf_register(ring, &reg);
	if (ret)
		die("register 256 MiB", ret);
	mem = kmbuf_mmap(ring, BGID, LARGE_NR * LARGE_SIZE,
			 PROT_READ | PROT_WRITE);
	if (mem == MAP_FAILED)
		die("mmap", 12);
	report(name, test_now_ns() - start);
	munmap(mem, LARGE_NR * LARGE_SIZE);
	kmbuf_unregister(ring, BGID);
}

/* The same for memory of the application: allocate, and register it */
static void bench_user_memory(struct io_uring *ring)
{
	long long start = test_now_ns();
	struct iovec iov = { .iov_len = LARGE_NR * LARGE_SIZE };
	int ret;

	iov.iov_base = mmap(NULL, iov.iov_len, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (iov.iov_base == MAP_FAILED)
		die("mmap", 12);
	ret = io_uring_register_buffers(ring, &iov, 1);
	if (ret)
		die("register buffers", ret);
	report("kmbuf beside: user memory, 256 MiB, registered buffer",
	       test_now_ns() - start);
	io_uring_unregister_buffers(ring);
	munmap(iov.iov_base, iov.iov_len);
}

int main(void)
{
	static const unsigned int sizes[] = { 1, 16, 256, 4096, 32768 };
	struct test_ring tr;
	unsigned int i;
	int mock, ret;

	mock = mock_create(1, 0);
	if (mock < 0)
		die("mock device", mock);
	ret = test_ring_init(&tr, IORING_SETUP_SINGLE_ISSUER |
			     IORING_SETUP_DEFER_TASKRUN, 0);
	if (ret)
		die("ring", ret);
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		bench_calls(&tr, mock, sizes[i]);
	bench_provided(&tr.ring);
	bench_register(&tr.ring, 0, "kmbuf register and map, 256 x 1 MiB");
	bench_register(&tr.ring, IOU_KMBUF_RING_FIXED,
		       "kmbuf register and map, 256 x 1 MiB, fixed");
	test_ring_exit(&tr);

	ret = test_ring_init(&tr, 0, 0);
	if (ret)
		die("ring", ret);
	io_uring_unregister_buffers(&tr.ring);
	bench_user_memory(&tr.ring);
	test_ring_exit(&tr);
	return 0;
}
