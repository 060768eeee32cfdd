//! What a template consists of.

/// A step.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// Text as it is.
    Text(String),
    /// A number, or a word of two, that stands for itself.
    Int(i64),
    Float(f64),
    Bool(bool),
    /// The steps of one block.
    List(Vec<Node>),
    /// A key of a map.
    Field(String),
    /// A part of a list.
    Slice(Slice),
    /// The items of a list for which something holds.
    Filter(Filter),
    /// All that is in a map or a list.
    Wildcard,
    /// A value and all that is in it, at any depth.
    Recursive,
    /// What several paths lead to, one after another.
    Union(Vec<Vec<Node>>),
    /// `range` and `end`, or a word that means nothing.
    Word(String),
}

/// `[start:end:step]`; what is not known is as long as the list says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slice {
    pub start: Option<i64>,
    pub end: Option<i64>,
    /// Whether only the start was written, after which the end comes.
    pub single: bool,
    pub step: Option<i64>,
}

/// `[?(left operator right)]`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Filter {
    pub left: Vec<Node>,
    /// What stands on the right of an operator; without it the left side is to be there.
    pub compared: Option<(String, Vec<Node>)>,
}
