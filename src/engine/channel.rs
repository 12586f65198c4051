//! The two ends of the engine. The [`Client`] is held by whoever wants pictures; the [`Peer`] by the inference thread, or by a
//! test that answers in its place.
//!
//! Commands are unbounded: they come at a person's rate, and a window must never wait. Events are bounded: when the client is
//! slow, previews are dropped and everything else waits. Both queues belong to the client, so that a thread that died leaves
//! the jobs that wait in place for the one that follows it.

use super::{Command, Event, Job, JobId};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, unbounded};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How many events wait before previews are dropped.
const EVENTS: usize = 64;

type Wake = Arc<Mutex<dyn Fn() + Send>>;
/// How many milliseconds lie between two previews, at least.
type Pace = Arc<AtomicU64>;
type Start = Box<dyn Fn(Peer) + Send>;

/// The end that asks for pictures. Dropping it ends the engine; a picture that is being painted is thrown away.
pub struct Client {
    commands: Sender<Command>,
    events: Receiver<Event>,
    next_commands: Receiver<Command>,
    next_events: Sender<Event>,
    /// Only a peer keeps it alive, so that a client without one knows it.
    peer_lives: Weak<()>,
    wake: Wake,
    pace: Pace,
    start: Option<Start>,
}

/// The end that paints.
pub struct Peer {
    commands: Receiver<Command>,
    events: Sender<Event>,
    wake: Wake,
    pace: Pace,
    last_preview: Cell<Option<(JobId, Instant)>>,
    lives: Option<Arc<()>>,
}

/// The client is gone: nobody waits for what was to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody listens to the engine any more")]
pub struct Gone;

/// Both ends, without a thread. `wake` is called after each event, from the peer's thread.
pub fn channel(wake: impl Fn() + Send + 'static) -> (Client, Peer) {
    let (commands, next_commands) = unbounded();
    let (next_events, events) = bounded(EVENTS);
    let mut client = Client {
        commands,
        events,
        next_commands,
        next_events,
        peer_lives: Weak::new(),
        wake: Arc::new(Mutex::new(wake)),
        pace: Pace::default(),
        start: None,
    };
    let peer = client.peer();
    (client, peer)
}

impl Client {
    /// Both queues with `start` to put a peer behind them, now and at each [`Client::restart`].
    pub(super) fn started(wake: impl Fn() + Send + 'static, start: impl Fn(Peer) + Send + 'static) -> Self {
        let (mut client, peer) = channel(wake);
        start(peer);
        client.start = Some(Box::new(start));
        client
    }

    fn peer(&mut self) -> Peer {
        let peer_lives = Arc::new(());
        self.peer_lives = Arc::downgrade(&peer_lives);
        Peer {
            commands: self.next_commands.clone(),
            events: self.next_events.clone(),
            wake: Arc::clone(&self.wake),
            pace: Arc::clone(&self.pace),
            last_preview: Cell::new(None),
            lives: Some(peer_lives),
        }
    }

    /// Has no more previews made of a job than this, for who takes long to show them. At first each step has one.
    pub fn preview_every(&self, pace: Duration) {
        self.pace.store(pace.as_millis() as u64, Ordering::Relaxed);
    }

    /// Queues a command. It waits until the engine is free, also while there is no thread.
    pub fn send(&self, command: Command) {
        // It cannot fail: the client itself holds a receiver of this queue.
        drop(self.commands.send(command));
    }

    /// Queues a picture.
    pub fn generate(&self, job: Job) {
        self.send(Command::Generate(job));
    }

    /// The next event, if there is one now.
    pub fn try_event(&self) -> Option<Event> {
        self.events.try_recv().ok()
    }

    /// The next event; `None` if there is none within `timeout`.
    pub fn event_within(&self, timeout: Duration) -> Option<Event> {
        self.events.recv_timeout(timeout).ok()
    }

    /// Whether somebody paints at the other end. A thread that panicked does not; it has ended its job before.
    pub fn is_alive(&self) -> bool {
        self.peer_lives.strong_count() > 0
    }

    /// Starts a new thread if the old one died; it goes on with the commands that wait. Does nothing for a client that was made
    /// by [`channel`].
    pub fn restart(&mut self) {
        if self.is_alive() || self.start.is_none() {
            return;
        }
        let peer = self.peer();
        if let Some(start) = &self.start {
            start(peer);
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Commands that wait outlive their sender: without this the peer would still carry them out.
        while self.next_commands.try_recv().is_ok() {}
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("alive", &self.is_alive()).finish_non_exhaustive()
    }
}

impl Peer {
    /// The next command, as soon as there is one; `None` when the client is gone.
    pub fn command(&self) -> Option<Command> {
        self.commands.recv().ok()
    }

    /// The next command, if there is one now.
    pub fn try_command(&self) -> Option<Command> {
        self.commands.try_recv().ok()
    }

    /// Tells the client. A [`Event::JobStep`] is dropped when the queue is full, and does not wake it where there is no preview, unless the
    /// queue is full; any other event waits for room.
    pub fn tell(&self, event: Event) -> Result<(), Gone> {
        // Steps without a preview may have filled it, and woken nobody who makes room.
        if self.events.is_full() {
            self.wake();
        }
        let is_news = !matches!(event, Event::JobStep { preview: None, .. });
        let sent = if matches!(event, Event::JobStep { .. }) {
            match self.events.try_send(event) {
                Err(TrySendError::Disconnected(_)) => Err(Gone),
                Ok(()) | Err(TrySendError::Full(_)) => Ok(()),
            }
        } else {
            self.events.send(event).map_err(|_| Gone)
        };
        if is_news {
            self.wake();
        }
        sent
    }

    /// Whether a preview of this job is to be made now. The first of a job is.
    pub(super) fn is_preview_due(&self, job: JobId) -> bool {
        let pace = Duration::from_millis(self.pace.load(Ordering::Relaxed));
        let is_early = self.last_preview.get().is_some_and(|(last, at)| last == job && at.elapsed() < pace);
        if !is_early {
            self.last_preview.set(Some((job, Instant::now())));
        }
        !is_early
    }

    fn wake(&self) {
        let wake = self.wake.lock().unwrap_or_else(PoisonError::into_inner);
        wake();
    }
}

impl Drop for Peer {
    /// Lets the client find out at once that nobody paints any more.
    fn drop(&mut self) {
        self.lives = None;
        if !std::thread::panicking() {
            self.wake();
        }
    }
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geom::Extent;
    use crate::pixels::Picture;

    fn step(index: u32, preview: Option<Arc<Picture>>) -> Event {
        Event::JobStep { id: JobId(1), index, count: 4, preview, hints: 0 }
    }

    #[test]
    fn a_step_without_a_preview_comes_and_wakes_nobody() {
        let (tell, woken) = unbounded();
        let (client, peer) = channel(move || tell.send(()).unwrap());
        peer.tell(step(0, None)).unwrap();
        assert!(woken.is_empty());
        peer.tell(step(1, Some(Arc::new(Picture::filled(Extent::new(1, 1), [0; 4]))))).unwrap();
        assert_eq!(woken.len(), 1);
        assert!(matches!(client.try_event(), Some(Event::JobStep { index: 0, preview: None, .. })));
        assert!(matches!(client.try_event(), Some(Event::JobStep { index: 1, preview: Some(_), .. })));
    }

    #[test]
    fn who_waits_for_room_has_woken_the_one_who_makes_it() {
        const SOON: Duration = Duration::from_secs(20);
        let (tell, woken) = unbounded();
        let (client, peer) = channel(move || tell.send(()).unwrap());
        for index in 0..EVENTS as u32 {
            peer.tell(step(index, None)).unwrap();
        }
        assert!(woken.is_empty());
        let was_woken = std::thread::scope(|scope| {
            scope.spawn(move || peer.tell(Event::JobStarted(JobId(1))).unwrap());
            let was_woken = woken.recv_timeout(SOON).is_ok();
            while !matches!(client.event_within(SOON), Some(Event::JobStarted(_)) | None) {}
            was_woken
        });
        assert!(was_woken);
    }

    #[test]
    fn previews_are_made_as_often_as_they_are_wanted_and_the_first_of_a_job_at_once() {
        let (client, peer) = channel(|| ());
        let due = |job: u64| peer.is_preview_due(JobId(job));
        assert_eq!([due(1), due(1), due(1)], [true; 3]);
        client.preview_every(Duration::from_hours(1));
        assert_eq!([due(1), due(2), due(2), due(3)], [false, true, false, true]);
        client.preview_every(Duration::ZERO);
        assert!(due(3));
    }
}
