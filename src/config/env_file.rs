//! Files of variables, as systemd's `EnvironmentFile=` has them and what is called dotenv.
//!
//! ```text
//! # a comment
//! export NAME = a value to the end of its line    # and a comment behind a space
//! GREETING="one\ntwo"                             # \n \r \t \" \\ \$ \`
//! KEY='as it is, $, \ and #,
//! over as many lines as it takes'
//! ```
//!
//! Nothing is expanded. What these files are taken for differs from one program to the next, so whatever would not mean the same for all
//! of them is refused, but for a comment behind a value, which only systemd takes for a part of it.

use thiserror::Error;

/// Why a file is not an env-file. The value of a variable is never a part of that.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct EnvFileError {
    /// The line, from 1.
    pub line: usize,
    /// What is expected there.
    pub reason: &'static str,
}

/// The variables of a file with their values, in its order; of one name the last counts.
///
/// # Errors
/// The first line that is none.
pub fn parse_env_file(bytes: &[u8]) -> Result<Vec<(String, String)>, EnvFileError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        EnvFileError { line: 1 + before.iter().filter(|byte| **byte == b'\n').count(), reason: "must be UTF-8" }
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    let (mut reader, mut variables) = (Reader { rest: &text, line: 1 }, Vec::new());
    while reader.find_line() {
        variables.push(reader.assignment()?);
    }
    Ok(variables)
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Reader<'a> {
    /// Goes on to the next line that has something to say.
    fn find_line(&mut self) -> bool {
        loop {
            self.skip(BLANK);
            match self.rest.chars().next() {
                None => return false,
                Some('#') => drop(self.take_line()),
                Some('\n') => drop(self.advance(1)),
                Some(_) => return true,
            }
        }
    }

    fn assignment(&mut self) -> Result<(String, String), EnvFileError> {
        if let Some(rest) = self.rest.strip_prefix("export").filter(|rest| rest.starts_with(BLANK)) {
            self.rest = rest.trim_start_matches(BLANK);
        }
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let name = self.advance(end);
        self.skip(BLANK);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !self.rest.starts_with('=') {
            return Err(self.fault(NO_ASSIGNMENT));
        }
        self.advance(1);
        let has_space = self.rest.starts_with(BLANK);
        self.skip(BLANK);
        let value = match self.rest.chars().next() {
            Some('\'') => self.single_quoted()?,
            Some('"') => self.double_quoted()?,
            Some('#') if has_space => String::new(),
            _ => self.unquoted()?,
        };
        if value.contains('\0') { Err(self.fault("must not contain NUL")) } else { Ok((name.to_owned(), value)) }
    }

    fn unquoted(&mut self) -> Result<String, EnvFileError> {
        let line = self.rest.split('\n').next().unwrap_or_default();
        let comment = line.match_indices('#').map(|(at, _)| at).find(|at| line[..*at].ends_with(BLANK));
        let value = line[..comment.unwrap_or(line.len())].trim_end_matches(BLANK);
        if value.ends_with('\\') {
            return Err(self.fault(
                "must not end with a backslash: put quotes around a value that continues on the next line or ends with one",
            ));
        }
        self.take_line();
        Ok(value.to_owned())
    }

    fn single_quoted(&mut self) -> Result<String, EnvFileError> {
        let (value, _) = self.rest[1..].split_once('\'').ok_or_else(|| self.fault("has a ' that is not closed"))?;
        self.advance(value.len() + 2);
        self.end_quoted("must end after the closing ': for a ' in a value, put the value between \"")?;
        Ok(value.to_owned())
    }

    fn double_quoted(&mut self) -> Result<String, EnvFileError> {
        let (mut value, mut chars) = (String::new(), self.rest.char_indices().skip(1));
        let unclosed = self.fault("has a \" that is not closed");
        let end = loop {
            match chars.next().ok_or_else(|| unclosed.clone())? {
                (at, '"') => break at,
                (at, '\\') => match chars.next().ok_or_else(|| unclosed.clone())?.1 {
                    'n' => value.push('\n'),
                    'r' => value.push('\r'),
                    't' => value.push('\t'),
                    '\n' => {}
                    c @ ('"' | '\\' | '$' | '`') => value.push(c),
                    _ => {
                        self.advance(at);
                        return Err(self.fault(NO_ESCAPE));
                    }
                },
                (_, c) => value.push(c),
            }
        };
        self.advance(end + 1);
        self.end_quoted("must end after the closing \": for a \" in a value, write \\\"")?;
        Ok(value)
    }

    /// Nothing but a comment is left of the line.
    fn end_quoted(&mut self, reason: &'static str) -> Result<(), EnvFileError> {
        let fault = self.fault(reason);
        let rest = self.take_line();
        let is_end =
            rest.trim_matches(BLANK).is_empty() || rest.starts_with(BLANK) && rest.trim_start_matches(BLANK).starts_with('#');
        if is_end { Ok(()) } else { Err(fault) }
    }

    fn fault(&self, reason: &'static str) -> EnvFileError {
        EnvFileError { line: self.line, reason }
    }

    fn skip(&mut self, what: &[char]) {
        self.advance(self.rest.len() - self.rest.trim_start_matches(what).len());
    }

    fn take_line(&mut self) -> &'a str {
        self.advance(self.rest.find('\n').unwrap_or(self.rest.len()))
    }

    fn advance(&mut self, length: usize) -> &'a str {
        let (passed, rest) = self.rest.split_at(length);
        self.line += passed.matches('\n').count();
        self.rest = rest;
        passed
    }
}

const BLANK: &[char] = &[' ', '\t'];
const NO_ASSIGNMENT: &str = "must be NAME=VALUE, with letters, digits and _ in the name, a # before a comment, or nothing";
const NO_ESCAPE: &str =
    "has an unknown escape between \": write \\\\ for a backslash, or put the value between ', where it is taken literally";

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<(String, String)> {
        parse_env_file(text.as_bytes()).unwrap_or_else(|error| panic!("{text:?}: line {}: {error}", error.line))
    }

    #[test]
    fn a_value_is_what_systemd_and_dotenv_and_a_shell_take_for_one() {
        for (line, value) in [
            ("A=b", "b"),
            ("A=", ""),
            ("A=''", ""),
            ("  export   A=b  ", "b"),
            ("A = b c\t", "b c"),
            ("A=b=c", "b=c"),
            ("A=b # c", "b"),
            ("A=b#c", "b#c"),
            ("A=#fff", "#fff"),
            ("A= # nothing", ""),
            ("A='b' # c", "b"),
            ("A=\"b\"\t#c", "b"),
            ("A=$HOME/${B}`c`", "$HOME/${B}`c`"),
            ("A=\"$HOME\"", "$HOME"),
            ("A='a \\n $b \"c\" # d'", "a \\n $b \"c\" # d"),
            ("A=\"a\\nb\\t\\\"\\\\\\$\\`'\"", "a\nb\t\"\\$`'"),
            ("A=\"a\nb\"", "a\nb"),
            ("A='a\nb\n'", "a\nb\n"),
            ("A=\"a\\\nb\"", "ab"),
            ("A=O'Reilly", "O'Reilly"),
            ("A=C:\\dir", "C:\\dir"),
            ("A=é", "é"),
            ("A=b\r", "b\r"),
        ] {
            assert_eq!(values(line), [("A".to_owned(), value.to_owned())], "{line:?}");
        }
    }

    #[test]
    fn comments_and_blank_lines_say_nothing() {
        let text = "\u{feff}# one\r\n\r\n\t # two\r\nA=1\r\n  \nB_2='x\r\ny'\r\nA=3";
        let pairs = [("A", "1"), ("B_2", "x\ny"), ("A", "3")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(values(text), pairs);
        for text in ["", "\n\n", "#", " # A=b", "\t"] {
            assert_eq!(values(text), [], "{text:?}");
        }
    }

    #[test]
    fn a_line_that_is_none_is_told_with_its_number_and_not_with_its_value() {
        for (text, line, told) in [
            ("A=1\nsecret", 2, "must be NAME=VALUE"),
            ("A=1\n=secret", 2, "must be NAME=VALUE"),
            ("1A=secret", 1, "must be NAME=VALUE"),
            ("A-B=secret", 1, "must be NAME=VALUE"),
            ("\n\nexport A", 3, "must be NAME=VALUE"),
            ("A: secret", 1, "must be NAME=VALUE"),
            ("A='x\ny'\nB='secret\nC=1\n", 3, "has a ' that is not closed"),
            ("B=\"secret\n\n", 1, "has a \" that is not closed"),
            ("B=\"secret\\", 1, "has a \" that is not closed"),
            ("A='it\\'s secret'", 1, "must end after the closing '"),
            ("A=\"a\" secret", 1, "must end after the closing \""),
            ("A=\"a\"#secret", 1, "must end after the closing \""),
            ("A=\"a\n\\d secret\"", 2, "has an unknown escape"),
            ("A=secret\\\nB=1", 1, "must not end with a backslash"),
            ("A=1\nB='\0'", 2, "must not contain NUL"),
        ] {
            let error = parse_env_file(text.as_bytes()).expect_err(text);
            assert_eq!(error.line, line, "{text:?}: {error}");
            assert!(error.reason.starts_with(told), "{text:?}: {error}");
        }
        let error = parse_env_file(b"A=1\nB=\xff").unwrap_err();
        assert_eq!((error.line, error.reason), (2, "must be UTF-8"));
    }
}
