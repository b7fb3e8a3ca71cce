# shellcheck shell=bash
# Sourced by the builders. Plain files all along: neither root, nor a loop device, nor a mount.

# bios_disk DISK MIB BOOT_MIB KERNEL INITRAMFS ARGUMENT...
#   A raw disk of MIB that any PC BIOS boots: SYSLINUX in a FAT partition of BOOT_MIB labelled BOOT, and behind it an empty
#   partition up to the end. (GRUB would do without the first one, but takes five seconds more without KVM.)
bios_disk() {
  local disk=$1 mib=$2 boot_mib=$3 kernel=$4 initramfs=$5 boot=$1.boot
  truncate -s "${mib}M" "$disk"
  sfdisk -q "$disk" <<-END
	label: dos
	start=1MiB, size=${boot_mib}MiB, type=e, bootable
	type=83
	END
  dd if=/usr/lib/SYSLINUX/mbr.bin of="$disk" conv=notrunc status=none

  truncate -s "${boot_mib}M" "$boot"
  mkfs.vfat -F 16 -h 2048 -n BOOT "$boot" >/dev/null
  mcopy -i "$boot" "$kernel" ::vmlinuz
  mcopy -i "$boot" "$initramfs" ::initrd.img
  mcopy -i "$boot" - ::syslinux.cfg <<-END
	DEFAULT linux
	PROMPT 0
	TIMEOUT 0
	LABEL linux
	LINUX vmlinuz
	INITRD initrd.img
	APPEND ${*:6}
	END
  syslinux --install "$boot"
  dd if="$boot" of="$disk" bs=1M seek=1 conv=notrunc,sparse status=none
  rm "$boot"
}

# second_partition BOOT_MIB: where it begins on such a disk, as mke2fs's extended option.
second_partition() { echo "offset=$(((1 + $1) << 20))"; }
