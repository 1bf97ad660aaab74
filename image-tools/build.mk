PROGRAMS += carrel
carrel_SRCS := $(sort $(wildcard image-tools/*.c))

# The shell completion is printed by the program itself, from its table of commands.
ifdef HAVE_PKGS
all: $(B)/completion/carrel.bash
$(B)/completion/carrel.bash: $(B)/bin/carrel
	@mkdir -p $(@D)
	$(Q)$< completion bash >$@
endif
