# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # made, tree, uring, libraries belong to the script
# Sourced by the scripts that build libfuse with our patches, 3.18.3 or the master
# branch: builds the library, and test programs from its objects. The scripts set made,
# tree, uring (liburing's installation) and libraries (those that io_uring needs).

# compile SOURCE DIR LIBURING [OPTION]...: build the library, with its examples, tests
# and utilities unless OPTIONs say otherwise.
compile() {
	local source=$1 dir=$2 liburing=$3
	shift 3
	rm -rf "$dir" && mkdir -p "$dir.pc" &&
		cat >"$dir.pc/liburing.pc" <<-END &&
			Name: liburing
			Description: liburing
			Version: 2
			Libs: -L$liburing/lib -luring
			Cflags: -I$liburing/include
		END
		PKG_CONFIG_PATH=$dir.pc LDFLAGS=-Wl,-rpath,$liburing/lib \
			meson setup --werror "$@" "$dir" "$source" && ninja -C "$dir" &&
		grep -q '^#define HAVE_URING$' "$dir/fuse_config.h"
}

# recompile DIR: build again what depends on changed sources.
recompile() {
	ninja -C "$1" && grep -q '^#define HAVE_URING$' "$1/fuse_config.h"
}

# asks_for_libatomic DIR: does the build in DIR link libatomic if the compiler lacks
# 64-bit atomics? Only configures it.
asks_for_libatomic() {
	local dir=$1
	rm -rf "$dir" && mkdir -p "$dir.cc" &&
		cat >"$dir.cc/cc" <<-'END' &&
			#!/bin/bash
			for file in "$@"; do
				[[ $file != *.c ]] || ! grep -q '_Atomic uint64_t' "$file" || exit 1
			done
			exec gcc "$@"
		END
		chmod 755 "$dir.cc/cc" &&
		CC=$dir.cc/cc meson setup -Dexamples=false -Dtests=false -Dutils=false \
			"$dir" "$tree" && grep -- ' -latomic ' "$dir/build.ninja"
}

# with_objects BUILD TO SOURCE WRAPPED...: link a program with the library's objects. The
# program replaces the functions WRAPPED.
with_objects() {
	local build=$made/$1 to=$2 source=$3
	shift 3
	gcc -g -O2 -Wall -Wextra -Werror -Wno-sign-compare -D_GNU_SOURCE= -D_FILE_OFFSET_BITS=64 \
		-DHAVE_LIBFUSE_PRIVATE_CONFIG_H -I "$build" -I "$tree/lib" -I "$tree/include" \
		-I "$uring/include" ${sanitizer:+-fsanitize=$sanitizer} -o "$made/$to" "$source" \
		"$TOP/harness/suites/uring_refuse.c" "$build"/lib/libfuse3.so.*.p/*.o \
		"${@/#/-Wl,--wrap=}" -L "$uring/lib" "${libraries[@]}" -ldl -pthread \
		-Wl,-rpath,"$uring/lib"
}

# unit_program BUILD TO
unit_program() {
	with_objects "$1" "$2" "$TOP/harness/suites/uring_unit.c" fuse_uring_do_cmd \
		io_uring_submit io_uring_submit_and_wait fuse_uring_commit
}

# thread_programs BUILD [SUFFIX]: build uring_serve, uring_submit, uring_handlers,
# uring_late, uring_parts and uring_unit.
thread_programs() {
	local build=$1 suffix=${2:-} suites=$TOP/harness/suites
	with_objects "$build" "uring_serve$suffix" "$suites/uring_serve.c" \
		fuse_uring_do_cmd fuse_uring_prep &&
		with_objects "$build" "uring_submit$suffix" "$suites/uring_submit.c" \
			fuse_uring_do_cmd fuse_uring_prep fuse_uring_handle \
			io_uring_submit io_uring_submit_and_wait &&
		with_objects "$build" "uring_handlers$suffix" "$suites/uring_handlers.c" \
			fuse_uring_do_cmd fuse_uring_prep &&
		with_objects "$build" "uring_late$suffix" "$suites/uring_late.c" \
			fuse_uring_do_cmd fuse_uring_prep fuse_set_thread_name \
			fuse_uring_zc_unlinked &&
		with_objects "$build" "uring_parts$suffix" "$suites/uring_parts.c" \
			fuse_uring_do_cmd fuse_uring_io &&
		unit_program "$build" "uring_unit$suffix"
}

# sanitized SANITIZER: build the programs of thread_programs, with .SANITIZER appended.
sanitized() {
	local sanitizer=$1
	compile "$tree" "$made/$1" "$uring" -Db_sanitize="$1" -Db_lundef=false \
		-Dexamples=false -Dtests=false -Dutils=false &&
		thread_programs "$1" ".$1"
}

exported() {
	nm -D --defined-only --with-symbol-versions "$1" | sed 's/^[0-9a-f]* //' | sort
}

# True if six functions are new, in a version node of their own, and nothing else.
same_symbols() {
	local old=$made/old/lib/libfuse3.so new=$made/new/lib/libfuse3.so
	diff <(printf '%s\n' "A FUSE_KMBUF_1.0" \
		"T fuse_reply_write_buf@@FUSE_KMBUF_1.0" \
		"T fuse_req_is_resent@@FUSE_KMBUF_1.0" \
		"T fuse_session_set_state_fd@@FUSE_KMBUF_1.0" \
		"T fuse_session_takeover@@FUSE_KMBUF_1.0" \
		"T fuse_session_uring_in_use@@FUSE_KMBUF_1.0" \
		"T fuse_session_uring_stats@@FUSE_KMBUF_1.0") \
		<(comm -3 <(exported "$old") <(exported "$new") | sed 's/^\t//')
}
