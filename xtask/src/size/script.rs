//! Which output section takes a section of an object, as the kernel's linker script has it: kbuild
//! leaves the script in the object tree, macros expanded.

use glob::Pattern;

/// What the linker throws away.
const DISCARD: &str = "/DISCARD/";

/// Patterns in the order of the script, each with its output section: the first that fits counts.
#[derive(Debug, Default)]
pub(super) struct Script(Vec<(Pattern, String)>);

impl Script {
    pub(super) fn parse(text: &str) -> Self {
        let tokens = tokens(text);
        let (mut takes, mut depth, mut since, mut output) = (vec![], 0, 0, None);
        for (at, token) in tokens.iter().enumerate() {
            match *token {
                "{" => {
                    depth += 1;
                    match depth {
                        // The outer braces are those of SECTIONS and PHDRS.
                        1 => since = at + 1,
                        2 => output = output_name(&tokens[since..at]),
                        _ => {}
                    }
                }
                "}" => {
                    depth -= 1;
                    if depth == 1 {
                        output = None;
                        since = at + 1;
                    }
                }
                ";" if depth == 1 => since = at + 1,
                // `*(.text .text.*)`, with all objects in place of the star.
                "(" if at > 0 && tokens[at - 1].contains('*') => {
                    let Some(output) = output else { continue };
                    let patterns = patterns(&tokens[at + 1..]).into_iter();
                    takes.extend(patterns.map(|pattern| (pattern, output.to_owned())));
                }
                _ => {}
            }
        }
        Script(takes)
    }

    /// The output section for a section of that name; its own name where the script has no place for
    /// it, nothing where the linker throws it away.
    pub(super) fn output<'a>(&'a self, section: &'a str) -> Option<&'a str> {
        let takes = self.0.iter().find(|(pattern, _)| pattern.matches(section));
        let output = takes.map_or(section, |(_, output)| output);
        (output != DISCARD).then_some(output)
    }
}

/// Words, and the signs that group them.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = vec![];
    for (index, part) in text.split('"').enumerate() {
        // Every second one is a message.
        if index % 2 == 1 {
            continue;
        }
        for word in part.split_ascii_whitespace() {
            let mut rest = word;
            while let Some(at) = rest.find(['{', '}', '(', ')', ';', ':', ',']) {
                tokens.extend((at > 0).then(|| &rest[..at]));
                tokens.push(&rest[at..=at]);
                rest = &rest[at + 1..];
            }
            tokens.extend((!rest.is_empty()).then_some(rest));
        }
    }
    tokens
}

/// `.data..percpu 0 : AT ( … )`, `.brk (NOLOAD) : …`: the name stands before the last colon that is in
/// no parentheses, and may have an address or a type behind it.
fn output_name<'a>(statement: &[&'a str]) -> Option<&'a str> {
    let (mut depth, mut last, mut named) = (0, None, None);
    for token in statement {
        match *token {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ if depth > 0 => {}
            ":" => named = last,
            word if !word.starts_with(|c: char| c.is_ascii_digit()) => last = Some(word),
            _ => {}
        }
    }
    named
}

/// The names up to the closing parenthesis; how they are sorted is no matter here.
fn patterns(tokens: &[&str]) -> Vec<Pattern> {
    let (mut depth, mut names, mut excluded) = (1, vec![], None);
    for token in tokens {
        match *token {
            "(" => depth += 1,
            ")" => {
                depth -= 1;
                excluded = excluded.filter(|outside| depth > *outside);
            }
            "EXCLUDE_FILE" => excluded = Some(depth),
            word if excluded.is_none() && !word.starts_with("SORT") => names.push(word),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names.into_iter().filter_map(|name| Pattern::new(name).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "OUTPUT_ARCH(i386:x86-64)\nPHDRS {\n text PT_LOAD FLAGS(5);\n}\nSECTIONS\n{\n\
        /DISCARD/ : { *(.exitcall.exit) *(.discard .discard.*) }\n\
        . = (0xffffffff80000000 + ALIGN(0x1000000, 0x200000));\n\
        .text : AT(ADDR(.text) - 0xffffffff80000000) {\n  _stext = .;\n  KEEP(*(.head.text))\n\
        . = ALIGN(8); *(.text.hot .text.hot.*) *(.text) *(.noinstr.text)\n } :text =0xcccc\n\
        _etext = .;\n__bug_table : AT(ADDR(__bug_table) - 0xff) { KEEP(*(__bug_table)) }\n\
        __load = .; .data..percpu 0 : AT(__load) { *(.data..percpu..first) *(.data..percpu) }\n\
        ASSERT(SIZEOF(.data..percpu) < 0x1000000, \"{ per-CPU (data) : too large\")\n\
        . = ALIGN((1 << 12)); .init.data : AT(0) { KEEP(*(SORT(.init_array.*)))\n\
        KEEP(*(EXCLUDE_FILE(*crtbegin.o) .ctors)) *(.data.[0-9a-z_]*) __s = 64 * 2; } :init\n\
        .brk (NOLOAD) : { . += 64 * 1024; *(.bss..brk) }\n}\n";

    #[test]
    fn each_section_goes_where_the_script_has_it() {
        let script = Script::parse(TEXT);
        let cases = [
            (".head.text", Some(".text")),
            (".text", Some(".text")),
            (".text.hot.x", Some(".text")),
            (".text.cold", Some(".text.cold")),
            (".exitcall.exit", None),
            (".discard.reachable", None),
            ("__bug_table", Some("__bug_table")),
            (".data..percpu", Some(".data..percpu")),
            (".data..percpu..first", Some(".data..percpu")),
            (".init_array.7", Some(".init.data")),
            (".ctors", Some(".init.data")),
            (".data.once", Some(".init.data")),
            (".data..once", Some(".data..once")),
            (".bss..brk", Some(".brk")),
        ];
        for (section, output) in cases {
            assert_eq!(script.output(section), output, "{section}");
        }
    }

    #[test]
    fn no_script_is_too_broken_to_read() {
        for text in ["", "SECTIONS {", "} } {", "{ { *(", "SECTIONS { : { *(.a) } }", "{{*(**"] {
            assert_eq!(Script::parse(text).output(".a"), Some(".a"), "{text}");
        }
    }
}
