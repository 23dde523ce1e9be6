//! How refined events are made: what is known of each method without making any.

use super::Map;
use serde::{Deserialize, Serialize};

/// Declares the methods, and in the same order what is known of them.
macro_rules! methods {
    ($(#[doc = $doc:literal] $method:ident($name:literal) { $($fact:ident: $value:expr),* })*) => {
        /// How refined events are made from g and w(z). The names are those of the option `refiner.method`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum Method {
            $(#[doc = $doc] $method,)*
        }

        const FACTS: &[Facts] = &[$(Facts {
            name: $name,
            $($fact: $value),*
        }),*];

        impl Method {
            /// All of them, in the order in which options list them.
            pub const ALL: [Method; FACTS.len()] = [$(Method::$method),*];
        }
    };
}

methods! {
    /// No refinement: z ~ p(z).
    Baseline("baseline") { needs: Needs::Generator, correlation: Correlation::None, density: Density::Generated }
    /// DCTR: z ~ p(z), events carry the weight w(z).
    Reweight("reweight") { needs: Needs::Classifier, correlation: Correlation::None, density: Density::Generated }
    /// z accepted with probability w(z) / w_max.
    Rejection("rejection") { needs: Needs::Classifier, correlation: Correlation::None, density: Density::Refined }
    /// z resampled from a pool of the prior's latents by w(z) (SIR).
    Resampling("resampling") { needs: Needs::Classifier, correlation: Correlation::Pool, density: Density::Refined }
    /// z = Φ(y), Φ a network that a weighted GAN has trained.
    Gan("gan") { needs: Needs::Training(|map| matches!(map, Map::Network(_))), correlation: Correlation::None, density: Density::None }
    /// z = Φ(y), Φ a normalizing flow of the weighted latents.
    Flow("flow") { needs: Needs::Training(|map| matches!(map, Map::Flow(_))), correlation: Correlation::None, density: Density::Own }
    /// z = Φ(y), Φ the transport along velocities that flow matching has learned.
    Matching("matching") { needs: Needs::Training(|map| matches!(map, Map::Matching(_))), correlation: Correlation::None, density: Density::None }
    /// z from a mixture of p(z) and a flow of the weighted latents, accepted by its exact weight.
    Mixture("mixture") { needs: Needs::Training(|map| matches!(map, Map::Flow(_))), correlation: Correlation::None, density: Density::Refined }
    /// z accepted by a network that stands for w(z), and by w(z) / that.
    Surrogate("surrogate") { needs: Needs::Surrogate, correlation: Correlation::None, density: Density::Refined }
    /// z accepted by that network alone.
    Distilled("distilled") { needs: Needs::Surrogate, correlation: Correlation::None, density: Density::Distilled }
    /// z from Langevin chains of q(z) without the Metropolis test (DDLS, arXiv:2003.06060): biased by its step.
    Langevin("langevin") { needs: Needs::Gradient, correlation: Correlation::Chain, density: Density::Refined }
    /// z from Langevin chains of q(z) with it.
    Mala("mala") { needs: Needs::Gradient, correlation: Correlation::Chain, density: Density::Refined }
    /// z from Hamiltonian Monte Carlo chains of q(z).
    Hmc("hmc") { needs: Needs::Gradient, correlation: Correlation::Chain, density: Density::Refined }
}

/// What is known of a method without making events by it.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// The options' word for it.
    pub name: &'static str,
    /// What it needs.
    pub needs: Needs,
    /// How its events hang together.
    pub correlation: Correlation,
    /// What density they have.
    pub density: Density,
}

/// What a method needs, the generator always among it.
#[derive(Clone, Copy, Debug)]
pub enum Needs {
    /// Nothing else.
    Generator,
    /// w(z).
    Classifier,
    /// w(z) and its gradient.
    Gradient,
    /// A learned [`Refiner`](super::Refiner), whose map is of this kind.
    Training(fn(&Map) -> bool),
    /// A network of the latents that was trained to stand for w(z).
    Surrogate,
}

/// How a method's events hang together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Correlation {
    /// Every event is made for itself.
    None,
    /// Events of a block are chosen from one pool.
    Pool,
    /// Events are states of Markov chains.
    Chain,
}

/// The density of a method's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Density {
    /// p_g(x), that of the generator.
    Generated,
    /// p_g(x) w(z) / Z, at which the method aims.
    Refined,
    /// p_g(x) s(z) / Z, s the network that stands for w.
    Distilled,
    /// That of the map that makes the latents, in place of the prior's.
    Own,
    /// None that is tractable.
    None,
}

impl Method {
    /// What is known of it.
    pub const fn facts(self) -> &'static Facts {
        &FACTS[self as usize]
    }

    /// The option's word for it.
    pub const fn name(self) -> &'static str {
        self.facts().name
    }

    /// Whether events are states of Markov chains.
    pub fn is_chain(self) -> bool {
        self.facts().correlation == Correlation::Chain
    }

    /// Whether it accepts proposals by their weights; events of those above w_max have a weight of their own.
    pub fn rejects(self) -> bool {
        matches!(
            self,
            Method::Rejection | Method::Mixture | Method::Surrogate
        )
    }

    /// Whether it refuses some of its proposals, by their weights or by a network that stands for them.
    pub fn refuses(self) -> bool {
        self.rejects() || self == Method::Distilled
    }

    /// Whether it makes events in common, so that they cannot have conditions of their own.
    pub fn in_common(self) -> bool {
        self.facts().correlation != Correlation::None
    }

    /// Whether it makes events by a learned [`Refiner`](super::Refiner).
    pub fn learned(self) -> bool {
        matches!(self.facts().needs, Needs::Training(_))
    }

    /// Whether it could have learned this map.
    pub fn learns(self, map: &Map) -> bool {
        matches!(self.facts().needs, Needs::Training(is_its) if is_its(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_write_the_words_of_the_options() {
        for method in Method::ALL {
            let written = serde_json::to_value(method).unwrap();
            assert_eq!(written, method.name());
        }
    }
}
