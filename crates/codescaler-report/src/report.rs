//! What a page says.

use std::fmt::Write as _;

use crate::{browser::Browser, plot::Plot, table::Cell, table::Table, text::escape};

/// What a page says, from top to bottom.
#[derive(Debug, Default)]
pub struct Report<'a> {
    /// The heading.
    pub title: String,
    /// What was found, in sentences.
    pub lead: Vec<String>,
    /// The figures to remember, if there are any.
    pub figures: Vec<Figure>,
    /// Tables and plots.
    pub sections: Vec<Section>,
    /// Problems and programs.
    pub browser: Option<Browser<'a>>,
    /// How the run came about: name and value.
    pub provenance: Vec<(String, String)>,
    /// Where the page will be.
    pub place: Place,
}

/// Where a page is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// In a file of its own.
    #[default]
    File,
    /// In a server, whose list of runs it leads back to.
    Server,
}

/// A figure to remember.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What it is.
    pub name: String,
    /// The figure.
    pub value: Cell,
}

/// Some tables and plots under a heading.
#[derive(Clone, Debug)]
pub struct Section {
    /// The name by which links find it: letters and hyphens.
    pub id: &'static str,
    /// The heading.
    pub title: String,
    /// What stands under it.
    pub blocks: Vec<Block>,
}

/// A part of a section.
#[derive(Clone, Debug)]
pub enum Block {
    /// A paragraph.
    Words(String),
    /// Something that the run lacks.
    Missing {
        /// What.
        what: String,
        /// The command that makes it.
        command: String,
    },
    /// A table.
    Table(Table),
    /// A plot.
    Plot(Plot),
}

impl Report<'_> {
    /// Heading, sentences and figures.
    pub(crate) fn header(&self) -> String {
        let back = match self.place {
            Place::File => "",
            Place::Server => "<p><a href=\"/ui\">All runs</a></p>\n",
        };
        let mut html = format!("<header>{back}<h1>{}</h1>\n", escape(&self.title));
        if !self.figures.is_empty() {
            html.push_str("<dl class=\"figures\">");
            for Figure { name, value } in &self.figures {
                let _ =
                    write!(html, "<div><dt>{}</dt><dd>{}</dd></div>", escape(name), value.html());
            }
            html.push_str("</dl>\n");
        }
        for words in &self.lead {
            let _ = writeln!(html, "<p>{}</p>", escape(words));
        }
        html.push_str("</header>\n");
        html
    }

    /// Links to the sections.
    pub(crate) fn contents(&self) -> String {
        let mut links: Vec<(&str, &str)> =
            self.sections.iter().map(|section| (section.id, section.title.as_str())).collect();
        if self.browser.is_some() {
            links.push(("programs", "Problems and programs"));
        }
        links.push(("provenance", "Provenance"));
        let links: Vec<String> = links
            .into_iter()
            .map(|(id, title)| format!("<a href=\"#{id}\">{}</a>", escape(title)))
            .collect();
        format!("<nav aria-label=\"Sections\">{}</nav>\n", links.join(" "))
    }

    /// How the run came about.
    pub(crate) fn origin(&self) -> String {
        let mut html =
            String::from("<section id=\"provenance\"><h2>Provenance</h2><dl class=\"facts\">");
        for (name, value) in &self.provenance {
            let _ = write!(html, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(value));
        }
        html.push_str("</dl></section>\n");
        html
    }
}

impl Section {
    pub(crate) fn html(&self) -> String {
        let mut html = format!("<section id=\"{}\"><h2>{}</h2>\n", self.id, escape(&self.title));
        for block in &self.blocks {
            match block {
                Block::Words(words) => {
                    let _ = writeln!(html, "<p>{}</p>", escape(words));
                }
                Block::Missing { what, command } => {
                    let (what, command) = (escape(what), escape(command));
                    let _ = writeln!(
                        html,
                        "<p class=\"missing\">Not in this run: {what}. <code>{command}</code> makes it.</p>"
                    );
                }
                Block::Table(table) => html.push_str(&table.html()),
                Block::Plot(plot) => html.push_str(&plot.html()),
            }
        }
        html.push_str("</section>\n");
        html
    }
}
