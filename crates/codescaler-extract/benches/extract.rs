//! How fast completions are read: `cargo bench -p codescaler-extract`.
//!
//! Fence scanning alone on prose without a program (the target is 500 MB/s on one core), extraction
//! with its syntax check, the syntax check alone, and the tree features.

use std::hint::black_box;

use codescaler::{language::Language, problem::Entry};
use codescaler_extract::{Policy, Spec, check_syntax, extract, tree_digest, tree_shape};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// A function of ordinary size and shape.
const PROGRAM: &str = r#"from typing import List


class Solution:
    def longest(self, nums: List[int], limit: int) -> int:
        """Length of the longest window whose sum stays within the limit."""
        best, start, total = 0, 0, 0
        for end, value in enumerate(nums):
            total += value
            while total > limit and start <= end:
                total -= nums[start]
                start += 1
            # The window is valid here.
            best = max(best, end - start + 1)
        return best if best > 0 else -1
"#;

/// A few sentences, as language models write them around their programs.
const PROSE: &str = "We keep a window `[start, end]` and extend it to the right. Whenever its sum \
    exceeds the limit, we shrink it from the left until it is valid again. Each index enters and \
    leaves the window at most once, so the algorithm runs in linear time.\n\n";

fn throughput(criterion: &mut Criterion) {
    let entry = Entry::Method { class: "Solution".to_owned(), name: "longest".to_owned() };
    let spec = |policy| Spec { language: Language::Python, entry: &entry, policy };
    let mut group = criterion.benchmark_group("extract");

    let prose = PROSE.repeat(200);
    group.throughput(Throughput::Bytes(prose.len() as u64));
    group.bench_function("fences of 50 kB of prose", |bencher| {
        bencher.iter(|| extract(black_box(&prose), &spec(Policy::LastFenced)));
    });

    let completion = format!("{PROSE}```python\n{PROGRAM}```\n{PROSE}");
    group.throughput(Throughput::Bytes(completion.len() as u64));
    for policy in Policy::ALL {
        group.bench_function(policy.name(), |bencher| {
            bencher.iter(|| extract(black_box(&completion), &spec(policy)));
        });
    }

    group.throughput(Throughput::Bytes(PROGRAM.len() as u64));
    group.bench_function("Python syntax", |bencher| {
        bencher.iter(|| check_syntax(black_box(PROGRAM), Language::Python));
    });
    group.bench_function("Python tree shape", |bencher| {
        bencher.iter(|| tree_shape(black_box(PROGRAM), Language::Python));
    });
    group.bench_function("Python tree digest", |bencher| {
        bencher.iter(|| tree_digest(black_box(PROGRAM), Language::Python));
    });

    let cpp =
        "int f(int x) {\n    for (int i = 0; i < x; ++i) { x += i; }\n    return x;\n}\n".repeat(8);
    group.throughput(Throughput::Bytes(cpp.len() as u64));
    group.bench_function("C++ syntax", |bencher| {
        bencher.iter(|| check_syntax(black_box(&cpp), Language::Cpp));
    });
    group.finish();
}

criterion_group!(benches, throughput);
criterion_main!(benches);
