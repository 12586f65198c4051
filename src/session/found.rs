//! Settings that were found in a picture, put into the draft as far as what they name is on this machine.

use super::{Draft, KnownVae, Model, Session};
use crate::diffusion::Upscale;
use crate::metadata::{Found, Imported};

impl Session {
    /// Puts settings that were found into the draft.
    pub(super) fn take_found_settings(&mut self, name: &str, found: Option<Imported>) {
        if found.is_none() {
            self.notices.info(format!("{name} does not say how a picture was made"));
            return;
        }
        self.found = found;
        self.use_settings();
    }

    pub(super) fn use_settings(&mut self) {
        let Some(Imported { settings: found, differences, .. }) = self.found.take() else { return };
        self.found_settings = false;
        self.used_seed = None;
        self.hints.clear();
        self.hashing.wanted.clear();
        // What suits another model must not take the place of what the picture says.
        let said = self.choose_model_of(&found);
        let of = |draft: &Draft| (draft.borrowed.parts_from.clone(), draft.precision);
        let before = of(&self.draft);
        self.draft.take(&found);
        self.leave_missing_precision();
        let said_of_vae = self.find_vae_of(&found);
        if of(&self.draft) != before {
            self.load_model();
        }
        if !differences.is_empty() {
            self.notices.info(format!("What may still differ from that picture: {}", differences.join("; ")));
        }
        for said in said.into_iter().chain(said_of_vae) {
            self.notices.info(said);
        }
        self.use_upscaler(&found);
        self.tell_of_missing_loras();
    }

    /// Chooses the model that a picture's text names: what it is counts more than what it is called. Gives what there is to say.
    fn choose_model_of(&mut self, found: &Found) -> Option<String> {
        // Those of old were shorter, and of a part of the file.
        let hash = found.model_hash.as_deref().filter(|hash| hash.len() == 10);
        let of_hash = self.models.iter().find(|known| hash.is_some() && known.hash.as_deref() == hash);
        let named = |name: &str| self.models.iter().find(|known| known.name == name);
        let of_name = || found.model_names().find_map(named);
        let file = |known: &Model| Some((known.details.as_ref()?.path.clone(), known.hash.clone()));
        let chosen = of_hash.or_else(of_name).map(|known| (known.name.clone(), file(known)));
        let Some((model, file)) = chosen else {
            let wanted = found.model.as_deref().or(hash)?;
            let said = format!("It was made with {wanted}, which is not on this machine: {} is used", self.draft.model);
            return Some(self.with_search(said, hash.is_some()));
        };
        if model != self.draft.model {
            self.choose_model(&model);
        }
        self.compare_hash(file?, hash?)
    }

    /// Chooses the VAE that a picture's text names: as for models, what it is counts more than what it is called. Gives what there is to
    /// say.
    fn find_vae_of(&mut self, found: &Found) -> Option<String> {
        let (name, model) = (found.borrowed.vae.as_deref()?, self.model()?);
        let hash = found.vae_hash.as_deref().filter(|hash| hash.len() == 10);
        let named = model.vae(name);
        let is_it = |vae: &&KnownVae| hash.is_some() && vae.hash.as_deref() == hash;
        if let Some(vae) = named.filter(is_it).or_else(|| model.vaes.iter().find(is_it)) {
            self.draft.borrowed.vae = Some(vae.name.clone());
            return None;
        }
        let Some(file) = named.map(|vae| (vae.path.clone(), vae.hash.clone())) else {
            let said = format!("The VAE {name} is not on this machine: choose another under “VAE”");
            return Some(self.with_search(said, hash.is_some()));
        };
        self.compare_hash(file, hash?)
    }

    /// The upscaler that a picture's text names, if it is on this machine.
    fn use_upscaler(&mut self, found: &Found) {
        let Some(name) = &found.upscaler else {
            if found.steps.is_some() {
                self.draft.upscale = None;
            }
            return;
        };
        match self.upscalers.iter().find(|known| known.upscaler == *name) {
            Some(known) => {
                let factor = found.upscale_by.unwrap_or(known.factor);
                self.draft.upscale = Some(Upscale { factor, refine: found.refine, ..known.clone() });
            }
            None => {
                self.notices.info(format!("It was enlarged by {name}, which is not on this machine"));
            }
        }
    }
}
