PROGRAMS += carrel-signer
carrel-signer_SRCS := $(sort $(wildcard server/signer/*.c))
