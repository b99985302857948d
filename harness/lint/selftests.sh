#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Gate: make all, install, gen_tar and clean of the series' kselftests succeed, in the
# tree and with O=, without a compiler warning, and clean leaves nothing.
#
#   selftests.sh         one point for each verb, in the tree and with O=, and for clean
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/tree.sh"
. "$(dirname "$0")/variants.sh"

dir=tools/testing/selftests/io_uring
liburing=$TOOLS/liburing
v_extra=()

lint_open
lint_tmp
kbuild_env
[ -f "$liburing/include/liburing.h" ] || die "liburing is not in $liburing" "" "make setup"
lint_checkout "$LINT_TIP"
if [ ! -f "$LINT_DIR/$dir/Makefile" ]; then
	notok "selftests: the series has no $dir"
	exit
fi

# The tests are compiled against the headers that the series exports.
variant w1
log=$LOGS/lint-headers.log
export_headers() {
	kbuild_config "$LINT_DIR" "$v_out" "$v_arch" "${v_fragments[@]}" &&
		kbuild_make "$LINT_DIR" "$v_out" headers
}
export_headers >"$log" 2>&1 || die "make headers failed" "" "see $log"
headers=$LINT_DIR/$v_out/usr/include

# Never CFLAGS=: that would replace the Makefiles' own flags.
ksft() {
	make -C "$LINT_DIR/tools/testing/selftests" TARGETS=io_uring \
		KSFT_INSTALL_PATH="$installed" CC="$TOP/harness/kernel/cclink.sh" \
		USERCFLAGS="-I$liburing/include" USERLDFLAGS="-L$liburing/lib" \
		"${way[@]}" "$@" </dev/null
}

# left: print files that clean left, and tracked files that it removed.
left() {
	(cd "$LINT_DIR" && lint_git ls-files -o -- tools/testing
		lint_git diff-files --name-status -- tools/testing)
	[ ! -d "$LINT_DIR/$v_out/kselftest" ] || (cd "$LINT_DIR" && find "$v_out/kselftest" ! -type d)
}

rm -rf "$LINT_DIR/$v_out/kselftest"
(cd "$LINT_DIR" && lint_git clean -qfdx -- tools/testing)
for name in in-tree O=; do
	installed=$BUILD/lint-selftests/${name%=}
	rm -rf "$installed"
	case $name in
	in-tree) way=(KHDR_INCLUDES="-isystem $headers") ;;
	O=) way=(O="$LINT_DIR/$v_out") ;;
	esac
	for verb in all install gen_tar clean; do
		log=$LOGS/lint-selftests-${name%=}-$verb.log status=0
		ksft "$verb" >"$log" 2>&1 || status=$?
		{
			grep -E '(warning|error): |^make.*\*\*\*' "$log" || true
			case $verb in
			install)
				[ -s "$installed/kselftest-list.txt" ] && [ -x "$installed/run_kselftest.sh" ] ||
					echo "nothing was installed"
				while IFS=: read -r _ program; do
					[ -x "$installed/io_uring/$program" ] || echo "$program was not installed"
				done <"$installed/kselftest-list.txt"
				;;
			gen_tar)
				tar -tf "$installed/kselftest-packages/kselftest.tar.gz" >/dev/null
				;;
			esac 2>&1
			[ "$status" -eq 0 ] || echo "make ended with $status, see $log"
		} >"$lint_tmp/out"
		[ ! -s "$lint_tmp/out" ] || status=1
		verdict "$status" "selftests $verb, $name" "$lint_tmp/out"
	done
	left >"$lint_tmp/out"
	status=0
	[ ! -s "$lint_tmp/out" ] || status=1
	verdict "$status" "selftests clean leaves nothing, $name" "$lint_tmp/out"
done
