//! What a kernel is made of as one page, which needs nothing but a browser: areas in areas, of which a
//! click makes one the whole.

use std::fmt::Write as _;

use super::grid::grouped;
use super::size::number;
use super::squarified::Rect;
use super::treemap::{Colour, EDGE, HEAD, LEGEND, Laid, ROOM, class, facts, lay_out};
use crate::size::{Row, Sized, View, rows, tree};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The shape that areas are laid out for; a page of another one stretches them.
const SHAPE: Rect = Rect { x: 0.0, y: 0.0, w: 1240.0, h: 720.0 };

pub(crate) fn page(kernel: &Sized) -> String {
    let root = tree(kernel);
    let name = escaped(&kernel.name);
    let mut map = String::new();
    area(&mut map, &lay_out(&root, SHAPE, false), SHAPE, "");
    let legend: String = LEGEND
        .iter()
        .map(|one| format!("<li><i class=\"{}\"></i>{}</li>", one.class, one.words))
        .collect();
    let image = kernel.image.map(|(format, size)| format!(", {} as a {format}", grouped(size)));
    let about = format!(
        "{} bytes in the image{}; {} kept in memory after the start",
        number(kernel.total().image()),
        image.unwrap_or_default(),
        number(kernel.total().kept()),
    );
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <title>{name}: what it is made of</title>\n<style>\n{}{STYLE}</style>\n</head>\n<body>\n\
         <h1>{name}</h1>\n<p>{about}</p>\n<ul class=\"legend\">{legend}</ul>\n\
         <nav id=\"path\" aria-label=\"folder\"></nav>\n<p id=\"said\" aria-live=\"polite\"></p>\n\
         <main id=\"map\">{map}</main>\n{}{}<script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        colours(),
        table("By fragment", &rows(&kernel.parts, View::Fragment)),
        table("By symbol", &rows(&kernel.parts, View::Symbol)),
    )
}

/// The colours of the legend, and the room that a name takes, as the layout has them.
fn colours() -> String {
    let mut css = format!(
        ".head{{height:{HEAD}px}}.in{{inset:{HEAD}px {EDGE}px {EDGE}px}}\n\
         @container(max-width:{}px)or(max-height:{}px){{.head{{display:none}}.in{{inset:0}}}}\n",
        ROOM.0, ROOM.1
    );
    for Colour { class, on_light, on_dark, .. } in LEGEND {
        let _ = writeln!(css, ".{class}{{--light:{on_light};--dark:{on_dark}}}");
    }
    css
}

/// An area in the inner part of the one above it, in percent of that.
fn area(html: &mut String, laid: &Laid<'_>, within: Rect, above: &str) {
    let Laid { node, rect, inner, children } = laid;
    let percent = |part: f64, whole: f64| (part / whole * 1e5).round() / 1e3;
    let place = format!(
        "left:{}%;top:{}%;width:{}%;height:{}%",
        percent(rect.x - within.x, within.w),
        percent(rect.y - within.y, within.h),
        percent(rect.w, within.w),
        percent(rect.h, within.h),
    );
    let name = escaped(&node.name);
    if let Some(part) = node.part {
        let facts = escaped(&facts(part).join(" · "));
        let class = class(part);
        let _ = write!(
            html,
            "<div class=\"part {class}\" style=\"{place}\" data-said=\"{facts}\"><span>{name}</span></div>"
        );
        return;
    }
    let path = if above.is_empty() { name.clone() } else { format!("{above}/{name}") };
    let bytes = grouped(node.bytes);
    let _ = write!(
        html,
        "<section class=\"folder\" style=\"{place}\" data-name=\"{name}\" data-said=\"{bytes} bytes\">\
         <button class=\"head\">{name}</button><div class=\"in\">"
    );
    children.iter().for_each(|child| area(html, child, *inner, &path));
    html.push_str("</div></section>\n");
}

fn table(title: &str, rows: &[Row]) -> String {
    let row = |row: &Row| {
        let Row { name, bytes, parts } = row;
        let (image, kept) = (number(bytes.image()), number(bytes.kept()));
        let name = escaped(name);
        format!("<tr><td>{name}</td><td>{parts}</td><td>{image}</td><td>{kept}</td></tr>\n")
    };
    let rows: String = rows.iter().map(row).collect();
    format!(
        "<details><summary>{title}</summary><table>\n<tr><th></th><th>parts</th><th>image</th>\
         <th>kept</th></tr>\n{rows}</table></details>\n"
    )
}

fn escaped(text: &str) -> String {
    const SIGNS: [(char, &str); 4] =
        [('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;")];
    SIGNS.iter().fold(text.to_owned(), |text, (sign, name)| text.replace(*sign, name))
}
