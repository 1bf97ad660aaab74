# The one program that is linked with libntfs-3g.
PROGRAMS += carrel-ntfs-free
LIBEXEC_PROGRAMS += carrel-ntfs-free
carrel-ntfs-free_SRCS := $(sort $(wildcard image-tools/ntfs-free/*.c))
carrel-ntfs-free_PKG_LIBS = $(PKG_LIBS_NTFS)
