// SPDX-License-Identifier: GPL-2.0
/*
 * The server of a ublk disk is killed, and another one takes over: no request
 * may fail or hang, the data has to be right, and the device can be deleted.
 * The dead server may have had pages of requests in its table, and I/O on them
 * under way.
 */
#include "kselftest_harness.h"
#include "fuse_hold.h"
#include "ublk_test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/* Steps may take UBLK_TIMEOUT_MS, and a test has several */
#define TIMEOUT		(10 * UBLK_TIMEOUT_MS / 1000)
/* What does not end within this time waits */
#define WAIT_MS		300

#define SECTOR		512U
#define SEED		3
#define OTHER_SEED	4

/* No read through the page cache has this length: requests of the test */
#define OWN_LEN		(3 * SECTOR)
#define READ_OFFSET	(5 * SECTOR)
#define WRITE_OFFSET	(UBLK_SIZE / 2 + SECTOR)

/* The load writes and reads all blocks of the disk, some of them at a time */
#define BLOCK		16384U
#define NR_GROUPS	(UBLK_SIZE / BLOCK / UBLK_DEPTH)

#define NR_ROUNDS	10
#define MAX_PAUSE_US	20000

/* What the client with the load and the test share */
struct load {
	bool		stop;
	/* number of groups of blocks that were written or read */
	unsigned int	nr_done;
	/* the last generation of the data that was written */
	unsigned int	generation;
};

/* For EXPECT_*() in the server's process, and outside of the tests */
static struct __test_metadata *_metadata;
/* The disk that a server uses on behalf of its client */
static int other_disk;

static void expect_for(struct __test_metadata *metadata)
{
	_metadata = metadata;
}

FIXTURE(ublk_recover)
{
	struct ublk_dev dev;
	/* a second device, if the test has added it */
	struct ublk_dev other;
	/* the client's memory: what it reads, and then what it writes */
	unsigned char *buf;
	/* the expected contents of the disk */
	unsigned char *want;
	struct load *load;
	pid_t client;
};

FIXTURE_VARIANT(ublk_recover)
{
	unsigned long long flags;
	unsigned int auto_slot;
	unsigned int auto_flags;
};

FIXTURE_VARIANT_ADD(ublk_recover, copy) {
	.flags = 0,
};

FIXTURE_VARIANT_ADD(ublk_recover, register) {
	.flags = UBLK_F_SUPPORT_ZERO_COPY,
};

FIXTURE_VARIANT_ADD(ublk_recover, auto) {
	.flags = UBLK_F_AUTO_BUF_REG | UBLK_F_SUPPORT_ZERO_COPY,
};

/* There are no such slots, so the server registers by itself */
FIXTURE_VARIANT_ADD(ublk_recover, auto_fallback) {
	.flags = UBLK_F_AUTO_BUF_REG | UBLK_F_SUPPORT_ZERO_COPY,
	.auto_slot = NR_SLOTS,
	.auto_flags = UBLK_AUTO_BUF_REG_FALLBACK,
};

FIXTURE_SETUP(ublk_recover)
{
	int ret;

	expect_for(_metadata);
	self->buf = aligned_alloc(SECTOR, 2 * OWN_LEN);
	self->want = malloc(UBLK_SIZE);
	self->load = shared_alloc(sizeof(*self->load));
	ASSERT_NE(NULL, self->buf);
	ASSERT_NE(NULL, self->want);
	ASSERT_NE(NULL, self->load);
	ret = ublk_add(&self->dev, variant->flags | UBLK_F_USER_RECOVERY |
				   UBLK_F_USER_RECOVERY_REISSUE);
	if (ublk_missing(ret))
		SKIP(return, "%s", ublk_missing(ret));
	ASSERT_EQ(0, ret);
	self->dev.auto_slot = variant->auto_slot;
	self->dev.auto_flags = variant->auto_flags;
	fill_pattern(self->want, UBLK_SIZE, SEED);
	memcpy(self->dev.backing, self->want, UBLK_SIZE);
}

/*
 * A client that still waits gets an error when the device is stopped. To delete
 * one waits until no request and no server refers to it.
 */
FIXTURE_TEARDOWN(ublk_recover)
{
	if (self->client > 0)
		kill(self->client, SIGKILL);
	if (self->other.flags)
		EXPECT_EQ(0, ublk_stop(&self->other));
	EXPECT_EQ(0, ublk_stop(&self->dev));
	if (self->client > 0)
		EXPECT_EQ(-EINTR, fuse_hold_end(self->client, UBLK_TIMEOUT_MS));
	EXPECT_EQ(0, ublk_del(&self->dev));
	if (self->other.flags)
		EXPECT_EQ(0, ublk_del(&self->other));
	munmap(self->load, sizeof(*self->load));
	free(self->want);
	free(self->buf);
}

static void send_read(FIXTURE_DATA(ublk_recover) *self)
{
	memset(self->buf, 0, OWN_LEN);
	ublk_send(&self->dev, IORING_OP_READ, self->buf, OWN_LEN, READ_OFFSET);
}

/* Each write has other data */
static void send_write(FIXTURE_DATA(ublk_recover) *self)
{
	unsigned int i;

	for (i = 0; i < OWN_LEN; i++)
		self->buf[OWN_LEN + i] = self->want[WRITE_OFFSET + i] += 1;
	ublk_send(&self->dev, IORING_OP_WRITE, self->buf + OWN_LEN, OWN_LEN,
		  WRITE_OFFSET);
}

/* The client's @nr requests succeed, and the data is right */
static void end_own(FIXTURE_DATA(ublk_recover) *self, unsigned int nr)
{
	while (nr--)
		EXPECT_EQ(OWN_LEN, ublk_wait(&self->dev));
	EXPECT_EQ(0, memcmp(self->buf, self->want + READ_OFFSET, OWN_LEN));
	EXPECT_EQ(0, memcmp(self->dev.backing, self->want, UBLK_SIZE));
}

/* The device works, and so does its present server */
static void check_io(FIXTURE_DATA(ublk_recover) *self)
{
	send_read(self);
	send_write(self);
	end_own(self, 2);
}

static void expect_waits(FIXTURE_DATA(ublk_recover) *self)
{
	EXPECT_FALSE(test_wait_for(&self->dev.client, WAIT_MS));
}

/* Begin with the test's requests what @begin says, and do not complete them */
static int serve_begun(struct ublk_server *srv, const struct ublk_io *io,
		       void (*begin)(struct ublk_server *srv,
				     const struct ublk_io *io))
{
	if (io->len != OWN_LEN)
		return server_transfer(srv, io);
	EXPECT_EQ(0, server_get_buffer(srv, io));
	if (begin)
		begin(srv, io);
	server_tell(srv);
	return UBLK_HELD;
}

/* The pages are in a slot */
static int serve_held(struct ublk_server *srv, const struct ublk_io *io)
{
	return serve_begun(srv, io, NULL);
}

static const struct ublk_ops held = { .data = serve_held };

/* The pages are in a slot, and a read into them from an empty pipe waits */
static int serve_parked(struct ublk_server *srv, const struct ublk_io *io)
{
	return serve_begun(srv, io, server_park);
}

static const struct ublk_ops parked = { .data = serve_parked };

static void begin_on_disk(struct ublk_server *srv, const struct ublk_io *io)
{
	server_begin_rw(srv, io, other_disk);
}

static int serve_on_disk(struct ublk_server *srv, const struct ublk_io *io)
{
	return serve_begun(srv, io, begin_on_disk);
}

static const struct ublk_ops on_disk = { .data = serve_on_disk };

/* The server of the other disk, who lets that I/O wait for the test */
static int serve_blocked(struct ublk_server *srv, const struct ublk_io *io)
{
	int ret;

	if (io->len != OWN_LEN)
		return server_transfer(srv, io);
	EXPECT_EQ(0, server_get_buffer(srv, io));
	server_tell(srv);
	server_block(srv);
	ret = server_rw(srv, io, io->tag);
	EXPECT_EQ(0, server_put_buffer(srv, io));
	return ret;
}

static const struct ublk_ops blocked = { .data = serve_blocked };

/* The server gets a read and a write, and completes neither */
static void send_held(FIXTURE_DATA(ublk_recover) *self)
{
	send_read(self);
	EXPECT_EQ(0, ublk_wait_told(&self->dev));
	send_write(self);
	EXPECT_EQ(0, ublk_wait_told(&self->dev));
}

TEST_F_TIMEOUT(ublk_recover, idle, TIMEOUT)
{
	ASSERT_EQ(0, ublk_start(&self->dev, NULL, O_DIRECT));
	check_io(self);
	EXPECT_EQ(0, ublk_kill_server(&self->dev));
	ASSERT_EQ(0, ublk_recover(&self->dev, NULL));
	check_io(self);
}

TEST_F_TIMEOUT(ublk_recover, requests_of_the_gap, TIMEOUT)
{
	ASSERT_EQ(0, ublk_start(&self->dev, NULL, O_DIRECT));
	EXPECT_EQ(0, ublk_kill_server(&self->dev));
	send_read(self);
	send_write(self);
	expect_waits(self);
	ASSERT_EQ(0, ublk_recover(&self->dev, NULL));
	end_own(self, 2);
	check_io(self);
}

TEST_F_TIMEOUT(ublk_recover, requests_in_userspace, TIMEOUT)
{
	ASSERT_EQ(0, ublk_start(&self->dev, &held, O_DIRECT));
	send_held(self);
	EXPECT_EQ(0, ublk_kill_server(&self->dev));
	expect_waits(self);
	ASSERT_EQ(0, ublk_recover(&self->dev, NULL));
	end_own(self, 2);
	check_io(self);
}

/* The second server dies, too, with requests that it has got a second time */
TEST_F_TIMEOUT(ublk_recover, twice, TIMEOUT)
{
	ASSERT_EQ(0, ublk_start(&self->dev, &held, O_DIRECT));
	send_held(self);
	EXPECT_EQ(0, ublk_kill_server(&self->dev));
	ASSERT_EQ(0, ublk_recover(&self->dev, &held));
	EXPECT_EQ(0, ublk_wait_told(&self->dev));
	EXPECT_EQ(0, ublk_kill_server(&self->dev));
	expect_waits(self);
	ASSERT_EQ(0, ublk_recover(&self->dev, NULL));
	end_own(self, 2);
	check_io(self);
}

/* The second server dies before the recovery has ended, sooner or later */
TEST_F_TIMEOUT(ublk_recover, before_the_end, TIMEOUT)
{
	unsigned int us;

	ASSERT_EQ(0, ublk_start(&self->dev, &held, O_DIRECT));
	send_held(self);
	EXPECT_EQ(0, ublk_kill_server(&self->dev));
	for (us = 500; us < 100000; us *= 3) {
		ASSERT_EQ(0, ublk_start_recovery(&self->dev, UBLK_TIMEOUT_MS));
		ASSERT_EQ(0, ublk_run_server(&self->dev, &held));
		usleep(us);
		EXPECT_EQ(0, ublk_kill_server(&self->dev));
	}
	expect_waits(self);
	ASSERT_EQ(0, ublk_recover(&self->dev, NULL));
	end_own(self, 2);
	check_io(self);
}

/* The read of the pipe ends with the server: what comes later goes nowhere */
TEST_F_TIMEOUT(ublk_recover, io_on_a_pipe, TIMEOUT)
{
	unsigned char late[OWN_LEN];

	fill_pattern(late, OWN_LEN, OTHER_SEED);
	ASSERT_EQ(0, ublk_start(&self->dev, &parked, O_DIRECT));
	send_read(self);
	EXPECT_EQ(0, ublk_wait_told(&self->dev));
	EXPECT_EQ(0, ublk_kill_server(&self->dev));
	ASSERT_EQ(0, ublk_recover(&self->dev, NULL));
	ASSERT_EQ(OWN_LEN, write(self->dev.pipe_fd, late, OWN_LEN));
	end_own(self, 1);
	check_io(self);
}

/* Add and start the disk that the server uses, which has other data */
static int start_other(FIXTURE_DATA(ublk_recover) *self)
{
	int ret = ublk_add(&self->other, UBLK_F_SUPPORT_ZERO_COPY);

	if (ret) {
		self->other.flags = 0;
		return ret;
	}
	fill_pattern(self->other.backing, UBLK_SIZE, OTHER_SEED);
	ret = ublk_start(&self->other, &blocked, O_DIRECT);
	other_disk = self->other.disk_fd;
	return ret;
}

static bool zero_copy(FIXTURE_DATA(ublk_recover) *self)
{
	return self->dev.flags & UBLK_F_SUPPORT_ZERO_COPY;
}

static void kill_during_io(FIXTURE_DATA(ublk_recover) *self)
{
	EXPECT_EQ(0, ublk_wait_told(&self->dev));
	EXPECT_EQ(0, ublk_wait_told(&self->other));
	ublk_signal_server(&self->dev);
}

static int let_other_go(FIXTURE_DATA(ublk_recover) *self)
{
	return write(self->other.pipe_fd, "", 1) == 1 ? 0 : -EIO;
}

/*
 * The dead server's I/O is with a disk, which cannot be told to stop. If it uses
 * the client's pages, these stay lent until it ends, and the device stays with
 * the dead server.
 */
static void expect_recovers_after_io(FIXTURE_DATA(ublk_recover) *self)
{
	kill_during_io(self);
	EXPECT_EQ(zero_copy(self) ? -EBUSY : 0,
		  ublk_start_recovery(&self->dev, WAIT_MS));
	EXPECT_FALSE(test_wait_for(&self->dev.client, 0));

	EXPECT_EQ(0, let_other_go(self));
	EXPECT_EQ(0, ublk_kill_server(&self->dev));
	EXPECT_EQ(0, ublk_recover(&self->dev, NULL));
	end_own(self, 1);
}

TEST_F_TIMEOUT(ublk_recover, read_from_a_disk, TIMEOUT)
{
	ASSERT_EQ(0, start_other(self));
	ASSERT_EQ(0, ublk_start(&self->dev, &on_disk, O_DIRECT));
	send_read(self);
	expect_recovers_after_io(self);
	check_io(self);
}

TEST_F_TIMEOUT(ublk_recover, write_to_a_disk, TIMEOUT)
{
	ASSERT_EQ(0, start_other(self));
	ASSERT_EQ(0, ublk_start(&self->dev, &on_disk, O_DIRECT));
	/* end_own() compares this as well */
	memcpy(self->buf, self->want + READ_OFFSET, OWN_LEN);
	send_write(self);
	expect_recovers_after_io(self);
	/* the pages were there when the other server used them */
	EXPECT_EQ(0, memcmp(self->other.backing + WRITE_OFFSET,
			    self->want + WRITE_OFFSET, OWN_LEN));
	check_io(self);
}

TEST_F_TIMEOUT(ublk_recover, living_server_stays, TIMEOUT)
{
	ASSERT_EQ(0, ublk_start(&self->dev, &held, O_DIRECT));
	send_held(self);
	EXPECT_EQ(-EBUSY, ublk_start_recovery(&self->dev, 0));
	EXPECT_EQ(-EBUSY, ublk_end_recovery(&self->dev));
	expect_waits(self);
	EXPECT_EQ(0, ublk_kill_server(&self->dev));
	ASSERT_EQ(0, ublk_recover(&self->dev, NULL));
	end_own(self, 2);
}

/* What the server had, and what it had not, gets an error */
TEST_F_TIMEOUT(ublk_recover, deleted_in_the_gap, TIMEOUT)
{
	unsigned int i;

	ASSERT_EQ(0, ublk_start(&self->dev, &held, O_DIRECT));
	send_held(self);
	EXPECT_EQ(0, ublk_kill_server(&self->dev));
	send_read(self);
	expect_waits(self);
	EXPECT_EQ(0, ublk_stop(&self->dev));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(-EIO, ublk_wait(&self->dev));
}

static pid_t start_client(FIXTURE_DATA(ublk_recover) *self,
			  int (*run)(FIXTURE_DATA(ublk_recover) *self))
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* the parent has the other one */
	if (test_ring_init(&self->dev.client, 0, 0))
		_exit(ENOMEM);
	_exit(-run(self));
}

/* The client's exit status, negative */
static int end_client(FIXTURE_DATA(ublk_recover) *self)
{
	int ret = fuse_hold_end(self->client, UBLK_TIMEOUT_MS);

	if (ret != -ETIME)
		self->client = 0;
	return ret;
}

/* After a while, the I/O may end. The test can see that it had not before. */
static int run_later(FIXTURE_DATA(ublk_recover) *self)
{
	usleep(WAIT_MS * 1000);
	__atomic_store_n(&self->load->stop, true, __ATOMIC_RELAXED);
	return let_other_go(self);
}

/* To stop the device takes until then, since the client must keep its pages */
TEST_F_TIMEOUT(ublk_recover, deleted_during_io, TIMEOUT)
{
	ASSERT_EQ(0, start_other(self));
	ASSERT_EQ(0, ublk_start(&self->dev, &on_disk, O_DIRECT));
	send_read(self);
	kill_during_io(self);
	self->client = start_client(self, run_later);
	ASSERT_LT(0, self->client);
	/* the server's end */
	EXPECT_EQ(-EINTR, ublk_stop(&self->dev));
	if (zero_copy(self))
		EXPECT_TRUE(self->load->stop);
	EXPECT_EQ(-EIO, ublk_wait(&self->dev));
	EXPECT_EQ(0, end_client(self));
}

/* Every word has its generation and its offset */
static void tag_block(unsigned long long *words, unsigned int generation,
		      unsigned int offset)
{
	unsigned int i;

	for (i = 0; i < BLOCK / sizeof(*words); i++)
		words[i] = (unsigned long long)generation << 32 |
			   (offset + i * sizeof(*words));
}

static bool check_block(const void *data, unsigned int generation,
			unsigned int offset)
{
	unsigned long long words[BLOCK / sizeof(unsigned long long)];

	tag_block(words, generation, offset);
	return !memcmp(data, words, BLOCK);
}

/* Blocks of a group are far from each other, lest they be merged */
static unsigned int block_offset(unsigned int group, unsigned int nr)
{
	return (group + nr * NR_GROUPS) * BLOCK;
}

static int load_group(struct ublk_dev *dev, unsigned char *buf,
		      unsigned int opcode, unsigned int group)
{
	unsigned int i;
	int ret;

	for (i = 0; i < UBLK_DEPTH; i++)
		ublk_send(dev, opcode, buf + i * BLOCK, BLOCK,
			  block_offset(group, i));
	for (i = 0; i < UBLK_DEPTH; i++) {
		ret = ublk_wait(dev);
		if (ret != BLOCK)
			return ret < 0 ? ret : -EIO;
	}
	return 0;
}

static int load_write(struct ublk_dev *dev, unsigned char *buf,
		      unsigned int generation, unsigned int group)
{
	unsigned int i;

	for (i = 0; i < UBLK_DEPTH; i++)
		tag_block((void *)(buf + i * BLOCK), generation,
			  block_offset(group, i));
	return load_group(dev, buf, IORING_OP_WRITE, group);
}

static int load_read(struct ublk_dev *dev, unsigned char *buf,
		     unsigned int generation, unsigned int group)
{
	unsigned int i;
	int ret;

	memset(buf, 0, UBLK_DEPTH * BLOCK);
	ret = load_group(dev, buf, IORING_OP_READ, group);
	for (i = 0; i < UBLK_DEPTH && !ret; i++)
		if (!check_block(buf + i * BLOCK, generation,
				 block_offset(group, i)))
			ret = -EILSEQ;
	return ret;
}

/* Write the disk and read it back, again and again, until the test says stop */
static int run_load(FIXTURE_DATA(ublk_recover) *self)
{
	unsigned char *buf = aligned_alloc(BLOCK, UBLK_DEPTH * BLOCK);
	struct load *load = self->load;
	unsigned int i;
	int ret = buf ? 0 : -ENOMEM;

	while (!ret && !__atomic_load_n(&load->stop, __ATOMIC_RELAXED)) {
		load->generation++;
		for (i = 0; i < 2 * NR_GROUPS && !ret; i++) {
			ret = (i < NR_GROUPS ? load_write : load_read)
				(&self->dev, buf, load->generation,
				 i % NR_GROUPS);
			__atomic_fetch_add(&load->nr_done, 1, __ATOMIC_RELAXED);
		}
	}
	return ret;
}

static int run_reads(FIXTURE_DATA(ublk_recover) *self)
{
	send_read(self);
	send_read(self);
	end_own(self, 2);
	return 0;
}

/* More is done than what could have been under way before */
static bool load_goes_on(struct load *load)
{
	unsigned int ms, before;

	before = __atomic_load_n(&load->nr_done, __ATOMIC_RELAXED);
	for (ms = 0; ms < UBLK_TIMEOUT_MS; ms++) {
		if (__atomic_load_n(&load->nr_done, __ATOMIC_RELAXED) >
		    before + 2)
			return true;
		usleep(1000);
	}
	return false;
}

static bool disk_has_load(FIXTURE_DATA(ublk_recover) *self)
{
	unsigned int offset;

	for (offset = 0; offset < UBLK_SIZE; offset += BLOCK)
		if (!check_block(self->dev.backing + offset,
				 self->load->generation, offset))
			return false;
	return true;
}

static void stop_load(FIXTURE_DATA(ublk_recover) *self)
{
	__atomic_store_n(&self->load->stop, true, __ATOMIC_RELAXED);
	EXPECT_EQ(0, end_client(self));
	EXPECT_TRUE(disk_has_load(self));
}

/* The client ends when its requests have ended, which the server had */
TEST_F_TIMEOUT(ublk_recover, client_killed_in_the_gap, TIMEOUT)
{
	ASSERT_EQ(0, ublk_start(&self->dev, &held, O_DIRECT));
	self->client = start_client(self, run_reads);
	ASSERT_LT(0, self->client);
	EXPECT_EQ(0, ublk_wait_told(&self->dev));
	EXPECT_EQ(0, ublk_kill_server(&self->dev));
	kill(self->client, SIGKILL);
	ASSERT_EQ(0, ublk_recover(&self->dev, NULL));
	EXPECT_EQ(-EINTR, end_client(self));
	check_io(self);
}

TEST_F_TIMEOUT(ublk_recover, random_rounds, TIMEOUT)
{
	unsigned int i, seed = time(NULL);

	ASSERT_EQ(0, ublk_start(&self->dev, NULL, O_DIRECT));
	self->client = start_client(self, run_load);
	ASSERT_LT(0, self->client);
	for (i = 0; i < NR_ROUNDS; i++) {
		ASSERT_TRUE(load_goes_on(self->load)) {
			TH_LOG("round %u", i);
		}
		usleep(rand_r(&seed) % MAX_PAUSE_US);
		ASSERT_EQ(0, ublk_kill_server(&self->dev));
		usleep(rand_r(&seed) % MAX_PAUSE_US);
		ASSERT_EQ(0, ublk_recover(&self->dev, NULL));
	}
	stop_load(self);
}

TEST_HARNESS_MAIN
