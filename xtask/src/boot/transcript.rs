//! A guest's console, line by line: the words of its init, told by the boot's nonce, and among all else
//! what says how the kernel fared. Pure.

use std::collections::VecDeque;

use super::root;

/// How many lines of the console's end are kept.
const LAST_LINES: usize = 20;

/// How many lines about the root are kept: a list of partitions is no longer.
const ROOT_LINES: usize = 64;

/// kernel/panic.c
const PANIC: &str = "Kernel panic - not syncing: ";

#[derive(Debug)]
pub(crate) struct Transcript {
    prefix: String,
    pub(crate) bytes: u64,
    /// The first panic; the ones that follow come of it.
    pub(crate) panic: Option<String>,
    /// What the kernel said from the moment it told of its root.
    pub(crate) root: Vec<String>,
    /// Without the words.
    pub(crate) last: VecDeque<String>,
}

impl Transcript {
    pub(crate) fn new(nonce: &str) -> Self {
        let prefix = format!("@probe {nonce} ");
        Transcript { prefix, bytes: 0, panic: None, root: vec![], last: VecDeque::new() }
    }

    /// Takes in a line, and gives the word of init's that it holds.
    pub(crate) fn line<'a>(&mut self, line: &'a str) -> Option<&'a str> {
        self.bytes += line.len() as u64 + 1;
        // The rest of an unfinished line of the kernel's may stand before it.
        if let Some(at) = line.find(&self.prefix) {
            return Some(line[at + self.prefix.len()..].trim_end());
        }
        if let (None, Some(at)) = (&self.panic, line.find(PANIC)) {
            self.panic = Some(line[at + PANIC.len()..].trim_end().to_owned());
        }
        let is_of_root = root::begins(line) || !self.root.is_empty();
        // Two consoles print the same.
        let is_new = !self.root.iter().any(|earlier| earlier == line);
        if is_of_root && is_new && self.root.len() < ROOT_LINES {
            self.root.push(line.to_owned());
        }
        self.remember(line.trim_end());
        None
    }

    fn remember(&mut self, line: &str) {
        // The serial console and the virtio console print the same; control characters are SeaBIOS's.
        if line.is_empty() || self.last.iter().any(|earlier| earlier == line) {
            return;
        }
        if self.last.len() == LAST_LINES {
            self.last.pop_front();
        }
        self.last.push_back(line.chars().filter(|c| !c.is_control()).collect());
    }
}
