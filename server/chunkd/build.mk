PROGRAMS += carrel-chunkd
carrel-chunkd_SRCS := $(sort $(wildcard server/chunkd/*.c))
carrel-chunkd_PKG_LIBS = $(PKG_LIBS_CHUNKD)
