# Every target sets up what it needs, says what it does, and fails with a sentence. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

CARGO ?= cargo
ARGS ?=
# One folder for all builds, also where CARGO_TARGET_DIR or a cargo configuration names another.
TARGET = $(shell $(CARGO) metadata --format-version 1 --no-deps --offline 2>/dev/null | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
# Runs on any Linux of the platform, whatever its C library.
STATIC = x86_64-unknown-linux-musl

.PHONY: help build run host test test-rust test-js test-package test-openapi azurite package lint bench crash fuzz clean

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

build: bin/handler ## The release build, as bin/handler (what host.json starts)

.PHONY: bin/handler
bin/handler:
	@scripts/need rust
	echo "Building the handler (release) …"
	$(CARGO) build --release --locked -p handler
	mkdir -p bin
	# A new file under the old name: a handler that is running keeps its own.
	cp $(TARGET)/release/handler bin/handler.new
	mv bin/handler.new bin/handler

run: build ## The whole backend on this machine: http://127.0.0.1:5000, data in ./data
	@exec env STORAGE_MODE="$${STORAGE_MODE:-file}" bin/handler

host: build ## The same binary as the Functions host runs it, on http://127.0.0.1:7071
	@echo "Building the host double …"
	# Together: each by itself would build what they share with other features.
	$(CARGO) build --release --locked -p handler -p funchost
	exec $(TARGET)/release/funchost --app . --port 7071 $(ARGS)

package: ## dist/chat-functions.zip for Azure Functions, with a static program; looked at and run under the host double
	@scripts/need rust
	scripts/need musl
	echo "Building the handler (release, static) …"
	$(CARGO) build --release --locked -p handler --target $(STATIC)
	$(CARGO) build --release --locked -p handler -p funchost
	scripts/package --binary $(TARGET)/$(STATIC)/release/handler --out dist/chat-functions.zip
	STATIC=1 PACKAGE=dist/chat-functions.zip FUNCHOST=$(TARGET)/release/funchost python3 tests/package/test_package.py

test: test-rust test-js test-package test-openapi ## All tests: Rust, the client module, the official SDKs, the package and generated calls against bin/handler

test-rust: azurite
	@scripts/need rust
	$(CARGO) test --workspace --locked

test-js: build
	@scripts/need node
	scripts/npm webclient
	(cd webclient && npm test)
	scripts/npm tests/js
	cd tests/js && npm test

azurite: ## The emulator of Azure Storage, which the Rust tests of the table store start
	@scripts/need node
	scripts/npm tests/azurite

# The same zip around the program that the other tests use: a second build for one test would cost minutes.
test-package: build
	@$(CARGO) build --release --locked -p handler -p funchost
	scripts/package --binary bin/handler --out $(TARGET)/package/chat-functions.zip
	PACKAGE=$(TARGET)/package/chat-functions.zip FUNCHOST=$(TARGET)/release/funchost python3 tests/package/test_package.py

test-openapi: build ## Generated calls of every route against openapi.json (EXAMPLES=500 for the long run, SEED=n for others)
	@scripts/need python
	scripts/venv tests/openapi
	HANDLER=bin/handler python3 tests/openapi/test_openapi.py

lint: ## Formatting, clippy and documentation, warnings are errors
	@scripts/need rust
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked
	if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny check bans licenses sources; else
	echo "cargo-deny is not installed: licences and sources were not checked (cargo install cargo-deny)."; fi

bench: ## Load generator and peers; writes bench/RESULTS.md (ARGS=--quick for a short look)
	@scripts/need rust
	scripts/need node
	scripts/need nats-server
	scripts/npm bench/peers
	$(CARGO) build --release --locked -p handler -p bench
	$(TARGET)/release/bench --out bench/RESULTS.md $(ARGS)

crash: ## Kill -9 at random moments under load, then count (ARGS="--kills 1000" for the long run)
	@scripts/need rust
	$(CARGO) build --release --locked -p handler -p bench
	$(TARGET)/release/crash $(ARGS)

fuzz: ## One minute of every fuzz target (needs the nightly toolchain and cargo-fuzz)
	@scripts/fuzz $${SECONDS_EACH:-60}

clean: ## Remove builds, not data
	$(CARGO) clean
	rm -rf bin dist webclient/dist webclient/node_modules tests/js/node_modules tests/azurite/node_modules bench/peers/node_modules
