# Carrel. `make help` lists the targets; each folder with code has a build.mk that names its parts.
#
# One make reads the whole tree: the fragments only append to PROGRAMS, PLUGINS and the lists of
# their sources, the rules stand here once. All that is made lands in build/<variant>/.

VARIANT ?= default
B := build/$(VARIANT)

PREFIX ?= /usr/local
DESTDIR ?=
MULTIARCH := $(shell gcc -print-multiarch 2>/dev/null)
# Where the plugins and the programs that only other programs start are installed.
LIBEXEC_DIR ?= $(PREFIX)/lib/carrel

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

# --- the Debian packages, in one list ------------------------------------------------------------
include deps.mk

# Targets that bring their own packages run `deps` and then themselves again, so that pkg-config and
# the compilers are asked only when they are there.
NEEDS_NOTHING := help deps clean
ifneq ($(filter-out $(NEEDS_NOTHING),$(or $(MAKECMDGOALS),all)),)
ifeq ($(shell command -v pkg-config >/dev/null 2>&1 && pkg-config --exists $(PKGS_LIB) $(PKGS_AGENT) $(PKGS_NTFS) $(PKGS_TEST) && echo yes),yes)
HAVE_PKGS := yes
endif
endif

# --- flags ---------------------------------------------------------------------------------------
WARNINGS := -Wall -Wextra -Wshadow -Wformat=2 -Wundef -Wvla -Wwrite-strings -Wpointer-arith \
	-Wcast-qual -Wstrict-prototypes -Wmissing-prototypes -Wimplicit-fallthrough -Wswitch-enum
WARNINGS_gcc := -Wnull-dereference
WARNINGS_clang := -Wconditional-uninitialized
# Fixed for the whole tree; CI adds -Werror.
OPTIMISE := -O2 -g
ifeq ($(VARIANT),asan)
OPTIMISE := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
else ifeq ($(VARIANT),tsan)
OPTIMISE := -O1 -g -fsanitize=thread -fno-omit-frame-pointer
else ifeq ($(VARIANT),fuzz)
CC := clang-14
OPTIMISE := -O1 -g -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all
else ifeq ($(VARIANT),clang)
CC := clang-14
endif
ifeq ($(origin CC),default)
CC := gcc
endif
WERROR ?= $(if $(CI),-Werror)
COMPILER := $(if $(findstring clang,$(CC)),clang,gcc)

ifdef HAVE_PKGS
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS_LIB) $(PKGS_AGENT) $(PKGS_NTFS) $(PKGS_TEST))
PKG_LIBS_LIB := $(shell pkg-config --libs $(PKGS_LIB))
PKG_LIBS_AGENT := $(shell pkg-config --libs $(PKGS_AGENT))
PKG_LIBS_NTFS := $(shell pkg-config --libs $(PKGS_NTFS))
PKG_LIBS_TEST := $(shell pkg-config --libs $(PKGS_TEST))
endif

# Stores in Ceph are left out where librados' headers are absent; the library itself is loaded when
# the first such store is opened.
ifdef HAVE_PKGS
ifeq ($(shell echo '\#include <rados/librados.h>' | $(CC) -E -x c - >/dev/null 2>&1 && echo yes),yes)
HAVE_RADOS := yes
else
$(info no <rados/librados.h> (package librados-dev): building without stores in Ceph)
endif
endif

VERSION := $(shell cat VERSION)
ALL_CFLAGS = -std=gnu17 $(WARNINGS) $(WARNINGS_$(COMPILER)) $(WERROR) $(OPTIMISE) -fPIC -pthread \
	-D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DCARREL_VERSION='"$(VERSION)"' \
	-DCARREL_LIBEXEC_DIR='"$(LIBEXEC_DIR)"' -I. -include lib/base/banned.h \
	$(PKG_CFLAGS) $(CFLAGS)
ALL_LDFLAGS = $(OPTIMISE) -pthread -Wl,--as-needed $(LDFLAGS)

# A change of compiler or flags rebuilds everything.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS))' >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
FORCE:

# --- the parts -----------------------------------------------------------------------------------
# PROGRAMS: names; NAME_SRCS, NAME_PKG_LIBS. LIBEXEC_PROGRAMS: those of them that no person starts.
# PLUGINS: as PROGRAMS, built as shared objects for nbdkit.
LIB_SRCS :=
PROGRAMS :=
LIBEXEC_PROGRAMS :=
PLUGINS :=
LIBCARREL := $(B)/libcarrel.a
include $(sort $(wildcard lib/build.mk server/*/build.mk client/*/build.mk image-tools/build.mk \
	image-tools/*/build.mk initramfs/build.mk tests/build.mk))

objects = $(patsubst %.c,$(B)/%.o,$(1))
ALL_SRCS := $(sort $(LIB_SRCS) $(foreach p,$(PROGRAMS) $(PLUGINS),$($(p)_SRCS)) $(TEST_SRCS))

$(B)/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(LIBCARREL): $(call objects,$(LIB_SRCS))
	$(Q)rm -f $@ && ar rcs $@ $^

define program_rule
$(B)/bin/$(1): $(call objects,$($(1)_SRCS)) $(LIBCARREL)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(ALL_LDFLAGS) -o $$@ $(call objects,$($(1)_SRCS)) $(LIBCARREL) $$($(1)_PKG_LIBS) $$(PKG_LIBS_LIB)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_rule,$(p))))

define plugin_rule
$(B)/plugins/$(1).so: $(call objects,$($(1)_SRCS)) $(LIBCARREL)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(ALL_LDFLAGS) -shared -o $$@ $(call objects,$($(1)_SRCS)) $(LIBCARREL) $$($(1)_PKG_LIBS) $$(PKG_LIBS_LIB)
endef
$(foreach p,$(PLUGINS),$(eval $(call plugin_rule,$(p))))

-include $(patsubst %.c,$(B)/%.d,$(ALL_SRCS))

BUILT := $(LIBCARREL) $(PROGRAMS:%=$(B)/bin/%) $(PLUGINS:%=$(B)/plugins/%.so)

Q := $(if $(V),,@)

# --- targets -------------------------------------------------------------------------------------
.PHONY: all deps check check-long demo bench lint format fuzz asan install clean help FORCE

ifdef HAVE_PKGS
all: $(BUILT) ## build the programs and plugins into build/<variant>/
else
all: deps
	$(Q)$(MAKE) --no-print-directory all
endif

deps: ## install the Debian packages that are missing (sudo when not root)
	$(Q)tests/harness/deps.sh $(PACKAGES)

check: deps ## run the tests (brings its own packages)
	$(Q)$(MAKE) --no-print-directory check-built

check-long: deps ## all tests, the long ones in full
	$(Q)CHECK_LONG=1 TEST_TIMEOUT_S=3000 $(MAKE) --no-print-directory check-built

demo: deps ## the main job: image, server, seat, clean desktop (brings its own packages)
	$(Q)$(MAKE) --no-print-directory all
	$(Q)BUILD=$(CURDIR)/$(B) tests/system/demo.sh

bench: deps ## measure against the peers, side by side; table and build/bench.json
	$(Q)$(MAKE) --no-print-directory bench-built
	$(Q)BUILD=$(CURDIR)/$(B) tests/bench/run.sh

lint: deps ## form, layers, headers compile alone, static analysis
	$(Q)$(MAKE) --no-print-directory all
	$(Q)BUILD=$(CURDIR)/$(B) tests/lint/run.sh

format: ## rewrite the sources as .clang-format says
	$(Q)git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format-14 -i

asan: deps ## run the unit tests under the address and undefined-behaviour sanitizers
	$(Q)$(MAKE) --no-print-directory VARIANT=asan check-unit

fuzz: deps ## fuzz every parser for FUZZ_SECONDS (60) each
	$(Q)$(MAKE) --no-print-directory VARIANT=fuzz fuzz-run

UNITS = $(wildcard image-tools/dist/*.service image-tools/dist/*.timer)
MANUALS = $(wildcard server/*/*.[1-8] client/*/*.[1-8] image-tools/man/*.[1-8])

install: all ## install below DESTDIR and PREFIX (/usr/local)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(LIBEXEC_DIR) \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions
	install -m 755 $(patsubst %,$(B)/bin/%,$(filter-out $(LIBEXEC_PROGRAMS),$(PROGRAMS))) \
		$(DESTDIR)$(PREFIX)/bin
	install -m 755 $(LIBEXEC_PROGRAMS:%=$(B)/bin/%) $(DESTDIR)$(LIBEXEC_DIR)
	install -m 644 $(PLUGINS:%=$(B)/plugins/%.so) $(DESTDIR)$(LIBEXEC_DIR)
	for page in $(MANUALS); do \
		install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}; done
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	for unit in $(UNITS); do sed 's|/usr/local/bin|$(PREFIX)/bin|' $$unit \
		>$(DESTDIR)$(PREFIX)/lib/systemd/system/$${unit##*/} || exit; done
	install -m 644 $(B)/completion/carrel.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/carrel

clean: ## remove build/
	rm -rf build

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 14
