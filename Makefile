# A thin layer of habits over Meson; everything of substance is in meson.build.
# `make` builds into build/; `sudo make demo` and `sudo make check` install what they need first.

BUILD ?= build

.PHONY: all setup demo demo-tunnel check fuzz cross bench format clean

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

$(BUILD)/build.ninja:
	meson setup $(BUILD)

setup:
	./setup build

demo:
	./setup demo
	$(MAKE) all
	test/netns/demo

demo-tunnel:
	./setup demo
	$(MAKE) all
	test/netns/demo-tunnel

check:
	./setup check
	test/check

# For as long as asked, and what is asked: make fuzz ARGS="--seconds 3600 messages"
fuzz:
	./setup check
	test/fuzz/run $(ARGS)

# Everything on every other machine: make cross ARGS=arm64
cross:
	./setup cross
	$(MAKE) all
	ninja -C $(BUILD) adit-sim
	test/cross $(ARGS)

bench:
	./setup check
	$(MAKE) all
	ninja -C $(BUILD) bench/aead bench/allowedips bench/flood
	bench/run $(ARGS)

format:
	git ls-files '*.c' '*.h' | xargs clang-format -i

clean:
	rm -rf build build-*
