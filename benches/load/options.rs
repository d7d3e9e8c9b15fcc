//! The command line.

pub const USAGE: &str = "\
usage: load --connect unix:/PATH|HOST:PORT [options]
  --requests N      how many requests in all (100000)
  --parallel N      how many at once (16)
  --one-shot        a new connection for each request
  --multiplex N     up to N requests at once on each kept FastCGI connection (1)
  --idle N          afterwards open N kept connections that do nothing, and measure again
  --http            speak HTTP/1.1 instead of FastCGI
  --path PATH       the path that is asked for (/articles/list)
  --body BYTES      POST a body of that length instead of GET
  --expect TEXT     what every answer's body must be
  --expect-length N how long every answer's body must be (not empty, if neither is given)
  --pid PID         the server: its process tree's CPU time and memory are reported
  --patience S      give up when nothing comes for S seconds (10)
  --json            print the report as JSON";

/// How requests and connections go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// A connection carries one request after the other.
    Kept,
    /// A connection carries one request, and ends with it.
    OneShot,
    /// A connection carries one request, and stays open without any other.
    Hoarded,
}

/// What the peers speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    FastCgi,
    Http,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
}

/// What every answer must be.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    pub body: Option<Vec<u8>>,
    pub length: Option<u64>,
}

#[derive(Clone, Debug)]
pub struct Options {
    pub connect: String,
    pub pid: Option<u32>,
    pub requests: usize,
    pub parallel: usize,
    pub multiplex: u16,
    pub idle: usize,
    pub reuse: Reuse,
    pub protocol: Protocol,
    pub path: String,
    pub body: Option<usize>,
    pub expected: Expected,
    pub patience: u64,
    pub format: Format,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect: String::new(),
            pid: None,
            requests: 100_000,
            parallel: 16,
            multiplex: 1,
            idle: 0,
            reuse: Reuse::Kept,
            protocol: Protocol::FastCgi,
            path: "/articles/list".to_owned(),
            body: None,
            expected: Expected::default(),
            patience: 10,
            format: Format::Text,
        }
    }
}

impl Options {
    pub fn from_arguments() -> Result<Self, String> {
        let mut options = Self::default();
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            options.take(&argument, || arguments.next().ok_or(format!("{argument} wants a value")))?;
        }
        options.check()?;
        Ok(options)
    }

    fn take(&mut self, argument: &str, value: impl FnOnce() -> Result<String, String>) -> Result<(), String> {
        match argument {
            "--connect" => self.connect = value()?,
            "--pid" => self.pid = Some(number(&value()?)?),
            "--requests" => self.requests = number(&value()?)?,
            "--parallel" => self.parallel = number(&value()?)?,
            "--multiplex" => self.multiplex = number(&value()?)?,
            "--idle" => self.idle = number(&value()?)?,
            "--one-shot" => self.reuse = Reuse::OneShot,
            "--http" => self.protocol = Protocol::Http,
            "--path" => self.path = value()?,
            "--body" => self.body = Some(number(&value()?)?),
            "--expect" => self.expected.body = Some(value()?.into_bytes()),
            "--expect-length" => self.expected.length = Some(number(&value()?)?),
            "--patience" => self.patience = number(&value()?)?,
            "--json" => self.format = Format::Json,
            // What `cargo bench` says to every bench.
            "--bench" => {}
            other => return Err(format!("unknown option {other}\n{USAGE}")),
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        if self.connect.is_empty() {
            return Err(format!("--connect is missing\n{USAGE}"));
        }
        if self.requests == 0 || self.parallel == 0 || self.multiplex == 0 {
            return Err("--requests, --parallel and --multiplex must be 1 or more".to_owned());
        }
        if self.multiplex > 1 && (self.protocol == Protocol::Http || self.reuse != Reuse::Kept) {
            return Err("--multiplex is for kept FastCGI connections".to_owned());
        }
        if self.idle > 0 && self.reuse != Reuse::Kept {
            return Err("--idle is for kept connections".to_owned());
        }
        Ok(())
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}
