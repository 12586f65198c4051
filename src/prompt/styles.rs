//! Prompts to use again: A1111's `styles.csv`, with the columns `name`, `prompt` and `negative_prompt` (`modules/styles.py`).

use super::Error;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A row of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Style {
    /// What it is called.
    pub name: String,
    /// What it does to a prompt.
    pub prompt: String,
    /// What it does to a negative prompt.
    pub negative_prompt: String,
}

/// The longest file that is read, in bytes.
const LONGEST: u64 = 16 << 20;

impl Style {
    /// Those of a file; rows without a name are passed over.
    pub fn read(path: &Path) -> Result<Vec<Self>, Error> {
        let failed = |why: String| Error::Styles { path: path.to_owned(), reason: why };
        let length = path.metadata().map_err(|error| failed(error.to_string()))?.len();
        if length > LONGEST {
            return Err(failed(format!("it is longer than {} MiB", LONGEST >> 20)));
        }
        let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
        let text = String::from_utf8_lossy(&bytes);
        let mut rows = rows(text.trim_start_matches('\u{feff}')).into_iter();
        let header = rows.next().unwrap_or_default();
        let column = |name: &str| header.iter().position(|title| title.trim() == name);
        let Some(name) = column("name") else {
            return Err(failed("its first line names no column “name”".to_owned()));
        };
        // Older files call the prompt so.
        let prompt = column("prompt").or_else(|| column("text"));
        let negative = column("negative_prompt");
        let cell =
            |row: &[String], column: Option<usize>| column.and_then(|at| row.get(at)).cloned().unwrap_or_default();
        let styles = rows.map(|row| Self {
            name: cell(&row, Some(name)),
            prompt: cell(&row, prompt),
            negative_prompt: cell(&row, negative),
        });
        Ok(styles.filter(|style| !style.name.trim().is_empty()).collect())
    }

    /// Where they may be: in each of these folders, and beside each.
    pub fn places(folders: &[PathBuf]) -> Vec<PathBuf> {
        let beside = folders.iter().filter_map(|folder| folder.parent().map(Path::to_owned));
        folders.iter().cloned().chain(beside).map(|folder| folder.join("styles.csv")).collect()
    }

    /// Those of all files in these folders and beside them; of two of one name, whatever its case, the first. And why
    /// files could not be read.
    pub fn of_folders(folders: &[PathBuf]) -> (Vec<Self>, Vec<Error>) {
        let (mut all, mut unread) = (Vec::<Self>::new(), Vec::new());
        for file in Self::places(folders).iter().filter(|file| file.is_file()) {
            match Self::read(file) {
                Ok(styles) => {
                    for style in styles {
                        if all.iter().all(|known| !known.name.eq_ignore_ascii_case(&style.name)) {
                            all.push(style);
                        }
                    }
                }
                Err(error) => unread.push(error),
            }
        }
        (all, unread)
    }

    /// A prompt and a negative prompt in all of these styles, one after the other.
    pub fn all_applied(styles: &[Self], prompt: &str, negative_prompt: &str) -> (String, String) {
        let plain = (prompt.to_owned(), negative_prompt.to_owned());
        styles.iter().fold(plain, |(prompt, negative), style| style.applied(&prompt, &negative))
    }

    /// A prompt and a negative prompt in this style.
    pub fn applied(&self, prompt: &str, negative_prompt: &str) -> (String, String) {
        (merged(&self.prompt, prompt), merged(&self.negative_prompt, negative_prompt))
    }
}

/// In the place that the style has for it, or before the style.
fn merged(style: &str, prompt: &str) -> String {
    if style.contains("{prompt}") {
        return style.replace("{prompt}", prompt);
    }
    let parts = [prompt.trim(), style.trim()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// The cells of comma-separated values as RFC 4180 has them: a cell in quotes may hold commas and lines, and "" is a quote. Empty lines are
/// none.
fn rows(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut is_quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' if is_quoted || cell.is_empty() => is_quoted = !is_quoted,
            ',' if !is_quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !is_quoted && chars.peek() == Some(&'\n') => {}
            '\n' if !is_quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            other => cell.push(other),
        }
    }
    row.push(cell);
    rows.push(row);
    rows.retain(|row| row.iter().any(|cell| !cell.is_empty()));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Style>, Error> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("styles.csv");
        std::fs::write(&path, text).unwrap();
        Style::read(&path)
    }

    #[test]
    fn a_file_of_a1111_is_read() {
        let text = "\u{feff}name,prompt,negative_prompt\r\nInk,\"{prompt}, ink, \"\"fine\"\"\nlines\",photo\r\n\r\n,no name,\r\nBare,oil\r\n";
        let styles = read(text).unwrap();
        assert_eq!(styles.len(), 2);
        let ink = styles[0].applied("a cat", "blurry");
        assert_eq!(ink, ("a cat, ink, \"fine\"\nlines".to_owned(), "blurry, photo".to_owned()));
        assert_eq!(styles[1].applied(" a cat ", ""), ("a cat, oil".to_owned(), String::new()));
        assert_eq!(read("name,text\nOld,old").unwrap()[0].prompt, "old");
    }

    #[test]
    fn a_file_that_is_none_is_said() {
        let error = read("a,b\nc,d").unwrap_err().to_string();
        assert!(error.contains("“name”") && error.contains("styles.csv"), "{error}");
        assert_eq!(read("name\n\"open").unwrap()[0].name, "open");
        assert!(Style::read(Path::new("/nowhere/styles.csv")).is_err());
    }

    #[test]
    fn a_file_that_cannot_be_read_hides_no_other() {
        let home = tempfile::tempdir().unwrap();
        let (first, second) = (home.path().join("a/models"), home.path().join("b/models"));
        for (folder, text) in [(&first, "no, header"), (&second, "name,prompt\nInk,ink")] {
            std::fs::create_dir_all(folder).unwrap();
            std::fs::write(folder.join("styles.csv"), text).unwrap();
        }
        let (styles, unread) = Style::of_folders(&[first, second]);
        assert_eq!((styles.len(), styles[0].name.as_str(), unread.len()), (1, "Ink", 1));
    }
}
