//! Where the seconds of a picture go, with the model that ships: `cargo bench --bench painting`.
//! And what the person's hand waits for: a stroke on a large mask.

use candle_core::{Device, Tensor};
use divan::{Bencher, black_box};
use sfumato::checkpoints::{Model, Precision};
use sfumato::diffusion::{
    Borrowed, Emphasis, Extras, Input, Noise, Reproduce, Request, SamplerName, Savings, ScheduleName, Tuning, paint,
    preview,
};
use sfumato::geom::Extent;
use sfumato::paint::{Brush, Document, Edit, MaskEdit, PaintBrush, Sample, Stroke, Tool};
use std::ops::ControlFlow;
use std::path::Path;

fn main() {
    divan::main();
}

fn bozzetto() -> Model {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/bozzetto");
    Model::load(&folder, &Device::Cpu, Precision::F32).expect("the model that ships can be loaded")
}

fn request(model: &Model, steps: u32) -> Request {
    Request {
        model: model.name.clone(),
        borrowed: Borrowed::default(),
        prompt: "red apple".to_owned(),
        negative_prompt: String::new(),
        extent: model.native_extent,
        seed: 7,
        sampler: SamplerName::Ddim,
        schedule: ScheduleName::Simple,
        steps,
        guidance_scale: 3.5,
        precision: Precision::F32,
        savings: Savings::default(),
        tuning: Tuning::default(),
        prediction: None,
        clip_skip: 1,
        emphasis: Emphasis::Original,
        reproduce: Reproduce::default(),
        input: None::<Input>,
        control: None,
        upscale: None,
        hints: Vec::new(),
    }
}

/// (1, C, h, w) of noise.
fn latent(model: &Model) -> Tensor {
    let downscale = model.vae.get().expect("the weights can be read").downscale();
    let Extent { width, height } = model.native_extent;
    let shape = [
        1,
        model.unet.get().expect("the weights can be read").in_channels(),
        height as usize / downscale,
        width as usize / downscale,
    ];
    Noise::new(7).tensor(&shape, &Device::Cpu).expect("noise needs nothing")
}

/// (2, N, C): the conditioning of no prompt and of a prompt.
fn conditioning(model: &Model) -> Tensor {
    let length = model.texts[0].network.get().expect("the weights can be read").context_length();
    let ids: Vec<u32> = ["", "red apple"]
        .iter()
        .flat_map(|text| model.texts[0].tokenizer.encode(text, length).expect("the tokenizer reads this").ids)
        .collect();
    let ids = Tensor::from_vec(ids, (2, length), &Device::Cpu).expect("as many ids as the shape says");
    model.texts[0].network.get().expect("the weights can be read").forward(&ids).expect("the text encoder computes")
}

#[divan::bench(sample_count = 10)]
fn load_the_model(bencher: Bencher<'_, '_>) {
    bencher.bench_local(bozzetto);
}

#[divan::bench(args = [4, 20], sample_count = 10)]
fn whole_picture(bencher: Bencher<'_, '_>, steps: u32) {
    let model = bozzetto();
    let request = request(&model, steps);
    bencher.bench_local(|| {
        paint(&model, Extras::default(), &request, &mut |_| ControlFlow::Continue(())).expect("it can be painted")
    });
}

#[divan::bench(sample_count = 20)]
fn encode_two_prompts(bencher: Bencher<'_, '_>) {
    let model = bozzetto();
    bencher.bench_local(|| conditioning(&model));
}

#[divan::bench(sample_count = 20)]
fn network_with_guidance(bencher: Bencher<'_, '_>) {
    let model = bozzetto();
    let (x, conditioning) = (latent(&model), conditioning(&model));
    let x = Tensor::cat(&[&x, &x], 0).expect("equal shapes");
    let words =
        model.unet.get().expect("the weights can be read").prepare(&conditioning).expect("the network computes");
    bencher.bench_local(|| {
        model
            .unet
            .get()
            .expect("the weights can be read")
            .forward(&x, 500.0, &words, None)
            .expect("the network computes")
    });
}

#[divan::bench(sample_count = 100)]
fn preview_of_a_step(bencher: Bencher<'_, '_>) {
    let model = bozzetto();
    let x = latent(&model);
    bencher.bench_local(|| preview(&x, &model.preview).expect("the preview computes"));
}

#[divan::bench(sample_count = 20)]
fn decode(bencher: Bencher<'_, '_>) {
    let model = bozzetto();
    let x = latent(&model);
    bencher.bench_local(|| model.vae.get().expect("the weights can be read").decode(&x).expect("the decoder computes"));
}

#[divan::bench(args = [512, 4096], sample_count = 10)]
fn stroke_of_a_soft_200_pixel_brush(bencher: Bencher<'_, '_>, side: u32) {
    let brush = PaintBrush { smoothing: 0.0, ..PaintBrush::new(Brush { size: 200.0, hardness: 0.3 }) };
    let samples = (0..50).map(|i| Sample::at(side as f32 * i as f32 / 50.0, side as f32 / 2.0)).collect();
    let stroke = Stroke { tool: Tool::MaskBrush, brush, samples };
    bencher.with_inputs(|| Document::new(Extent::new(side, side))).bench_local_values(|mut document| {
        black_box(document.apply(Edit::Mask(MaskEdit::Stroke(stroke.clone())))).expect("a stroke fits any document");
        document
    });
}
