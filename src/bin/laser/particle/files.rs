//! Files of events of particles, read one event after the other.

use super::declaration::Declaration;
use super::features::Features;
use super::lines::Lines;
use super::maker::Maker;
use super::raw::Raw;
use super::{hepmc, lhe, Event};
use crate::failure::{Failure, Result};
use laser::aside::require_file;
use std::fs::{metadata, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Lhe,
    Hepmc,
}

/// An open file, whose events are read one after the other, in memory that does not grow with their number.
pub struct Reader<'r> {
    path: PathBuf,
    format: Format,
    lines: Lines<'r>,
    /// What stands before the events.
    pub begin: Raw,
    /// The event that was read last; behind the last one the end of the file.
    pub event: Raw,
    ahead: String,
    count: u64,
}

impl Reader<'static> {
    /// Opens a file, which may be packed by gzip.
    pub fn open(path: &Path, format: Format) -> Result<Self> {
        let open = || {
            require_file(&metadata(path)?)?;
            Lines::open(File::open(path)?)
        };
        let lines = open().map_err(|e| Failure::of(path, e))?;
        Reader::of(path, format, lines)
    }
}

impl<'r> Reader<'r> {
    /// Of lines; `path` is for messages.
    pub fn of(path: &Path, format: Format, mut lines: Lines<'r>) -> Result<Self> {
        let mut ahead = String::new();
        let begin = match format {
            Format::Lhe => lhe::begin(&mut lines),
            Format::Hepmc => hepmc::begin(&mut lines, &mut ahead),
        };
        Ok(Reader {
            begin: begin.map_err(|what| Failure::of(path, what))?,
            path: path.into(),
            format,
            lines,
            event: Raw::default(),
            ahead,
            count: 0,
        })
    }

    /// Reads the next event. False at the end.
    pub fn read(&mut self) -> Result<bool> {
        let (lines, event) = (&mut self.lines, &mut self.event);
        let read = match self.format {
            Format::Lhe => lhe::next(lines, &self.begin.names, event),
            Format::Hepmc => hepmc::next(lines, &mut self.ahead, &self.begin.names, event),
        };
        let more = read.map_err(|what| Failure::of(&self.path, what))?;
        self.count += u64::from(more);
        Ok(more)
    }

    /// The features of the event that was read last, behind what `out` has.
    pub fn features(&self, features: &Features, out: &mut Vec<f64>) -> Result<()> {
        let of = features.of(&self.event.particles, out);
        of.map_err(|what| {
            let event = self.count - 1;
            Failure::of(&self.path, format!("event {event} (from 0): {what}"))
        })
    }

    /// A weight of the event that was read last: the nominal one, or that of the name.
    pub fn weight(&self, name: Option<&str>) -> Result<f64> {
        let Some(name) = name.filter(|name| *name != NOMINAL) else {
            return Ok(self.event.weight);
        };
        let found = self.event.weights.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let own: Vec<&str> = self.event.weights.iter().map(|(n, _)| n.as_str()).collect();
            Failure::of(
                &self.path,
                format!(
                    "event {} (from 0) has no weight called `{name}`; there are {NOMINAL} {}",
                    self.count - 1,
                    own.join(" ")
                ),
            )
        })
    }
}

/// What the weight of an event is called that has no name of its own.
pub const NOMINAL: &str = "weight";

/// Writes the events of a file again, with other weights.
pub struct Rewriter<'n> {
    format: Format,
    /// That of a weight to be added; without one all weights are multiplied.
    name: Option<&'n str>,
}

impl<'n> Rewriter<'n> {
    pub fn new(path: &Path, format: Format, name: Option<&'n str>) -> Result<Self> {
        let odd = |c: char| c.is_whitespace() || ['"', '\'', '<', '>', '&', '|', '\\'].contains(&c);
        match name {
            Some(name) if name.is_empty() || name.contains(odd) || name == NOMINAL => Err(
                Failure::usage(path, format!("`{name}` is no name for a further weight")),
            ),
            name => Ok(Rewriter { format, name }),
        }
    }

    /// The beginning, once the first event has been read.
    pub fn begin(&self, reader: &Reader) -> Result<String> {
        let begin = &reader.begin;
        let Some(name) = self.name else {
            // Weights of events that had none are called as everywhere.
            let unnamed = self.format == Format::Hepmc && begin.names.is_empty();
            if let Some(strategy) = begin.strategy.filter(|s| s.abs() != 4) {
                let what = format!(
                    "its header says (IDWTUP {strategy}) that the events' weights do not count as they are, and programs would take its events as they were before: give them a further weight in the place of theirs (`laser reweight apply --weight-name NAME`), or set IDWTUP to -4 and the weights so that their mean is the cross-section"
                );
                return Err(Failure::of(&reader.path, what));
            }
            return Ok(match unnamed && !reader.event.block {
                true => hepmc::declared(&begin.text, 0, NOMINAL),
                false => begin.text.clone(),
            });
        };
        if begin.names.iter().any(|own| own == name) {
            let what = format!("it has a weight called `{name}` already");
            return Err(Failure::of(&reader.path, what));
        }
        Ok(match self.format {
            Format::Lhe => lhe::declared(&begin.text, name),
            Format::Hepmc => hepmc::declared(&begin.text, reader.event.weights.len().max(1), name),
        })
    }

    /// What stands among the weights and is not multiplied, in words.
    pub fn spared(&self, reader: &Reader) -> Option<String> {
        let multiplied = self.format == Format::Hepmc && self.name.is_none();
        let others = reader.begin.names.iter().skip(1).filter(|_| multiplied);
        let others: Vec<&str> = others
            .map(String::as_str)
            .filter(|name| hepmc::is_no_weight(name))
            .collect();
        (!others.is_empty()).then(|| {
            format!(
                "{}: by their names {} are no weights, and stay as they are",
                reader.path.display(),
                others.join(", ")
            )
        })
    }

    /// An event, whose weight is to be multiplied.
    pub fn event(&self, event: &Raw, factor: f64) -> String {
        match self.format {
            Format::Lhe => lhe::edited(event, factor, self.name),
            Format::Hepmc => hepmc::edited(event, factor, self.name.is_some()),
        }
    }
}

/// Writes rows of numbers as events of particles.
pub struct Writer<'d, W: Write> {
    out: W,
    format: Format,
    declaration: &'d Declaration,
    maker: Maker,
    event: Event,
    number: u64,
    /// How the particles were declared, for messages.
    asked: &'static str,
}

impl<'d, W: Write> Writer<'d, W> {
    /// Begins a file of events whose first is number `number`, made by the declaration's maker.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] if the format wants what is not declared; others of writing.
    pub fn new(
        mut out: W,
        format: Format,
        (declaration, asked): (&'d Declaration, &'static str),
        maker: Maker,
        attributes: &[(&str, String)],
        number: u64,
    ) -> io::Result<Self> {
        match format {
            Format::Lhe => lhe::write_begin(&mut out, declaration, attributes),
            Format::Hepmc => hepmc::write_begin(&mut out, attributes),
        }
        .map_err(|e| match e.kind() {
            io::ErrorKind::InvalidData => io::Error::new(e.kind(), format!("{asked}: {e}")),
            _ => e,
        })?;
        Ok(Writer {
            out,
            format,
            declaration,
            maker,
            event: Event::default(),
            number,
            asked,
        })
    }

    /// An event, with its weight and, if it was asked for, log p.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] naming event, particle and quantity that cannot be; others of writing.
    pub fn write(&mut self, row: &[f64], weight: f64, log_p: Option<f64>) -> io::Result<()> {
        let (asked, number) = (self.asked, self.number);
        self.maker.make(row, &mut self.event).map_err(|what| {
            let what = format!("{asked}: in event {number}, {what}");
            io::Error::new(io::ErrorKind::InvalidData, what)
        })?;
        let (out, event) = (&mut self.out, &self.event);
        match self.format {
            Format::Lhe => lhe::write_event(out, self.declaration, event, weight)?,
            Format::Hepmc => {
                hepmc::write_event(out, self.declaration, (event, number), weight, log_p)?;
            }
        }
        self.number = number.wrapping_add(1);
        Ok(())
    }

    /// Ends the file.
    pub fn finish(mut self) -> io::Result<()> {
        match self.format {
            Format::Lhe => lhe::write_end(&mut self.out)?,
            Format::Hepmc => hepmc::write_end(&mut self.out)?,
        }
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LHE: &str = "<LesHouchesEvents version=\"3.0\">
<header>
# <event> of a remark
<initrwgt>
<weightgroup name='scale'>
<weight id='up'> mur=2 </weight>
<weight id=\"down\" > mur=0.5 </weight>
</weightgroup>
</initrwgt>
</header>
<init>
2212 2212 6.5e3 6.5e3 0 0 0 0 -4 1
1. 0.1 1. 1
</init>
<event>
 4 1  2.5000D+00 91.2 -1 -1
 2 -1 0 0 501 0 0 0 50 50 0 0 9
# a remark
 -2 -1 0 0 0 501 0 0 -40 40 0 0 9
 13 1 1 2 0 0 3 4 10 11.18034 0.1 0 1
 -13 1 1 2 0 0 -3 -4 0 78.81966 0.1 0 -1
<mgrwt>
<rscale> 2 0.91E+02</rscale>
</mgrwt>
<rwgt>
<wgt id='up'> 3.0 </wgt>
<wgt id='down'> -1.5E+00 </wgt>
</rwgt>
</event>
<event>
1 1 -2 91.2 -1 -1
13 1 1 2 0 0 0 5 0 5 0 0 9
<weights> 1 2 </weights>
</event>
</LesHouchesEvents>
";

    const HEPMC: &str = "HepMC::Version 3.02.05
HepMC::Asciiv3-START_EVENT_LISTING
W central\\|up
T Generator\\|1\\|
A a b
E 0 1 3
U MEV MM
W 2.5e+00 3
A 0 GenCrossSection 1 0.1 -1 -1
P 1 0 23 0 0 5000 90000 89861 4
P 2 1 13 3000 4000 0 5000 0 1
P 3 1 -13 -3000 -4000 5000 85000 0 1
E 1 0 1
U GEV MM
W -2 1
P 1 0 13 0 5 0 5 0 1
HepMC::Asciiv3-END_EVENT_LISTING

";

    fn reader(format: Format, text: &str) -> Result<Reader<'_>> {
        Reader::of(Path::new("a"), format, Lines::of(text.as_bytes()))
    }

    /// The features and weights of all events.
    fn read(format: Format, text: &str, weight: Option<&str>) -> Result<Vec<Vec<f64>>> {
        let features: Features = "pt(13), n(*), pz(-13)?99".parse().unwrap();
        let mut reader = reader(format, text)?;
        let mut rows = Vec::new();
        while reader.read()? {
            let mut row = Vec::new();
            reader.features(&features, &mut row)?;
            row.push(reader.weight(weight)?);
            rows.push(row);
        }
        Ok(rows)
    }

    /// What a file says when it is written again.
    fn again(format: Format, text: &str, factor: f64, name: Option<&str>) -> String {
        let rewriter = Rewriter::new(Path::new("a"), format, name).unwrap();
        let mut reader = reader(format, text).unwrap();
        let mut more = reader.read().unwrap();
        let mut out = rewriter.begin(&reader).unwrap();
        while more {
            out += &rewriter.event(&reader.event, factor);
            more = reader.read().unwrap();
        }
        out + &reader.event.text
    }

    #[test]
    fn events_are_read_with_their_weights() {
        for (format, text) in [(Format::Lhe, LHE), (Format::Hepmc, HEPMC)] {
            let pz = if format == Format::Lhe { 0.0 } else { 5.0 };
            let rows = read(format, text, None).unwrap();
            assert_eq!(rows, [[5.0, 2.0, pz, 2.5], [5.0, 1.0, 99.0, -2.0]]);
            let rows = read(format, text, Some("up")).unwrap();
            assert_eq!([rows[0][3], rows[1][3]], [3.0, 1.0]);
            let error = read(format, text, Some("no")).unwrap_err().to_string();
            assert!(
                error.contains("no weight called `no`; there are weight "),
                "{error}"
            );
        }
    }

    #[test]
    fn weights_are_multiplied_or_added_and_nothing_else_changes() {
        for (format, text) in [(Format::Lhe, LHE), (Format::Hepmc, HEPMC)] {
            let doubled = again(format, text, 2.0, None);
            assert_eq!(read(format, &doubled, None).unwrap()[0][3], 5.0);
            assert_eq!(read(format, &doubled, Some("up")).unwrap()[1][3], 2.0);
            assert_eq!(
                read(format, &again(format, &doubled, 0.5, None), Some("up")).unwrap()[0][3],
                3.0
            );
            let named = again(format, text, 2.0, Some("tune"));
            assert_eq!(
                read(format, &named, None).unwrap(),
                read(format, text, None).unwrap()
            );
            assert_eq!(
                read(format, &named, Some("up")).unwrap(),
                read(format, text, Some("up")).unwrap()
            );
            let tuned = read(format, &named, Some("tune")).unwrap();
            assert_eq!([tuned[0][3], tuned[1][3]], [5.0, -4.0]);
            let rest = |text: &str| -> Vec<String> {
                let weighty = |l: &&str| {
                    !["W ", "<w", " 4 1", "4 1", "1 1 -"]
                        .iter()
                        .any(|b| l.starts_with(b))
                };
                let words = |l: &str| l.split_whitespace().collect::<Vec<_>>().join(" ");
                text.lines().filter(weighty).map(words).collect()
            };
            assert_eq!(rest(&doubled), rest(text));
        }
        // Where no weight had a name.
        let unnamed = HEPMC.replace("W central\\|up\n", "");
        let named = again(Format::Hepmc, &unnamed, 2.0, Some("tune"));
        assert!(named.contains("\nW 0\\|1\\|tune\n"), "{named}");
        let bare: String = LHE
            .lines()
            .filter(|l| !l.contains("wgt") && !l.contains("weight") && !l.contains("header"))
            .map(|l| format!("{l}\n"))
            .collect();
        let named = again(Format::Lhe, &bare, 2.0, Some("tune"));
        let tuned = read(Format::Lhe, &named, Some("tune")).unwrap();
        assert_eq!([tuned[0][3], tuned[1][3]], [5.0, -4.0]);
        for name in ["", "a b", "weight", "a\"b", "a|b"] {
            assert!(Rewriter::new(Path::new("a"), Format::Lhe, Some(name)).is_err());
        }
        let rewriter = Rewriter::new(Path::new("a"), Format::Lhe, Some("up")).unwrap();
        let mut reader = reader(Format::Lhe, LHE).unwrap();
        reader.read().unwrap();
        let error = rewriter.begin(&reader).unwrap_err().to_string();
        assert!(error.contains("called `up` already"), "{error}");
    }

    /// Weights as other generators write them.
    #[test]
    fn all_weights_of_an_event_are_found_however_they_stand() {
        let up_down = |text: &str| {
            let of = |name| read(Format::Lhe, text, Some(name)).unwrap()[0][3];
            [of("up"), of("down")]
        };
        let block = "<rwgt>\n<wgt id='up'> 3.0 </wgt>\n<wgt id='down'> -1.5E+00 </wgt>\n</rwgt>";
        assert!(LHE.contains(block));
        for other in [
            "<rwgt><wgt id='up'>3.0</wgt><wgt id='down'>-1.5</wgt></rwgt>",
            "<rwgt>\n<wgt id='up'>3.0</wgt> <wgt id='down'>-1.5</wgt>\n</rwgt>",
            "<weights>\n3.0\n-1.5\n</weights>",
            "<weights> 3.0\n -1.5 </weights>",
            "<!-- <wgt id='up'>9</wgt> -->\n<rwgt>\n<wgt id = \"up\" > 3.0 </wgt>\n<wgt lo='1' id='down'> -1.5 </wgt>\n</rwgt>",
        ] {
            for end in ["\n", "\r\n"] {
                let text = LHE.replacen(block, other, 1).replace('\n', end);
                assert_eq!(up_down(&text), [3.0, -1.5], "{other}");
                let doubled = again(Format::Lhe, &text, 2.0, None);
                assert_eq!(up_down(&doubled), [6.0, -3.0], "{other}");
                assert_eq!(read(Format::Lhe, &doubled, None).unwrap()[0][3], 5.0);
                // Letter by letter, but for the numbers.
                let digits = |text: &str| text.replace(|c: char| c.is_ascii_digit() || ".eEdD+-".contains(c), "");
                assert_eq!(digits(&doubled), digits(&text));
                let named = again(Format::Lhe, &text, 2.0, Some("tune"));
                assert_eq!(up_down(&named), [3.0, -1.5], "{other}");
                assert_eq!(read(Format::Lhe, &named, Some("tune")).unwrap()[0][3], 5.0);
            }
        }
        // Names that the header gives otherwise, or in comments.
        let odd = LHE
            .replace("<weight id='up'>", "<weight pdfid = '7' id = 'up' >")
            .replace(
                "<header>",
                "<!-- </init> <weight id='no'> </initrwgt> -->\n<header>",
            );
        assert_eq!(read(Format::Lhe, &odd, Some("up")).unwrap()[1][3], 1.0);
        let named = again(Format::Lhe, &odd, 2.0, Some("tune"));
        assert!(
            named.find("\"tune\"").unwrap()
                > named
                    .find("'down'")
                    .unwrap_or(0)
                    .min(named.find("-->").unwrap())
        );
        // More weights than names: none has one.
        let more = LHE.replace("<weights> 1 2 </weights>", "<weights> 1 2 3 </weights>");
        let error = read(Format::Lhe, &more, Some("up"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("no weight called `up`; there are weight #0 #1 #2"),
            "{error}"
        );
    }

    #[test]
    fn weights_that_do_not_count_are_not_multiplied() {
        let text = LHE.replace("0 0 0 0 -4 1", "0 0 0 0 3 1");
        let mut reader = reader(Format::Lhe, &text).unwrap();
        reader.read().unwrap();
        let rewriter = |name| Rewriter::new(Path::new("a"), Format::Lhe, name).unwrap();
        let error = rewriter(None).begin(&reader).unwrap_err().to_string();
        assert!(error.contains("IDWTUP 3"), "{error}");
        assert!(rewriter(Some("tune")).begin(&reader).is_ok());
        // A HepMC event without weights gets one, with a name.
        let bare = HEPMC
            .replace("W central\\|up\n", "")
            .replace("W 2.5e+00 3\n", "")
            .replace("W -2 1\n", "");
        let doubled = again(Format::Hepmc, &bare, 2.0, None);
        assert!(doubled.contains("\nW weight\n"), "{doubled}");
        assert_eq!(read(Format::Hepmc, &doubled, None).unwrap()[1][3], 2.0);
        // What Sherpa writes among the weights.
        let sherpa = HEPMC
            .replace(
                "W central\\|up",
                "W Weight\\|NTrials\\|MUR2\\|EXTRA__NTrials\\|WeightNormalisation\\|Aux_n",
            )
            .replace("W 2.5e+00 3\n", "W 2.5e+00 7 3 7 1 4\n")
            .replace("W -2 1\n", "W -2 9 1 9 1 4\n");
        let doubled = again(Format::Hepmc, &sherpa, 2.0, None);
        assert!(doubled.contains("\nW 5e0 7 6e0 7 1 4\n"), "{doubled}");
        assert!(doubled.contains("\nW -4e0 9 2e0 9 1 4\n"), "{doubled}");
        let named = again(Format::Hepmc, &sherpa, 2.0, Some("tune"));
        assert!(named.contains("\nW 2.5e+00 7 3 7 1 4 5e0\n"), "{named}");
        let mut reader =
            Reader::of(Path::new("a"), Format::Hepmc, Lines::of(sherpa.as_bytes())).unwrap();
        reader.read().unwrap();
        let spared = |name| {
            Rewriter::new(Path::new("a"), Format::Hepmc, name)
                .unwrap()
                .spared(&reader)
        };
        assert_eq!(
            spared(None).unwrap(),
            "a: by their names NTrials, EXTRA__NTrials, WeightNormalisation, Aux_n are no weights, and stay as they are"
        );
        assert_eq!(spared(Some("tune")), None);
    }

    #[test]
    fn what_is_cut_or_wrong_is_refused() {
        let lhe = |from: &str, to: &str| (Format::Lhe, LHE.replacen(from, to, 1));
        let hepmc = |from: &str, to: &str| (Format::Hepmc, HEPMC.replacen(from, to, 1));
        let cut = |text: &str, at: &str| text[..text.find(at).unwrap()].to_owned();
        for ((format, text), message) in [
            (lhe("<LesHouches", "<Les"), "no file of Les Houches events"),
            (
                (Format::Lhe, String::new()),
                "no file of Les Houches events",
            ),
            ((Format::Lhe, cut(LHE, "</init>")), "before an event"),
            (
                (Format::Lhe, cut(LHE, "</event>")),
                "cut short, within an event",
            ),
            (
                (Format::Lhe, cut(LHE, "</LesHouchesEvents")),
                "cut short: </LesHouchesEvents> is missing",
            ),
            (
                lhe(" 4 1 ", " 5 1 "),
                "line 22: the event has fewer particles",
            ),
            (lhe(" 4 1 ", " -4 1 "), "-4 particles"),
            (lhe("2.5000D+00", "nan"), "line 16: `nan` is no number"),
            (
                lhe("2.5000D+00", ""),
                "line 16: an event begins with six numbers",
            ),
            (lhe("0.1 0 -1", "0 -1"), "a particle has 13 numbers"),
            (
                lhe(" 1 1 2 0 0 3", " 1 1 2 0 0.5 3"),
                "`0.5` is no whole number",
            ),
            (
                lhe(
                    "</LesHouchesEvents>",
                    "</LesHouchesEvents>\n<LesHouchesEvents>",
                ),
                "something follows the end",
            ),
            (
                hepmc("END_EVENT_LISTING", "END_EVENT_LISTING\nHepMC::Version"),
                "something follows the end",
            ),
            (
                lhe("<event>\n 4 1", "<event> 4 1"),
                "a line of <event> alone",
            ),
            (
                lhe("91.2 -1 -1\n13 1", "91.2 -1 -1</event>\n13 1"),
                "</event> is behind something else",
            ),
            (
                lhe("3 4 10 11.18034 0.1 0 1", "3 4"),
                "line 20: a particle has 13 numbers",
            ),
            (
                lhe(" 13 1 1 2", " mu 1 1 2"),
                "line 20: `mu` is no whole number",
            ),
            (
                lhe("-1.5E+00", "x"),
                "in the event that ends there: `x` is no number",
            ),
            (
                hepmc("HepMC::Asciiv3-START_EVENT_LISTING", "x"),
                "no HepMC3 file in its text format",
            ),
            (
                hepmc(
                    "HepMC::Asciiv3-START_EVENT_LISTING",
                    "HepMC::IO_GenEvent-START_EVENT_LISTING",
                ),
                "a file of HepMC2",
            ),
            (
                (Format::Hepmc, cut(HEPMC, "HepMC::Asciiv3-END")),
                "cut short",
            ),
            (
                (Format::Hepmc, cut(HEPMC, "E 0 1 3")),
                "cut short, or there are no events",
            ),
            (
                hepmc("E 0 1 3", "E 0 1 4"),
                "the event has 3 particles, and says other",
            ),
            (hepmc("U MEV MM", "U KEV MM"), "units KEV"),
            (
                hepmc("W 2.5e+00 3", "W 2.5e+00 z"),
                "line 8: `z` is no number",
            ),
            (
                hepmc("P 2 1 13 3000", "P 2 1 13"),
                "a particle has nine numbers",
            ),
            (
                hepmc("P 2 1 13 3000", "P 2 1 13 inf"),
                "`inf` is no number, or not finite",
            ),
        ] {
            let error = read(format, &text, None).expect_err(message).to_string();
            assert!(error.contains(message), "{error}");
        }
        let long = format!("{}{}", cut(LHE, "<event>\n 4"), "x".repeat(2 << 20));
        let error = read(Format::Lhe, &long, None).unwrap_err().to_string();
        assert!(error.contains("longer than any line"), "{error}");
    }
}
