//! What a kernel is made of as areas in areas: laid out once, for a picture and for a page.

use svg::Document;
use svg::node::element::{Group, Rectangle, Style, Text, Title};

use super::grid::{asked_by, grouped};
use super::size::number;
use super::squarified::{Rect, squarified};
use crate::size::{For, Node, Part, Sized, tree};

/// How parts are coloured.
pub(super) struct Colour {
    of: For,
    pub(super) class: &'static str,
    pub(super) words: &'static str,
    pub(super) on_light: &'static str,
    pub(super) on_dark: &'static str,
}

const fn colour(
    (of, class): (For, &'static str),
    words: &'static str,
    [on_light, on_dark]: [&'static str; 2],
) -> Colour {
    Colour { of, class, words, on_light, on_dark }
}

/// By what parts are there for.
pub(super) const LEGEND: [Colour; 5] = [
    colour((For::Asked, "asked"), "a line asks for it", ["#b6d6ff", "#1d4377"]),
    colour((For::Follows, "follows"), "follows what a line asks for", ["#bfe5c8", "#1f4d33"]),
    colour((For::Every, "every"), "in every kernel", ["#e2e5e9", "#343b44"]),
    colour((For::Unknown, "unknown"), "nobody knows what for", ["#f7e2ac", "#54430f"]),
    colour((For::Linker, "linker"), "no object accounts for it", ["#e3d6f6", "#41335f"]),
];

pub(super) fn class(part: &Part) -> &'static str {
    let of = part.is_for();
    LEGEND.iter().find(|one| one.of == of).map_or("unknown", |one| one.class)
}

/// A node with its place.
pub(super) struct Laid<'a> {
    pub(super) node: &'a Node<'a>,
    pub(super) rect: Rect,
    /// Where its children are: below its name, if there is room for one.
    pub(super) inner: Rect,
    pub(super) children: Vec<Laid<'a>>,
}

/// Height of a folder's name, and the edge around its children.
pub(super) const HEAD: f64 = 16.0;
pub(super) const EDGE: f64 = 2.0;
/// Where there is less room, a folder has no name and no edge.
pub(super) const ROOM: (f64, f64) = (44.0, 34.0);

pub(super) fn lay_out<'a>(node: &'a Node<'a>, rect: Rect, named: bool) -> Laid<'a> {
    let named = named && node.part.is_none() && rect.w >= ROOM.0 && rect.h >= ROOM.1;
    let inner = match named {
        true => Rect {
            x: rect.x + EDGE,
            y: rect.y + HEAD,
            w: rect.w - 2.0 * EDGE,
            h: rect.h - HEAD - EDGE,
        },
        false => rect,
    };
    let bytes: Vec<u64> = node.children.iter().map(|child| child.bytes).collect();
    let places = squarified(&bytes, inner);
    let laid = node.children.iter().zip(places).map(|(child, at)| lay_out(child, at, true));
    Laid { node, rect, inner, children: laid.collect() }
}

/// What is said of a part: its size, what brought it in, the line that asks for it.
pub(super) fn facts(part: &Part) -> Vec<String> {
    let bytes = part.bytes;
    let (image, kept) = (number(bytes.image()), number(bytes.kept()));
    let mut facts = vec![format!("{image} bytes in the image, {kept} kept")];
    match part.is_for() {
        For::Linker => facts.push("what no object accounts for".to_owned()),
        _ => facts.push(part.symbols()),
    }
    facts.extend(part.asked.values().map(asked_by));
    facts
}

const WIDTH: f64 = 1200.0;
const HEIGHT: f64 = 800.0;
const TOP: f64 = 58.0;
/// Below this many pixels on a side nobody sees it.
const SEEN: f64 = 0.7;

pub(crate) fn treemap(kernel: &Sized) -> String {
    let root = tree(kernel);
    let into = Rect { x: 8.0, y: TOP, w: WIDTH - 16.0, h: HEIGHT - TOP - 8.0 };
    let mut body = draw(&lay_out(&root, into, false), "");
    let title = format!("{}: {} bytes", kernel.name, grouped(root.bytes));
    body = body.add(Text::new(&title).set("x", 8).set("y", 24).set("class", "head"));
    let mut x = 8.0;
    for Colour { class, words, .. } in LEGEND {
        let swatch = Rectangle::new().set("x", x).set("y", 34).set("width", 12).set("height", 12);
        body = body.add(swatch.set("class", class));
        body = body.add(Text::new(words).set("x", x + 17.0).set("y", 44));
        x += 34.0 + 6.2 * words.len() as f64;
    }
    let ground = Rectangle::new().set("width", "100%").set("height", "100%").set("rx", 6);
    let document = Document::new()
        .set("viewBox", (0, 0, WIDTH, HEIGHT))
        .set("width", WIDTH)
        .set("height", HEIGHT)
        .set("role", "img")
        .add(Title::new(title))
        .add(Style::new(css()))
        .add(ground.set("class", "ground"))
        .add(body);
    format!("{document}\n")
}

fn css() -> String {
    let colours = |of: fn(&Colour) -> &'static str| -> String {
        LEGEND.iter().map(|one| format!(".{}{{fill:{}}}", one.class, of(one))).collect()
    };
    let (light, dark) = (colours(|one| one.on_light), colours(|one| one.on_dark));
    format!(
        "text{{font:11px system-ui,sans-serif;fill:#1f2328}}.head{{font-weight:600;font-size:15px}}\
         .ground{{fill:#ffffff}}rect{{stroke:#ffffff;stroke-width:.6}}.folder{{fill:#f6f8fa;stroke:#b8c0c9}}\
         {light}@media(prefers-color-scheme:dark){{text{{fill:#f0f6fc}}.ground{{fill:#0d1117}}\
         rect{{stroke:#0d1117}}.folder{{fill:#161b22;stroke:#4b545e}}{dark}}}"
    )
}

fn draw(laid: &Laid<'_>, above: &str) -> Group {
    let Laid { node, rect, inner, children } = laid;
    let mut group = Group::new();
    if rect.w < SEEN || rect.h < SEEN {
        return group;
    }
    let is_root = inner == rect && above.is_empty() && node.part.is_none();
    let path = match (is_root, above) {
        (true, _) => String::new(),
        (false, "") => node.name.clone(),
        (false, above) => format!("{above}/{}", node.name),
    };
    let place = |class: &str| {
        let round = |number: f64| (number * 10.0).round() / 10.0;
        Rectangle::new()
            .set("x", round(rect.x))
            .set("y", round(rect.y))
            .set("width", round(rect.w))
            .set("height", round(rect.h))
            .set("class", class)
    };
    match node.part {
        Some(part) => {
            let words = format!("{path}\n{}", facts(part).join("\n"));
            group = group.add(place(class(part)).add(Title::new(words)));
        }
        None if inner != rect => {
            let words = format!("{path}\n{} bytes", grouped(node.bytes));
            group = group.add(place("folder").add(Title::new(words)));
        }
        None => {}
    }
    if inner != rect || node.part.is_some() {
        let label = label(&node.name, rect);
        group = label.into_iter().fold(group, Group::add);
    }
    children.iter().fold(group, |group, child| group.add(draw(child, &path)))
}

/// As much of a name as there is room for.
fn label(name: &str, rect: &Rect) -> Option<Text> {
    /// Of a letter, roughly.
    const LETTER: f64 = 6.1;
    let room = ((rect.w - 6.0) / LETTER).max(0.0) as usize;
    let shown = match name.chars().count() {
        count if count <= room => name.to_owned(),
        _ if room >= 4 => name.chars().take(room - 1).chain(['…']).collect(),
        _ => return None,
    };
    (rect.h >= 13.0).then(|| Text::new(shown).set("x", rect.x + 3.0).set("y", rect.y + 11.5))
}
