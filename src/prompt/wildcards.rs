//! What a prompt leaves open: `{red|green|blue}` is one of them, `__animals__` a line of the file `wildcards/animals.txt`. The seed chooses, so
//! that the same request is the same picture, and what was chosen is what is kept with it. The spellings are those of A1111's wildcard
//! extensions and of `ComfyUI`.

use super::Error;
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// The files that prompts may take lines from. Each is read once, and again when it has changed.
#[derive(Clone, Debug, Default)]
pub struct Wildcards {
    folders: Vec<PathBuf>,
    read: Arc<Mutex<HashMap<PathBuf, Lines>>>,
}

/// What was read of a file.
#[derive(Debug)]
struct Lines {
    /// Its length, and when it was changed last.
    of: (u64, Option<SystemTime>),
    lines: Arc<[String]>,
}

/// How deep what is chosen may leave something open in turn.
const DEEPEST: usize = 20;
/// The longest file that is read, and the longest prompt that comes of it, in bytes.
const LONGEST_FILE: u64 = 16 << 20;
const LONGEST: usize = 200_000;

impl Wildcards {
    /// In the folder `wildcards` of each of these folders; of files of the same name the first counts.
    pub fn new(folders: &[PathBuf]) -> Self {
        Self { folders: folders.iter().map(|folder| folder.join("wildcards")).collect(), read: Arc::default() }
    }

    /// Whether they are those of these folders.
    pub fn are_in(&self, folders: &[PathBuf]) -> bool {
        self.folders.iter().eq(&Self::new(folders).folders)
    }

    /// A prompt that leaves nothing open.
    pub fn expanded(&self, text: &str, seed: u64) -> Result<String, Error> {
        let mut chosen = String::with_capacity(text.len());
        self.write(text, &mut Chance(seed), DEEPEST, &mut chosen)?;
        Ok(chosen)
    }

    fn write(&self, text: &str, chance: &mut Chance, depth: usize, to: &mut String) -> Result<(), Error> {
        let mut rest = text;
        while let Some(at) = rest.find(['{', '_', '\\']) {
            to.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some((options, end)) = options(rest) {
                let option = options[chance.below(options.len())];
                self.write(option, chance, deeper(rest, depth)?, to)?;
                rest = &rest[end..];
            } else if let Some((name, end)) = name(rest) {
                let lines = self.lines(name)?;
                let line = &lines[chance.below(lines.len())];
                self.write(line, chance, deeper(rest, depth)?, to)?;
                rest = &rest[end..];
            } else {
                // What is behind a backslash stands for itself; a run of underscores is a word.
                let end = match rest.as_bytes()[0] {
                    b'_' => rest.len() - rest.trim_start_matches('_').len(),
                    b'\\' => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
                    _ => 1,
                };
                to.push_str(&rest[..end]);
                rest = &rest[end..];
            }
            if to.len() > LONGEST {
                return Err(Error::Wildcard(format!("what it leaves open becomes longer than {LONGEST} letters")));
            }
        }
        to.push_str(rest);
        Ok(())
    }

    /// The lines of a file that are not empty and do not begin with `#`: at least one.
    fn lines(&self, name: &str) -> Result<Arc<[String]>, Error> {
        let relative = PathBuf::from(format!("{name}.txt"));
        let stays = relative.components().all(|part| matches!(part, Component::Normal(_)));
        let found = self.folders.iter().map(|folder| folder.join(&relative)).find(|path| stays && path.is_file());
        let Some(path) = found else {
            let folders: Vec<String> = self.folders.iter().map(|folder| folder.display().to_string()).collect();
            let places = if folders.is_empty() { "a folder of models".to_owned() } else { folders.join(" or ") };
            return Err(Error::Wildcard(format!("there is no {name}.txt for __{name}__: put one into {places}")));
        };
        let failed = |why: String| Error::Wildcard(format!("{why}: {}", path.display()));
        let about = path.metadata().map_err(|error| failed(error.to_string()))?;
        let of = (about.len(), about.modified().ok());
        let mut all = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(&path).filter(|known| known.of == of && of.1.is_some()) {
            return Ok(Arc::clone(&known.lines));
        }
        let text = read(&path).map_err(failed)?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let lines: Arc<[String]> = lines.map(str::to_owned).collect();
        if lines.is_empty() {
            return Err(Error::Wildcard(format!("nothing can be chosen from an empty file: {}", path.display())));
        }
        all.insert(path.clone(), Lines { of, lines: Arc::clone(&lines) });
        Ok(lines)
    }
}

/// One less deep.
fn deeper(text: &str, depth: usize) -> Result<usize, Error> {
    let shown: String = text.chars().take(30).collect();
    depth.checked_sub(1).ok_or_else(|| Error::Wildcard(format!("“{shown}” leaves itself open again and again")))
}

fn read(path: &Path) -> Result<String, String> {
    let length = path.metadata().map_err(|error| error.to_string())?.len();
    if length > LONGEST_FILE {
        return Err(format!("the file is longer than {} MiB", LONGEST_FILE >> 20));
    }
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&bytes).trim_start_matches('\u{feff}').to_owned())
}

/// What stands between the `|`s of the braces that `text` begins with, and where they end; none where there is nothing to choose.
fn options(text: &str) -> Option<(Vec<&str>, usize)> {
    let (mut options, mut from, mut depth, mut is_escaped) = (Vec::new(), 1, 0, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '{' => depth += 1,
            '}' if depth == 1 => {
                options.push(&text[from..at]);
                return (options.len() > 1).then_some((options, at + 1));
            }
            '}' => depth -= 1,
            '|' if depth == 1 => {
                options.push(&text[from..at]);
                from = at + 1;
            }
            _ if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// The name between the double underscores that `text` begins with, and where they end.
fn name(text: &str) -> Option<(&str, usize)> {
    let inside = text.strip_prefix("__")?;
    let name = &inside[..inside.find("__")?];
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | ' ' | '.');
    let fits = name.starts_with(char::is_alphanumeric) && name.ends_with(char::is_alphanumeric);
    (fits && name.chars().all(is_name)).then_some((name, name.len() + 4))
}

/// Steele et al. 2014's split-mix: any seed is good.
struct Chance(u64);

impl Chance {
    /// A number below `count`, which is at least 1.
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        // The upper bits are the better ones.
        ((u128::from(mixed ^ (mixed >> 31)) * count as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn wildcards() -> (tempfile::TempDir, Wildcards) {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("wildcards/wild");
        std::fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, text: &str| std::fs::write(home.path().join("wildcards").join(name), text).unwrap();
        write("animals.txt", "\u{feff}# of the house\ncat\n\n  dog \r\n__wild/cats__\n");
        write("wild/cats.txt", "lion\ntiger");
        write("loop.txt", "__loop__");
        write("grow.txt", "__grow__ __grow__");
        write("empty.txt", "# nothing\n\n");
        std::fs::write(home.path().join("secret.txt"), "secret").unwrap();
        let wildcards = Wildcards::new(&[home.path().join("other"), home.path().to_owned()]);
        (home, wildcards)
    }

    #[test]
    fn the_seed_chooses_and_every_choice_is_made_by_some() {
        let (_home, wildcards) = wildcards();
        let found =
            |text: &str| -> HashSet<String> { (0..200).map(|seed| wildcards.expanded(text, seed).unwrap()).collect() };
        let set = |options: &[&str]| options.iter().map(|option| (*option).to_owned()).collect::<HashSet<_>>();
        assert_eq!(found("a {red|green} apple"), set(&["a red apple", "a green apple"]));
        assert_eq!(found("{a|{b|c} d|}"), set(&["a", "b d", "c d", ""]));
        assert_eq!(found("a __animals__"), set(&["a cat", "a dog", "a lion", "a tiger"]));
        assert_eq!(wildcards.expanded("{a|b} {c|d}", 7).unwrap(), wildcards.expanded("{a|b} {c|d}", 7).unwrap());
    }

    #[test]
    fn a_file_that_has_changed_is_read_again() {
        let (home, wildcards) = wildcards();
        let file = home.path().join("wildcards/one.txt");
        std::fs::write(&file, "cat").unwrap();
        assert_eq!(wildcards.expanded("__one__", 1).unwrap(), "cat");
        let then = file.metadata().unwrap().modified().unwrap();
        std::fs::write(&file, "dog").unwrap();
        let open = std::fs::File::options().write(true).open(&file).unwrap();
        open.set_modified(then).unwrap();
        assert_eq!(wildcards.expanded("__one__", 1).unwrap(), "cat", "the same length and time: it is not read again");
        open.set_modified(then + std::time::Duration::from_secs(1)).unwrap();
        assert_eq!(wildcards.expanded("__one__", 1).unwrap(), "dog");
    }

    #[test]
    fn what_leaves_nothing_open_stays_as_it_is() {
        let (_home, wildcards) = wildcards();
        for text in ["{prompt}", "a {b", "a|b", "}{", "snake_case __ ___ a__b", "\\{a|b\\}", "[a|b] (c:1.2)", "红__"] {
            assert_eq!(wildcards.expanded(text, 3).unwrap(), text);
        }
    }

    #[test]
    fn what_cannot_be_chosen_is_said() {
        let (_home, wildcards) = wildcards();
        let error = |text: &str| wildcards.expanded(text, 1).unwrap_err().to_string();
        assert!(
            error("__birds__").contains("there is no birds.txt for __birds__: put one into"),
            "{}",
            error("__birds__")
        );
        assert!(error("__a/../../secret__").contains("there is no a/../../secret.txt"));
        assert!(error("__loop__").contains("again and again"));
        assert!(error("__grow__").contains("again and again"));
        assert!(error("__empty__").contains("empty file"));
    }

    proptest! {
        #[test]
        fn of_any_text_no_more_is_left_than_there_was(text in any::<String>(), some in "[{}|_a\\\\/. ]{0,30}", seed in any::<u64>()) {
            let none = Wildcards::default();
            for text in [text, some] {
                prop_assert!(none.expanded(&text, seed).map_or(0, |left| left.len()) <= text.len());
            }
        }
    }
}
