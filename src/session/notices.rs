use super::Action;
use std::time::{Duration, Instant};

/// Names a notice for as long as the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NoticeId(pub u64);

/// How a notice is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeKind {
    /// Something did not work.
    Error,
    /// Something worked in a way that the person should know.
    Info,
}

/// A button on a notice.
#[derive(Clone, Debug)]
pub struct Offer {
    /// What it says.
    pub label: String,
    /// What it does; the notice goes away with it.
    pub action: Action,
}

/// Something to tell the person: one or two sentences that name what and where and the next step.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Its name in [`Action::Dismiss`].
    pub id: NoticeId,
    /// How it is meant.
    pub kind: NoticeKind,
    /// What it says.
    pub text: String,
    /// What can be done about it.
    pub offers: Vec<Offer>,
    /// When it goes away by itself; none if it stays until it is dismissed.
    pub leaves_at: Option<Instant>,
}

/// What the person has not yet dismissed, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Notices {
    list: Vec<Notice>,
    next_id: u64,
}

impl Notices {
    /// The most that are kept; older ones give way.
    pub const MAX: usize = 20;

    /// All of them, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Notice> + ExactSizeIterator {
        self.list.iter()
    }

    /// How long what need not be answered is shown, and how long what takes its time to read, or offers something.
    const PASSING: (Duration, Duration) = (Duration::from_secs(8), Duration::from_secs(20));

    /// When the next one goes away by itself.
    pub fn next_leaves_at(&self) -> Option<Instant> {
        self.list.iter().filter_map(|notice| notice.leaves_at).min()
    }

    /// Takes away what was shown long enough.
    pub(super) fn let_pass(&mut self, now: Instant) {
        self.list.retain(|notice| notice.leaves_at.is_none_or(|at| at > now));
    }

    /// Tells of something that is soon seen anyway: it goes away by itself.
    pub(super) fn passing(&mut self, text: impl Into<String>) -> NoticeId {
        self.offering(text, Vec::new())
    }

    /// The same, with something that can be done about it for as long.
    pub(super) fn offering(&mut self, text: impl Into<String>, offers: Vec<Offer>) -> NoticeId {
        let (plain, offering) = Self::PASSING;
        let stays_for = if offers.is_empty() { plain } else { offering };
        self.push_for(stays_for, NoticeKind::Info, text.into(), offers)
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Tells of something that went wrong. It stays until somebody has seen it.
    pub fn error(&mut self, text: impl Into<String>) -> NoticeId {
        self.push(NoticeKind::Error, text.into(), Vec::new())
    }

    /// Tells of something that did not work while somebody tried it, who sees that, and of which nothing is left: it goes away by itself.
    pub(super) fn failed(&mut self, text: impl Into<String>) -> NoticeId {
        self.push_for(Self::PASSING.1, NoticeKind::Error, text.into(), Vec::new())
    }

    /// Tells of something that is good to know, and goes away by itself once it can be read.
    pub(super) fn info(&mut self, text: impl Into<String>) -> NoticeId {
        self.push_for(Self::PASSING.1, NoticeKind::Info, text.into(), Vec::new())
    }

    /// Tells of something that is so from now on, or happened while nobody may have looked: it stays until somebody has seen it.
    pub(super) fn standing(&mut self, text: impl Into<String>) -> NoticeId {
        self.push(NoticeKind::Info, text.into(), Vec::new())
    }

    fn push_for(&mut self, stays_for: Duration, kind: NoticeKind, text: String, offers: Vec<Offer>) -> NoticeId {
        let id = self.push(kind, text, offers);
        if let Some(notice) = self.list.last_mut() {
            notice.leaves_at = Some(Instant::now() + stays_for);
        }
        id
    }

    /// Adds a notice. One that says the same already moves to the end instead of standing there twice.
    pub(super) fn push(&mut self, kind: NoticeKind, text: String, offers: Vec<Offer>) -> NoticeId {
        self.list.retain(|notice| notice.text != text);
        self.next_id += 1;
        let id = NoticeId(self.next_id);
        self.list.push(Notice { id, kind, text, offers, leaves_at: None });
        if self.list.len() > Self::MAX {
            self.list.remove(0);
        }
        id
    }

    pub(super) fn dismiss(&mut self, id: NoticeId) {
        self.list.retain(|notice| notice.id != id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_goes_away_by_itself_and_errors_stay() {
        let mut notices = Notices::default();
        notices.error("the disk is full");
        assert_eq!(notices.next_leaves_at(), None);
        notices.passing("scaled down");
        let at = notices.next_leaves_at().unwrap();
        notices.let_pass(at.checked_sub(Duration::from_secs(1)).unwrap());
        assert_eq!(notices.iter().len(), 2);
        notices.let_pass(at);
        assert_eq!(notices.iter().map(|n| n.text.as_str()).collect::<Vec<_>>(), ["the disk is full"]);
        let before = Instant::now();
        notices
            .offering("it says how it was made", vec![Offer { label: "Use it".into(), action: Action::UseSettings }]);
        let shown_for = notices.next_leaves_at().unwrap().duration_since(before);
        assert!(shown_for >= Duration::from_secs(20) && shown_for < Duration::from_secs(30), "{shown_for:?}");
    }

    #[test]
    fn what_can_be_read_and_what_was_only_tried_goes_away_later_and_what_stands_stays() {
        let mut notices = Notices::default();
        let before = Instant::now();
        notices.info("the result was scaled");
        notices.failed("this is not an image");
        notices.standing("the gallery is not open");
        let first = notices.next_leaves_at().unwrap();
        assert!(first.duration_since(before) >= Duration::from_secs(20));
        notices.let_pass(first + Duration::from_secs(5));
        assert_eq!(notices.iter().map(|n| n.text.as_str()).collect::<Vec<_>>(), ["the gallery is not open"]);
    }

    #[test]
    fn the_same_sentence_stands_there_once() {
        let mut notices = Notices::default();
        notices.error("the disk is full");
        notices.info("scaled down");
        let id = notices.error("the disk is full");
        assert_eq!(notices.iter().map(|n| n.text.as_str()).collect::<Vec<_>>(), ["scaled down", "the disk is full"]);
        notices.dismiss(id);
        assert_eq!(notices.iter().len(), 1);
    }
}
