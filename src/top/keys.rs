//! What keys do.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::model::{Model, ORDERS};

/// What a key asks for beside another view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Nothing.
    None,
    /// The end.
    Quit,
    /// All of the view once more: somebody else has written to the terminal.
    Redraw,
    /// To be stopped, as ctrl-Z stops other programs.
    Suspend,
}

/// Does what a key means.
pub fn press(model: &mut Model, key: KeyEvent) -> Wish {
    if key.kind == KeyEventKind::Release {
        return Wish::None;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Wish::Quit,
            KeyCode::Char('l') => Wish::Redraw,
            KeyCode::Char('z') => Wish::Suspend,
            _ => Wish::None,
        };
    }
    if model.is_typing {
        type_filter(model, key.code);
        return Wish::None;
    }
    match key.code {
        KeyCode::Char('q') => return Wish::Quit,
        KeyCode::Esc if model.is_helping => model.is_helping = false,
        KeyCode::Esc => model.filter.clear(),
        KeyCode::Char('?' | 'h') => model.is_helping = !model.is_helping,
        KeyCode::Char('p' | ' ') => model.is_paused = !model.is_paused,
        KeyCode::Char('s') => model.order = (model.order + 1) % ORDERS.len(),
        KeyCode::Char('/') => (model.is_typing, model.is_helping) = (true, false),
        code => scroll(model, code),
    }
    Wish::None
}

fn scroll(model: &mut Model, code: KeyCode) {
    let most = model.requests().0.len().saturating_sub(1);
    let skipped = model.skipped;
    model.skipped = match code {
        KeyCode::Down | KeyCode::Char('j') => skipped + 1,
        KeyCode::Up | KeyCode::Char('k') => skipped.saturating_sub(1),
        KeyCode::PageDown => skipped + PAGE,
        KeyCode::PageUp => skipped.saturating_sub(PAGE),
        KeyCode::Home => 0,
        KeyCode::End => most,
        _ => skipped,
    }
    .min(most);
}

fn type_filter(model: &mut Model, code: KeyCode) {
    match code {
        KeyCode::Enter => model.is_typing = false,
        KeyCode::Esc => {
            model.is_typing = false;
            model.filter.clear();
        }
        KeyCode::Backspace => drop(model.filter.pop()),
        KeyCode::Char(c) if model.filter.len() < LONGEST_FILTER => model.filter.push(c),
        _ => {}
    }
    model.skipped = 0;
}

const PAGE: usize = 10;
const LONGEST_FILTER: usize = 100;

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::model::tests::sample;
    use super::*;

    fn model() -> Model {
        let mut model = Model::default();
        model.take(Ok(sample(7, 1, [1, 1])), Instant::now());
        model
    }

    fn presses(model: &mut Model, codes: &[KeyCode]) -> Vec<Wish> {
        codes.iter().map(|code| press(model, KeyEvent::new(*code, KeyModifiers::NONE))).collect()
    }

    #[test]
    fn keys_end_sort_pause_and_explain() {
        let mut model = model();
        let control = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
        assert_eq!(presses(&mut model, &[KeyCode::Char('q')]), [Wish::Quit]);
        assert_eq!(['c', 'z', 'x'].map(|c| press(&mut model, control(c))), [Wish::Quit, Wish::Suspend, Wish::None]);
        presses(&mut model, &[KeyCode::Char('s'), KeyCode::Char('p'), KeyCode::Char('?')]);
        assert_eq!((ORDERS[model.order].0, model.is_paused, model.is_helping), ("busy", true, true));
        presses(&mut model, &[KeyCode::Char('s'); 6]);
        assert_eq!(ORDERS[model.order].0, "configured", "after the last the first");
        presses(&mut model, &[KeyCode::Char('p'), KeyCode::Esc]);
        assert_eq!((model.is_paused, model.is_helping), (false, false));
    }

    #[test]
    fn a_filter_is_typed_and_taken_away() {
        let mut model = model();
        let typed = ['/', 'o', 'l', 'q'].map(KeyCode::Char);
        assert_eq!(presses(&mut model, &typed), [Wish::None; 4]);
        presses(&mut model, &[KeyCode::Backspace, KeyCode::Enter]);
        assert_eq!((model.filter.as_str(), model.is_typing, model.requests().0.len()), ("ol", false, 1));
        presses(&mut model, &[KeyCode::Esc]);
        assert_eq!(model.filter, "");
        presses(&mut model, &[KeyCode::Char('/')]);
        presses(&mut model, &[KeyCode::Char('x'); 200]);
        assert_eq!(model.filter.len(), LONGEST_FILTER);
    }

    #[test]
    fn nobody_scrolls_beyond_the_last_request() {
        let mut model = model();
        presses(&mut model, &[KeyCode::Down, KeyCode::Down, KeyCode::PageDown]);
        assert_eq!(model.skipped, 1);
        presses(&mut model, &[KeyCode::Up, KeyCode::Up]);
        assert_eq!(model.skipped, 0);
    }
}
