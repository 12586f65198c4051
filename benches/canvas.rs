//! What a painter's hand waits for on a large canvas: `cargo bench --bench canvas`.

use divan::{Bencher, black_box};
use eframe::egui_wgpu::{CallbackTrait, RenderState, RendererOptions, ScreenDescriptor, wgpu};
use egui_kittest::wgpu::{create_render_state, default_wgpu_setup};
use sfumato::geom::{Extent, Point};
use sfumato::paint::{
    Blend, Brush, Bucket, Document, Edit, Ink, LayerEdit, LayerLook, PaintBrush, Painting, Sample, Tiles, Transform,
};
use sfumato::pixels::{Mask, Picture};
use sfumato::render::{CanvasPaint, CanvasPicture, install};

fn main() {
    divan::main();
}

const LARGE: Extent = Extent::new(4096, 4096);
const INK: Ink = Ink::Colour([30, 90, 200]);

/// Every pixel another one, opaque or not.
fn noise(alpha: u8) -> Picture {
    let pixel = |i: usize| {
        let mixed = (i as u32).wrapping_mul(2_654_435_761);
        [(mixed >> 24) as u8, (mixed >> 16) as u8, (mixed >> 8) as u8, alpha]
    };
    Picture::from_rgba(LARGE, (0..LARGE.area()).flat_map(pixel).collect()).expect("four bytes a pixel")
}

fn stack_of(count: usize, alpha: u8) -> Document {
    let mut document = Document::new(LARGE);
    let tiles = Tiles::of(&noise(alpha));
    for number in 0..count {
        let insert = LayerEdit::Insert { look: LayerLook::named(format!("{number}")), tiles: tiles.clone() };
        document.apply(Edit::Layer(insert)).expect("there is room for it");
    }
    document
}

fn soft(size: f32) -> PaintBrush {
    PaintBrush { spacing: 0.1, ..PaintBrush::new(Brush { size, hardness: 0.0 }) }
}

/// A path across the canvas, there and back, on which so many dabs of a brush of this size fall.
fn path(dabs: usize, size: f32) -> Vec<Sample> {
    let length = dabs as f32 * (size + 1.0) * 0.1;
    let rows = (length / 3800.0).ceil() as u32;
    (0..rows)
        .flat_map(|row| {
            let y = 148.0 + 60.0 * row as f32;
            let (from, to) = if row % 2 == 0 { (148.0, 3948.0) } else { (3948.0, 148.0) };
            [Sample::at(from, y), Sample::at(to, y)]
        })
        .collect()
}

#[divan::bench(sample_count = 10)]
fn thousand_dabs_of_a_soft_200_pixel_brush(bencher: Bencher<'_, '_>) {
    let document = stack_of(1, 255);
    let path = path(1000, 200.0);
    bencher.bench_local(|| {
        let mut painting = Painting::begin(&document, INK, soft(200.0)).expect("the layer is open");
        painting.extend(&path);
        painting.finish();
        painting
    });
}

/// What one event of the pointer costs in the middle of a stroke, ten layers deep.
#[divan::bench(sample_count = 100)]
fn next_piece_of_a_stroke_under_nine_layers(bencher: Bencher<'_, '_>) {
    let mut document = stack_of(10, 100);
    document.choose_layer(document.stack().layers()[0].id);
    let mut painting = Painting::begin(&document, INK, soft(200.0)).expect("the layer is open");
    let mut x = 100.0;
    bencher.bench_local(|| {
        x = if x > 3900.0 { 100.0 } else { x + 20.0 };
        painting.extend(&[Sample::at(x, 2000.0)]);
    });
}

#[divan::bench(args = [255, 100], sample_count = 5)]
fn flatten_ten_layers(bencher: Bencher<'_, '_>, alpha: u8) {
    let document = stack_of(10, alpha);
    bencher.bench_local(|| document.stack().flattened(LARGE));
}

#[divan::bench(sample_count = 5)]
fn flatten_ten_layers_in_ten_modes(bencher: Bencher<'_, '_>) {
    let mut document = stack_of(10, 100);
    for (number, blend) in Blend::ALL.into_iter().take(10).enumerate() {
        let layer = document.stack().layers()[number].id;
        let look = LayerLook { blend, ..LayerLook::named("") };
        document.apply(Edit::Layer(LayerEdit::Look { layer, look, goes_on: false })).expect("any layer may look so");
    }
    bencher.bench_local(|| document.stack().flattened(LARGE));
}

#[divan::bench(sample_count = 20)]
fn undo_of_a_stroke_over_all_of_it(bencher: Bencher<'_, '_>) {
    let mut document = stack_of(1, 255);
    let layer = document.stack().layers()[0].id;
    document.apply(Edit::Layer(LayerEdit::Fill(layer, INK))).expect("the layer is open");
    bencher.bench_local(|| if document.can_undo() && black_box(document.undo()) { document.redo() } else { false });
}

#[divan::bench(sample_count = 5)]
fn bucket_over_all_of_it(bencher: Bencher<'_, '_>) {
    let mut white = Document::new(LARGE);
    let tiles = Tiles::filled(LARGE, [255; 4]);
    white
        .apply(Edit::Layer(LayerEdit::Insert { look: LayerLook::named("paper"), tiles }))
        .expect("there is room for it");
    let bucket = Bucket { ink: INK, opacity: 1.0, tolerance: 10, connected: true, sees_all_layers: true };
    bencher.with_inputs(|| white.clone()).bench_local_values(|mut document| {
        document.apply(Edit::Fill { bucket, x: 9, y: 9 }).expect("the layer is open");
        document
    });
}

#[divan::bench(sample_count = 5)]
fn picture_of_what_is_seen(bencher: Bencher<'_, '_>) {
    let document = stack_of(1, 255);
    bencher.bench_local(|| document.flat().to_picture());
}

/// What a piece of a stroke brings to the graphics card: the tiles that are others, found and made ready.
#[divan::bench(sample_count = 100)]
fn texture_upload_of_a_piece_of_a_stroke(bencher: Bencher<'_, '_>) {
    let document = stack_of(1, 255);
    let mut painting = Painting::begin(&document, INK, soft(200.0)).expect("the layer is open");
    let mut shown = CanvasPicture::default();
    shown.set_tiles(document.flat());
    let mut x = 100.0;
    bencher.bench_local(|| {
        x = if x > 3900.0 { 100.0 } else { x + 20.0 };
        painting.extend(&[Sample::at(x, 2000.0)]);
        shown.set_tiles(painting.flat());
    });
}

/// The same, and the tiles of it brought to the memory of an adapter that is software, until it is done with it.
#[divan::bench(sample_count = 100)]
fn texture_upload_of_a_piece_of_a_stroke_to_an_adapter(bencher: Bencher<'_, '_>) {
    let document = stack_of(1, 255);
    let mut painting = Painting::begin(&document, INK, soft(200.0)).expect("the layer is open");
    let mut adapter = Adapter::new();
    adapter.show(document.flat());
    let mut x = 100.0;
    bencher.bench_local(|| {
        x = if x > 3900.0 { 100.0 } else { x + 20.0 };
        painting.extend(&[Sample::at(x, 2000.0)]);
        adapter.show(painting.flat());
    });
}

/// The first frame of a canvas of which every pixel is another one.
#[divan::bench(sample_count = 5)]
fn texture_upload_of_all_of_it_to_an_adapter(bencher: Bencher<'_, '_>) {
    let document = stack_of(1, 255);
    let mut adapter = Adapter::new();
    bencher.bench_local(|| {
        adapter.shown = CanvasPicture::default();
        adapter.show(document.flat());
    });
}

/// What draws the canvas, without a window.
struct Adapter {
    state: RenderState,
    shown: CanvasPicture,
}

impl Adapter {
    fn new() -> Self {
        let state = create_render_state(default_wgpu_setup(), RendererOptions::default());
        install(&state);
        Self { state, shown: CanvasPicture::default() }
    }

    /// Brings what is not there yet to the adapter.
    fn show(&mut self, tiles: &Tiles) {
        self.shown.set_tiles(tiles);
        let paint = CanvasPaint::new(&self.shown, bytemuck::Zeroable::zeroed());
        let RenderState { device, queue, renderer, .. } = &self.state;
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let screen = ScreenDescriptor { size_in_pixels: [1, 1], pixels_per_point: 1.0 };
        let resources = &mut renderer.write().callback_resources;
        let mut commands = paint.prepare(device, queue, &screen, &mut encoder, resources);
        commands.push(encoder.finish());
        queue.submit(commands);
        device.poll(wgpu::PollType::wait_indefinitely()).expect("the adapter is there");
    }
}

/// A layer turned a little, as it is laid when it is applied.
#[divan::bench(sample_count = 3)]
fn transform_of_a_layer(bencher: Bencher<'_, '_>) {
    let document = stack_of(1, 255);
    let layer = document.stack().layers()[0].id;
    let turned = Transform { angle: 0.1, ..Transform::around(Point::new(2048.0, 2048.0)) };
    bencher.with_inputs(|| document.clone()).bench_local_values(|mut document| {
        document.apply(Edit::Layer(LayerEdit::Transform(layer, turned))).expect("the layer is open");
        document
    });
}

fn striped() -> Mask {
    let coverage = (0..LARGE.area()).map(|i| if (i / 512) % 2 == 0 { 255 } else { 0 }).collect();
    Mask::from_coverage(LARGE, coverage).expect("one byte a pixel")
}

#[divan::bench(sample_count = 5)]
fn feather_of_a_mask_by_64_pixels(bencher: Bencher<'_, '_>) {
    let mask = striped();
    bencher.bench_local(|| mask.feathered(64.0));
}

#[divan::bench(sample_count = 5)]
fn growing_of_a_mask_by_64_pixels(bencher: Bencher<'_, '_>) {
    let mask = striped();
    bencher.bench_local(|| mask.grown(64));
}
