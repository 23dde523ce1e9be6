//! Every place of the library's random numbers, by name. What makes numbers names its place here; no two share one.

use super::{domain, Domain, Noise, PhiloxRng};

/// A stream of a purpose. Who uses it counts its events and their draws.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    domain: Domain,
    stream: u64,
}

impl Place {
    const fn new(domain: Domain, stream: u64) -> Self {
        Place { domain, stream }
    }

    /// Its numbers.
    pub fn noise(self, seed: u64) -> Noise {
        Noise::new(seed, self.stream, self.domain)
    }
}

/// Places for one thing of which there are several.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    domain: Domain,
    first: u64,
    step: u64,
}

impl Places {
    const fn new(domain: Domain, first: u64, step: u64) -> Self {
        Places {
            domain,
            first,
            step,
        }
    }

    /// That of number `number`, from 0.
    pub fn at(self, number: u64) -> Place {
        Place::new(self.domain, self.first + self.step * number)
    }
}

/// The place of what is shuffled once: the last event of a stream, to which no count comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Once(Place);

impl Once {
    const fn new(domain: Domain, stream: u64) -> Self {
        Once(Place::new(domain, stream))
    }

    /// Its draws.
    pub fn rng(self, seed: u64) -> PhiloxRng {
        self.0.noise(seed).rng(u64::MAX)
    }
}

/// Where something is used only if an option has a value, it may lie where something else does that is used only if the option has another.
macro_rules! places {
    ($($(#[doc = $about:literal])+ $name:ident: $kind:ident($($argument:expr),+) $(if $option:literal is $value:literal)?;)+) => {
        $($(#[doc = $about])+ pub(crate) const $name: $kind = $kind::new($($argument),+);)+

        #[cfg(test)]
        fn all() -> Vec<tests::Named> {
            vec![$(tests::Named {
                name: stringify!($name),
                only_if: [$(($option, $value))?].first().copied(),
                streams: tests::Streams::streams($name),
            }),+]
        }
    };
}

places! {
    /// Of a sampler's stream: latents of events; y, of a learned refiner.
    LATENTS: Places(domain::LATENT, 0, 1);
    /// Of a sampler's stream: what accepts, jitters, and fills rows in a random order.
    UNIFORMS: Places(domain::ACCEPT, 0, 1);
    /// Of a sampler's stream: latents that chains start from, or that their starts are resampled from.
    STARTS: Places(domain::PROPOSAL, 0, 1);
    /// Of a sampler's stream: momenta of chains.
    MOMENTA: Places(domain::MOMENTUM, 0, 1);
    /// Of a sampler's stream: angles of particles that no feature tells, drawn by the program.
    ANGLES: Places(domain::PARTICLES, 0, 1);

    /// Initial parameters of the generator, part by part: of a flow the choice of the halves that its blocks transform, then the blocks; of a GAN
    /// the discriminator, then the generator; of a VAE the encoder, then the decoder.
    GENERATOR: Places(domain::INITIAL, 0, 1);
    /// The same of the learned refiner.
    REFINER: Places(domain::GAN_INITIAL, 0, 1);

    /// Initial weights of every member of the ensemble.
    CLASSIFIER: Places(domain::CLASSIFIER_INITIAL, 0, 1) if "pullback.method" is "direct";
    /// Initial weights of every member of OmniFold's classifier of events.
    OMNIFOLD_EVENTS: Places(domain::CLASSIFIER_INITIAL, 0, 2) if "pullback.method" is "omnifold";
    /// Initial weights of every member of OmniFold's classifier of latents.
    OMNIFOLD_LATENTS: Places(domain::CLASSIFIER_INITIAL, 1, 2) if "pullback.method" is "omnifold";

    /// Initial weights of every member of the classifier of squared weights.
    SQUARES: Places(domain::CLASSIFIER_INITIAL, 1 << 32, 1);

    /// Which events are kept where negative weights are resampled: the event is the row.
    KEPT: Place(domain::KEPT, 0);

    /// Which events of an array are held out.
    HELD_OUT: Once(domain::SHUFFLE, 0);
    /// The order of the others.
    TARGET_ROWS: Place(domain::SHUFFLE, 1);
    /// The order within parts of a large file.
    FILE_WINDOWS: Place(domain::SHUFFLE, 5);
    /// Which event of a stream's pool is next.
    STREAM_POOL: Place(domain::SHUFFLE, 6);
    /// The order of the conditions that events are made for.
    CONDITIONS: Once(domain::SHUFFLE, 2);
    /// The order of the pool that a refiner learns from.
    POOL_ROWS: Place(domain::SHUFFLE, 2);
    /// The order of the events that OmniFold has generated.
    OMNIFOLD_EVENT_ROWS: Place(domain::SHUFFLE, 3);
    /// The order of their latents.
    OMNIFOLD_LATENT_ROWS: Place(domain::SHUFFLE, 4);

    /// Latents of the events that the classifier is trained on.
    CLASSIFIER_TRAINING: Place(domain::TRAINING, 0);
    /// Latents of those that its held-out loss is measured on.
    CLASSIFIER_HELD_OUT: Place(domain::TRAINING, 1);
    /// What the GAN refiner maps in its training.
    GAN_REFINER_TRAINING: Place(domain::TRAINING, 2);
    /// What a GAN's generator maps in its training.
    GAN_GENERATOR_TRAINING: Place(domain::TRAINING, 3);
    /// ε, of a VAE's training.
    VAE_TRAINING: Place(domain::TRAINING, 4);
    /// Times, of flow matching.
    MATCHING_TRAINING: Place(domain::TRAINING, 5);

    /// The weighted latents that a refiner learns from.
    POOL: Place(domain::POOL, 0);
    /// The latents that OmniFold works on.
    OMNIFOLD: Place(domain::POOL, 1);
    /// Where pairs of flow matching start, given conditions.
    MATCHING_STARTS: Place(domain::POOL, 2);
    /// Offsets of the resampling where they end.
    MATCHING_ENDS: Place(domain::POOL, 3);

    /// Latents of the run that the weights are judged by.
    PILOT: Place(domain::PILOT, 0);

    /// What a learned refiner maps to see how much of it is within the support.
    SUPPORT: Place(domain::PILOT, 1);
    /// Latents of the run that the proposals of a mixture are judged by: those of the prior.
    MIXTURE_PRIOR: Place(domain::PILOT, 2);
    /// What the flow maps to the others.
    MIXTURE_FLOW: Place(domain::PILOT, 3);

    /// Bootstrap samples.
    BOOTSTRAP: Place(domain::SCORES, 0);
    /// Directions of projections.
    DIRECTIONS: Place(domain::SCORES, 1);

    /// Where in its cell a value that has one is put, in the training of a generator.
    SPREAD_TRAINING: Place(domain::TRAINING, 6);
    /// The same, of held-out events.
    SPREAD_HELD_OUT: Place(domain::TRAINING, 7);

    /// By how much the conditions of a batch are turned, where a reweighter's source `from` has none of its own.
    REWEIGHT_CONDITIONS: Place(domain::TRAINING, 8);

    /// Initial weights of every member of unfolding's classifier at detector level.
    UNFOLD_DETECTOR: Places(domain::UNFOLDING, 0, 3);
    /// The same at particle level.
    UNFOLD_PARTICLES: Places(domain::UNFOLDING, 1, 3);
    /// The same of fakes.
    UNFOLD_FAKES: Places(domain::UNFOLDING, 2, 3);
    /// Of a replica: how often a simulated event is drawn.
    UNFOLD_PAIRS: Places(domain::REPLICA, 0, 2);
    /// Of a replica: how often a measured event is drawn.
    UNFOLD_DATA: Places(domain::REPLICA, 1, 2);

    /// Initial weights of the network that is to tell two samples apart.
    TWO_SAMPLE: Place(domain::TWO_SAMPLE, 0);
    /// The half of the sample that is trained on.
    SAMPLE_HALF: Once(domain::TWO_SAMPLE, 1);
    /// The order of the sample in training.
    SAMPLE_ROWS: Place(domain::TWO_SAMPLE, 1);
    /// The half of the reference that is trained on.
    REFERENCE_HALF: Once(domain::TWO_SAMPLE, 2);
    /// The order of the reference in training.
    REFERENCE_ROWS: Place(domain::TWO_SAMPLE, 2);
}

/// The sampler's stream for the pilot run of chains: one that no host takes by chance.
pub(crate) const CHAINS_PILOT: u64 = 0x6368_6169_6e73;
/// The same where it judges more chains than have found their step.
pub(crate) const CHAINS_JUDGED: u64 = CHAINS_PILOT + 1;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// A place by name, or the first of many.
    pub struct Named {
        pub name: &'static str,
        /// An option and its value.
        pub only_if: Option<(&'static str, &'static str)>,
        /// Domain, stream, and whether only its last event is meant.
        pub streams: Vec<(u64, u64, bool)>,
    }

    pub trait Streams {
        fn streams(self) -> Vec<(u64, u64, bool)>;
    }

    impl Streams for Place {
        fn streams(self) -> Vec<(u64, u64, bool)> {
            vec![(self.domain.0, self.stream, false)]
        }
    }

    impl Streams for Places {
        fn streams(self) -> Vec<(u64, u64, bool)> {
            (0..100).flat_map(|k| self.at(k).streams()).collect()
        }
    }

    impl Streams for Once {
        fn streams(self) -> Vec<(u64, u64, bool)> {
            vec![(self.0.domain.0, self.0.stream, true)]
        }
    }

    #[test]
    fn no_two_names_share_a_place() {
        let mut owners: HashMap<_, Vec<Named>> = HashMap::new();
        for place in all() {
            for &stream in &place.streams {
                let owners = owners.entry(stream).or_default();
                for other in owners.iter() {
                    let apart = match (place.only_if, other.only_if) {
                        (Some((option, value)), Some((same, another))) => {
                            option == same && value != another
                        }
                        _ => false,
                    };
                    assert!(apart, "{} and {}: {stream:?}", place.name, other.name);
                }
                owners.push(Named {
                    streams: Vec::new(),
                    ..place
                });
            }
        }
    }
}
