// SPDX-License-Identifier: GPL-2.0
/*
 * FUSE queues with a pool of server memory, with and without headers in the
 * memory region: the data is right, few buffers serve many entries, and which
 * combinations and privileges are accepted.
 */
#include "kselftest_harness.h"
#include "fuse_data.h"
#include "fuse_hold.h"
#include "fuse_queue.h"
#include "iou_memlock.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TIMEOUT		300
#define STEP_MS		20000
#define LARGE		65536
#define SMALL		100
#define DEPTH		8
#define MAX_IO		(1024 * 1024)

FIXTURE(fuse_pool)
{
	struct fuse_data d;
};

FIXTURE_VARIANT(fuse_pool)
{
	enum fuse_mode mode;
	unsigned int sqe_flags;
	unsigned long long init_flags;
	enum fuse_mixed mixed;
};

FIXTURE_VARIANT_ADD(fuse_pool, plain) {
	.mode = FUSE_MODE_POOL,
};

FIXTURE_VARIANT_ADD(fuse_pool, fixed) {
	.mode = FUSE_MODE_POOL_FIXED,
};

FIXTURE_VARIANT_ADD(fuse_pool, fixed_async) {
	.mode = FUSE_MODE_POOL_FIXED,
	.sqe_flags = IOSQE_ASYNC,
};

FIXTURE_VARIANT_ADD(fuse_pool, zc) {
	.mode = FUSE_MODE_POOL_ZC,
};

FIXTURE_VARIANT_ADD(fuse_pool, zc_writeback) {
	.mode = FUSE_MODE_POOL_ZC,
	.init_flags = FUSE_WRITEBACK_CACHE,
};

FIXTURE_VARIANT_ADD(fuse_pool, headers) {
	.mode = FUSE_MODE_POOL_HEADERS,
};

FIXTURE_VARIANT_ADD(fuse_pool, headers_mixed) {
	.mode = FUSE_MODE_POOL_HEADERS,
	.mixed = FUSE_MIXED_BOTH,
};

FIXTURE_VARIANT_ADD(fuse_pool, headers_either) {
	.mode = FUSE_MODE_POOL_HEADERS,
	.mixed = FUSE_MIXED_EITHER,
};

FIXTURE_VARIANT_ADD(fuse_pool, headers_zc) {
	.mode = FUSE_MODE_POOL_HEADERS_ZC,
};

FIXTURE_SETUP(fuse_pool)
{
	const struct fuse_test ft = {
		.mode = variant->mode,
		.sqe_flags = variant->sqe_flags,
		.init_flags = variant->init_flags,
		.mixed = variant->mixed,
	};
	int ret;

	if (getuid())
		SKIP(return, "needs root");
	ret = fuse_data_init(&self->d, &ft);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
}

FIXTURE_TEARDOWN(fuse_pool)
{
	EXPECT_EQ(0, fuse_data_exit(&self->d));
}

TEST_F_TIMEOUT(fuse_pool, buffered, TIMEOUT)
{
	EXPECT_TRUE(fuse_data_reads(&self->d, 0, 3));
	EXPECT_TRUE(fuse_data_writes(&self->d, 0, 3));
}

TEST_F_TIMEOUT(fuse_pool, direct, TIMEOUT)
{
	EXPECT_TRUE(fuse_data_reads(&self->d, O_DIRECT, 3));
	EXPECT_TRUE(fuse_data_writes(&self->d, O_DIRECT, 3));
}

/* Data and small payloads are where the mode says */
TEST_F_TIMEOUT(fuse_pool, counters, TIMEOUT)
{
	const char *as = fuse_mode_zero_copy(variant->mode) ? "zero_copy" :
							      "iovec";
	long long before;
	int fd;

	/* only requests of entries that use no queue memory are not counted */
	if (variant->mixed == FUSE_MIXED_BOTH)
		return;
	fd = open(self->d.ft.file, O_RDWR | O_DIRECT);
	ASSERT_GE(fd, 0);
	before = fuse_test_counter(&self->d.ft, as);
	ASSERT_EQ(MAX_IO, pread(fd, self->d.buf, MAX_IO, 0));
	EXPECT_EQ(before + 1, fuse_test_counter(&self->d.ft, as));
	EXPECT_EQ(0, fuse_test_counter(&self->d.ft, "buffer"));
	EXPECT_EQ(0, fuse_test_counter(&self->d.ft, "fallback"));
	EXPECT_EQ(fuse_mode_headers(variant->mode),
		  fuse_test_counter(&self->d.ft, "inline") > 0);
	close(fd);
}

/* One buffer for all entries of a queue */
FIXTURE(fuse_pool_buffers)
{
	struct fuse_test ft;
	struct fuse_hold *hold;
};

FIXTURE_VARIANT(fuse_pool_buffers)
{
	enum fuse_mode mode;
	enum fuse_slots slots;
};

FIXTURE_VARIANT_ADD(fuse_pool_buffers, plain) {
	.mode = FUSE_MODE_POOL,
};

FIXTURE_VARIANT_ADD(fuse_pool_buffers, fixed) {
	.mode = FUSE_MODE_POOL_FIXED,
};

FIXTURE_VARIANT_ADD(fuse_pool_buffers, zc) {
	.mode = FUSE_MODE_POOL_ZC,
};

FIXTURE_VARIANT_ADD(fuse_pool_buffers, zc_unnamed) {
	.mode = FUSE_MODE_POOL_ZC,
	.slots = FUSE_SLOTS_UNNAMED,
};

FIXTURE_VARIANT_ADD(fuse_pool_buffers, zc_taken) {
	.mode = FUSE_MODE_POOL_ZC,
	.slots = FUSE_SLOTS_TAKEN,
};

FIXTURE_VARIANT_ADD(fuse_pool_buffers, headers) {
	.mode = FUSE_MODE_POOL_HEADERS,
};

FIXTURE_SETUP(fuse_pool_buffers)
{
	int ret;

	if (getuid())
		SKIP(return, "needs root");
	self->ft = (struct fuse_test) {
		.mode = variant->mode,
		.slots = variant->slots,
		.depth = DEPTH,
		.max_write = MAX_IO,
		.max_pages = MAX_IO / sysconf(_SC_PAGESIZE),
	};
	self->hold = fuse_hold_init(&self->ft);
	ASSERT_NE(NULL, self->hold);
	ret = fuse_test_mount(&self->ft);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_STAT, 0));
}

FIXTURE_TEARDOWN(fuse_pool_buffers)
{
	EXPECT_EQ(0, fuse_test_umount(&self->ft));
	fuse_hold_exit(self->hold);
}

/* A returned buffer wakes a waiting request: none waits forever */
TEST_F_TIMEOUT(fuse_pool_buffers, many_clients, TIMEOUT)
{
	const struct {
		enum fuse_hold_op op;
		size_t len;
	} kinds[] = {
		{ FUSE_HOLD_STAT, 0 }, { FUSE_HOLD_READ, LARGE },
		{ FUSE_HOLD_WRITE, SMALL }, { FUSE_HOLD_WRITE, LARGE },
		{ FUSE_HOLD_READ, SMALL }, { FUSE_HOLD_READ, MAX_IO },
	};
	const unsigned int nr = 3 * ARRAY_SIZE(kinds), times = 6;
	pid_t pids[3 * ARRAY_SIZE(kinds)];
	unsigned int i;

	for (i = 0; i < nr; i++)
		pids[i] = fuse_hold_client(&self->ft,
					   kinds[i % ARRAY_SIZE(kinds)].op,
					   kinds[i % ARRAY_SIZE(kinds)].len,
					   times);
	for (i = 0; i < nr; i++)
		EXPECT_EQ(0, fuse_hold_end(pids[i], 3 * STEP_MS));
}

/* The pages cannot be handed out: the client does not notice */
TEST_F(fuse_pool_buffers, fallback)
{
	const bool taken = variant->slots == FUSE_SLOTS_TAKEN;

	EXPECT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_READ, LARGE));
	EXPECT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_WRITE, LARGE));
	EXPECT_EQ(taken ? 2 : 0, fuse_test_counter(&self->ft, "fallback"));
	EXPECT_EQ(variant->mode == FUSE_MODE_POOL_ZC && !variant->slots ? 2 : 0,
		  fuse_test_counter(&self->ft, "zero_copy"));
}

static bool stay_on_first_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	return !sched_setaffinity(0, sizeof(set), &set);
}

/* A client that sends only a read */
static pid_t read_client(int fd)
{
	pid_t pid = fork();
	unsigned char *buf;
	ssize_t ret;

	if (pid)
		return pid;
	buf = aligned_alloc(sysconf(_SC_PAGESIZE), LARGE);
	ret = pread(fd, buf, LARGE, FUSE_HOLD_OFFSET);
	if (ret < 0)
		_exit(errno);
	_exit(ret == LARGE && check_pattern(buf, LARGE, FUSE_HOLD_SEED,
					    FUSE_HOLD_OFFSET) ? 0 : EILSEQ);
}

/*
 * While reads wait for the buffer, requests that fit inline go to an entry with
 * its header in the region, although an entry without was tried first: the
 * first, third, ... have an iovec for their header, and hence no room for small
 * payloads.
 */
TEST(small_requests_pass)
{
	struct fuse_test ft = {
		.mode = FUSE_MODE_POOL_HEADERS,
		.mixed = FUSE_MIXED_HEADERS,
		.depth = 6,
		.max_write = LARGE,
		.max_pages = LARGE / sysconf(_SC_PAGESIZE),
	};
	struct fuse_hold *hold;
	long long before;
	unsigned int i;
	pid_t pids[3];
	int fd, ret;

	if (getuid())
		SKIP(return, "needs root");
	ASSERT_TRUE(stay_on_first_cpu());
	hold = fuse_hold_init(&ft);
	ASSERT_NE(NULL, hold);
	ret = fuse_test_mount(&ft);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	fd = open(ft.file, O_RDWR);
	ASSERT_GE(fd, 0);
	before = fuse_test_counter(&ft, "iovec");

	hold->hold = true;
	for (i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = read_client(fd);
		EXPECT_EQ(!i, fuse_hold_wait(hold, i ? 300 : STEP_MS));
	}
	for (i = 0; i < 5; i++)
		EXPECT_EQ(0, fuse_hold_end(fuse_hold_client(&ft, FUSE_HOLD_STAT,
							    0, 1), STEP_MS));
	EXPECT_EQ(before + 1, fuse_test_counter(&ft, "iovec"));

	hold->release = true;
	EXPECT_EQ(0, fuse_hold_end(fuse_hold_client(&ft, FUSE_HOLD_STAT, 0, 1),
				   STEP_MS));
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		EXPECT_EQ(0, fuse_hold_end(pids[i], STEP_MS));
	close(fd);
	EXPECT_EQ(0, fuse_test_umount(&ft));
	fuse_hold_exit(hold);
}

/* Can this process, and hence the server, map memory at address 0? */
static bool can_map_zero(void)
{
	const size_t size = sysconf(_SC_PAGESIZE);
	void *addr = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	return addr != MAP_FAILED && !munmap(addr, size);
}

/* The first buffer of a pool holds data like any other, and is returned */
TEST(buffer_at_zero)
{
	const enum fuse_hold_op ops[] = { FUSE_HOLD_READ, FUSE_HOLD_WRITE };
	struct fuse_test ft = {
		.mode = FUSE_MODE_POOL,
		.pools_at_zero = true,
		.depth = 2,
		.max_write = LARGE,
		.max_pages = LARGE / sysconf(_SC_PAGESIZE),
	};
	struct fuse_hold *hold;
	unsigned int i;
	int ret;

	if (getuid())
		SKIP(return, "needs root");
	if (!can_map_zero())
		SKIP(return, "needs memory at address 0");
	ASSERT_TRUE(stay_on_first_cpu());
	hold = fuse_hold_init(&ft);
	ASSERT_NE(NULL, hold);
	ret = fuse_test_mount(&ft);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);

	for (i = 0; i < 6; i++)
		EXPECT_EQ(0, fuse_hold_end(fuse_hold_client(&ft, ops[i % 2],
							    LARGE, 1),
					   STEP_MS));
	EXPECT_EQ(0, fuse_test_umount(&ft));
	fuse_hold_exit(hold);
}

/*
 * Memory of entries of a queue with a pool, and the privilege to register them
 */
FIXTURE(fuse_pool_errno)
{
	struct fuse_queue fq;
	struct fuse_queue_own own;
};

FIXTURE_SETUP(fuse_pool_errno)
{
	int ret;

	if (getuid())
		SKIP(return, "needs root");
	ret = fuse_queue_mount(&self->fq, FUSE_MODE_POOL_ZC);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, test_ring_init(&self->fq.tr, IORING_SETUP_SQE128, 0));
	self->own.iov[0] = (struct iovec) {
		&self->own.head, sizeof(self->own.head)
	};
}

FIXTURE_TEARDOWN(fuse_pool_errno)
{
	EXPECT_EQ(0, fuse_queue_umount(&self->fq));
	test_ring_exit(&self->fq.tr);
}

static int add_queue(struct fuse_queue *fq, bool zero_copy)
{
	const struct fuse_uring_cmd_req queue = {
		.flags = zero_copy ? FUSE_URING_ZERO_COPY : 0,
	};

	return fuse_queue_cmd(fq, FUSE_IO_URING_CMD_ADD_QUEUE, &queue);
}

static int add_pool(struct fuse_queue *fq, struct fuse_queue_own *own)
{
	return fuse_pool_add(&fq->tr, fq->ft.dev, 0, own->payload,
			     sizeof(own->payload));
}

static int add_entry(FIXTURE_DATA(fuse_pool_errno) *self, unsigned int slot)
{
	const struct fuse_uring_cmd_req ent = {
		.ent = { .zero_copy_buf_index = slot },
	};
	struct io_uring_sqe *sqe = fuse_queue_entry(&self->fq, &ent);

	sqe->addr = (unsigned long)self->own.iov;
	sqe->len = 2;
	return fuse_queue_register(&self->fq.tr);
}

/* With headers in server memory, all entries use the pool */
TEST_F(fuse_pool_errno, own_payload)
{
	ASSERT_EQ(0, add_queue(&self->fq, false));
	ASSERT_EQ(0, add_pool(&self->fq, &self->own));
	self->own.iov[1] = (struct iovec) {
		self->own.payload, sizeof(self->own.payload)
	};
	EXPECT_EQ(-EINVAL, add_entry(self, 0));
	self->own.iov[1] = (struct iovec) { };
	EXPECT_EQ(-EINVAL, add_entry(self, 1));
	EXPECT_EQ(0, add_entry(self, 0));
}

/* Getting the pages needs the privilege, whoever added the queue */
TEST_F(fuse_pool_errno, slot_without_privilege)
{
	ASSERT_EQ(0, add_queue(&self->fq, true));
	ASSERT_EQ(0, add_pool(&self->fq, &self->own));
	ASSERT_TRUE(memlock_enter());
	EXPECT_EQ(-EPERM, add_entry(self, 0));
	EXPECT_EQ(0, add_entry(self, FUSE_URING_NO_BUF_INDEX));
	ASSERT_TRUE(memlock_leave());
	EXPECT_EQ(0, add_entry(self, 0));
}

/* What a queue can have beside a pool */
FIXTURE(fuse_pool_beside)
{
	struct fuse_queue fq;
	struct fuse_queue_own own;
	struct memlock_probe probe;
};

FIXTURE_SETUP(fuse_pool_beside)
{
	int ret;

	if (getuid())
		SKIP(return, "needs root");
	if (sysconf(_SC_PAGESIZE) != 4096)
		SKIP(return, "needs pages of 4 KiB");
	ASSERT_TRUE(memlock_probe_init(&self->probe));
	ret = fuse_queue_mount(&self->fq, FUSE_MODE_POOL_HEADERS);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
	ASSERT_TRUE(memlock_enter());
	ret = fuse_queue_open_ring(&self->fq);
	ASSERT_TRUE(memlock_leave());
	ASSERT_EQ(0, ret);
}

FIXTURE_TEARDOWN(fuse_pool_beside)
{
	EXPECT_EQ(0, fuse_queue_umount(&self->fq));
	fuse_queue_close_ring(&self->fq);
	EXPECT_TRUE(memlock_probe_exit(&self->probe));
}

TEST_F(fuse_pool_beside, one_provider)
{
	const struct fuse_uring_cmd_req headers = fuse_queue_good_headers();
	const struct fuse_uring_cmd_req kmbuf = fuse_queue_good_kmbuf();

	EXPECT_EQ(-EINVAL, add_pool(&self->fq, &self->own));
	ASSERT_EQ(0, add_queue(&self->fq, false));
	EXPECT_EQ(0, add_pool(&self->fq, &self->own));
	EXPECT_EQ(-EINVAL, add_pool(&self->fq, &self->own));
	EXPECT_EQ(-EEXIST, fuse_queue_cmd(&self->fq,
					  FUSE_IO_URING_CMD_ADD_KMBUF,
					  &kmbuf));
	EXPECT_EQ(0, fuse_queue_cmd(&self->fq, FUSE_IO_URING_CMD_ADD_HEADERS,
				    &headers));
}

TEST_F(fuse_pool_beside, not_beside_kmbuf)
{
	const struct fuse_uring_cmd_req kmbuf = fuse_queue_good_kmbuf();

	ASSERT_EQ(0, add_queue(&self->fq, false));
	EXPECT_EQ(0, fuse_queue_cmd(&self->fq, FUSE_IO_URING_CMD_ADD_KMBUF,
				    &kmbuf));
	EXPECT_EQ(-EEXIST, add_pool(&self->fq, &self->own));
}

TEST_HARNESS_MAIN
