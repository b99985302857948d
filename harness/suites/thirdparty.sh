# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced, after lib.sh, by the scripts that run test programs in the VM: finds trees
# and kernels, builds liburing's tests, runs test suites of other projects on the
# patched kernel and on the bare one, and compares the results.

# shellcheck source=harness/bases/bases.sh
. "$TOP/harness/bases/bases.sh"

# tree_dir TREE / kernel_dir TREE CONFIG: print the path, or stop. TREE: linux, bare, or
# a base, for its bare tree.
tree_dir() {
	local dir
	case $1 in
	linux) dir=$LINUX ;;
	bare) dir=$BARE ;;
	[0-9]*) dir=$BUILDS/$1/bare ;;
	*) die "no tree '$1'" "TREE is linux, bare, or a base" ;;
	esac
	[ -f "$dir/Makefile" ] || die "no source tree in $dir" "" "make tree"
	echo "$dir"
}

kernel_dir() {
	local dir
	dir=$(tree_dir "$1")/.$2
	[ -f "$dir/arch/x86/boot/bzImage" ] ||
		die "no $2 kernel of $1 in $dir" "it has not been built" "harness/kernel/kernel.sh $1 $2"
	[ -d "$dir/usr/include/linux" ] ||
		die "no exported headers in $dir/usr/include" "" "harness/kernel/kernel.sh $1 $2"
	echo "$dir"
}

# list_lines LIST: print the lines of a file in harness/lists that are for the patched
# tree's Linux. A line for one base only begins with it ("7.2: ...").
list_lines() {
	base_lines "$(base_of "$LINUX")" "$TOP/harness/lists/$1"
}

# has_pools TREE: true if its kernel has FUSE buffer pools (Linux 7.3).
has_pools() {
	local headers
	headers=$(kernel_dir "$1" base)/usr/include/linux
	grep -q FUSE_HAS_IO_URING_BUFPOOL "$headers/fuse.h"
}

# list_reason LIST TEXT: print the reason of the first line whose regex matches the
# whole TEXT; fails if there is none.
list_reason() {
	local line pattern
	while IFS= read -r line; do
		[[ $line =~ ^([^#].*[^[:space:]])[[:space:]]{2,}#[[:space:]]*(.+)$ ]] || continue
		pattern=${BASH_REMATCH[1]}
		if [[ $2 =~ ^($pattern)$ ]]; then
			list_line_reason "$line"
			return 0
		fi
	done < <(list_lines "$1")
	return 1
}

list_line_reason() {
	printf '%s\n' "${1#*  #}" | sed 's/^ *//'
}

LIBURING_SRC=$TOOLS/liburing-2.15

# need_liburing: stop without the library and its headers, which setup.sh builds.
need_liburing() {
	if [ ! -f "$TOOLS/liburing/lib/liburing.a" ] || [ ! -f "$LIBURING_SRC/configure" ]; then
		die "no liburing in $TOOLS/liburing" "" "make setup"
	fi
}

liburing_version() {
	cat "$LIBURING_SRC.stamp"
}

# liburing_pristine DIR: copy the unpacked source to DIR.
liburing_pristine() {
	cp -a "$LIBURING_SRC/." "$1/"
	make -s -C "$1" clean
	rm -f "$1/config.log"
}

# liburing_import: make build/userspace/liburing. Needs userspace.sh.
liburing_import() {
	need_liburing
	userspace_import liburing "$(liburing_version)" liburing_pristine
}

# need_liburing_tests: build liburing's test programs, with those of our patches, into
# the directory LIBURING_TESTS, once for each state of the source and each base. Needs
# userspace.sh.
need_liburing_tests() {
	local headers id
	liburing_import
	headers=$(kernel_dir bare base)/usr/include
	id=$({
		qgit -C "$USERSPACE/liburing" rev-parse 'HEAD^{tree}'
		qgit -C "$LINUX" rev-parse 'refs/tags/base^{tree}'
	} | sha256sum)
	LIBURING_TESTS=$TOOLS/liburing-tests-${id:0:16}
	exec 8>"$TOOLS/liburing-tests.lock"
	flock 8
	if [ ! -f "$LIBURING_TESTS/.built" ]; then
		say "liburing: build the test programs"
		run_logged liburing-tests-build build_liburing_tests "$LIBURING_TESTS" "$headers" ||
			die "liburing's tests do not build" "" "see $LOGS/liburing-tests-build.log"
	fi
	touch "$LIBURING_TESTS/.built"
	# Keep the newest four: other checkouts may have other patches.
	find "$TOOLS" -maxdepth 2 -path '*/liburing-tests-*/.built' -printf '%T@ %h\n' |
		sort -rn | sed '1,4d; s/^[^ ]* //' | xargs -rd '\n' rm -rf --
	exec 8>&-
}

# build_liburing_tests TO HEADERS: link the tests with the static archive, so that they
# run from any directory. With the distribution's older kernel headers some tests would
# be empty.
build_liburing_tests() (
	set -e
	rm -rf "$1"
	userspace_checkout liburing HEAD "$1.build"
	cd "$1.build"
	export C_INCLUDE_PATH=$2 CPLUS_INCLUDE_PATH=$2
	./configure --cc=gcc --cxx=g++
	make -C src -j"$(nproc)" ENABLE_SHARED=0
	make -C test -j"$(nproc)" ENABLE_SHARED=0 CFLAGS='-O1 -w'
	mkdir -p "$1"
	cp test/*.t "$1/"
	touch "$1/.built"
	rm -rf "$1.build"
)

# build_kublk KERNEL TO: build the ublk server of the kernel's selftests, linked
# statically, so that it needs nothing from the machine it runs on.
build_kublk() {
	mkdir -p "$2.obj"
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make \
		-C "$LINUX/tools/testing/selftests/ublk" OUTPUT="$2.obj" \
		USERCFLAGS="-I$1/usr/include -I$TOOLS/liburing/include" \
		USERLDFLAGS="-static -L$TOOLS/liburing/lib" "$2.obj/kublk" &&
		cp "$2.obj/kublk" "$2"
}

# suite_run SUITE TREE VM_OPTION...: runs SUITE.guest.sh for the tests in
# $suite_tests on TREE's base kernel, and writes one line a test to
# build/<base>/SUITE/TREE.tsv: name, verdict, seconds, why. A test that ends the
# machine fails, and the other tests run in a new machine.
suite_run() {
	local suite=$1 tree=$2 results=$BUILD/$1/$2.tsv rest=$BUILD/$1/$2.rest
	local kernel n=0 idle=0 name rw left status
	shift 2
	kernel=$(kernel_dir "$tree" base)
	: >"$results"
	cp "$suite_tests" "$rest"
	while left=$(wc -l <"$rest") && [ "$left" -gt 0 ]; do
		n=$((n + 1))
		if [ "$n" -gt 8 ]; then
			say "$suite-$tree: earlier tests ended 8 machines, $left tests did not run"
			sed 's/$/\tfail\t0\tdid not run: earlier tests ended 8 machines/' "$rest" >>"$results"
			break
		fi
		name=$suite-$tree
		[ "$n" -eq 1 ] || name=$name-$n
		rw=$BUILD/vm/$name
		say "$name: $left test programs"
		# Do not mistake an earlier run's results for this run's.
		rm -f "$rw/results" "$rw/current"
		status=0
		"$TOP/harness/vm/vm.sh" --kernel "$kernel" --name "$name" "$@" \
			-- bash "$TOP/harness/suites/$suite.guest.sh" "$rest" "$(suite_dir "$tree")" || status=$?
		if [ -s "$rw/results" ]; then
			cat "$rw/results" >>"$results"
		fi
		suite_machine "$name" "$status" "$rw" >>"$results"
		cut -f 1 "$results" | grep -v -x -F -f - "$suite_tests" >"$rest.new" || true
		mv "$rest.new" "$rest"
		if [ "$(wc -l <"$rest")" -lt "$left" ]; then
			idle=0
		elif [ "$idle" -eq 1 ]; then
			die "$name: no test ran in two machines" "" "see $LOGS/$name.console"
		else
			idle=1
		fi
	done
}

# suite_machine NAME STATUS RWDIR: print result lines that the guest could not write.
suite_machine() {
	local name=$1 status=$2 current splat=0 why
	# If nothing ran, it is the machine's fault, not a test's.
	[ "$status" -ne 0 ] && [ -e "$3/results" ] || return 0
	current=$(cat "$3/current" 2>/dev/null) || true
	/usr/bin/python3 "$TOP/harness/vm/splats.py" "$LOGS/$name.console" >/dev/null 2>&1 || splat=$?
	why="the machine ended during it"
	[ "$splat" -eq 0 ] || why="$why, after a splat"
	if [ -n "$current" ] && ! grep -q -x -F "$current" < <(cut -f 1 "$3/results" 2>/dev/null); then
		printf '%s\tfail\t0\t%s, see %s.console\n' "$current" "$why" "$name"
	fi
	if [ "$splat" -ne 0 ]; then
		printf 'kernel-log\tfail\t0\tsplat, see %s.console\n' "$name"
	fi
}

# suite_options ARG...: read the command line of a suite.
suite_options() {
	suite_everything=0 suite_fresh=0 suite_wanted=()
	while [ $# -gt 0 ]; do
		case $1 in
		--all) suite_everything=1 ;;
		--fresh) suite_fresh=1 ;;
		-*) die "$(basename "$0"): unknown option '$1'" "" \
			"$(basename "$0") [--all] [--fresh] [TEST]..." ;;
		*) suite_wanted+=("$1") ;;
		esac
		shift
	done
}

# suite_select SUITE: writes the names of the tests to run, in the order of the
# function suite_all, to the file $suite_tests.
suite_select() {
	local all=$BUILD/$1/all missing
	suite_tests=$BUILD/$1/tests
	mkdir -p "$BUILD/$1"
	suite_all >"$all"
	if [ ${#suite_wanted[@]} -gt 0 ]; then
		printf '%s\n' "${suite_wanted[@]}" >"$suite_tests.want"
	elif [ "$suite_everything" -eq 1 ]; then
		cp "$all" "$suite_tests.want"
	else
		list_lines "$1.default" | sed -E '/^(#|$)/d; s/[[:space:]]+#.*//' >"$suite_tests.want"
	fi
	missing=$(grep -v -x -F -f "$all" "$suite_tests.want") || true
	[ -z "$missing" ] || die "$1 has no test $(echo "$missing" | xargs)" \
		"named on the command line or in harness/lists/$1.default" "$all lists all tests"
	grep -x -F -f "$suite_tests.want" "$all" >"$suite_tests"
}

# bare_key SUITE: print a hash of everything that the bare kernel's results depend on.
bare_key() {
	local harness=$TOP/harness
	{
		git -C "$LINUX" rev-parse 'base^{tree}'
		cat "$BARE/.base/.config" "$suite_tests" "$harness/suites/$1.sh" \
			"$harness/suites/thirdparty.sh" "$harness/vm/vm.sh" "$harness/vm/init.guest.sh" \
			"$harness/suites/each.guest.sh" "$harness/suites/$1.guest.sh"
		basename "$LIBURING_SRC"
		basename "$(suite_dir bare)"
	} | sha256sum | cut -d ' ' -f 1
}

# suite_both SUITE VM_OPTION...: run the tests in $suite_tests on the patched kernel and
# on the bare one, and compare. "suite_build TREE" builds the tests, "suite_dir TREE"
# prints their directory. Results of the bare kernel come from the cache if nothing that
# they depend on has changed.
suite_both() {
	local suite=$1 results=$BUILD/$1 timeout=1800 key cached
	shift
	[ "$suite_everything" -eq 0 ] || timeout=5400
	rm -f "$BUILD/results/$suite.json"

	suite_build linux
	suite_run "$suite" linux --timeout "$timeout" "$@"

	key=$(bare_key "$suite")
	cached=$CACHE/results/$suite-$key.tsv
	if [ "$suite_fresh" -eq 0 ] && [ -s "$cached" ]; then
		say "$suite: results of the bare kernel are in the cache (--fresh runs it again)"
		cp "$cached" "$results/bare.tsv"
	else
		suite_build bare
		suite_run "$suite" bare --timeout "$timeout" "$@"
	fi
	list_lines "$suite.known" >"$results/known"
	list_lines "$suite.skip" >"$results/skip"
	/usr/bin/python3 "$TOP/harness/suites/compare.py" --name "$suite" \
		--tests "$suite_tests" --known "$results/known" --skips "$results/skip" \
		--json "$BUILD/results/$suite.json" \
		"$results/linux.tsv" "$results/bare.tsv" || return 1
	# Keep only results that agree with the lists.
	mkdir -p "$CACHE/results"
	cp "$results/bare.tsv" "$cached.$$"
	mv "$cached.$$" "$cached"
}
