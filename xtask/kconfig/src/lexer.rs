//! A Kconfig file, statement by statement, as tokens.

use std::borrow::Cow;

use crate::diagnostic::Problem;
use crate::expr::Relation;
use crate::macros::Expand;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token<'t> {
    Word(Cow<'t, str>),
    Quoted(Cow<'t, str>),
    Relation(Relation),
    And,
    Or,
    Not,
    Open,
    Close,
}

/// How a variable is assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavor {
    /// `=`
    Recursive,
    /// `:=`
    Simple,
    /// `+=`
    Append,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Statement<'t> {
    Tokens(Vec<Token<'t>>),
    Assignment { name: Cow<'t, str>, flavor: Flavor, value: &'t str },
}

/// Reads one file. Macros are expanded while tokens are read, so that what one statement assigns, the
/// next one finds.
pub(crate) struct Lexer<'t> {
    text: &'t str,
    at: usize,
    /// Of `at`.
    pub(crate) line: u32,
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

impl<'t> Lexer<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Lexer { text, at: 0, line: 1 }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// The rest of this line, without its end.
    fn rest_of_line(&self) -> &'t str {
        let rest = self.rest();
        rest.split_once('\n').map_or(rest, |(line, _)| line)
    }

    pub(crate) fn at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    pub(crate) fn skip_line(&mut self) {
        self.at += self.rest_of_line().len();
        if self.peek().is_some() {
            self.at += 1;
            self.line += 1;
        }
    }

    /// The next statement and the line that it begins in; `None` at the end of the file.
    pub(crate) fn statement(&mut self, expand: &mut impl Expand) -> Option<(u32, Statement<'t>)> {
        let (mut tokens, mut first) = (vec![], self.line);
        loop {
            if expand.has_stopped() {
                return None;
            }
            match self.peek() {
                None => {
                    if !tokens.is_empty() {
                        expand.report(self.line, Problem::NoFinalNewline);
                    }
                    return (!tokens.is_empty()).then_some((first, Statement::Tokens(tokens)));
                }
                Some(b'\n') => {
                    self.skip_line();
                    if !tokens.is_empty() {
                        return Some((first, Statement::Tokens(tokens)));
                    }
                }
                Some(b' ' | b'\t') => self.at += 1,
                Some(b'#') => self.at += self.rest_of_line().len(),
                Some(b'\\') if self.rest().starts_with("\\\n") => {
                    self.at += 2;
                    self.line += 1;
                }
                Some(_) => {
                    if tokens.is_empty() {
                        first = self.line;
                    }
                    if let [Token::Word(name)] = tokens.as_mut_slice() {
                        if let Some(flavor) = self.assignment_sign() {
                            let name = std::mem::take(name);
                            let value = self.rest_of_line().trim_start_matches([' ', '\t']);
                            self.skip_line();
                            return Some((first, Statement::Assignment { name, flavor, value }));
                        }
                    }
                    tokens.extend(self.token(expand));
                }
            }
        }
    }

    fn assignment_sign(&mut self) -> Option<Flavor> {
        let signs = [(":=", Flavor::Simple), ("+=", Flavor::Append), ("=", Flavor::Recursive)];
        let (sign, flavor) = signs.into_iter().find(|(sign, _)| self.rest().starts_with(sign))?;
        self.at += sign.len();
        Some(flavor)
    }

    /// A token that begins here, if one does.
    fn token(&mut self, expand: &mut impl Expand) -> Option<Token<'t>> {
        const SIGNS: [(&str, Token<'static>); 11] = [
            ("||", Token::Or),
            ("&&", Token::And),
            ("!=", Token::Relation(Relation::Unequal)),
            ("<=", Token::Relation(Relation::LessEqual)),
            (">=", Token::Relation(Relation::GreaterEqual)),
            ("=", Token::Relation(Relation::Equal)),
            ("<", Token::Relation(Relation::Less)),
            (">", Token::Relation(Relation::Greater)),
            ("!", Token::Not),
            ("(", Token::Open),
            (")", Token::Close),
        ];
        let byte = self.peek()?;
        if is_word(byte) || byte == b'$' {
            return self.word(expand);
        }
        if byte == b'"' || byte == b'\'' {
            self.at += 1;
            return Some(Token::Quoted(self.quoted(byte, expand)));
        }
        let found = SIGNS.iter().find(|(sign, _)| self.rest().starts_with(sign));
        if let Some((sign, token)) = found {
            self.at += sign.len();
            return Some(token.clone());
        }
        let found = self.rest().chars().next()?;
        self.at += found.len_utf8();
        expand.report(self.line, Problem::Character { found });
        None
    }

    /// A word may be made of text and of references; one that comes to nothing is no token.
    fn word(&mut self, expand: &mut impl Expand) -> Option<Token<'t>> {
        let line = self.rest_of_line();
        let length = line.bytes().take_while(|byte| is_word(*byte)).count();
        if line.as_bytes().get(length) != Some(&b'$') {
            self.at += length;
            return Some(Token::Word(Cow::Borrowed(&line[..length])));
        }
        let mut word = line[..length].to_owned();
        let mut used = length;
        while let Some(byte) = line.as_bytes().get(used) {
            if *byte == b'$' {
                used += 1 + expand.reference(self.line, &line[used + 1..], &mut word);
            } else if is_word(*byte) {
                word.push(char::from(*byte));
                used += 1;
            } else {
                break;
            }
        }
        self.at += used;
        (!word.is_empty()).then_some(Token::Word(Cow::Owned(word)))
    }

    /// What stands between the quotes, the first of which has been read. A line ends it too.
    fn quoted(&mut self, quote: u8, expand: &mut impl Expand) -> Cow<'t, str> {
        let line = self.rest_of_line();
        let special = |byte: &u8| matches!(byte, b'"' | b'\'' | b'\\' | b'$');
        let plain = line.bytes().take_while(|byte| !special(byte)).count();
        if line.as_bytes().get(plain) == Some(&quote) {
            self.at += plain + 1;
            return Cow::Borrowed(&line[..plain]);
        }
        let mut text = String::new();
        let mut used = 0;
        loop {
            let rest = &line[used..];
            let Some(special) = rest.find(['"', '\'', '\\', '$']) else {
                text.push_str(rest);
                self.at += line.len();
                expand.report(self.line, Problem::UnterminatedString);
                return Cow::Owned(text);
            };
            text.push_str(&rest[..special]);
            used += special + 1;
            match rest.as_bytes()[special] {
                b'$' => used += expand.reference(self.line, &line[used..], &mut text),
                b'\\' => {
                    let escaped = line[used..].chars().next();
                    text.extend(escaped);
                    used += escaped.map_or(0, char::len_utf8);
                }
                found if found == quote => {
                    self.at += used;
                    return Cow::Owned(text);
                }
                found => text.push(char::from(found)),
            }
        }
    }

    /// Skips what is a help text, if there is one: none begins without an indent.
    pub(crate) fn skip_help(&mut self) {
        let first = self.rest().lines().find(|line| !line.trim().is_empty());
        if first.is_some_and(|line| line.starts_with([' ', '\t'])) {
            self.help();
        }
    }

    /// Skips a help text, which ends before the first line that is indented less than its first one.
    /// Returns its lines, from the first to before the second, and whether it says anything.
    pub(crate) fn help(&mut self) -> (u32, u32, bool) {
        let (first, mut indent, mut says) = (self.line, 0, false);
        loop {
            let line = self.rest_of_line();
            let text = line.trim_start_matches([' ', '\t']);
            if !text.is_empty() {
                let width = columns(&line[..line.len() - text.len()]);
                if width < indent {
                    break;
                }
                if indent == 0 {
                    indent = width;
                }
                says |= !text.trim().is_empty();
            }
            self.skip_line();
            if self.at_end() || !matches!(self.peek(), Some(b' ' | b'\t' | b'\n')) {
                break;
            }
        }
        (first, self.line, says)
    }
}

/// Tabs go to multiples of eight.
fn columns(indent: &str) -> usize {
    indent.bytes().fold(0, |width, byte| if byte == b'\t' { (width & !7) + 8 } else { width + 1 })
}
