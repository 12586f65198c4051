//! How far this program is off those whose results it is to have: runs the tests that compare, and prints one table of what they measured,
//! the worst of each case.
//!
//!     cargo run --example parity

#![allow(clippy::print_stdout, reason = "it prints a table")]

use std::collections::BTreeMap;
use std::process::{Command, ExitCode};

/// The tests that measure with `tests/shared/parity.rs`.
const TESTS: [&str; 12] = [
    "consistency_models",
    "diffusion_matches_diffusers",
    "editing_models",
    "inpainting_models",
    "loras",
    "networks_match_diffusers",
    "runs",
    "single_files",
    "soft_masks",
    "starts",
    "vaes",
    "xl",
];

#[derive(serde::Deserialize)]
struct Measured {
    section: String,
    case: String,
    source: String,
    off: f64,
    allowed: f64,
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let report = folder.path().join("report");
    let tests = TESTS.iter().flat_map(|test| ["--test", test]);
    let status = Command::new(env!("CARGO"))
        .args(["test", "--quiet", "--no-fail-fast"])
        .args(tests)
        .env("SFUMATO_PARITY", &report)
        .stdout(std::process::Stdio::null())
        .status()?;
    // The worst of each case, in how many measurements, and what it may be.
    let mut cases: BTreeMap<(String, String), (Measured, usize)> = BTreeMap::new();
    for line in std::fs::read_to_string(&report)?.lines() {
        let measured: Measured = serde_json::from_str(line)?;
        let key = (measured.section.clone(), measured.case.clone());
        let count = cases.get(&key).map_or(0, |(_, count)| *count) + 1;
        let worst = cases.remove(&key).map(|(worst, _)| worst).filter(|worst| worst.off >= measured.off);
        cases.insert(key, (worst.unwrap_or(measured), count));
    }
    println!(
        "| what | case | held against | measured | worst error | allowed |\n| --- | --- | --- | --- | --- | --- |"
    );
    for ((section, case), (Measured { source, off, allowed, .. }, count)) in cases {
        println!("| {section} | {case} | {source} | {count} | {off:.1e} | {allowed:.0e} |");
    }
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
