//! Plots: one kind, points over two axes, drawn as SVG by plotters.
//!
//! Colours are not written into the drawing: what is drawn in a reserved colour refers to a custom
//! property of the page's style, so that a plot follows light, dark and print. Series differ in
//! colour and in the shape of their marks; every plot has its numbers in a table beside it.

mod axis;
mod draw;

use std::fmt::Write as _;

pub use axis::{Axis, Scale};

use crate::{
    page::colours,
    table::{Cell, Table, number},
    text::escape,
};

/// Points over two axes.
#[derive(Clone, Debug)]
pub struct Plot {
    /// What it shows, in a few words.
    pub title: String,
    /// The axis from left to right.
    pub x: Axis,
    /// The axis from bottom to top.
    pub y: Axis,
    /// What is shown.
    pub series: Vec<Series>,
    /// Whether to draw the line on which y is x.
    pub has_diagonal: bool,
}

/// Points that belong together.
#[derive(Clone, Debug)]
pub struct Series {
    /// Their name.
    pub name: String,
    /// How they are drawn.
    pub look: Look,
    /// From left to right.
    pub points: Vec<Point>,
}

/// A point.
#[derive(Clone, Debug)]
pub struct Point {
    /// From left to right.
    pub x: f64,
    /// From bottom to top.
    pub y: f64,
    /// The ends of its interval.
    pub spread: Option<(f64, f64)>,
    /// What to write beside it; mostly nothing.
    pub label: String,
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// A line with marks, intervals as a band.
    Line,
    /// A line without marks.
    Plain,
    /// A faint line behind the others, not in the table.
    Behind,
    /// Marks with whiskers.
    Marks,
}

/// As many colours as `page.css` has; further series begin again with other marks.
const COLOURS: usize = 8;

impl Plot {
    /// As HTML: the drawing, its legend, its numbers.
    pub(crate) fn html(&self) -> String {
        let title = escape(&self.title);
        let svg = draw::svg(self);
        let body = svg.split_once('>').map_or("", |(_, body)| body);
        let (width, height) = draw::SIZE;
        let mut html = format!(
            "<figure><svg class=\"plot\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             aria-label=\"{title}; the numbers are in the table below\">{body}\n<figcaption>{title}"
        );
        html.push_str(&self.legend());
        html.push_str("</figcaption><details><summary>Numbers</summary>");
        html.push_str(&self.table().html());
        html.push_str("</details></figure>\n");
        html
    }

    /// As a picture by itself, with title and legend, for a file of its own. It is light or dark as
    /// its reader is.
    pub fn svg(&self) -> String {
        const HEAD: u32 = 26;
        const LINE: u32 = 20;
        let svg = draw::svg(self);
        let body = svg.split_once('>').map_or("", |(_, body)| body);
        let (width, height) = draw::SIZE;
        let named = self.named();
        let (mut legend, mut x, mut y) = (String::new(), 12, HEAD + LINE);
        for (place, series) in named.iter().filter(|_| named.len() > 1) {
            // As wide as its letters, about.
            let room = 44 + 7 * u32::try_from(series.name.chars().count()).unwrap_or(0);
            if x + room > width && x > 12 {
                (x, y) = (12, y + LINE);
            }
            let _ = write!(
                legend,
                "<g transform=\"translate({x},{})\">{}</g><text x=\"{}\" y=\"{y}\">{}</text>",
                y - 11,
                draw::swatch(*place, series.look),
                x + 32,
                escape(&series.name)
            );
            x += room;
        }
        let top = if legend.is_empty() { HEAD } else { y + 8 };
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {}\" \
             font-family=\"sans-serif\" font-size=\"13\"><style>{}text {{ fill: var(--ink) }}</style>\
             <rect width=\"100%\" height=\"100%\" fill=\"var(--paper)\"/>\
             <text x=\"12\" y=\"18\" font-size=\"15\">{}</text>{legend}\
             <g transform=\"translate(0,{top})\">{}</g></svg>\n",
            top + height,
            colours(),
            escape(&self.title),
            body.rsplit_once("</svg>").map_or(body, |(body, _)| body)
        )
    }

    fn legend(&self) -> String {
        let named = self.named();
        if named.len() < 2
            || named.iter().all(|(_, s)| s.points.iter().any(|p| !p.label.is_empty()))
        {
            return String::new();
        }
        let mut html = String::from("<ul class=\"legend\">");
        for (place, series) in named {
            let _ = write!(
                html,
                "<li>{}{}</li>",
                draw::swatch(place, series.look),
                escape(&series.name)
            );
        }
        html + "</ul>"
    }

    /// Series that are told apart, with their places.
    fn named(&self) -> Vec<(usize, &Series)> {
        self.series.iter().enumerate().filter(|(_, s)| s.look != Look::Behind).collect()
    }

    /// All numbers: a column per series where all have the same places, else a row per point.
    fn table(&self) -> Table {
        let named = self.named();
        let places =
            |series: &Series| series.points.iter().map(|p| p.x.to_bits()).collect::<Vec<_>>();
        let same = named.windows(2).all(|pair| places(pair[0].1) == places(pair[1].1));
        let is_labelled = named.iter().any(|(_, s)| s.points.iter().any(|p| !p.label.is_empty()));
        let mut table = Table { caption: self.title.clone(), ..Table::default() };
        if let (true, false, Some((_, first))) = (same, is_labelled, named.first()) {
            table.head = vec![self.x.name.clone()];
            table.head.extend(named.iter().map(|(_, series)| series.name.clone()));
            for (at, point) in first.points.iter().enumerate() {
                let mut row = vec![Cell::Text(self.x.shown(point.x))];
                row.extend(
                    named.iter().map(|(_, series)| Cell::Text(self.value(&series.points[at]))),
                );
                table.rows.push(row);
            }
        } else {
            table.head = ["", &self.x.name, &self.y.name].map(str::to_owned).to_vec();
            for (_, series) in named {
                for point in &series.points {
                    let name = if point.label.is_empty() { &series.name } else { &point.label };
                    let x = Cell::Text(self.x.shown(point.x));
                    table.rows.push(vec![Cell::text(name), x, Cell::Text(self.value(point))]);
                }
            }
        }
        table
    }

    fn value(&self, point: &Point) -> String {
        let y = self.y.shown(point.y);
        match point.spread {
            Some((low, high)) => format!("{y} [{}, {}]", self.y.shown(low), self.y.shown(high)),
            None => y,
        }
    }
}

impl Axis {
    /// A number of this axis for a table.
    fn shown(&self, value: f64) -> String {
        let digits = match value.abs() {
            _ if value.fract() == 0.0 => 0,
            size if size >= 10.0 => 1,
            size if size >= 0.1 => 3,
            _ => 5,
        };
        number(value, digits)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn plot() -> Plot {
        let point = |x, y, spread| Point { x, y, spread, label: String::new() };
        let series = |name: &str, up: f64| Series {
            name: name.to_owned(),
            look: Look::Line,
            points: vec![point(1.0, 40.0 + up, Some((35.0, 45.0))), point(16.0, 60.5 + up, None)],
        };
        Plot {
            title: "right, by <N>".to_owned(),
            x: Axis { name: "N".to_owned(), scale: Scale::Log2, range: None },
            y: Axis {
                name: "right, %".to_owned(),
                scale: Scale::Linear,
                range: Some((0.0, 100.0)),
            },
            series: vec![series("a", 0.0), series("</svg><script>", 10.0)],
            has_diagonal: false,
        }
    }

    #[test]
    fn a_picture_by_itself_is_whole() {
        let svg = plot().svg();
        for part in [
            "--s0: ",
            "prefers-color-scheme: dark",
            "right, by &lt;N&gt;",
            "&lt;/svg&gt;&lt;script&gt;",
        ] {
            assert!(svg.contains(part), "{part}");
        }
        assert_eq!(svg.matches("<svg").count(), svg.matches("</svg>").count());
        assert!(!svg.contains("<script"));
    }

    #[test]
    fn numbers_stand_beside_the_drawing() {
        let table = plot().table();
        let cell = Cell::html;
        let rows: Vec<String> = table
            .rows
            .iter()
            .map(|row| row.iter().map(cell).collect::<Vec<_>>().join(" | "))
            .collect();
        expect!["1 | 40 [35, 45] | 50 [35, 45]\n16 | 60.5 | 70.5"].assert_eq(&rows.join("\n"));
    }

    #[test]
    fn a_drawing_is_the_same_bytes_and_holds_no_fixed_colour() {
        let html = plot().html();
        assert_eq!(html, plot().html());
        assert!(html.contains("var(--s0)") && html.contains("var(--s1)"), "{html}");
        assert!(!html.contains("=\"#"), "a colour is fixed: {html}");
        assert!(!html.contains("<script>"), "{html}");
        assert!(!html.contains("style="), "the policy of the page forbids it: {html}");
    }

    #[test]
    fn points_at_odd_places_are_drawn() {
        for (x, y) in [(0.0, 0.0), (1e-9, 1e9), (7.0, -3.0)] {
            let mut plot = plot();
            plot.x.scale = Scale::Log10;
            plot.y.range = None;
            plot.series[0].points = vec![Point { x, y, spread: None, label: "only".to_owned() }];
            plot.series.truncate(1);
            assert!(plot.html().contains("only"));
            plot.series[0].points.clear();
            assert!(plot.html().contains("<figure>"));
        }
    }
}
