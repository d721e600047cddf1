//! Speed of training steps: `cargo run --release -p codescaler-nn --example train_speed -- [THREADS]`
#![expect(clippy::print_stdout, reason = "a measurement prints what it found")]

use std::error::Error;
use std::num::NonZeroUsize;
use std::time::Instant;

use codescaler_nn::{
    AdamW, DecoderConfig, Isa, Precision, Rope, RopeScaling, TrainHead, TrainOptions, Trainer,
};

fn main() -> Result<(), Box<dyn Error>> {
    let threads: usize = std::env::args().nth(1).map_or(Ok(2), |n| n.parse())?;
    let threads = NonZeroUsize::new(threads).ok_or("THREADS is 0")?;
    let config = DecoderConfig {
        hidden: 384,
        layers: 7,
        heads: 6,
        kv_heads: 2,
        head_dim: 64,
        ffn: 1024,
        vocab: 8192,
        positions_max: 1024,
        norm_eps: 1e-6,
        rope: Rope { theta: 1e4, scaling: RopeScaling::Plain },
        qkv_bias: false,
        output_bias: false,
        qk_norm: true,
        tied: true,
    };
    let texts: Vec<Vec<u32>> =
        (0..16).map(|i| (0..256).map(|t| (t * t + i * 7) % 8192).collect()).collect();
    let texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
    let groups: Vec<&[&[u32]]> = texts.chunks(1).collect();
    for precision in [Precision::Bf16, Precision::F32] {
        let options = TrainOptions { precision, isa: Isa::detect(), threads };
        let mut trainer = Trainer::new(config.clone(), TrainHead::LanguageModel, 0, &options);
        println!("{} parameters", trainer.parameters());
        for _ in 0..4 {
            let start = Instant::now();
            let loss = trainer.language_loss(&groups, 1.0);
            let middle = start.elapsed().as_secs_f64();
            let norm = trainer.update(&AdamW::default(), 1e-3);
            let seconds = start.elapsed().as_secs_f64();
            println!(
                "{precision:?} loss {loss:.3} norm {norm:.2}: {seconds:.3} s ({middle:.3} before the update), {:.0} tokens/s",
                4096.0 / seconds
            );
        }
    }
    Ok(())
}
