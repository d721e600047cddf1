//! Speed of the kernels or, when a reward model's directory is given, of scoring a group:
//! `cargo run --release -p codescaler-nn --example speed -- [DIR] [THREADS]`
#![expect(clippy::print_stdout, reason = "a measurement prints what it found")]

use std::error::Error;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Instant;

use codescaler_nn::{Isa, Options, Precision, RewardModel, gflops};

/// The decoder's products at the size of Qwen3-0.6B, the first one within the nearest caches.
const SHAPES: [(usize, usize, usize); 4] =
    [(96, 512, 32), (512, 1024, 3072), (512, 3072, 1024), (16, 1024, 3072)];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let Some(dir) = arguments.next() else {
        kernels();
        return Ok(());
    };
    let threads: usize = arguments.next().map_or(Ok(1), |n| n.parse())?;
    let threads = NonZeroUsize::new(threads).ok_or("THREADS is 0")?;
    let mut exact: Vec<f32> = Vec::new();
    for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
        let start = Instant::now();
        let options = Options { precision, threads, ..Options::default() };
        let reward_model = RewardModel::load(Path::new(&dir), &options)?;
        println!("{precision:?} loaded in {:.2} s", start.elapsed().as_secs_f64());
        let prompt = "Read two integers and print their sum.\n".repeat(30);
        let programs: Vec<String> =
            (0..8).map(|i| format!("print({i})\n") + &"x = input()\n".repeat(20 + i)).collect();
        let programs: Vec<&str> = programs.iter().map(String::as_str).collect();
        for n in [1, programs.len()] {
            let mut tokens = 0;
            let start = Instant::now();
            let scores = reward_model
                .score_group(&prompt, &programs[..n], &mut |p| tokens = p.tokens_done)?;
            let seconds = start.elapsed().as_secs_f64();
            println!("{precision:?} {n} candidates, {tokens} tokens computed: {seconds:.2} s");
            if precision == Precision::F32 {
                exact = scores;
            } else {
                let errors = exact.iter().zip(&scores).map(|(a, b)| (a - b).abs());
                println!("{scores:?}, at most {} off", errors.fold(0.0, f32::max));
            }
        }
    }
    Ok(())
}

fn kernels() {
    for isa in [Isa::Avx512, Isa::Avx2, Isa::Portable].into_iter().filter(|i| i.is_available()) {
        for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
            for shape in SHAPES {
                let speed = gflops(isa, precision, shape, 20);
                println!("{isa:?} {precision:?} {shape:?}: {speed:.0} GFLOP/s");
            }
        }
    }
}
