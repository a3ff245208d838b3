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

# What makes components of other languages, in a folder of the build. Nothing else needs it, so it may be left out.
left_out() {
    echo "left out: $1: the tests do without" >&2
    exit 0
}

if [ "${1:-}" = javascript ]; then
    { command -v node && command -v npm; } >/dev/null || left_out "JavaScript, as there is no node with npm"
    mkdir -p "$2"
    cp tests/languages/package.json "$2/"
    (cd "$2" && npm install --no-audit --no-fund --no-package-lock --ignore-scripts --loglevel=error >/dev/null) \
        || { rm -rf "$2/node_modules"; left_out "JavaScript, as npm cannot install tests/languages/package.json"; }
    touch "$2/node_modules/.package-lock.json"
    exit 0
fi

if [ "${1:-}" = python ]; then
    python3 -c 'import sys, venv, ensurepip; assert sys.version_info >= (3, 10)' 2>/dev/null \
        || left_out "Python, as there is no Python 3.10 or newer with venv"
    mkdir -p "$2"
    { python3 -m venv "$2/venv" && "$2/venv/bin/pip" install --quiet --requirement tests/languages/requirements.txt; } \
        || { rm -rf "$2/venv"; left_out "Python, as pip cannot install tests/languages/requirements.txt"; }
    # As `pip install --editable` would have it, without what builds packages.
    "$2/venv/bin/python" - "$PWD/transforms/sdk-python" <<'EOF'
import pathlib, sys, sysconfig
pathlib.Path(sysconfig.get_path("purelib"), "tidemill.pth").write_text(sys.argv[1] + "\n")
EOF
    touch "$2/venv/bin/componentize-py"
    exit 0
fi

# What makes the file systems whose power is cut; tests that lack one say so.
if [ "${1:-}" = disks ]; then
    { command -v mkfs.ext4 && command -v mkfs.xfs; } >/dev/null && exit 0
    can_install || left_out "power cuts, as there is no mkfs.ext4 or mkfs.xfs (Debian: apt-get install e2fsprogs xfsprogs)"
    install e2fsprogs xfsprogs || left_out "power cuts, as e2fsprogs and xfsprogs cannot be installed"
    exit 0
fi

# The servers that the emulator reads; tests that lack one say so.
if [ "${1:-}" = databases ]; then
    PATH=$PATH:/usr/sbin
    packages=
    command -v mariadbd >/dev/null || packages=mariadb-server
    command -v postgres >/dev/null || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || packages="$packages postgresql"
    [ -z "$packages" ] && exit 0
    can_install || left_out "database servers, as they are not there (Debian: apt-get install $packages)"
    # shellcheck disable=SC2086
    install --no-install-recommends $packages || left_out "database servers, as apt-get cannot install $packages"
    exit 0
fi

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
