#!/bin/sh
# The example programs run and say what they promise.
set -u
bin=${WENGERT_BIN:?}
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
status=0

# says PROGRAM TEXT...: runs it without arguments; each text is in its output.
says() {
    program=$1
    shift
    [ -x "$bin/example_$program" ] || { echo "example_$program was not built"; return; }
    if ! "$bin/example_$program" >"$work/out" 2>&1; then
        cat "$work/out" >&2
        echo "example_$program fails" >&2
        status=1
    fi
    for text in "$@"; do
        grep -qF -e "$text" "$work/out" && continue
        cat "$work/out" >&2
        echo "example_$program does not say: $text" >&2
        status=1
    done
}

says mgu_cell "gradients are right" "epoch 300" "right 100 %"
says new_op "gradient check: passed (order 2" "example.running_sum" "final state:"
# h = 0, then h' = (h + x) / 2 over x = (0,1) (2,3) (4,5) (6,7)
says watch "average[0] = 0 0.5" "average[3] = 4.25 5.1875" "gradient of a = 11.5" "total 9.4375"

if [ -x "$bin/example_watch" ]; then
    "$bin/example_watch" "$work/g.dot" >/dev/null || status=1
    head -n 1 "$work/g.dot" | grep -q '^digraph ' || { echo "watch writes no graph" >&2; status=1; }
    if command -v dot >/dev/null && ! dot -Tsvg "$work/g.dot" >/dev/null; then
        echo "Graphviz does not read the graph" >&2
        status=1
    fi
fi
exit $status
