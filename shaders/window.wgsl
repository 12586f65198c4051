// The window as it was kept: each pixel of the target is the texel at the same place.
//
// The CPU twin is the texel itself. No sampler: nothing is scaled.

@group(0) @binding(0) var window: texture_2d<f32>;

@vertex
fn vertex(@builtin(vertex_index) index: u32) -> @builtin(position) vec4<f32> {
    let corner = vec2<f32>(f32((index << 1u) & 2u), f32(index & 2u));
    return vec4<f32>(corner * vec2<f32>(2.0, -2.0) + vec2<f32>(-1.0, 1.0), 0.0, 1.0);
}

@fragment
fn fragment(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    return textureLoad(window, vec2<i32>(position.xy), 0);
}
