#!/usr/bin/env bash
# Runs the attack corpus as users who may do less than root: nobody, and root without capabilities.
# Needs root, setpriv (util-linux), and a target directory that everybody may enter:
#   CARGO_TARGET_DIR=/var/tmp/levels bench/levels/run.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
binary=$(cargo test -p codescaler-sandbox --test attacks --no-run 2>&1 | sed -n 's/.*Executable .*(\(.*\))/\1/p')
binary=$(realpath "$binary")
secrets="$(dirname "$binary")/../../tmp"
chmod 777 "$secrets"
cd crates/codescaler-sandbox
for who in "--reuid=65534 --regid=65534 --clear-groups" "--bounding-set=-all"; do
    rm -f "$secrets"/secret-*
    echo "setpriv $who"
    # shellcheck disable=SC2086
    setpriv $who --inh-caps=-all "$binary" "$@"
done
rm -f "$secrets"/secret-*
