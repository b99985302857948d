/* SPDX-License-Identifier: GPL-2.0 */
#ifndef IOU_MOCK_KMBUF_H
#define IOU_MOCK_KMBUF_H

struct io_uring_cmd;

int io_mock_kmbuf_create(struct io_uring_cmd *cmd);

#endif
