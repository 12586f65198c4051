//! `sfumato rank` and `sfumato search`: pictures in the order in which they fit words.

use super::models::chosen_clip;
use super::paint::stop_on_ctrl_c;
use super::report::Reporter;
use super::{JSON_VERSION, RankArgs, SearchArgs, Usage, describe, library, print, print_json};
use crate::engine::{self, CancelToken};
use crate::gallery::{Entry, Gallery};
use crate::meaning::Eye;
use crate::pixels::Picture;
use crate::settings::Paths;
use anyhow::bail;
use serde_json::{Value, json};
use std::path::PathBuf;

/// What a run of `sfumato rank` left.
#[derive(Default)]
struct Ranked {
    clip: Option<String>,
    /// The best first.
    pictures: Vec<(PathBuf, f32)>,
}

pub(super) fn rank(args: &RankArgs) -> anyhow::Result<()> {
    if args.prompt.trim().is_empty() {
        bail!(Usage("pictures cannot fit a prompt that says nothing: write one behind --prompt".to_owned()));
    }
    let mut ranked = Ranked::default();
    let result = rank_all(args, &mut ranked);
    ranked.pictures.sort_by(|a, b| b.1.total_cmp(&a.1));
    if args.json {
        let picture = |(file, fit): &(PathBuf, f32)| json!({ "file": describe::absolute(file), "fit": fit });
        print_json(&json!({
            "version": JSON_VERSION,
            "clip": ranked.clip,
            "prompt": args.prompt,
            "pictures": ranked.pictures.iter().map(picture).collect::<Vec<_>>(),
            "error": result.as_ref().err().map(describe::failure),
        }))?;
    } else {
        print(&ranked.pictures.iter().map(|(file, fit)| line(*fit, &file.display().to_string())).collect::<String>())?;
    }
    result
}

fn rank_all(args: &RankArgs, ranked: &mut Ranked) -> anyhow::Result<()> {
    let (library, settings) = library(None);
    let chosen = chosen_clip(&library, args.clip.as_deref(), settings.clip.as_deref())?;
    ranked.clip = Some(chosen.name.clone());
    let mut eye = chosen.open()?;
    for file in &args.files {
        let seen = eye.look(&Picture::load(file)?, &args.prompt)?;
        ranked.pictures.extend(seen.fit.map(|fit| (file.clone(), fit)));
    }
    Ok(())
}

/// A line of a ranking.
fn line(fit: f32, what: &str) -> String {
    format!("{fit:.4}\t{what}\n")
}

/// What a run of `sfumato search` left.
#[derive(Default)]
struct Found {
    clip: Option<String>,
    /// The nearest first.
    entries: Vec<(Entry, f32)>,
    notes: Vec<String>,
    interrupted: bool,
}

pub(super) fn search(args: &SearchArgs) -> anyhow::Result<u8> {
    let text = args.text.join(" ");
    if text.trim().is_empty() {
        bail!(Usage("there is nothing to search for: write what the pictures should show".to_owned()));
    }
    let mut found = Found::default();
    let result = search_gallery(args, &text, &mut found);
    if args.json {
        print_json(&json!({
            "version": JSON_VERSION,
            "clip": found.clip,
            "text": text,
            "pictures": found.entries.iter().map(entry_as_json).collect::<Vec<_>>(),
            "notes": found.notes,
            "interrupted": found.interrupted,
            "error": result.as_ref().err().map(describe::failure),
        }))?;
    } else {
        print(
            &found.entries.iter().map(|(entry, fit)| line(*fit, &entry.path.display().to_string())).collect::<String>(),
        )?;
    }
    result?;
    Ok(if found.interrupted { 130 } else { 0 })
}

fn entry_as_json((entry, fit): &(Entry, f32)) -> Value {
    let record = &entry.record;
    json!({
        "file": describe::absolute(&entry.path),
        "fit": fit,
        "prompt": record.prompt,
        "seed": record.seed,
        "missing": entry.missing,
    })
}

fn search_gallery(args: &SearchArgs, text: &str, found: &mut Found) -> anyhow::Result<()> {
    let (library, settings) = library(None);
    let chosen = chosen_clip(&library, args.clip.as_deref(), settings.clip.as_deref())?;
    found.clip = Some(chosen.name.clone());
    let folder = Paths::from_environment()?.gallery_folder(&settings);
    if !folder.is_dir() {
        bail!("there is no gallery yet: paint something in the window first; it would be {}", folder.display());
    }
    let mut gallery = Gallery::open(&folder)?;
    let mut eye = chosen.open()?;
    look_at_all(&mut gallery, &mut eye, &chosen.fingerprint, found)?;
    found.entries = gallery.nearest(&chosen.fingerprint, &eye.read(text)?, args.count as usize)?.entries;
    Ok(())
}

/// Looks at the gallery's pictures that this CLIP has not looked at; what it sees is kept, so that nothing is done twice.
fn look_at_all(gallery: &mut Gallery, eye: &mut Eye, clip: &str, found: &mut Found) -> anyhow::Result<()> {
    let unseen = gallery.count_unseen(clip)?;
    if unseen == 0 {
        return Ok(());
    }
    let reporter = Reporter::new(unseen);
    let mut note = |text: String| {
        reporter.note(&text);
        found.notes.push(text);
    };
    if gallery.is_read_only() {
        note(format!(
            "{unseen} pictures are left out: they were never looked at, and the gallery cannot be written to"
        ));
        return Ok(());
    }
    note(format!("looking at {unseen} pictures for the first time"));
    let cancel = CancelToken::default();
    stop_on_ctrl_c(&cancel)?;
    let mut looked = 0;
    while let Some(entry) = gallery.next_unseen(clip)? {
        if cancel.requested().is_some() {
            break;
        }
        let seen = gallery.picture(entry.id).map_err(anyhow::Error::from);
        let seen = seen.and_then(|picture| Ok(eye.look(&picture, &entry.record.prompt)?));
        if let Err(why) = &seen {
            note(format!("picture number {} cannot be looked at: {why}", entry.id.0));
        }
        gallery.keep_seen(entry.id, clip, seen.ok().as_ref())?;
        looked += 1;
        reporter.looked(looked, unseen as u32);
    }
    reporter.done(&format!("looked at {looked} pictures"));
    found.interrupted = cancel.requested().is_some();
    Ok(())
}

/// A CLIP to look through.
pub(super) struct ChosenClip {
    /// As `sfumato models` names it.
    pub(super) name: String,
    pub(super) folder: PathBuf,
    pub(super) fingerprint: String,
}

impl ChosenClip {
    pub(super) fn open(&self) -> anyhow::Result<Eye> {
        let clip = crate::checkpoints::Clip::load(&self.folder, &engine::device());
        Ok(Eye::new(clip.map_err(engine::Error::from)?))
    }
}
