# barkeep: one plain Makefile. `make help` lists the targets.
#
# MODE picks the flags (release, debug, asan, tsan, coverage); every mode has its own objects under $(BUILD).

MODE   ?= release
BUILD  ?= build
CC      = gcc
PREFIX ?= /usr/local
# Debian's own: other Pythons do not see Debian's modules
PYTHON  = /usr/bin/python3

# seconds for each fuzz target in `make fuzz`; rounds and seconds per measurement in `make bench`
FUZZ_SECONDS  ?= 60
BENCH_ROUNDS  ?= 5
BENCH_SECONDS ?= 3
JOBS          ?= $(shell nproc)

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
CFLAGS_fuzz     := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
LDFLAGS_release  := -Wl,-z,relro,-z,now
LDFLAGS_asan     := -fsanitize=address,undefined
LDFLAGS_tsan     := -fsanitize=thread
LDFLAGS_coverage := --coverage
LDFLAGS_fuzz     := -fsanitize=fuzzer,address,undefined

# Asked once, and only when something is compiled: a bare system has no pkg-config yet.
pkg_config = $(if $(shell pkg-config --exists $(PACKAGES) 2>/dev/null && echo yes),$(shell pkg-config $1 $(PACKAGES)),\
    $(error missing libraries: run `make deps` as root, or see tests/install/packages.txt))
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(call pkg_config,--cflags))$(PKG_CFLAGS)
PKG_LIBS   = $(eval PKG_LIBS := $$(call pkg_config,--libs))$(PKG_LIBS)

ALL_CFLAGS = -std=gnu11 -g $(WARNINGS) -fPIE -pthread -I. -DBARKEEP_VERSION='"$(VERSION)"' \
             $(CFLAGS_$(MODE)) $(PKG_CFLAGS) $(CFLAGS)
ALL_LDFLAGS = -pie -pthread -Wl,--as-needed $(LDFLAGS_$(MODE)) $(LDFLAGS)

ROOM_SRC    := $(foreach room,$(ROOMS) proxy/mcp,$(wildcard $(room)/*.c))
ROOM_OBJ    := $(patsubst %.c,$(OBJ)/%.o,$(filter-out proxy/main.c,$(ROOM_SRC)))
STANDIN_SRC := $(wildcard tests/standin/*.c)
STANDIN_OBJ := $(patsubst %.c,$(OBJ)/%.o,$(STANDIN_SRC))
UNIT_SRC    := $(wildcard tests/unit/*/test_*.c)
UNIT_BIN    := $(patsubst tests/unit/%.c,$(BIN)/unit/%,$(UNIT_SRC))
FUZZ_SRC    := $(wildcard tests/fuzz/fuzz_*.c)
REPLAY_BIN  := $(patsubst tests/fuzz/%.c,$(BIN)/replay/%,$(FUZZ_SRC))
FUZZ_BIN    := $(patsubst tests/fuzz/%.c,$(BIN)/fuzz/%,$(FUZZ_SRC))

ENSURE := tests/install/ensure.sh
TESTED  = BARKEEP=$(abspath $(BIN)/barkeep) STANDIN=$(abspath $(BIN)/barkeep-standin)

.PHONY: all binaries unit-binaries replay-binaries vector-binaries fuzz-binaries help deps run test test-run interop bench fuzz fuzz-run \
        lint lint-run sanitize valgrind valgrind-run coverage install clean
all: binaries

# Objects that only a pattern rule asked for are kept: they are what the next build saves.
.SECONDARY:

help:
	@echo 'make            build build/barkeep and build/barkeep-standin'
	@echo 'make run        install what is missing, build, show barkeep at work (ONCE=1: check and exit)'
	@echo 'make test       install what is missing, run every test (MODE=asan|tsan: under that sanitizer)'
	@echo 'make interop    real clients and upstreams from npm against barkeep'
	@echo 'make bench      every figure that has a bound, beside HAProxy, nginx and Apache'
	@echo 'make fuzz       every fuzz target for FUZZ_SECONDS (60)'
	@echo 'make lint       clang-format, clang-tidy, cppcheck, both compilers with -Werror'
	@echo 'make sanitize   make test under ASan+UBSan, then under TSan'
	@echo 'make valgrind   the unit tests under valgrind'
	@echo 'make coverage   make test with coverage, report in build/coverage'
	@echo 'make install    PREFIX=/usr/local DESTDIR='
	@echo 'make deps       install the packages for building'
	@echo 'make clean      remove build/'

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

# The fuzz targets' corpus, fed by the ordinary compiler's build.
$(BIN)/replay/%: $(OBJ)/tests/fuzz/%.o $(OBJ)/tests/fuzz/replay_main.o $(OBJ)/rooms.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $< $(OBJ)/tests/fuzz/replay_main.o $(OBJ)/rooms.a $(PKG_LIBS)

replay-binaries: $(REPLAY_BIN)

$(BIN)/bench/%: $(OBJ)/tests/bench/%.o $(OBJ)/rooms.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $< $(OBJ)/rooms.a $(PKG_LIBS)

# The verifier and the judge of tokens as doors of their own, for vectors.
vector-binaries: $(BIN)/jws_driver $(BIN)/token_driver

$(BIN)/%_driver: $(OBJ)/tests/vectors/%_driver.o $(OBJ)/rooms.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $< $(OBJ)/rooms.a $(PKG_LIBS)

$(BIN)/fuzz/%: $(OBJ)/tests/fuzz/%.o $(OBJ)/rooms.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $< $(OBJ)/rooms.a $(PKG_LIBS)

fuzz-binaries: $(FUZZ_BIN)

$(OBJ)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

-include $(shell find $(OBJ) -name '*.d' 2>/dev/null)

# What installs packages runs make again afterwards, so that the build sees them.

deps:
	@$(ENSURE) build

run:
	@$(ENSURE) build run
	@echo building
	@$(MAKE) --no-print-directory -s -j$(JOBS) all
	@$(TESTED) $(PYTHON) tests/run/demo.py $(if $(filter-out 0,$(ONCE)),--once)

test:
	@$(ENSURE) build run test
	@$(MAKE) --no-print-directory -j$(JOBS) test-run

test-run: all unit-binaries replay-binaries vector-binaries
	@$(TESTED) MODE=$(MODE) BIN=$(abspath $(BIN)) $(PYTHON) tests/run_all

# Node from elsewhere than Debian brings npm along and stands in the way of Debian's.
interop:
	@$(ENSURE) build test
	@command -v node >/dev/null && command -v npm >/dev/null || $(ENSURE) interop
	@$(MAKE) --no-print-directory -s -j$(JOBS) all
	@$(TESTED) $(PYTHON) tests/interop/run

bench:
	@$(ENSURE) build run bench
	@$(MAKE) --no-print-directory -s -j$(JOBS) all
	@$(MAKE) --no-print-directory -s -j$(JOBS) $(BIN)/bench/bench_tokens $(BIN)/bench/bench_identity_lines \
	    $(BIN)/bench/bench_leaks $(BIN)/bench/bench_policy $(BIN)/bench/bench_json \
	    $(BIN)/bench/bench_mcp_filter
	@taskset -c 0 $(BIN)/bench/bench_tokens
	@taskset -c 0 $(BIN)/bench/bench_policy
	@taskset -c 0 $(BIN)/bench/bench_identity_lines
	@taskset -c 0 $(BIN)/bench/bench_leaks
	@taskset -c 0 $(BIN)/bench/bench_json
	@taskset -c 0 $(BIN)/bench/bench_mcp_filter
	@$(TESTED) $(PYTHON) tests/bench/bench_garbage.py --rounds $(BENCH_ROUNDS)
	@$(TESTED) $(PYTHON) tests/bench/bench_injection.py
	@$(TESTED) $(PYTHON) tests/bench/interleave.py
	@$(TESTED) $(PYTHON) tests/bench/bench.py --rounds $(BENCH_ROUNDS) --seconds $(BENCH_SECONDS) --json $(BUILD)/bench.json

fuzz:
	@$(ENSURE) build clang
	@$(MAKE) --no-print-directory -j$(JOBS) MODE=fuzz CC=clang fuzz-run

fuzz-run: fuzz-binaries
	@tests/fuzz/run_all $(FUZZ_SECONDS) $(FUZZ_BIN)

SOURCES = $(wildcard *.c $(ROOMS:%=%/*.[ch]) proxy/mcp/*.[ch] tests/*/*.[ch] tests/unit/*/*.[ch])
TIDY = $(patsubst %,tidy/%,$(filter %.c,$(SOURCES)))
.PHONY: $(TIDY)

lint:
	@$(ENSURE) build test clang lint
	@$(MAKE) --no-print-directory lint-run

lint-run:
	clang-format --dry-run -Werror $(SOURCES)
	$(MAKE) --no-print-directory -s -j$(JOBS) BUILD=$(BUILD)/lint/gcc CC=gcc CFLAGS=-Werror all unit-binaries replay-binaries vector-binaries
	$(MAKE) --no-print-directory -s -j$(JOBS) BUILD=$(BUILD)/lint/clang CC=clang CFLAGS=-Werror all unit-binaries replay-binaries vector-binaries
	$(MAKE) --no-print-directory -s -k -j$(JOBS) $(TIDY)
	cppcheck --quiet --error-exitcode=1 --inline-suppr --suppress=missingIncludeSystem -I. \
	    $(filter %.c,$(filter-out tests/%,$(SOURCES)))

$(TIDY): tidy/%: %
	clang-tidy --quiet --warnings-as-errors='*' $< -- $(filter-out -f% -D_FORTIFY%,$(ALL_CFLAGS))

sanitize:
	$(MAKE) MODE=asan test
	$(MAKE) MODE=tsan test

valgrind:
	@$(ENSURE) build test valgrind
	@$(MAKE) --no-print-directory -j$(JOBS) MODE=debug valgrind-run

valgrind-run: unit-binaries
	@bad=; for unit in $(UNIT_BIN); do echo "$$unit"; \
	    valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=definite,possible \
	        $$unit >/dev/null || bad="$$bad $$unit"; done; \
	    [ -z "$$bad" ] || { echo "failed:$$bad"; exit 1; }

coverage:
	@$(ENSURE) build run test coverage
	$(MAKE) MODE=coverage test
	@mkdir -p $(BUILD)/coverage
	gcovr --root . --object-directory $(BUILD)/obj/coverage $(ROOMS:%=--filter '%/') --print-summary \
	    --html-details $(BUILD)/coverage/index.html

install: all
	install -D -m 755 $(BIN)/barkeep $(DESTDIR)$(PREFIX)/bin/barkeep
	install -D -m 755 $(BIN)/barkeep-standin $(DESTDIR)$(PREFIX)/bin/barkeep-standin
	install -D -m 644 packaging/barkeep.8 $(DESTDIR)$(PREFIX)/share/man/man8/barkeep.8
	install -D -m 644 packaging/barkeep.yaml $(DESTDIR)$(PREFIX)/share/barkeep/barkeep.yaml
	@mkdir -p $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|@PREFIX@|$(PREFIX)|g' packaging/barkeep.service >$(DESTDIR)$(PREFIX)/lib/systemd/system/barkeep.service

clean:
	rm -rf $(BUILD)
