//! A project as a picture of its own: boxes for services, arrows to what they need, drums for volumes.

use super::dot::escaped;
use super::layout::Layout;
use super::ports;
use super::volumes;
use super::waits_for;
use crate::compose::model::Project;
use crate::compose::model::Service;
use indexmap::IndexSet;
use std::fmt::Write as _;

const BOX: (usize, usize) = (210, 96);
const DRUM: (usize, usize) = (150, 54);
/// Between columns.
const GAP: usize = 90;
const MARGIN: usize = 32;
const TITLE: usize = 44;
/// Between the ends of arrows at one box, if there is room.
const ENDS: f64 = 16.0;
/// The same in a box that grows with them: the tips still stand apart.
const TIPS: usize = 12;
/// Above the first and below the last end of an arrow, together.
const AROUND: usize = 24;
/// About how many characters fit into a box: of a name, and of other words.
const LONGEST_NAME: usize = 20;
const LONGEST: usize = 28;

/// The colours of networks, by their number.
const COLOURS: [&str; 8] = [
    "#2563eb", "#16a34a", "#d97706", "#9333ea", "#dc2626", "#0891b2", "#be185d", "#4d7c0f",
];

const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#1f2937}.name{font-weight:600;font-size:15px}.dim{fill:#6b7280;font-size:12px}\
.box{fill:#fff;stroke:#cbd5e1;stroke-width:1.5}.drum{fill:#f1f5f9;stroke:#94a3b8;stroke-width:1.5}\
.edge{fill:none;stroke:#64748b;stroke-width:1.5;marker-end:url(#tip)}.kept{fill:none;stroke:#94a3b8;stroke-dasharray:4 4}\
.word{fill:#6b7280;font-size:11px;stroke:#f8fafc;stroke-width:3;paint-order:stroke}";

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
    picture.lines(&mut text);
    for (index, service) in project.services.values().enumerate() {
        picture.service(index, service, &mut text);
    }
    for (index, name) in picture.drums.iter().enumerate() {
        drum(
            name,
            picture.corner(project.services.len() + index),
            &mut text,
        );
    }
    text.push_str("</svg>\n");
    text
}

/// A line from a service to what it needs, or to the volume that it keeps something in.
struct Link {
    from: usize,
    to: usize,
    /// What is waited for; nothing for a volume.
    waits_for: Option<&'static str>,
}

/// Where everything is. Services come first, then volumes.
struct Picture<'a> {
    project: &'a Project,
    drums: IndexSet<&'a str>,
    links: Vec<Link>,
    /// Of the boxes.
    heights: Vec<usize>,
    layout: Layout,
}

impl<'a> Picture<'a> {
    fn new(project: &'a Project) -> Self {
        let services = &project.services;
        let drums: IndexSet<&str> = services
            .values()
            .flat_map(|service| volumes(service).map(|(name, _)| name))
            .collect();
        let mut links = Vec::new();
        for (from, service) in services.values().enumerate() {
            let needs = service.depends_on.iter().filter_map(|(name, need)| {
                let to = services.get_index_of(name.as_str())?;
                let waits_for = Some(waits_for(need.condition));
                Some(Link {
                    from,
                    to,
                    waits_for,
                })
            });
            links.extend(needs);
            let kept = volumes(service).filter_map(|(name, _)| drums.get_index_of(name));
            links.extend(kept.map(|drum| Link {
                from,
                to: services.len() + drum,
                waits_for: None,
            }));
        }
        let boxes = heights(services.len(), &links);
        let drawn = boxes.iter().copied().chain(drums.iter().map(|_| DRUM.1));
        let heights: Vec<f64> = drawn.map(|height| height as f64).collect();
        let pairs: Vec<(usize, usize)> = links.iter().map(|link| (link.from, link.to)).collect();
        Self {
            project,
            drums,
            layout: Layout::new(&heights, &pairs),
            heights: boxes,
            links,
        }
    }

    /// How wide and high a box or drum is.
    fn extent(&self, index: usize) -> (usize, usize) {
        let height = self.heights.get(index);
        height.map_or(DRUM, |height| (BOX.0, *height))
    }

    /// Its upper left corner.
    fn corner(&self, index: usize) -> (usize, usize) {
        let (column, middle) = self.layout.boxes[index];
        let top = middle - self.extent(index).1 as f64 / 2.0;
        (left(column), MARGIN + TITLE + top.round() as usize)
    }

    fn size(&self) -> (usize, usize) {
        let corner = |index: usize| {
            let ((x, y), (width, height)) = (self.corner(index), self.extent(index));
            (x + width, y + height)
        };
        let corners: Vec<_> = (0..self.layout.boxes.len()).map(corner).collect();
        let width = corners.iter().map(|(x, _)| *x).max().unwrap_or(BOX.0);
        let height = corners.iter().map(|(_, y)| *y).max().unwrap_or(BOX.1);
        let lowest = self
            .layout
            .gaps
            .iter()
            .flatten()
            .copied()
            .fold(0.0, f64::max);
        let lowest = lowest as usize + MARGIN + TITLE;
        (width + MARGIN, height.max(lowest) + MARGIN)
    }

    fn colour(&self, network: &str) -> &'static str {
        let number = self.project.networks.get_index_of(network).unwrap_or(0);
        COLOURS[number % COLOURS.len()]
    }

    /// The networks with their colours.
    fn legend(&self, text: &mut String) {
        let mut x = MARGIN;
        for name in self.project.networks.keys() {
            let (colour, shown) = (self.colour(name), cut(name, LONGEST));
            let _ = writeln!(
                text,
                "<rect x=\"{x}\" y=\"44\" width=\"10\" height=\"10\" rx=\"5\" fill=\"{colour}\"/>\
                 <text x=\"{}\" y=\"54\" class=\"dim\">{shown}</text>",
                x + 16
            );
            x += 40 + 8 * name.chars().count().min(LONGEST);
        }
    }

    fn service(&self, index: usize, service: &Service, text: &mut String) {
        let ((x, y), (width, height)) = (self.corner(index), self.extent(index));
        let _ = writeln!(
            text,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"8\" class=\"box\"/>\
             <text x=\"{left}\" y=\"{}\" class=\"name\">{}</text><text x=\"{left}\" y=\"{}\" class=\"dim\">{}</text>\
             <text x=\"{left}\" y=\"{}\">{}</text>",
            y + 26,
            cut(service.name.as_str(), LONGEST_NAME),
            y + 46,
            end_of(&service.image),
            y + 66,
            cut(&ports(service).join("  "), LONGEST),
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

    /// Where the links begin and end: those at one box side by side, in the order in which they go away from it.
    fn ends(&self) -> Vec<[f64; 2]> {
        let mut ends = vec![[0.0; 2]; self.links.len()];
        for side in [0, 1] {
            let mut at: Vec<Vec<(f64, usize)>> = vec![Vec::new(); self.layout.boxes.len()];
            for (number, link) in self.links.iter().enumerate() {
                let gaps = &self.layout.gaps[number];
                let (here, there, next) = match side {
                    0 => (link.from, link.to, gaps.first()),
                    _ => (link.to, link.from, gaps.last()),
                };
                let next = next.copied().unwrap_or(self.layout.boxes[there].1);
                at[here].push((next, number));
            }
            for (index, mut links) in at.into_iter().enumerate() {
                links.sort_by(|one, other| one.0.total_cmp(&other.0));
                let room = (self.extent(index).1 - AROUND) as f64;
                let step = ENDS.min(room / links.len().saturating_sub(1).max(1) as f64);
                let middle = links.len().saturating_sub(1) as f64 / 2.0;
                for (place, (_, number)) in links.into_iter().enumerate() {
                    let from_middle = (place as f64 - middle) * step;
                    ends[number][side] = self.layout.boxes[index].1 + from_middle;
                }
            }
        }
        ends
    }

    fn lines(&self, text: &mut String) {
        for (number, ends) in self.ends().into_iter().enumerate() {
            let link = &self.links[number];
            let (path, (x, y)) = self.path(number, ends);
            let class = link.waits_for.map_or("kept", |_| "edge");
            let _ = writeln!(text, "<path d=\"{path}\" class=\"{class}\"/>");
            if let Some(word) = link.waits_for.filter(|word| !word.is_empty()) {
                let _ = writeln!(
                    text,
                    "<text x=\"{}\" y=\"{}\" text-anchor=\"end\" class=\"word\">{word}</text>",
                    x - 12,
                    y - 6
                );
            }
        }
    }

    /// The curve of a link, straight through the gaps that it passes, and where it ends.
    fn path(&self, number: usize, [start, end]: [f64; 2]) -> (String, (usize, usize)) {
        let link = &self.links[number];
        let down = |middle: f64| middle.round() as usize + MARGIN + TITLE;
        let (first, last) = (self.layout.boxes[link.from].0, self.layout.boxes[link.to].0);
        let gaps = self.layout.gaps[number].iter().copied();
        let stops = (first + 1..).zip(gaps).chain([(last, end)]);
        let (mut x, mut y) = (left(first) + BOX.0, down(start));
        let mut path = format!("M{x} {y}");
        for (column, middle) in stops {
            let (to_x, to_y) = (left(column), down(middle));
            let half = x.midpoint(to_x);
            let _ = write!(path, "C{half} {y} {half} {to_y} {to_x} {to_y}");
            (x, y) = (to_x, to_y);
            if column != last {
                x += BOX.0;
                let _ = write!(path, "H{x}");
            }
        }
        (path, (x, y))
    }
}

/// How high the boxes of services are: with room for the ends of arrows at either side.
fn heights(services: usize, links: &[Link]) -> Vec<usize> {
    let mut ends = vec![[0usize; 2]; services];
    for link in links {
        ends[link.from][0] += 1;
        if let Some(ends) = ends.get_mut(link.to) {
            ends[1] += 1;
        }
    }
    let height = |[out, into]: [usize; 2]| AROUND + TIPS * out.max(into).saturating_sub(1);
    ends.into_iter()
        .map(|ends| BOX.1.max(height(ends)))
        .collect()
}

/// The left side of a column.
fn left(column: usize) -> usize {
    MARGIN + column * (BOX.0 + GAP)
}

fn drum(name: &str, (x, y): (usize, usize), text: &mut String) {
    let (width, height) = DRUM;
    let _ = writeln!(
        text,
        "<path d=\"M{x} {top}a{half} 8 0 0 1 {width} 0v{side}a{half} 8 0 0 1 -{width} 0z\" class=\"drum\"/>\
         <path d=\"M{x} {top}a{half} 8 0 0 0 {width} 0\" class=\"drum\" fill-opacity=\"0\"/>\
         <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
        x + width / 2,
        y + height / 2 + 10,
        cut(name, LONGEST_NAME),
        top = y + 8,
        half = width / 2,
        side = height - 16,
    );
}

/// Text that fits into a box: its beginning.
fn cut(text: &str, longest: usize) -> String {
    let mut shown: String = text.chars().take(longest).collect();
    if text.chars().count() > longest {
        shown.pop();
        shown.push('…');
    }
    plain(&shown)
}

/// Text that fits into a box: its end, which tells images of one registry apart.
fn end_of(text: &str) -> String {
    let over = text.chars().count().saturating_sub(LONGEST);
    match over {
        0 => plain(text),
        over => plain(&format!(
            "…{}",
            text.chars().skip(over + 1).collect::<String>()
        )),
    }
}

fn plain(text: &str) -> String {
    escaped(&text.replace(|c: char| c.is_control(), " "))
}
