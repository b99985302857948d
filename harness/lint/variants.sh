# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by the gates that build: the build variants, their objects, and the bare base's
# warnings in each.

# shellcheck source=harness/lint/messages.sh
. "$TOP/harness/lint/messages.sh"
# shellcheck source=harness/kernel/kconfig.sh
. "$TOP/harness/kernel/kconfig.sh"

# Users of the functions and headers that the series changes, io_uring itself first.
USERS=(io_uring/ drivers/block/ublk_drv.o fs/fuse/)
# Files that include the headers also if io_uring is off. ublk is then off, too, but
# compiling it checks the stubs against its calls.
STUB_USERS=(init/ fs/fuse/ fs/exec.o kernel/fork.o kernel/exit.o kernel/sched/core.o
	net/socket.o net/core/scm.o block/fops.o block/ioctl.o drivers/block/ublk_drv.o)

# variant NAME: sets v_out v_arch v_fragments v_args v_objects v_text.
variant() {
	v_out=.$1 v_arch=x86_64 v_args=(W=1) v_objects=("${USERS[@]}" "${v_extra[@]}")
	v_fragments=("$TOP/harness/kernel/base.config")
	[ ! -f "$TOP/harness/kernel/$BASE.config" ] ||
		v_fragments+=("$TOP/harness/kernel/$BASE.config")
	case $1 in
	w1) v_text="gcc W=1" ;;
	sparse)
		v_text="sparse" v_out=.w1
		v_args+=(C=2 CHECK="$SPARSE")
		;;
	nouring)
		v_text="CONFIG_IO_URING=n" v_objects=("${STUB_USERS[@]}")
		;;
	nofuse)
		v_text="CONFIG_FUSE_IO_URING=n" v_objects=(fs/fuse/)
		;;
	i386) v_text="32 bit" ;;
	*) die "there is no build variant '$1'" "" "the variants are w1 sparse nouring nofuse i386" ;;
	esac
	case $1 in
	nouring | nofuse) v_fragments+=("$TOP/harness/lint/$1.config") ;;
	i386) v_arch=i386 v_fragments+=("$TOP/harness/lint/i386.config") ;;
	esac
}

SPARSE=${LINT_SPARSE:-$TOOLS/sparse/bin/sparse}

# series_objects: set v_extra to the objects of touched files outside USERS.
series_objects() {
	local file
	v_extra=()
	while IFS= read -r file; do
		case $file in
		io_uring/* | fs/fuse/* | tools/* | samples/* | drivers/block/ublk_drv.c) ;;
		*.c) v_extra+=("${file%.c}.o") ;;
		esac
	done < <(lint_touched "$LINT_BASE" "$LINT_TIP")
}

# here OBJECT...: print those whose source the checked-out tree has.
here() {
	local object
	for object in "$@"; do
		[[ $object == */ || -e $LINT_DIR/${object%.o}.c ]] && echo "$object"
	done
	return 0
}

# build NAME LOG: build variant NAME of the checked-out tree. Returns the status of make,
# which continues after errors.
build() {
	variant "$1"
	kbuild_config "$LINT_DIR" "$v_out" "$v_arch" "${v_fragments[@]}" >"$2" 2>&1 || return 1
	build_with kbuild_make "$2"
}

# build_more NAME LOG: the same, if only sources have changed since the last build of NAME
# (prepares_nothing).
build_more() {
	variant "$1"
	build_with kbuild_objects "$2"
}

# build_with MAKE LOG: build the objects of the variant that was chosen last.
build_with() {
	local -a objects
	mapfile -t objects < <(here "${v_objects[@]}")
	"$1" "$LINT_DIR" "$v_out" ARCH="$v_arch" -k -j"$(nproc)" "${v_args[@]}" \
		"${objects[@]}" >"$2" 2>&1
}

# differ_only REGEX FROM TO: true if all paths that differ match, and none is a Kconfig.
differ_only() {
	local changed
	changed=$(lint_changed "$2" "$3") || return
	! grep -q -E '(^|/)Kconfig' <<<"$changed" && ! grep -q -v -E "$1" <<<"$changed"
}

# compiles_nothing FROM TO: true if only documents, tests and the like differ.
NO_CODE='^(Documentation|tools/testing|samples)/|^(MAINTAINERS|CREDITS)?$'
compiles_nothing() {
	differ_only "$NO_CODE" "$@"
}

# prepares_nothing FROM TO: true if the configuration and what Kbuild makes before any
# object are the same. It makes nothing from sources in these directories.
prepares_nothing() {
	differ_only "$NO_CODE|^(block|drivers|fs|io_uring|mm|net)/(.*/)?([^/]*\.[ch]|Makefile)\$" "$@"
}

# compiled LOG VERB FILE.c...: print an error for each file without "VERB file.o" in LOG.
compiled() {
	local log=$1 verb=$2 file
	shift 2
	for file in "$@"; do
		grep -q -E "^  $verb( \[M\])? +(${file%.c}\.o|(\.\./)?$file)\$" "$log" ||
			echo "error: $file was not compiled ($verb): is it configured?"
	done
}

# forget: remove the variant's objects, so that all are compiled and print their warnings.
forget() {
	local object
	for object in "${v_objects[@]}"; do
		if [[ $object == */ ]]; then
			find "$LINT_DIR/$v_out/$object" -name '*.o' -delete 2>/dev/null || true
		else
			rm -f "$LINT_DIR/$v_out/$object"
		fi
	done
}

# baseline NAME: set b_file to the path of the base's warnings. The cache keeps them for
# each base, compiler and configuration.
baseline() {
	local log=$LOGS/lint-$1-base.log key
	variant "$1"
	key=$({
		lint_git rev-parse "$LINT_BASE^{tree}"
		sed '/^#/d' "${v_fragments[@]}"
		cat "$TOP"/harness/{lint/messages,kernel/kconfig}.sh
		gcc --version
		echo "${v_args[*]} ${v_objects[*]}"
		[ "$1" != sparse ] || sha256sum <"$SPARSE"
	} | sha256sum | cut -c1-16)
	b_file=$CACHE/lint/$1-$key
	[ ! -f "$b_file" ] || return 0
	note "lint: warnings of the base: $v_text"
	mkdir -p "$CACHE/lint"
	lint_checkout "$LINT_BASE"
	forget
	# The base has no stubs: an error there is a message like any other.
	build "$1" "$log" || [[ $1 == nouring ]] ||
		{ tail -n 20 "$log" >&2; die "the base does not build: $v_text" "" "see $log"; }
	[ "$1" != sparse ] || grep -q '^  CHECK ' "$log" || die "sparse did not run" "" "see $log"
	messages "$log" >"$b_file.new"
	mv "$b_file.new" "$b_file"
}

