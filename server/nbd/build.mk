PLUGINS += nbdkit-carrel-plugin
nbdkit-carrel-plugin_SRCS := $(sort $(wildcard server/nbd/*.c))
