//! How the tensors of a `LoRA` are called: kohya's sd-scripts and `LyCORIS` join a layer's name with underscores behind `lora_unet_`,
//! diffusers and PEFT keep its dots. Either way a tensor is some part of what is added to one layer.

/// Of which network a layer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::checkpoints) enum Net {
    Unet,
    Text,
    SecondText,
}

/// The text encoders of a model, in their order.
pub(in crate::checkpoints) const TEXT_NETS: [Net; 2] = [Net::Text, Net::SecondText];

/// What a tensor is of what is added to a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Role {
    Down,
    Up,
    Mid,
    Alpha,
    /// `LoHa`'s four matrices and two cores.
    Hada(Side, Half),
    HadaCore(Side),
    /// `LoKr`'s two factors, whole or as two matrices, and a core.
    Kron(Side),
    KronHalf(Side, Half),
    KronCore,
    /// `DoRA`'s lengths.
    Magnitude,
    /// The difference itself, of weight and bias; `LyCORIS` calls those of norms otherwise.
    Difference,
    BiasDifference,
}

/// The first or the second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Side {
    One,
    Two,
}

/// The first or the second matrix of a factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Half {
    A,
    B,
}

/// How names end.
const ENDS: &[(&str, Role)] = &[
    (".lora_down.weight", Role::Down),
    (".lora_up.weight", Role::Up),
    (".lora_mid.weight", Role::Mid),
    (".alpha", Role::Alpha),
    (".dora_scale", Role::Magnitude),
    (".diff", Role::Difference),
    (".diff_b", Role::BiasDifference),
    (".w_norm", Role::Difference),
    (".b_norm", Role::BiasDifference),
    (".hada_w1_a", Role::Hada(Side::One, Half::A)),
    (".hada_w1_b", Role::Hada(Side::One, Half::B)),
    (".hada_w2_a", Role::Hada(Side::Two, Half::A)),
    (".hada_w2_b", Role::Hada(Side::Two, Half::B)),
    (".hada_t1", Role::HadaCore(Side::One)),
    (".hada_t2", Role::HadaCore(Side::Two)),
    (".lokr_w1", Role::Kron(Side::One)),
    (".lokr_w2", Role::Kron(Side::Two)),
    (".lokr_w1_a", Role::KronHalf(Side::One, Half::A)),
    (".lokr_w1_b", Role::KronHalf(Side::One, Half::B)),
    (".lokr_w2_a", Role::KronHalf(Side::Two, Half::A)),
    (".lokr_w2_b", Role::KronHalf(Side::Two, Half::B)),
    (".lokr_t2", Role::KronCore),
    (".lora.down.weight", Role::Down),
    (".lora.up.weight", Role::Up),
    ("_lora.down.weight", Role::Down),
    ("_lora.up.weight", Role::Up),
    (".lora_linear_layer.down.weight", Role::Down),
    (".lora_linear_layer.up.weight", Role::Up),
    (".lora_A.weight", Role::Down),
    (".lora_B.weight", Role::Up),
    (".lora_A.default.weight", Role::Down),
    (".lora_B.default.weight", Role::Up),
    (".lora_magnitude_vector", Role::Magnitude),
    (".lora_magnitude_vector.weight", Role::Magnitude),
    (".lora_magnitude_vector.default.weight", Role::Magnitude),
];

/// How names begin.
const STARTS: &[(&str, Net)] = &[
    ("lora_unet_", Net::Unet),
    ("lora_te1_", Net::Text),
    ("lora_te2_", Net::SecondText),
    ("lora_te_", Net::Text),
    ("lycoris_", Net::Unet),
    ("unet.base_model.model.", Net::Unet),
    ("text_encoder.base_model.model.", Net::Text),
    ("text_encoder_2.base_model.model.", Net::SecondText),
    ("unet.", Net::Unet),
    ("text_encoder_2.", Net::SecondText),
    ("text_encoder.", Net::Text),
    ("base_model.model.", Net::Unet),
];

/// The layer that a tensor belongs to, by [`joined`], and what it is of it. None of what is no `LoRA`, or of a network that Stable
/// Diffusion does not have.
pub(super) fn parse(name: &str) -> Option<(Net, String, Role)> {
    let (start, net) = STARTS.iter().find(|(start, _)| name.starts_with(start))?;
    let rest = &name[start.len()..];
    let (end, role) = ENDS.iter().find(|(end, _)| rest.ends_with(end))?;
    let layer = &rest[..rest.len() - end.len()];
    // diffusers before 0.17 named processors instead of layers.
    let layer = match layer.split_once(".processor.") {
        Some((attention, "to_out")) => format!("{attention}.to_out.0"),
        Some((attention, layer)) => format!("{attention}.{layer}"),
        None => layer.to_owned(),
    };
    // PEFT writes a whole text encoder so, too.
    let net = if *start == "base_model.model." && layer.starts_with("text_model.") { Net::Text } else { *net };
    Some((net, joined(net, &layer), *role))
}

/// A layer's name as kohya writes it: with underscores, and in a text encoder without `text_model`, which some leave out.
pub(super) fn joined(net: Net, layer: &str) -> String {
    let layer = layer.replace('.', "_");
    match net {
        Net::Unet => layer,
        Net::Text | Net::SecondText => layer.strip_prefix("text_model_").map_or(layer.clone(), str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_layer_is_the_same_layer() {
        const DOTTED: &str = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1";
        let attention = "down_blocks_0_attentions_0_transformer_blocks_0_attn1";
        let query = format!("{attention}_to_q");
        let of = |name: &str| parse(name).unwrap();
        let unet = |layer: &str, role| (Net::Unet, layer.to_owned(), role);
        assert_eq!(of(&format!("lora_unet_{query}.lora_down.weight")), unet(&query, Role::Down));
        assert_eq!(of(&format!("lora_unet_{query}.alpha")), unet(&query, Role::Alpha));
        assert_eq!(of(&format!("{DOTTED}.processor.to_q_lora.up.weight")), unet(&query, Role::Up));
        assert_eq!(of(&format!("{DOTTED}.to_q.lora.down.weight")), unet(&query, Role::Down));
        assert_eq!(of(&format!("{DOTTED}.to_q.lora_A.weight")), unet(&query, Role::Down));
        assert_eq!(of(&format!("{DOTTED}.to_q.lora_B.default.weight")), unet(&query, Role::Up));
        let out = format!("{attention}_to_out_0");
        assert_eq!(of(&format!("{DOTTED}.processor.to_out_lora.down.weight")), unet(&out, Role::Down));
        let words = (Net::Text, "encoder_layers_3_self_attn_q_proj".to_owned(), Role::Up);
        for name in [
            "lora_te_text_model_encoder_layers_3_self_attn_q_proj.lora_up.weight",
            "lora_te1_text_model_encoder_layers_3_self_attn_q_proj.lora_up.weight",
            "text_encoder.text_model.encoder.layers.3.self_attn.q_proj.lora_linear_layer.up.weight",
            "text_encoder.encoder.layers.3.self_attn.q_proj.lora_B.weight",
            "base_model.model.text_model.encoder.layers.3.self_attn.q_proj.lora_B.weight",
        ] {
            assert_eq!(of(name), words, "{name}");
        }
        let second = (Net::SecondText, "encoder_layers_0_mlp_fc1".to_owned(), Role::Alpha);
        assert_eq!(of("lora_te2_text_model_encoder_layers_0_mlp_fc1.alpha"), second);
        for (end, role) in [("w_norm", Role::Difference), ("b_norm", Role::BiasDifference), ("diff", Role::Difference)]
        {
            assert_eq!(
                of(&format!("lora_unet_down_blocks_0_resnets_0_norm1.{end}")),
                unet("down_blocks_0_resnets_0_norm1", role)
            );
        }
        for name in ["lora_unet_x.weight", "model.x.alpha"] {
            assert_eq!(parse(name), None, "{name}");
        }
    }
}
