// SPDX-License-Identifier: GPL-2.0
/*
 * A FUSE server with one file, "file", whose data is in the file named by the first
 * argument. Separate threads read, write and reply, using each way to reply in turn,
 * or only the one in the environment variable WAY. With OWN the handlers do this
 * themselves. With STAYS as well they do not wait for data of the file; with SLOW they
 * first sleep that many microseconds.
 */
#define FUSE_USE_VERSION 317
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WAY_FILE, WAY_MEMORY, WAY_IOV, WAY_TWO_PARTS, WAYS };

struct job {
	fuse_req_t req;
	enum { JOB_READ, JOB_WRITE } kind;
	unsigned int way;
	size_t size;
	off_t off;
	struct fuse_bufvec in;
};

static int file;
static atomic_uint nr_jobs, nr_zero_copy;
static atomic_int nr_inside, most_inside;
static int slow, only_way = -1;
static bool own, stays;
static struct fuse_conn_info_opts *conn_opts;

static struct fuse_buf file_buf(size_t size, off_t off)
{
	return (struct fuse_buf) {
		.size = size,
		.flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK |
			 (stays ? FUSE_BUF_FD_STAYS : FUSE_BUF_FD_RETRY),
		.fd = file,
		.pos = off,
	};
}

static void reply_two_parts(struct job *job)
{
	const size_t half = job->size / 2;
	struct {
		struct fuse_bufvec vec;
		struct fuse_buf second;
	} two = { .vec = { .count = 2 } };

	two.vec.buf[0] = file_buf(half, job->off);
	two.second = file_buf(job->size - half, job->off + half);
	two.vec.buf[0].flags &= ~FUSE_BUF_FD_RETRY;
	two.second.flags &= ~FUSE_BUF_FD_RETRY;
	fuse_reply_data(job->req, &two.vec, FUSE_BUF_AT_ONCE);
}

static void do_read(struct job *job)
{
	struct fuse_bufvec vec = FUSE_BUFVEC_INIT(job->size);
	struct iovec iov[2];
	ssize_t got;
	char *mem;

	if (job->way == WAY_FILE) {
		vec.buf[0] = file_buf(job->size, job->off);
		fuse_reply_data(job->req, &vec, 0);
		return;
	}
	if (job->way == WAY_TWO_PARTS) {
		reply_two_parts(job);
		return;
	}
	mem = malloc(job->size);
	got = pread(file, mem, job->size, job->off);
	iov[0] = (struct iovec) { mem, got / 3 };
	iov[1] = (struct iovec) { mem + got / 3, got - got / 3 };
	if (got < 0)
		fuse_reply_err(job->req, errno);
	else if (job->way == WAY_IOV)
		fuse_reply_iov(job->req, iov, 2);
	else
		fuse_reply_buf(job->req, mem, got);
	free(mem);
}

static void do_write(struct job *job)
{
	struct fuse_bufvec vec = FUSE_BUFVEC_INIT(job->size);
	char *mem;
	ssize_t done;

	if (job->way != WAY_MEMORY) {
		vec.buf[0] = file_buf(job->size, job->off);
		fuse_reply_write_buf(job->req, &vec, &job->in, 0);
		return;
	}
	mem = malloc(job->size);
	vec.buf[0].mem = mem;
	done = fuse_buf_copy(&vec, &job->in, 0);
	if (done > 0)
		done = pwrite(file, mem, done, job->off);
	free(mem);
	if (done < 0)
		fuse_reply_err(job->req, -done);
	else
		fuse_reply_write(job->req, done);
}

static void *work(void *arg)
{
	struct job *job = arg;

	if (job->kind == JOB_READ)
		do_read(job);
	else
		do_write(job);
	free(job);
	return NULL;
}

/* How many handlers run at a time */
static void take_time(void)
{
	const int inside = ++nr_inside;

	if (inside > most_inside)
		most_inside = inside;
	if (slow)
		usleep(slow);
	nr_inside--;
}

static void start(const struct job *model)
{
	struct job *job = malloc(sizeof(*job));
	pthread_t thread;
	char *payload;
	size_t size;

	/* the data is not in this process's memory */
	if (fuse_req_get_payload(model->req, &payload, &size, NULL) == -EOPNOTSUPP)
		nr_zero_copy++;
	take_time();
	*job = *model;
	job->way = only_way >= 0 ? (unsigned int)only_way : nr_jobs++ % WAYS;
	/* a buffer of /dev/fuse is reused when the handler returns */
	if (own || !fuse_req_is_uring(job->req)) {
		work(job);
		return;
	}
	if (pthread_create(&thread, NULL, work, job)) {
		fuse_reply_err(job->req, EAGAIN);
		free(job);
		return;
	}
	pthread_detach(thread);
}

static void on_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	(void)ino, (void)fi;
	start(&(struct job) { .req = req, .kind = JOB_READ, .size = size,
			      .off = off });
}

/* Only such a buffer stays valid until the reply */
static void on_write_buf(fuse_req_t req, fuse_ino_t ino,
			 struct fuse_bufvec *in, off_t off,
			 struct fuse_file_info *fi)
{
	(void)ino, (void)fi;
	start(&(struct job) { .req = req, .kind = JOB_WRITE, .off = off,
			      .size = fuse_buf_size(in), .in = *in });
}

static void fill_stat(fuse_ino_t ino, struct stat *st)
{
	fstat(file, st);
	st->st_ino = ino;
	st->st_mode = ino == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0644;
}

static void on_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param entry = { .ino = 2 };

	(void)parent;
	if (strcmp(name, "file")) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	fill_stat(2, &entry.attr);
	fuse_reply_entry(req, &entry);
}

static void on_getattr(fuse_req_t req, fuse_ino_t ino,
		       struct fuse_file_info *fi)
{
	struct stat st;

	(void)fi;
	fill_stat(ino, &st);
	fuse_reply_attr(req, &st, 0);
}

static void on_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr,
		       int to_set, struct fuse_file_info *fi)
{
	if (to_set & FUSE_SET_ATTR_SIZE && ftruncate(file, attr->st_size))
		fuse_reply_err(req, errno);
	else
		on_getattr(req, ino, fi);
}

static void on_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	fi->io_uring_zero_copy = 1;
	if (fi->flags & O_TRUNC && ftruncate(file, 0)) {
		fuse_reply_err(req, errno);
		return;
	}
	fuse_reply_open(req, fi);
}

static void on_init(void *userdata, struct fuse_conn_info *conn)
{
	(void)userdata;
	fuse_apply_conn_info_opts(conn_opts, conn);
}

static const struct fuse_lowlevel_ops ops = {
	.init = on_init,
	.lookup = on_lookup,
	.getattr = on_getattr,
	.setattr = on_setattr,
	.open = on_open,
	.read = on_read,
	.write_buf = on_write_buf,
};

static void print_in_use(struct fuse_session *se)
{
	const unsigned int in_use = fuse_session_uring_in_use(se);
	struct fuse_uring_stats stats;

	printf("in use:%s%s%s%s\n", in_use & FUSE_IN_USE_URING ? " io_uring" : "",
	       in_use & FUSE_IN_USE_KMBUF ? " kmbuf" : "",
	       in_use & FUSE_IN_USE_BUFPOOL ? " bufpool" : "",
	       in_use & FUSE_IN_USE_ZERO_COPY ? " zero_copy" : "");
	printf("zero copy requests: %u\n", nr_zero_copy);
	fuse_session_uring_stats(se, &stats, sizeof(stats));
	printf("stats: requests=%lu zero_copy=%lu linked=%lu slot_io=%lu bounced=%lu dev_requests=%lu\n",
	       stats.requests, stats.zero_copy, stats.linked, stats.slot_io,
	       stats.bounced, stats.dev_requests);
	printf("at a time: %d\n", most_inside);
	fflush(stdout);
}

/* fuse_threads FILE MOUNTPOINT [OPTION]... */
int main(int argc, char *argv[])
{
	struct fuse_args args = FUSE_ARGS_INIT(argc - 2, argv + 2);
	struct fuse_session *se;
	char *mountpoint;
	int ret = 1;

	if (argc < 3)
		return 2;
	own = getenv("OWN");
	stays = getenv("STAYS");
	if (getenv("SLOW"))
		slow = atoi(getenv("SLOW"));
	if (getenv("WAY"))
		only_way = atoi(getenv("WAY"));
	file = open(argv[1], O_RDWR | O_CREAT, 0600);
	mountpoint = argv[2];
	argv[2] = argv[0];
	if (file < 0) {
		perror(argv[1]);
		return 1;
	}
	conn_opts = fuse_parse_conn_info_opts(&args);
	if (!conn_opts)
		return 1;
	se = fuse_session_new(&args, &ops, sizeof(ops), NULL);
	if (!se || fuse_set_signal_handlers(se))
		return 1;
	if (!fuse_session_mount(se, mountpoint)) {
		ret = fuse_session_loop(se);
		print_in_use(se);
		fuse_session_unmount(se);
	}
	fuse_remove_signal_handlers(se);
	fuse_session_destroy(se);
	free(conn_opts);
	return ret ? 1 : 0;
}
