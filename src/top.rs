//! `pyfcgid top`: a live view. Owns what is shown and the terminal; refuses to know where samples come from.
//!
//! ```text
//! thread of the samples: told to ask ─▶ asks ─▶ what was told ─▶ the model ─▶ frame ─▶ screen
//! this thread:           keys and signals ─────────────────────▶    │
//! ```
//!
//! So keys are heard while nothing answers.

mod frame;
mod keys;
mod model;
mod screen;

use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crossterm::event::{self, Event};

use crate::report::Look;
use frame::{Paper, draw};
use keys::{Wish, press};
use model::Model;
use screen::Screen;
use shared::sys::poll::{self, Interest};
use shared::sys::signal;

pub use model::Sample;

/// How it is to look, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Between two samples.
    pub delay: Duration,
    /// Whether the terminal shows more than ASCII.
    pub is_utf8: bool,
    /// Whether there are colours, and the columns of one frame.
    pub look: Look,
}

/// One frame as text, after two samples; after one, with what has been since the start, if there is no time between them.
///
/// # Errors
/// Why there is no sample.
pub fn once<E: ToString>(options: Options, mut ask: impl FnMut() -> Result<Sample, E>) -> Result<String, E> {
    let mut model = Model::default();
    model.take(Ok(ask()?), Instant::now());
    if !options.delay.is_zero() {
        thread::sleep(options.delay);
        model.take(Ok(ask()?), Instant::now());
    }
    let width = options.look.width.unwrap_or(WIDE);
    let lines = draw(&model, Paper { width, height: None, is_utf8: options.is_utf8, colour: false });
    Ok(lines.iter().map(|line| format!("{}\n", line.to_string().trim_end())).collect())
}

/// Shows what `ask` tells until a key or a signal ends it; returns the exit code.
///
/// # Errors
/// When the terminal cannot be used.
pub fn live(options: Options, ask: impl FnMut() -> Result<Sample, String> + Send + 'static) -> io::Result<u8> {
    // The size is looked at all the time. crossterm forgets keys that come at the same moment as this signal.
    signal::hold_back(signal::WINCH);
    let signals = listen_to_signals()?;
    let samples = Samples::begin(ask)?;
    let (model, next, screen) = (Model::default(), Instant::now(), Screen::enter()?);
    View { options, model, samples, signals, next, is_stale: true, screen }.run()
}

struct View {
    options: Options,
    model: Model,
    samples: Samples,
    signals: UnixStream,
    /// When the next sample is due.
    next: Instant,
    /// Whether something has changed since it was shown.
    is_stale: bool,
    screen: Screen,
}

impl View {
    fn run(mut self) -> io::Result<u8> {
        loop {
            self.sample(Instant::now());
            if std::mem::take(&mut self.is_stale) {
                self.show()?;
            }
            if let Some(code) = self.listen()? {
                return Ok(code);
            }
        }
    }

    fn show(&mut self) -> io::Result<()> {
        let (model, Options { is_utf8, look: Look { colour, .. }, .. }) = (&self.model, self.options);
        self.screen.show(|width, height| draw(model, Paper { width, height: Some(height), is_utf8, colour }))
    }

    fn sample(&mut self, now: Instant) {
        if let Some(told) = self.samples.told() {
            if !self.model.is_paused {
                self.model.take(told, now);
                self.is_stale = true;
            }
            self.next = now + self.options.delay;
        }
        if self.next <= now && !self.model.is_paused {
            self.samples.ask();
        }
    }

    /// Hears keys and signals, for a moment; the exit code at the end.
    fn listen(&mut self) -> io::Result<Option<u8>> {
        let (keys, signals) = (io::stdin().as_raw_fd(), self.signals.as_raw_fd());
        poll::wait(&[(keys, Interest::Readable), (signals, Interest::Readable)], Some(MOMENT))?;
        let mut bytes = [0; 16];
        let ended = match self.signals.read(&mut bytes) {
            Ok(count) => self.obey(&bytes[..count])?,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => None,
            Err(error) => return Err(error),
        };
        self.is_stale |= self.screen.has_another_size()?;
        ended.map_or_else(|| self.read_keys(), |code| Ok(Some(code)))
    }

    /// Only while the terminal is there: crossterm reads for ever what has ended.
    fn read_keys(&mut self) -> io::Result<Option<u8>> {
        while event::poll(Duration::ZERO)? {
            self.is_stale = true;
            if let Event::Key(key) = event::read()? {
                match press(&mut self.model, key) {
                    Wish::Quit => return Ok(Some(0)),
                    Wish::Redraw => self.screen.begin_anew()?,
                    Wish::Suspend => self.screen.suspend()?,
                    Wish::None => {}
                }
            }
            self.screen.has_another_size()?;
        }
        Ok(None)
    }

    fn obey(&mut self, signals: &[u8]) -> io::Result<Option<u8>> {
        if signals.contains(&SUSPEND) {
            self.is_stale = true;
            self.screen.suspend()?;
        }
        Ok(signals.iter().find(|signal| **signal != SUSPEND).map(|signal| BY_SIGNAL + signal))
    }
}

/// Samples, which a thread asks for. One that is asked for is not asked for again.
struct Samples {
    wishes: Sender<()>,
    told: Receiver<Result<Sample, String>>,
    is_asked: bool,
}

impl Samples {
    fn begin(mut ask: impl FnMut() -> Result<Sample, String> + Send + 'static) -> io::Result<Self> {
        let ((wishes, wished), (tell, told)) = (mpsc::channel(), mpsc::channel());
        let run = move || {
            while wished.recv().is_ok() && tell.send(ask()).is_ok() {}
        };
        thread::Builder::new().name("samples".to_owned()).spawn(run)?;
        Ok(Self { wishes, told, is_asked: false })
    }

    fn ask(&mut self) {
        self.is_asked = self.is_asked || self.wishes.send(()).is_ok();
    }

    fn told(&mut self) -> Option<Result<Sample, String>> {
        let told = self.told.try_recv().ok();
        self.is_asked &= told.is_none();
        told
    }
}

fn listen_to_signals() -> io::Result<UnixStream> {
    let (reader, writer) = UnixStream::pair()?;
    reader.set_nonblocking(true)?;
    let heard = [signal::TERM, signal::INT, signal::HUP, signal::TSTP].map(|number| (number, number as u8));
    // The end is the same for both.
    let quit = (signal::QUIT, signal::TERM as u8);
    signal::forward(&[&heard[..], &[quit]].concat(), OwnedFd::from(writer))?;
    Ok(reader)
}

/// How long a key or a sample waits at most before it is seen.
const MOMENT: Duration = Duration::from_millis(100);
/// Columns where there is no terminal.
const WIDE: usize = 200;
/// What shells add to the number of a signal.
const BY_SIGNAL: u8 = 128;
const SUSPEND: u8 = signal::TSTP as u8;

#[cfg(test)]
mod tests {
    use super::model::tests::sample;
    use super::*;

    const OPTIONS: Options = Options { delay: Duration::ZERO, is_utf8: true, look: Look { width: None, colour: true } };

    #[test]
    fn one_frame_is_plain_text_of_one_sample_or_of_two() {
        let mut asked = 0;
        let mut ask = || {
            asked += 1;
            Ok::<_, String>(sample(7, 100, [1000 * asked, 0]))
        };
        let text = once(OPTIONS, &mut ask).unwrap();
        assert!(text.contains("10.0 requests/s") && !text.contains('\u{1b}'), "{text:?}");
        let text = once(Options { delay: Duration::from_millis(1), ..OPTIONS }, &mut ask).unwrap();
        assert!(asked == 3 && !text.contains(" 10.0 requests/s"), "{text}");
        assert_eq!(once(OPTIONS, || Err::<Sample, _>("gone".to_owned())).unwrap_err(), "gone");
    }

    #[test]
    fn a_sample_is_asked_for_once_until_it_is_told() {
        let mut samples = Samples::begin(|| Ok(sample(7, 1, [0, 0]))).unwrap();
        assert!(samples.told().is_none());
        (0..3).for_each(|_| samples.ask());
        let deadline = Instant::now() + Duration::from_secs(20);
        while samples.told().is_none() {
            assert!(Instant::now() < deadline);
            thread::yield_now();
        }
        assert!(samples.told().is_none() && !samples.is_asked);
    }
}
