# The one program that is linked with libguestfs; left out where its headers are absent.
ifeq ($(shell pkg-config --exists libguestfs 2>/dev/null && echo yes),yes)
PROGRAMS += carrel-build-guest
LIBEXEC_PROGRAMS += carrel-build-guest
carrel-build-guest_SRCS := $(sort $(wildcard image-tools/build-guest/*.c))
carrel-build-guest_PKG_LIBS = $(shell pkg-config --libs libguestfs)
else
ifdef HAVE_PKGS
$(info no libguestfs (package libguestfs-dev): building without `carrel image build`)
endif
endif
