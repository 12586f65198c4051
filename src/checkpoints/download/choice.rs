//! What of a repository is needed: of a diffusers pipeline the parts that are read here, once each, as safetensors, JSON and plain text;
//! of anything else what was named.

use super::Error;
use std::path::PathBuf;

/// A file as a hub lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    /// Its path in the repository, with `/` between its parts; it stays in the folder that it is put into.
    pub name: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// The SHA-256 of its contents, in lower case, where the hub knows it: of all large files.
    pub sha256: Option<String>,
    /// By which the hub tells its contents from others, where it does.
    pub(super) content: Option<String>,
}

/// What makes a repository a pipeline.
pub(super) const INDEX: &str = "model_index.json";
/// Beside it.
const BESIDE: [&str; 2] = [INDEX, "generation_config.json"];
/// The parts with weights, and how those are called.
const NETWORKS: [(&str, &str); 4] = [
    ("unet", "diffusion_pytorch_model"),
    ("vae", "diffusion_pytorch_model"),
    ("text_encoder", "model"),
    ("text_encoder_2", "model"),
];
/// The other parts. Safety checkers and what they see through are left out: nothing here uses them.
const SMALL: [&str; 3] = ["scheduler", "tokenizer", "tokenizer_2"];

/// The file's path below the folder that it is put into; `None` for a name that could lead elsewhere or that some systems cannot write.
pub(super) fn safe_path(name: &str) -> Option<PathBuf> {
    let is_plain = |part: &str| {
        !part.is_empty()
            && part.len() <= 200
            && !part.starts_with(' ')
            && !part.ends_with(['.', ' '])
            && !part.contains(|c: char| c.is_control() || r#"\:*?"<>|"#.contains(c))
    };
    name.split('/').all(is_plain).then(|| name.split('/').collect())
}

/// The files of a pipeline that are needed; of weights in two precisions those in half, unless `whole` precision is wished.
pub(super) fn of_pipeline(repo: &str, files: &[RemoteFile], whole: bool) -> Result<Vec<RemoteFile>, Error> {
    if !files.iter().any(|file| file.name == INDEX) {
        let nameable = files.iter().map(|file| &file.name).filter(|name| is_model(name)).cloned().collect();
        return Err(Error::NotAPipeline { repo: repo.to_owned(), files: nameable });
    }
    let in_part = |part: &str| -> Vec<&RemoteFile> {
        let inside = |file: &&RemoteFile| {
            file.name.strip_prefix(part).and_then(|rest| rest.strip_prefix('/')).is_some_and(|rest| !rest.contains('/'))
        };
        files.iter().filter(inside).collect()
    };
    let is_text = |file: &&RemoteFile| {
        ending(&file.name).is_some_and(|ending| ending == "json" || ending == "txt") && !file.name.contains(".index.")
    };
    if in_part("unet").is_empty() {
        return Err(Error::NoUNet { repo: repo.to_owned() });
    }
    let mut chosen: Vec<&RemoteFile> = Vec::new();
    for (part, stem) in NETWORKS {
        let inside = in_part(part);
        if inside.is_empty() {
            continue;
        }
        let weights = weights(&inside, &format!("{part}/{stem}"), whole);
        if weights.is_empty() {
            return Err(Error::NoSafetensors { repo: repo.to_owned(), part: part.to_owned() });
        }
        chosen.extend(inside.into_iter().filter(is_text));
        chosen.extend(weights);
    }
    for part in SMALL {
        chosen.extend(in_part(part).into_iter().filter(is_text));
    }
    chosen.extend(files.iter().filter(|file| BESIDE.contains(&file.name.as_str())));
    Ok(chosen.into_iter().cloned().collect())
}

/// The weights called so, in one file or in several with their index.
fn weights<'a>(inside: &[&'a RemoteFile], stem: &str, whole: bool) -> Vec<&'a RemoteFile> {
    let single = |name: String| inside.iter().copied().filter(|file| file.name == name).collect::<Vec<_>>();
    let sharded = |half: bool| {
        let is_one = |name: &str| {
            let rest = name.strip_prefix(stem).unwrap_or_default();
            let is_shard = rest.contains("-of-") && rest.ends_with(".safetensors");
            let is_index = rest.contains(".safetensors.index.") && ending(rest) == Some("json");
            (is_shard || is_index) && rest.contains("fp16") == half
        };
        let found: Vec<_> = inside.iter().copied().filter(|file| is_one(&file.name)).collect();
        let has_index = found.iter().any(|file| ending(&file.name) == Some("json"));
        if has_index { found } else { Vec::new() }
    };
    let of = |half: bool| {
        let one = single(format!("{stem}{}.safetensors", if half { ".fp16" } else { "" }));
        if one.is_empty() { sharded(half) } else { one }
    };
    let wished = of(!whole);
    if wished.is_empty() { of(whole) } else { wished }
}

fn ending(name: &str) -> Option<&str> {
    name.rsplit_once('.').map(|(_, ending)| ending)
}

/// Whether a file could be a checkpoint, a `LoRA` or the like.
fn is_model(name: &str) -> bool {
    ending(name).is_some_and(|ending| ["safetensors", "ckpt", "pt", "pth", "gguf"].contains(&ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(names: &[&str]) -> Vec<RemoteFile> {
        let file = |name: &&str| RemoteFile { name: (*name).to_owned(), bytes: 1, sha256: None, content: None };
        names.iter().map(file).collect()
    }

    fn chosen(names: &[&str], whole: bool) -> Vec<String> {
        of_pipeline("o/n", &listed(names), whole).unwrap().into_iter().map(|file| file.name).collect()
    }

    #[test]
    fn of_a_pipeline_only_what_is_read_here_is_taken_and_of_two_precisions_one() {
        // The files of stable-diffusion-v1-5/stable-diffusion-v1-5, and a few that others have.
        let names = [
            ".gitattributes",
            "README.md",
            "v1-5-pruned.ckpt",
            "v1-5-pruned.safetensors",
            "model_index.json",
            "feature_extractor/preprocessor_config.json",
            "safety_checker/config.json",
            "safety_checker/model.safetensors",
            "scheduler/scheduler_config.json",
            "text_encoder/config.json",
            "text_encoder/model.fp16.safetensors",
            "text_encoder/model.safetensors",
            "text_encoder/pytorch_model.bin",
            "tokenizer/merges.txt",
            "tokenizer/vocab.json",
            "unet/config.json",
            "unet/diffusion_pytorch_model.bin",
            "unet/diffusion_pytorch_model.fp16.safetensors",
            "unet/diffusion_pytorch_model.non_ema.safetensors",
            "unet/diffusion_pytorch_model.safetensors",
            "unet/old/config.json",
            "vae/config.json",
            "vae/diffusion_pytorch_model.safetensors",
            "vae_1_0/diffusion_pytorch_model.safetensors",
        ];
        let half = [
            "unet/config.json",
            "unet/diffusion_pytorch_model.fp16.safetensors",
            "vae/config.json",
            "vae/diffusion_pytorch_model.safetensors",
            "text_encoder/config.json",
            "text_encoder/model.fp16.safetensors",
            "scheduler/scheduler_config.json",
            "tokenizer/merges.txt",
            "tokenizer/vocab.json",
            "model_index.json",
        ];
        assert_eq!(chosen(&names, false), half);
        let whole = chosen(&names, true);
        assert_eq!(whole, half.map(|name| name.replace(".fp16", "")));
    }

    #[test]
    fn weights_in_several_files_come_with_their_index() {
        let names = [
            "model_index.json",
            "unet/diffusion_pytorch_model-00001-of-00002.safetensors",
            "unet/diffusion_pytorch_model-00002-of-00002.safetensors",
            "unet/diffusion_pytorch_model.fp16-00001-of-00001.safetensors",
            "unet/diffusion_pytorch_model.safetensors.index.json",
        ];
        // Those in half precision have no index, so nothing says what is in them.
        assert_eq!(chosen(&names, false), [names[1], names[2], names[4], names[0]]);
    }

    #[test]
    fn what_is_no_pipeline_or_has_only_pickles_is_refused_with_what_to_do() {
        let error = of_pipeline("o/n", &listed(&["a.safetensors", "README.md"]), false).unwrap_err().to_string();
        assert_eq!(error, "o/n is no diffusers pipeline, so the files to get must be named; it has a.safetensors");
        let names = ["model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.bin"];
        let error = of_pipeline("o/n", &listed(&names), false).unwrap_err().to_string();
        assert!(error.starts_with("o/n has no safetensors of its unet"), "{error}");
        let names = ["model_index.json", "transformer/config.json", "transformer/model.safetensors", "vae/config.json"];
        let error = of_pipeline("o/n", &listed(&names), false).unwrap_err().to_string();
        assert!(error.starts_with("o/n has no U-Net, so it cannot be painted with: choose"), "{error}");
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_none() {
        for name in
            ["../a", "a/../b", "/a", "a//b", "a/", "", ".", "a/.", r"..\a", "C:a", "a\0b", "a\nb", "nul?", "b. "]
        {
            assert_eq!(safe_path(name), None, "{name:?}");
        }
        assert_eq!(safe_path("unet/a.b-c_d.json").unwrap(), PathBuf::from("unet").join("a.b-c_d.json"));
    }
}
