//! Events of one connection become complete requests.
//!
//! Owns the limits on what a peer may send for one request, and the rules when a request is complete. A responder's is with
//! CONTENT_LENGTH bytes, or the end of STDIN; an authorizer's with its parameters, for it has no body; a filter's with
//! FCGI_DATA_LENGTH bytes behind the end of STDIN, or the end of DATA.

use super::incoming::Incoming;
use super::request::ParamsFault;
use super::{Params, Refusal, Request, Roles};
use fastcgi_codec::{Event, RequestId, Requests, Role};

/// What a peer may send for one request.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of FCGI_PARAMS.
    pub max_params_size: usize,
    /// Name-value pairs.
    pub max_params: usize,
    /// Bytes of body.
    pub max_body_size: u64,
    /// Bytes of a body that are kept in memory before it moves to a temp file.
    pub body_memory: usize,
    /// Requests begun but not complete, and running, on one connection.
    pub max_open_requests: usize,
    /// The roles that are offered; a request for another is refused.
    pub roles: Roles,
}

/// What an event led to.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing yet.
    Pending,
    /// A request is complete.
    Ready(Assembled),
    /// A request gets this answer without the application.
    Refused(Refused),
    /// A request that was complete has been given up.
    Aborted(RequestId),
    /// These bytes answer a management record.
    Answer(Vec<u8>),
}

/// A complete request.
#[derive(Debug)]
pub struct Assembled {
    /// Its id.
    pub id: RequestId,
    /// The request.
    pub request: Request,
    /// FCGI_KEEP_CONN.
    pub keep_connection: bool,
    /// Whether the method is HEAD.
    pub head_only: bool,
}

/// A request that the application will not see.
#[derive(Debug)]
pub struct Refused {
    /// Its id.
    pub id: RequestId,
    /// Its role.
    pub role: Role,
    /// Why.
    pub refusal: Refusal,
    /// FCGI_KEEP_CONN.
    pub keep_connection: bool,
    /// Whether the method is HEAD, as far as that is known.
    pub head_only: bool,
    /// Its parameters, as far as they could be read.
    pub params: Params,
}

/// The requests of one connection that are not complete.
#[derive(Debug)]
pub struct Assembler {
    limits: Limits,
    partial: Requests<Partial>,
    refuses_new: bool,
    turns_away: TurnsAway,
}

/// Whom it refuses as soon as the parameters are complete.
#[derive(Debug)]
struct TurnsAway {
    /// Whether there is anybody.
    any: bool,
    all: Option<Refusal>,
    one: Option<(RequestId, Refusal)>,
}

impl TurnsAway {
    const NOBODY: Self = Self { any: false, all: None, one: None };

    fn set_all(&mut self, refusal: Option<Refusal>) {
        self.all = refusal;
        self.any = self.all.is_some() || self.one.is_some();
    }

    fn set_one(&mut self, one: Option<(RequestId, Refusal)>) {
        self.one = one;
        self.set_all(self.all);
    }

    /// How this one is refused, if it is.
    fn refusal(&mut self, id: RequestId) -> Option<Refusal> {
        if !self.any {
            return None;
        }
        self.forget(id).or(self.all)
    }

    /// Another request may have its id.
    fn forget(&mut self, id: RequestId) -> Option<Refusal> {
        let (_, refusal) = self.one.filter(|(one, _)| *one == id)?;
        self.set_one(None);
        Some(refusal)
    }
}

#[derive(Debug)]
struct Partial {
    role: Role,
    keep_connection: bool,
    head_only: bool,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Params(Vec<u8>),
    Input {
        params: Params,
        stdin: Incoming,
        /// A filter's. What there hardly ever is takes no room, since all of this changes hands often.
        data: Option<Box<Incoming>>,
    },
    /// Reads the rest of the body and throws it away, because the answer must not come before.
    Draining {
        params: Params,
        refusal: Refusal,
    },
}

impl Stage {
    fn params(&self) -> Option<&Params> {
        match self {
            Self::Params(_) => None,
            Self::Input { params, .. } | Self::Draining { params, .. } => Some(params),
        }
    }

    fn memory(&self) -> usize {
        match self {
            Self::Params(bytes) => bytes.len(),
            Self::Input { params, stdin, data } => {
                params.length() as usize + stdin.memory() + data.as_ref().map_or(0, |data| data.memory())
            }
            Self::Draining { params, .. } => params.length() as usize,
        }
    }

    fn into_params(self) -> Params {
        match self {
            Self::Params(_) => Params::default(),
            Self::Input { params, .. } | Self::Draining { params, .. } => params,
        }
    }
}

impl Assembler {
    /// A connection without requests.
    pub const fn new(limits: Limits) -> Self {
        Self { limits, partial: Requests::new(), refuses_new: false, turns_away: TurnsAway::NOBODY }
    }

    /// Requests that begin from now on are refused.
    pub fn refuse_new(&mut self) {
        self.refuses_new = true;
    }

    /// Whether, and how, requests whose parameters are complete from now on are refused. Their input is thrown away.
    pub fn set_turning_away(&mut self, turns_away: Option<Refusal>) {
        self.turns_away.set_all(turns_away);
    }

    /// This one, whose first record has just come, is refused so when its parameters are complete. At most one at a time.
    pub fn turn_one_away(&mut self, id: RequestId, refusal: Refusal) {
        self.turns_away.set_one(Some((id, refusal)));
    }

    /// Whether no request is incomplete.
    pub fn is_empty(&self) -> bool {
        self.partial.is_empty()
    }

    /// The parameters of those that are, as far as they could be read.
    pub fn incomplete(&self) -> impl Iterator<Item = Option<&Params>> {
        self.partial.values().map(|partial| partial.stage.params())
    }

    /// Bytes of memory that they take.
    pub fn memory(&self) -> usize {
        self.partial.values().map(|partial| partial.stage.memory()).sum()
    }

    /// Moves their bodies to temp files, as far as that is possible and worth it.
    pub fn store_bodies(&mut self) {
        for partial in self.partial.values_mut() {
            if let Stage::Input { stdin, data, .. } = &mut partial.stage {
                stdin.store();
                data.iter_mut().for_each(|data| data.store());
            }
        }
    }

    /// Takes one event. `open_requests` counts those on this connection that have begun and not ended, this one included.
    pub fn handle_event(&mut self, event: Event<'_>, open_requests: usize) -> Outcome {
        match event {
            Event::Begin { id, role, keep_connection } => self.begin(id, role, keep_connection, open_requests),
            Event::Params(id, piece) => self.params(id, piece),
            Event::ParamsEnd(id) => self.params_end(id),
            Event::Stdin(id, piece) => self.stdin(id, piece),
            Event::StdinEnd(id) => self.stdin_end(id),
            Event::Abort(id) if self.partial.contains(id) => self.refuse(id, Refusal::Aborted),
            Event::Abort(id) => Outcome::Aborted(id),
            Event::Answer(bytes) => Outcome::Answer(bytes),
            Event::Data(id, piece) => self.data(id, piece),
            Event::DataEnd(id) => self.data_end(id),
            Event::Ignored => Outcome::Pending,
        }
    }

    fn begin(&mut self, id: RequestId, role: Role, keep_connection: bool, open_requests: usize) -> Outcome {
        let stage = Stage::Params(Vec::new());
        self.partial.insert(id, Partial { role, keep_connection, head_only: false, stage });
        match role {
            _ if self.refuses_new => self.refuse(id, Refusal::Stopping),
            _ if open_requests > self.limits.max_open_requests => self.refuse(id, Refusal::Overloaded),
            _ if self.limits.roles.offers(role) => Outcome::Pending,
            _ => self.refuse(id, Refusal::UnknownRole(role)),
        }
    }

    fn params(&mut self, id: RequestId, piece: &[u8]) -> Outcome {
        let limit = self.limits.max_params_size;
        match self.partial.get_mut(id).map(|partial| &mut partial.stage) {
            Some(Stage::Params(bytes)) if bytes.len() + piece.len() <= limit => bytes.extend_from_slice(piece),
            Some(Stage::Params(_)) => return self.refuse(id, Refusal::ParamsTooLarge),
            _ => {}
        }
        Outcome::Pending
    }

    fn params_end(&mut self, id: RequestId) -> Outcome {
        let limits = self.limits;
        let Some(partial) = self.partial.get_mut(id) else {
            return Outcome::Pending;
        };
        let Stage::Params(bytes) = &mut partial.stage else {
            return Outcome::Pending;
        };
        match open_input(std::mem::take(bytes), partial.role, &limits) {
            Ok((stage, head_only)) => {
                partial.stage = stage;
                partial.head_only = head_only;
                if let Some(refusal) = self.turns_away.refusal(id) {
                    return self.turn_away(id, refusal);
                }
                self.complete_if(id, |stdin, data| data.is_none() && stdin.is_full())
            }
            Err((refusal, params)) => {
                partial.stage = Stage::Draining { params, refusal };
                self.refuse(id, refusal)
            }
        }
    }

    /// No answer comes before the input that is announced: web servers stop sending then, or take it for a fault.
    fn turn_away(&mut self, id: RequestId, refusal: Refusal) -> Outcome {
        let Some(Partial { stage, .. }) = self.partial.get_mut(id) else {
            return Outcome::Pending;
        };
        match stage {
            Stage::Input { params, stdin, data } if !(data.is_none() && stdin.is_full()) => {
                *stage = Stage::Draining { params: std::mem::take(params), refusal };
                Outcome::Pending
            }
            _ => self.refuse(id, refusal),
        }
    }

    fn stdin(&mut self, id: RequestId, piece: &[u8]) -> Outcome {
        let limits = self.limits;
        self.take(id, |stdin, _| stdin.take(piece, &limits));
        self.complete_if(id, |stdin, data| data.is_none() && stdin.is_full())
    }

    fn data(&mut self, id: RequestId, piece: &[u8]) -> Outcome {
        let limits = self.limits;
        self.take(id, |_, data| data.map_or(Ok(()), |data| data.take(piece, &limits)));
        self.complete_if(id, |_, data| data.is_some_and(Incoming::is_full))
    }

    /// Lets a piece be kept; if that fails, nothing more of this request will be.
    fn take(&mut self, id: RequestId, keep: impl FnOnce(&mut Incoming, Option<&mut Incoming>) -> Result<(), Refusal>) {
        let Some(Partial { stage, .. }) = self.partial.get_mut(id) else {
            return;
        };
        if let Stage::Input { params, stdin, data } = stage
            && let Err(refusal) = keep(stdin, data.as_deref_mut())
        {
            *stage = Stage::Draining { params: std::mem::take(params), refusal };
        }
    }

    fn complete_if(&mut self, id: RequestId, is_all: impl FnOnce(&Incoming, Option<&Incoming>) -> bool) -> Outcome {
        match self.partial.get(id).map(|partial| &partial.stage) {
            Some(Stage::Input { stdin, data, .. }) if is_all(stdin, data.as_deref()) => self.complete(id),
            _ => Outcome::Pending,
        }
    }

    fn stdin_end(&mut self, id: RequestId) -> Outcome {
        let Some(Partial { role, stage, .. }) = self.partial.get_mut(id) else {
            return Outcome::Pending;
        };
        let is_filter = *role == Role::Filter;
        match stage {
            // DATA follows, and is read to its end as well.
            Stage::Draining { .. } if is_filter => Outcome::Pending,
            Stage::Input { params, stdin, .. } if is_filter && stdin.is_short() => {
                *stage = Stage::Draining { params: std::mem::take(params), refusal: Refusal::BodyCutShort };
                Outcome::Pending
            }
            Stage::Input { .. } if is_filter => self.complete_if(id, |_, data| data.is_some_and(Incoming::is_full)),
            _ => self.input_end(id, Refusal::BodyCutShort, |stdin, _| stdin.is_short()),
        }
    }

    fn data_end(&mut self, id: RequestId) -> Outcome {
        self.input_end(id, Refusal::DataCutShort, |_, data| data.is_some_and(Incoming::is_short))
    }

    /// Nothing more comes.
    fn input_end(
        &mut self,
        id: RequestId,
        cut_short: Refusal,
        is_short: impl FnOnce(&Incoming, Option<&Incoming>) -> bool,
    ) -> Outcome {
        match self.partial.get(id).map(|partial| &partial.stage) {
            Some(Stage::Draining { refusal, .. }) => self.refuse(id, *refusal),
            Some(Stage::Input { stdin, data, .. }) if is_short(stdin, data.as_deref()) => self.refuse(id, cut_short),
            Some(Stage::Input { .. }) => self.complete(id),
            _ => Outcome::Pending,
        }
    }

    fn complete(&mut self, id: RequestId) -> Outcome {
        let Some(Partial { role, keep_connection, head_only, stage: Stage::Input { params, stdin, data } }) =
            self.partial.remove(id)
        else {
            return Outcome::Pending;
        };
        let bodies = stdin.finish().and_then(|body| Ok((body, data.map(|data| data.finish()).transpose()?)));
        match bodies {
            Ok((body, data)) => {
                let request = Request { role, params, body, data: data.map(Box::new) };
                Outcome::Ready(Assembled { id, request, keep_connection, head_only })
            }
            Err(refusal) => Outcome::Refused(Refused { id, role, refusal, keep_connection, head_only, params }),
        }
    }

    fn refuse(&mut self, id: RequestId, refusal: Refusal) -> Outcome {
        self.turns_away.forget(id);
        match self.partial.remove(id) {
            Some(Partial { role, keep_connection, head_only, stage }) => {
                Outcome::Refused(Refused { id, role, refusal, keep_connection, head_only, params: stage.into_params() })
            }
            None => Outcome::Pending,
        }
    }
}

/// What the parameters say of the input.
fn open_input(bytes: Vec<u8>, role: Role, limits: &Limits) -> Result<(Stage, bool), (Refusal, Params)> {
    let params = Params::parse(bytes, limits.max_params).map_err(|fault| match fault {
        ParamsFault::Malformed(_) => (Refusal::MalformedParams, Params::default()),
        ParamsFault::TooMany => (Refusal::ParamsTooLarge, Params::default()),
    })?;
    let Announced { head_only, stdin, data } = match announced(&params, role) {
        Ok(announced) => announced,
        Err(refusal) => return Err((refusal, params)),
    };
    let stdin = Incoming::new(stdin, limits);
    let data = data.map(|length| Incoming::new(length, limits)).transpose();
    let stage = match stdin.and_then(|stdin| Ok((stdin, data?))) {
        Ok((stdin, data)) => Stage::Input { params, stdin, data: data.map(Box::new) },
        Err(refusal) => Stage::Draining { params, refusal },
    };
    Ok((stage, head_only))
}

/// What is to come behind the parameters: the lengths of STDIN and of a filter's DATA, as far as they are known.
struct Announced {
    head_only: bool,
    stdin: Option<u64>,
    data: Option<Option<u64>>,
}

fn announced(params: &Params, role: Role) -> Result<Announced, Refusal> {
    let method = params.get(b"REQUEST_METHOD").filter(|method| !method.is_empty()).ok_or(Refusal::NoMethod)?;
    let stdin = match role {
        // FastCGI 1.0 §6.3: it has no body, whatever CONTENT_LENGTH says of the browser's request.
        Role::Authorizer => Some(0),
        _ => length_in(params, b"CONTENT_LENGTH").ok_or(Refusal::BadContentLength)?,
    };
    let data = match role {
        Role::Filter => Some(length_in(params, b"FCGI_DATA_LENGTH").ok_or(Refusal::BadDataLength)?),
        _ => None,
    };
    Ok(Announced { head_only: method == b"HEAD", stdin, data })
}

/// What the params of this name say; `None` for what is no length, and for two that differ: whoever stands in front may have gone by
/// the other one. A later one that says nothing takes back what was said before, as a web server's settings do.
fn length_in(params: &Params, name: &[u8]) -> Option<Option<u64>> {
    let (mut length, mut said) = (None, None);
    for value in params.all(name) {
        length = length_of(value)?;
        if length.is_some() && said.is_some_and(|said| Some(said) != length) {
            return None;
        }
        said = length.or(said);
    }
    Some(length)
}

/// Empty (nginx) and -1 (Caddy) mean that only the end of the stream tells, as does none at all. `None` for what is no length.
fn length_of(value: &[u8]) -> Option<Option<u64>> {
    match value {
        b"" | b"-1" => Some(None),
        digits if digits.iter().all(u8::is_ascii_digit) => std::str::from_utf8(digits).ok()?.parse().ok().map(Some),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
