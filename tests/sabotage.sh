#!/bin/sh
# The tests are tested: each fault of tests/sabotage.txt is committed by a test build, and the test that it names has to fail.
#
# usage: tests/sabotage.sh [FAULT ...]      all of them, or these
set -eu
cd "$(dirname "$0")/.."
# A fault may make a test wait for what never comes, which is noticed too: it has so many seconds more than four times what it takes
# without a fault.
PATIENCE=${TIDEMILL_PATIENCE:-10}
built=target/sabotage
mkdir -p "$built"

# The executables of the tests, by name: `lib` is the runtime's own.
tests() {
    cargo test --workspace --no-run --message-format json "$@" 2>/dev/null | python3 -c '
import json, sys
for line in sys.stdin:
    made = json.loads(line) if line.startswith("{") else {}
    if made.get("executable") and made.get("profile", {}).get("test"):
        target = made["target"]
        if target["kind"] == ["test"] or (target["name"] == "tidemill" and "lib" in target["kind"]):
            print("lib" if target["name"] == "tidemill" else target["name"], made["executable"])'
}

echo "building the command with faults and without"
tests --lib --features tidemill/sabotage > "$built/tests"
cargo build --quiet --workspace --features tidemill/sabotage
cp target/debug/tidemill "$built/tidemill"
cargo build --quiet --workspace
tests --tests | grep -v '^lib ' >> "$built/tests"

# Runs one test of one executable under a fault, or under none, for so many seconds.
run() {
    executable=$(grep "^$2 " "$built/tests" | head -1 | cut -d' ' -f2)
    TIDEMILL_SABOTAGE=$1 TIDEMILL_COMMAND=$PWD/$built/tidemill \
        timeout "$4" "$executable" --exact "$3" > "$built/log" 2>&1
}

caught=0 all=0 passed=" "
while read -r fault place test; do
    case "$fault" in '#'* | '') continue ;; esac
    case " $* " in "  " | *" $fault "*) ;; *) continue ;; esac
    all=$((all + 1))
    case "$passed" in
    *" $test "*) ;;
    *)
        began=$(date +%s)
        run "" "$place" "$test" 600 || { echo "without a fault, $test fails:"; cat "$built/log"; exit 1; }
        grep -q '1 passed' "$built/log" || { echo "there is no test $test in $place"; exit 1; }
        passed="$passed$test $(($(date +%s) - began)) "
        ;;
    esac
    took=${passed##* "$test" }
    if run "$fault" "$place" "$test" $((PATIENCE + 4 * ${took%% *})); then
        echo "NOT CAUGHT  $fault: $test passes; to see it: tests/sabotage.sh $fault"
    else
        caught=$((caught + 1))
        echo "caught      $fault by $test"
    fi
done < tests/sabotage.txt
echo "$caught of $all faults caught"
[ "$caught" = "$all" ]
