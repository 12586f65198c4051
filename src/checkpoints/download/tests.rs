//! Downloads from a hub that is played by hand, on this machine: one that drops lines, ignores ranges, lies and points elsewhere.

use super::played::{Answer, Asked, COMMIT, Played, listing, play, sha256};
use super::*;
use std::ops::ControlFlow::{Break, Continue};
use std::time::Duration;

/// A hub that is played, what talks to it, and the folder of models.
struct Stage {
    played: Played,
    hub: Hub,
    models: tempfile::TempDir,
}

fn stage(answer: impl Fn(&Asked, usize) -> Answer + Send + 'static) -> Stage {
    let played = play(answer);
    let mut hub = Hub::new(&played.address, Some("secret".into())).unwrap();
    hub.pause = Duration::from_millis(1);
    Stage { played, hub, models: tempfile::tempdir().unwrap() }
}

const INDEX_JSON: &[u8] = br#"{"_class_name": "StableDiffusionPipeline"}"#;

fn weights() -> Vec<u8> {
    (0..600_000u32).map(|n| (n * 7 + n / 251) as u8).collect()
}

fn files(weights: &[u8]) -> [(&'static str, &[u8]); 4] {
    [
        ("model_index.json", INDEX_JSON),
        ("unet/config.json", b"{}"),
        ("unet/diffusion_pytorch_model.safetensors", weights),
        ("README.md", b"# A model"),
    ]
}

/// An answer that does not say how long it is.
fn chunked(bytes: &[u8]) -> Answer {
    let body = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n0\r\n\r\n"].concat();
    Answer::ok(body).with("Transfer-Encoding: chunked")
}

/// A hub with one pipeline, whose weights `weigh` answers for.
fn pipeline(weigh: impl Fn(&Asked, usize, &[u8]) -> Answer + Send + 'static) -> Stage {
    stage(move |asked, before| {
        let weights = weights();
        let files = files(&weights);
        if asked.path.starts_with("/api/models/o/n/revision/main?") {
            return Answer::ok(listing(&files));
        }
        let resolved = asked.path.strip_prefix(&format!("/o/n/resolve/{COMMIT}/")).unwrap_or(&asked.path);
        match files.iter().find(|(name, _)| *name == resolved) {
            Some((name, bytes)) if name.ends_with(".safetensors") => weigh(asked, before, bytes),
            Some((_, bytes)) => Answer::ok(*bytes),
            None => weigh(asked, before, &weights),
        }
    })
}

impl Stage {
    fn wanted() -> Wanted {
        Wanted::pipeline(Repo::parse("o/n").unwrap())
    }

    fn get(&self, wanted: &Wanted) -> Result<PathBuf, Error> {
        let plan = self.hub.plan(wanted, self.models.path())?;
        self.hub.download(&plan, &mut |_| Continue(()))
    }

    /// The files below the folder of models, by path.
    fn there(&self) -> Vec<String> {
        fn collect(folder: &Path, root: &Path, names: &mut Vec<String>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    collect(&path, root, names);
                } else {
                    names.push(path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/"));
                }
            }
        }
        let mut names = Vec::new();
        collect(self.models.path(), self.models.path(), &mut names);
        names.sort();
        names
    }

    /// Leaves this of the weights, as another time.
    fn part_of_the_weights(&self, bytes: &[u8]) -> PathBuf {
        let folder = self.models.path().join(format!(".o--n.{COMMIT}.part/unet"));
        std::fs::create_dir_all(&folder).unwrap();
        let digits = &sha256(&weights())[..12];
        let part = folder.join(format!(".diffusion_pytorch_model.safetensors.{digits}.part"));
        std::fs::write(&part, bytes).unwrap();
        part
    }

    fn has_the_model(&self) {
        let names = ["n/model_index.json", "n/unet/config.json", "n/unet/diffusion_pytorch_model.safetensors"];
        assert_eq!(self.there(), names);
        let got = std::fs::read(self.models.path().join(names[2])).unwrap();
        assert!(got == weights(), "the weights that came are not those of the hub");
    }

    /// From which bytes the weights were asked for.
    fn ranges(&self) -> Vec<Option<usize>> {
        let asked = self.played.asked.lock().unwrap();
        asked.iter().filter(|one| one.path.ends_with(".safetensors")).map(Asked::from).collect()
    }
}

#[test]
fn a_pipeline_comes_as_a_folder_that_is_found_and_progress_is_told() {
    let stage = pipeline(|asked, _, bytes| Answer::ranged(asked, bytes));
    let plan = stage.hub.plan(&Stage::wanted(), stage.models.path()).unwrap();
    assert_eq!((plan.commit.as_str(), plan.licence.as_deref(), plan.files.len()), (COMMIT, Some("openrail"), 3));
    assert_eq!(plan.bytes(), 600_000 + 2 + INDEX_JSON.len() as u64);
    let mut last = 0;
    let path = stage.hub.download(&plan, &mut |progress| {
        assert!(progress.bytes >= last && progress.total == plan.bytes(), "{progress:?} after {last}");
        last = progress.bytes;
        Continue(())
    });
    assert_eq!(path.unwrap(), stage.models.path().join("n"));
    assert_eq!(last, plan.bytes());
    stage.has_the_model();
    // Once more: what is there is looked at, and nothing but the list is asked for.
    let before = stage.played.asked.lock().unwrap().len();
    stage.get(&Stage::wanted()).unwrap();
    assert_eq!(stage.played.asked.lock().unwrap().len(), before + 1);
}

#[test]
fn a_line_that_breaks_is_taken_up_where_it_broke() {
    let stage = pipeline(|asked, before, bytes| {
        let answer = Answer::ranged(asked, bytes).with("ETag: \"state\"");
        if before < 3 { answer.breaking_after(150_000) } else { answer }
    });
    stage.get(&Stage::wanted()).unwrap();
    stage.has_the_model();
    assert_eq!(stage.ranges(), [None, Some(150_000), Some(300_000), Some(450_000)]);
    let asked = stage.played.asked.lock().unwrap();
    let last = asked.iter().rfind(|one| one.from().is_some()).unwrap();
    assert_eq!(last.headers.get("if-range").map(String::as_str), Some("\"state\""));
}

#[test]
fn what_was_cancelled_goes_on_the_next_time_and_is_no_model_until_then() {
    let stage = pipeline(|asked, _, bytes| Answer::ranged(asked, bytes));
    let plan = stage.hub.plan(&Stage::wanted(), stage.models.path()).unwrap();
    let cancelled =
        stage.hub.download(&plan, &mut |progress| if progress.bytes > 200_000 { Break(()) } else { Continue(()) });
    assert!(matches!(cancelled, Err(Error::Cancelled)), "{cancelled:?}");
    assert!(!stage.models.path().join("n").exists());
    assert_eq!(crate::checkpoints::places::models_in(stage.models.path()).0, Vec::<PathBuf>::new());
    stage.get(&Stage::wanted()).unwrap();
    stage.has_the_model();
    let ranges = stage.ranges();
    assert!(ranges.len() == 2 && ranges[1].is_some_and(|from| from >= 199_000), "{ranges:?}");
}

#[test]
fn a_server_that_knows_no_ranges_sends_all_of_it_again() {
    let stage = pipeline(|_, before, bytes| {
        let answer = Answer::ok(bytes);
        if before == 0 { answer.breaking_after(150_000) } else { answer }
    });
    stage.get(&Stage::wanted()).unwrap();
    stage.has_the_model();
    assert_eq!(stage.ranges(), [None, Some(150_000)]);
}

#[test]
fn a_line_that_brings_nothing_is_given_up_and_what_came_is_kept() {
    let stage = pipeline(|asked, before, bytes| {
        Answer::ranged(asked, bytes).breaking_after(if before == 0 { 100_000 } else { 0 })
    });
    let error = stage.get(&Stage::wanted()).unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert_eq!(stage.ranges().len(), 7);
    let part = stage.there().into_iter().find(|name| name.contains(".safetensors.")).unwrap();
    assert_eq!(std::fs::metadata(stage.models.path().join(part)).unwrap().len(), 100_000);
}

#[test]
fn a_server_that_is_busy_is_asked_again_and_one_that_refuses_is_not() {
    let stage = pipeline(|asked, before, bytes| match before {
        0 => Answer::new("503 Service Unavailable", ""),
        1 => Answer::new("429 Too Many Requests", ""),
        _ => Answer::ranged(asked, bytes),
    });
    stage.get(&Stage::wanted()).unwrap();
    stage.has_the_model();
    let stage = pipeline(|_, _, _| Answer::new("410 Gone", ""));
    let error = stage.get(&Stage::wanted()).unwrap_err().to_string();
    assert!(error.ends_with("answers with 410: try again later"), "{error}");
    assert_eq!(stage.ranges().len(), 1);
}

#[test]
fn lies_about_the_size_are_refused_and_what_came_before_them_is_kept() {
    type Lie = fn(&Asked, &[u8]) -> Answer;
    let lies: [(Lie, &str); 5] = [
        (|_, bytes| Answer::ok(&bytes[..1000]), "the server announces 1000"),
        (|_, bytes| Answer::ok([bytes, b"x"].concat()), "the server announces 600001"),
        (|_, _| chunked(b"<html>Sign in</html>"), "the server does not say how many it sends"),
        (
            |asked, bytes| {
                Answer::new("206 Partial Content", &bytes[1000..])
                    .with(format!("Content-Range: bytes {}-9/700000", asked.from().unwrap()))
            },
            "the server has 700000",
        ),
        (|_, _| Answer::new("416 Range Not Satisfiable", ""), "the server has fewer than 1000"),
    ];
    for (lie, words) in lies {
        let stage = pipeline(move |asked, before, bytes| match before {
            0 => Answer::ok(bytes).breaking_after(1000),
            1 => lie(asked, bytes),
            _ => Answer::ranged(asked, bytes),
        });
        let error = stage.get(&Stage::wanted()).unwrap_err();
        assert!(matches!(error, Error::Size { .. }), "{error}");
        let error = error.to_string();
        let begins = "unet/diffusion_pytorch_model.safetensors should have 600000 bytes, but ";
        assert!(error.starts_with(begins) && error.contains(words), "{error}");
        stage.get(&Stage::wanted()).unwrap();
        stage.has_the_model();
        assert_eq!(stage.ranges(), [None, Some(1000), Some(1000)], "{words}");
    }
}

#[test]
fn more_bytes_than_there_should_be_are_not_kept_and_nothing_is_left_of_nothing() {
    type Lie = fn(&[u8]) -> Answer;
    let lies: [(Lie, &str); 2] = [
        (|bytes| chunked(&[bytes, b"123456789"].concat()), "the server sends more: it is not kept"),
        (|bytes| Answer::ok(&bytes[..1000]), "the server announces 1000"),
    ];
    for (lie, words) in lies {
        let stage = pipeline(move |_, _, bytes| lie(bytes));
        let error = stage.get(&Stage::wanted()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert!(stage.there().iter().all(|name| !name.contains("diffusion_pytorch")), "{:?}", stage.there());
    }
}

#[test]
fn reading_what_is_there_can_be_cancelled() {
    let stage = pipeline(|asked, _, bytes| Answer::ranged(asked, bytes));
    let part = stage.part_of_the_weights(&weights()[..5000]);
    let plan = stage.hub.plan(&Stage::wanted(), stage.models.path()).unwrap();
    let mut at_weights =
        |progress: &Progress| if progress.file.ends_with(".safetensors") { Break(()) } else { Continue(()) };
    let cancelled = stage.hub.download(&plan, &mut at_weights);
    assert!(matches!(cancelled, Err(Error::Cancelled)), "{cancelled:?}");
    assert!(stage.ranges().is_empty(), "it was asked for after all");
    assert_eq!(std::fs::metadata(&part).unwrap().len(), 5000);

    stage.get(&Stage::wanted()).unwrap();
    let again = stage.hub.download(&plan, &mut at_weights);
    assert!(matches!(again, Err(Error::Cancelled)), "{again:?}");
    stage.has_the_model();
}

#[test]
fn two_repositories_and_two_commits_do_not_mix_their_files() {
    let plan = |repo: &str, commit: &str| Plan {
        repo: Repo::parse(repo).unwrap(),
        commit: commit.to_owned(),
        licence: None,
        files: Vec::new(),
        folder: PathBuf::from("models"),
        model: Some(PathBuf::from("models/x")),
    };
    let ways = [plan("a/x", "1"), plan("b/x", "1"), plan("a/x", "2")].map(|plan| plan.on_its_way());
    assert!(ways[0] != ways[1] && ways[0] != ways[2] && ways[1] != ways[2], "{ways:?}");
    assert!(ways.iter().all(|way| way.starts_with("models") && way.components().count() == 2), "{ways:?}");
}

#[test]
fn another_part_than_the_one_that_was_asked_for_is_refused() {
    let stage = pipeline(|_, before, bytes| match before {
        0 => Answer::ok(bytes).breaking_after(1000),
        _ => Answer::new("206 Partial Content", &bytes[500..]).with("Content-Range: bytes 500-599999/600000"),
    });
    let error = stage.get(&Stage::wanted()).unwrap_err().to_string();
    assert!(error.contains("another part of a file than it was asked for"), "{error}");
}

#[test]
fn wrong_bytes_are_not_kept() {
    let stage = pipeline(|_, _, bytes| Answer::ok([b"x", &bytes[1..]].concat()));
    let error = stage.get(&Stage::wanted()).unwrap_err().to_string();
    assert!(error.contains("is not what 127.0.0.1") && error.contains("it is not kept"), "{error}");
    assert!(stage.there().iter().all(|name| !name.contains("diffusion_pytorch")), "{:?}", stage.there());
}

#[test]
fn what_was_damaged_between_two_times_comes_anew() {
    let stage = pipeline(|asked, _, bytes| Answer::ranged(asked, bytes));
    stage.part_of_the_weights(&[0; 5000]);
    stage.get(&Stage::wanted()).unwrap();
    stage.has_the_model();
    assert_eq!(stage.ranges(), [Some(5000), None]);
}

#[test]
fn a_redirect_is_followed_and_the_token_stays_with_the_hub() {
    let elsewhere = pipeline(|asked, _, bytes| Answer::ranged(asked, bytes));
    let to = format!("{}/blobs/weights.safetensors", elsewhere.played.address);
    let stage = pipeline(move |_, _, _| Answer::redirect(&to));
    stage.get(&Stage::wanted()).unwrap();
    stage.has_the_model();
    let has_token = |stage: &Stage| {
        let asked = stage.played.asked.lock().unwrap();
        asked
            .iter()
            .map(|one| one.headers.get("authorization").is_some_and(|token| token == "Bearer secret"))
            .collect::<Vec<_>>()
    };
    assert!(has_token(&stage).into_iter().all(|has| has));
    assert_eq!(has_token(&elsewhere), [false]);

    let round = pipeline(|asked, _, _| Answer::redirect(&asked.path));
    let error = round.get(&Stage::wanted()).unwrap_err().to_string();
    assert!(error.contains("points elsewhere again and again"), "{error}");
}

#[test]
fn a_name_that_leads_out_of_the_folder_is_refused_before_anything_is_written() {
    let stage = stage(|_, _| Answer::ok(listing(&[("model_index.json", INDEX_JSON), ("unet/../../evil.json", b"x")])));
    let error = stage.get(&Stage::wanted()).unwrap_err();
    assert!(matches!(error, Error::UnsafeName { .. }), "{error}");
    assert_eq!(stage.there(), Vec::<String>::new());
}

#[test]
fn named_files_lie_among_their_like() {
    let stage = stage(|asked, _| match asked.path.as_str() {
        path if path.starts_with("/api/") => {
            Answer::ok(listing(&[("a.safetensors", b"weights"), ("sub/b.safetensors", b"more"), ("README.md", b"x")]))
        }
        path if path.ends_with("/a.safetensors") => Answer::ok("weights"),
        _ => Answer::ok("more"),
    });
    let wanted = |files: &[&str], into: Option<&str>| Wanted {
        files: files.iter().map(|&file| file.to_owned()).collect(),
        into: into.map(str::to_owned),
        ..Stage::wanted()
    };
    assert_eq!(stage.get(&wanted(&["a.safetensors"], None)).unwrap(), stage.models.path().join("a.safetensors"));
    stage.get(&wanted(&["a.safetensors"], Some("loras"))).unwrap();
    assert_eq!(stage.there(), ["a.safetensors", "loras/a.safetensors"]);

    let error = stage.get(&wanted(&["c.safetensors"], None)).unwrap_err().to_string();
    assert_eq!(error, "o/n has no file c.safetensors; it has a.safetensors, sub/b.safetensors, README.md");
    let error = stage.get(&wanted(&["a.safetensors"], Some("../x"))).unwrap_err();
    assert!(matches!(error, Error::UnsafeName { .. }), "{error}");
    let error = stage.get(&Stage::wanted()).unwrap_err();
    assert!(matches!(error, Error::NotAPipeline { .. }), "{error}");

    std::fs::write(stage.models.path().join("a.safetensors"), "another").unwrap();
    let error = stage.get(&wanted(&["a.safetensors"], None)).unwrap_err();
    assert!(matches!(error, Error::InTheWay(_)), "{error}");
    assert_eq!(std::fs::read(stage.models.path().join("a.safetensors")).unwrap(), b"another");
}

#[test]
fn a_hub_that_refuses_or_makes_no_sense_is_named_with_what_to_do() {
    let answers: [(&str, &str, &str); 5] = [
        ("404 Not Found", "", "there is no o/n at http://127.0.0.1"),
        ("401 Unauthorized", "", "an access token into the environment variable HF_TOKEN"),
        ("500 Internal Server Error", "", "answers with 500"),
        ("200 OK", "<html>", "it sends no JSON"),
        ("200 OK", r#"{"sha": "x", "siblings": [{"rfilename": "a"}]}"#, "without its name or size"),
    ];
    for (status, body, words) in answers {
        let stage = stage(move |_, _| Answer::new(status, body));
        let error = stage.get(&Stage::wanted()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let hub = Hub::new("http://127.0.0.1:1", None).unwrap();
    let error = hub.plan(&Stage::wanted(), Path::new("nowhere")).unwrap_err().to_string();
    assert!(error.starts_with("127.0.0.1:1 cannot be reached"), "{error}");
}

#[test]
fn two_downloads_do_not_write_one_file() {
    let stage = pipeline(|asked, _, bytes| Answer::ranged(asked, bytes));
    let plan = stage.hub.plan(&Stage::wanted(), stage.models.path()).unwrap();
    let mut second = None;
    let first = stage.hub.download(&plan, &mut |progress| {
        if progress.file.ends_with(".safetensors") && second.is_none() {
            second = Some(stage.hub.download(&plan, &mut |_| Continue(())));
        }
        Continue(())
    });
    assert!(matches!(second, Some(Err(Error::Busy(_)))), "{second:?}");
    first.unwrap();
    stage.has_the_model();
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_and_what_to_do_about_it() {
    let stage = pipeline(|asked, _, bytes| Answer::ranged(asked, bytes));
    let folder = stage.models.path().join(format!(".o--n.{COMMIT}.part/unet"));
    std::fs::create_dir_all(&folder).unwrap();
    let digits = &sha256(&weights())[..12];
    let part = folder.join(format!(".diffusion_pytorch_model.safetensors.{digits}.part"));
    std::os::unix::fs::symlink("/dev/full", &part).unwrap();
    let error = stage.get(&Stage::wanted()).unwrap_err().to_string();
    assert!(error.starts_with("the disk is full: free some space and start the download again"), "{error}");
    assert!(error.contains("/.diffusion_pytorch_model.safetensors."), "{error}");
}
