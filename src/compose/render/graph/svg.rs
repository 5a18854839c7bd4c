//! A project as a picture of its own: boxes for services, arrows to what they need, drums for volumes.

use super::dot::escaped;
use super::layers::layers;
use super::ports;
use super::volumes;
use super::waits_for;
use crate::compose::model::Project;
use crate::compose::model::Service;
use indexmap::IndexMap;
use std::fmt::Write as _;

const BOX: (usize, usize) = (210, 96);
const GAP: (usize, usize) = (90, 28);
const MARGIN: usize = 32;
const TITLE: usize = 44;
const DRUM: (usize, usize) = (150, 54);
/// How far the handles of an arrow are above it that goes over a box: its top is at three quarters of that.
const OVER: usize = (BOX.1 + GAP.1) / 2 * 4 / 3;
/// Longer texts are cut: about what fits into a box.
const LONGEST: usize = 30;

/// The colours of networks, by their number.
const COLOURS: [&str; 8] = [
    "#2563eb", "#16a34a", "#d97706", "#9333ea", "#dc2626", "#0891b2", "#be185d", "#4d7c0f",
];

const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#1f2937}.name{font-weight:600;font-size:15px}.dim{fill:#6b7280;font-size:12px}\
.box{fill:#fff;stroke:#cbd5e1;stroke-width:1.5}.drum{fill:#f1f5f9;stroke:#94a3b8;stroke-width:1.5}\
.edge{fill:none;stroke:#64748b;stroke-width:1.5;marker-end:url(#tip)}.kept{fill:none;stroke:#94a3b8;stroke-dasharray:4 4}";

/// Draws the stack.
pub fn svg(project: &Project) -> String {
    let picture = Picture::new(project);
    let (width, height) = picture.size();
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\">\n<title>{name}</title>\n<style>{STYLE}</style>\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" \
         orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#64748b\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#f8fafc\"/>\n\
         <text x=\"{MARGIN}\" y=\"30\" class=\"name\">{name}</text>\n",
        name = escaped(project.name.as_str()),
    );
    picture.legend(&mut text);
    picture.edges(&mut text);
    for (service, place) in project.services.values().zip(&picture.places) {
        picture.service(service, *place, &mut text);
    }
    picture.drums(&mut text);
    text.push_str("</svg>\n");
    text
}

/// Where everything is.
struct Picture<'a> {
    project: &'a Project,
    /// The upper left corner of each service.
    places: Vec<(usize, usize)>,
    /// That of each volume.
    drums: IndexMap<&'a str, (usize, usize)>,
}

impl<'a> Picture<'a> {
    fn new(project: &'a Project) -> Self {
        let mut places = vec![(0, 0); project.services.len()];
        let mut bottom = MARGIN + TITLE;
        for (column, layer) in layers(project).iter().enumerate() {
            for (row, service) in layer.iter().enumerate() {
                let x = MARGIN + column * (BOX.0 + GAP.0);
                let y = MARGIN + TITLE + row * (BOX.1 + GAP.1);
                places[*service] = (x, y);
                bottom = bottom.max(y + BOX.1 + GAP.1);
            }
        }
        let used = project.services.values().flat_map(volumes);
        let mut drums = IndexMap::new();
        for (name, _) in used {
            let next = drums.len();
            let x = MARGIN + next * (DRUM.0 + GAP.1);
            drums.entry(name).or_insert((x, bottom + GAP.1));
        }
        Self {
            project,
            places,
            drums,
        }
    }

    fn size(&self) -> (usize, usize) {
        let boxes = self.places.iter().map(|(x, y)| (x + BOX.0, y + BOX.1));
        let drums = self.drums.values().map(|(x, y)| (x + DRUM.0, y + DRUM.1));
        let corners: Vec<(usize, usize)> = boxes.chain(drums).collect();
        let width = corners.iter().map(|(x, _)| *x).max().unwrap_or(BOX.0);
        let height = corners.iter().map(|(_, y)| *y).max().unwrap_or(BOX.1);
        (width + MARGIN, height + MARGIN)
    }

    fn colour(&self, network: &str) -> &'static str {
        let number = self.project.networks.get_index_of(network).unwrap_or(0);
        COLOURS[number % COLOURS.len()]
    }

    /// The networks with their colours.
    fn legend(&self, text: &mut String) {
        let mut x = MARGIN;
        for name in self.project.networks.keys() {
            let (colour, shown) = (self.colour(name), cut(name));
            let _ = writeln!(
                text,
                "<rect x=\"{x}\" y=\"44\" width=\"10\" height=\"10\" rx=\"5\" fill=\"{colour}\"/>\
                 <text x=\"{}\" y=\"54\" class=\"dim\">{shown}</text>",
                x + 16
            );
            x += 40 + 8 * name.chars().count().min(LONGEST);
        }
    }

    fn service(&self, service: &Service, (x, y): (usize, usize), text: &mut String) {
        let (width, height) = BOX;
        let _ = writeln!(
            text,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"8\" class=\"box\"/>\
             <text x=\"{left}\" y=\"{}\" class=\"name\">{}</text><text x=\"{left}\" y=\"{}\" class=\"dim\">{}</text>\
             <text x=\"{left}\" y=\"{}\">{}</text>",
            y + 26,
            cut(service.name.as_str()),
            y + 46,
            cut(&service.image),
            y + 66,
            cut(&ports(service).join("  ")),
            left = x + 14,
        );
        for (index, network) in service.networks.keys().enumerate() {
            let _ = writeln!(
                text,
                "<rect x=\"{}\" y=\"{}\" width=\"10\" height=\"10\" rx=\"5\" fill=\"{}\"/>",
                x + 14 + index * 15,
                y + height - 18,
                self.colour(network)
            );
        }
    }

    fn edges(&self, text: &mut String) {
        for (service, (x, y)) in self.project.services.values().zip(&self.places) {
            for (need, dependency) in &service.depends_on {
                let Some(need) = self.project.services.get_index_of(need.as_str()) else {
                    continue;
                };
                let (from, to) = ((x + BOX.0, y + BOX.1 / 2), self.places[need]);
                let to = (to.0, to.1 + BOX.1 / 2);
                let (out, into) = (from.0 + GAP.0 / 2, to.0.saturating_sub(GAP.0 / 2));
                // One that skips a column goes over the box there, not through it.
                let lift = match to.0.saturating_sub(from.0) > GAP.0 {
                    true => OVER,
                    false => 0,
                };
                let _ = writeln!(
                    text,
                    "<path d=\"M{} {}C{out} {} {into} {} {} {}\" class=\"edge\"/>",
                    from.0,
                    from.1,
                    from.1 - lift,
                    to.1 - lift,
                    to.0,
                    to.1
                );
                let word = waits_for(dependency.condition);
                if !word.is_empty() {
                    let _ = writeln!(
                        text,
                        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\" class=\"dim\">{word}</text>",
                        to.0 - 12,
                        to.1 - 6
                    );
                }
            }
            for (volume, _) in volumes(service) {
                if let Some(drum) = self.drums.get(volume) {
                    let _ = writeln!(
                        text,
                        "<path d=\"M{} {}L{} {}\" class=\"kept\"/>",
                        x + BOX.0 / 2,
                        y + BOX.1,
                        drum.0 + DRUM.0 / 2,
                        drum.1
                    );
                }
            }
        }
    }

    fn drums(&self, text: &mut String) {
        let (width, height) = DRUM;
        for (name, (x, y)) in &self.drums {
            let _ = writeln!(
                text,
                "<path d=\"M{x} {top}a{half} 8 0 0 1 {width} 0v{side}a{half} 8 0 0 1 -{width} 0z\" class=\"drum\"/>\
                 <path d=\"M{x} {top}a{half} 8 0 0 0 {width} 0\" class=\"drum\" fill-opacity=\"0\"/>\
                 <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                x + width / 2,
                y + height / 2 + 10,
                cut(name),
                top = y + 8,
                half = width / 2,
                side = height - 16,
            );
        }
    }
}

/// Text that fits into a box.
fn cut(text: &str) -> String {
    let mut shown: String = text.chars().take(LONGEST).collect();
    if text.chars().count() > LONGEST {
        shown.pop();
        shown.push('…');
    }
    escaped(&shown.replace(|c: char| c.is_control(), " "))
}
