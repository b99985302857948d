# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # made belongs to the script
# Sourced, after tests/points.sh, by scripts that run the test programs built from
# libfuse's objects, which are in $made.

# sanitized_units WORD PROGRAM SECONDS SANITIZER CASE...: a point for each case, which has
# that long. WORD: what the cases are about.
sanitized_units() {
	local word=$1 program=$2 seconds=$3 sanitizer=$4 unit
	for unit in "${@:5}"; do
		point "$word: ${unit//_/ }, -fsanitize=$sanitizer" \
			timeout "$seconds" "$made/$program.$sanitizer" "$unit"
	done
}

# The tests that need no FUSE device.
units() {
	local unit sanitizer
	for unit in in_use_after_stop no_request submit_again command_again interrupted_wait \
		free_before_commit quiet_end give_up interrupted_queue whole_pages \
		max_write_comes_back all_flags pool_is_explicit numbers lists default_sizes quota \
		queues without_effect state_fd repeated_init repeated_init_and_signal \
		stray_notify_reply_in_pipe unknown_request_in_pipe failed_reply_in_pipe; do
		point "unit: ${unit//_/ }" timeout 20 "$made/uring_unit" "$unit"
	done
	for sanitizer in address thread; do
		sanitized_units unit uring_unit 60 "$sanitizer" \
			reply_after_stop stop_before_start stats_while_starting state_fd \
			repeated_init stray_notify_reply
		sanitized_units end uring_late 60 "$sanitizer" \
			late_handler late_path_handler late_handler_of_one late_reply late_copy
		sanitized_units parts uring_parts 60 "$sanitizer" \
			two_queues two_queues_and_slots one_queue
		sanitized_units threads uring_serve 120 "$sanitizer" \
			many_parts retry_on_a_pipe two_parts thread_sleeps pool_of_one crosswise flush \
			failing_commit linked_io at_once at_once_with_a_gap socket_tcp socket_unix \
			stop_while_waiting reply_after_close stress
		sanitized_units submission uring_submit 60 "$sanitizer" \
			flush_linked flush_in_flight flush_short flush_done flush_again relay_again \
			visit_again thread_again full_queue full_queue_and_poll split_link
		sanitized_units handlers uring_handlers 60 "$sanitizer" \
			one_at_a_time one_at_a_time_linked
	done
}
