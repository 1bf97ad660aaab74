# The simulator of a room full of seats.
PROGRAMS += carrel-bench
carrel-bench_SRCS := $(sort $(wildcard client/bench/*.c))
