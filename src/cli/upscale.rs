//! `sfumato upscale`: pictures made larger, one after the other.

use super::output::{Output, write_new};
use super::paint::stop_on_ctrl_c;
use super::report::Reporter;
use super::{JSON_VERSION, UpscaleArgs, Usage, describe, library, print, print_json};
use crate::checkpoints::{Library, Upscaler, UpscalerEntry};
use crate::diffusion::{Progress, Stop, upscale};
use crate::engine::{self, CancelToken};
use crate::gallery::RECORD_KEY;
use crate::geom::Extent;
use crate::metadata::{PARAMETERS_KEY, POSTPROCESSING_KEY, upscaling_text, with_upscaling};
use crate::pixels::{Picture, read_texts};
use anyhow::{anyhow, bail};
use serde_json::{Value, json};
use std::ops::ControlFlow::{Break, Continue};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What a run of the command left.
#[derive(Default)]
struct Done {
    /// Which upscaler, and how many times larger pictures became.
    with: Option<(String, f64)>,
    pictures: Vec<Written>,
    interrupted: bool,
}

/// A larger picture in a file.
struct Written {
    file: PathBuf,
    source: PathBuf,
    extent: Extent,
    seconds: f64,
}

/// With `--json` the object is printed also when something fails, with what was finished before.
pub(super) fn run(args: &UpscaleArgs) -> anyhow::Result<u8> {
    let mut done = Done::default();
    let result = upscale_all(args, &mut done);
    if result.as_ref().is_err_and(anyhow::Error::is::<Usage>) {
        return result.map(|()| 2);
    }
    if args.json {
        print_json(&as_json(&done, result.as_ref().err()))?;
    }
    result?;
    Ok(if done.interrupted { 130 } else { 0 })
}

fn upscale_all(args: &UpscaleArgs, done: &mut Done) -> anyhow::Result<()> {
    let output = Output::new(args.out.as_deref(), args.files.len() as u32)?;
    if let Output::Files(file) = &output {
        bail!(Usage(format!("several pictures do not go into one file: give --out a folder: {}", file.display())));
    }
    let (library, _) = library(None);
    let (name, path) = chosen(&library, args.with.as_deref())?;
    let upscaler = Upscaler::load(&path, &engine::device()).map_err(engine::Error::from)?;
    let factor = args.scale.unwrap_or_else(|| f64::from(upscaler.scale()));
    done.with = Some((name.clone(), factor));
    let cancel = CancelToken::default();
    stop_on_ctrl_c(&cancel)?;
    let reporter = Reporter::new(args.files.len());
    for (index, source) in args.files.iter().enumerate() {
        let picture = Picture::load(source)?;
        let what = format!("{}, {}, {factor} times with {}", source.display(), picture.extent(), name);
        reporter.begin(index, &what);
        let started = Instant::now();
        let mut on_progress = |progress: Progress<'_>| {
            if let Progress::Piece { index, count } = progress {
                reporter.piece(index, count);
            }
            cancel.requested().map_or(Continue(()), |_| Break(Stop::Discard))
        };
        let Continue(larger) = upscale(&picture, &upscaler, factor, &mut on_progress).map_err(engine::Error::from)?
        else {
            done.interrupted = true;
            reporter.interrupted(done.pictures.len());
            break;
        };
        let png = encoded(&larger, source, &name, factor)?;
        let file = match &output {
            Output::File(file) | Output::Files(file) => {
                crate::files::save_atomically(file, &png)?;
                file.clone()
            }
            Output::Folder(folder) => write_new(folder, &stem(source, factor), &png)?,
        };
        let seconds = started.elapsed().as_secs_f64();
        reporter.done(&format!("done: {} in {seconds:.1} s: {}", larger.extent(), file.display()));
        if !args.json {
            print(&format!("{}\n", file.display()))?;
        }
        done.pictures.push(Written { file, source: source.clone(), extent: larger.extent(), seconds });
    }
    Ok(())
}

/// Name and file of the upscaler of this name or in this file; without a wish, of the one that comes with the program.
fn chosen(library: &Library, wish: Option<&str>) -> anyhow::Result<(String, PathBuf)> {
    let entry = match wish {
        Some(wish) if Path::new(wish).is_file() => &UpscalerEntry::of_file(PathBuf::from(wish)),
        Some(wish) => library.find_upscaler(wish).map_err(engine::Error::from)?,
        None => preferred(library, None)?,
    };
    Ok((entry.name.clone(), entry.path.clone()))
}

/// The upscaler to use where nobody named one.
pub(super) fn preferred<'a>(library: &'a Library, model: Option<&str>) -> anyhow::Result<&'a UpscalerEntry> {
    library.preferred_upscaler(model).ok_or_else(|| {
        anyhow!(
            "there is no upscaler that can be used: put one (.pth or .safetensors) into the folder `upscalers` in the folder of models"
        )
    })
}

/// The picture as a PNG file with the texts of the one that it was made of, and how; but for the gallery's record, which speaks of the
/// smaller picture.
fn encoded(larger: &Picture, source: &Path, upscaler: &str, factor: f64) -> anyhow::Result<Vec<u8>> {
    let mut texts = read_texts(source);
    texts.retain(|(key, _)| key != RECORD_KEY && key != POSTPROCESSING_KEY);
    for (_, text) in texts.iter_mut().filter(|(key, _)| key == PARAMETERS_KEY) {
        if let Some(extended) = with_upscaling(text, upscaler, factor) {
            *text = extended;
        }
    }
    texts.push((POSTPROCESSING_KEY.to_owned(), upscaling_text(upscaler, factor)));
    let texts: Vec<_> = texts.iter().map(|(key, text)| (key.as_str(), text.as_str())).collect();
    Ok(larger.encode_png(&texts)?)
}

/// `NAME-4x`.
fn stem(source: &Path, factor: f64) -> String {
    format!("{}-{factor}x", source.file_stem().unwrap_or_default().to_string_lossy())
}

fn as_json(done: &Done, error: Option<&anyhow::Error>) -> Value {
    let written = |written: &Written| {
        let Extent { width, height } = written.extent;
        json!({
            "file": describe::absolute(&written.file),
            "source": describe::absolute(&written.source),
            "extent": { "width": width, "height": height },
            "seconds": written.seconds,
        })
    };
    json!({
        "version": JSON_VERSION,
        "upscaler": done.with.as_ref().map(|(name, _)| name),
        "scale": done.with.as_ref().map(|(_, factor)| factor),
        "pictures": done.pictures.iter().map(written).collect::<Vec<_>>(),
        "interrupted": done.interrupted,
        "error": error.map(describe::failure),
    })
}
