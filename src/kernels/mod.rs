//! What the networks spend their time in, as few semantic operations.
