#!/usr/bin/env bash
# Makes pages and uses them in headless Chromium: run.sh [RUN…]. See README.md.
set -euo pipefail
cd "$(dirname "$0")/../.."
CHROMIUM=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
leave_out() { echo "pages left out: $1"; exit 0; }
[ -n "$CHROMIUM" ] || leave_out "no Chromium here (Debian: apt-get install chromium)"
command -v npm >/dev/null || leave_out "no npm here"
export CHROMIUM

# Outside the tree, and kept: the second time nothing is installed.
work=${CODESCALER_PAGES:-${TMPDIR:-/tmp}/codescaler-pages}
mkdir -p "$work"
if [ ! -d "$work/node_modules/axe-core" ]; then
    npm install --silent --no-save --prefix "$work" playwright-core@1.65.1 axe-core@4.14.1 >"$work/npm.log" 2>&1 \
        || leave_out "npm cannot install playwright-core and axe-core ($work/npm.log)"
fi

# With the whole workspace, because its tests have built that already.
cargo build --quiet --locked --workspace --example large --example rank --bin codescaler
built=$(cd "${CARGO_TARGET_DIR:-target}/debug" && pwd)
"$built/examples/large" >"$work/large.html"
"$built/examples/rank" >"$work/rank.html"
pages=("$work/large.html" "$work/rank.html")
for run in "$@"; do
    page="$work/$(basename "$run").html"
    "$built/codescaler" report "$run" --out "$page"
    pages+=("$page")
done

# Runs for a server to show: one with everything, and a training that was stopped on the way.
make_runs() {
    local pool="--problems runs/lab/problems.jsonl --candidates runs/lab/candidates.jsonl"
    mkdir -p runs/nothing
    codescaler lab problems --count 12 --demonstrations 4 --slip 0.4 --broken 0.1 --out runs/lab
    codescaler score $pool --scorer linear --out runs/lab/scores.jsonl
    codescaler exec $pool --suite visible --out runs/lab/visible.jsonl
    codescaler exec $pool --suite hidden --out runs/lab/hidden.jsonl
    codescaler select $pool --scores runs/lab/scores.jsonl --executions runs/lab/visible.jsonl \
        --rules all --out runs/lab/selections.jsonl
    codescaler train tokenizer --data runs/lab --vocab 270 --out tokenizer
    # Far more steps than anybody waits for.
    "$built/codescaler" --quiet train policy --base tokenizer --width 128 --layers 1 --data runs/lab \
        --epochs 2000 --tokens-per-step 256 --rate 3e-3 --checkpoint-every 0 --out runs/policy &
    local training=$!
    until [ -s runs/policy/steps.jsonl ] && [ "$(wc -l <runs/policy/steps.jsonl)" -ge 20 ]; do
        kill -0 $training || return 1
        sleep 0.1
    done
    # A shell's children in the background are deaf to SIGINT.
    kill -TERM $training
    wait $training || true
}
codescaler() { "$built/codescaler" --quiet "$@"; }
rm -rf "$work/runs" "$work/tokenizer"
# Not behind `||`, where the first failure would not end it.
set +e
(set -e; cd "$work"; make_runs) >"$work/runs.log" 2>&1
made=$?
set -e
[ $made = 0 ] || { cat "$work/runs.log"; exit 1; }

"$built/codescaler" serve --scorer linear --port 0 --ui "$work/runs" >"$work/serve.log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null || true' EXIT
until grep -q '^listening on ' "$work/serve.log"; do
    kill -0 $server 2>/dev/null || { cat "$work/serve.log"; exit 1; }
    sleep 0.1
done
pages+=("$(sed -n 's/^listening on //p' "$work/serve.log")")

node bench/report/check.mjs "$work" "$work/screenshots" "${pages[@]}"
echo "screenshots: $work/screenshots"
