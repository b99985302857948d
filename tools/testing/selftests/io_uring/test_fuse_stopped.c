// SPDX-License-Identifier: GPL-2.0
/*
 * A stopped FUSE server has not taken new requests. Their clients can be
 * killed, and the file system can be unmounted, as with a server that reads
 * /dev/fuse.
 */
#include "kselftest_harness.h"
#include "fuse_hold.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIMEOUT		300
/* Far more than any step takes, also on a slow machine */
#define STEP_MS		20000
#define LARGE		65536
#define DEPTH		2
/* some of them wait for an entry */
#define NR_CLIENTS	4
/* the minimum, and the time until it was checked twice */
#define REQ_TIMEOUT	"15"
#define REQ_TIMEOUT_MS	60000

FIXTURE(fuse_stopped)
{
	struct fuse_test ft;
	struct fuse_hold *hold;
	pid_t clients[NR_CLIENTS];
	char timeout[16];
};

FIXTURE_VARIANT(fuse_stopped)
{
	enum fuse_mode mode;
	unsigned int ring_flags;
};

/* How the file system is mounted */
FIXTURE_VARIANT_ADD(fuse_stopped, dev) {
	.mode = FUSE_MODE_DEV,
};

FIXTURE_VARIANT_ADD(fuse_stopped, entry) {
	.mode = FUSE_MODE_ENTRY,
};

FIXTURE_VARIANT_ADD(fuse_stopped, kmbuf) {
	.mode = FUSE_MODE_KMBUF,
};

FIXTURE_VARIANT_ADD(fuse_stopped, kmbuf_defer) {
	.mode = FUSE_MODE_KMBUF,
	.ring_flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

FIXTURE_VARIANT_ADD(fuse_stopped, zc) {
	.mode = FUSE_MODE_ZC,
};

static int start(FIXTURE_DATA(fuse_stopped) *self)
{
	int ret = fuse_hold_mount(&self->ft);

	return ret ? ret : fuse_hold_do(&self->ft, FUSE_HOLD_STAT, 0);
}

FIXTURE_SETUP(fuse_stopped)
{
	int ret;

	if (getuid())
		SKIP(return, "needs root");
	self->ft = (struct fuse_test) {
		.mode = variant->mode,
		.depth = DEPTH,
		.max_write = LARGE,
		.max_pages = LARGE / sysconf(_SC_PAGESIZE),
		.ring_flags = variant->ring_flags,
	};
	self->hold = fuse_hold_init(&self->ft);
	ASSERT_NE(NULL, self->hold);
	ret = start(self);
	if (fuse_test_missing(ret))
		SKIP(return, "%s", fuse_test_missing(ret));
	ASSERT_EQ(0, ret);
}

FIXTURE_TEARDOWN(fuse_stopped)
{
	fuse_hold_exit(self->hold);
}

static void stop(struct __test_metadata *_metadata,
		 FIXTURE_DATA(fuse_stopped) *self)
{
	int status;

	ASSERT_TRUE(test_stop(self->ft.server, STEP_MS));
	ASSERT_EQ(self->ft.server, waitpid(self->ft.server, &status, WUNTRACED));
	ASSERT_TRUE(WIFSTOPPED(status));
}

static void resume(FIXTURE_DATA(fuse_stopped) *self)
{
	kill(self->ft.server, SIGCONT);
}

/* Stop the server, and start clients whose requests it does not take */
static void stop_with_clients(struct __test_metadata *_metadata,
			      FIXTURE_DATA(fuse_stopped) *self)
{
	unsigned int i;

	stop(_metadata, self);
	for (i = 0; i < NR_CLIENTS; i++)
		self->clients[i] = fuse_hold_client(&self->ft, FUSE_HOLD_READ,
						    LARGE, 1);
	ASSERT_TRUE(fuse_test_wait_requests(&self->ft, NR_CLIENTS, STEP_MS));
}

static void expect_clients_end(struct __test_metadata *_metadata,
			       FIXTURE_DATA(fuse_stopped) *self, int want,
			       unsigned int ms)
{
	unsigned int i;
	int ret;

	for (i = 0; i < NR_CLIENTS; i++) {
		ret = fuse_hold_end(self->clients[i], ms);
		/* or a repeated lookup, which comes too late */
		if (want == -ECONNABORTED && ret == -ENOTCONN)
			ret = want;
		EXPECT_EQ(want, ret) {
			TH_LOG("client %u", i);
			/* the other requests fail, too */
			resume(self);
		}
	}
}

/* Unmount in a process, in case that hangs */
static int umount_in_time(FIXTURE_DATA(fuse_stopped) *self, int flags)
{
	pid_t pid = fork();

	if (!pid)
		_exit(umount2(self->ft.dir, flags) ? errno : 0);
	return fuse_hold_end(pid, STEP_MS);
}

/* When the server continues, it is notified, and all resources are returned */
static void expect_server_ends(struct __test_metadata *_metadata,
			       FIXTURE_DATA(fuse_stopped) *self)
{
	resume(self);
	EXPECT_EQ(0, fuse_hold_end(self->ft.server, STEP_MS));
	EXPECT_EQ(0, fuse_test_cleanup(&self->ft));
}

static void kill_clients(FIXTURE_DATA(fuse_stopped) *self)
{
	unsigned int i;

	for (i = 0; i < NR_CLIENTS; i++)
		kill(self->clients[i], SIGKILL);
}

TEST_F_TIMEOUT(fuse_stopped, clients_killed, TIMEOUT)
{
	unsigned int i;

	stop_with_clients(_metadata, self);
	kill_clients(self);
	expect_clients_end(_metadata, self, -EINTR, STEP_MS);
	EXPECT_TRUE(fuse_test_wait_requests(&self->ft, 0, STEP_MS));
	/* neither entry nor buffer is lost */
	resume(self);
	for (i = 0; i < 2 * DEPTH; i++)
		EXPECT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_READ, LARGE));
	EXPECT_EQ(0, fuse_test_umount(&self->ft));
}

/* New requests get the entries of the killed ones, and all are served */
TEST_F_TIMEOUT(fuse_stopped, others_after_killed, TIMEOUT)
{
	unsigned int i;

	stop_with_clients(_metadata, self);
	kill_clients(self);
	expect_clients_end(_metadata, self, -EINTR, STEP_MS);
	for (i = 0; i < NR_CLIENTS; i++)
		self->clients[i] = fuse_hold_client(&self->ft, FUSE_HOLD_READ,
						    LARGE, 1);
	EXPECT_TRUE(fuse_test_wait_requests(&self->ft, NR_CLIENTS, STEP_MS));
	resume(self);
	expect_clients_end(_metadata, self, 0, STEP_MS);
	EXPECT_EQ(0, fuse_test_umount(&self->ft));
}

TEST_F_TIMEOUT(fuse_stopped, abort, TIMEOUT)
{
	stop_with_clients(_metadata, self);
	ASSERT_TRUE(fuse_test_abort(&self->ft));
	expect_clients_end(_metadata, self, -ECONNABORTED, STEP_MS);
	EXPECT_EQ(0, umount_in_time(self, 0));
	expect_server_ends(_metadata, self);
}

/* Killing a client first leaves an entry without a request */
TEST_F_TIMEOUT(fuse_stopped, killed_and_aborted, TIMEOUT)
{
	stop_with_clients(_metadata, self);
	kill_clients(self);
	expect_clients_end(_metadata, self, -EINTR, STEP_MS);
	ASSERT_TRUE(fuse_test_abort(&self->ft));
	EXPECT_EQ(0, umount_in_time(self, 0));
	expect_server_ends(_metadata, self);
}

TEST_F_TIMEOUT(fuse_stopped, force_umount, TIMEOUT)
{
	stop_with_clients(_metadata, self);
	EXPECT_EQ(0, umount_in_time(self, MNT_FORCE | MNT_DETACH));
	expect_clients_end(_metadata, self, -ECONNABORTED, STEP_MS);
	expect_server_ends(_metadata, self);
}

/*
 * The server never continues: its exit releases the resources of its commands
 */
TEST_F_TIMEOUT(fuse_stopped, aborted_and_server_killed, TIMEOUT)
{
	stop_with_clients(_metadata, self);
	ASSERT_TRUE(fuse_test_abort(&self->ft));
	expect_clients_end(_metadata, self, -ECONNABORTED, STEP_MS);
	EXPECT_EQ(0, umount_in_time(self, 0));
	kill(self->ft.server, SIGKILL);
	EXPECT_EQ(-EINTR, fuse_hold_end(self->ft.server, STEP_MS));
	EXPECT_EQ(0, fuse_test_cleanup(&self->ft));
}

/* Slow, and the check for old requests does not depend on the mode */
TEST_F_TIMEOUT(fuse_stopped, timeout, TIMEOUT)
{
	ASSERT_EQ(0, fuse_test_umount(&self->ft));
	if (variant->mode != FUSE_MODE_ENTRY)
		return;
	ASSERT_TRUE(test_read_file("/proc/sys/fs/fuse",
				   "default_request_timeout", self->timeout,
				   sizeof(self->timeout)));
	ASSERT_TRUE(test_write_file("/proc/sys/fs/fuse",
				    "default_request_timeout", REQ_TIMEOUT));
	EXPECT_EQ(0, start(self));
	EXPECT_TRUE(test_write_file("/proc/sys/fs/fuse",
				    "default_request_timeout", self->timeout));

	stop_with_clients(_metadata, self);
	expect_clients_end(_metadata, self, -ECONNABORTED, REQ_TIMEOUT_MS);
	EXPECT_EQ(0, umount_in_time(self, 0));
	expect_server_ends(_metadata, self);
}

static void ignore_it(int sig)
{
}

/* One read of an open file, when @go_fd says so, and no other request */
static pid_t reader(FIXTURE_DATA(fuse_stopped) *self, int open_fd, int go_fd)
{
	struct sigaction action = { .sa_handler = ignore_it };
	unsigned char byte;
	eventfd_t nr;
	pid_t pid;
	int fd;

	pid = fork();
	if (pid)
		return pid;
	sigaction(SIGUSR1, &action, NULL);
	fd = open(self->ft.file, O_RDONLY);
	eventfd_write(open_fd, 1);
	eventfd_read(go_fd, &nr);
	_exit(pread(fd, &byte, 1, 0) == 1 ? 0 : errno);
}

/* A signal that arrives before the request is sent is not lost */
TEST_F_TIMEOUT(fuse_stopped, interrupted, TIMEOUT)
{
	const int open_fd = eventfd(0, 0), go_fd = eventfd(0, 0);
	eventfd_t nr;
	pid_t pid;

	pid = reader(self, open_fd, go_fd);
	ASSERT_EQ(0, eventfd_read(open_fd, &nr));
	/*
	 * over the device, the read would be answered before the signal is seen
	 */
	self->hold->hold = variant->mode != FUSE_MODE_DEV;
	stop(_metadata, self);
	ASSERT_EQ(0, eventfd_write(go_fd, 1));
	ASSERT_TRUE(fuse_test_wait_requests(&self->ft, 1, STEP_MS));
	ASSERT_TRUE(test_wait_state(pid, 'S', STEP_MS));
	ASSERT_EQ(0, kill(pid, SIGUSR1));
	/* it notices the signal, and continues to wait */
	ASSERT_TRUE(test_wait_state(pid, 'D', STEP_MS));

	resume(self);
	if (self->hold->hold) {
		EXPECT_TRUE(fuse_hold_wait(self->hold, STEP_MS));
		EXPECT_TRUE(fuse_hold_wait_interrupt(self->hold, STEP_MS));
	}
	self->hold->release = true;
	EXPECT_EQ(0, fuse_hold_do(&self->ft, FUSE_HOLD_STAT, 0));
	EXPECT_EQ(0, fuse_hold_end(pid, STEP_MS));
	EXPECT_EQ(0, fuse_test_umount(&self->ft));
	close(open_fd);
	close(go_fd);
}

TEST_HARNESS_MAIN
