# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced, after lib.sh: makes disks with Debian, without mounting anything, and boots
# machines from them.

# The first sector of the partition; the boot loader is in front of it.
DISK_START=2048
GRUB_MODULES=/usr/lib/grub/i386-pc

# disk_make DISK MIB ROOT GRUB_CONFIG: make a disk with ROOT's files on its partition.
disk_make() {
	local disk=$1 mib=$2 core=$1.core
	mkdir -p "$3/boot/grub"
	cp "$4" "$3/boot/grub/grub.cfg"
	rm -f "$disk"
	truncate -s "${mib}M" "$disk" &&
		echo "start=$DISK_START, type=83, bootable" | sfdisk -q "$disk" &&
		mkfs.ext4 -q -F -d "$3" -E "offset=$((DISK_START * 512))" "$disk" "$((mib - 1))M" &&
		grub-mkimage -O i386-pc -d "$GRUB_MODULES" -p '(hd0,msdos1)/boot/grub' -o "$core" \
			biosdisk part_msdos ext2 normal linux regexp serial terminal test echo boot &&
		[ "$(stat -c %s "$core")" -lt $(((DISK_START - 1) * 512)) ] &&
		# The first stage loads the second stage from the next sector.
		dd if="$GRUB_MODULES/boot.img" of="$disk" bs=440 count=1 conv=notrunc status=none &&
		dd if="$core" of="$disk" bs=512 seek=1 conv=notrunc status=none
	local status=$?
	rm -f "$core"
	return "$status"
}

# disk_boot DISK CONSOLE SECONDS: run the machine until it powers off or resets.
disk_boot() {
	timeout --kill-after=10 "$3" qemu-system-x86_64 -accel tcg,thread=multi,tb-size=512 \
		-cpu max,-la57,-erms,-fsrm -m 1536 -smp 2 -drive "file=$1,if=virtio,format=raw,cache=unsafe" \
		-nodefaults -display none -no-reboot -serial "file:$2" </dev/null
}
