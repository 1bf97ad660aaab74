# The Debian 12 packages that building, testing, the demo and the benchmarks need.
# `make deps` installs those that are missing.

PACKAGES_BUILD := gcc libc6-dev pkgconf nbdkit-plugin-dev libnbd-dev libvirt-dev \
	libcurl4-openssl-dev libssl-dev libzstd-dev libjansson-dev libmicrohttpd-dev libgnutls28-dev \
	libblkid-dev libext2fs-dev ntfs-3g-dev libguestfs-dev librados-dev libp11-kit-dev
PACKAGES_RUN := linux-image-amd64 nbdkit libnbd-bin qemu-system-x86 qemu-utils qemu-block-extra ovmf \
	libvirt-daemon libvirt-daemon-driver-qemu xfsprogs ntfs-3g qemu-system-common fuse3
PACKAGES_TEST := libcmocka-dev curl jq strace gnutls-bin e2fsprogs fdisk mtools dosfstools \
	syslinux syslinux-common syslinux-efi busybox-static mandoc fio openssl python3 zstd \
	ceph-mon ceph-mgr ceph-osd ceph-common libvirt-daemon-driver-storage-rbd libvirt-clients \
	python3-cryptography python3-securesystemslib softhsm2 opensc
PACKAGES_DEMO := mmdebstrap fakeroot uidmap
PACKAGES_BENCH := casync nginx-light wrk iproute2
PACKAGES_LINT := clang-14 clang-format-14 clang-tidy-14 libclang-rt-14-dev shellcheck git

PACKAGES := $(PACKAGES_BUILD) $(PACKAGES_RUN) $(PACKAGES_TEST) $(PACKAGES_DEMO) $(PACKAGES_BENCH) \
	$(PACKAGES_LINT)

# What pkg-config is asked for.
PKGS_LIB := libzstd libcrypto libssl jansson libcurl libnbd blkid ext2fs com_err libmicrohttpd gnutls
PKGS_AGENT := libvirt libvirt-qemu
# GPL-2+, and so only for the program image-tools/ntfs-free.
PKGS_NTFS := libntfs-3g
PKGS_TEST := cmocka nbdkit
