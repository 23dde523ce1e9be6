//! HepMC3's text format (Asciiv3).

use super::declaration::Declaration;
use super::lines::{number, whole, Lines};
use super::raw::Raw;
use super::{Event, Made, Particle};
use std::io::{self, Write};

const START: &str = "HepMC::Asciiv3-START_EVENT_LISTING";
const END: &str = "HepMC::Asciiv3-END_EVENT_LISTING";

/// What a file says before its first event. Empty if there is none.
///
/// # Errors
/// What is wrong, in words.
pub fn begin(lines: &mut Lines, ahead: &mut String) -> Result<Raw, String> {
    let mut raw = Raw::default();
    let mut opened = false;
    loop {
        ahead.clear();
        if !lines.read(ahead)? || (!opened && raw.text.len() > 1 << 16) {
            return match opened {
                true => Err("it is cut short, or there are no events".into()),
                false => Err("it is no HepMC3 file in its text format (Asciiv3)".into()),
            };
        }
        let line = ahead.trim();
        if line.starts_with("HepMC::IO_GenEvent") || line.starts_with("HepMC::IO_Ascii") {
            return Err("it is a file of HepMC2; convert it, as by Python's pyhepmc: `with pyhepmc.open(\"old.hepmc\") as old, pyhepmc.open(\"new.hepmc\", \"w\") as new: [new.write(event) for event in old]`".into());
        }
        opened |= line.starts_with(START);
        if opened && (line.starts_with("E ") || line.starts_with(END)) {
            return Ok(raw);
        }
        if let Some(names) = line.strip_prefix("W ") {
            raw.names.extend(names.split(NEWLINE).map(unescaped));
        }
        raw.text.push_str(ahead);
    }
}

/// Reads the next event, whose first line has been read `ahead`. False at the end, whose text is then there.
///
/// # Errors
/// What is wrong, in words.
pub fn next(
    lines: &mut Lines,
    ahead: &mut String,
    names: &[String],
    raw: &mut Raw,
) -> Result<bool, String> {
    raw.clear();
    raw.text.push_str(ahead);
    if !ahead.starts_with("E ") {
        loop {
            let from = raw.text.len();
            if !lines.read(&mut raw.text)? {
                return Ok(false);
            }
            if !raw.text[from..].trim().is_empty() {
                return Err(format!(
                    "line {}: something follows the end of the events: were several files put together? Take each by itself",
                    lines.number
                ));
            }
        }
    }
    let mut unit = 1.0;
    let mut wanted = None;
    if let [_, _, particles, ..] = ahead[2..].split_ascii_whitespace().collect::<Vec<_>>()[..] {
        wanted = particles.parse::<usize>().ok();
    }
    loop {
        ahead.clear();
        let more = lines.read(ahead)?;
        let line = ahead.trim();
        if !more {
            return Err(format!("it is cut short: {END} is missing"));
        }
        if line.starts_with("E ") || line.starts_with("HepMC::") {
            break;
        }
        let wrong = |what: String| format!("line {}: {what}", lines.number);
        let mut fields = line.split_ascii_whitespace();
        match fields.next() {
            Some("U") => {
                unit = match fields.next() {
                    Some("GEV") => 1.0,
                    Some("MEV") => 1e-3,
                    other => {
                        return Err(wrong(format!("units {}", other.unwrap_or("are missing"))))
                    }
                }
            }
            Some("W") => {
                // As the line will stand in the text.
                let from = raw.text.len().wrapping_sub(ahead.as_ptr() as usize);
                for (place, text) in fields.enumerate() {
                    let value = number(text).map_err(wrong)?;
                    let at = from.wrapping_add(text.as_ptr() as usize);
                    let name = names.get(place).cloned();
                    raw.end = at + text.len();
                    // The nominal one is a weight, whatever it is called.
                    if place == 0 {
                        raw.weight = value;
                    }
                    if place == 0 || !name.as_deref().is_some_and(is_no_weight) {
                        raw.spans.push((at..raw.end, value));
                    }
                    raw.weights
                        .push((name.unwrap_or_else(|| place.to_string()), value));
                }
            }
            Some("P") => {
                let fields: Vec<&str> = fields.collect();
                let [_, _, pdg, x, y, z, e, _, status] = fields[..] else {
                    return Err(wrong("a particle has nine numbers".into()));
                };
                let mut p = [0.0; 4];
                for (value, text) in p.iter_mut().zip([x, y, z, e]) {
                    *value = unit * number(text).map_err(wrong)?;
                }
                raw.particles.push(Particle {
                    pdg: whole(pdg).map_err(wrong)?,
                    status: whole(status).map_err(wrong)?,
                    p,
                });
            }
            _ => (),
        }
        raw.text.push_str(ahead);
    }
    // A further one comes behind the last, or in a line of its own at the end.
    raw.block = !raw.weights.is_empty();
    if !raw.block {
        raw.end = raw.text.len();
    }
    if wanted != Some(raw.particles.len()) {
        return Err(format!(
            "line {}: the event has {} particles, and says other",
            lines.number,
            raw.particles.len()
        ));
    }
    Ok(true)
}

/// Whether a number among the weights is none, by its name: a count of trials, a normalisation, or what Sherpa keeps beside them.
pub fn is_no_weight(name: &str) -> bool {
    let name = name.to_lowercase();
    let within = ["ntrials", "weightnormali"];
    let begins = ["extra__", "aux_"];
    within.iter().any(|part| name.contains(part))
        || begins.iter().any(|part| name.starts_with(part))
}

/// An event's text with all its weights multiplied by a factor, or with one more.
pub fn edited(raw: &Raw, factor: f64, more: bool) -> String {
    match (more, raw.block) {
        (true, true) => raw.with(&format!(" {:e}", raw.weight * factor)),
        (true, false) => raw.with(&format!("W 1 {factor:e}\n")),
        (false, true) => raw.multiplied(factor),
        (false, false) => raw.with(&format!("W {factor:e}\n")),
    }
}

/// The beginning of a file, whose events have so many weights, with one more declared.
pub fn declared(begin: &str, weights: usize, name: &str) -> String {
    let mut out = String::with_capacity(begin.len() + name.len() + 4);
    let named = begin
        .split_inclusive('\n')
        .any(|line| line.starts_with("W "));
    for line in begin.split_inclusive('\n') {
        if line.starts_with("W ") {
            out.push_str(&format!("{}{NEWLINE}{}\n", line.trim_end(), escape(name)));
            continue;
        }
        out.push_str(line);
        if line.starts_with(START) && !named {
            // Those that had no names get numbers, as HepMC3 has them.
            let numbers = (0..weights).map(|number| number.to_string());
            let names: Vec<String> = numbers.chain([escape(name)]).collect();
            out.push_str(&format!("W {}\n", names.join(NEWLINE)));
        }
    }
    out
}

/// Within text on one line.
const NEWLINE: &str = "\\|";

fn unescaped(name: &str) -> String {
    name.trim().replace("\\\\", "\\")
}

/// Attributes are text on one line.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', NEWLINE)
}

/// Begins a file. The attributes are those of the run; their values are text without blanks at the ends.
pub fn write_begin(out: &mut impl Write, attributes: &[(&str, String)]) -> io::Result<()> {
    // The version of HepMC3 whose files these are like.
    writeln!(out, "HepMC::Version 3.01.02\n{START}\nW weight")?;
    let tool = [
        "liblaser",
        env!("CARGO_PKG_VERSION"),
        "latent space refinement, arXiv:2106.00792",
    ];
    writeln!(out, "T {}", escape(&tool.join("\n")))?;
    for (name, value) in attributes {
        writeln!(out, "A {name} {}", escape(value))?;
    }
    Ok(())
}

/// Codes of particles: final; decayed; beams; those that go into the hardest process, as Pythia has it.
const FINAL: i32 = 1;
const DECAYED: i32 = 2;
const BEAM: i32 = 4;
const INCOMING: i32 = 21;

/// Writes an event, with its weight and, if it was asked for, log p.
pub fn write_event(
    out: &mut impl Write,
    declaration: &Declaration,
    (event, number): (&Event, u64),
    weight: f64,
    log_p: Option<f64>,
) -> io::Result<()> {
    let beams = declaration.beams.as_ref();
    let before = event.incoming.as_ref().map_or(0, |_| 2);
    let of_beams = beams.map_or(0, |_| 2);
    let decays = event.out.iter().filter(|p| p.decays).count();
    // The beams go into a vertex, their partons into that of the process.
    let vertices = match (of_beams, before) {
        (0, 0) => 0,
        (0, _) | (_, 0) => 1,
        _ => 3,
    };
    let particles = of_beams + before + event.out.len();
    writeln!(out, "E {number} {} {particles}", vertices + decays)?;
    writeln!(out, "U GEV MM")?;
    writeln!(out, "W {weight:e}")?;
    if let Some([value, error]) = declaration.cross_section {
        writeln!(out, "A 0 GenCrossSection {value:e} {error:e} -1 -1")?;
    }
    if let Some(log_p) = log_p {
        writeln!(out, "A 0 log_p {log_p:e}")?;
    }
    if let Some(beams) = beams {
        for (place, sign) in [1.0, -1.0].into_iter().enumerate() {
            let energy = beams.energy[place];
            let beam = Made {
                pdg: beams.pdg[place],
                p: [0.0, 0.0, sign * energy, energy],
                mass: 0.0,
                colors: [0; 2],
                mother: None,
                decays: true,
            };
            line(out, place + 1, 0, &beam, BEAM)?;
        }
    }
    for (place, parton) in event.incoming.iter().flatten().enumerate() {
        let from = if of_beams > 0 { place as i64 + 1 } else { 0 };
        line(out, of_beams + place + 1, from, parton, INCOMING)?;
    }
    let first = of_beams + before;
    // Vertices that one particle goes into are known by what comes out of them; that of the process, which two go into, has a line.
    let own = if vertices == 3 { -3 } else { -1 };
    if first > 0 {
        writeln!(out, "V {own} 0 [{},{first}]", first - 1)?;
    }
    for (place, particle) in event.out.iter().enumerate() {
        let from = match particle.mother {
            Some(mother) => (first + mother) as i64 + 1,
            None if first > 0 => own,
            None => 0,
        };
        let status = if particle.decays { DECAYED } else { FINAL };
        line(out, first + place + 1, from, particle, status)?;
    }
    Ok(())
}

/// The line of a particle that comes from a particle, or from a vertex of a negative number.
fn line(
    out: &mut impl Write,
    id: usize,
    from: i64,
    particle: &Made,
    status: i32,
) -> io::Result<()> {
    let [x, y, z, e] = particle.p;
    writeln!(
        out,
        "P {id} {from} {} {x:e} {y:e} {z:e} {e:e} {:e} {status}",
        particle.pdg, particle.mass
    )
}

/// Ends a file.
pub fn write_end(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{END}\n")
}
