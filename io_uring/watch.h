/* SPDX-License-Identifier: GPL-2.0 */
#ifndef IOU_WATCH_H
#define IOU_WATCH_H

struct io_ring_ctx;

void io_ring_watchers_end(struct io_ring_ctx *ctx);
void io_ring_watchers_free(struct io_ring_ctx *ctx);

#endif
