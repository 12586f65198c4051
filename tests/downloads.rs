//! `sfumato models get`, from a hub on this machine, as a script sees it.
#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as the test itself does")]

use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The files of the model in the box, as a hub would list them.
fn files() -> Vec<(String, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/bozzetto");
    let mut files = vec![("model_index.json".to_owned(), root.join("model_index.json"))];
    for part in ["unet", "vae", "text_encoder", "tokenizer", "scheduler"] {
        for entry in fs::read_dir(root.join(part)).unwrap() {
            let path = entry.unwrap().path();
            files.push((format!("{part}/{}", path.file_name().unwrap().to_str().unwrap()), path));
        }
    }
    files
}

fn serve(stream: &mut TcpStream, files: &[(String, PathBuf)]) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let path = first.split(' ').nth(1).unwrap();
    let (status, body) = if path == "/api/models/o/sepia/revision/main?blobs=true" {
        let siblings =
            files.iter().map(|(name, path)| json!({ "rfilename": name, "size": fs::metadata(path).unwrap().len() }));
        let list = json!({ "sha": "abc", "cardData": { "license": "mit" }, "siblings": siblings.collect::<Vec<_>>() });
        ("200 OK", list.to_string().into_bytes())
    } else {
        let name = path.strip_prefix("/o/sepia/resolve/abc/").unwrap_or_default();
        let file = files.iter().find(|(file, _)| file == name);
        file.map_or(("404 Not Found", Vec::new()), |(_, path)| ("200 OK", fs::read(path).unwrap()))
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).unwrap_or_default();
}

/// The program in a folder of its own, with a hub.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let home = tempfile::tempdir().unwrap();
        let hub = format!("hub = \"http://{}\"\n", listener.local_addr().unwrap());
        fs::write(home.path().join("settings.toml"), hub).unwrap();
        let work = move || {
            let files = files();
            listener.incoming().for_each(|stream| serve(&mut stream.unwrap(), &files));
        };
        std::thread::Builder::new().name("hub".into()).spawn(work).unwrap();
        Self(home)
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sfumato"));
        command.args(args).current_dir(&self.0).env("SFUMATO_HOME", self.0.path()).env_remove("HF_TOKEN");
        command.output().unwrap()
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_slice(&self.run(args).stdout).unwrap()
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_model_is_downloaded_listed_and_painted_with() {
    let desk = Desk::new();
    let output = desk.run(&["models", "get", "o/sepia"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let folder = desk.0.path().join("models/sepia");
    assert_eq!(String::from_utf8(output.stdout.clone()).unwrap().trim_end(), folder.to_str().unwrap());
    let said = stderr(&output);
    assert!(said.contains("o/sepia, commit abc:") && said.contains("licence: mit"), "{said}");
    assert!(said.contains("done: paint with it by --model sepia (128x128)"), "{said}");

    let models = desk.json(&["models", "--json"]);
    let model = models["models"].as_array().unwrap().iter().find(|model| model["name"] == "sepia").unwrap();
    assert_eq!((&model["problem"], &model["format"]), (&Value::Null, &json!("diffusers")));
    let painted = desk.run(&["paint", "a red apple", "--model", "sepia", "--steps", "1", "--out", "a.png"]);
    assert_eq!(painted.status.code(), Some(0), "{}", stderr(&painted));

    let again = desk.json(&["models", "get", "o/sepia", "--json"]);
    assert_eq!((&again["error"], &again["path"]), (&Value::Null, &json!(folder)));
}

#[test]
fn what_cannot_be_downloaded_is_said_with_an_exit_code() {
    let desk = Desk::new();
    let output = desk.run(&["models", "get", "o/nothing"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("there is no o/nothing at http://127.0.0.1"), "{}", stderr(&output));
    let failed = desk.json(&["models", "get", "nothing", "--json"]);
    assert!(failed["error"]["message"].as_str().unwrap().contains("write ORG/NAME"), "{failed}");
}

#[test]
fn the_models_to_begin_with_are_listed_without_asking_anyone() {
    let desk = Desk::new();
    let listed = desk.json(&["models", "starters", "--json"]);
    let first = &listed["starters"][0];
    assert_eq!(first["repo"], "stable-diffusion-v1-5/stable-diffusion-v1-5");
    assert!(first["memory_bytes"].as_u64() > first["bytes"].as_u64());
    let output = desk.run(&["models", "starters"]);
    assert!(String::from_utf8(output.stdout).unwrap().contains("CreativeML OpenRAIL-M"));
}
