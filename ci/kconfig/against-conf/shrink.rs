//! A failing tree made as small as it still fails.

use crate::tree::{Node, Tree};

/// The smallest tree found for which `fails` holds.
pub(crate) fn shrink(tree: Tree, fails: impl Fn(&Tree) -> bool) -> Tree {
    let mut tree = tree;
    loop {
        match smaller(&tree).into_iter().find(|tree| fails(tree)) {
            Some(found) => tree = found,
            None => return tree,
        }
    }
}

/// Trees with one thing less.
fn smaller(tree: &Tree) -> Vec<Tree> {
    let mut found = vec![];
    for at in 0..tree.asked.len() {
        let mut asked = tree.asked.clone();
        asked.remove(at);
        found.push(Tree { asked, ..tree.clone() });
    }
    for file in 0..tree.files.len() {
        for nodes in smaller_nodes(&tree.files[file]) {
            let mut files = tree.files.clone();
            files[file] = nodes;
            found.push(Tree { files, ..tree.clone() });
        }
    }
    found
}

fn smaller_nodes(nodes: &[Node]) -> Vec<Vec<Node>> {
    let mut found = vec![];
    let mut replace = |at: usize, by: Vec<Node>| {
        let mut all = nodes.to_vec();
        all.splice(at..=at, by);
        found.push(all);
    };
    for (at, node) in nodes.iter().enumerate() {
        replace(at, vec![]);
        if !node.content.is_empty() {
            replace(at, node.content.clone());
        }
        for content in smaller_nodes(&node.content) {
            replace(at, vec![Node { content, ..node.clone() }]);
        }
        for line in 0..node.lines.len() {
            if line > 0 {
                let mut lines = node.lines.clone();
                lines.remove(line);
                replace(at, vec![Node { lines, ..node.clone() }]);
            }
            for less in smaller_line(&node.lines[line]) {
                let mut lines = node.lines.clone();
                lines[line] = less;
                replace(at, vec![Node { lines, ..node.clone() }]);
            }
        }
    }
    found
}

/// The line without its condition, and without one operand or one pair of parentheses.
fn smaller_line(line: &str) -> Vec<String> {
    let mut found: Vec<String> = vec![];
    found.extend(line.rfind(" if ").map(|at| line[..at].to_owned()));
    for sign in [" && ", " || "] {
        for (at, _) in line.match_indices(sign) {
            let word = line[..at].rfind(' ').map_or(0, |blank| blank + 1);
            found.push(format!("{}{}", &line[..word], &line[at + sign.len()..]));
            let rest = &line[at + sign.len()..];
            let end = rest.find(' ').unwrap_or(rest.len());
            found.push(format!("{}{}", &line[..at], &rest[end..]));
        }
    }
    if let (Some(open), Some(close)) = (line.find('('), line.rfind(')')) {
        if open < close {
            found.push(format!(
                "{}{}{}",
                &line[..open],
                &line[open + 1..close],
                &line[close + 1..]
            ));
        }
    }
    found
}
