// The canvas: backdrop, shadow and border, checkerboard, picture, mask.
//
// One rule decides every pixel of the picture and of the mask: a screen pixel shows the average of the image area that it
// covers. Magnified, that is nearest-neighbour with clean edges between texels; reduced, it is a box filter, so that
// nothing shimmers when the view moves. It reads the level of the textures whose texels are half a screen pixel wide to a whole
// one: few of them lie under a pixel, however large the picture is. Previews are far smaller than what they stand for; their
// texture is magnified beforehand (render/spline.rs), and a screen pixel shows the texel under its middle.
//
// The CPU twin is render::canvas::canvas; a test holds the two against each other. No sampler, no storage buffer and no
// compute pass: it runs on WebGL2-class hardware. Colours are premultiplied and stay in gamma space, as egui blends.

struct Canvas {
    // Left and top of the viewport in the target; its width and height, in target pixels.
    viewport: vec4<f32>,
    // Left and top of the picture within the viewport, in target pixels; target pixels for each image pixel.
    place: vec4<f32>,
    // Width and height of the picture in image pixels; side of a checker cell, reach of the shadow, in target pixels.
    extent: vec4<f32>,
    // What SHOWS and SHOWS_MASK say, for the twin; how far the dashes around the mask have marched; width of a hatch line, a quarter of a dash and
    // its gap.
    show: vec4<f32>,
    // Left, top, width and height of what the preview stands for, in image pixels.
    part: vec4<f32>,
    // Before and after: up to which column of the picture there is what was before; half the width of the line there, in target pixels. The
    // level that is read; 1 to swap left and right of the picture, about its middle.
    compare: vec4<f32>,
    backdrop: vec4<f32>,
    border: vec4<f32>,
    shadow: vec4<f32>,
    checker_light: vec4<f32>,
    checker_dark: vec4<f32>,
    mask_tint: vec4<f32>,
    mask_hatch: vec4<f32>,
    mask_inner_line: vec4<f32>,
    mask_outer_line: vec4<f32>,
}

@group(0) @binding(0) var<uniform> canvas: Canvas;
@group(0) @binding(1) var picture: texture_2d<f32>;
@group(0) @binding(2) var preview: texture_2d<f32>;
// How much of the mask a texel has on the average, and at most.
@group(0) @binding(3) var mask: texture_2d<f32>;

// 0 nothing, 1 the picture, 2 a preview, 3 a preview over the picture, 4 the same where the mask repaints, 5 before and after. Each has a pipeline
// of its own: a driver that draws on the processor computes both sides of a condition that it cannot know beforehand.
override SHOWS: u32;
// Whether there is a mask to show.
override SHOWS_MASK: bool;

// The most texels that are averaged along each axis; beyond, the area is thinned out.
const MAX_TAPS: i32 = 32;

@vertex
fn vertex(@builtin(vertex_index) index: u32) -> @builtin(position) vec4<f32> {
    let corner = vec2<f32>(f32((index << 1u) & 2u), f32(index & 2u));
    return vec4<f32>(corner * vec2<f32>(2.0, -2.0) + vec2<f32>(-1.0, 1.0), 0.0, 1.0);
}

// How far apart the texels that are averaged stand, so that at most MAX_TAPS of them cover `span`.
fn stride_of(span: i32) -> i32 {
    return max(1, (span + MAX_TAPS - 1) / MAX_TAPS);
}

// Image pixels across a texel of the level that is read.
fn texel_side() -> f32 {
    return f32(1u << u32(canvas.compare.z));
}

// The average of a texture between two places of the level that is read, each texel weighted by how much of it lies there.
fn area(source: texture_2d<f32>, low: vec2<f32>, high: vec2<f32>) -> vec4<f32> {
    let level = i32(canvas.compare.z);
    let end = vec2<i32>(ceil(canvas.extent.xy / texel_side())) - vec2<i32>(1);
    let first = clamp(vec2<i32>(floor(low)), vec2<i32>(0), end);
    let last = clamp(vec2<i32>(ceil(high)) - vec2<i32>(1), first, end);
    let stride_x = stride_of(last.x - first.x + 1);
    let stride_y = stride_of(last.y - first.y + 1);
    var sum = vec4<f32>(0.0);
    var total = 0.0;
    for (var y = first.y; y <= last.y; y += stride_y) {
        let height = max(min(high.y, f32(y + 1)) - max(low.y, f32(y)), 1e-4);
        for (var x = first.x; x <= last.x; x += stride_x) {
            let weight = height * max(min(high.x, f32(x + 1)) - max(low.x, f32(x)), 1e-4);
            sum += weight * textureLoad(source, vec2<i32>(x, y), level);
            total += weight;
        }
    }
    return sum / total;
}

// The texel of the preview that lies at a place of the picture.
fn of_preview(at: vec2<f32>) -> vec4<f32> {
    let size = vec2<i32>(textureDimensions(preview));
    let texel = vec2<i32>((at - canvas.part.xy) * vec2<f32>(size) / canvas.part.zw);
    return textureLoad(preview, clamp(texel, vec2<i32>(0), size - vec2<i32>(1)), 0);
}

fn over(top: vec4<f32>, bottom: vec4<f32>) -> vec4<f32> {
    return top + bottom * (1.0 - top.a);
}

// Whether anything of the mask lies under the target pixel that is `shift` pixels away: under its middle, and where texels are narrower
// than target pixels as far around it as lets all pixels together look at every texel. What a texel covers at most counts, so that a mask
// of a few pixels has its lines however small it is seen.
fn in_mask(at: vec2<f32>, shift: vec2<f32>) -> bool {
    let level = i32(canvas.compare.z);
    let middle = (at + shift - canvas.place.xy) / canvas.place.zw / texel_side();
    let texel = canvas.place.zw * texel_side();
    let end = ceil(canvas.extent.xy / texel_side());
    let reach = select(vec2<f32>(0.0), 0.5 / texel - vec2<f32>(0.499), texel < vec2<f32>(1.0));
    if any(middle + reach < vec2<f32>(0.0)) || any(middle - reach >= end) {
        return false;
    }
    let first = max(vec2<i32>(floor(middle - reach)), vec2<i32>(0));
    let most = min(vec2<i32>(end) - vec2<i32>(1), first + vec2<i32>(MAX_TAPS - 1));
    let last = min(vec2<i32>(floor(middle + reach)), most);
    for (var y = first.y; y <= last.y; y++) {
        for (var x = first.x; x <= last.x; x++) {
            if textureLoad(mask, vec2<i32>(x, y), level).g >= 0.5 {
                return true;
            }
        }
    }
    return false;
}

// The mask's tint, hatched with another so that it is seen on any colour, and around it two lines, whose two tones swap from dash to
// dash and march along it.
fn mask_colour(at: vec2<f32>, first: vec2<f32>, end: vec2<f32>) -> vec4<f32> {
    let period = canvas.show.w * 4.0;
    let along = at.x + at.y;
    let in_hatch = along - period * floor(along / period) < canvas.show.w;
    let marched = along + canvas.show.z;
    let in_dash = marched - period * floor(marched / period) < period * 0.5;
    let here = in_mask(at, vec2<f32>(0.0));
    let left = in_mask(at, vec2<f32>(-1.0, 0.0));
    let right = in_mask(at, vec2<f32>(1.0, 0.0));
    let above = in_mask(at, vec2<f32>(0.0, -1.0));
    let below = in_mask(at, vec2<f32>(0.0, 1.0));
    if here && !(left && right && above && below) {
        return select(canvas.mask_outer_line, canvas.mask_inner_line, in_dash);
    }
    if !here && (left || right || above || below) {
        return select(canvas.mask_inner_line, canvas.mask_outer_line, in_dash);
    }
    return select(canvas.mask_tint, canvas.mask_hatch, in_hatch) * area(mask, first, end).r;
}

@fragment
fn fragment(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let top_left = canvas.place.xy;
    let bottom_right = top_left + canvas.extent.xy * canvas.place.zw;
    // In a mirror what is seen here is what stands as far from the middle of the picture at the other side.
    let place_here = position.xy - canvas.viewport.xy;
    let place_in_mirror = top_left.x + bottom_right.x - place_here.x;
    let at = vec2<f32>(select(place_here.x, place_in_mirror, canvas.compare.w > 0.5), place_here.y);

    let outside = length(max(max(top_left - at, at - bottom_right), vec2<f32>(0.0)));
    let fade = clamp(1.0 - outside / canvas.extent.w, 0.0, 1.0);
    var colour = over(canvas.shadow * fade * fade * fade, canvas.backdrop);
    if outside > 0.0 && outside <= 1.0 {
        colour = over(canvas.border, colour);
    }

    let overlap = min(at + vec2<f32>(0.5), bottom_right) - max(at - vec2<f32>(0.5), top_left);
    let covered = clamp(overlap.x, 0.0, 1.0) * clamp(overlap.y, 0.0, 1.0);
    if SHOWS == 0u || covered <= 0.0 {
        return colour;
    }

    let low = max((at - vec2<f32>(0.5) - top_left) / canvas.place.zw, vec2<f32>(0.0));
    let high = min((at + vec2<f32>(0.5) - top_left) / canvas.place.zw, canvas.extent.xy);
    let cell = floor((at - top_left) / canvas.extent.z);
    let is_light = (cell.x + cell.y) - 2.0 * floor((cell.x + cell.y) / 2.0) < 0.5;
    var inside = select(canvas.checker_dark, canvas.checker_light, is_light);
    let ground = inside;
    // Before and after: what was there stands in the preview, texel by texel.
    let split = top_left.x + canvas.compare.x * canvas.place.z;
    let first = low / texel_side();
    let end = high / texel_side();
    if SHOWS == 5u && at.x < split {
        inside = over(area(preview, first, end), inside);
    } else if SHOWS != 2u {
        inside = over(area(picture, first, end), inside);
    }
    let place = (low + high) * 0.5;
    if SHOWS >= 2u && SHOWS <= 4u && all(place >= canvas.part.xy) && all(place < canvas.part.xy + canvas.part.zw) {
        let estimate = over(of_preview(place), ground);
        if SHOWS == 4u {
            inside = mix(inside, estimate, area(mask, first, end).r);
        } else {
            inside = estimate;
        }
    }
    if SHOWS_MASK {
        inside = over(mask_colour(at, first, end), inside);
    }
    if SHOWS == 5u && canvas.compare.x > 0.0 && canvas.compare.x < canvas.extent.x {
        let away = abs(at.x - split);
        if away < canvas.compare.y {
            inside = canvas.mask_inner_line;
        } else if away < 2.0 * canvas.compare.y {
            inside = canvas.mask_outer_line;
        }
    }
    return mix(colour, inside, covered);
}
