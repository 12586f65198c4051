//! `sfumato models get` and `sfumato models starters`: models from a hub.

use super::paint::stop_on_ctrl_c;
use super::report::Reporter;
use super::{GetArgs, JSON_VERSION, describe, print, print_json};
use crate::checkpoints::Library;
use crate::checkpoints::download::{Error, Hub, Plan, Progress, Repo, STARTERS, Starter, Wanted};
use crate::engine::{self, CancelToken};
use crate::settings::{Paths, Settings};
use serde_json::json;
use std::ops::ControlFlow::{Break, Continue};
use std::path::{Path, PathBuf};

/// Downloads; with `--json` the object is printed also when that fails.
pub(super) fn get(args: &GetArgs) -> anyhow::Result<u8> {
    let mut plan = None;
    let got = get_all(args, &mut plan);
    if args.json {
        let json = json!({
            "version": JSON_VERSION,
            "repo": args.repo,
            "commit": plan.as_ref().map(|plan| &plan.commit),
            "licence": plan.as_ref().and_then(|plan| plan.licence.as_ref()),
            "bytes": plan.as_ref().map(Plan::bytes),
            "path": got.as_ref().ok().map(|path| describe::absolute(path)),
            "interrupted": got.as_ref().is_err_and(is_cancelled),
            "error": got.as_ref().err().filter(|error| !is_cancelled(error)).map(describe::failure),
        });
        print_json(&json)?;
    }
    match got {
        Ok(path) if !args.json => print(&format!("{}\n", path.display())).map(|()| 0),
        Ok(_) => Ok(0),
        Err(error) if is_cancelled(&error) => Ok(130),
        Err(error) => Err(error),
    }
}

fn is_cancelled(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(Error::Cancelled))
}

fn get_all(args: &GetArgs, planned: &mut Option<Plan>) -> anyhow::Result<PathBuf> {
    let paths = Paths::from_environment()?;
    let (settings, problem) = Settings::load(&paths.settings_file());
    let reporter = Reporter::new(1);
    if let Some(problem) = problem {
        reporter.note(&problem);
    }
    let hub = Hub::new(settings.hub.as_deref().unwrap_or(Hub::DEFAULT), std::env::var(Hub::TOKEN).ok())?;
    let wanted = Wanted {
        files: args.files.clone(),
        into: args.into.clone(),
        whole: args.whole,
        ..Wanted::pipeline(Repo::parse(&args.repo)?)
    };
    let cancel = CancelToken::default();
    stop_on_ctrl_c(&cancel)?;
    let plan = planned.insert(hub.plan(&wanted, &paths.models_folder())?);
    let licence = plan.licence.as_deref().unwrap_or("not said");
    let (count, size) = (plan.files.len(), megabytes(plan.bytes()));
    let of = format!("{}, commit {}", plan.repo.name, plan.commit.get(..10).unwrap_or(&plan.commit));
    reporter.note(&format!("{of}: {count} files, {size} MB, licence: {licence}"));
    let tell = &mut |progress: &Progress| {
        reporter.downloaded(progress);
        cancel.requested().map_or(Continue(()), |_| Break(()))
    };
    match hub.download(plan, tell) {
        Ok(path) => {
            reporter.done(&what_it_is(&path));
            Ok(path)
        }
        Err(error) => {
            if matches!(error, Error::Cancelled) {
                reporter.done(&error.to_string());
            }
            Err(error.into())
        }
    }
}

/// What can be done with what came.
fn what_it_is(path: &Path) -> String {
    let library = Library::discover(&[path.to_owned()]);
    let here = library.entries().iter().find(|entry| entry.path == path);
    match here.map(|entry| (&entry.name, &entry.summary)) {
        Some((name, Ok(summary))) => format!("done: paint with it by --model {name} ({})", summary.native_extent),
        Some((_, Err(problem))) => format!("done, but it cannot be painted with: {problem}"),
        None => "done".to_owned(),
    }
}

fn megabytes(bytes: u64) -> u64 {
    bytes.div_ceil(1_000_000)
}

/// Lists what one could begin with. The hub is not asked.
pub(super) fn starters(json: bool) -> anyhow::Result<()> {
    let on_gpu = !engine::device().is_cpu();
    if json {
        let models = STARTERS.iter().map(|starter| {
            json!({
                "name": starter.name, "repo": starter.repo, "about": starter.about, "licence": starter.licence,
                "bytes": starter.bytes(), "memory_bytes": starter.memory(on_gpu),
                "extent": { "width": starter.extent.width, "height": starter.extent.height },
            })
        });
        return print_json(&json!({ "version": JSON_VERSION, "starters": models.collect::<Vec<_>>() }));
    }
    let line = |starter: &Starter| {
        let Starter { name, repo, about, licence, extent, .. } = starter;
        let (size, memory) = (gigabytes(starter.bytes()), gigabytes(starter.memory(on_gpu)));
        format!(
            "{name}\t{size} to download\tneeds {memory} of memory\t{licence}\n\t{about}; {extent} pixels\tsfumato models get {repo}\n"
        )
    };
    print(&STARTERS.iter().map(line).collect::<String>())
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}
