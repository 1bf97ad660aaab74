# The one program that is linked with libguestfs; without its headers it is left out and
# `carrel image diff --files` says so.
ifdef HAVE_PKGS
ifeq ($(shell pkg-config --exists libguestfs && echo yes),yes)
PROGRAMS += carrel-guest-files
LIBEXEC_PROGRAMS += carrel-guest-files
carrel-guest-files_SRCS := $(sort $(wildcard image-tools/guest-files/*.c))
carrel-guest-files_PKG_LIBS := $(shell pkg-config --libs libguestfs)
else
$(info no libguestfs (package libguestfs-dev): building without `carrel image diff --files`)
endif
endif
