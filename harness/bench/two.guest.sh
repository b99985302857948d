#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In the VM: runs two clients at a time, each on its own CPU. Prints the longer of their
# times.
#
#   two ARGUMENT...     arguments of the client, which is next to this file
set -euo pipefail

client=$(dirname "$0")/client
taskset -c 0 "$client" "$@" >/tmp/two.0 &
taskset -c 1 "$client" "$@" >/tmp/two.1
wait $!
sort -n /tmp/two.0 /tmp/two.1 | tail -n 1
