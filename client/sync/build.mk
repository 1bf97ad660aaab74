PROGRAMS += carrel-sync
carrel-sync_SRCS := $(sort $(wildcard client/sync/*.c))
