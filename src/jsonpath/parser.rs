//! How a template is read.

use super::{
    go::{is_printable, unquoted},
    node::{Filter, Node, Slice},
};

/// The steps of a template: texts and blocks.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, String> {
    let mut parser = Parser { input: text, start: 0, at: 0 };
    let mut root = Vec::new();
    while let Some(offset) = parser.rest().find('{') {
        parser.at += offset;
        root.extend(parser.text());
        parser.skip(1);
        root.push(Node::List(parser.block()?));
    }
    parser.at = text.len();
    root.extend(parser.text());
    Ok(root)
}

/// The steps that stand in the braces of a block of its own.
fn parse_block(text: &str) -> Result<Vec<Node>, String> {
    match parse(&format!("{{{text}}}"))?.into_iter().next() {
        Some(Node::List(steps)) => Ok(steps),
        _ => Ok(Vec::new()),
    }
}

/// A template that is read, from its first byte on.
struct Parser<'t> {
    input: &'t str,
    /// From where on nothing was taken yet.
    start: usize,
    at: usize,
}

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        &self.input[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek();
        self.at += next.map_or(0, char::len_utf8);
        next
    }

    /// What was read since the last time.
    fn take(&mut self) -> &'t str {
        let taken = &self.input[self.start..self.at];
        self.start = self.at;
        taken
    }

    fn skip(&mut self, bytes: usize) {
        self.at += bytes;
        self.start = self.at;
    }

    fn text(&mut self) -> Option<Node> {
        let text = self.take();
        (!text.is_empty()).then(|| Node::Text(text.to_owned()))
    }

    /// Whether the character that was read last follows a backslash.
    fn is_escaped(&self) -> bool {
        self.at >= 2 && self.input.as_bytes()[self.at - 2] == b'\\'
    }

    /// Reads a block up to its closing brace.
    fn block(&mut self) -> Result<Vec<Node>, String> {
        let mut steps = Vec::new();
        loop {
            if self.rest().starts_with('}') {
                self.skip(1);
                return Ok(steps);
            }
            if self.rest().starts_with("[?(") {
                steps.push(Node::Filter(self.filter()?));
                continue;
            }
            if self.rest().starts_with("..") {
                self.recursive(&mut steps)?;
                continue;
            }
            match self.next() {
                None | Some('\r' | '\n') => return Err("unclosed action".to_owned()),
                Some(' ' | '@' | '$') => self.start = self.at,
                Some('[') => self.array(&mut steps)?,
                Some(quote @ ('"' | '\'')) => steps.push(self.quote(quote)?),
                Some('.') => steps.push(self.field()),
                Some(c) if matches!(c, '+' | '-') || c.is_ascii_digit() => {
                    self.at = self.start;
                    steps.push(self.number()?);
                }
                Some(c) if is_alphanumeric(c) => steps.push(self.word()),
                Some(c) => {
                    let shown = if is_printable(c) { format!(" '{c}'") } else { String::new() };
                    let code = u32::from(c);
                    return Err(format!("unrecognized character in action: U+{code:04X}{shown}"));
                }
            }
        }
    }

    fn word(&mut self) -> Node {
        while self.peek().is_some_and(|c| !is_terminator(c)) {
            self.next();
        }
        match self.take() {
            "true" => Node::Bool(true),
            "false" => Node::Bool(false),
            word => Node::Word(word.to_owned()),
        }
    }

    fn recursive(&mut self, steps: &mut Vec<Node>) -> Result<(), String> {
        if steps.last() == Some(&Node::Recursive) {
            return Err("invalid multiple recursive descent".to_owned());
        }
        self.skip(2);
        steps.push(Node::Recursive);
        if self.peek().is_some_and(is_alphanumeric) {
            steps.push(self.field());
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Node, String> {
        if matches!(self.peek(), Some('+' | '-')) {
            self.next();
        }
        while self.peek().is_some_and(|c| c == '.' || c.is_ascii_digit()) {
            self.next();
        }
        let text = self.take();
        if let Ok(number) = text.parse() {
            return Ok(Node::Int(number));
        }
        let number = text.parse().map_err(|_| format!("cannot parse number {text}"))?;
        Ok(Node::Float(number))
    }

    fn field(&mut self) -> Node {
        self.start = self.at;
        loop {
            match self.peek() {
                Some('\\') => {
                    self.next();
                    self.next();
                }
                Some(c) if !is_terminator(c) => drop(self.next()),
                _ => break,
            }
        }
        match self.take() {
            "*" => Node::Wildcard,
            name => Node::Field(name.replace('\\', "")),
        }
    }

    fn quote(&mut self, quote: char) -> Result<Node, String> {
        loop {
            match self.next() {
                None | Some('\n') => return Err("unterminated quoted string".to_owned()),
                Some(c) if c == quote && !self.is_escaped() => break,
                Some(_) => {}
            }
        }
        let quoted = self.take();
        match unquoted(quoted) {
            Some(text) => Ok(Node::Text(text)),
            None => Err(format!("unquote string {quoted} error invalid syntax")),
        }
    }

    /// Reads what stands in brackets: an index, a slice, a key in quotes, or several of them.
    fn array(&mut self, steps: &mut Vec<Node>) -> Result<(), String> {
        loop {
            match self.next() {
                None | Some('\n') => return Err("unterminated array".to_owned()),
                Some(']') => break,
                Some(_) => {}
            }
        }
        let inside = self.take();
        let inside = match &inside[1..inside.len() - 1] {
            "*" => ":",
            inside => inside,
        };
        if inside.contains(',') {
            let one = |path: &str| parse_block(&format!("[{}]", path.trim_matches(' ')));
            let each = inside.split(',').map(one);
            steps.push(Node::Union(each.collect::<Result<_, _>>()?));
        } else if let Some(key) = key(inside) {
            steps.extend(parse_block(&format!(".{key}"))?);
        } else {
            steps.push(Node::Slice(slice(inside)?));
        }
        Ok(())
    }

    fn filter(&mut self) -> Result<Filter, String> {
        self.skip("[?(".len());
        let (mut pair, mut ended) = (None, false);
        loop {
            match (self.next(), pair) {
                (None | Some('\n'), _) => return Err("unterminated filter".to_owned()),
                (Some(c @ ('"' | '\'')), None) => pair = Some(c),
                (Some(c @ ('"' | '\'')), Some(begin)) if c == begin && !self.is_escaped() => {
                    ended = true;
                }
                // Quotes stand on one side only, and are closed before the parenthesis.
                (Some(')'), _) if pair.is_some() == ended => break,
                (Some(_), _) => {}
            }
        }
        if self.next() != Some(']') {
            return Err("unclosed array expect ]".to_owned());
        }
        let text = self.take();
        let text = &text[..text.len() - ")]".len()];
        match comparison(text) {
            None => Ok(Filter { left: parse_block(text)?, compared: None }),
            Some((left, operator, right)) => {
                let left = parse_block(left)?;
                let right = parse_block(right)?;
                Ok(Filter { left, compared: Some((operator.to_owned(), right)) })
            }
        }
    }
}

/// The key in single quotes.
fn key(text: &str) -> Option<&str> {
    let key = text.strip_prefix('\'')?.strip_suffix('\'')?;
    (!key.contains('\'')).then_some(key)
}

/// The two sides of an operator, which is made of `!`, `<`, `>` and `=`, and has text on both.
fn comparison(text: &str) -> Option<(&str, &str, &str)> {
    let is_operator = |c| matches!(c, '!' | '<' | '>' | '=');
    let at = text.find(is_operator).filter(|at| *at > 0)?;
    let (left, rest) = text.split_at(at);
    let length = rest.find(|c| !is_operator(c)).unwrap_or(rest.len());
    // Where only operators follow, the last of them is the right side.
    let length = if length == rest.len() { length - 1 } else { length };
    let (operator, right) = rest.split_at(length);
    (!operator.is_empty()).then_some((left, operator, right))
}

fn slice(text: &str) -> Result<Slice, String> {
    let invalid = || format!("invalid array index {text}");
    let parts: Vec<_> = text.split(':').collect();
    let is_index = |part: &&str| {
        part.strip_prefix('-').unwrap_or(part).bytes().all(|byte| byte.is_ascii_digit())
    };
    if parts.len() > 3 || !parts.iter().all(is_index) {
        return Err(invalid());
    }
    let number = |part: Option<&&str>| match part {
        None | Some(&"") => Ok(None),
        Some(part) => {
            let number = part.parse::<i64>();
            number.map(Some).map_err(|_| format!("array index {part} is not a number"))
        }
    };
    let start = number(parts.first())?;
    let single = parts.len() == 1;
    let end = match number(parts.get(1))? {
        None if single => Some(start.unwrap_or(0).saturating_add(1)),
        end => end,
    };
    Ok(Slice { start, end, single, step: number(parts.get(2))? })
}

/// What ends a name.
fn is_terminator(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n' | '.' | ',' | '[' | ']' | '$' | '@' | '{' | '}')
}

fn is_alphanumeric(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}
