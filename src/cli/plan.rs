//! From the command line to requests that are checked: everything that can be wrong is found here, before a model is loaded.

use super::{ControlArgs, HintArg, PaintArgs, Usage};
use crate::checkpoints::Library;
use crate::diffusion::{
    Borrowed, Control, Defaults, Error as DiffusionError, Hint, Input, Precision, Preprocessor, Request, Savings,
    Tuning, Upscale,
};
use crate::engine;
use crate::geom::Extent;
use crate::pixels::{Mask, Picture};
use crate::prompt::{Style, Wildcards, loras};
use crate::session::entropy;
use anyhow::{anyhow, bail};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The seeds that torch's generator takes whole: 32 bits.
const SEEDS: u64 = u32::MAX as u64;

/// What will be painted.
#[derive(Debug)]
pub(super) struct Plan {
    /// One request a picture, in the order of their seeds.
    pub(super) requests: Vec<Request>,
    /// Whether the seed was drawn here.
    pub(super) seed_was_drawn: bool,
    /// What was decided in the person's place.
    pub(super) notes: Vec<String>,
}

impl Plan {
    /// `vae` is the name of the one to decode with; `tags` are those of `LoRA`s that are not in the prompt already.
    pub(super) fn new(
        args: &PaintArgs,
        vae: Option<String>,
        tags: &str,
        library: &Library,
        folders: &[PathBuf],
        used_last: Option<&str>,
    ) -> anyhow::Result<Self> {
        let mut notes = Vec::new();
        let model = super::models::chosen(library, args.model.as_deref(), used_last)?;
        let picture = args.image.as_deref().map(Picture::load).transpose()?;
        let mask = args.mask.as_deref().map(Mask::load).transpose()?;
        let guide = args.control.control.as_deref().map(Picture::load).transpose()?;
        if let (Some(picture), Some(mask)) = (&picture, &mask) {
            check_mask(args, picture.extent(), mask.extent())?;
        }
        let wanted = args.size.or(picture.as_ref().map(Picture::extent)).unwrap_or(model.defaults.extent);
        let extent = wanted.rounded_to(8);
        if extent != wanted {
            notes.push(format!("the size {wanted} is rounded to {extent}: both sides must be multiples of 8"));
        }
        let borrowed = borrowed(args, vae, library, &model, &mut notes)?;
        let mut request = Request { borrowed, ..request(args, model.name.clone(), &model.defaults, extent)? };
        for name in &args.style {
            let style = style(folders, name)?;
            (request.prompt, request.negative_prompt) = style.applied(&request.prompt, &request.negative_prompt);
        }
        request.prompt += tags;
        for tag in loras(&request.prompt).map_err(|error| Usage(error.to_string()))? {
            let entry = library.find_lora(&tag.name).map_err(engine::Error::from)?;
            if let Err(problem) = &entry.summary {
                bail!("{problem}");
            }
        }
        if model.edits && picture.is_none() {
            bail!(Usage(DiffusionError::NoPictureToEdit.to_string()));
        }
        let (strength, image_guidance) = if model.edits { (1.0, Some(Input::IMAGE_GUIDANCE)) } else { (0.75, None) };
        let input = picture.map(|picture| Input {
            strength: args.strength.unwrap_or(strength),
            image_guidance: args.image_guidance.or(image_guidance),
            ..input(args, &picture, mask.as_ref(), extent, &mut notes)
        });
        let upscale = args
            .upscale
            .as_ref()
            .map(|wish| upscale(library, wish.as_deref(), &request.model, args.refine))
            .transpose()?;
        let control =
            guide.map(|guide| control(&args.control, library, &request.model, guide, &mut notes)).transpose()?;
        let hint = |hint: &HintArg| {
            let HintArg { step, left, top, .. } = *hint;
            Ok(Hint { step, left, top, picture: Arc::new(Picture::load(&hint.file)?) })
        };
        let hints = args.hints.iter().map(hint).collect::<Result<_, crate::pixels::Error>>()?;
        let request = Request { input, control, upscale, hints, ..request };
        let request = request.checked().map_err(|invalid| Usage(invalid.to_string()))?;
        let wildcards = Wildcards::new(folders);

        if request.seed.checked_add(u64::from(args.count - 1)).is_none() {
            bail!(Usage(format!("there are not {} seeds from {} on: choose a smaller one", args.count, request.seed)));
        }
        let checked = |request: Request| request.checked().map_err(|invalid| anyhow!(Usage(invalid.to_string())));
        let one_generator = args.reproduce.one_generator;
        let nth = |number| checked(request.nth(number, args.count, one_generator).completed(&wildcards)?);
        let requests = (0..args.count).map(nth).collect::<anyhow::Result<_>>()?;
        Ok(Self { requests, seed_was_drawn: args.seed.is_none(), notes })
    }
}

/// The request without its input.
fn request(args: &PaintArgs, model: String, defaults: &Defaults, extent: Extent) -> anyhow::Result<Request> {
    // Checked before pixels are resized to it.
    let side = Request::<(), ()>::MAX_SIDE;
    if extent.width > side || extent.height > side {
        bail!(Usage(crate::diffusion::Invalid::Extent(extent).to_string() + ": give a smaller --size"));
    }
    Ok(Request {
        model,
        borrowed: Borrowed::default(),
        prompt: args.prompt.join(" "),
        negative_prompt: args.negative.clone(),
        extent,
        seed: args.seed.unwrap_or_else(|| entropy() & SEEDS),
        sampler: args.sampler.unwrap_or(defaults.sampler),
        schedule: args.schedule.unwrap_or(defaults.schedule),
        steps: args.steps.unwrap_or(defaults.steps),
        guidance_scale: args.guidance.unwrap_or(defaults.guidance_scale),
        precision: args.precision.unwrap_or_else(|| Precision::usual(&engine::device())),
        savings: Savings {
            guidance_start: args.savings.guidance_start,
            guidance_end: args.savings.guidance_end,
            negative_min_sigma: args.savings.negative_min_sigma,
            deep_every: args.savings.deep_every,
            merge_tokens: args.savings.merge_tokens,
        },
        tuning: Tuning {
            eta: args.tuning.eta,
            noise: args.tuning.noise,
            churn: args.tuning.churn,
            churn_from: args.tuning.churn_from,
            churn_to: args.tuning.churn_to,
            rho: args.tuning.rho,
            sigma_min: args.tuning.sigma_min,
            sigma_max: args.tuning.sigma_max,
            guidance_rescale: args.tuning.guidance_rescale,
            zero_terminal_snr: args.tuning.zero_terminal_snr,
        },
        reproduce: args.reproduce.reproduce(),
        prediction: args.prediction,
        clip_skip: args.clip_skip,
        emphasis: args.emphasis,
        input: None,
        control: None,
        upscale: None,
        hints: Vec::new(),
    })
}

/// What of a model comes from elsewhere: the VAE of this name, and what the model lacks.
fn borrowed(
    args: &PaintArgs,
    vae: Option<String>,
    library: &Library,
    model: &super::models::Chosen,
    notes: &mut Vec<String>,
) -> anyhow::Result<Borrowed> {
    let vae = vae.map(|name| library.find_vae(&name).map_err(engine::Error::from)).transpose()?;
    if let Some(Err(problem)) = vae.map(|entry| &entry.summary) {
        bail!("{problem}");
    }
    let mut lenders = library.lenders(&model.path);
    let parts_from = match (&args.parts_from, lenders.next()) {
        (None, None) => None,
        (None, Some(first)) => {
            notes.push(format!(
                "{} is not whole: what it lacks is taken from {} (--parts-from)",
                model.name, first.name
            ));
            Some(first.name.clone())
        }
        (Some(_), None) => bail!(Usage(format!("{} has all its parts: leave out --parts-from", model.name))),
        (Some(wish), Some(_)) => Some(super::models::chosen(library, Some(wish), None)?.name),
    };
    Ok(Borrowed { vae: vae.map(|entry| entry.name.clone()), parts_from })
}

/// The style of this name, whatever its case.
fn style(folders: &[PathBuf], name: &str) -> anyhow::Result<Style> {
    let (styles, unread) = Style::of_folders(folders);
    let names: Vec<_> = styles.iter().map(|style| style.name.clone()).collect();
    if let Some(style) = styles.into_iter().find(|style| style.name.eq_ignore_ascii_case(name)) {
        return Ok(style);
    }
    if let Some(error) = unread.into_iter().next() {
        return Err(error.into());
    }
    let choose = if names.is_empty() {
        let places: Vec<_> = Style::places(folders).iter().map(|file| file.display().to_string()).collect();
        format!("there is no styles.csv: put one at {}", places.join(" or "))
    } else {
        format!("choose one of {}", names.join(", "))
    };
    bail!(Usage(format!("there is no style named {name}: {choose}")))
}

/// By the `ControlNet` of this name, or the one that suits the model best.
fn control(
    args: &ControlArgs,
    library: &Library,
    model: &str,
    guide: Picture,
    notes: &mut Vec<String>,
) -> anyhow::Result<Control> {
    let entry = match &args.controlnet {
        Some(name) => library.find_controlnet(name).map_err(engine::Error::from)?,
        None => *library.controlnets_for(model).first().ok_or_else(|| {
            anyhow!("there is no ControlNet that fits {model}: put one in the layout of diffusers into the folder `controlnet` \
                     in the folder of models, or paint without --control")
        })?,
    };
    if let Err(problem) = &entry.summary {
        bail!("{problem}");
    }
    let fitting = library.controlnets_for(model);
    if fitting.iter().all(|one| one.name != entry.name) {
        let names: Vec<_> = fitting.iter().map(|one| one.name.as_str()).collect();
        let choose = if names.is_empty() {
            "paint without --control".to_owned()
        } else {
            format!("choose {}", names.join(" or "))
        };
        bail!("the ControlNet {} does not fit {model}: {choose}", entry.name);
    }
    let preprocessor = args.control_as.unwrap_or_else(|| {
        let suiting = Preprocessor::suiting(&guide);
        notes.push(format!("the guiding picture is taken as --control-as {}", suiting.key()));
        suiting
    });
    Ok(Control {
        controlnet: entry.name.clone(),
        picture: Arc::new(guide),
        preprocessor,
        weight: args.control_weight,
        start: args.control_start,
        end: args.control_end,
    })
}

/// By the upscaler of this name, or the preferred one, as many times larger as it was made for.
fn upscale(library: &Library, wish: Option<&str>, model: &str, refine: Option<f64>) -> anyhow::Result<Upscale> {
    let entry = match wish {
        Some(name) => library.find_upscaler(name).map_err(engine::Error::from)?,
        None => super::upscale::preferred(library, Some(model))?,
    };
    match &entry.summary {
        Ok(summary) => Ok(Upscale { upscaler: entry.name.clone(), factor: f64::from(summary.scale), refine }),
        Err(problem) => bail!("{problem}"),
    }
}

/// A mask belongs to its picture as the files are: only together are they resized.
fn check_mask(args: &PaintArgs, picture: Extent, mask: Extent) -> anyhow::Result<()> {
    if picture == mask {
        return Ok(());
    }
    let shown = |path: &Option<std::path::PathBuf>| path.as_deref().unwrap_or(Path::new("")).display().to_string();
    bail!(
        "the mask is {mask} ({}), but its picture is {picture} ({}): make the mask as large as the picture",
        shown(&args.mask),
        shown(&args.image)
    )
}

fn input(args: &PaintArgs, picture: &Picture, mask: Option<&Mask>, to: Extent, notes: &mut Vec<String>) -> Input {
    if picture.extent() != to {
        notes.push(format!("the starting picture is resized from {} to {to}", picture.extent()));
    }
    let mask = mask.map(|mask| Arc::new(mask.resized(to)));
    Input {
        soft_mask: args.masking.soft_mask,
        match_colours: args.masking.match_colours,
        ..Input::new(Arc::new(picture.resized(to)), 1.0, mask)
    }
}
