//! Les Houches event files (hep-ph/0609017, version 3: arXiv:1405.1067).

use super::declaration::Declaration;
use super::lines::{number, whole, Lines};
use super::raw::Raw;
use super::{Event, Made, Particle};
use std::io::{self, Write};
use std::ops::Range;

/// Particles of an event; no generator writes more.
const MOST: i64 = 100_000;

/// What a file says before its first event. Empty if there is none.
///
/// # Errors
/// What is wrong, in words.
pub fn begin(lines: &mut Lines) -> Result<Raw, String> {
    let mut raw = Raw::default();
    let (mut opened, mut comment) = (false, false);
    loop {
        let from = raw.text.len();
        if !lines.read(&mut raw.text)? {
            return match opened {
                true => Err("it ends before an event: it is cut short, or there are none".into()),
                false => Err("it is no file of Les Houches events".into()),
            };
        }
        let line = without_comments(&raw.text[from..], &mut comment);
        opened |= line.contains("<LesHouchesEvents");
        if !opened && raw.text.len() > 1 << 16 {
            return Err(
                "it is no file of Les Houches events: none of its first lines opens one".into(),
            );
        }
        if line.contains("</init>") && opened {
            break;
        }
        if line.trim() == "<event>" && opened {
            return Err("its first event comes before the end of <init>".into());
        }
    }
    let (mut initial, mut comment) = (None, false);
    let mut names = Vec::new();
    for line in raw.text.split_inclusive('\n') {
        let line = without_comments(line, &mut comment);
        for tag in line.split('<').skip(1) {
            // One that has no name has a place.
            if let Some(rest) = named(tag, "weight") {
                names.push(attribute(rest, "id").unwrap_or_else(|| names.len().to_string()));
            }
        }
        let numbers: Vec<&str> = line.split_ascii_whitespace().collect();
        if initial == Some(true) && numbers.len() >= 10 {
            raw.strategy = numbers[8].parse().ok();
            initial = Some(false);
        }
        if line.contains("<init>") || line.contains("<init ") {
            initial = Some(true);
        }
    }
    raw.names = names;
    Ok(raw)
}

/// A line without what is in XML comments; `comment` says whether it begins in one, and then whether the next does.
fn without_comments(line: &str, comment: &mut bool) -> String {
    let mut out = String::new();
    let mut rest = line;
    while !rest.is_empty() {
        let (end, behind) = if *comment { ("-->", 3) } else { ("<!--", 4) };
        let (text, more) = match rest.find(end) {
            Some(at) => (&rest[..at], &rest[at + behind..]),
            None => (rest, ""),
        };
        if !*comment {
            out.push_str(text);
        }
        if text.len() == rest.len() {
            break;
        }
        *comment = !*comment;
        rest = more;
    }
    out
}

/// What is behind the name of a tag, if it has this one.
fn named<'t>(tag: &'t str, name: &str) -> Option<&'t str> {
    let rest = tag.strip_prefix(name)?;
    rest.starts_with(|c: char| c.is_whitespace() || c == '>')
        .then_some(rest)
}

/// The value of an attribute among those of a tag.
fn attribute(tag: &str, key: &str) -> Option<String> {
    let mut rest = tag.split('>').next()?;
    loop {
        let (before, value) = rest.split_once('=')?;
        let value = value.trim_start();
        let quote = value.chars().next().filter(|c| ['"', '\''].contains(c))?;
        let (value, behind) = value[1..].split_once(quote)?;
        if before.trim() == key {
            return Some(value.trim().into());
        }
        rest = behind;
    }
}

/// Words of a line with where they are in the text that has it at `from`.
fn words(line: &str, from: usize) -> Vec<(&str, Range<usize>)> {
    let origin = line.as_ptr() as usize;
    let words = line.split_ascii_whitespace().map(|word| {
        let at = from + word.as_ptr() as usize - origin;
        (word, at..at + word.len())
    });
    words.collect()
}

/// Reads the next event; what stands before it, as remarks, comes with its text. False at the end, whose text is then there.
///
/// # Errors
/// What is wrong, in words.
pub fn next(lines: &mut Lines, names: &[String], raw: &mut Raw) -> Result<bool, String> {
    raw.clear();
    let line = |lines: &mut Lines, raw: &mut Raw| {
        let from = raw.text.len();
        let read = lines.read(&mut raw.text)?;
        Ok::<_, String>(read.then_some(from))
    };
    let mut comment = false;
    loop {
        let from = line(lines, raw)?.ok_or("it is cut short: </LesHouchesEvents> is missing")?;
        let text = without_comments(&raw.text[from..], &mut comment);
        let text = text.trim();
        if let Some(rest) = text.strip_prefix('<').and_then(|tag| named(tag, "event")) {
            match rest.split_once('>') {
                Some((_, "")) => break,
                _ => {
                    return Err(format!(
                        "line {}: an event begins with a line of <event> alone",
                        lines.number
                    ))
                }
            }
        }
        if text.starts_with("</LesHouchesEvents") {
            while let Some(from) = line(lines, raw)? {
                if !raw.text[from..].trim().is_empty() {
                    return Err(format!(
                        "line {}: something follows the end of the events: were several files put together? Take each by itself, or join them as their generator's tools do",
                        lines.number
                    ));
                }
            }
            return Ok(false);
        }
    }
    let mut left = None;
    let mut tags = None;
    loop {
        let from = line(lines, raw)?.ok_or("it is cut short, within an event")?;
        let number_of = lines.number;
        let wrong = move |what: String| format!("line {number_of}: {what}");
        let text = raw.text[from..].trim();
        if text.starts_with("</event") {
            if !raw.block {
                raw.end = from;
            }
            break;
        }
        if text.contains("</event") && !text.starts_with('#') {
            return Err(wrong("</event> is behind something else".into()));
        }
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if tags.is_some() || text.starts_with('<') {
            // Behind the particles.
            if left.is_some_and(|left| left > 0) {
                break;
            }
            tags.get_or_insert(from);
            if let Some(at) = raw.text[from..].find("</rwgt") {
                (raw.end, raw.block) = (from + at, true);
            }
            continue;
        }
        let line = &raw.text[from..];
        let fields = words(line, from);
        match left {
            None => {
                let [(particles, _), _, (weight, span), _, _, _] = &fields[..] else {
                    return Err(wrong(
                        "an event begins with six numbers: of particles and process, the weight, scale and couplings"
                            .into(),
                    ));
                };
                let particles = whole(particles).map_err(wrong)?;
                if !(0..=MOST).contains(&particles) {
                    return Err(wrong(format!("{particles} particles")));
                }
                raw.weight = number(weight).map_err(wrong)?;
                raw.spans.push((span.clone(), raw.weight));
                left = Some(particles);
            }
            // Some write more lines, of no tag.
            Some(0) => (),
            Some(more) => {
                let fields: Vec<&str> = fields.iter().map(|(word, _)| *word).collect();
                let [pdg, status, a, b, c, d, x, y, z, e, _, _, _] = fields[..] else {
                    return Err(wrong("a particle has 13 numbers".into()));
                };
                let mut p = [0.0; 4];
                for (value, text) in p.iter_mut().zip([x, y, z, e]) {
                    *value = number(text).map_err(wrong)?;
                }
                for text in [a, b, c, d] {
                    whole(text).map_err(wrong)?;
                }
                raw.particles.push(Particle {
                    pdg: whole(pdg).map_err(wrong)?,
                    status: whole(status).map_err(wrong)?,
                    p,
                });
                left = Some(more - 1);
            }
        }
    }
    if left != Some(0) {
        return Err(format!(
            "line {}: the event has fewer particles than it says",
            lines.number
        ));
    }
    if let Some(tags) = tags {
        named_weights(raw, tags, names).map_err(|what| {
            format!(
                "line {}, in the event that ends there: {what}",
                lines.number
            )
        })?;
    }
    Ok(true)
}

/// The weights in the tags of an event, which begin at `from`.
fn named_weights(raw: &mut Raw, from: usize, names: &[String]) -> Result<(), String> {
    let text = &raw.text;
    let (mut spans, mut weights) = (Vec::new(), Vec::new());
    let mut at = from;
    while let Some(open) = text[at..].find('<') {
        at += open;
        if text[at..].starts_with("<!--") {
            at = text[at..].find("-->").map_or(text.len(), |end| at + end);
            continue;
        }
        at += 1;
        let tag = &text[at..];
        let content = tag.find('>').map(|end| at + end + 1);
        let Some(content) = content else {
            break;
        };
        let end = content + text[content..].find('<').unwrap_or(text.len() - content);
        if let Some(rest) = named(tag, "wgt") {
            let values = words(&text[content..end], content);
            let [(value, span)] = &values[..] else {
                return Err("<wgt> holds one number".into());
            };
            let value = number(value)?;
            weights.push((attribute(rest, "id").unwrap_or_default(), value));
            spans.push((span.clone(), value));
        } else if named(tag, "weights").is_some() {
            let values = words(&text[content..end], content);
            // Further ones may be declared that have tags of their own.
            let all = values.len() <= names.len();
            for (place, (value, span)) in values.into_iter().enumerate() {
                let value = number(value)?;
                let name = names.get(place).filter(|_| all).cloned();
                weights.push((name.unwrap_or_else(|| format!("#{place}")), value));
                spans.push((span, value));
            }
        }
        at = end;
    }
    raw.spans.extend(spans);
    raw.weights.extend(weights);
    Ok(())
}

/// An event's text with all its weights multiplied by a factor, or with one more of this name.
pub fn edited(raw: &Raw, factor: f64, name: Option<&str>) -> String {
    let Some(name) = name else {
        return raw.multiplied(factor);
    };
    let new = format!("<wgt id=\"{name}\">{:e}</wgt>\n", raw.weight * factor);
    match raw.block {
        true => raw.with(&new),
        false => raw.with(&format!("<rwgt>\n{new}</rwgt>\n")),
    }
}

/// The beginning of a file with one more weight declared.
pub fn declared(begin: &str, name: &str) -> String {
    let line = format!("<weight id=\"{name}\">laser reweight: {name}</weight>\n");
    let group = format!("<weightgroup name=\"laser\" combine=\"none\">\n{line}</weightgroup>\n");
    for (end, text) in [
        ("</initrwgt>", group.clone()),
        ("</header>", format!("<initrwgt>\n{group}</initrwgt>\n")),
        (
            "<init>",
            format!("<header>\n<initrwgt>\n{group}</initrwgt>\n</header>\n"),
        ),
    ] {
        if let Some(at) = outside_comments(begin, end) {
            return [&begin[..at], &text, &begin[at..]].concat();
        }
    }
    begin.into()
}

/// Where something first is that no comment holds.
fn outside_comments(text: &str, what: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        let comment = text[at..].find("<!--").map_or(text.len(), |open| at + open);
        if let Some(found) = text[at..comment].find(what) {
            return Some(at + found);
        }
        at = comment + text[comment..].find("-->")?;
    }
}

/// Begins a file.
pub fn write_begin(
    out: &mut impl Write,
    declaration: &Declaration,
    attributes: &[(&str, String)],
) -> io::Result<()> {
    let missing = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let beams = declaration.beams.as_ref();
    let beams = beams.ok_or_else(|| missing("an .lhe file has beams: declare `beams`"))?;
    if declaration.incoming.is_none() {
        return Err(missing(
            "an .lhe event has two partons that go in: declare `incoming`",
        ));
    }
    let [value, error] = declaration
        .cross_section
        .ok_or_else(|| missing("an .lhe file has a cross-section: declare `cross_section`"))?;
    writeln!(out, "<LesHouchesEvents version=\"3.0\">\n<header>")?;
    writeln!(out, "<liblaser version=\"{}\">", env!("CARGO_PKG_VERSION"))?;
    for (name, value) in attributes {
        let value = value.replace('&', "&amp;").replace('<', "&lt;");
        writeln!(out, "{name} {value}")?;
    }
    writeln!(out, "</liblaser>\n</header>\n<init>")?;
    let ([a, b], [c, d]) = (beams.pdg, beams.energy);
    // -4: weights of any size, whose mean is the cross-section in pb.
    writeln!(out, "{a} {b} {c:e} {d:e} -1 -1 -1 -1 -4 1")?;
    writeln!(out, "{value:e} {error:e} {value:e} {}", declaration.process)?;
    writeln!(
        out,
        "<generator name=\"liblaser\" version=\"{}\">latent space refinement, arXiv:2106.00792</generator>\n</init>",
        env!("CARGO_PKG_VERSION")
    )
}

/// Writes an event, of a weight whose mean is 1.
pub fn write_event(
    out: &mut impl Write,
    declaration: &Declaration,
    event: &Event,
    weight: f64,
) -> io::Result<()> {
    let incoming = event.incoming.as_ref().map_or(&[][..], |two| &two[..]);
    let unit = declaration.cross_section.map_or(1.0, |[value, _]| value);
    writeln!(
        out,
        "<event>\n{} {} {:e} {:e} {:e} {:e}",
        incoming.len() + event.out.len(),
        declaration.process,
        weight * unit,
        event.scale,
        declaration.alpha_qed,
        declaration.alpha_qcd
    )?;
    let mut line = |particle: &Made, status: i32, mothers: [usize; 2]| {
        let ([x, y, z, e], [a, b]) = (particle.p, particle.colors);
        writeln!(
            out,
            "{} {status} {} {} {a} {b} {x:e} {y:e} {z:e} {e:e} {:e} 0 9",
            particle.pdg, mothers[0], mothers[1], particle.mass
        )
    };
    for particle in incoming {
        line(particle, -1, [0, 0])?;
    }
    for particle in &event.out {
        let mothers = match particle.mother {
            Some(mother) => [mother + 1 + incoming.len(); 2],
            None => [1, 2],
        };
        line(particle, if particle.decays { 2 } else { 1 }, mothers)?;
    }
    writeln!(out, "</event>")
}

/// Ends a file.
pub fn write_end(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "</LesHouchesEvents>")
}
