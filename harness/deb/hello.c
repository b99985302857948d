// SPDX-License-Identifier: GPL-2.0
/* An out-of-tree module, which needs the headers package to build. */
#include <linux/init.h>
#include <linux/io_uring/kmbuf.h>
#include <linux/module.h>

static int __init hello_init(void)
{
	pr_info("hello: with %zu bytes of a KMBUF registration\n",
		sizeof(struct io_uring_kmbuf_reg));
	return 0;
}

static void __exit hello_exit(void)
{
}

module_init(hello_init);
module_exit(hello_exit);
MODULE_DESCRIPTION("test of the headers package");
MODULE_LICENSE("GPL");
