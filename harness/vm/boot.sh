#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make boot: an interactive root shell in a VM that runs the patched kernel.
#
#   boot.sh [CONFIG [TREE]]     CONFIG: base (default) | debug
#                               TREE: linux (default) | bare
#
# The host's files are visible read-only at the same paths. /tmp is empty,
# build/<base>/vm/shell is writable. Kernel messages go to standard error. Leave with
# "exit" or Ctrl-D; Ctrl-A x kills the machine.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

config=${1:-base} tree=${2:-linux}
image=$BUILD/$tree/.$config/arch/x86/boot/bzImage
[ -f "$image" ] || die "no kernel image $image" "it has not been built" \
	"harness/kernel/kernel.sh $tree $config"
virtme=${VIRTME_NG:-$TOOLS/virtme-ng/usr}
[ -f "$virtme/bin/virtme-run" ] || die "virtme-ng is not in $virtme" "" "make setup"
[ -t 0 ] || die "make boot needs a terminal on standard input"

rw=$BUILD/vm/shell
mkdir -p "$rw"
tsc=$(/usr/bin/python3 "$TOP/harness/vm/tsc.py") || true
say "booting ${BUILD#"$TOP/"}/$tree/.$config (emulated; takes some seconds)"
PYTHONPATH=$virtme/lib/python3/dist-packages exec /usr/bin/python3 \
	"$virtme/bin/virtme-run" --kimg "$image" --mods none --force-9p \
	--disable-microvm --disable-kvm --no-virtme-ng-init \
	--name "kmbuf-$config" --memory 4G --cpus 2 --rwdir "$rw=$rw" \
	--kopt=loglevel=5 --kopt=panic=-1 --kopt=tsc=reliable ${tsc:+--kopt="tsc_early_khz=$tsc"} \
	--kopt="rootflags=version=9p2000.L,trans=virtio,access=any,msize=524288,cache=loose" \
	--kopt=kmbuf_job=shell --kopt="init=$TOP/harness/vm/init.guest.sh"$'\t--' \
	--qemu-opts -no-reboot -accel "tcg,thread=multi,tb-size=512" -cpu "max,-la57,-erms,-fsrm"
