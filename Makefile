# Two commands do all the set-up on a fresh machine: `make demo` and `make test`.

export PATH := $(HOME)/.cargo/bin:$(PATH)
TABLES := pin geo user
CRATES := $(TABLES:%=transforms/%)
# Transforms that only tests and benches use.
GUESTS := tests/guests/changeling tests/guests/wider
# Python with the S3 and Parquet clients that the tests use; inside the build's folder, so that removing it removes all.
CLIENTS := target/clients
# What makes components of JavaScript and Python, for the examples and the tests. Where there is no node, no Python or no
# registry, it is left out, and the tests say so.
LANGUAGES := target/languages
EXAMPLES = $(shell test -d $(LANGUAGES)/node_modules && echo transforms/examples/geo-js) \
	$(shell test -d $(LANGUAGES)/venv && echo transforms/examples/geo-python)

.PHONY: demo test golden torture-short torture torment fuzz mutants disks databases bench deny sbom setup components clients languages lint clean

demo: setup ## the whole pipeline on emulated posts, from the first request to the ten answers
	cargo build --release --package tidemill
	target/release/tidemill transform build $(CRATES)
	target/release/tidemill demo

test: setup disks databases clients languages ## everything: lints, unit tests, whole-system tests
	cargo fmt --all --check
	cargo fmt --all --check --manifest-path transforms/Cargo.toml
	cargo clippy --workspace --all-targets -- --deny warnings
	cargo build --workspace
	target/debug/tidemill transform build $(CRATES) $(GUESTS)
	TIDEMILL_CLIENTS=$(CURDIR)/$(CLIENTS)/bin/python cargo test --workspace
	cargo test --manifest-path transforms/Cargo.toml --workspace

golden: setup ## tests/golden/VERSION: the data folder of this release, for the tests of those that come after it
	cargo build --workspace
	target/debug/tidemill transform build $(CRATES) $(GUESTS)
	TIDEMILL_GOLDEN=make cargo test --workspace --test golden what_each_release

# What each harness does; another TIDEMILL_SEED draws other points.
SHORT := TIDEMILL_KILLS=2000 TIDEMILL_IO_FAULTS=1000 TIDEMILL_POWER_CUTS=100 TIDEMILL_SIM_SEEDS=5000 TIDEMILL_FLIPS=3000 \
	TIDEMILL_LAKE_SCHEDULES=300 TIDEMILL_HTTP_INPUTS=1000000 TIDEMILL_FUZZ=1000000 TIDEMILL_OVERLOAD_SECONDS=60 \
	TIDEMILL_RECORDS=10000000
LONG := TIDEMILL_KILLS=10000 TIDEMILL_IO_FAULTS=50000 TIDEMILL_POWER_CUTS=2000 TIDEMILL_SIM_SEEDS=200000 TIDEMILL_FLIPS=100000 \
	TIDEMILL_LAKE_SCHEDULES=5000 TIDEMILL_HTTP_INPUTS=50000000 TIDEMILL_FUZZ=200000000 TIDEMILL_OVERLOAD_SECONDS=3600 \
	TIDEMILL_RECORDS=100000000

torture-short: COUNTS = $(SHORT)
torture-short: torment ## trouble at a thousand points: killed, a disk or a lake that fails, power that goes, hostile clients, faults on purpose
	tests/sabotage.sh

torture: COUNTS = $(LONG)
torture: torment ## the same for a night or more
	tests/sabotage.sh

torment: setup disks
	cargo build --workspace
	target/debug/tidemill transform build $(CRATES) $(GUESTS)
	$(COUNTS) cargo test --workspace --lib -- --nocapture simulat fuzz::
	$(COUNTS) cargo test --workspace --test kills --test io_faults --test power --test many -- --nocapture
	$(COUNTS) cargo test --workspace --test lake_faults --test hostile_http --test overload -- --nocapture

# How long each target is fuzzed, in seconds.
FUZZ_TIME := 60

fuzz: setup ## each parser and decoder, guided by coverage; needs a nightly Rust, and installs cargo-fuzz where it is missing
	cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz
	TIDEMILL_FUZZ_CORPUS=$(CURDIR)/tests/fuzz/corpus cargo test --workspace --lib the_seeds_are_read
	cargo +nightly fuzz build --fuzz-dir tests/fuzz
	for target in $$(cargo fuzz list --fuzz-dir tests/fuzz); do \
		cargo +nightly fuzz run --fuzz-dir tests/fuzz $$target -- -max_total_time=$(FUZZ_TIME) -rss_limit_mb=4096 || exit 1; \
	done

# Which of them: all, SHARD=0/100 for a hundredth, or SINCE=main for what has changed since then.
MUTANTS = cargo mutants $(if $(SHARD),--shard $(SHARD) --sharding round-robin) $(if $(SINCE),--in-diff target/since.diff)
# Each change to one of these is judged by the tests beside it; the disk would only hold them up.
KEEPERS := log window rollup cache
MEMORY := $(or $(wildcard /dev/shm),/tmp)

mutants: setup ## changes to log, window and commit code that no unit test would notice; installs cargo-mutants where it is missing
	cargo mutants --version >/dev/null 2>&1 || cargo install --locked cargo-mutants
	tests/mutants/make.sh target/mutants
	$(if $(SINCE),git diff $(SINCE) > target/since.diff)
	missed=; for part in $(KEEPERS); do \
		mkdir -p target/mutants/$$part; \
		TMPDIR=$(MEMORY) $(MUTANTS) --in-place --dir target/mutants --file "runtime/src/$$part/*.rs" \
			--output target/mutants/$$part -- --lib $$part:: || missed="$$missed target/mutants/$$part"; \
	done; \
	$(MUTANTS) --output target || missed="$$missed target"; \
	test -z "$$missed" || { echo "what no test notices is in mutants.out/missed.txt in each of:$$missed"; exit 1; }

disks: ## what makes file systems, for the tests that cut their power
	@tests/setup.sh disks

databases: ## MariaDB and PostgreSQL, for the tests of the emulator
	@tests/setup.sh databases

bench: setup languages ## figures of each stage and of the whole path
	cargo build --release --package tidemill
	target/release/tidemill transform build $(CRATES) $(GUESTS) $(EXAMPLES)
	cargo bench --package tidemill-tests

# The advisories come from the network: where they cannot be had, the rest is checked all the same.
deny: ## licences, sources, banned crates and known holes among what is built in; installs cargo-deny where it is missing
	cargo deny --version >/dev/null 2>&1 || cargo install --locked cargo-deny
	cargo deny --locked check bans licenses sources
	cargo deny --locked check advisories || { cargo deny fetch db >/dev/null 2>&1 && exit 1; echo "the advisories cannot be reached: left out"; }

sbom: ## target/sbom.json: every crate that is built in, as CycloneDX 1.5
	@mkdir -p target
	cargo metadata --format-version 1 --locked --filter-platform x86_64-unknown-linux-gnu | python3 tests/sbom.py > target/sbom.json
	@echo "target/sbom.json: $$(grep -c '"purl"' target/sbom.json) components"

setup: ## what is missing to build: a C compiler, and a Rust that makes WebAssembly
	@tests/setup.sh

clients: $(CLIENTS)/bin/python

$(CLIENTS)/bin/python: tests/clients/requirements.txt
	@tests/setup.sh clients
	python3 -m venv $(CLIENTS)
	$(CLIENTS)/bin/pip install --quiet --requirement tests/clients/requirements.txt
	touch $@

languages: $(LANGUAGES)/node_modules/.package-lock.json $(LANGUAGES)/venv/bin/componentize-py

# A leading dash: what cannot be installed is tried again the next time, and stops nothing.
$(LANGUAGES)/node_modules/.package-lock.json: tests/languages/package.json
	-@tests/setup.sh javascript $(LANGUAGES)

$(LANGUAGES)/venv/bin/componentize-py: tests/languages/requirements.txt
	-@tests/setup.sh python $(LANGUAGES)

clean: ## everything that was built or kept by a demo
	cargo clean
	cargo clean --manifest-path transforms/Cargo.toml
	rm -rf data
