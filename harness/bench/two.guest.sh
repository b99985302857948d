#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In the VM: two clients at a time, each on a CPU of its own. Prints the longer of
# their times.
#
#   two ARGUMENT...     of the client, which is beside this file
set -euo pipefail

client=$(dirname "$0")/client
taskset -c 0 "$client" "$@" >/tmp/two.0 &
taskset -c 1 "$client" "$@" >/tmp/two.1
wait $!
sort -n /tmp/two.0 /tmp/two.1 | tail -n 1
