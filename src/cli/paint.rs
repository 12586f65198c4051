//! `sfumato paint`: the engine of the window, driven one picture after the other.

use super::clip::ChosenClip;
use super::models::chosen_clip;
use super::output::{Output, make_folder};
use super::plan::Plan;
use super::report::{Reporter, steps_in_words};
use super::{PaintArgs, Usage, describe, packed_folder, places, print, print_json};
use crate::checkpoints::{Hashes, Library, break_off_packing};
use crate::diffusion::{Painted, Precision, Request, Stop};
use crate::engine::{self, CancelToken, Client, Command, Event, Job, JobId, Memory, Outcome, Priority};
use crate::metadata::FileHashes;
use crate::settings::Paths;
use anyhow::{anyhow, bail};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a run of the command left.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// The pictures that were written, in the order of their seeds, or the best first.
    pub(super) pictures: Vec<Written>,
    /// The CLIP that ranked them.
    pub(super) clip: Option<String>,
    /// What was decided in the person's place.
    pub(super) notes: Vec<String>,
    /// Whether Ctrl+C ended it.
    pub(super) interrupted: bool,
}

/// A picture in a file.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) file: PathBuf,
    pub(super) painted: Painted,
    /// Whether it was stopped before its last step.
    pub(super) stopped: bool,
    /// How well it fits the prompt, where that was asked for.
    pub(super) fit: Option<f32>,
}

/// Paints. With `--json` the object is printed also when painting fails, with what was finished before.
pub(super) fn run(args: &PaintArgs) -> anyhow::Result<u8> {
    let mut done = Done::default();
    let result = paint_all(args, &mut done);
    if result.as_ref().is_err_and(anyhow::Error::is::<Usage>) {
        return result.map(|()| 2);
    }
    if args.json {
        print_json(&describe::done(&done, result.as_ref().err()))?;
    } else if args.rank {
        for written in &done.pictures {
            print(&format!("{}\n", written.file.display()))?;
        }
    }
    result?;
    Ok(if done.interrupted { 130 } else { 0 })
}

fn paint_all(args: &PaintArgs, done: &mut Done) -> anyhow::Result<()> {
    if args.trace.is_some() && args.count > 1 {
        bail!(Usage("--trace writes one run: leave out --count".to_owned()));
    }
    if args.rank && args.prompt.iter().all(|words| words.trim().is_empty()) {
        bail!(Usage("--rank orders pictures by how well they fit the prompt, and there is none: write one".to_owned()));
    }
    let named = |wish: &Option<String>| wish.as_deref().map(PathBuf::from).filter(|path| path.exists());
    let (mut folders, settings) = places(named(&args.model).as_deref());
    folders.extend(named(&args.parts_from));
    let mut library = Library::discover(&folders);
    let vae = args.vae.as_ref().map(|wish| named(&args.vae).map_or_else(|| wish.clone(), |path| library.add_vae(path)));
    let tags: String = args.lora.iter().map(|wish| tag(&mut library, wish)).collect();
    let plan = Plan::new(args, vae, &tags, &library, &folders, settings.last_model.as_deref())?;
    let clip = args.rank.then(|| chosen_clip(&library, args.clip.as_deref(), settings.clip.as_deref())).transpose()?;
    let output = Output::new(args.out.as_deref(), args.count)?;
    if let Some(folder) = args.trace.as_deref().and_then(Path::parent) {
        make_folder(folder)?;
    }
    let cancel = CancelToken::default();
    stop_on_ctrl_c(&cancel)?;
    let reporter = Reporter::new(plan.requests.len());
    for note in &plan.notes {
        reporter.note(note);
    }
    if plan.seed_was_drawn {
        reporter.note(&format!("seed {} (drawn; give it with --seed for the same picture)", plan.requests[0].seed));
    }
    done.notes.clone_from(&plan.notes);
    let hashes = hashes(&library, &plan.requests[0]);
    // For one picture alone nothing is loaded twice.
    let memory = if plan.requests.len() == 1 { Memory::Sparing } else { Memory::Plenty };
    let client = engine::spawn(library, Priority::Normal, memory, packed_folder(&settings), || {});
    for (index, request) in plan.requests.into_iter().enumerate() {
        let job = Job::new(JobId(index as u64), Box::new(request), cancel.clone());
        reporter.begin(index, &in_words(&job.request));
        let Ended { picture, trace_failed } =
            paint_one(&client, job, args.trace.clone(), &mut |event| reporter.event(event))?;
        let written = picture.map(|(painted, stopped)| keep(&output, painted, stopped, &hashes)).transpose()?;
        if let Some(written) = written {
            reporter.end(&written);
            if !args.json && !args.rank {
                print(&format!("{}\n", written.file.display()))?;
            }
            done.pictures.push(written);
        }
        if cancel.requested().is_some() {
            done.interrupted = true;
            reporter.interrupted(done.pictures.len());
        }
        if let Some(error) = trace_failed {
            return Err(error.into());
        }
        if done.interrupted {
            break;
        }
    }
    if let Some(clip) = clip.filter(|_| !done.pictures.is_empty()) {
        rank(&clip, done, &reporter)?;
    }
    Ok(())
}

/// The tag that adds a `LoRA`, named or in a file, which then is one of the library's.
fn tag(library: &mut Library, wish: &str) -> String {
    let (lora, weight) = wish.rsplit_once('=').unwrap_or((wish, "1"));
    let path = Path::new(lora);
    let name = if path.is_file() { library.add_lora(path.to_owned()) } else { lora.to_owned() };
    format!(" <lora:{name}:{weight}>")
}

/// Orders what was painted by how well it fits its prompt.
fn rank(clip: &ChosenClip, done: &mut Done, reporter: &Reporter) -> anyhow::Result<()> {
    done.clip = Some(clip.name.clone());
    let mut eye = clip.open()?;
    for written in &mut done.pictures {
        let Painted { picture, request, .. } = &written.painted;
        written.fit = eye.look(picture, &request.prompt)?.fit;
    }
    done.pictures.sort_by(|a, b| b.fit.unwrap_or(f32::MIN).total_cmp(&a.fit.unwrap_or(f32::MIN)));
    for Written { file, fit, .. } in &done.pictures {
        if let Some(fit) = fit {
            reporter.note(&format!("fit {fit:.4}: {}", file.display()));
        }
    }
    Ok(())
}

/// What is known already of the contents of a request's model and VAE.
fn hashes(library: &Library, request: &Request) -> FileHashes {
    let Ok(paths) = Paths::from_environment() else { return FileHashes::default() };
    let known = Hashes::load(&paths.hashes_file());
    let of = |path: PathBuf| known.of(&path).map(str::to_owned);
    let vae = request.borrowed.vae.as_deref().and_then(|name| library.find_vae(name).ok());
    FileHashes {
        model: library.find(&request.model).ok().and_then(of),
        vae: vae.map(|entry| entry.path.clone()).and_then(of),
    }
}

fn keep(output: &Output, painted: Painted, stopped: bool, hashes: &FileHashes) -> anyhow::Result<Written> {
    let file = output.write(&painted, hashes)?;
    Ok(Written { file, painted, stopped, fit: None })
}

/// How one picture came out.
pub(super) struct Ended {
    /// It, and whether it was stopped early; nothing if it was thrown away.
    pub(super) picture: Option<(Painted, bool)>,
    /// Why its trace is not there.
    trace_failed: Option<engine::Error>,
}

/// Paints one picture, and shows each event on the way.
pub(super) fn paint_one(
    client: &Client,
    job: Job,
    trace: Option<PathBuf>,
    on_event: &mut dyn FnMut(&Event),
) -> anyhow::Result<Ended> {
    let mut trace_failed = None;
    client.send(match trace {
        Some(file) => Command::Trace { job, file },
        None => Command::Generate(job),
    });
    loop {
        let Some(event) = client.event_within(Duration::from_millis(200)) else {
            if client.is_alive() {
                continue;
            }
            return Err(anyhow!("the inference thread could not be started: close other programs and try again"));
        };
        on_event(&event);
        let picture = match event {
            Event::TraceFailed { error, .. } => {
                trace_failed = Some(error);
                continue;
            }
            Event::JobEnded { outcome: Outcome::Finished(painted), .. } => Some((painted, false)),
            Event::JobEnded { outcome: Outcome::Stopped(painted), .. } => Some((painted, true)),
            Event::JobEnded { outcome: Outcome::Cancelled, .. } => None,
            Event::JobEnded { outcome: Outcome::Failed(error), .. } => return Err(error.into()),
            _ => continue,
        };
        return Ok(Ended { picture, trace_failed });
    }
}

/// The first Ctrl+C stops after the current step and keeps what there is, but for weights that are being kept for the next time; the second ends
/// the program at once.
pub(super) fn stop_on_ctrl_c(cancel: &CancelToken) -> anyhow::Result<()> {
    let cancel = cancel.clone();
    ctrlc::set_handler(move || {
        // When all is painted this is what is waited for.
        break_off_packing();
        if cancel.requested().is_some() {
            std::process::exit(130);
        }
        cancel.stop(Stop::Keep);
    })
    .map_err(|error| anyhow!("Ctrl+C could not be taken over ({error}): try again"))
}

/// A request in few words.
pub(super) fn in_words(request: &Request) -> String {
    let Request { extent, seed, steps, .. } = request;
    let steps_to_run = request.steps_to_run();
    let run = if steps_to_run == *steps { String::new() } else { format!("{steps_to_run} of ") };
    let guided =
        request.control.as_ref().map_or_else(String::new, |control| format!(", guided by {}", control.controlnet));
    let larger = if request.upscale.is_some() { format!(" to {}", request.picture_extent()) } else { String::new() };
    let precision =
        if request.precision == Precision::F32 { String::new() } else { format!(", {}", request.precision.name()) };
    format!(
        "{extent}{larger}, seed {seed}, {run}{} of {} {}, guidance {}, {}{precision}{guided}",
        steps_in_words(*steps),
        request.sampler.label(),
        request.schedule.label(),
        request.guidance_scale,
        request.model
    )
}
