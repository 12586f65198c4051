use super::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A network whose weights are loaded when it is asked for, and stay until they are given back.
pub struct Held<T> {
    load: Box<dyn Fn() -> Result<T, Error> + Send + Sync>,
    now: Mutex<Option<Arc<T>>>,
}

impl<T> Held<T> {
    /// Loads nothing yet.
    pub(super) fn new(load: impl Fn() -> Result<T, Error> + Send + Sync + 'static) -> Self {
        Self { load: Box::new(load), now: Mutex::new(None) }
    }

    /// The network, loaded unless it is.
    pub fn get(&self) -> Result<Arc<T>, Error> {
        let mut now = self.now();
        if let Some(network) = &*now {
            return Ok(Arc::clone(network));
        }
        let network = Arc::new((self.load)()?);
        *now = Some(Arc::clone(&network));
        Ok(network)
    }

    /// Loads it, and gives it back unless it was loaded before.
    pub(super) fn once_loaded(&self) -> Result<(), Error> {
        if !self.is_loaded() {
            self.get()?;
            self.give_back();
        }
        Ok(())
    }

    /// Whether it is loaded.
    pub fn is_loaded(&self) -> bool {
        self.now().is_some()
    }

    /// Frees its memory, as soon as nobody uses it, until it is asked for again.
    pub fn give_back(&self) {
        *self.now() = None;
    }

    fn now(&self) -> MutexGuard<'_, Option<Arc<T>>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Held<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("is_loaded", &self.is_loaded()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn it_is_loaded_once_until_it_is_given_back() {
        let loads = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&loads);
        let held = Held::new(move || Ok(counted.fetch_add(1, Ordering::SeqCst)));
        assert!(!held.is_loaded());
        assert_eq!([*held.get().unwrap(), *held.get().unwrap()], [0, 0]);
        let in_use = held.get().unwrap();
        held.give_back();
        assert!(!held.is_loaded());
        held.once_loaded().unwrap();
        assert!(!held.is_loaded());
        assert_eq!((*held.get().unwrap(), *in_use), (2, 0));
        held.once_loaded().unwrap();
        assert!(held.is_loaded());
    }
}
