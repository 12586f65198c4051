//! Whole networks by candle's operations in f16, as on a GPU, held against themselves in f32 by our own kernels.

use super::*;
use crate::kernels::half_tests::{apart, noise, together};
use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{VarBuilder, VarMap};
use std::collections::{BTreeMap, HashMap};

/// By root mean square: dozens of layers, each of which rounds what it hands on to 11 bits.
const TOLERANCE: f32 = 1e-2;

/// The same weights for our own kernels and for candle's operations in f16: of the size that trained ones have, so that what comes out of a layer is about as
/// large as what goes in. `build` asks for all of them.
fn both(build: impl Fn(Weights<'_>) -> Result<()>) -> [Weights<'static>; 2] {
    let asked = VarMap::new();
    build(VarBuilder::from_varmap(&asked, DType::F32, &Device::Cpu).into()).unwrap();
    // By name, so that they are the same each time.
    let shapes: BTreeMap<String, Vec<usize>> =
        asked.data().lock().unwrap().iter().map(|(name, of)| (name.clone(), of.dims().to_vec())).collect();
    let filled = shapes.into_iter().enumerate().map(|(seed, (name, shape))| {
        let (numbers, count) = (noise(&shape, seed as u64 + 1), shape.iter().product::<usize>());
        let of = match *shape {
            [_] if name.ends_with("weight") => ((numbers * 0.1).unwrap() + 1.0).unwrap(),
            [_] => (numbers * 0.1).unwrap(),
            _ => (numbers * (shape[0] as f64 / count as f64).sqrt()).unwrap(),
        };
        (name, of)
    });
    let filled: HashMap<String, Tensor> = filled.collect();
    let builder = |dtype| VarBuilder::from_tensors(filled.clone(), dtype, &Device::Cpu);
    [Weights::from(builder(DType::F32)), Weights::of_candle(builder(DType::F16))]
}

fn check(what: &str, [expected, found]: [Tensor; 2]) {
    assert_eq!((found.dtype(), expected.dtype()), (DType::F32, DType::F32), "{what}");
    let apart = apart(&found, &expected);
    assert!(apart < TOLERANCE, "{what}: {apart}");
    assert!(apart > 1e-5, "{what} was not computed in f16: {apart}");
}

const BLOCKS: &str = r#""block_out_channels": [32, 64], "layers_per_block": 1, "norm_num_groups": 8, "attention_head_dim": 4,
    "cross_attention_dim": 48, "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"]"#;

fn unet_config(more: &str) -> UNetConfig {
    let json = format!(r#"{{{BLOCKS}, "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"]{more}}}"#);
    UNetConfig::from_json(&json).unwrap()
}

#[test]
fn a_unet_in_f16_estimates_what_it_does_in_f32() {
    let of_xl = r#", "use_linear_projection": true, "addition_embed_type": "text_time", "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 72"#;
    let of_consistency = r#", "time_cond_proj_dim": 16"#;
    let (x, conditioning) = (noise(&[2, 4, 11, 8], 100), noise(&[2, 7, 48], 101));
    let about = About { pooled: noise(&[2, 24], 102), numbers: vec![vec![512.0, 512.0, 0.0, 0.0, 512.0, 512.0]; 2] };
    for more in ["", r#", "use_linear_projection": true"#, of_xl, of_consistency] {
        let config = unet_config(more);
        let weights = both(|weights| UNet::new(&config, weights).map(|_| ()));
        let estimates = weights.map(|weights| {
            let unet = UNet::new(&config, weights).unwrap();
            together(|| {
                let words = unet.prepare_with(&conditioning, Some(&about)).unwrap();
                let words = unet.told_guidance(words, 7.5, &conditioning).unwrap();
                let mut deep = None;
                let whole = unet.forward_reusing(&x, 981.0, &words, None, &mut deep).unwrap();
                let shallow = unet.forward_reusing(&x, 961.0, &words, None, &mut deep).unwrap();
                Tensor::cat(&[whole, shallow], 0).unwrap()
            })
        });
        check(&format!("U-Net{more}"), estimates);
    }
}

#[test]
fn a_controlnet_in_f16_guides_as_it_does_in_f32() {
    let config = unet_config("");
    let json = format!(r#"{{{BLOCKS}, "conditioning_embedding_out_channels": [16, 32]}}"#);
    let guiding = ControlNetConfig::from_json(&json).unwrap();
    let (x, conditioning) = (noise(&[2, 4, 10, 8], 100), noise(&[2, 7, 48], 101));
    let lines = noise(&[1, 3, 20, 16], 102);
    let unets = both(|weights| UNet::new(&config, weights).map(|_| ()));
    let controlnets = both(|weights| ControlNet::new(&guiding, weights).map(|_| ()));
    let [ours, candles] = unets.map(|weights| UNet::new(&config, weights).unwrap());
    let [ours_guides, candles_guides] = controlnets.map(|weights| ControlNet::new(&guiding, weights).unwrap());
    let estimates = [(ours, ours_guides), (candles, candles_guides)].map(|(unet, controlnet)| {
        together(|| {
            let control = controlnet.guide(&conditioning, &lines, 0.8).unwrap();
            let words = unet.prepare(&conditioning).unwrap();
            let guided = unet.forward(&x, 500.0, &words, Some(&control)).unwrap();
            assert!(apart(&guided, &unet.forward(&x, 500.0, &words, None).unwrap()) > 0.1, "it does not guide");
            guided
        })
    });
    check("ControlNet", estimates);
}

#[test]
fn vaes_in_f16_encode_and_decode_what_they_do_in_f32() {
    let json = r#"{"block_out_channels": [32, 64], "layers_per_block": 1, "norm_num_groups": 8, "shift_factor": 0.1,
        "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D"], "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D"]}"#;
    let config = AutoencoderKlConfig::from_json(json).unwrap();
    let tiny = AutoencoderTinyConfig {
        latent_channels: 4,
        width: 32,
        decoder_blocks: vec![1, 1],
        encoder: Some((32, vec![1, 1])),
    };
    let (rgb, latent) = (noise(&[1, 3, 18, 14], 100), noise(&[1, 4, 9, 7], 101));
    let halves = |weights: Weights<'_>| AutoencoderTiny::new(&tiny, weights.pp("encoder"), weights.pp("decoder"));
    let kl = both(|weights| AutoencoderKl::new(&config, weights).map(|_| ()));
    let kl = kl.map(|weights| Vae::from(AutoencoderKl::new(&config, weights).unwrap()));
    let tiny = both(|weights| halves(weights).map(|_| ())).map(|weights| Vae::from(halves(weights).unwrap()));
    for (what, vaes) in [("VAE", kl), ("tiny VAE", tiny)] {
        check(&format!("{what}, encoding"), vaes.each_ref().map(|vae| vae.encode(&rgb).unwrap()));
        check(&format!("{what}, decoding"), vaes.each_ref().map(|vae| vae.decode(&latent).unwrap()));
    }
}

#[test]
fn a_text_encoder_in_f16_reads_what_it_does_in_f32() {
    let json = r#"{"vocab_size": 50, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
        "max_position_embeddings": 9, "eos_token_id": 49, "projection_dim": 24}"#;
    let ids = [[48u32, 3, 17, 5, 49, 49, 49, 49, 49], [48, 1, 2, 3, 4, 5, 6, 7, 49]];
    let ids = Tensor::new(&ids, &Device::Cpu).unwrap();
    for output in [Output::Last, Output::Penultimate] {
        let config = ClipTextConfig { output, ..ClipTextConfig::with_projection(json).unwrap() };
        let read = both(|weights| ClipText::new(&config, weights).map(|_| ()))
            .map(|weights| ClipText::new(&config, weights).unwrap().read(&ids, &[], 0).unwrap());
        let [ours, candles] = read;
        check(&format!("{output:?}"), [ours.conditioning, candles.conditioning]);
        check(&format!("{output:?}, pooled"), [ours.pooled.unwrap(), candles.pooled.unwrap()]);
    }
}
