//! Holds the source against ARCHITECTURE.md: which module may use which, and where each external crate has its home.
#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as the test itself does")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

type Names = BTreeSet<String>;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn architecture() -> String {
    fs::read_to_string(Path::new(ROOT).join("ARCHITECTURE.md")).unwrap()
}

/// Module → what it may use, from the table under "| module | may use | job |".
fn module_table(document: &str) -> BTreeMap<String, Names> {
    let mut table = BTreeMap::new();
    let mut above = Names::new();
    let rows = document.lines().skip_while(|line| !line.starts_with("| module |")).skip(2);
    let rows: Vec<Vec<&str>> =
        rows.take_while(|line| line.starts_with('|')).map(|row| row.split('|').map(str::trim).collect()).collect();
    let all: Names = rows.iter().map(|cells| cells[1].to_owned()).collect();
    for cells in rows {
        let (module, rule) = (cells[1].to_owned(), cells[2]);
        let words = rule.split([' ', ',']).filter(|word| all.contains(*word)).map(str::to_owned);
        let allowed: Names = if rule == "all above" {
            above.clone()
        } else if let Some(rest) = rule.strip_prefix("all but ") {
            let but: Names = rest.split([' ', ',']).map(str::to_owned).collect();
            all.difference(&but).cloned().collect()
        } else if rule.contains("and what it exposes") {
            let named: Names = words.collect();
            let exposed = named.iter().filter_map(|name| table.get(name)).flatten().cloned().collect();
            named.union(&exposed).cloned().collect()
        } else {
            words.collect()
        };
        above.insert(module.clone());
        table.insert(module, allowed);
    }
    table
}

/// Crate (as Rust spells it) → the modules that may name it, from the sentence "External crates have one home each: …".
fn crate_homes(document: &str, modules: &Names) -> BTreeMap<String, Names> {
    let (_, sentence) = document.split_once("External crates have one home each:").unwrap();
    let (sentence, _) = sentence.split_once(".\n").unwrap();
    let mut homes = BTreeMap::new();
    for clause in sentence.replace('\n', " ").split(';') {
        let plain = clause.split(['(', ')']).step_by(2).collect::<String>();
        let (crates, places) = plain.split_once(" in ").unwrap();
        let words = |text: &str| -> Vec<String> {
            text.split([' ', ','])
                .filter(|word| !word.is_empty() && *word != "and")
                .map(|w| w.replace('-', "_"))
                .collect()
        };
        let places: Names = words(places).into_iter().collect();
        for place in &places {
            assert!(modules.contains(place) || place == "main", "{place} in \"{clause}\" is no module");
        }
        for name in words(crates) {
            let spellings = if name == "candle" { vec!["candle_core".into(), "candle_nn".into()] } else { vec![name] };
            homes.extend(spellings.into_iter().map(|name| (name, places.clone())));
        }
    }
    homes
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The module a file belongs to: the first part of its path under src/.
fn module_of(path: &Path) -> String {
    let first = path.strip_prefix(Path::new(ROOT).join("src")).unwrap().components().next().unwrap();
    Path::new(first.as_os_str()).file_stem().unwrap().to_str().unwrap().to_owned()
}

fn without_comments(source: &str) -> String {
    source.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn first_word(text: &str) -> String {
    text.trim_start().chars().take_while(|&c| is_word(c)).collect()
}

/// The first names after `crate::`, those of a group in braces included.
fn modules_used(code: &str) -> Names {
    let mut used = Names::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(is_word) {
            continue;
        }
        let path = code[at + "crate::".len()..].trim_start();
        let Some(group) = path.strip_prefix('{') else {
            used.insert(first_word(path));
            continue;
        };
        let mut depth = 0;
        let mut begins = true;
        for (at, c) in group.char_indices() {
            match c {
                '}' if depth == 0 => break,
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => begins = true,
                c if begins && is_word(c) => {
                    used.insert(first_word(&group[at..]));
                    begins = false;
                }
                _ => {}
            }
        }
    }
    used
}

/// Whether a path in the code starts with this crate's name.
fn names_crate(code: &str, name: &str) -> bool {
    code.match_indices(&format!("{name}::")).any(|(at, _)| {
        let before = &code[..at];
        !before.ends_with(is_word) && !before.ends_with("::")
    }) || code.contains(&format!("use {name};"))
        || code.contains(&format!("use {name} as "))
}

fn sources() -> Vec<(PathBuf, String, String)> {
    let mut files = Vec::new();
    rust_files(&Path::new(ROOT).join("src"), &mut files);
    files.sort();
    files
        .into_iter()
        .map(|path| (path.clone(), module_of(&path), without_comments(&fs::read_to_string(&path).unwrap())))
        .collect()
}

#[test]
fn the_table_and_the_source_name_the_same_modules() {
    let table = module_table(&architecture());
    let source: Names = sources().into_iter().map(|(_, module, _)| module).collect();
    for module in source.iter().filter(|module| *module != "lib" && *module != "main") {
        assert!(table.contains_key(module), "src/{module} is not in the table of ARCHITECTURE.md");
    }
    let planned = ["train"];
    for module in table.keys().filter(|module| !planned.contains(&module.as_str())) {
        assert!(source.contains(module), "{module} is in the table of ARCHITECTURE.md but not in src/");
    }
}

#[test]
fn every_module_uses_only_what_the_table_allows() {
    let table = module_table(&architecture());
    let mut wrong = Vec::new();
    for (path, module, code) in sources() {
        let Some(allowed) = table.get(&module) else { continue };
        for used in modules_used(&code) {
            if used != module && !allowed.contains(&used) {
                wrong.push(format!("{} uses crate::{used}, but {module} may use only {allowed:?}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn no_module_leaves_itself_through_super() {
    for (path, module, code) in sources() {
        let is_root = path.file_name().is_some_and(|name| name == "mod.rs")
            && path.parent().unwrap().ends_with(&module)
            || path.parent().unwrap().ends_with("src");
        let outside_tests = code.split("#[cfg(test)]").next().unwrap_or_default();
        assert!(!is_root || !outside_tests.contains("super::"), "{}: say crate:: instead of super::", path.display());
    }
}

#[test]
fn external_crates_stay_at_home() {
    let document = architecture();
    let homes = crate_homes(&document, &module_table(&document).into_keys().collect());
    let mut wrong = Vec::new();
    for (path, module, code) in sources() {
        for (name, places) in &homes {
            if !places.contains(&module) && names_crate(&code, name) {
                wrong.push(format!("{} names {name}, whose home is {places:?}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_rules_are_read_as_they_are_meant() {
    let table = module_table(
        "| module | may use | job |\n| --- | --- | --- |\n| a | | x |\n| b | a | x |\n| s | all above | x |\n| r | a | x |\n\
         | u | s and what it exposes, r | x |\n| c | all but r, u | x |\n\nrest | z | z |",
    );
    let names = |text: &str| -> Names { text.split_whitespace().map(str::to_owned).collect() };
    let expected = [("a", ""), ("b", "a"), ("c", "a b c s"), ("r", "a"), ("s", "a b"), ("u", "a b r s")];
    assert_eq!(table, expected.map(|(module, allowed)| (module.to_owned(), names(allowed))).into());
}

#[test]
fn forbidden_paths_are_found_however_they_are_written() {
    let code = without_comments(
        "use crate::geom::Extent; // crate::not_this\nuse crate::{engine, pixels::{Mask, Picture},\n ui};\nlet x: crate::paint::Tool;",
    );
    let expected: Names = ["engine", "geom", "paint", "pixels", "ui"].map(str::to_owned).into();
    assert_eq!(modules_used(&code), expected);
    assert!(modules_used("$crate::x; mycrate::y").contains("x"));
    assert!(!modules_used("mycrate::y").contains("y"));
}

#[test]
fn crates_are_found_where_a_path_starts_with_their_name() {
    for code in ["use image::Rgba;", "fn f(x: image::Rgba)", "use image;", "let x = image::open(y)", "&image::Rgba"] {
        assert!(names_crate(code, "image"), "{code}");
    }
    for code in ["use crate::image::X;", "my_image::open()", "self.image", "let image = 1;", "use eframe::egui;"] {
        assert!(!names_crate(code, "image") && !names_crate(code, "egui"), "{code}");
    }
}
