//! An answer that pyfcgid itself makes.

/// A page with its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its Content-Type.
    pub kind: &'static str,
    /// The page.
    pub body: Vec<u8>,
}

impl Page {
    /// The CGI head and body, as of this moment only; without the body for a HEAD request.
    pub fn document(&self, head_only: bool) -> Vec<u8> {
        let (kind, length) = (self.kind, self.body.len());
        let head = format!(
            "Content-Type: {kind}\r\nContent-Length: {length}\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\
             Status: 200 OK\r\n\r\n"
        );
        let body = if head_only { &[][..] } else { &self.body };
        [head.as_bytes(), body].concat()
    }

    /// How many bytes of [`Self::document`] are body.
    pub fn body_length(&self, head_only: bool) -> u64 {
        if head_only { 0 } else { self.body.len() as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_a_complete_answer_and_a_head_request_gets_no_body() {
        let page = Page { kind: "text/plain", body: b"well".to_vec() };
        let document = String::from_utf8(page.document(false)).unwrap();
        assert!(document.ends_with("Status: 200 OK\r\n\r\nwell") && document.contains("Content-Length: 4\r\n"), "{document}");
        assert!(page.document(true).ends_with(b"\r\n\r\n"));
        assert_eq!((page.body_length(false), page.body_length(true)), (4, 0));
    }
}
