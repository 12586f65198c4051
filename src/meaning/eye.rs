use super::{Embedding, Error, of_picture, of_words};
use crate::checkpoints::Clip;
use crate::pixels::Picture;
use crate::prompt::plain;

/// A CLIP that looks at pictures, and remembers the words that it read last: the pictures of a batch have one prompt.
#[derive(Debug)]
pub struct Eye {
    clip: Clip,
    read: Option<(String, Embedding)>,
}

/// What a CLIP makes of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// What is in it.
    pub embedding: Embedding,
    /// How well it fits its prompt, -1..1; none where it has no prompt.
    pub fit: Option<f32>,
}

impl Eye {
    /// Looks through this CLIP.
    pub fn new(clip: Clip) -> Self {
        Self { clip, read: None }
    }

    /// What a text says.
    pub fn read(&mut self, text: &str) -> Result<Embedding, Error> {
        if let Some((_, embedding)) = self.read.as_ref().filter(|(read, _)| read == text) {
            return Ok(embedding.clone());
        }
        let embedding = of_words(&self.clip, text)?;
        self.read = Some((text.to_owned(), embedding.clone()));
        Ok(embedding)
    }

    /// What is in a picture, and how well it fits what was asked for.
    pub fn look(&mut self, picture: &Picture, prompt: &str) -> Result<Seen, Error> {
        let embedding = of_picture(&self.clip, picture)?;
        let fit = if prompt.trim().is_empty() { None } else { embedding.cosine(&self.read(&plain(prompt))?) };
        Ok(Seen { embedding, fit })
    }
}
