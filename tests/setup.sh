#!/bin/sh
# Finds what a build needs, installs what it can, and says exactly what to do about the rest.
set -eu

missing() {
    echo "missing: $1" >&2
    echo "do this: $2" >&2
    exit 1
}

# Debian packages can be installed here: as root, with apt.
can_install() {
    command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]
}

install() {
    echo "installing $*"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null 2>&1 || {
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null
    }
}

command -v cargo >/dev/null || missing "Rust" "install it with rustup, then run this again"

if ! command -v cc >/dev/null || ! command -v cmake >/dev/null; then
    can_install || missing "a C compiler and cmake" "install cc and cmake, on Debian: apt-get install build-essential cmake"
    install build-essential cmake
fi

# Transforms are WebAssembly. In order: the toolchain's own target, rustup's, Debian's compiler with its library sources.
wasm_target() {
    [ -d "$(rustc --print sysroot)/lib/rustlib/wasm32-unknown-unknown/lib" ]
}

debian_wasm() {
    [ -x /usr/bin/rustc ] && [ -x /usr/bin/cargo ] && command -v wasm-ld-19 >/dev/null && ls -d /usr/src/rustc-*/library >/dev/null 2>&1
}

if ! wasm_target && ! debian_wasm; then
    if command -v rustup >/dev/null && rustup target add wasm32-unknown-unknown 2>/dev/null; then
        :
    elif can_install; then
        install rustc-web rust-web-src cargo-web lld-19
    else
        missing "a Rust that makes WebAssembly" \
            "rustup target add wasm32-unknown-unknown, or on Debian: apt-get install rustc-web rust-web-src cargo-web lld-19"
    fi
fi

if [ "${1:-}" = clients ] && ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
    can_install || missing "python3 with venv" "on Debian: apt-get install python3-venv"
    install python3 python3-venv
fi
