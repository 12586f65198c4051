// TEMPORARY plain kernels
use super::Activation;
use half::f16;
pub(super) enum Values<'a> { F32(&'a [f32]), F16(&'a [f16]) }
impl Values<'_> { fn v(&self) -> Vec<f32> { match self { Self::F32(v) => v.to_vec(), Self::F16(v) => v.iter().map(|x| x.to_f32()).collect() } } }
#[derive(Debug)] pub(super) struct Packed { w: Vec<f32>, n: usize, k: usize }
impl Packed { pub(super) fn new(v: Values<'_>, n: usize, k: usize) -> Self { Self { w: v.v(), n, k } } }
#[derive(Debug)] pub(super) struct PackedGated { w: Packed, b: Vec<f32> }
impl PackedGated { pub(super) fn new(v: Values<'_>, b: Option<&[f32]>, n: usize, k: usize) -> Self { Self { w: Packed::new(v, 2*n, k), b: b.unwrap().to_vec() } } }
pub(super) struct Matrix<'a> { pub(super) data: &'a [f32], pub(super) rows: usize, pub(super) stride: usize }
#[derive(Clone, Copy, Default)] pub(super) struct Epilogue<'a> { pub(super) bias: Option<&'a [f32]>, pub(super) shift: Option<(&'a [f32], usize)>, pub(super) residual: Option<&'a [f32]> }
pub(super) fn multiply(a: &Matrix<'_>, w: &Packed, e: Epilogue<'_>, out: &mut [f32]) {
    for m in 0..a.rows { for n in 0..w.n {
        let mut s = 0f32; for k in 0..w.k { s += a.data[m*a.stride+k]*w.w[n*w.k+k]; }
        if let Some(b) = e.bias { s += b[n]; } if let Some((b, per)) = e.shift { s += b[m/per*w.n+n]; } if let Some(r) = e.residual { s += r[m*w.n+n]; }
        out[m*w.n+n]=s; } }
}
fn gelu(x: f32) -> f32 { candle_core::Tensor::new(x, &candle_core::Device::Cpu).unwrap().gelu_erf().unwrap().to_scalar().unwrap() }
pub(super) fn multiply_gated(a: &Matrix<'_>, w: &PackedGated, out: &mut [f32]) {
    let n = w.w.n/2; let mut t = vec![0f32; a.rows*2*n]; multiply(a, &w.w, Epilogue{bias: Some(&w.b), ..Default::default()}, &mut t);
    for m in 0..a.rows { for i in 0..n { out[m*n+i] = t[m*2*n+i]*gelu(t[m*2*n+n+i]); } }
}
#[derive(Debug)] pub(super) struct Conv { w: Vec<f32>, o: usize, i: usize, k: usize, s: usize, p: (usize, usize) }
impl Conv {
    pub(super) fn new(v: Values<'_>, o: usize, i: usize, k: usize, s: usize, p: (usize, usize)) -> Self { Self { w: v.v(), o, i, k, s, p } }
    pub(super) fn output_size(&self, h: usize, w: usize) -> Option<(usize, usize)> { let f = |x: usize| Some((x + self.p.0 + self.p.1).checked_sub(self.k)? / self.s + 1); Some((f(h)?, f(w)?)) }
    pub(super) fn forward(&self, x: &[f32], (b, h, w): (usize, usize, usize), doubled: bool, e: Epilogue<'_>, out: &mut [f32]) {
        let d = if doubled {2} else {1}; let (hh, ww) = (h*d, w*d); let (oh, ow) = self.output_size(hh, ww).unwrap();
        let kk = self.k*self.k*self.i; let mut a = vec![0f32; b*oh*ow*kk]; let mut m = 0;
        for bi in 0..b { for y in 0..oh { for xx in 0..ow { let mut q = 0; for c in 0..self.i { for ky in 0..self.k { for kx in 0..self.k {
            let (py, px) = ((y*self.s+ky).wrapping_sub(self.p.0), (xx*self.s+kx).wrapping_sub(self.p.0));
            if py < hh && px < ww { a[m*kk+q] = x[((bi*h+py/d)*w+px/d)*self.i+c]; } q += 1; } } } m += 1; } } }
        multiply(&Matrix{data:&a, rows:m, stride:kk}, &Packed{w:self.w.clone(), n:self.o, k:kk}, e, out);
    }
}
pub(super) struct Heads { pub(super) batch: usize, pub(super) queries: usize, pub(super) keys: usize, pub(super) heads: usize, pub(super) width: usize }
pub(super) fn attention(q: &[f32], k: &[f32], v: &[f32], s: Heads, causal: bool, out: &mut [f32]) {
    let c = s.heads*s.width;
    for b in 0..s.batch { for h in 0..s.heads { for n in 0..s.queries {
        let m = if causal { (n+1).min(s.keys) } else { s.keys };
        let sc: Vec<f32> = (0..m).map(|j| (0..s.width).map(|i| q[(b*s.queries+n)*c+h*s.width+i]*k[(b*s.keys+j)*c+h*s.width+i]).sum::<f32>()/(s.width as f32).sqrt()).collect();
        let mx = sc.iter().copied().fold(f32::NEG_INFINITY, f32::max); let ex: Vec<f32> = sc.iter().map(|x| (x-mx).exp()).collect(); let t: f32 = ex.iter().sum();
        for i in 0..s.width { out[(b*s.queries+n)*c+h*s.width+i] = (0..m).map(|j| ex[j]*v[(b*s.keys+j)*c+h*s.width+i]).sum::<f32>()/t; } } } }
}
pub(super) struct Pixels { pub(super) batch: usize, pub(super) pixels: usize, pub(super) channels: usize }
pub(super) fn group_norm(x: &[f32], s: Pixels, g: usize, w: &[f32], b: &[f32], eps: f32, a: Activation, out: &mut [f32]) {
    let cg = s.channels/g;
    for bi in 0..s.batch { for gi in 0..g {
        let idx: Vec<usize> = (0..s.pixels).flat_map(|p| (0..cg).map(move |c| (bi*s.pixels+p)*s.channels+gi*cg+c)).collect();
        let mean = idx.iter().map(|&i| f64::from(x[i])).sum::<f64>()/idx.len() as f64; let var = idx.iter().map(|&i| (f64::from(x[i])-mean).powi(2)).sum::<f64>()/idx.len() as f64;
        for i in idx { let c = i % s.channels; let y = ((f64::from(x[i])-mean)/(var+f64::from(eps)).sqrt()) as f32*w[c]+b[c]; out[i] = if a == Activation::Silu { y/(1.0+(-y).exp()) } else { y }; } } }
}
pub(super) fn layer_norm(x: &[f32], width: usize, w: &[f32], b: &[f32], eps: f32, out: &mut [f32]) { for (x, out) in x.chunks(width).zip(out.chunks_mut(width)) { group_norm(x, Pixels{batch:1,pixels:1,channels:width}, 1, w, b, eps, Activation::Identity, out); } }
pub(super) fn activate(a: Activation, x: &[f32], out: &mut [f32]) { for (x, o) in x.iter().zip(out) { let x = *x; *o = match a { Activation::Identity => x, Activation::Silu => x/(1.0+(-x).exp()), Activation::QuickGelu => x/(1.0+(-1.702*x).exp()), Activation::Gelu => gelu(x), Activation::GeluTanh => 0.5*x*(1.0+(0.797_884_6*(x+0.044715*x*x*x)).tanh()) } } }
