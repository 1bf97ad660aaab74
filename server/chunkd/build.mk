PROGRAMS += carrel-chunkd
carrel-chunkd_SRCS := $(sort $(wildcard server/chunkd/*.c))
