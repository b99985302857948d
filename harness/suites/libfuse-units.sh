# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # made belongs to the script
# Sourced, after tests/points.sh, by scripts that run the test programs built from
# libfuse's objects, which are in $made.

# The tests that need no FUSE device.
units() {
	local unit sanitizer
	for unit in in_use_after_stop no_request submit_again command_again free_before_commit \
		quiet_end give_up whole_pages max_write_comes_back all_flags pool_is_explicit \
		numbers without_effect; do
		point "unit: ${unit//_/ }" timeout 20 "$made/uring_unit" "$unit"
	done
	for sanitizer in address thread; do
		for unit in reply_after_stop stop_before_start stats_while_starting; do
			point "unit: ${unit//_/ }, -fsanitize=$sanitizer" \
				timeout 60 "$made/uring_unit.$sanitizer" "$unit"
		done
		for unit in late_handler late_path_handler late_handler_of_one late_reply late_copy; do
			point "end: ${unit//_/ }, -fsanitize=$sanitizer" \
				timeout 60 "$made/uring_late.$sanitizer" "$unit"
		done
		for unit in two_queues two_queues_and_slots one_queue; do
			point "parts: ${unit//_/ }, -fsanitize=$sanitizer" \
				timeout 60 "$made/uring_parts.$sanitizer" "$unit"
		done
		for unit in many_parts retry_on_a_pipe two_parts thread_sleeps pool_of_one \
			crosswise flush failing_commit linked_io at_once at_once_with_a_gap \
			socket_tcp socket_unix stop_while_waiting reply_after_close stress; do
			point "threads: ${unit//_/ }, -fsanitize=$sanitizer" \
				timeout 120 "$made/uring_serve.$sanitizer" "$unit"
		done
		for unit in flush_linked flush_in_flight flush_short flush_done flush_again \
			relay_again visit_again thread_again full_queue full_queue_and_poll \
			split_link; do
			point "submission: ${unit//_/ }, -fsanitize=$sanitizer" \
				timeout 60 "$made/uring_submit.$sanitizer" "$unit"
		done
		for unit in one_at_a_time one_at_a_time_linked; do
			point "handlers: ${unit//_/ }, -fsanitize=$sanitizer" \
				timeout 60 "$made/uring_handlers.$sanitizer" "$unit"
		done
	done
}
