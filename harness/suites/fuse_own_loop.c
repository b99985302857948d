// SPDX-License-Identifier: GPL-2.0
/*
 * LD_PRELOAD: a program that calls fuse_session_loop_mt() gets a loop that is not
 * libfuse's: four threads that receive and process requests.
 */
#define FUSE_USE_VERSION 317
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdlib.h>

#define NR_THREADS	4

int fuse_session_loop_mt_312(struct fuse_session *se, struct fuse_loop_config *config);

static void *serve(void *arg)
{
	struct fuse_session *se = arg;
	struct fuse_buf buf = { .mem = NULL };
	int res = 1;

	while (res > 0 && !fuse_session_exited(se)) {
		res = fuse_session_receive_buf(se, &buf);
		if (res > 0)
			fuse_session_process_buf(se, &buf);
	}
	free(buf.mem);
	return (void *)(long)res;
}

int fuse_session_loop_mt_312(struct fuse_session *se, struct fuse_loop_config *config)
{
	pthread_t threads[NR_THREADS];
	int i, err = 0;
	void *res;

	(void)config;
	for (i = 0; i < NR_THREADS; i++) {
		if (pthread_create(&threads[i], NULL, serve, se))
			abort();
	}
	for (i = 0; i < NR_THREADS; i++) {
		pthread_join(threads[i], &res);
		if ((long)res < 0)
			err = (long)res;
	}
	return err;
}
