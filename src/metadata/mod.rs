//! Requests to and from what other programs write into pictures.
