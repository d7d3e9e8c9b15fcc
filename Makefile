# What to do with this repository. `make help` lists it.
#
# The Python of the tests: PYTHON, else the active virtual environment, else python3 (.ci/python). The program takes none to build.

SHELL := /bin/bash
CARGO ?= cargo
PREFIX ?= /usr/local
DESTDIR ?=
SYSCONFDIR ?=
PROGRAM ?= $(TARGET_DIR)/release/pyfcgid
DEMO_PORT ?= 8080
DEMO_ONCE ?=
BENCH_OPTIONS ?=
GUARD_OPTIONS ?=
NIGHTLY ?= nightly
APPLICATIONS ?=
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?= records params session head
# More than a record can hold, so that long ones and several are tried.
FUZZ_LENGTH ?= 80000
# Only the bodies that do not fit in memory use files.
MIRI_OPTIONS ?= -Zmiri-disable-isolation
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
QUICK ?=
FRESH_RELEASES ?= bookworm trixie
INSTALLED_RELEASES ?= bookworm trixie
INSTALLED_OPTIONS ?=
DEB_VERSION ?=
HOSTILE_SECONDS ?= 60
HOSTILE_ONLY ?=
DEADLINES_SECONDS ?= 300
WHEEL_TARGET ?= x86_64-unknown-linux-gnu
# Those for which crates.io is enough. `make deny DENY=advisories` fetches the database of advisories from where it is kept.
DENY ?= bans licenses sources
# What tests and measures takes nothing of the caller's environment but the toolchain's.
CLEANLY = .ci/environment
# What runs each test executable.
RUNNER = --config "target.'cfg(all())'.runner = '.ci/run-test'"
# Modules for Python are built for all of them, and without any.
export PYO3_NO_PYTHON = 1
TARGET_DIR = $(or $(CARGO_TARGET_DIR),target)
INSTALLATION = PROGRAM='$(PROGRAM)' PAGES='$(TARGET_DIR)/pages' PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' SYSCONFDIR='$(SYSCONFDIR)'
WRITE_PAGES = $(CLEANLY) $(CARGO) run --locked --quiet --package pyfcgid-pages --

.DEFAULT_GOAL := help
# One step after the other: they share target/ and, on a small machine, the memory.
.NOTPARALLEL:

.PHONY: help
help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: build
build: cargo ## build the release binary, target/release/pyfcgid
	@.ci/install-packages build
	$(CARGO) build --release --locked

.PHONY: demo
demo: cargo ## build, and show a page through a real nginx (DEMO_PORT=8080; DEMO_ONCE=1 ends by itself)
	@DEMO_PORT='$(DEMO_PORT)' DEMO_ONCE='$(DEMO_ONCE)' $(CLEANLY) .ci/demo

# Most tests wait most of their time: meanwhile what the guard counts is built, and the documentation.
.PHONY: test
test: cargo test-packages venv fmt clippy ## set up what is missing, then check and test everything
	.ci/meanwhile $(MAKE) --no-print-directory build-guard doc -- $(MAKE) --no-print-directory test-all test-other-python
	@$(MAKE) --no-print-directory doc guard
	@.ci/list-servers

.PHONY: check-fast
check-fast: cargo fmt ## format, lints and the tests that need no Python and no web server
	$(CLEANLY) $(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CLEANLY) $(CARGO) test --locked --quiet --workspace --no-default-features

.PHONY: fresh
fresh: ## run the README's two commands in new roots of Debian 12 and 13 (takes root; FRESH_RELEASES='bookworm trixie')
	@.ci/fresh $(FRESH_RELEASES)

.PHONY: hostile
hostile: cargo ## let one pool attack everything for a minute while another serves (takes root; HOSTILE_SECONDS=60, HOSTILE_ONLY=link)
	PYFCGID_HOSTILE_SECONDS='$(HOSTILE_SECONDS)' $(if $(HOSTILE_ONLY),PYFCGID_HOSTILE_ONLY='$(HOSTILE_ONLY)') $(CLEANLY) .ci/leaving-nothing \
	    $(CARGO) test --locked --release --test hostile -- --nocapture hostile_application

.PHONY: deadlines
deadlines: cargo test-packages ## let requests hang in every way behind each web server, in waves, and among good ones (takes minutes; DEADLINES_SECONDS=300)
	PYFCGID_DEADLINES_SECONDS='$(DEADLINES_SECONDS)' $(CLEANLY) .ci/leaving-nothing \
	    $(CARGO) test --locked --release --test deadlines -- --ignored --nocapture --test-threads 1

.PHONY: bench
bench: cargo ## measure against other servers (QUICK=1: rough, but soon done; BENCH_OPTIONS='--only alone')
	@.ci/install-packages build
	@.ci/install-packages bench || echo 'Some servers are missing, and will be listed as such.' >&2
	$(CLEANLY) python3 benches/compare $(if $(QUICK),--quick) $(BENCH_OPTIONS)

# The environments of the applications are made with the Python of the tests.
.PHONY: applications
applications: cargo ## run other people's applications from PyPI behind nginx and Apache (APPLICATIONS='trac zope'; an hour and 4 GB for all)
	@.ci/install-packages build applications
	$(CLEANLY) bash -c '$(CARGO) build --release --locked && exec "$$PYTHON" tests/applications --proof $(APPLICATIONS)'

.PHONY: pythons
pythons: cargo ## run a pool in every Python there is, Debian sid's too, and refuse what is none (takes root, and minutes)
	@.ci/install-packages build pythons
	$(CLEANLY) bash -c '$(CARGO) build --release --locked && exec "$$PYTHON" tests/pythons'

.PHONY: wheel
wheel: cargo ## build and check the wheel in target/wheels (WHEEL_TARGET=aarch64-unknown-linux-gnu)
	@.ci/install-packages build wheel
	$(CLEANLY) packaging/wheel/build $(WHEEL_TARGET)

.PHONY: sdist
sdist: cargo ## pack the committed source for pip, in target/wheels
	@.ci/install-packages wheel
	$(CLEANLY) packaging/wheel/sdist

.PHONY: wheels
wheels: wheel sdist ## install wheel and sdist in every Python there is, serve a page, and remove them (takes minutes)
	@.ci/install-packages pythons
	$(CLEANLY) bash -c 'exec "$$PYTHON" tests/wheels $(TARGET_DIR)/wheels/*manylinux*_x86_64.whl --sdist $(TARGET_DIR)/wheels/*.tar.gz'

.PHONY: rpm
rpm: wheel pages ## make and check the RPM in target/rpm, with the program of the wheel
	@.ci/install-packages rpm
	$(CLEANLY) packaging/rpm/build

.PHONY: container
container: cargo ## carry out the Containerfile in a new root, and show a page through the compose file's nginx (takes root, and minutes)
	@.ci/install-packages build wheel container
	$(CLEANLY) bash -c 'exec "$$(packaging/tools)/bin/python" tests/container'

.PHONY: deny
deny: cargo ## check the licences, duplicates and sources of all dependencies (DENY=advisories: what is known against them)
	@command -v cargo-deny >/dev/null || $(CARGO) install --locked cargo-deny
	$(CARGO) deny --locked --workspace check $(DENY)

.PHONY: release
release: deny wheel sdist deb rpm ## put all packages into target/dist, with SHA256SUMS and what they are made of (CycloneDX)
	@command -v cargo-cyclonedx >/dev/null || $(CARGO) install --locked cargo-cyclonedx
	$(CLEANLY) packaging/release

.PHONY: guard
guard: cargo ## count the instructions of a request and compare them with the committed figure (GUARD_OPTIONS='--only walk')
	@.ci/install-packages build guard
	$(CLEANLY) benches/instructions $(GUARD_OPTIONS)

.PHONY: build-guard
build-guard:
	$(CLEANLY) benches/instructions --build

.PHONY: pages
pages: cargo ## write the manual pages, the completions and the schema of the configuration file to target/pages
	$(WRITE_PAGES) all '$(TARGET_DIR)/pages' "$$(date -u -d "@$${SOURCE_DATE_EPOCH:-$$(date +%s)}" +%F)"

.PHONY: reference
reference: cargo ## write docs/reference.md and docs/messages.md, from the tables of options and codes
	$(WRITE_PAGES) reference docs/reference.md
	$(WRITE_PAGES) messages docs/messages.md

.PHONY: fuzz
fuzz: nightly ## fuzz every parser, the session and the response head (FUZZ_SECONDS=60 each)
	@command -v cargo-fuzz >/dev/null || $(CARGO) install --locked cargo-fuzz
	$(CARGO) run --manifest-path crates/fastcgi/fuzz/Cargo.toml --example seed
	@for target in $(FUZZ_TARGETS); do \
	    place=crates/fastcgi/fuzz; [[ $$target != head ]] || place=fuzz; \
	    $(CARGO) +$(NIGHTLY) fuzz run --fuzz-dir $$place $$target -- -max_len=$(FUZZ_LENGTH) -timeout=10 -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 \
	        || exit 1; done

.PHONY: miri
miri: nightly ## run the tests of the codec and of what crosses to the workers under Miri
	@rustup +$(NIGHTLY) component add miri rust-src
	MIRIFLAGS='$(MIRI_OPTIONS)' $(CARGO) +$(NIGHTLY) miri test --locked -p fastcgi-codec --lib
	MIRIFLAGS='$(MIRI_OPTIONS)' $(CARGO) +$(NIGHTLY) miri test --locked -p pyfcgid-connections --lib -- exchange::
	MIRIFLAGS='$(MIRI_OPTIONS)' $(CARGO) +$(NIGHTLY) miri test --locked -p pyfcgid-child --lib -- exclusive:: interruption::

.PHONY: tsan
tsan: nightly ## run the event loop's tests, its threads, under ThreadSanitizer
	@rustup +$(NIGHTLY) component add rust-src
	RUSTFLAGS=-Zsanitizer=thread $(CARGO) +$(NIGHTLY) test --locked -Zbuild-std --target $(HOST) --no-default-features \
	    --package pyfcgid-connections --package pyfcgid --lib --test event_loop --test simulation -- --skip every_id_there_is

.PHONY: shuttle
shuttle: cargo ## try how the scheduler's threads may interleave, in thousands of ways
	RUSTFLAGS='--cfg shuttle' $(CLEANLY) $(CARGO) test --locked --target-dir '$(TARGET_DIR)/shuttle' --package pyfcgid-connections --lib -- scheduler::

.PHONY: nightly
nightly: cargo
	@$(CARGO) +$(NIGHTLY) --version >/dev/null || { \
	    echo "This takes a nightly toolchain: rustup toolchain install nightly" >&2; exit 1; }

.PHONY: deb
deb: build pages ## make target/deb/pyfcgid_VERSION.deb for Debian 12 and later (DEB_VERSION=: another version)
	@.ci/install-packages deb
	DEB_VERSION='$(DEB_VERSION)' packaging/deb

# The load generator is what the benchmarks have.
.PHONY: installed
installed: deb ## try that package on new machines that systemd boots (takes root, and minutes; INSTALLED_RELEASES='bookworm trixie')
	@.ci/install-packages installed
	$(CLEANLY) bash -c 'load=$$($(CARGO) bench --locked --bench load --no-run --message-format json | sed -n "s/.*\"name\":\"load\".*\"executable\":\"\([^\"]*\)\".*/\1/p") && \
	    exec /usr/bin/python3 tests/installed --load "$$load" --package "$(TARGET_DIR)/deb/pyfcgid.deb" $(INSTALLED_OPTIONS) $(INSTALLED_RELEASES)'

# Builds nothing: root often has no cargo, and what root builds nobody else can build again.
.PHONY: install
install: ## install what `make build pages` built (PREFIX=/usr/local, DESTDIR=; SYSCONFDIR=/etc: to start with the machine)
	@$(INSTALLATION) packaging/install

.PHONY: uninstall
uninstall: ## remove what `make install` with the same settings has installed, but for what was changed since
	@$(INSTALLATION) packaging/install uninstall

.PHONY: clean
clean: ## remove what was built, and .venv
	$(CARGO) clean
	rm -rf .venv

.PHONY: cargo
cargo:
	@command -v $(CARGO) >/dev/null || { \
	    echo "There is no cargo: install Rust, $$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml) or newer." >&2; exit 1; }

.PHONY: test-packages
test-packages:
	@.ci/install-packages build test

.PHONY: venv
venv: ## make .venv, with what the tests need from PyPI
	@.ci/install-packages test
	@.ci/make-venv

.PHONY: fmt
fmt:
	$(CLEANLY) $(CARGO) fmt --all --check

.PHONY: clippy
clippy:
	$(CLEANLY) $(CARGO) clippy --locked --workspace --all-targets --features pyfcgid-child/python -- -D warnings
	$(CLEANLY) $(CARGO) clippy --locked --workspace --all-targets --no-default-features -- -D warnings

.PHONY: doc
doc:
	RUSTDOCFLAGS='-D warnings' $(CLEANLY) $(CARGO) doc --locked --workspace --no-deps

# That the module runs in another Python, too. Which there is depends on the machine; `make pythons` brings its own. Of a part of the workspace
# much would be built again.
.PHONY: test-other-python
test-other-python:
	@other="$$(.ci/other-python)"; if [[ -n $$other ]]; then \
	    echo "Testing the module in $$other" && \
	    PYTHON="$$other" $(CLEANLY) .ci/leaving-nothing $(CARGO) test --locked --quiet --workspace $(RUNNER) --test wsgi; \
	else echo 'There is no other Python here: the module was tested in one.'; fi

.PHONY: test-all
test-all:
	$(CLEANLY) .ci/leaving-nothing $(CARGO) test --locked --workspace $(RUNNER) --no-fail-fast
