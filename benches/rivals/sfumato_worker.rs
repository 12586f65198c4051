//! Sfumato's worker in the race: `race_worker FILES THREADS CASE`, in the `PRECISION` of its environment, with the line protocol that `worker.py` describes. The case
//! `peak` answers with the machine's limit in GFLOP/s and the vectors that it was measured with.

#[path = "../shared/peak.rs"]
mod peak;

use anyhow::{Context, bail};
use candle_core::{DType, Device, Tensor};
use serde_json::Value;
use sfumato::checkpoints::{PackedFolder, Parts, Precision, finish_packing};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Gigabytes that all networks of the race take, packed.
const ENOUGH: u32 = 100;

/// The timestep of a forward pass, as in `cases.py`.
const TIMESTEP: f64 = 500.0;

fn main() -> anyhow::Result<()> {
    let started = Instant::now();
    // As the program does.
    sfumato::engine::keep_freed_memory();
    let [folder, threads, case] = std::env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| {
        anyhow::anyhow!("this is a part of benches/rivals/race.py, which calls it with FILES THREADS CASE")
    })?;
    let threads: usize = threads.parse().context("the number of threads is no number")?;
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    let folder = Path::new(&folder);
    let (part, size) = case.split_once('-').unwrap_or((&case, "0"));
    let side = size.parse::<usize>()? / 8;
    let precision = std::env::var("PRECISION").unwrap_or_else(|_| "f32".to_owned());
    let precision = Precision::from_name(&precision).with_context(|| format!("{precision} is no precision"))?;
    let packed = PackedFolder::new(folder.join("home/packed"), Some(ENOUGH));
    let parts =
        || Parts::open(&folder.join("sd15-f16"), &Device::Cpu, precision).map(|parts| parts.kept_in(Some(&packed)));
    let latent = || tensor(folder, &format!("latent-{side}"), &[1, 4, side, side]);
    match part {
        "peak" => serve(started, || Ok(Answer::Limit(peak::gflops(threads))))?,
        "unet" => {
            let unet = parts()?.unet()?;
            let (words, latent) = (tensor(folder, "conditioning", &[1, 77, 768])?, latent()?);
            // The program prepares the words once a picture; here it is done in each pass, as all others do it.
            serve(started, || Ok(Answer::Output(unet.forward(&latent, TIMESTEP, &unet.prepare(&words)?, None)?)))?;
        }
        "vae" => {
            let (vae, latent) = (parts()?.vae()?, latent()?);
            serve(started, || Ok(Answer::Output(vae.decode(&latent)?)))?;
        }
        "text" => {
            let facts: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("facts.json"))?)?;
            let ids: Vec<u32> = serde_json::from_value(facts["prompt_ids"].clone())?;
            let (text_encoder, ids) = (parts()?.text_encoder(0)?, Tensor::from_vec(ids, (1, 77), &Device::Cpu)?);
            serve(started, || Ok(Answer::Output(text_encoder.forward(&ids)?)))?;
        }
        _ => bail!("there is no case {case}"),
    }
    // Without this a worker that is told nothing would not have kept what it packed.
    finish_packing(Duration::from_mins(1));
    Ok(())
}

/// What a run gives.
enum Answer {
    Output(Tensor),
    /// Told in place of the seconds.
    Limit(f64),
}

fn serve(started: Instant, mut run: impl FnMut() -> anyhow::Result<Answer>) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let mut output = None;
    writeln!(out, "ready {}", started.elapsed().as_secs_f64())?;
    out.flush()?;
    for line in std::io::stdin().lines() {
        let line = line?;
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("run", _) => {
                let started = Instant::now();
                match run()? {
                    Answer::Output(tensor) => {
                        writeln!(out, "{}", started.elapsed().as_secs_f64())?;
                        output = Some(tensor);
                    }
                    Answer::Limit(gflops) => writeln!(out, "{gflops} {}", peak::vectors())?,
                }
            }
            ("save", path) => {
                let tensor = output.as_ref().context("nothing was computed yet")?;
                let numbers: Vec<f32> = tensor.flatten_all()?.to_vec1()?;
                std::fs::write(path, bytemuck::cast_slice(&numbers))?;
                writeln!(out, "saved")?;
            }
            _ => bail!("{line:?} is no command"),
        }
        out.flush()?;
    }
    Ok(())
}

fn tensor(folder: &Path, name: &str, shape: &[usize]) -> anyhow::Result<Tensor> {
    let path: PathBuf = folder.join("inputs").join(name).with_extension("f32");
    let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
    Ok(Tensor::from_raw_buffer(&bytes, DType::F32, shape, &Device::Cpu)?)
}
