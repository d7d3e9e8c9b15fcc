//! What a WSGI application sees and what becomes of what it says: PEP 3333 and the design's chapters 5 to 7, one test a rule.

#![allow(clippy::unwrap_used)]

mod support;
