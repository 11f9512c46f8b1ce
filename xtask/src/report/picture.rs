//! Bars as SVG, for a browser and a README. The picture has a ground of its own, light or dark as its
//! reader's, so that its text can be read wherever it stands.

use svg::Document;
use svg::node::element::{Group, Rectangle, Style, Text, Title};

use super::grid;
use crate::measure::{Conditions, Figure, Initcalls, Measurement, Run};

const CSS: &str = "text{font:13px system-ui,sans-serif;fill:#1f2328}.head{font-weight:600;font-size:15px}\
    .soft{fill:#59636e;font-size:12px}.ground{fill:#ffffff}.own{fill:#0969da}.peer{fill:#8c959f}\
    @media(prefers-color-scheme:dark){text{fill:#f0f6fc}.soft{fill:#9198a1}.ground{fill:#0d1117}\
    .own{fill:#4493f8}.peer{fill:#656c76}}";

const WIDTH: f64 = 820.0;
const MARGIN: f64 = 20.0;
/// Where bars begin: names stand to the left.
const BARS: f64 = 250.0;
const LONGEST: f64 = 340.0;
const BAR: f64 = 16.0;
const STEP: f64 = 24.0;

/// What a picture shows of each kernel.
const SHOWN: [(Figure, &str); 4] = [
    (Figure::Image, "Image size, bytes"),
    (Figure::Packed, "What gzip makes of it, bytes"),
    (Figure::Start, "Power-on to init"),
    (Figure::Resident, "Guest RAM resident"),
];

/// Bars for each kernel; kernels that were run under one set of conditions stand together.
pub(crate) fn picture(measured: &[Measurement]) -> String {
    let mut canvas = Canvas::new();
    for conditions in grid::conditions(measured) {
        let of = |one: &'_ Measurement| {
            let run = one.runs.iter().position(|run| run.conditions == *conditions)?;
            Some((one.clone(), one.runs[run].clone()))
        };
        let kernels: Vec<(Measurement, Run)> = measured.iter().filter_map(of).collect();
        canvas.heading(&heading(&kernels, conditions));
        canvas.soft(&conditions.vmm);
        for (figure, title) in SHOWN {
            let bars = kernels.iter().filter_map(|(one, run)| bar(one, run, figure)).collect();
            canvas.chart(title, bars);
        }
    }
    canvas.finish("Guest kernels: size, start and memory")
}

/// The slowest initcalls of a kernel.
pub(crate) fn initcalls_picture(measured: &[Measurement]) -> String {
    let mut canvas = Canvas::new();
    let with_calls = measured.iter().filter_map(|one| Some((one, one.initcalls.as_ref()?)));
    for (one, calls) in with_calls {
        canvas.heading(&format!("Slowest initcalls of {}", one.name));
        canvas.soft(&grid::total(calls));
        canvas.chart("Instructions, and the symbol that brought it in", call_bars(calls));
    }
    canvas.finish("Where the start of guest kernels goes")
}

fn heading(kernels: &[(Measurement, Run)], conditions: &Conditions) -> String {
    let arch = kernels.first().map(|(one, _)| one.arch.name()).unwrap_or_default();
    let Conditions { machine, accelerator, memory_mib, .. } = conditions;
    format!("{arch} on {machine}, {}, {memory_mib} MiB", accelerator.name())
}

struct Bar {
    name: String,
    value: u64,
    text: String,
    own: bool,
}

fn bar(one: &Measurement, run: &Run, figure: Figure) -> Option<Bar> {
    let measured = run.figures.get(&figure).map(|spread| spread.median);
    let value = one.sizes.get(&figure).copied().or(measured)?;
    let mut text = grid::value(figure, value, run.conditions.clock);
    if figure == Figure::Image {
        text = format!("{text} ({})", one.format);
    }
    Some(Bar { name: one.name.clone(), value, text, own: !one.peer })
}

fn call_bars(calls: &Initcalls) -> Vec<Bar> {
    let bar = |call: &crate::measure::Initcall| Bar {
        name: call.function.clone(),
        value: call.us,
        text: format!("{}, {}", grid::thousands(call.us), grid::symbol(call)),
        own: !call.asked.is_empty(),
    };
    calls.slowest.iter().map(bar).collect()
}

/// A picture that grows downwards.
struct Canvas {
    body: Group,
    y: f64,
}

impl Canvas {
    fn new() -> Self {
        Canvas { body: Group::new(), y: MARGIN }
    }

    fn text(&mut self, x: f64, y: f64, class: &str, words: &str) {
        let mut text = Text::new(words).set("x", x).set("y", y);
        if !class.is_empty() {
            text = text.set("class", class);
        }
        self.add(text);
    }

    fn add(&mut self, node: impl Into<Box<dyn svg::Node>>) {
        self.body = std::mem::take(&mut self.body).add(node);
    }

    fn heading(&mut self, words: &str) {
        self.y += 20.0;
        self.text(MARGIN, self.y, "head", words);
    }

    fn soft(&mut self, words: &str) {
        self.y += 18.0;
        self.text(MARGIN, self.y, "soft", words);
    }

    fn chart(&mut self, title: &str, bars: Vec<Bar>) {
        let Some(most) = bars.iter().map(|bar| bar.value).max() else { return };
        self.y += 26.0;
        self.text(MARGIN, self.y, "", title);
        self.y += 8.0;
        for bar in bars {
            let length = bar.value as f64 / most.max(1) as f64 * LONGEST;
            let class = if bar.own { "own" } else { "peer" };
            let shape = Rectangle::new()
                .set("x", BARS)
                .set("y", self.y)
                .set("width", (length * 10.0).round() / 10.0)
                .set("height", BAR)
                .set("rx", 2)
                .set("class", class);
            self.add(shape);
            self.text(MARGIN + 10.0, self.y + 13.0, "soft", &bar.name);
            let end = (BARS + length + 6.0).min(WIDTH - 8.0);
            self.text((end * 10.0).round() / 10.0, self.y + 13.0, "soft", &bar.text);
            self.y += STEP;
        }
        self.y += 4.0;
    }

    fn finish(self, title: &str) -> String {
        let height = self.y + MARGIN;
        let ground = Rectangle::new()
            .set("width", "100%")
            .set("height", "100%")
            .set("rx", 6)
            .set("class", "ground");
        let document = Document::new()
            .set("viewBox", (0, 0, WIDTH, height))
            .set("width", WIDTH)
            .set("height", height)
            .set("role", "img")
            .add(Title::new(title))
            .add(Style::new(CSS))
            .add(ground)
            .add(self.body);
        format!("{document}\n")
    }
}
