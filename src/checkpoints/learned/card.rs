//! Learned words in pictures, as stable-diffusion-webui shares them (`image_embedding.py`): as a text, or in the low halves of the pixels'
//! bytes, left and right of the picture, each part divided from it by a black column.

use super::MAX_WIDTH;
use crate::checkpoints::Error;
use crate::geom::Extent;
use crate::pixels::{Picture, read_texts};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use candle_core::{Device, Tensor};
use flate2::read::ZlibDecoder;
use serde_json::Value;
use std::io::Read;
use std::path::Path;

/// The key of the text.
const KEY: &str = "sd-ti-embedding";
/// The numbers of as many vectors as a prompt has room for, of the widest encoder, are three megabytes of text.
const MAX_JSON_BYTES: u64 = 8 << 20;

/// The vectors (n, width) in a PNG; none where there are none in it.
pub(super) fn read(path: &Path) -> Result<Option<Tensor>, Error> {
    let damaged = |reason: &str| Error::Damaged { path: path.to_owned(), reason: reason.to_owned() };
    let json = match read_texts(path).into_iter().find(|(key, _)| key == KEY) {
        Some((_, text)) => BASE64_STANDARD.decode(text.trim()).map_err(|_| damaged("its text is no base64"))?,
        None => match Picture::load(path).ok().and_then(|picture| hidden(&picture)) {
            Some(json) => json,
            None => return Ok(None),
        },
    };
    if json.len() as u64 >= MAX_JSON_BYTES {
        return Err(damaged("the embedding in it is larger than any"));
    }
    let vectors = serde_json::from_slice(&json).ok().and_then(|json| vectors(&json));
    vectors.map(Some).ok_or_else(|| damaged("the embedding in it makes no sense"))
}

/// `{"string_to_param": {"*": {"TORCHTENSOR": [[…], …]}}}` as (n, width).
fn vectors(json: &Value) -> Option<Tensor> {
    let rows = json.get("string_to_param")?.as_object()?.values().next()?.get("TORCHTENSOR")?.as_array()?;
    let numbers = |row: &Value| -> Option<Vec<f32>> {
        row.as_array()?.iter().map(|number| Some(number.as_f64()? as f32)).collect()
    };
    let rows: Vec<Vec<f32>> = rows.iter().map(numbers).collect::<Option<_>>()?;
    let width = rows.first()?.len();
    let fits = (1..=MAX_WIDTH).contains(&width) && rows.iter().all(|row| row.len() == width);
    fits.then(|| Tensor::from_vec(rows.concat(), (rows.len(), width), &Device::Cpu).ok())?
}

/// What is hidden in the pixels, if something is.
fn hidden(picture: &Picture) -> Option<Vec<u8>> {
    let Extent { width, height } = picture.extent();
    let (width, height) = (width as usize, height as usize);
    let pixel = |x: usize, y: usize| &picture.rgba()[(y * width + x) * 4..][..3];
    // Black around it was added by what came after.
    let is_lit = |x: usize, y: usize| pixel(x, y).iter().all(|byte| *byte > 0);
    let columns: Vec<usize> = (0..width).filter(|x| (0..height).any(|y| is_lit(*x, y))).collect();
    let rows: Vec<usize> = (0..height).filter(|y| (0..width).any(|x| is_lit(x, *y))).collect();
    let (left, right) = (*columns.first()?, *columns.last()?);
    let (top, bottom) = (*rows.first()?, *rows.last()?);
    let is_black = |x: &usize| (top..=bottom).all(|y| pixel(*x, y).iter().all(|byte| byte.trailing_zeros() >= 4));
    let first = (left..=right).find(is_black)?;
    let last = (left..=right).rfind(is_black)?;
    let halves = |from: usize, to: usize| {
        let bytes = (top..=bottom).flat_map(move |y| (from..to).flat_map(move |x| pixel(x, y).iter()));
        bytes.zip(mixing()).map(|(byte, mixed)| (byte ^ mixed) & 15)
    };
    let packed: Vec<u8> =
        halves(left, first).zip(halves(last + 1, right + 1)).map(|(low, high)| high << 4 | low).collect();
    let mut json = Vec::new();
    ZlibDecoder::new(packed.as_slice()).take(MAX_JSON_BYTES).read_to_end(&mut json).ok()?;
    (!json.is_empty()).then_some(json)
}

/// What each byte was mixed with: a linear congruential generator of 32 bits that begins at 0, modulo 255.
fn mixing() -> impl Iterator<Item = u8> {
    let next = |state: &u32| Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    std::iter::successors(Some(1_013_904_223_u32), next).map(|state| (state % 255) as u8)
}
