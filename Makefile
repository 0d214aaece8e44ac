# SPDX-License-Identifier: GPL-2.0-or-later
# The front door; meson builds.
PREFIX ?= /usr/local
BUILD ?= build
DEPS = tools/install-deps

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@$(DEPS) build
	meson setup --prefix=$(PREFIX) $(BUILD)

# A staged install gets DESTDIR from the environment.
install: all
	meson configure -Dprefix=$(PREFIX) $(BUILD)
	DESTDIR="$(DESTDIR)" meson install -C $(BUILD)

# Linux 6.1 in an emulated machine is one of the tests: without it that one is skipped.
test: all
	@$(DEPS) test
	@$(DEPS) vm || true
	BUILD=$(BUILD) tests/run

# As test, and what takes minutes: random kills, long soaks. What it counted goes into the page.
test-long: all
	@$(DEPS) test vm reference
	@rm -f $(BUILD)/figures
	BUILD=$(BUILD) tests/run --long --figures $(BUILD)/figures
	tools/reliability $(BUILD)/figures

# Against the real kernel, in an emulated machine: about two hours.
test-reference: all
	@$(DEPS) test vm reference
	BUILD=$(BUILD) tests/reference/run

# The packet and network tests under the oldest kernel that culvert supports, which takes hours:
# with REST=1 a run that was stopped goes on. Those that passed go into the page.
test-kernel61: all
	@$(DEPS) test vm reference
	BUILD=$(BUILD) tests/reference/suite --figures $(BUILD)/figures-6.1 $(if $(REST),--rest)
	tools/reliability $(BUILD)/figures-6.1

demo: all
	@$(DEPS) test
	BUILD=$(BUILD) demo/run

# Two tenants with the same private network behind one public device.
demo-gateway: all
	@$(DEPS) test
	BUILD=$(BUILD) demo/gateway

bench: all
	@$(DEPS) test bench
	BUILD=$(BUILD) bench/run
	BUILD=$(BUILD) bench/ipvlan

format lint:
	@$(DEPS) build lint
	BUILD=$(BUILD) tools/$@

clean:
	rm -rf $(BUILD)

.PHONY: all install test test-long test-reference test-kernel61 demo demo-gateway bench format lint clean
