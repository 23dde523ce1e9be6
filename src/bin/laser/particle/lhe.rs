//! Les Houches event files (hep-ph/0609017, version 3: arXiv:1405.1067).

use super::declaration::Declaration;
use super::lines::{number, whole, Lines};
use super::raw::Raw;
use super::{Event, Made, Particle};
use std::fmt::Write as _;
use std::io::{self, Write};

/// Particles of an event; no generator writes more.
const MOST: i64 = 100_000;

/// What a file says before its first event. Empty if there is none.
///
/// # Errors
/// What is wrong, in words.
pub fn begin(lines: &mut Lines) -> Result<Raw, String> {
    let mut raw = Raw::default();
    let mut opened = false;
    loop {
        let from = raw.text.len();
        if !lines.read(&mut raw.text)? {
            return match opened {
                true => Err("it ends before an event: it is cut short, or there are none".into()),
                false => Err("it is no file of Les Houches events".into()),
            };
        }
        let line = raw.text[from..].trim();
        opened |= line.contains("<LesHouchesEvents");
        if !opened && raw.text.len() > 1 << 16 {
            return Err(
                "it is no file of Les Houches events: none of its first lines opens one".into(),
            );
        }
        if let Some(name) = attribute(line, "weight", "id") {
            raw.names.push(name);
        }
        if line.contains("</init>") && opened {
            return Ok(raw);
        }
        if line == "<event>" {
            return Err("its first event comes before the end of <init>".into());
        }
    }
}

/// The value of an attribute of `<tag …>`.
fn attribute(line: &str, tag: &str, key: &str) -> Option<String> {
    let rest = line.trim_start().strip_prefix('<')?.strip_prefix(tag)?;
    if !rest.starts_with(char::is_whitespace) {
        return None;
    }
    let rest = rest.split('>').next()?;
    let at = rest.find(&format!("{key}="))? + key.len() + 1;
    let quote = rest[at..]
        .chars()
        .next()
        .filter(|c| ['"', '\''].contains(c))?;
    let value = &rest[at + 1..];
    Some(value[..value.find(quote)?].trim().into())
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
    loop {
        let from = line(lines, raw)?.ok_or("it is cut short: </LesHouchesEvents> is missing")?;
        let text = raw.text[from..].trim();
        if text.starts_with("<event>") || text.starts_with("<event ") {
            break;
        }
        if text.starts_with("</LesHouchesEvents") {
            while line(lines, raw)?.is_some() {}
            return Ok(false);
        }
    }
    let mut left = None;
    loop {
        let from = line(lines, raw)?.ok_or("it is cut short, within an event")?;
        let text = raw.text[from..].trim();
        if text.starts_with("</event") {
            break;
        }
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if let Some(value) = text.strip_prefix("<wgt") {
            let value = value
                .split_once('>')
                .and_then(|(_, rest)| rest.split('<').next());
            let value = number(value.unwrap_or_default().trim())
                .map_err(|what| format!("line {}: {what}", lines.number))?;
            raw.weights
                .push((attribute(text, "wgt", "id").unwrap_or_default(), value));
            continue;
        }
        if let Some(values) = text.strip_prefix("<weights>") {
            let values = values.split('<').next().unwrap_or_default();
            let values = values.split_ascii_whitespace().zip(names);
            for (value, name) in values {
                let value = number(value).map_err(|what| format!("line {}: {what}", lines.number));
                raw.weights.push((name.clone(), value?));
            }
            continue;
        }
        if text.starts_with('<') {
            // Other tags stand behind the particles.
            continue;
        }
        let wrong = |what: String| format!("line {}: {what}", lines.number);
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        match left {
            None => {
                let [particles, _, weight, ..] = fields[..] else {
                    return Err(wrong(
                        "an event begins with its numbers of particles and process and its weight"
                            .into(),
                    ));
                };
                let particles = whole(particles).map_err(wrong)?;
                if !(0..=MOST).contains(&particles) {
                    return Err(wrong(format!("{particles} particles")));
                }
                raw.weight = number(weight).map_err(wrong)?;
                raw.head = from;
                left = Some(particles);
            }
            Some(0) => (),
            Some(more) => {
                let [pdg, status, _, _, _, _, x, y, z, e, ..] = fields[..] else {
                    return Err(wrong("a particle has 13 numbers".into()));
                };
                let mut p = [0.0; 4];
                for (value, text) in p.iter_mut().zip([x, y, z, e]) {
                    *value = number(text).map_err(wrong)?;
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
    match left {
        Some(0) => Ok(true),
        _ => Err(format!(
            "line {}: the event has fewer particles than it says",
            lines.number
        )),
    }
}

/// An event's text with all its weights multiplied by a factor, or with one more of this name.
pub fn edited(raw: &Raw, factor: f64, name: Option<&str>) -> String {
    let mut out = String::with_capacity(raw.text.len() + 64);
    out.push_str(&raw.text[..raw.head]);
    let own = match name {
        Some(_) => raw.weight,
        None => raw.weight * factor,
    };
    let new = name.map(|name| format!("<wgt id=\"{name}\">{:e}</wgt>\n", raw.weight * factor));
    let mut done = false;
    for (at, line) in raw.text[raw.head..].split_inclusive('\n').enumerate() {
        let text = line.trim();
        if at == 0 {
            let mut fields = text.split_ascii_whitespace();
            let first: Vec<&str> = fields.by_ref().take(2).collect();
            let rest: Vec<&str> = fields.skip(1).collect();
            let _ = writeln!(out, "{} {own:e} {}", first.join(" "), rest.join(" "));
        } else if let Some((open, value)) = text
            .starts_with("<wgt")
            .then(|| text.split_once('>'))
            .flatten()
            .filter(|_| name.is_none())
        {
            let value = number(value.split('<').next().unwrap_or_default().trim());
            let _ = writeln!(out, "{open}>{:e}</wgt>", value.unwrap_or(0.0) * factor);
        } else if let Some(values) = text.strip_prefix("<weights>").filter(|_| name.is_none()) {
            let values = values.split('<').next().unwrap_or_default();
            let values = values.split_ascii_whitespace().map(|value| {
                number(value).map_or(value.into(), |value| format!("{:e}", value * factor))
            });
            let values: Vec<String> = values.collect();
            let _ = writeln!(out, "<weights> {} </weights>", values.join(" "));
        } else {
            if let Some(new) = new.as_ref().filter(|_| !done) {
                if text.starts_with("</rwgt") {
                    out.push_str(new);
                    done = true;
                } else if text.starts_with("</event") {
                    let _ = write!(out, "<rwgt>\n{new}</rwgt>\n");
                    done = true;
                }
            }
            out.push_str(line);
        }
    }
    out
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
        if let Some(at) = begin.find(end) {
            return [&begin[..at], &text, &begin[at..]].concat();
        }
    }
    begin.into()
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
