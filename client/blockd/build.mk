# The launcher, and the nbdkit plugin that it starts.
PROGRAMS += carrel-blockd
carrel-blockd_SRCS := client/blockd/main.c client/blockd/options.c client/blockd/launch.c

PLUGINS += nbdkit-carrel-blockd-plugin
nbdkit-carrel-blockd-plugin_SRCS := client/blockd/plugin.c client/blockd/record.c client/blockd/seat.c \
	client/blockd/seat_trust.c client/blockd/peer.c client/blockd/stats.c client/blockd/boot.c \
	client/blockd/fill.c
