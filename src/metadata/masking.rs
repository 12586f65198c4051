//! How a part of a picture was painted, in A1111's text: its keys where it has them, and ours behind. Pixels are not in it.

use super::pairs;
use crate::diffusion::{Input, MaskedContent, Place, Region};
use crate::geom::{Bounds, Extent};

/// Of A1111: what the run started from under the mask, by its own names; and whether only what lies around the mask was painted, up close.
const CONTENT: &str = "Masked content";
const AREA: &str = "Inpaint area";
const ONLY_MASKED: &str = "Only masked";
const NAMES: [(&str, MaskedContent); 4] = [
    ("original", MaskedContent::Original),
    ("fill", MaskedContent::Fill),
    ("latent noise", MaskedContent::Noise),
    ("latent nothing", MaskedContent::Nothing),
];
/// What its soft mask is called that is not ours: masks are drawn here as they are to be.
const PASSED_OVER: [&str; 3] = ["Mask blur", "Masked area padding", "Mask mode"];
const MASKED: &str = "Sfumato masked";
const SOFT: &str = "Sfumato soft mask";
const MATCHED: &str = "Sfumato match colours";
const PLACE: &str = "Sfumato place";
/// With a number behind it.
const REGION: &str = "Sfumato region";

/// What a text says of the part that was painted.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each says another thing, as in the text")]
pub struct Masking {
    /// Whether there was a mask.
    pub is_masked: bool,
    /// What the run started from under it.
    pub content: MaskedContent,
    /// Whether only what lies around it was painted, up close.
    pub only_masked: bool,
    /// Whether its grey said how much was painted anew.
    pub soft: bool,
    /// Whether colours were evened out at it.
    pub match_colours: bool,
    /// Which part of a canvas it was.
    pub place: Option<Place>,
    /// The words of parts that had some of their own, the uppermost first.
    pub regions: Vec<String>,
}

/// What A1111 has keys for.
pub(super) fn text<P, M>(input: &Input<P, M>) -> Vec<String> {
    let mut keys = Vec::new();
    if let Some((name, _)) = NAMES.iter().find(|(_, content)| input.mask.is_some() && *content == input.masked) {
        keys.push(pairs::write(CONTENT, name));
    }
    if input.place.is_some() && input.mask.is_some() {
        keys.push(pairs::write(AREA, ONLY_MASKED));
    }
    keys
}

/// What nobody else has a key for.
pub(super) fn own_text<P, M>(input: &Input<P, M>) -> Vec<String> {
    let flags = [(MASKED, input.mask.is_some()), (SOFT, input.soft_mask), (MATCHED, input.match_colours)];
    let mut keys: Vec<_> = flags.iter().filter(|(_, is)| *is).map(|(key, _)| pairs::write(key, "True")).collect();
    if let Some(Place { bounds: Bounds { left, top, extent }, of }) = input.place {
        keys.push(pairs::write(PLACE, &format!("{extent}+{left}+{top} of {of}")));
    }
    let region =
        |(index, region): (usize, &Region<M>)| pairs::write(&format!("{REGION} {}", index + 1), &region.prompt);
    keys.extend(input.regions.iter().enumerate().map(region));
    keys
}

/// Takes one pair; `false` if it says nothing of this, or nothing that is understood.
pub(super) fn take(found: &mut Option<Masking>, key: &str, value: &str) -> bool {
    let mut masking = found.clone().unwrap_or_default();
    let understood = match key {
        CONTENT => {
            let content = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(value));
            content.map(|(_, content)| masking.content = *content).is_some()
        }
        AREA => {
            masking.only_masked = value == ONLY_MASKED;
            masking.only_masked || value == "Whole picture"
        }
        MASKED | SOFT | MATCHED => {
            let flag = match key {
                MASKED => &mut masking.is_masked,
                SOFT => &mut masking.soft,
                _ => &mut masking.match_colours,
            };
            *flag = value == "True";
            *flag
        }
        PLACE => {
            masking.place = place(value);
            masking.place.is_some()
        }
        _ if key.starts_with(REGION) => {
            masking.regions.push(value.to_owned());
            true
        }
        _ => {
            // They say that there was one.
            if PASSED_OVER.contains(&key) {
                masking.is_masked = true;
                *found = Some(masking);
            }
            return false;
        }
    };
    if understood {
        masking.is_masked |= matches!(key, CONTENT | AREA);
        *found = Some(masking);
    }
    understood
}

/// `100x80+20+30 of 512x512`.
fn place(text: &str) -> Option<Place> {
    let (bounds, of) = text.split_once(" of ")?;
    let mut parts = bounds.split('+');
    let (extent, left, top) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let extent: Extent = super::a1111::parse_extent(extent)?;
    let place = Place { bounds: Bounds { left, top, extent }, of: super::a1111::parse_extent(of)? };
    let fits = |from: u32, length: u32, all: u32| from.checked_add(length).is_some_and(|end| end <= all);
    let is_within = fits(left, extent.width, place.of.width) && fits(top, extent.height, place.of.height);
    (is_within && parts.next().is_none()).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::super::from_parameters;
    use super::*;

    fn read(more: &str) -> (Option<Masking>, usize) {
        let imported = from_parameters(&format!("a\nSteps: 20, Sampler: Euler a, Seed: 1, CFG scale: 7{more}"));
        (imported.settings.masking, imported.unknown.len())
    }

    #[test]
    fn a1111s_keys_are_read() {
        assert_eq!(read(""), (None, 0));
        let text = ", Mask blur: 4, Inpaint area: Only masked, Masked area padding: 32, Masked content: latent noise";
        let expected =
            Masking { is_masked: true, only_masked: true, content: MaskedContent::Noise, ..Masking::default() };
        assert_eq!(read(text), (Some(expected), 2));
        assert_eq!(read(", Masked content: paint, Inpaint area: Somewhere"), (None, 2));
    }

    #[test]
    fn a_place_that_is_none_is_left_out() {
        let place = |text: &str| read(&format!(", {PLACE}: {text}")).0.and_then(|masking| masking.place);
        let expected =
            Place { bounds: Bounds { left: 20, top: 30, extent: Extent::new(100, 80) }, of: Extent::new(512, 512) };
        assert_eq!(place("100x80+20+30 of 512x512"), Some(expected));
        for wrong in ["", "100x80", "100x80+20+30 of 64x64", "100x80+4294967295+30 of 512x512", "1x1+0+0+0 of 8x8"] {
            assert_eq!(place(wrong), None, "{wrong}");
        }
    }
}
