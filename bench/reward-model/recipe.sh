#!/usr/bin/env bash
# From raw data to the reward model in the box: recipe.sh DATA OUT
# DATA holds the files that are imported here; OUT gets a folder per stage. Every stage that is done
# is passed over, a stopped one goes on where it was. CODESCALER names the program.
set -euo pipefail
here=$(dirname "$(realpath "$0")") data=$(realpath "$1") out=$2
mkdir -p "$out" && cd "$out"
# Stages 1 to 3: problems, tokenizer, bugs of one token, preferences.
source "$here/data.sh"

# 4. The policy, and the reward model in two passes.
[ -e policy/model.safetensors ] ||
    "$CODESCALER" train policy --base tokenizer "${texts[@]}" --width 256 --layers 6 --rate 2e-3 \
        --tokens-per-step 8192 --tokens-max 1024 --out policy
learn() { # base, folder, rate, options
    [ -e "$2/model.safetensors" ] || "$CODESCALER" train reward --base "$1" --out "$2" --rate "$3" \
        --tokens-max 1280 --every-token 1 "${@:4}"
}
learn policy first 6e-4 --problems lcb/problems.jsonl --preferences lcb_any.pairs.jsonl
learnt=()
for name in lcb lcb_bugs leetcode mbpp apps condefects; do learnt+=(--preferences "$name.pairs.jsonl"); done
for folder in lcb leetcode mbpp apps; do learnt+=(--problems "$folder/problems.jsonl"); done
learn first reward-model 5e-4 "${learnt[@]}"
