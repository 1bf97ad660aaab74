# Every tests/unit/test_*.c is one cmocka program; every tests/fuzz/fuzz_*.c one fuzz target.
# Scripts in tests/component, tests/interop and tests/system are run by tests/harness/run.sh.
# A test that exists is run: nothing is listed by hand.

# What is compiled only where librados' headers are.
NEED_RADOS := $(if $(HAVE_RADOS),,tests/unit/test_rados.c tests/unit/test_rados_failing.c \
	tests/bench/radosread.c tests/bench/smallpacks.c)
UNIT_SRCS := $(sort $(filter-out $(NEED_RADOS),$(wildcard tests/unit/test_*.c)))
UNIT_BINS := $(UNIT_SRCS:tests/unit/%.c=$(B)/tests/%)
FUZZ_SRCS := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BINS := $(FUZZ_SRCS:tests/fuzz/%.c=$(B)/fuzz/%)
TEST_SRCS := $(UNIT_SRCS) $(FUZZ_SRCS) tests/fuzz/replay.c

$(UNIT_BINS): $(B)/tests/%: $(B)/tests/unit/%.o $(LIBCARREL)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(LIBCARREL) $(PKG_LIBS_TEST) $(PKG_LIBS_LIB)

# It starts the reader of NTFS, in this variant too.
$(B)/tests/test_trim: | $(B)/bin/carrel-ntfs-free

# Its calls can be made to fail: the linker puts its own in their place.
comma := ,
FAILING_CALLS := malloc calloc realloc aligned_alloc write pwrite64 ftruncate64 fsync fdatasync \
	renameat openat64 unlinkat
$(B)/tests/test_failing_calls: private LDFLAGS += $(FAILING_CALLS:%=-Wl$(comma)--wrap=%)

# With clang's fuzzer the target explores; without it a small main replays the corpus.
ifeq ($(VARIANT),fuzz)
FUZZ_MAIN := -fsanitize=fuzzer
else
FUZZ_MAIN := $(B)/tests/fuzz/replay.o
$(FUZZ_BINS): $(FUZZ_MAIN)
endif
$(FUZZ_BINS): $(B)/fuzz/%: $(B)/tests/fuzz/%.o $(LIBCARREL)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(FUZZ_MAIN) $(LIBCARREL) $(PKG_LIBS_LIB)

# Programs that only tests and benchmarks use: tests/{harness,bench,interop}/*.c, one each.
TOOL_SRCS := $(sort $(filter-out $(NEED_RADOS),$(wildcard tests/harness/*.c tests/bench/*.c \
	tests/interop/*.c)))
TOOL_BINS := $(TOOL_SRCS:tests/%.c=$(B)/%)
TEST_SRCS += $(TOOL_SRCS)
$(TOOL_BINS): $(B)/%: $(B)/tests/%.o $(LIBCARREL)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(LIBCARREL) $(PKG_LIBS_LIB)

# It leads the life of the agent's overlays.
$(B)/harness/overlaylife: $(patsubst %,$(B)/client/agent/%.o,overlay shelf tool)

# Libraries that tests preload to plant faults: tests/preload/*.c, one each.
PRELOAD_SRCS := $(sort $(wildcard tests/preload/*.c))
PRELOAD_LIBS := $(PRELOAD_SRCS:tests/%.c=$(B)/%.so)
TEST_SRCS += $(PRELOAD_SRCS)
$(PRELOAD_LIBS): $(B)/%.so: $(B)/tests/%.o
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -shared -o $@ $<

# The simulated world of a store.
SIM_SRCS := $(sort $(wildcard tests/sim/*.c))
TEST_SRCS += $(SIM_SRCS)
$(B)/sim/sim: $(SIM_SRCS:%.c=$(B)/%.o) $(LIBCARREL)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS_LIB)

.PHONY: check-built check-unit fuzz-run
check-built: all $(UNIT_BINS) $(TOOL_BINS) $(PRELOAD_LIBS) $(B)/sim/sim
	$(Q)$(MAKE) --no-print-directory VARIANT=asan tests-built
	$(Q)$(MAKE) --no-print-directory VARIANT=tsan threaded-built
	$(Q)BUILD=$(CURDIR)/$(B) BUILD_ASAN=$(CURDIR)/build/asan BUILD_TSAN=$(CURDIR)/build/tsan \
		tests/harness/run.sh $(TESTS)

# The unit tests of what several threads use at once.
THREADED := base cache copy delta disk gc packcache peer_fetch peer_wire scrub seatdisk seatroom seatshare seatupdate several store
.PHONY: threaded-built
threaded-built: $(THREADED:%=$(B)/tests/test_%)

.PHONY: tests-built
tests-built: $(UNIT_BINS) $(FUZZ_BINS)
check-unit: tests-built
	$(Q)BUILD=$(CURDIR)/$(B) tests/harness/run.sh unit
fuzz-run: $(FUZZ_BINS)
	$(Q)BUILD=$(CURDIR)/$(B) tests/fuzz/run.sh

.PHONY: bench-built
bench-built: all $(TOOL_BINS)
