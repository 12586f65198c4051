//! Each shader of shaders/ is valid WGSL, and on the graphics adapter it paints what its CPU twin computes.
//! A machine without an adapter fails these tests: a software one (Mesa's lavapipe) is enough.

#![cfg(feature = "gui")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use egui_kittest::Harness;
use sfumato::geom::Extent;
use sfumato::paint::Tiles;
use sfumato::pixels::{Mask, Picture};
use sfumato::render::canvas::{CanvasUniforms, Texels, canvas};
use sfumato::render::{CanvasPaint, CanvasPicture, SHADERS, Slot, install};
use std::sync::Arc;

const VIEWPORT: [u32; 2] = [96, 80];

#[test]
fn every_shader_is_valid_and_stays_within_what_webgl2_has() {
    for shader in SHADERS {
        let module = naga::front::wgsl::parse_str(shader.source).unwrap_or_else(|e| panic!("{}: {e}", shader.name));
        let mut validator =
            naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::empty());
        validator.validate(&module).unwrap_or_else(|e| panic!("{}: {e:?}", shader.name));
        let has_compute = module.entry_points.iter().any(|e| e.stage == naga::ShaderStage::Compute);
        let has_storage =
            module.global_variables.iter().any(|(_, v)| matches!(v.space, naga::AddressSpace::Storage { .. }));
        assert!(!has_compute && !has_storage, "{} needs more than the fallback has", shader.name);
    }
}

#[test]
fn every_file_in_shaders_is_embedded() {
    let mut files: Vec<String> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders"))
        .unwrap()
        .map(|f| f.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    files.sort();
    let mut names: Vec<_> = SHADERS.iter().map(|s| s.name.to_owned()).collect();
    names.sort();
    assert_eq!(files, names);
}

#[test]
fn a_picture_larger_than_a_texture_may_be_is_shown_all_the_same() {
    let extent = Extent::new(16384, 64);
    let rgba = (0..extent.area()).flat_map(|i| if i % 16384 < 8192 { [255, 0, 0, 255] } else { [0, 0, 255, 255] });
    let mut shown = CanvasPicture::default();
    shown.set_picture(&Arc::new(Picture::from_rgba(extent, rgba.collect()).unwrap()));
    // Its middle column stands at 48, and it is 32 pixels high.
    let uniforms = uniforms(extent, [48.0 - 4096.0, 24.0], 0.5, 1.0, false);
    let size = egui::vec2(VIEWPORT[0] as f32, VIEWPORT[1] as f32);
    let mut harness = Harness::builder().with_size(size).with_render_cursor(false).wgpu().build_eframe(move |cc| {
        install(cc.wgpu_render_state.as_ref().expect("a graphics adapter"));
        Scene { shown, uniforms }
    });
    let seen = harness.render().expect("the canvas renders");
    let colour = |x, y| seen.get_pixel(x, y).0;
    assert_eq!([colour(1, 24), colour(47, 55)], [[255, 0, 0, 255]; 2]);
    assert_eq!([colour(48, 24), colour(95, 55)], [[0, 0, 255, 255]; 2]);
    assert_ne!(colour(95, 57), [0, 0, 255, 255]);
}

/// A picture of every kind of pixel: gradients, checks, transparency.
fn picture(extent: Extent) -> Picture {
    let rgba = (0..extent.height)
        .flat_map(|y| (0..extent.width).map(move |x| (x, y)))
        .flat_map(|(x, y)| {
            let check = if (x + y) % 2 == 0 { 255 } else { 30 };
            [check, (x * 11 % 256) as u8, (y * 23 % 256) as u8, if x > extent.width / 2 { 255 } else { 120 }]
        })
        .collect();
    Picture::from_rgba(extent, rgba).unwrap()
}

fn mask(extent: Extent) -> Mask {
    let (cx, cy) = (extent.width as f32 * 0.6, extent.height as f32 * 0.5);
    let coverage = (0..extent.height)
        .flat_map(|y| (0..extent.width).map(move |x| (x as f32 + 0.5, y as f32 + 0.5)))
        .map(|(x, y)| (255.0 * (1.5 - (x - cx).hypot(y - cy) / (extent.width as f32 * 0.2)).clamp(0.0, 1.0)) as u8)
        .collect();
    Mask::from_coverage(extent, coverage).unwrap()
}

struct Scene {
    shown: CanvasPicture,
    uniforms: CanvasUniforms,
}

impl eframe::App for Scene {
    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        let rect = egui::Rect::from_min_size(egui::Pos2::ZERO, egui::vec2(VIEWPORT[0] as f32, VIEWPORT[1] as f32));
        let paint = CanvasPaint::new(&self.shown, self.uniforms);
        ui.painter().add(paint.into_shape(ui.ctx(), rect));
    }
}

/// The canvas at `scale` with its picture at `place`, showing the picture (1) or the preview (2), the mask or not.
fn uniforms(extent: Extent, place: [f32; 2], scale: f32, what: f32, with_mask: bool) -> CanvasUniforms {
    CanvasUniforms {
        viewport: [0.0, 0.0, VIEWPORT[0] as f32, VIEWPORT[1] as f32],
        place: [place[0], place[1], scale, scale],
        extent: [extent.width as f32, extent.height as f32, 8.0, 14.0],
        show: [what, f32::from(u8::from(with_mask)), 1.0, 2.0],
        part: [0.0, 0.0, extent.width as f32, extent.height as f32],
        compare: [0.0; 4],
        backdrop: [0.12, 0.13, 0.14, 1.0],
        border: [0.3, 0.3, 0.3, 1.0],
        shadow: [0.0, 0.0, 0.0, 0.5],
        checker_light: [0.8, 0.8, 0.8, 1.0],
        checker_dark: [0.6, 0.6, 0.6, 1.0],
        mask_tint: [0.5, 0.1, 0.1, 0.5],
        mask_hatch: [0.3, 0.3, 0.3, 0.3],
        mask_inner_line: [1.0, 1.0, 1.0, 1.0],
        mask_outer_line: [0.0, 0.0, 0.0, 1.0],
    }
}

/// Renders on the adapter, computes with the twin, and returns the share of pixels that differ by more than `tolerance`.
fn share_that_differs(extent: Extent, uniforms: CanvasUniforms, tolerance: i32) -> f64 {
    let (picture, mask) = (picture(extent), mask(extent));
    let small = Picture::from_rgba(
        Extent::new(4, 3),
        (0..12u8).flat_map(|i| [i * 20, 255 - i * 20, (i % 2) * 200, 255]).collect(),
    )
    .unwrap();
    let mut shown = CanvasPicture::default();
    shown.set_picture(&Arc::new(picture));
    if uniforms.show[0] > 4.5 {
        // Before and after are pictures of one size.
        shown.set_before(&Tiles::of(&small.resized(extent)));
    } else {
        shown.set_preview(&Arc::new(small));
    }
    shown.set_mask(&mask);
    let told = uniforms.in_texels();
    let held: Vec<_> = shown.pending();
    let level_of = |slot| {
        let levels = held.iter().rfind(|upload| upload.slot == slot).unwrap().levels();
        let level = levels.get(told.compare[2] as usize).unwrap_or(&levels[0]);
        (level.0.extent, level.1.clone())
    };
    let [picture, preview, mask] = [Slot::Picture, Slot::Preview, Slot::Mask].map(level_of);
    let size = egui::vec2(VIEWPORT[0] as f32, VIEWPORT[1] as f32);
    let mut harness = Harness::builder().with_size(size).with_render_cursor(false).wgpu().build_eframe(move |cc| {
        install(cc.wgpu_render_state.as_ref().expect("a graphics adapter"));
        Scene { shown, uniforms }
    });
    let seen = harness.render().expect("the canvas renders");
    let [picture, preview, mask] = [&picture, &preview, &mask].map(|(extent, bytes)| Texels { extent: *extent, bytes });
    let mut differing = 0;
    for (x, y, pixel) in seen.enumerate_pixels() {
        let at = [x as f32 + 0.5, y as f32 + 0.5];
        let expected = canvas(&told, picture, preview, mask, at);
        let is_near = (0..3).all(|c| (i32::from(pixel.0[c]) - (expected[c] * 255.0).round() as i32).abs() <= tolerance);
        differing += usize::from(!is_near);
    }
    differing as f64 / f64::from(VIEWPORT[0] * VIEWPORT[1])
}

#[test]
fn the_canvas_shader_paints_what_its_twin_computes_magnified() {
    let extent = Extent::new(20, 16);
    assert!(share_that_differs(extent, uniforms(extent, [10.0, 9.0], 3.0, 1.0, false), 1) == 0.0);
}

#[test]
fn the_canvas_shader_paints_what_its_twin_computes_reduced_and_between_pixels() {
    let extent = Extent::new(301, 259);
    for scale in [0.7, 0.5, 0.23, 0.125, 0.1] {
        assert!(share_that_differs(extent, uniforms(extent, [9.3, 7.7], scale, 1.0, false), 1) == 0.0, "{scale}");
    }
}

/// Where coverage is one half to the last bit, the two may round to different sides of the mask's line.
#[test]
fn the_canvas_shader_paints_what_its_twin_computes_with_a_mask() {
    for (extent, scale) in [(Extent::new(40, 32), 1.7), (Extent::new(301, 259), 0.23), (Extent::new(301, 259), 0.05)] {
        assert!(share_that_differs(extent, uniforms(extent, [8.4, 6.6], scale, 1.0, true), 2) < 0.002, "{scale}");
    }
}

#[test]
fn the_canvas_shader_paints_what_its_twin_computes_for_a_preview() {
    let extent = Extent::new(32, 24);
    assert!(share_that_differs(extent, uniforms(extent, [12.0, 8.5], 2.0, 2.0, false), 1) == 0.0);
}

#[test]
fn the_canvas_shader_paints_what_its_twin_computes_for_a_preview_over_a_part() {
    let extent = Extent::new(32, 24);
    for what in [3.0, 4.0] {
        let uniforms =
            CanvasUniforms { part: [9.0, 4.0, 16.0, 12.0], ..uniforms(extent, [12.0, 8.5], 2.0, what, false) };
        assert!(share_that_differs(extent, uniforms, 1) == 0.0, "{what}");
    }
}

#[test]
fn the_canvas_shader_paints_what_its_twin_computes_for_before_and_after() {
    let (extent, before) = (Extent::new(40, 32), [0.0, 4.0, 13.3, 27.75, 40.0]);
    for (column, scale) in before.into_iter().flat_map(|column| [2.0, 0.7, 0.3].map(|scale| (column, scale))) {
        let uniforms =
            CanvasUniforms { compare: [column, 1.0, 0.0, 0.0], ..uniforms(extent, [8.0, 8.5], scale, 5.0, false) };
        assert!(share_that_differs(extent, uniforms, 1) == 0.0, "{column} {scale}");
    }
}

#[test]
fn the_canvas_shader_paints_what_its_twin_computes_in_a_mirror() {
    let mirrored = |uniforms: CanvasUniforms| {
        let [split, line, level, _] = uniforms.compare;
        CanvasUniforms { compare: [split, line, level, 1.0], ..uniforms }
    };
    let extent = Extent::new(20, 16);
    let magnified = mirrored(uniforms(extent, [10.0, 9.0], 3.0, 1.0, false));
    assert!(share_that_differs(extent, magnified, 1) == 0.0);
    let extent = Extent::new(301, 259);
    for scale in [0.7, 0.23] {
        let reduced = mirrored(uniforms(extent, [9.3, 7.7], scale, 1.0, false));
        assert!(share_that_differs(extent, reduced, 1) == 0.0, "{scale}");
    }
    let extent = Extent::new(40, 32);
    let masked = mirrored(uniforms(extent, [8.45, 6.6], 1.7, 1.0, true));
    assert!(share_that_differs(extent, masked, 2) < 0.002, "the mask");
    let compared = CanvasUniforms { compare: [13.3, 1.0, 0.0, 0.0], ..uniforms(extent, [8.0, 8.5], 2.0, 5.0, false) };
    assert!(share_that_differs(extent, mirrored(compared), 1) == 0.0, "before and after");
    let extent = Extent::new(32, 24);
    let part = CanvasUniforms { part: [9.0, 4.0, 16.0, 12.0], ..uniforms(extent, [12.0, 8.5], 2.0, 4.0, false) };
    assert!(share_that_differs(extent, mirrored(part), 1) == 0.0, "a preview over a part");
}

#[test]
fn the_canvas_shader_paints_only_the_backdrop_when_there_is_nothing_to_show() {
    let extent = Extent::new(32, 24);
    assert!(share_that_differs(extent, uniforms(extent, [12.0, 8.5], 2.0, 0.0, false), 1) == 0.0);
}
