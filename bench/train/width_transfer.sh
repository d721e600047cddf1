#!/usr/bin/env bash
# Whether a learning rate that is best for a small width is best for a larger one:
# width_transfer.sh OUT. Policies from nothing on problems of the laboratory, both parametrizations,
# two widths, five rates each; the mean loss of the last tenth of the steps, in nats per token.
# Every training that is done is passed over, a stopped one goes on where it was.
# CODESCALER names the program; COUNT, WIDTHS, LAYERS and EPOCHS are the size of the experiment.
set -euo pipefail
: "${CODESCALER:=codescaler}" "${COUNT:=4000}" "${WIDTHS:=128 256}" "${LAYERS:=4}" "${EPOCHS:=1}"
mkdir -p "$1" && cd "$1"

[ -e data/candidates.jsonl ] ||
    "$CODESCALER" lab problems --out data --count "$COUNT" --demonstrations 1 --slip 0 --without-tests
[ -e tokenizer/tokenizer.json ] ||
    "$CODESCALER" train tokenizer --data data --completions --vocab 1024 --out tokenizer

last_losses() { # steps.jsonl
    python3 - "$1" <<'PYTHON'
import json, sys
losses = [json.loads(line)["loss"] for line in open(sys.argv[1])]
last = losses[-max(1, len(losses) // 10):]
print(f"{sum(last) / len(last):.4f}")
PYTHON
}

train() { # parametrization, rates...
    local rule=$1 rate width out
    shift
    for rate in "$@"; do
        printf '| %s | %s |' "$rule" "$rate"
        for width in $WIDTHS; do
            out=$rule-$width-$rate
            [ -e "$out/model.safetensors" ] ||
                "$CODESCALER" train policy --quiet --base tokenizer --data data --completions \
                    --parametrization "$rule" --width "$width" --layers "$LAYERS" --rate "$rate" \
                    --epochs "$EPOCHS" --tokens-per-step 4096 --out "$out" >&2
            printf ' %s |' "$(last_losses "$out/steps.jsonl")"
        done
        echo
    done
}

echo "| parametrization | rate |$(printf ' width %s |' $WIDTHS)"
echo "|---|---|$(for _ in $WIDTHS; do printf -- '---|'; done)"
train standard 0.0005 0.001 0.002 0.004 0.008
train u-mup 0.25 0.5 1 2 4 8 16
