#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make build: both configurations of the patched kernel.
#
#   build.sh
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

here=$(dirname "$0")
for config in base debug; do
	"$here/kernel.sh" linux "$config"
done
for config in base debug; do
	image=$LINUX/.$config/arch/x86/boot/bzImage
	say "${image#"$TOP/"}: $(du -h "$image" | cut -f 1)"
done
