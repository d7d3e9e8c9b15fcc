//! What is printed: the same figures as text and as JSON.

use std::time::Duration;

use crate::options::Format;
use crate::run::Tally;

/// Figures by name, in order.
#[derive(Default)]
pub struct Report {
    figures: Vec<(String, f64, usize)>,
    fault: Option<String>,
}

impl Report {
    /// Adds the figures of a run, their names behind `prefix`.
    pub fn add_run(&mut self, prefix: &str, mut tally: Tally) {
        tally.latencies.sort_unstable();
        let done = tally.latencies.len().max(1) as f64;
        let seconds = tally.elapsed.as_secs_f64();
        self.add(&format!("{prefix}requests"), tally.latencies.len() as f64, 0);
        self.add(&format!("{prefix}errors"), tally.errors as f64, 0);
        self.add(&format!("{prefix}connections"), tally.opened as f64, 0);
        self.add(&format!("{prefix}seconds"), seconds, 4);
        self.add(&format!("{prefix}rps"), done / seconds, 4);
        for (name, share) in [("p50_us", 0.5), ("p99_us", 0.99), ("p999_us", 0.999)] {
            self.add(&format!("{prefix}{name}"), percentile(&tally.latencies, share).as_secs_f64() * 1e6, 1);
        }
        if let Some(cpu) = tally.cpu {
            self.add(&format!("{prefix}cpu_us_per_request"), cpu.as_secs_f64() * 1e6 / done, 3);
        }
        self.fault = self.fault.take().or(tally.first_fault);
    }

    pub fn add(&mut self, name: &str, value: f64, decimals: usize) {
        self.figures.push((name.to_owned(), value, decimals));
    }

    pub fn print(&self, format: Format) {
        match format {
            Format::Text => println!("{}", self.text()),
            Format::Json => println!("{}", self.json()),
        }
    }

    fn text(&self) -> String {
        let mut fields: Vec<_> =
            self.figures.iter().map(|(name, value, decimals)| format!("{name}={value:.decimals$}")).collect();
        fields.extend(self.fault.iter().map(|fault| format!("first_fault={fault:?}")));
        fields.join(" ")
    }

    fn json(&self) -> String {
        let mut fields: Vec<_> =
            self.figures.iter().map(|(name, value, decimals)| format!("\"{name}\": {value:.decimals$}")).collect();
        let fault = self.fault.as_ref().map(|fault| fault.replace(|letter: char| !letter.is_ascii_alphanumeric(), " "));
        fields.push(format!("\"first_fault\": {}", fault.map_or("null".to_owned(), |fault| format!("\"{fault}\""))));
        format!("{{{}}}", fields.join(", "))
    }
}

fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share) as usize).copied().unwrap_or_default()
}
