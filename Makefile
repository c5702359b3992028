# barkeep: one plain Makefile. `make help` lists the targets.
#
# MODE picks the flags (release, debug, asan, tsan, coverage); every mode has its own objects under $(BUILD).

MODE  ?= release
BUILD ?= build
CC    ?= gcc

ROOMS    := core config vault auth proxy
PACKAGES := libmicrohttpd libcurl jansson libjwt yaml-0.1 libssl libcrypto
OBJ      := $(BUILD)/obj/$(MODE)
BIN      := $(if $(filter release,$(MODE)),$(BUILD),$(BUILD)/$(MODE))

VERSION := 0.1.0

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wvla -Wformat=2 -Wstrict-prototypes \
            -Wmissing-prototypes -Wundef -Wpointer-arith -Wwrite-strings
HARDENING := -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection -fcf-protection
CFLAGS_release  := -O2 $(HARDENING)
CFLAGS_debug    := -O0
CFLAGS_asan     := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CFLAGS_tsan     := -O1 -fsanitize=thread -fno-omit-frame-pointer
CFLAGS_coverage := -O0 --coverage
LDFLAGS_release  := -Wl,-z,relro,-z,now
LDFLAGS_asan     := -fsanitize=address,undefined
LDFLAGS_tsan     := -fsanitize=thread
LDFLAGS_coverage := --coverage

PKG_CFLAGS = $(shell pkg-config --cflags $(PACKAGES))
PKG_LIBS   = $(shell pkg-config --libs $(PACKAGES))

ALL_CFLAGS = -std=gnu11 -g $(WARNINGS) -fPIE -pthread -I. -DBARKEEP_VERSION='"$(VERSION)"' \
             $(CFLAGS_$(MODE)) $(PKG_CFLAGS) $(CFLAGS)
ALL_LDFLAGS = -pie -pthread $(LDFLAGS_$(MODE)) $(LDFLAGS)

ROOM_SRC    := $(foreach room,$(ROOMS),$(wildcard $(room)/*.c))
ROOM_OBJ    := $(patsubst %.c,$(OBJ)/%.o,$(filter-out proxy/main.c,$(ROOM_SRC)))
STANDIN_SRC := $(wildcard tests/standin/*.c)
STANDIN_OBJ := $(patsubst %.c,$(OBJ)/%.o,$(STANDIN_SRC))
UNIT_SRC    := $(wildcard tests/unit/*/test_*.c)
UNIT_BIN    := $(patsubst tests/unit/%.c,$(BIN)/unit/%,$(UNIT_SRC))

.PHONY: all binaries unit-binaries
all: binaries

binaries: $(BIN)/barkeep $(BIN)/barkeep-standin

$(BIN)/barkeep: $(OBJ)/proxy/main.o $(ROOM_OBJ)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(BIN)/barkeep-standin: $(STANDIN_OBJ) $(filter $(OBJ)/core/%,$(ROOM_OBJ))
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

unit-binaries: $(UNIT_BIN)

# A unit test links against the rooms it tests and those below them: the archive picks what is used.
$(OBJ)/rooms.a: $(ROOM_OBJ)
	@rm -f $@
	ar rcs $@ $^

$(BIN)/unit/%: $(OBJ)/tests/unit/%.o $(OBJ)/rooms.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $< $(OBJ)/rooms.a -lcmocka $(PKG_LIBS)

$(OBJ)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

-include $(shell find $(OBJ) -name '*.d' 2>/dev/null)
