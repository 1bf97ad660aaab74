LIB_SRCS += $(sort $(filter-out lib/rados/%,$(wildcard lib/*/*.c)))

# Stores in Ceph, or the sentence that this build has none.
RADOS_SRCS := $(sort $(wildcard lib/rados/*.c))
LIB_SRCS += $(if $(HAVE_RADOS),$(filter-out %/absent.c,$(RADOS_SRCS)),lib/rados/absent.c lib/rados/uri.c)

# Keys on PKCS #11 tokens (lib/trust), where p11-kit is.
ifdef HAVE_PKGS
ifeq ($(shell pkg-config --exists p11-kit-1 && echo yes),yes)
PKG_CFLAGS += -DCR_WITH_TOKENS=1 $(shell pkg-config --cflags p11-kit-1)
PKG_LIBS_LIB += $(shell pkg-config --libs p11-kit-1)
else
$(info carrel is built without PKCS #11 tokens: libp11-kit-dev is not installed)
endif
endif
