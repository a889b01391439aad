# make              the module for this machine's nginx, and registryctl, in
#                   build/
# make registryctl  the command alone, which needs no nginx
# make install      the module to where nginx looks for it, registryctl with its
#                   manual below PREFIX=/usr, an example; DESTDIR= for packages
# make uninstall    takes them away again
# make run          install what is missing, build, run on 127.0.0.1:5000
#                   (PORT=5001 for another port)
# make test         install what is missing and run every test
# make check        build, unit tests, t/*.t; no real clients, nothing to fetch
# make unit         unit tests and the fuzzers' corpora, under ASan and UBSan
# make asan         t/*.t against an nginx under ASan and UBSan
# make torture      the fault, concurrency and model tests for hours, not minutes
# make tsan         the unit tests that use threads, under ThreadSanitizer
# make valgrind     a few of t/*.t against an nginx under valgrind
# make fuzz         each fuzzer for TIME seconds (TIME=600), by libFuzzer
# make matrix       build and test on the nginx of each Debian suite
# make bench        compare with distribution and with nginx's own modules
#                   (ARGS="--quick" and other options of bench/run)
# make analyse      gcc -fanalyzer, clang-tidy and cppcheck over the sources
# make lint         shellcheck, and nginx -t over conf.examples
# make clean        remove build/ (not var/)
#
# run and test are ci/run.sh and ci/test.sh, which need no make to start.
# CC chooses the compiler, BUILD another folder than build/.

ifeq ($(origin CC),default)
CC    = cc
endif

CLANG ?= clang
TIME  ?= 60
PORT  ?= 5000

BUILD ?= build

export CC BUILD PORT DESTDIR PREFIX MODULES_PATH CONF_PATH

WARN  = -Wall -Wextra -Werror
# struct stat is one for all, and knows large files, where a word has 32 bits
LARGE = -D_FILE_OFFSET_BITS=64
SAN   = -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer

CORE  := $(shell sed -e 's/\#.*//' src/core/sources 2>/dev/null)
DIRS  := $(sort $(dir $(CORE)))
TESTS := $(wildcard t/unit/*_test.c)
# what the unit tests share
UTIL  := $(filter-out $(TESTS),$(wildcard t/unit/*.c))
FUZZ  := $(patsubst t/fuzz/%_fuzz.c,%,$(wildcard t/fuzz/*_fuzz.c))

PKGS  = libssl libcrypto libpcre2-8 jansson libcrypt
INCS  = -Isrc $(DIRS:%=-I%) -It/unit -It/fuzz
LIBS  = $(shell pkg-config --libs $(PKGS)) -lpthread $(ATOMIC)

# where the processor, as an ARMv6, has no instructions for atomics of 64 bits
ATOMIC = $(shell echo \
	'_Atomic unsigned long long n; int main(void) { return (int) n++; }' \
	| $(CC) $(CFLAGS) -x c -o /dev/null - 2>/dev/null || echo -latomic)

CFLAGS_UNIT = -O1 -g $(WARN) $(SAN) $(LARGE) $(INCS) \
	$(shell pkg-config --cflags $(PKGS)) $(CFLAGS)

U     = $(BUILD)/unit
F     = $(BUILD)/fuzz

UNITS   = $(patsubst t/unit/%.c,$(U)/%,$(TESTS))
REPLAYS = $(FUZZ:%=$(F)/%_replay)
FUZZERS = $(FUZZ:%=$(F)/%)

# a failed command leaves no half-made file behind
.DELETE_ON_ERROR:

.PHONY: all module registryctl install uninstall run test check unit \
	unit-programs shim asan torture fuzz fuzz-programs analyse tsan valgrind \
	matrix bench lint clean word32 FORCE

# what registryctl needs may have to be installed for the module
all: module
	@$(MAKE) --no-print-directory registryctl

module:
	@sh ci/deps.sh build
	@sh ci/module.sh

registryctl: $(BUILD)/registryctl

# builds nothing, so that root, who installs, leaves no files in build/
install uninstall:
	@sh ci/install.sh $@

run:
	@sh ci/run.sh

test:
	@sh ci/test.sh

check:
	@sh ci/test.sh lint build unit api

unit:
	@sh ci/test.sh unit

asan:
	@sh ci/test.sh asan

torture:
	@sh ci/torture.sh

matrix:
	@sh ci/matrix.sh

lint:
	@sh ci/test.sh lint

analyse tsan valgrind:
	@sh ci/test.sh $@

bench: module
	@sh ci/deps.sh build bench
	@sh ci/tools.sh registry || echo "without the newest distribution" >&2
	@BENCH_DISTRIBUTION=$$(PATH=$(abspath $(BUILD))/tools/bin:$$PATH \
		command -v registry) perl bench/run $(ARGS)

clean:
	rm -rf $(BUILD)


# --- unit tests and replays: the core once, as an archive --------------------

unit-programs: $(UNITS) $(REPLAYS)

CORE_OBJS = $(CORE:%.c=$(U)/obj/%.o)
UTIL_OBJS = $(UTIL:%.c=$(U)/obj/%.o)
FUZZ_OBJS = $(FUZZ:%=$(U)/obj/t/fuzz/%_fuzz.o) $(U)/obj/t/fuzz/replay.o

$(U)/libcore.a: $(CORE_OBJS) $(UTIL_OBJS)
	@rm -f $@
	@$(AR) rcs $@ $^

$(U)/obj/%.o: %.c $(U)/flags
	@mkdir -p $(@D)
	@echo "  CC $<"
	@$(CC) $(CFLAGS_UNIT) -MMD -MP -c -o $@ $<

$(UNITS): $(U)/%: $(U)/obj/t/unit/%.o $(U)/libcore.a
	@$(CC) $(CFLAGS_UNIT) -o $@ $< $(U)/libcore.a $(LIBS)

$(REPLAYS): $(F)/%_replay: $(U)/obj/t/fuzz/%_fuzz.o \
		$(U)/obj/t/fuzz/replay.o $(U)/libcore.a
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS_UNIT) -o $@ $^ $(LIBS)

# Objects of two compilers, or of other flags, must not meet; nor those of a
# BUILD that was spelled in another way: the .d files name it as it was then.
$(U)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(BUILD) $(CC) $(CFLAGS_UNIT) $(CORE)' | cmp -s - $@ \
		|| echo '$(BUILD) $(CC) $(CFLAGS_UNIT) $(CORE)' > $@

.SECONDARY: $(UNITS:$(U)/%=$(U)/obj/t/unit/%.o) $(FUZZ_OBJS)

-include $(wildcard $(U)/obj/t/*/*.d $(U)/obj/src/core/*/*.d)


# --- registryctl: the same core, and src/cli over it --------------------------

C     = $(BUILD)/cli
CLI  := $(wildcard src/cli/*.c)

CFLAGS_CLI = -O2 -g -fPIE -fstack-protector-strong -U_FORTIFY_SOURCE \
	-D_FORTIFY_SOURCE=2 -ffile-prefix-map=$(CURDIR)=. $(WARN) $(LARGE) \
	-Isrc $(DIRS:%=-I%) $(shell pkg-config --cflags $(PKGS)) $(CFLAGS)

# what the command needs besides: tars
LIBS_CLI = $(shell pkg-config --libs libarchive)

LDFLAGS_CLI = -pie -Wl,-z,relro -Wl,-z,now -Wl,--as-needed $(LDFLAGS)

$(BUILD)/registryctl: $(CLI:%.c=$(C)/obj/%.o) $(C)/libcore.a
	@$(CC) $(CFLAGS_CLI) $(LDFLAGS_CLI) -o $@ $^ $(LIBS) $(LIBS_CLI)
	@echo "==> built $@" >&2

$(C)/libcore.a: $(CORE:%.c=$(C)/obj/%.o)
	@rm -f $@
	@$(AR) rcs $@ $^

$(C)/obj/%.o: %.c $(C)/flags
	@mkdir -p $(@D)
	@echo "  CLI $<"
	@$(CC) $(CFLAGS_CLI) -MMD -MP -c -o $@ $<

$(C)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(BUILD) $(CC) $(CFLAGS_CLI) $(LDFLAGS_CLI) $(CORE) $(CLI)' | cmp -s - $@ \
		|| echo '$(BUILD) $(CC) $(CFLAGS_CLI) $(LDFLAGS_CLI) $(CORE) $(CLI)' > $@

-include $(wildcard $(C)/obj/src/*/*.d $(C)/obj/src/*/*/*.d)


# --- words of 32 bits --------------------------------------------------------

# On x86_64, with the headers that are there: nothing is linked.
CFLAGS_32 = -m32 -fsyntax-only -O1 -Wno-psabi $(WARN) $(LARGE) -Isrc \
	$(DIRS:%=-I%) $(shell pkg-config --cflags $(PKGS)) \
	-idirafter /usr/include/x86_64-linux-gnu

word32: $(CORE:%=$(BUILD)/word32/%) $(CLI:%=$(BUILD)/word32/%)

$(BUILD)/word32/%: % FORCE
	@$(CC) $(CFLAGS_32) $<


# --- the shim that faults are injected by -------------------------------------

CFLAGS_SHIM = -O2 -g -fPIC -D_GNU_SOURCE -U_FORTIFY_SOURCE $(WARN)

shim: $(BUILD)/shim/fault.so

SHIM := $(wildcard t/shim/*.c)

$(BUILD)/shim/fault.so: $(SHIM) t/shim/fault.h
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS_SHIM) -shared -o $@ $(SHIM)


# --- libFuzzer ---------------------------------------------------------------

fuzz:
	@sh ci/deps.sh build fuzz
	@sh ci/fuzz.sh $(TIME)

fuzz-programs: $(FUZZERS)

FUZZ_CORE = $(CORE:%.c=$(F)/obj/%.o)

CFLAGS_FUZZ = -O1 -g $(WARN) -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=undefined -fno-omit-frame-pointer $(LARGE) \
	$(INCS) $(shell pkg-config --cflags $(PKGS)) $(CFLAGS)

$(F)/libcore.a: $(FUZZ_CORE)
	@rm -f $@
	@$(AR) rcs $@ $^

$(F)/obj/%.o: %.c $(F)/flags
	@mkdir -p $(@D)
	@echo "  FUZZ $<"
	@$(CLANG) $(CFLAGS_FUZZ) -MMD -MP -c -o $@ $<

$(FUZZERS): $(F)/%: $(F)/obj/t/fuzz/%_fuzz.o $(F)/libcore.a
	@$(CLANG) $(CFLAGS_FUZZ) -fsanitize=fuzzer -o $@ $^ $(LIBS)

$(F)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(BUILD) $(CLANG) $(CFLAGS_FUZZ) $(CORE)' | cmp -s - $@ \
		|| echo '$(BUILD) $(CLANG) $(CFLAGS_FUZZ) $(CORE)' > $@

.SECONDARY: $(FUZZ:%=$(F)/obj/t/fuzz/%_fuzz.o)

-include $(wildcard $(F)/obj/t/*/*.d $(F)/obj/src/core/*/*.d)
