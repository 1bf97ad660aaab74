LIB_SRCS += $(sort $(wildcard lib/*/*.c))
