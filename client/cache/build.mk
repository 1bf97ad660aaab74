PROGRAMS += carrel-cache
carrel-cache_SRCS := $(sort $(wildcard client/cache/*.c))
