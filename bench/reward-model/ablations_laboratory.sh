#!/usr/bin/env bash
# What each part of the recipe is worth where one policy writes everything: ablations_laboratory.sh LAB OUT
# LAB is the folder of a `lab run` and a `lab search`. Every arm is a reward model of the
# laboratory's policy, trained on the same number of pairs, one thing changed, and judged on samples of
# that policy for 1,000 held-out problems. Stages that are done are passed over.
set -euo pipefail
lab=$(realpath "$1") out=$2
: "${CODESCALER:=codescaler}" "${SEEDS:=1 2 3}"
mkdir -p "$out" && cd "$out"

[ -e problems.jsonl ] ||
    "$CODESCALER" lab problems --split held-out --first 1000000 --count 1000 --difficulty-max 2 --out .
sample() { # policy, problems, how many, folder
    [ -e "$4/labels.jsonl" ] || "$CODESCALER" eval policy --policy "$1" --problems "$2" --samples "$3" \
        --extraction single-valid --completion-tokens-max 160 --out "$4"
}
sample "$lab/policy" problems.jsonl 16 held-out
# Whose programs are off-policy: those of a smaller policy, pre-trained alike.
sample "$lab/search/128x2/first" "$lab/tested/problems.jsonl" 12 other
[ -e probes/candidates.jsonl ] || "$CODESCALER" curate probes --problems problems.jsonl \
    --candidates held-out/candidates.jsonl --policy single-valid --out probes

own=(--candidates "$lab/sampled/candidates.jsonl") other=(--candidates other/candidates.jsonl)
# One candidate of each number in one file only: the other policy's come after.
[ -e mixed/labels.jsonl ] || { mkdir -p mixed && python3 - "$lab/sampled" other mixed <<'PY'
import json, sys
first, second, out = sys.argv[1:]
for name in ["candidates.jsonl", "labels.jsonl"]:
    head, *rows = open(f"{first}/{name}")
    rows += [json.dumps({**json.loads(row), "index": json.loads(row)["index"] + 100}) + "\n"
             for row in list(open(f"{second}/{name}"))[1:]]
    open(f"{out}/{name}", "w").writelines([head, *rows])
PY
}
mixed=(--candidates mixed/candidates.jsonl)

arm() { # name, how completions are read, options of `curate pairs`
    local name=$1 policy=$2 seed
    shift 2
    for seed in $SEEDS; do
        local folder=arms/$name-$seed
        [ -e "$folder/pairs.jsonl" ] || "$CODESCALER" curate pairs --problems "$lab/tested/problems.jsonl" \
            --policy "$policy" --sources any --any-length --per-problem 16 --seed "$seed" \
            --out "$folder/pairs.jsonl" "$@"
        [ -e "$folder/reward-model/model.safetensors" ] || "$CODESCALER" train reward --base "$lab/policy" \
            --problems "$lab/tested/problems.jsonl" --preferences "$folder/pairs.jsonl" --rate 1e-3 \
            --every-token 0.5 --group 8 --tokens-per-step 8192 --seed "$seed" --out "$folder/reward-model"
        for of in held-out probes; do
            [ -e "$folder/$of.jsonl" ] || "$CODESCALER" score --reward-model "$folder/reward-model" \
                --policy "$policy" --problems problems.jsonl --candidates "$of/candidates.jsonl" \
                --out "$folder/$of.jsonl"
        done
    done
}
arm whole       single-valid "${own[@]}"   --pairs-max 8000  --unaligned-share 1
arm aligned     single-valid "${own[@]}"   --pairs-max 16000 --unaligned-share 0
arm third       single-valid "${own[@]}"   --pairs-max 12300 --unaligned-share 0.3
arm margin      single-valid "${own[@]}"   --pairs-max 8000  --unaligned-share 1 --rule margin
arm unextracted whole        "${own[@]}"   --pairs-max 8000  --unaligned-share 1 --with-broken
arm off-policy  single-valid "${other[@]}" --pairs-max 8000  --unaligned-share 1
arm mixed       single-valid "${mixed[@]}" --pairs-max 8000  --unaligned-share 1

for seed in $SEEDS; do
    for of in held-out probes; do
        scores=()
        for name in whole aligned third margin off-policy mixed unextracted; do
            scores+=(--scores "arms/$name-$seed/$of.jsonl")
        done
        "$CODESCALER" eval reward --problems problems.jsonl --candidates "$of/candidates.jsonl" \
            "${scores[@]}" --policy single-valid --skip-empty --by difficulty --out "$of-$seed.json"
    done
done
