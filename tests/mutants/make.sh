#!/bin/sh
# Lays out log, windows and cache with the words below them as a crate of their own, so that a change is built and judged in seconds.
#
# usage: tests/mutants/make.sh FOLDER
set -eu
cd "$(dirname "$0")/../.."
rm -rf "$1/runtime/src" "$1/pipelines"
mkdir -p "$1/runtime" "$1/pipelines" "$1/.cargo"
cp -r runtime/src "$1/runtime/src"
cp -r pipelines/sql "$1/pipelines/sql"
rm "$1/runtime/src/main.rs"
cp tests/mutants/lib.rs "$1/runtime/src/lib.rs"
cp tests/mutants/Cargo.toml "$1/runtime/Cargo.toml"
for crate in arrow-array arrow-buffer arrow-schema arrow-select base64 crc32c foldhash hashbrown jiff lz4_flex memchr rand \
    rand_chacha rusqlite rustix serde serde_json sha2 simdutf8 strsim tokio tracing
do
    grep "^$crate = " runtime/Cargo.toml >> "$1/runtime/Cargo.toml"
done
cp tests/mutants/mutants.toml "$1/.cargo/mutants.toml"
cp Cargo.lock "$1/Cargo.lock"
cat > "$1/Cargo.toml" <<'END'
[workspace]
members = ["runtime"]
resolver = "3"

[profile.dev]
opt-level = 1
debug = false

[profile.dev.package."*"]
opt-level = 1
END
