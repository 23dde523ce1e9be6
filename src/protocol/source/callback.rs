//! Events of a host, pulled batch by batch.

use super::events::{unwritten_weight, Events};
use super::origin::{EventSource, Known, Origin, CHUNK, MEASURE};
use super::restriction::Restriction;
use super::watch::Watch;
use crate::model::Scaling;
use crate::noise::places;
use crate::options::{keys, Options};
use crate::room;
use crate::train::{GoOn, Ranks, Words};
use crate::{Error, Result};
use parking_lot::Mutex;
use std::sync::Arc;

pub(super) struct Callback<'a> {
    /// The mutex is never locked: it lets threads share a source that none of them can pull.
    events: Mutex<Box<dyn EventSource + 'a>>,
    /// Rows that were pulled to measure the data and belong to the training.
    pending: Events,
    /// Rows to skip before it goes on: its held-out ones, met again.
    skip: usize,
    /// Training events that it has delivered since it began, and how many those are from beginning to end, once it has ended.
    since: usize,
    pass: Option<usize>,
    served: u64,
    /// What it has delivered since it began, of the events that it is declared to have.
    begun: usize,
    declared: Option<usize>,
    failures: Failures,
    /// The processes that ask their hosts for a part of the events each.
    ranks: Option<Arc<Ranks>>,
    /// Rows among which the next one is drawn; empty if they come as they are.
    pool: Events,
    mixed: usize,
    drawn: u64,
    /// Training events that were asked for.
    delivered: u64,
    /// Rows that the host of this process has delivered, and whether it has ended its events with the last.
    own: u64,
    ended: bool,
    /// Events held out before some were left out.
    before: Option<Events>,
}

/// Of a host, in a call.
#[derive(Default)]
struct Failures {
    /// So many in a row are borne.
    allowed: usize,
    /// So many were, the last of them for this.
    borne: u64,
    last: String,
}

/// Refuses rows of a callback, the first of which is event `first` of the stream, if one of them cannot be used.
fn unusable(rows: &Events, scalings: &[Scaling], first: u64) -> Result<()> {
    rows.defect(scalings).map_or(Ok(()), |defect| {
        Err(Error::Data(format!(
            "the event callback delivered an unusable event: {defect} (rows of a request count from 0; this one began at event {first} of the stream; what the callback does not write is NaN)"
        )))
    })
}

impl<'a> Callback<'a> {
    pub fn new(events: Box<dyn EventSource + 'a>) -> Self {
        let dim = events.dim();
        Callback {
            events: Mutex::new(events),
            pending: Events::new(dim),
            skip: 0,
            since: 0,
            pass: None,
            served: 0,
            begun: 0,
            declared: None,
            failures: Failures::default(),
            ranks: None,
            pool: Events::new(dim),
            mixed: 0,
            drawn: 0,
            delivered: 0,
            own: 0,
            ended: false,
            before: None,
        }
    }

    /// Asks the host for `rows` rows.
    fn ask(&mut self, rows: usize) -> Result<Events> {
        let mut asked = Events::new(self.pending.dim);
        let host = self.events.get_mut();
        asked.unwritten(rows, host.weighted())?;
        let got = match &self.ranks {
            None => {
                let got = fill(host, &mut self.failures, &mut asked.x, &mut asked.w)?;
                self.own += got as u64;
                self.ended = got < rows;
                got
            }
            Some(ranks) => {
                if self.declared.is_some() {
                    return Err(Error::Unsupported(
                        "`source.events` is set, but with ranks, callbacks deliver events without end; take an array or a file".into(),
                    ));
                }
                let first = self.own == 0;
                let got = fill_together(ranks, host, &mut self.failures, &mut asked)?;
                if first {
                    unlike(ranks, &asked)?;
                }
                // All of them delivered what they were asked for.
                self.own += ranks.part(rows).len() as u64;
                got
            }
        };
        asked.x.truncate(got * asked.dim);
        asked.w.truncate(got);
        Ok(asked)
    }

    /// Pulls up to `rows` rows. False if the epoch ended.
    fn pull(&mut self, known: &mut Known, rows: usize) -> Result<(Events, bool)> {
        let left = self
            .declared
            .map(|all| all.saturating_sub(self.begun).max(1));
        let asked = left.map_or(rows, |left| rows.min(left));
        let mut events = self.ask(asked)?;
        let got = events.len();
        unusable(&events, &known.scalings, self.served)?;
        let began = self.served;
        self.served += got as u64;
        self.begun += got;
        let going_on = got == asked && left.is_none_or(|left| got < left);
        if !going_on {
            self.begun = 0;
        }
        if let Some(restriction) = &mut known.restriction {
            let place = |row: usize| format!("event {} of the stream is", began + row as u64);
            let inside = restriction.mark(&events.x, events.dim, place)?;
            events.retain(&inside);
        }
        Ok((events, going_on))
    }

    /// The next `rows` training events as they come, of which there must be `least` in a pass.
    fn in_order(&mut self, known: &mut Known, rows: usize, least: usize) -> Result<Events> {
        let dim = known.dim;
        let mut batch = Events::new(dim);
        let pending = rows.min(self.pending.len());
        batch.room(rows)?;
        batch.x.extend(self.pending.x.drain(..pending * dim));
        batch.w.extend(self.pending.w.drain(..pending));
        let held_out = known.held_out.as_ref().map_or(0, Events::len);
        let mut fruitless = 0;
        while batch.len() < rows {
            while self.skip > 0 {
                let (met, going_on) = self.pull(known, CHUNK.min(self.skip))?;
                if !going_on {
                    return Err(Error::Data(format!(
                        "the event callback ended within its first {held_out} events, which are held out; it must deliver the same events or more whenever it begins again"
                    )));
                }
                self.skip -= met.len();
            }
            let (events, going_on) = self.pull(known, rows - batch.len())?;
            self.since += events.len();
            fruitless = if events.len() > 0 { 0 } else { fruitless + 1 };
            if fruitless > MOST_FRUITLESS {
                return Err(Error::Data(format!(
                    "{MOST_FRUITLESS} times in a row no event of the callback was within the support, but those that may be left out (`target.outside`)"
                )));
            }
            batch.put(&events)?;
            if !going_on && self.end(held_out) < least {
                return Err(Error::Data(format!(
                    "the event callback ended after {} events to train on, besides {held_out} that are held out (`validation.events`), which do not fill a batch of {rows}; deliver more events or lower the batch",
                    self.pass.unwrap_or(0)
                )));
            }
        }
        Ok(batch)
    }

    /// How many the host can have delivered for the events of a training: a pass has at least one, and the held-out ones before it; where some
    /// are left out, so many requests for a batch may come to one event.
    fn most_delivered(&self, known: &Known, words: &Words) -> u64 {
        let held_out = known.held_out.as_ref().map_or(0, Events::len) as u64;
        let each = match known.restriction {
            Some(_) => (MOST_FRUITLESS + 1).saturating_mul(words.batch),
            None => 1,
        };
        let drawn = words.most.saturating_add(1);
        let passes = held_out.saturating_add(1);
        drawn.saturating_mul(passes).saturating_mul(each as u64)
    }

    /// Asks the host of this process, as often as it has been asked, for what is used already.
    fn deliver_again(&mut self, own: u64, ended: bool, words: &Words) -> Result<()> {
        let mut rows = Events::new(self.pending.dim);
        let mut idle = 0;
        while self.own < own {
            (words.go_on)()?;
            let asked = (own - self.own).min(words.batch as u64) as usize;
            let host = self.events.get_mut();
            rows.unwritten(asked, host.weighted())?;
            let got = fill(host, &mut self.failures, &mut rows.x, &mut rows.w)?;
            self.own += got as u64;
            self.ended = got < asked;
            idle = if got > 0 { 0 } else { idle + 1 };
            if idle > 1 {
                return Err(Error::Data(
                    "the event callback delivers nothing where it delivered events before".into(),
                ));
            }
        }
        if ended && !self.ended {
            // It has said so when it was asked for more.
            let host = self.events.get_mut();
            rows.unwritten(1, host.weighted())?;
            let got = fill(host, &mut self.failures, &mut rows.x, &mut rows.w)?;
            if got > 0 {
                return Err(Error::Data(
                    "the event callback goes on where its events ended before".into(),
                ));
            }
            self.ended = true;
        }
        Ok(())
    }

    /// Its events are to begin again, the held-out ones first. Returns how many training events it has.
    fn end(&mut self, held_out: usize) -> usize {
        let pass = std::mem::take(&mut self.since);
        self.pass = Some(pass);
        self.skip = held_out;
        pass
    }
}

/// So many requests in a row without an event to use are no chance.
const MOST_FRUITLESS: usize = 10_000;

fn gone_on() -> Error {
    Error::InvalidArgument(
        "the source does not stand where it stood when the call of the checkpoint began, and a callback's events cannot be taken back: make a new source, whose callback begins anew, and make all calls of the job again, in their order".into(),
    )
}

/// Fills as many rows as the host delivers, and says how many. Asks again if it fails: a call that fails has delivered nothing.
fn fill(
    events: &mut Box<dyn EventSource + '_>,
    failures: &mut Failures,
    x: &mut [f64],
    w: &mut [f64],
) -> Result<usize> {
    let mut failed = 0;
    loop {
        match events.fill(x, w) {
            Ok(got) if got > w.len() => {
                return Err(Error::Data(format!(
                    "the event callback says it delivered {got} events, but {} were asked for",
                    w.len()
                )))
            }
            Err(why @ (Error::Callback { .. } | Error::Host(_))) if failed < failures.allowed => {
                failed += 1;
                failures.borne += 1;
                failures.last = why.to_string();
                x.fill(f64::NAN);
                w.fill(unwritten_weight(events.weighted()));
            }
            done => return done,
        }
    }
}

/// Refuses first events that two ranks have in common: simulators of one seed. `rows`: of all ranks, in their order.
fn unlike(ranks: &Ranks, rows: &Events) -> Result<()> {
    // Fewer may be equal by chance, of features with few values.
    const SOME: usize = 20;
    let part = |rank: usize| {
        let part = ranks.part_of(rank, rows.len());
        &rows.x[part.start * rows.dim..part.end * rows.dim]
    };
    for rank in 1..ranks.count() {
        let own = part(rank);
        let common = |other: &usize| {
            let other = part(*other);
            // One may have a row more.
            let both = own.len().min(other.len());
            both >= SOME * rows.dim && own[..both] == other[..both]
        };
        if let Some(other) = (0..rank).find(common) {
            return Err(Error::Data(format!(
                "the event callbacks of the ranks {other} and {rank} deliver the same events: give the simulators of all ranks different seeds or streams"
            )));
        }
    }
    Ok(())
}

/// Every rank asks its host for its part of the rows, and all get all of them.
fn fill_together(
    ranks: &Ranks,
    events: &mut Box<dyn EventSource + '_>,
    failures: &mut Failures,
    rows: &mut Events,
) -> Result<usize> {
    let (asked, dim) = (rows.len(), rows.dim);
    let part = ranks.part(asked);
    let mut sums = room::filled(asked * (dim + 1) + 1, 0.0)?;
    let (x, rest) = sums.split_at_mut(asked * dim);
    let (w, missing) = rest.split_at_mut(asked);
    if !part.is_empty() {
        let (x, w) = (
            &mut x[part.start * dim..part.end * dim],
            &mut w[part.clone()],
        );
        x.fill(f64::NAN);
        w.fill(unwritten_weight(events.weighted()));
        let got = fill(events, failures, x, w)?;
        missing[0] = (part.len() - got) as f64;
    }
    ranks.sum(&mut sums)?;
    if sums[asked * (dim + 1)] > 0.0 {
        return Err(Error::Unsupported(
            "the event callback of a rank has ended its events: with ranks, callbacks deliver events without end; take an array or a file".into(),
        ));
    }
    rows.x.copy_from_slice(&sums[..asked * dim]);
    rows.w
        .copy_from_slice(&sums[asked * dim..asked * (dim + 1)]);
    Ok(asked)
}

impl Origin for Callback<'_> {
    fn join(&mut self, ranks: Option<&Arc<Ranks>>) {
        self.ranks = ranks.cloned();
        self.failures = Failures::default();
    }

    fn failures(&self) -> Option<String> {
        let Failures { borne, last, .. } = &self.failures;
        (*borne > 0).then(|| {
            format!("the event callback failed {borne} times, and was asked again each time (`source.failures`), which changes nothing in the result; the last time: {last}")
        })
    }

    fn begin(&mut self, options: &Options) {
        self.failures.allowed = options.get(keys::SOURCE_FAILURES) as usize;
        self.mixed = options.get(keys::SOURCE_SHUFFLE) as usize;
        let declared = options.get(keys::SOURCE_EVENTS) as usize;
        self.declared = Some(declared).filter(|&declared| declared > 0);
    }

    fn hold_out(&mut self, known: &mut Known, options: &Options) -> Result<Events> {
        let rows = options.get(keys::VALIDATION_EVENTS) as usize;
        let mut held_out = Events::new(known.dim);
        while held_out.len() < rows {
            let (events, going_on) = self.pull(known, CHUNK.min(rows - held_out.len()))?;
            held_out.put(&events)?;
            if !going_on {
                let hint = if held_out.len() == 0 {
                    " (did it set *got?)"
                } else {
                    ""
                };
                return Err(Error::Data(format!(
                    "the event callback ended its first epoch after {} events{hint}, but {rows} are held out of the training (`validation.events`); deliver more events or hold out fewer",
                    held_out.len()
                )));
            }
        }
        Ok(held_out)
    }

    fn next(&mut self, known: &mut Known, rows: usize, least: usize, seed: u64) -> Result<Events> {
        self.delivered += rows as u64;
        if self.mixed == 0 {
            self.pool = Events::new(known.dim);
            return self.in_order(known, rows, least);
        }
        while self.pool.len() < self.mixed {
            let more = rows.min(self.mixed - self.pool.len());
            let events = self.in_order(known, more, least.min(more))?;
            self.pool.put(&events)?;
        }
        // Every event takes the place of one of the pool, which comes in its stead: whatever is asked for at a time, the order is the same.
        let mut batch = self.in_order(known, rows, least)?;
        let noise = places::STREAM_POOL.noise(seed);
        for row in 0..rows {
            let mut u = [0.0];
            noise.uniforms(self.drawn, 0, &mut u);
            self.drawn += 1;
            let chosen = (u[0] * self.pool.len() as f64) as usize;
            batch.swap(row, &mut self.pool, chosen);
        }
        Ok(batch)
    }

    fn position(&self, known: &Known, words: &mut Vec<u64>) -> Result<()> {
        // Events that wait here are not the host's any more.
        let waiting = self.pending.len() + self.pool.len();
        if waiting > 0 {
            words.push(0);
            return Ok(());
        }
        // The host's own number, or how much it has delivered; of every rank.
        let told = self.events.lock().position()?;
        let own = [u64::from(told.is_some()), told.unwrap_or(self.own)];
        let ranks = self.ranks.as_ref();
        let all = ranks.map_or_else(|| Ok(own.into()), |ranks| ranks.gather(&own))?;
        let restriction = known.restriction.as_ref();
        let (seen, outside) = restriction.map_or((0, 0), |r| (r.seen, r.outside));
        words.push(all.len() as u64);
        words.extend(all);
        words.extend([self.served, self.delivered, seen, outside]);
        let pass = self.pass.map_or(0, |pass| pass + 1);
        words.extend([self.skip, self.since, self.begun, pass].map(|n| n as u64));
        words.push(u64::from(self.ended));
        Ok(())
    }

    fn skip(&mut self, known: &mut Known, rows: u64, seed: u64, words: &mut Words) -> Result<()> {
        let of_all = words.next_word()?;
        if of_all == 0 {
            return super::origin::draw_and_forget(self, known, rows, seed, words);
        }
        let mut word = || words.next_word();
        let rank = self.ranks.as_ref().map_or(0, |ranks| ranks.rank());
        let (mut told, mut position) = (0, 0);
        for of_rank in 0..of_all / 2 {
            let own = (word()?, word()?);
            if of_rank == rank as u64 {
                (told, position) = own;
            }
        }
        (self.served, self.delivered) = (word()?, word()?);
        let (seen, outside) = (word()?, word()?);
        if let Some(restriction) = &mut known.restriction {
            (restriction.seen, restriction.outside) = (seen, outside);
        }
        let mut count = || word().map(|n| n as usize);
        (self.skip, self.since, self.begun) = (count()?, count()?, count()?);
        self.pass = count()?.checked_sub(1);
        let ended = word()? > 0;
        self.pending = Events::new(known.dim);
        match told {
            0 => {
                let most = self.most_delivered(known, words);
                if position.saturating_sub(self.own) > most {
                    return Err(Error::Format(format!(
                        "{position} events delivered by the callback, of which {} were before it, and it can have asked for at most {most}",
                        self.own
                    )));
                }
                self.deliver_again(position, ended, words)
            }
            _ => self.events.get_mut().go_to(position),
        }
    }

    fn place(&self, words: &mut Vec<u64>) {
        let waiting = [self.pending.len(), self.pool.len(), self.skip, self.since];
        words.extend([self.delivered, self.served, self.drawn]);
        words.extend(waiting.map(|n| n as u64));
    }

    fn reset(&mut self) -> Result<()> {
        Err(gone_on())
    }

    fn go_to(&mut self, _: u64, _: u64, _: GoOn) -> Result<()> {
        Err(gone_on())
    }

    fn pass(&self) -> Option<usize> {
        self.pass
    }

    fn measured(&mut self, known: &mut Known) -> Result<Events> {
        let held_out = known.held_out.as_ref().map_or(0, Events::len);
        let mut going_on = self.skip == 0;
        while going_on && held_out + self.pending.len() < MEASURE {
            let events;
            (events, going_on) = self.pull(known, CHUNK)?;
            self.since += events.len();
            self.pending.put(&events)?;
        }
        if self.skip == 0 && !going_on {
            self.end(held_out);
        }
        let mut sample = Events::new(known.dim);
        for events in known.held_out.iter().chain([&self.pending]) {
            sample.put(events)?;
        }
        Ok(sample)
    }

    fn restrict(&mut self, known: &mut Known, restriction: &mut Restriction) -> Result<()> {
        self.before = known.held_out.as_ref().map(Events::copied).transpose()?;
        let of_stream = |row: usize| format!("row {row} (from 0) of those held out is");
        let kept = [&mut self.pending, &mut self.pool];
        for rows in known.held_out.iter_mut().chain(kept) {
            let inside = restriction.mark(&rows.x, known.dim, of_stream)?;
            rows.retain(&inside);
        }
        Ok(())
    }

    fn release(&mut self, known: &mut Known) {
        // The stream has gone on: what it has held out since stays so.
        if let Some(held_out) = self.before.take() {
            known.held_out = Some(held_out);
        }
    }

    fn bound(&self, known: &Known) -> Result<()> {
        let held_out = known.held_out.as_ref();
        let before = held_out.map_or(0, Events::len) as u64;
        held_out.map_or(Ok(()), |rows| unusable(rows, &known.scalings, 0))?;
        unusable(&self.pending, &known.scalings, before)?;
        unusable(&self.pool, &known.scalings, before)
    }

    fn watch(&self, held_out: &Events) -> Result<Option<Watch>> {
        Watch::new(held_out, true).map(Some)
    }

    fn identity(&self, known: &Known, weighted: &str) -> Result<String> {
        Ok(format!(
            "a stream of {weighted}events of {} values",
            known.dim
        ))
    }
}
