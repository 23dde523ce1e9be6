//! `laser score`: how far two samples are apart.

mod sides;

use crate::argument::whole;
use crate::events::Events;
use crate::failure::{Failure, Result};
use crate::particle::features::Features;
use crate::terminal::{self, error, number, percent};
use indicatif::ProgressBar;
use laser::formula::Formula;
use laser::metrics::{
    emd_1d, floor, jsd, kolmogorov_smirnov, sliced_emd, Auc, Edge, Estimate, Floor, Histogram2d,
    KolmogorovSmirnov, Sample,
};
use laser::options::Options;
use laser::protocol::{two_sample_auc, TwoSampleAuc};
use laser::train::Hooks;
use laser::Rows;
use serde_json::{json, Value};
use sides::{Asked, Choice, Scope, Side};
use std::io::Write;
use std::path::PathBuf;

/// Score a sample against a reference, with errors and floors
///
/// Prints for every feature the earth mover's distance (EMD, in units of the feature) and the Kolmogorov-Smirnov test, whose
/// p value is too large where values repeat; for all of them together the sliced EMD (in standard deviations of the reference); for pairs of
/// features the Jensen-Shannon divergence (JSD, in nats) of histograms; and with --auc whether freshly trained classifiers can tell the samples apart. A floor is what two samples of these sizes
/// score by chance alone, with the spread of one score: no score within a few spreads of it tells a difference.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  laser score truth.npy events.npy --auc")]
pub struct Arguments {
    /// Events of the reference, as the truth: a .npy, .npz, .csv, .parquet, .lhe or .hepmc file
    reference: PathBuf,
    /// Events to compare with it: as many columns
    sample: PathBuf,
    /// Columns to compare, by their names or by their numbers in the reference, from 0; by default all. Chosen by name, they are all that
    /// formulas may be about, and the sample may have others beside them
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    columns: Option<Vec<String>>,
    /// A further feature to compare, computed from those there are, as "hypot(x0, x1)" or "log(m_ll)"; can be given again. Columns with
    /// names go by them, all by x0 or x[0], as the file of the reference counts them; there are + - * / ** and the usual functions
    #[arg(long, value_name = "FORMULA", allow_hyphen_values = true)]
    with: Vec<String>,
    /// What of particles is compared, of .lhe and .hepmc files, as "pt(13), eta(13), m(13+-13)" (docs/particles.md)
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    features: Option<Features>,
    /// Look at the edges of a region: a condition in the features, as the option "support" has it, "x0 > x1 and hypot(x2, x3) > 20". Prints for each
    /// inequality the shares of both samples beyond it, and the density ratio reference / sample in the nearest per cent within it
    #[arg(long, value_name = "CONDITION", allow_hyphen_values = true)]
    support: Option<String>,
    /// The last column is the events' weight, of both files or of one
    #[arg(long, value_name = "WHICH", num_args = 0..=1, require_equals = true, default_missing_value = "both")]
    weights: Option<Weighted>,
    /// The column that holds the weights, in the place of the last: its name, or its number, from 0; of both files, unless --weights says
    /// of which
    #[arg(long, value_name = "COLUMN")]
    weight_column: Option<String>,
    /// Columns whose JSD to print, as 0,1 or pt,eta; can be given again. By default all pairs of up to four columns
    #[arg(long, value_name = "X,Y", value_parser = pair)]
    jsd: Vec<(String, String)>,
    /// Bins of an axis of the histograms, which reach from the 0.1 % to the 99.9 % quantile of the reference
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = whole::<u32>(1..=10_000), allow_negative_numbers = true)]
    bins: u32,
    /// Train two classifiers, a network (preset `fast`) and gradient-boosted trees, on one half of both samples and print the area under
    /// their ROC curves on the other, the larger first: 0.5 if they find no difference. The samples must not share events; copies within
    /// one of them are one event
    #[arg(long)]
    auc: bool,
    /// Epochs of the network's training; small samples want more
    #[arg(long, value_name = "N", requires = "auc", value_parser = whole::<u32>(1..=u32::MAX.into()), allow_negative_numbers = true)]
    auc_epochs: Option<u32>,
    /// Threads of these trainings
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<u16>(1..=1024), allow_negative_numbers = true)]
    threads: u16,
    /// Bootstrap samples for errors and floors; time is proportional to it
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = whole::<u32>(2..=u32::MAX.into()), allow_negative_numbers = true)]
    repeats: u32,
    /// Directions of the sliced EMD; time is proportional to it
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = whole::<u32>(1..=u32::MAX.into()), allow_negative_numbers = true)]
    directions: u32,
    /// Seed of bootstrap, directions and training; compare scores of one seed
    #[arg(long, default_value_t = 1, value_parser = whole::<u32>(0..=u32::MAX.into()), allow_negative_numbers = true)]
    seed: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Whose last column is the weight.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Weighted {
    Reference,
    Sample,
    Both,
}

fn pair(text: &str) -> std::result::Result<(String, String), &'static str> {
    let two = text.split_once(',').map(|(x, y)| (x.trim(), y.trim()));
    match two {
        Some((x, y)) if x != y && !x.is_empty() && !y.is_empty() && !y.contains(',') => {
            Ok((x.into(), y.into()))
        }
        _ => Err("two different columns are needed, as 0,1"),
    }
}

/// Pairs are scored unasked up to so many columns.
const FEW: usize = 4;

/// Histograms that a floor of the JSD is drawn from.
const JSD_REPEATS: usize = 50;

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<()> {
    let weighted = |which: Weighted| {
        let both = arguments.weight_column.as_ref().map(|_| Weighted::Both);
        [Some(which), Some(Weighted::Both)].contains(&arguments.weights.or(both))
    };
    let given = arguments;
    let asked = Asked {
        features: given.features.as_ref(),
        weight: given.weight_column.as_deref(),
        columns: given.columns.as_deref(),
    };
    let mut reference = Side::read(&given.reference, weighted(Weighted::Reference), asked)?;
    let mut choice = Choice::new(asked.columns, &reference)?;
    let mut sample = Side::read(&given.sample, weighted(Weighted::Sample), asked)?;
    let names = sample.arrange(&reference, &mut choice)?;
    let scope = Scope {
        path: &given.reference,
        columns: reference.events.columns,
        names,
        choice: &choice,
    };
    let with = given.with.iter().map(|text| scope.feature(text));
    let with = with.collect::<Result<Vec<Formula>>>()?;
    let derived = |side: &Side| -> Result<Vec<Vec<f64>>> {
        with.iter()
            .map(|formula| side.events.derived(formula))
            .collect()
    };
    let derived = [derived(&reference)?, derived(&sample)?];
    let (edges, edgeless) = match &given.support {
        Some(support) => scope.edges(support, [&reference, &sample])?,
        None => Default::default(),
    };
    let chosen = &choice.compared[..];
    reference.keep(chosen, &given.with, &derived[0])?;
    sample.keep(chosen, &given.with, &derived[1])?;
    let dim = reference.events.columns;
    let names = chosen.iter().map(|&column| scope.name(column));
    let names: Vec<String> = names.chain(given.with.iter().cloned()).collect();
    let pairs = pairs(arguments, chosen, &names)?;
    let (p, q) = (reference.sample()?, sample.sample()?);
    let steps = dim + 1 + pairs.len() + usize::from(arguments.auc);
    let bar = terminal::bar(steps as u64, "{bar:30} {msg}")?;

    let mut features = Vec::new();
    for (column, name) in names.iter().enumerate() {
        bar.set_message(format!("EMD of {name}"));
        let seed = arguments.seed.into();
        features.push((
            emd_1d(&p, &q, column, arguments.repeats as usize, seed)?,
            kolmogorov_smirnov(&p, &q, column)?,
        ));
        bar.inc(1);
    }
    bar.set_message("sliced EMD");
    let Arguments {
        directions,
        repeats,
        seed,
        ..
    } = *arguments;
    let sliced = sliced_emd(&p, &q, directions as usize, repeats as usize, seed.into())?;
    bar.inc(1);
    let mut divergences = Vec::new();
    for pair in pairs {
        bar.set_message("JSD");
        match divergence(arguments, &reference, &sample, pair) {
            Ok(divergence) => divergences.push(divergence),
            // Unasked, as bins of negative weight in all: the other scores stand.
            Err(Failure::Library(why)) if arguments.jsd.is_empty() => {
                let [x, y] = [pair.0, pair.1].map(|column| &names[column]);
                bar.suspend(|| terminal::say(&format!("no JSD of {x}, {y}: {why}")));
            }
            Err(failure) => return Err(failure),
        }
        bar.inc(1);
    }
    let auc = match arguments.auc {
        true => Some(auc(arguments, &p, &q, &bar)?),
        false => None,
    };
    bar.finish_and_clear();
    let scores = Scores {
        chosen: chosen.to_vec(),
        names,
        features,
        sliced,
        divergences,
        edges,
        edgeless,
        auc,
    };
    let sides = [reference.describe()?, sample.describe()?];
    let mut stdout = std::io::stdout().lock();
    match arguments.json {
        true => writeln!(stdout, "{:#}", scores.json(&sides))?,
        false => scores.print(&sides, &mut stdout)?,
    }
    Ok(stdout.flush()?)
}

/// The pairs whose JSD to print, as places among the features, which begin with the chosen columns.
fn pairs(arguments: &Arguments, chosen: &[usize], names: &[String]) -> Result<Vec<(usize, usize)>> {
    let place = |column: &String| {
        let named = names.iter().position(|name| name == column);
        let number = column.parse().ok();
        let numbered = || chosen.iter().position(|&c| Some(c) == number);
        named.or_else(numbered).ok_or_else(|| {
            Failure::Usage(format!(
                "--jsd: column {column} is not among the compared ones, {}",
                names.join(", ")
            ))
        })
    };
    let dim = names.len();
    if arguments.jsd.is_empty() && dim <= FEW {
        let all = (0..dim).flat_map(|x| (x + 1..dim).map(move |y| (x, y)));
        return Ok(all.collect());
    }
    let asked = arguments.jsd.iter();
    asked.map(|(x, y)| Ok((place(x)?, place(y)?))).collect()
}

/// The JSD of two features.
struct Divergence {
    pair: (usize, usize),
    nats: f64,
    floor: Floor,
    /// Shares of the reference's and of the sample's weight that the histograms do not reach.
    outside: [f64; 2],
}

fn divergence(
    arguments: &Arguments,
    reference: &Side,
    sample: &Side,
    pair: (usize, usize),
) -> Result<Divergence> {
    let axes = [pair.0, pair.1].map(|column| axis(&reference.events, column, arguments.bins));
    let fill = |side: &Side| -> Result<Histogram2d> {
        let [(x_bins, x), (y_bins, y)] = axes;
        let mut histogram = Histogram2d::new(x_bins, x, y_bins, y)?;
        let rows = side.events.values.chunks_exact(side.events.columns);
        let points: Vec<f64> = rows
            .flat_map(|event| [event[pair.0], event[pair.1]])
            .collect();
        histogram.fill(Rows::packed(&points, 2)?, side.weights.as_deref())?;
        Ok(histogram)
    };
    let (p, q) = (fill(reference)?, fill(sample)?);
    let floor = floor(
        jsd as fn(&_, &_) -> _,
        &p,
        &q,
        JSD_REPEATS,
        arguments.seed.into(),
    )?;
    Ok(Divergence {
        pair,
        nats: jsd(&p, &q)?.value,
        floor: Floor {
            mean: floor.mean.value,
            spread: floor.spread.value,
        },
        outside: [p, q].map(|h| h.outside() / (h.outside() + h.total())),
    })
}

/// Bins and range of an axis, from the 0.1 % to the 99.9 % quantile: an outlier more or less leaves the bins as they are. Of whole numbers,
/// each bin has as many: one, or more where there would be more bins than were asked for.
fn axis(events: &Events, column: usize, bins: u32) -> (usize, [f64; 2]) {
    let values = events.values.iter().skip(column).step_by(events.columns);
    let mut values: Vec<f64> = values.copied().collect();
    values.sort_unstable_by(f64::total_cmp);
    let last = (values.len() - 1) as f64;
    let [low, high] =
        [0.001, 0.999].map(|quantile: f64| values[(quantile * last).round() as usize]);
    let count = high - low + 1.0;
    // Beyond 2⁵³ all numbers are whole.
    if values.iter().any(|x| x.fract() != 0.0 || x.abs() > 1e15) || count < 2.0 {
        return (bins as usize, [low, high]);
    }
    let each = (count / f64::from(bins)).ceil();
    let bins = (count / each).ceil();
    (bins as usize, [low - 0.5, low - 0.5 + bins * each])
}

fn auc(arguments: &Arguments, p: &Sample, q: &Sample, bar: &ProgressBar) -> Result<TwoSampleAuc> {
    bar.set_message("AUC: training classifiers");
    let mut options = Options::preset("fast")?;
    options.set_i64("seed", arguments.seed.into())?;
    options.set_i64("threads", arguments.threads.into())?;
    if let Some(epochs) = arguments.auc_epochs {
        options.set_i64("classifier.epochs", epochs.into())?;
    }
    Ok(two_sample_auc(p, q, &options, &Told(bar))?)
}

/// Tells of what makes an area doubtful.
struct Told<'a>(&'a ProgressBar);

impl Hooks for Told<'_> {
    fn warn(&self, _: &'static str, message: &str) -> laser::Result<()> {
        self.0.suspend(|| terminal::warn(Some(message)));
        Ok(())
    }
}

struct Scores {
    names: Vec<String>,
    /// The columns' numbers in the reference; computed features follow them and have none.
    chosen: Vec<usize>,
    features: Vec<(Estimate, KolmogorovSmirnov)>,
    sliced: Estimate,
    divergences: Vec<Divergence>,
    edges: Vec<Edge>,
    /// The equalities of the support.
    edgeless: Vec<String>,
    auc: Option<TwoSampleAuc>,
}

impl Scores {
    fn json(&self, [reference, sample]: &[Value; 2]) -> Value {
        let estimate = |e: &Estimate| {
            json!({
                "distance": e.value,
                "error": e.error,
                "floor": e.floor.mean,
                "floor_spread": e.floor.spread,
            })
        };
        let features = self.features.iter().enumerate();
        let features = features.map(|(i, (emd, ks))| {
            json!({
                "column": self.chosen.get(i),
                "name": self.names[i],
                "emd": estimate(emd),
                "ks": {"statistic": ks.statistic, "p_value": ks.p_value},
            })
        });
        let divergences = self.divergences.iter().map(|d| {
            json!({
                "columns": [self.chosen.get(d.pair.0), self.chosen.get(d.pair.1)],
                "nats": d.nats,
                "floor": d.floor.mean,
                "floor_spread": d.floor.spread,
                "outside": d.outside,
            })
        });
        json!({
            "reference": reference,
            "sample": sample,
            "features": features.collect::<Vec<_>>(),
            "sliced_emd": estimate(&self.sliced),
            "jsd": divergences.collect::<Vec<_>>(),
            "edges": self.edges.iter().map(|edge| json!({
                "inequality": edge.inequality,
                "beyond": edge.beyond.map(|m| json!({"share": m.value, "error": m.error})),
                "depth": edge.depth,
                "ratio": edge.ratio.value,
                "ratio_error": edge.ratio.error,
            })).collect::<Vec<_>>(),
            "without_edge": self.edgeless,
            "auc": self.auc.map(|auc| {
                let area = |a: Auc| json!({"value": a.value, "error": a.error});
                let mut all = area(auc.larger());
                all["network"] = area(auc.network);
                all["trees"] = area(auc.trees);
                all
            }),
        })
    }

    fn print(&self, sides: &[Value; 2], out: &mut impl Write) -> std::io::Result<()> {
        let described = sides.each_ref().map(|side| {
            let worth = side["effective_events"].as_f64();
            let worth = worth.map_or(String::new(), |w| {
                format!(" (weighted, worth {})", number(w))
            });
            format!(
                "{} of {}{worth}",
                side["events"],
                side["file"].as_str().unwrap_or_default()
            )
        });
        writeln!(
            out,
            "reference  {}\nsample     {}\n",
            described[0], described[1]
        )?;
        let pair = |d: &Divergence| format!("{}, {}", self.names[d.pair.0], self.names[d.pair.1]);
        let labels = self.names.iter().cloned();
        let labels = labels.chain(self.divergences.iter().map(pair));
        let labels = labels.chain(self.edges.iter().map(|e| e.inequality.clone()));
        let width = labels.map(|l| l.chars().count()).fold(12, usize::max);
        let line =
            |out: &mut dyn Write, name: &str, e: &Estimate, ks: Option<&KolmogorovSmirnov>| {
                write!(
                    out,
                    "{name:<width$} {:>10} ± {:<9} {:>10} ± {:<9}",
                    number(e.value),
                    error(e.error),
                    number(e.floor.mean),
                    error(e.floor.spread)
                )?;
                match ks {
                    Some(ks) => writeln!(
                        out,
                        " {:>10} {:>10}",
                        number(ks.statistic),
                        number(ks.p_value)
                    ),
                    None => writeln!(out),
                }
            };
        writeln!(
            out,
            "{:<width$} {:>10}   {:<9} {:>10}   {:<9} {:>10} {:>10}",
            "feature", "EMD", "error", "floor", "spread", "KS", "p value"
        )?;
        for (name, (emd, ks)) in self.names.iter().zip(&self.features) {
            line(out, name, emd, Some(ks))?;
        }
        line(out, "all, sliced", &self.sliced, None)?;
        if !self.divergences.is_empty() {
            writeln!(
                out,
                "\n{:<width$} {:>10}   {:<9} {:>10}   {:<9} outside the bins",
                "features", "JSD", "", "floor", "spread"
            )?;
        }
        for d in &self.divergences {
            let name = pair(d);
            writeln!(
                out,
                "{name:<width$} {:>10}   {:<9} {:>10} ± {:<9} {}, {}",
                number(d.nats),
                "",
                number(d.floor.mean),
                error(d.floor.spread),
                percent(d.outside[0]),
                percent(d.outside[1])
            )?;
        }
        if !self.edges.is_empty() {
            writeln!(
                out,
                "\n{:<width$} {:>10} {:>10}   {:>10} {:>10}   {:<9}",
                "edge", "reference", "sample", "within", "ratio", "error"
            )?;
        }
        for edge in &self.edges {
            let [reference, sample] = edge.beyond.map(|share| percent(share.value));
            writeln!(
                out,
                "{:<width$} {reference:>10} {sample:>10}   {:>10} {:>10} ± {:<9}",
                edge.inequality,
                number(edge.depth),
                number(edge.ratio.value),
                error(edge.ratio.error)
            )?;
        }
        if !self.edgeless.is_empty() {
            writeln!(out)?;
        }
        for equality in &self.edgeless {
            writeln!(out, "`{equality}` has no edge: only inequalities have")?;
        }
        if let Some(auc) = &self.auc {
            writeln!(out)?;
            let mut line = |name: &str, area: Auc, remark: &str| {
                let (value, error) = (number(area.value), error(area.error));
                let line = format!("{name:<width$} {value:>10} ± {error:<9} {remark}");
                writeln!(out, "{}", line.trim_end())
            };
            line(
                "AUC",
                auc.larger(),
                "(0.5: fresh classifiers find no difference)",
            )?;
            line("  network", auc.network, "")?;
            line("  trees", auc.trees, "")?;
        }
        Ok(())
    }
}
