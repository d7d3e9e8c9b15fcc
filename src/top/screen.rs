//! The terminal while `pyfcgid top` has it, and that it is as it was before whenever that ends.

use std::io::{self, IsTerminal, Stdout, Write};
use std::os::fd::AsFd;
use std::panic;
use std::sync::Once;

use crossterm::cursor::{Hide, Show};
use crossterm::execute;
use crossterm::terminal::{self, Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen};
use ratatui_core::layout::Rect;
use ratatui_core::terminal::Terminal;
use ratatui_core::text::Line;
use ratatui_crossterm::CrosstermBackend;

use shared::sys::process::{self, ProcessId};
use shared::sys::{signal, terminal as io_terminal};

type OnStdout = Terminal<CrosstermBackend<Stdout>>;

/// The terminal, in raw mode and on its other screen.
pub struct Screen {
    terminal: OnStdout,
    /// The columns and rows that it is used with.
    size: (u16, u16),
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When there is none, or it does not do as it is told.
    pub fn enter() -> io::Result<Self> {
        if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        restore_at_panic();
        take()?;
        let (terminal, size) = empty().inspect_err(|_| give_back())?;
        Ok(Self { terminal, size })
    }

    /// Shows what `draw` makes for so many columns and rows.
    ///
    /// # Errors
    /// When the terminal does not take it.
    pub fn show(&mut self, draw: impl FnOnce(usize, usize) -> Vec<Line<'static>>) -> io::Result<()> {
        if self.has_another_size()? {
            self.begin_anew()?;
        }
        self.terminal.draw(|frame| {
            let area = frame.area();
            let lines = draw(area.width.into(), area.height.into());
            for (line, y) in lines.iter().zip(area.y..area.bottom()) {
                frame.render_widget(line, Rect { y, height: 1, ..area });
            }
        })?;
        Ok(())
    }

    /// Whether it is larger or smaller than what it shows.
    ///
    /// # Errors
    /// When the terminal has gone.
    pub fn has_another_size(&self) -> io::Result<bool> {
        let now = io_terminal::size(io::stdin().as_fd())?;
        Ok(now != self.size)
    }

    /// Stops this process, with the terminal as it was before, until somebody continues it.
    ///
    /// # Errors
    /// When the terminal cannot be taken again.
    pub fn suspend(&mut self) -> io::Result<()> {
        give_back();
        process::kill(ProcessId::current(), signal::STOP)?;
        take()?;
        self.begin_anew()
    }

    /// Forgets what it shows. It is not asked where its cursor is, which not every terminal says.
    ///
    /// # Errors
    /// When the terminal does not do as it is told.
    pub fn begin_anew(&mut self) -> io::Result<()> {
        (self.terminal, self.size) = empty()?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn empty() -> io::Result<(OnStdout, (u16, u16))> {
    execute!(io::stdout(), Clear(ClearType::All))?;
    let size = io_terminal::size(io::stdin().as_fd())?;
    Ok((Terminal::new(CrosstermBackend::new(io::stdout()))?, size))
}

fn take() -> io::Result<()> {
    terminal::enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, Hide).inspect_err(|_| give_back())
}

/// There is nobody to tell when this fails.
fn give_back() {
    drop(execute!(io::stdout(), Show, LeaveAlternateScreen));
    drop(terminal::disable_raw_mode());
    drop(io::stdout().flush());
}

/// What is said about a panic is to be seen.
fn restore_at_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            give_back();
            usual(panic);
        }));
    });
}
