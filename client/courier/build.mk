PROGRAMS += carrel-courier
carrel-courier_SRCS := $(sort $(wildcard client/courier/*.c))
