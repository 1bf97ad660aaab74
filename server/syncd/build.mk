PROGRAMS += carrel-syncd
carrel-syncd_SRCS := $(sort $(wildcard server/syncd/*.c))
carrel-syncd_PKG_LIBS = $(PKG_LIBS_CHUNKD)
