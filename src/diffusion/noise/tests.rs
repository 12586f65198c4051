use super::super::{Batch, NoiseSource, Program, Reproduce, Variation};
use super::{Noise, Start};
use crate::geom::Extent;
use candle_core::{Device, safetensors};
use std::path::Path;

fn near(case: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{case}");
    for (found, expected) in found.iter().zip(expected) {
        // Noises that point away from each other have hardly a weight in single precision.
        assert!((found - expected).abs() < 1e-5, "{case}: {found} {expected}");
    }
}

// Expected values: those that A1111 lists in modules/rng_philox.py, which it took from `torch.randn(12, device="cuda")`, and of its next call.
#[test]
fn the_noise_of_an_nvidia_card_is_that_of_a1111() {
    let mut noise = Noise::on_nvidia(0);
    let expected = [
        -0.924_662_6,
        -0.425_344_15,
        -2.643_845_7,
        0.145_184,
        -0.120_866,
        -0.579_726,
        -0.622_851,
        -0.328_387_1,
        -1.074_542_3,
        -0.363_144,
        -1.671_050_7,
        2.265_505,
    ];
    near("first", &noise.normals(12), &expected);
    near("second", &noise.normals(4), &[0.180_826, -0.552_263, 0.923_813, -0.734_970]);
    near("seed 42", &Noise::on_nvidia(42).normals(4), &[0.194_019, 2.161_374, -0.172_051, 0.849_060]);
}

// The fixture is written by tests/fixtures/generate_reproduce.py.
#[test]
fn starting_noise_is_that_of_torch_and_a1111() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/diffusion_reproduce.safetensors");
    let fixture = safetensors::load(path, &Device::Cpu).unwrap();
    let expected = |name: &str| fixture[name].flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let shape = [4, 8, 6];
    for (name, noise) in [("cpu", NoiseSource::Cpu), ("nv", NoiseSource::Nv)] {
        let check = |what: &str, reproduce: Reproduce| {
            let mut start = Start::new(&Reproduce { noise, ..reproduce }, 7, shape, 8);
            near(what, &start.first, &expected(&format!("{name}_{what}")));
            start.then.normals(4 * 8 * 6)
        };
        let usual = Reproduce { program: Program::A1111, ..Reproduce::default() };
        near("then", &check("first", usual), &expected(&format!("{name}_then")));
        let to = |seed| Some(Variation { seed, strength: 0.3 });
        let varied = Reproduce { variation: to((1 << 33) + 9), ..usual };
        check("varied", varied);
        check("hardly_varied", Reproduce { variation: to(7), ..usual });
        for (way, width, height) in [("smaller", 3, 5), ("larger", 10, 11), ("mixed", 3, 10)] {
            let from = Some(Extent::new(8 * width, 8 * height));
            let then = check(&format!("from_{way}"), Reproduce { resized_from: from, ..varied });
            near(way, &then, &expected(&format!("{name}_from_{way}_then")));
        }
        for index in 0..3 {
            let reproduce = Reproduce { noise, batch: Batch { index, of: 3 }, ..usual };
            let mut start = Start::new(&reproduce, 7, [4, 3, 3], 8);
            let part = |of: &str| expected(&format!("{name}_batch_{of}"))[36 * index as usize..][..36].to_vec();
            near("batch", &start.first, &part("first"));
            near("batch, then", &start.then.normals(36), &part("then"));
        }
    }
}

#[test]
fn later_noise_comes_from_where_each_program_takes_it() {
    let shape = [4, 2, 2];
    let then = |reproduce: Reproduce| Start::new(&reproduce, 9, shape, 8).then.normals(16);
    let second = |mut noise: Noise| {
        noise.normals(16);
        noise.normals(16)
    };
    assert_eq!(then(Reproduce::default()), second(Noise::new(9)));
    let a1111 = Reproduce::usual(Program::A1111);
    assert_eq!(then(a1111), second(Noise::on_nvidia(9)));
    assert_eq!(then(Reproduce { ensd: 31_337, ..a1111 }), Noise::on_nvidia(31_346).normals(16));
    let comfy = Reproduce::usual(Program::ComfyUi);
    assert_eq!(Start::new(&comfy, 9, shape, 8).first, Noise::new(9).normals(16));
    assert_eq!(then(comfy), Noise::on_nvidia(9).normals(16));
    assert_eq!(then(Reproduce { noise: NoiseSource::Cpu, ..comfy }), Noise::new(10).normals(16));
}

#[test]
fn a_picture_without_an_angle_between_its_noises_still_has_numbers() {
    let variation = Some(Variation { seed: 2, strength: 0.5 });
    let start = Start::new(&Reproduce { variation, ..Reproduce::default() }, 1, [4, 1, 8], 8);
    assert!(start.first.iter().all(|value| value.is_finite()));
}
