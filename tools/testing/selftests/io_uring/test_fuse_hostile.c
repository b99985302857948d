// SPDX-License-Identifier: GPL-2.0
/*
 * A hostile FUSE server: it sends false replies, answers requests that it does
 * not have, uses rings that are not the queue's, and changes memory that it
 * shares with the kernel at any time. Clients get errors, and nothing worse.
 */
#include "kselftest_harness.h"
#include "fuse_hold.h"
#include "fuse_uring.h"
#include "iou_kmbuf.h"
#include "iou_memlock.h"
#include "iou_region.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT		300
/* Far more than any step takes, also on a slow machine */
#define STEP_MS		20000
#define ROUNDS		5
#define ROUND_US	200000
#define SMALL		100
#define LARGE		65536
#define DEPTH		4

/* A wrong reply, as its differences to the right one */
struct bad_reply {
	int			error;
	/* 0 stands for the right value */
	unsigned int		payload_sz;
	unsigned long long	unique;
	/* no unique at all */
	bool			no_unique;
	/* result for the client */
	int			want;
};

/* Changes of the ring's table while a request is in it */
enum table_change {
	TABLE_AS_IT_WAS,
	/* empty the request's slot, or put other memory into it */
	TABLE_EMPTIED,
	TABLE_TAKEN,
	TABLE_GONE,
};

/* Orders for the next read, and what became of it */
struct orders {
	struct bad_reply	reply;
	bool			do_reply;
	bool			do_guess;
	bool			do_other_ring;
	bool			do_other_process;
	bool			do_new_ring;
	bool			do_register;
	bool			do_refused;
	bool			do_retrieve;
	/* with a request, and before one */
	enum table_change	change;
	bool			do_restore;
	/*
	 * wrong commits: how many were sent, and how many were refused as
	 * expected
	 */
	unsigned int		nr_wrong;
	unsigned int		nr_refused;
	bool			flip_headers;
	bool			flip_payload;
	unsigned int		nr_served;
};

FIXTURE(fuse_hostile)
{
	struct fuse_test ft;
	struct fuse_hold *hold;
	struct memlock_probe probe;
};

FIXTURE_VARIANT(fuse_hostile)
{
	enum fuse_mode mode;
};

FIXTURE_VARIANT_ADD(fuse_hostile, entry) {
	.mode = FUSE_MODE_ENTRY,
};

FIXTURE_VARIANT_ADD(fuse_hostile, kmbuf) {
	.mode = FUSE_MODE_KMBUF,
};

FIXTURE_VARIANT_ADD(fuse_hostile, zc) {
	.mode = FUSE_MODE_ZC,
};

FIXTURE_VARIANT_ADD(fuse_hostile, headers) {
	.mode = FUSE_MODE_HEADERS,
};

FIXTURE_VARIANT_ADD(fuse_hostile, buffers) {
	.mode = FUSE_MODE_BUFFERS,
};

FIXTURE_VARIANT_ADD(fuse_hostile, buffers_zc) {
	.mode = FUSE_MODE_BUFFERS_ZC,
};

/* Shared by the test and the server */
static struct orders *orders;
/* Only used in the server */
static struct uring_server server;
static fuse_serve_t serve_well;
/* the entry with a request when the server closes its ring */
static struct uring_entry *stranded;

/* Send the wrong reply */
static int reply_badly(struct uring_entry *entry, const struct bad_reply *bad)
{
	const struct fuse_read_in *arg = entry->call.arg;
	struct fuse_out_header *out = (void *)entry->head->in_out;

	*out = (struct fuse_out_header) {
		.len = sizeof(*out),
		.error = bad->error,
		.unique = bad->no_unique ? 0 : entry->in.unique + bad->unique,
	};
	entry->head->ring_ent_in_out.payload_sz = bad->payload_sz ?
						  bad->payload_sz : arg->size;
	fuse_uring_commit(&server, entry);
	return FUSE_SERVE_DONE;
}

/* The queued command has to be refused with @want */
static void wrong_command(struct test_ring *tr, int want)
{
	orders->nr_wrong++;
	if (test_submit_wait(tr) == want)
		orders->nr_refused++;
}

static void wrong_commit(struct test_ring *tr, unsigned int qid,
			 unsigned long long commit_id, int want)
{
	struct io_uring_sqe *sqe;

	sqe = fuse_uring_sqe(tr, server.ft->dev,
			     FUSE_IO_URING_CMD_COMMIT_AND_FETCH, qid);
	fuse_uring_req(sqe)->commit_id = commit_id;
	wrong_command(tr, want);
}

/* IDs of no request, of another queue's request, or of a future request */
static void guess(const struct uring_entry *entry)
{
	const unsigned long long id = entry->in.unique;
	const unsigned int nr = server.nr_queues;

	wrong_commit(&server.tr, entry->qid, 0, -ENOENT);
	wrong_commit(&server.tr, entry->qid, id - 2, -ENOENT);
	wrong_commit(&server.tr, entry->qid, id + 1, -ENOENT);
	wrong_commit(&server.tr, entry->qid, id + 2, -ENOENT);
	wrong_commit(&server.tr, entry->qid, id + (1ULL << 32), -ENOENT);
	wrong_commit(&server.tr, entry->qid, -1ULL, -ENOENT);
	wrong_commit(&server.tr, nr, id, -EINVAL);
	wrong_commit(&server.tr, 0xffff, id, -EINVAL);
	if (nr > 1)
		wrong_commit(&server.tr, (entry->qid + 1) % nr, id, -ENOENT);
}

/* The right ID, from a ring that does not have the header */
static void commit_elsewhere(const struct uring_entry *entry)
{
	struct test_ring other;

	if (test_ring_init(&other, IORING_SETUP_SQE128, 0))
		return;
	wrong_commit(&other, entry->qid, entry->in.unique, -EINVAL);
	wrong_commit(&other, entry->qid, entry->in.unique, -EINVAL);
	test_ring_exit(&other);
}

/*
 * A ring with the same resources as the server's, so that nothing else is wrong
 */
static int init_equal_ring(struct test_ring *tr, unsigned int bgid)
{
	int ret = test_ring_init(tr, IORING_SETUP_SQE128, 0);

	if (ret)
		return ret;
	if (region_register(&tr->ring, NULL, LARGE) == MAP_FAILED)
		return -errno;
	return kmbuf_setup(&tr->ring, bgid, server.nr_bufs,
			   server.buf_size / sysconf(_SC_PAGESIZE), 0);
}

/*
 * Act as somebody who has inherited the device, but not the server's privilege.
 */
static void act_unprivileged(const struct uring_entry *entry)
{
	struct io_uring_sqe *sqe;
	struct test_ring other;

	if (!memlock_enter() || init_equal_ring(&other, entry->qid))
		return;
	wrong_commit(&other, entry->qid, entry->in.unique, -EINVAL);
	sqe = fuse_uring_sqe(&other, server.ft->dev,
			     FUSE_IO_URING_CMD_ADD_QUEUE, entry->qid);
	fuse_uring_req(sqe)->flags = FUSE_URING_ZERO_COPY;
	wrong_command(&other, -EPERM);
	/* add own memory to a queue that is in use */
	sqe = fuse_uring_sqe(&other, server.ft->dev,
			     FUSE_IO_URING_CMD_ADD_KMBUF, entry->qid);
	fuse_uring_req(sqe)->kmbuf.buf_group = entry->qid;
	wrong_command(&other, -EBUSY);
	/* register an entry with headers or buffers on another ring */
	sqe = fuse_uring_sqe(&other, server.ft->dev,
			     FUSE_IO_URING_CMD_REGISTER, entry->qid);
	sqe->addr = (unsigned long)entry->iov;
	sqe->len = 2;
	fuse_uring_req(sqe)->ent.zero_copy_buf_index = FUSE_URING_NO_BUF_INDEX;
	wrong_command(&other, -EINVAL);
	test_ring_exit(&other);
}

static void act_in_process(const struct uring_entry *entry)
{
	pid_t pid = fork();

	if (!pid) {
		act_unprivileged(entry);
		_exit(0);
	}
	fuse_hold_end(pid, STEP_MS);
}

/* The ring of the request has died: nobody can answer it */
static int commit_from_new_ring(struct uring_entry *entry)
{
	const struct fuse_test *ft = server.ft;
	int ret;

	test_ring_exit(&server.tr);
	ret = test_ring_init(&server.tr, IORING_SETUP_SQE128, 0);
	if (ret)
		return ret;
	if (ft->mode != FUSE_MODE_ENTRY) {
		wrong_commit(&server.tr, entry->qid, entry->in.unique, -EINVAL);
		pause();
	}
	/* but a plain entry can be used from any ring */
	serve_well(&entry->call);
	reply_badly(entry, &(const struct bad_reply) { });
	server.stop = false;
	server.nr_live = 1;
	return fuse_uring_run(&server);
}

static int set_slot(unsigned int slot, void *mem, size_t len)
{
	struct iovec iov = { mem, len };
	__u64 tag = 0;

	return io_uring_register_buffers_update_tag(&server.tr.ring, slot, &iov,
						    &tag, 1);
}

static void change_table(unsigned int slot)
{
	switch (orders->change) {
	case TABLE_EMPTIED:
		set_slot(slot, NULL, 0);
		break;
	case TABLE_TAKEN:
		/* all slots, as any entry may get the next request */
		for (slot = 0; slot < server.nr_entries; slot++)
			set_slot(slot, orders, sizeof(*orders));
		break;
	case TABLE_GONE:
		io_uring_unregister_buffers(&server.tr.ring);
		break;
	case TABLE_AS_IT_WAS:
		return;
	}
	orders->change = TABLE_AS_IT_WAS;
}

static void restore_table(void)
{
	struct io_uring *ring = &server.tr.ring;

	io_uring_unregister_buffers(ring);
	io_uring_register_buffers_sparse(ring, server.nr_entries);
	orders->do_restore = false;
}

/* Replace memory that the kernel is using */
static void replace_memory(const struct uring_entry *entry)
{
	const enum fuse_mode mode = server.ft->mode;

	orders->nr_wrong += 2;
	if (!fuse_mode_headers(mode) ||
	    (region_register(&server.tr.ring, NULL, 4096) == MAP_FAILED &&
	     errno == EBUSY))
		orders->nr_refused++;
	if (!fuse_mode_buffers(mode) ||
	    kmbuf_unregister(&server.tr.ring, entry->qid) == -EBUSY)
		orders->nr_refused++;
}

/* Register an invalid entry, while others are in use */
static void register_nowhere(void)
{
	fuse_uring_sqe(&server.tr, server.ft->dev, FUSE_IO_URING_CMD_REGISTER,
		       server.nr_queues);
	wrong_command(&server.tr, -EINVAL);
}

/* Retrieve cached data with a notify_unique of 0 */
static void retrieve_unnamed(const struct fuse_test *ft)
{
	const struct {
		struct fuse_out_header		head;
		struct fuse_notify_retrieve_out	out;
	} msg = {
		.head = { sizeof(msg), FUSE_NOTIFY_RETRIEVE, 0 },
		.out = { .nodeid = FUSE_TEST_NODE, .size = SMALL },
	};

	orders->nr_wrong++;
	if (write(ft->dev, &msg, sizeof(msg)) < 0 && errno == EINVAL)
		orders->nr_refused++;
}

static int serve_badly(const struct fuse_call *call)
{
	struct uring_entry *entry = fuse_uring_entry(call);

	orders->nr_served++;
	/* while the file is being opened, no slot is in use */
	if (orders->do_restore)
		restore_table();
	if (call->in->opcode != FUSE_READ)
		return serve_well(call);
	if (call->slot >= 0)
		change_table(call->slot);
	if (orders->do_register)
		replace_memory(entry);
	if (orders->do_refused)
		register_nowhere();
	if (orders->do_retrieve)
		retrieve_unnamed(call->ft);
	if (orders->do_guess)
		guess(entry);
	if (orders->do_other_ring)
		commit_elsewhere(entry);
	if (orders->do_other_process)
		act_in_process(entry);
	if (orders->do_new_ring) {
		orders->do_new_ring = false;
		stranded = entry;
		return FUSE_SERVE_STOP;
	}
	if (orders->do_reply)
		return reply_badly(entry, &orders->reply);
	return serve_well(call);
}

static void flip(unsigned char *mem, size_t size, unsigned int *seed)
{
	__atomic_fetch_xor(mem + rand_r(seed) % size, 1 << rand_r(seed) % 8,
			   __ATOMIC_RELAXED);
}

static bool flips(void)
{
	return __atomic_load_n(&orders->flip_headers, __ATOMIC_RELAXED) ||
	       __atomic_load_n(&orders->flip_payload, __ATOMIC_RELAXED);
}

static void flip_headers(unsigned int *seed)
{
	unsigned int i;

	for (i = 0; i < server.nr_entries; i++)
		flip((unsigned char *)server.entries[i].head,
		     sizeof(*server.entries[i].head), seed);
}

static void flip_payload(unsigned int *seed)
{
	unsigned int i;

	for (i = 0; server.bufs && i < server.nr_queues; i++)
		flip(server.bufs[i], server.nr_bufs * server.buf_size, seed);
	for (i = 0; !server.bufs && i < server.nr_entries; i++)
		flip(server.entries[i].payload, fuse_payload_size(server.ft),
		     seed);
}

/* Flip all memory that the kernel reads or writes while it serves a queue */
static void *flip_all(void *arg)
{
	unsigned int seed = 1;
	cpu_set_t all;

	/* at the same time as the server, and as the kernel on its behalf */
	memset(&all, 0xff, sizeof(all));
	sched_setaffinity(0, sizeof(all), &all);
	for (;;) {
		if (!flips())
			usleep(1000);
		if (orders->flip_headers)
			flip_headers(&seed);
		if (orders->flip_payload)
			flip_payload(&seed);
	}
	return arg;
}

static int run_badly(struct fuse_test *ft)
{
	pthread_t thread;
	int ret;

	ret = fuse_uring_init(&server, ft);
	if (ret)
		return ret;
	pthread_create(&thread, NULL, flip_all, NULL);
	do {
		ret = fuse_uring_run(&server);
		/* whatever the kernel's response */
	} while (ret && flips());
	if (stranded)
		ret = commit_from_new_ring(stranded);
	/* the kernel may use the memory until the process ends */
	if (!flips())
		fuse_uring_exit(&server);
	return ret;
}

FIXTURE_SETUP(fuse_hostile)
{
	int ret;

	if (getuid())
		SKIP(return, "needs root");
	self->ft = (struct fuse_test) {
		.mode = variant->mode,
		.depth = DEPTH,
		.buffers = 2,
		.max_write = LARGE,
		.max_pages = LARGE / sysconf(_SC_PAGESIZE),
	};
	orders = shared_alloc(sizeof(*orders));
	ASSERT_NE(NULL, orders);
	self->hold = fuse_hold_init(&self->ft);
	ASSERT_NE(NULL, self->hold);
	serve_well = self->ft.serve;
	self->ft.serve = serve_badly;
	self->ft.run = run_badly;
	ASSERT_TRUE(memlock_probe_init(&self->probe));
	ret = fuse_hold_mount(&self->ft);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
}

FIXTURE_TEARDOWN(fuse_hostile)
{
	EXPECT_TRUE(memlock_probe_exit(&self->probe));
	fuse_hold_exit(self->hold);
	munmap(orders, sizeof(*orders));
}

/* A read by a client, in a process in case it hangs */
static int read_some(FIXTURE_DATA(fuse_hostile) *self, size_t len)
{
	return fuse_hold_end(fuse_hold_client(&self->ft, FUSE_HOLD_READ, len,
					      1), STEP_MS);
}

TEST_F_TIMEOUT(fuse_hostile, bad_replies, TIMEOUT)
{
	const struct bad_reply bad[] = {
		{ .error = 1, .want = -EINVAL },
		{ .error = INT_MAX, .want = -EINVAL },
		{ .error = -512, .want = -EINVAL },
		{ .error = -4096, .want = -EINVAL },
		{ .error = INT_MIN, .want = -EINVAL },
		{ .unique = 2, .want = -ENOENT },
		/* the unique of its interrupt, which does not come this way */
		{ .unique = 1, .want = -ENOENT },
		{ .unique = 1ULL << 32, .want = -ENOENT },
		{ .no_unique = true, .want = -EINVAL },
		/*
		 * more than requested, more than the room, more than there is
		 */
		{ .payload_sz = LARGE + 1, .want = -EINVAL },
		{ .payload_sz = LARGE + 4096, .want = -EINVAL },
		{ .payload_sz = 0x7fffffff, .want = -EINVAL },
		{ .payload_sz = 0x80000000, .want = -EINVAL },
		{ .payload_sz = 0xffffffff, .want = -EINVAL },
	};
	/* inline, in a buffer or with zero copy */
	const size_t lens[] = { SMALL, LARGE };
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		for (k = 0; k < ARRAY_SIZE(lens); k++) {
			orders->reply = bad[i];
			orders->do_reply = true;
			EXPECT_EQ(bad[i].want, read_some(self, lens[k])) {
				TH_LOG("reply %u to %zu bytes", i, lens[k]);
			}
			orders->do_reply = false;
			EXPECT_EQ(0, read_some(self, lens[k]));
		}
	}
	/* one byte too many is wrong as well */
	orders->reply = (struct bad_reply) { .payload_sz = SMALL + 1 };
	orders->do_reply = true;
	EXPECT_EQ(-EINVAL, read_some(self, SMALL));
	orders->do_reply = false;
	EXPECT_EQ(0, fuse_test_umount(&self->ft));
}

TEST_F_TIMEOUT(fuse_hostile, guessed_ids, TIMEOUT)
{
	orders->do_guess = true;
	EXPECT_EQ(0, read_some(self, SMALL));
	EXPECT_EQ(0, read_some(self, LARGE));
	EXPECT_GE(orders->nr_wrong, 2 * 8);
	EXPECT_EQ(orders->nr_wrong, orders->nr_refused);
	EXPECT_EQ(0, fuse_test_umount(&self->ft));
}

/* After a refusal, other commands are still accepted */
TEST_F_TIMEOUT(fuse_hostile, refused_entry, TIMEOUT)
{
	orders->do_refused = true;
	EXPECT_EQ(0, read_some(self, SMALL));
	EXPECT_EQ(0, read_some(self, LARGE));
	EXPECT_EQ(2, orders->nr_refused);
	EXPECT_EQ(0, fuse_test_umount(&self->ft));
}

TEST_F_TIMEOUT(fuse_hostile, unnamed_retrieve, TIMEOUT)
{
	orders->do_retrieve = true;
	EXPECT_EQ(0, read_some(self, SMALL));
	EXPECT_EQ(1, orders->nr_refused);
	EXPECT_EQ(0, fuse_test_umount(&self->ft));
}

/* The kernel would find neither the header nor the slot there */
TEST_F_TIMEOUT(fuse_hostile, commit_from_another_ring, TIMEOUT)
{
	/* a plain queue does not belong to a ring */
	orders->do_other_ring = variant->mode != FUSE_MODE_ENTRY;
	EXPECT_EQ(0, read_some(self, SMALL));
	EXPECT_EQ(0, read_some(self, LARGE));
	EXPECT_EQ(orders->do_other_ring ? 2 * 2 : 0, orders->nr_wrong);
	EXPECT_EQ(orders->nr_wrong, orders->nr_refused);
	EXPECT_EQ(0, fuse_test_umount(&self->ft));
}

TEST_F_TIMEOUT(fuse_hostile, unprivileged_process, TIMEOUT)
{
	/*
	 * the payload of a plain queue is in its process's memory, which this
	 * test cannot describe
	 */
	orders->do_other_process = variant->mode != FUSE_MODE_ENTRY;
	EXPECT_EQ(0, read_some(self, SMALL));
	EXPECT_EQ(0, read_some(self, LARGE));
	EXPECT_EQ(orders->do_other_process ? 2 * 4 : 0, orders->nr_wrong);
	EXPECT_EQ(orders->nr_wrong, orders->nr_refused);
	EXPECT_EQ(0, fuse_test_umount(&self->ft));
}

TEST_F_TIMEOUT(fuse_hostile, commit_from_new_ring, TIMEOUT)
{
	const bool plain = variant->mode == FUSE_MODE_ENTRY;
	pid_t pid;

	orders->do_new_ring = true;
	pid = fuse_hold_client(&self->ft, FUSE_HOLD_READ, SMALL, 1);
	if (!plain) {
		EXPECT_TRUE(WAIT_FOR(orders->nr_refused, STEP_MS));
		EXPECT_EQ(-ETIME, fuse_hold_end(pid, 100));
		EXPECT_EQ(1, orders->nr_refused);
		ASSERT_TRUE(fuse_test_abort(&self->ft));
	}
	EXPECT_EQ(plain ? 0 : -ECONNABORTED, fuse_hold_end(pid, STEP_MS));
	EXPECT_EQ(0, umount(self->ft.dir));
	if (!plain)
		kill(self->ft.server, SIGKILL);
	EXPECT_EQ(plain ? 0 : -EINTR, fuse_hold_end(self->ft.server, STEP_MS));
	EXPECT_EQ(0, fuse_test_cleanup(&self->ft));
}

TEST_F_TIMEOUT(fuse_hostile, memory_is_replaced, TIMEOUT)
{
	orders->do_register = variant->mode != FUSE_MODE_ENTRY;
	EXPECT_EQ(0, read_some(self, SMALL));
	EXPECT_EQ(0, read_some(self, LARGE));
	EXPECT_EQ(orders->do_register ? 2 * 2 : 0, orders->nr_wrong);
	EXPECT_EQ(orders->nr_wrong, orders->nr_refused);
	EXPECT_EQ(0, fuse_test_umount(&self->ft));
}

/*
 * The server's own I/O fails; then data is copied, until the slot is restored
 */
static void table_changes(struct __test_metadata *_metadata,
			  FIXTURE_DATA(fuse_hostile) *self,
			  enum table_change change)
{
	long long before;

	orders->change = change;
	EXPECT_EQ(-EFAULT, read_some(self, LARGE));
	EXPECT_EQ(TABLE_AS_IT_WAS, orders->change);
	before = fuse_test_counter(&self->ft, "fallback");
	EXPECT_EQ(0, read_some(self, LARGE));
	EXPECT_EQ(before + (change != TABLE_EMPTIED),
		  fuse_test_counter(&self->ft, "fallback"));

	orders->do_restore = true;
	EXPECT_EQ(0, read_some(self, SMALL));
	before = fuse_test_counter(&self->ft, "zero_copy");
	EXPECT_EQ(0, read_some(self, LARGE));
	EXPECT_EQ(before + 1, fuse_test_counter(&self->ft, "zero_copy"));
}

TEST_F_TIMEOUT(fuse_hostile, table_changes, TIMEOUT)
{
	if (fuse_mode_zero_copy(variant->mode)) {
		table_changes(_metadata, self, TABLE_EMPTIED);
		table_changes(_metadata, self, TABLE_TAKEN);
		table_changes(_metadata, self, TABLE_GONE);
	}
	EXPECT_EQ(0, read_some(self, LARGE));
	EXPECT_EQ(0, fuse_test_umount(&self->ft));
}

/* A client that continues until it is killed, whatever the results */
static pid_t tireless_client(FIXTURE_DATA(fuse_hostile) *self,
			     enum fuse_hold_op op, size_t len)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	for (;;)
		fuse_hold_do(&self->ft, op, len);
}

static void flip_round(struct __test_metadata *_metadata,
		       FIXTURE_DATA(fuse_hostile) *self)
{
	pid_t pids[4];
	unsigned int i;

	pids[0] = tireless_client(self, FUSE_HOLD_STAT, 0);
	pids[1] = tireless_client(self, FUSE_HOLD_READ, SMALL);
	pids[2] = tireless_client(self, FUSE_HOLD_READ, LARGE);
	pids[3] = tireless_client(self, FUSE_HOLD_WRITE, LARGE);
	usleep(ROUND_US);
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		kill(pids[i], SIGKILL);
	ASSERT_TRUE(fuse_test_abort(&self->ft));
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		EXPECT_EQ(-EINTR, fuse_hold_end(pids[i], STEP_MS));
	EXPECT_EQ(0, umount(self->ft.dir));
	kill(self->ft.server, SIGKILL);
	EXPECT_NE(-ETIME, fuse_hold_end(self->ft.server, STEP_MS));
	EXPECT_EQ(0, fuse_test_cleanup(&self->ft));
}

/* Eventually the server loses track of its requests: start again */
static void flip_rounds(struct __test_metadata *_metadata,
			FIXTURE_DATA(fuse_hostile) *self)
{
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		if (i)
			ASSERT_EQ(0, fuse_hold_mount(&self->ft));
		flip_round(_metadata, self);
	}
	/* enough requests were served for the test to mean something */
	EXPECT_GE(orders->nr_served, ROUNDS);
}

TEST_F_TIMEOUT(fuse_hostile, headers_change, TIMEOUT)
{
	orders->flip_headers = true;
	flip_rounds(_metadata, self);
}

TEST_F_TIMEOUT(fuse_hostile, payload_changes, TIMEOUT)
{
	orders->flip_payload = true;
	flip_rounds(_metadata, self);
}

TEST_HARNESS_MAIN
