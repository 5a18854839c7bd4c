//! Text to model: from `compose.yaml` to a checked [`model::Project`].
//!
//! Invariants: pure (files and environment come in through [`LoadOptions`] and `source`), the same input gives the same
//! project, and all problems are returned at once, each with its place.

pub mod model;
