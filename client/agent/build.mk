PROGRAMS += carrel-agent
carrel-agent_SRCS := $(sort $(wildcard client/agent/*.c))
carrel-agent_PKG_LIBS = $(PKG_LIBS_AGENT)
